//! The command is killed right before or after one of its writes. The target lives on and computes;
//! what is left in it is what so many writes leave, the next command says so or works, and what it
//! says to do helps.

use std::path::Path;

use serde_json::Value;

use crate::command::{Ran, attach, attach_and_expect, attach_command, softdock};
use crate::dap::Client;
use crate::debug::{debug, debug_and_expect, debuggable, left_over};
use crate::pythons::Python;
use crate::service::Service;
use crate::target::{Folder, Target, eventually};
use crate::traced::{Moment, Side, kill_at};
use crate::{Situation, always};

pub(crate) fn situations() -> Vec<Situation> {
    vec![
        always("killed-at-each-write-of-an-attach", at_each_write_of_an_attach),
        always("killed-at-each-write-while-frozen", at_each_write_while_frozen),
        always("killed-at-each-write-of-concord", at_each_write_of_concord),
        always("killed-while-it-takes-a-request-back", while_it_takes_a_request_back),
        debuggable("killed-at-each-write-of-a-debug", at_each_write_of_a_debug),
    ]
}

/// Computes, and tells how far it is by memory that it shares: no system call, no event of the
/// interpreter, until it is asked for one.
const COMPUTES: &str = "import mmap, sys
sys.executable = sys.argv[1]
with open(sys.argv[2], 'wb+') as file:
    file.truncate(8)
    progress = mmap.mmap(file.fileno(), 8)
print('ready', flush=True)
number = 0
while True:
    number += 1
    progress[:] = number.to_bytes(8, 'little')
";

/// What so many writes leave, of the four: claim, path, flag, breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Leaves {
    Nothing,
    Claim,
    /// A request that is there, for a thread that has not been told to look.
    Request,
    /// A request that is taken.
    Script,
}

const MOMENTS: [(Moment, Leaves); 8] = [
    ((1, Side::Before), Leaves::Nothing),
    ((1, Side::After), Leaves::Claim),
    ((2, Side::Before), Leaves::Claim),
    ((2, Side::After), Leaves::Claim),
    ((3, Side::Before), Leaves::Claim),
    ((3, Side::After), Leaves::Request),
    ((4, Side::Before), Leaves::Request),
    ((4, Side::After), Leaves::Script),
];

/// It is not stopped, nobody traces it, and it does its work.
#[track_caller]
fn proves_to_compute(service: &Service) {
    let status = std::fs::read_to_string(format!("/proc/{}/status", service.target.pid())).unwrap();
    assert!(status.contains("\nTracerPid:\t0\n"), "{status}");
    let progress = || std::fs::read(&service.progress).unwrap();
    let before = progress();
    eventually(|| (progress() != before).then_some(()));
}

/// Runs a command that must take something back.
#[track_caller]
fn take_back(words: &[&str]) -> Value {
    let ran = Ran::of(softdock().args(words).args(["--format", "json"]).output().unwrap());
    let json = ran.json();
    assert_eq!((ran.code, &json["outcome"]), (Some(0), &"cancelled".into()), "{json:#}");
    json
}

fn at_each_write_of_an_attach(python: &Python) {
    kill_attaches(python, &[]);
}

/// The target is held by a thread of the command then, which dies with it.
fn at_each_write_while_frozen(python: &Python) {
    kill_attaches(python, &["--freeze"]);
}

/// The same writes, and no others before them: it has looked at everything twice by then.
fn at_each_write_of_concord(python: &Python) {
    kill_attaches(python, &["--front-end", "concord"]);
}

fn kill_attaches(python: &Python, more: &[&str]) {
    let folder = Folder::new();
    let service = Service::start(python, &folder, COMPUTES);
    let target = &service.target;
    let mut expected: Vec<String> = Vec::new();
    for (nth, (moment, leaves)) in MOMENTS.into_iter().enumerate() {
        let killed = folder.script(format!("killed-{nth}.py"), &format!("'killed {nth}'"));
        let next = folder.script(format!("next-{nth}.py"), &format!("'next {nth}'"));
        let mut command = attach_command(target, &killed);
        command.args(more);
        kill_at(&command, moment);
        proves_to_compute(&service);
        if leaves == Leaves::Script {
            expected.push(format!("killed {nth}"));
            next.wait_for_marks(expected.len());
        }
        if matches!(leaves, Leaves::Claim | Leaves::Request) {
            let busy = attach::<&str>(target, &next, &[]);
            busy.expect_stop("refused", "plan", "busy");
            assert!(busy.json()["hint"].as_str().unwrap().contains("cancel its request"));
            take_back(&["attach", "--pid", &target.pid().to_string(), "--cancel"]);
        }
        attach_and_expect::<&str>(target, &next, &[]);
        expected.push(format!("next {nth}"));
        assert_eq!(next.wait_for_marks(expected.len()), expected, "{moment:?}");
        proves_to_compute(&service);
    }
    assert_eq!(target.errors(), "");
}

/// Three writes: an empty path, under which nothing runs, the flag, and the path as it was. Nobody
/// looks meanwhile.
fn while_it_takes_a_request_back(python: &Python) {
    for (write, side) in
        [5, 6, 7].into_iter().flat_map(|nth| [(nth, Side::Before), (nth, Side::After)])
    {
        let folder = Folder::new();
        let target = Target::blocked(python, &folder);
        let (killed, next) = (folder.script("a.py", "'killed'"), folder.script("b.py", "'next'"));
        let mut command = attach_command(&target, &killed);
        kill_at(command.args(["--timeout", "60s"]), (write, side));
        let is_whole = (write, side) == (5, Side::Before);
        let is_pending = write < 6 || (write, side) == (6, Side::Before);
        let expected = match (is_whole, is_pending) {
            (true, _) => vec!["killed"],
            (false, true) => vec![],
            (false, false) => vec!["next"],
        };
        let ran = attach(&target, &next, &["--timeout", "50ms"]);
        let verdict = if is_pending { "refused" } else { "armed" };
        assert_eq!(ran.json()["outcome"], verdict, "{write} {side:?}: {}", ran.stdout);
        target.finish();
        assert_eq!(next.marks(), expected, "{write} {side:?}");
    }
}

/// Its files stay, and are in nobody's way.
fn at_each_write_of_a_debug(python: &Python) {
    for (moment, leaves) in MOMENTS {
        let folder = Folder::new();
        let service = Service::start(python, &folder, COMPUTES);
        let pid = service.target.pid().to_string();
        let session = format!("killed-{pid}");
        let mut command = softdock();
        command.args(["debug", "--pid", &pid, "--session", &session]);
        kill_at(&command, moment);
        proves_to_compute(&service);
        let left = left_over(Path::new("/"), &session);
        assert_eq!(left.len(), 1, "{left:?}");
        if matches!(leaves, Leaves::Claim | Leaves::Request) {
            debug(&service.target, &[]).expect_stop("refused", "plan", "busy");
            take_back_as_it_says(&pid, leaves);
        }
        if leaves == Leaves::Script {
            // Else the next one may be the first to start a session, and this one share it.
            let record = left[0].join("answers/record.json");
            eventually(|| {
                std::fs::read_to_string(&record).ok()?.contains("listening").then_some(())
            });
        }
        let is_gone = leaves == Leaves::Request;
        assert_eq!(left_over(Path::new("/"), &session).is_empty(), is_gone, "{moment:?}");
        let (port, json) = debug_and_expect(&service.target, &[]);
        assert_eq!(json["reused"], leaves == Leaves::Script, "{moment:?}: {json:#}");
        Client::attach(port, &[]).disconnect();
        proves_to_compute(&service);
        assert_eq!(service.target.errors(), "");
        for folder in left_over(Path::new("/"), &session) {
            std::fs::remove_dir_all(folder).unwrap();
        }
    }
}

/// A request says that it is for a debugger. A claim does not: then it is said what it is, and how
/// to take it back.
#[track_caller]
fn take_back_as_it_says(pid: &str, leaves: Leaves) {
    let debug = ["debug", "--pid", pid, "--cancel"];
    if leaves == Leaves::Request {
        assert_eq!(take_back(&debug)["folder"], Value::Null);
        return;
    }
    let refused = Ran::of(softdock().args(debug).args(["--format", "json"]).output().unwrap());
    refused.expect_stop("refused", "plan", "nothing-pending");
    let json = refused.json();
    let (_, words) = json["hint"].as_str().unwrap().split_once("softdock attach ").unwrap();
    let (words, _) = words.split_once(" takes that back").unwrap();
    let words: Vec<&str> = std::iter::once("attach").chain(words.split(' ')).collect();
    take_back(&words);
}

//! The second front end on real processes: that it comes to the same as the first one, and that it
//! lets go of the target, however it ends. What they share on disk is tested in `cache`.

use std::fs;
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use softdock_live::Process;

use crate::command::{Ran, attach, attach_and_expect, attach_command};
use crate::debug::{debug_and_expect, debuggable};
use crate::pythons::Python;
use crate::service::{COMPUTE, Service};
use crate::target::{BUSY, Folder, Script, Target, eventually};
use crate::{Situation, always};

pub(crate) fn situations() -> Vec<Situation> {
    vec![
        always("both-front-ends-come-to-the-same-plan", the_same_plan),
        always("concord-attaches-again-and-again", again_and_again),
        always("concord-attaches-to-many-threads", many_threads),
        always("concord-leaves-a-request-with-a-blocked-thread", blocked),
        always("concord-lets-go-of-what-it-refuses", refused),
        always("concord-looks-at-nothing-that-it-cannot-stop", traced_by_another),
        always("concord-lets-go-when-it-is-killed", killed),
        debuggable("concord-starts-a-debugger", a_debugger),
    ]
}

const CONCORD: [&str; 2] = ["--front-end", "concord"];

/// A thread of it that is stopped or traced, if there is one.
fn held(target: &Target) -> Option<String> {
    let tasks = fs::read_dir(format!("/proc/{}/task", target.pid())).unwrap();
    // One that has ended meanwhile is not held.
    let statuses =
        tasks.filter_map(|task| fs::read_to_string(task.ok()?.path().join("status")).ok());
    let is_held = |status: &String| {
        let word = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        word("State:").trim().starts_with(['t', 'T']) || word("TracerPid:").trim() != "0"
    };
    statuses.into_iter().find(is_held)
}

#[track_caller]
fn expect_free(target: &Target) {
    assert_eq!(held(target), None);
}

/// The one summary line, and by whom.
#[track_caller]
fn expect_one_line_of_concord(ran: &Ran) {
    let lines = ran.stderr.lines().filter(|line| line.contains("[SafeAttach]"));
    let [line] = lines.collect::<Vec<_>>()[..] else { panic!("{}", ran.stderr) };
    assert!(line.contains("[PTVS][SafeAttach][Concord] outcome="), "{line}");
}

fn planned(target: &Target, script: &Script, more: &[&str]) -> Value {
    let ran = attach(target, script, &[&["--dry-run", "--no-cache"], more].concat());
    let mut json = ran.json();
    assert_eq!(json["outcome"], "planned", "{json:#}");
    expect_free(target);
    json["candidates"].take();
    json
}

fn the_same_plan(python: &Python) {
    const SLEEPERS: &str = "import sys, threading, time
for i in range(24): threading.Thread(target=time.sleep, args=(1000,), daemon=True).start()
print('ready', flush=True)
sys.stdin.read()";
    let folder = Folder::new();
    let target = Target::run(python, &folder, SLEEPERS);
    target.wait_until_blocked();
    let script = folder.script("a.py", "1");
    let managed = planned(&target, &script, &[]);
    assert_eq!(managed, planned(&target, &script, &CONCORD), "all that is told");
    assert_eq!(managed["thread"]["id"], target.pid());
    assert!(managed["plan"]["pathAt"].is_string());
    assert_eq!(script.marks(), [""; 0]);
}

/// Every script runs once, in order, and the target never notices.
fn again_and_again(python: &Python) {
    const COUNT: usize = 30;
    let folder = Folder::new();
    let target = Target::run(python, &folder, BUSY);
    for number in 0..COUNT {
        let script = folder.script(format!("{number}.py"), &number.to_string());
        let by: &[&str] = if number % 3 == 2 { &[] } else { &CONCORD };
        attach_and_expect(&target, &script, by);
        expect_free(&target);
        let expected: Vec<String> = (0..=number).map(|number| number.to_string()).collect();
        assert_eq!(script.wait_for_marks(number + 1), expected, "each once");
    }
    assert_eq!(target.errors(), "");
}

/// They start and end all the time, but not while they are looked at: no walk is cut short.
fn many_threads(python: &Python) {
    const CODE: &str = "import threading, time
print('ready', flush=True)
while True:
    for thread in [threading.Thread(target=time.sleep, args=(0.0005,)) for _ in range(8)]:
        thread.start()";
    let folder = Folder::new();
    let target = Target::run(python, &folder, CODE);
    for number in 0..20 {
        let script =
            folder.script(format!("{number}.py"), "__import__('threading').get_native_id()");
        let attached = eventually(|| {
            let ran = attach(&target, &script, &CONCORD);
            let json = ran.json();
            assert!(ran.code == Some(0) || json["left"] == "nothing", "{json:#}");
            (ran.code == Some(0)).then_some(json)
        });
        assert_eq!(attached["thread"]["id"], target.pid());
        assert_eq!(script.wait_for_marks(number + 1).len(), number + 1, "each once");
    }
    expect_free(&target);
    assert_eq!(target.errors(), "");
}

fn blocked(python: &Python) {
    let folder = Folder::new();
    let target = Target::blocked(python, &folder);
    let script = folder.script("a.py", "1");
    let armed = attach(&target, &script, &[&CONCORD[..], &["--timeout", "100ms"]].concat());
    assert_eq!((armed.code, &armed.json()["outcome"]), (Some(0), &"armed".into()));
    expect_one_line_of_concord(&armed);
    expect_free(&target);
    let cancelled = attach(&target, &script, &[&CONCORD[..], &["--cancel"]].concat());
    assert_eq!(cancelled.json()["outcome"], "cancelled");
    expect_free(&target);
    let armed = attach(&target, &script, &[&CONCORD[..], &["--no-wait"]].concat());
    assert_eq!(armed.json()["outcome"], "armed");
    target.finish();
    assert_eq!(script.marks(), ["1"], "the one that was not taken back");
}

/// Before it looks, after it has looked, and when it was about to write.
fn refused(python: &Python) {
    let folder = Folder::new();
    let mut command = python.command();
    command.args(["-X", "disable-remote-debug", "-I", "-c", BUSY]);
    let target = Target::start(&folder, command);
    let script = folder.script("a.py", "1");
    let ran = attach(&target, &script, &CONCORD);
    ran.expect_stop("refused", "policy", "policy-disabled");
    expect_one_line_of_concord(&ran);
    expect_free(&target);
    let mut turned_away = attach_command(&target, &script);
    turned_away.args(CONCORD).env("PTVS_MIXED_MODE", "1");
    let ran = Ran::of(turned_away.output().unwrap());
    ran.expect_stop("refused", "gate", "mixed-mode");
    expect_one_line_of_concord(&ran);

    let target = Target::blocked(python, &folder);
    attach(&target, &script, &["--no-wait"]);
    let ran = attach(&target, &script, &CONCORD);
    ran.expect_stop("refused", "plan", "busy");
    expect_free(&target);
    target.finish();
}

fn traced_by_another(python: &Python) {
    let folder = Folder::new();
    let target = Target::run(python, &folder, BUSY);
    let script = folder.script("a.py", "1");
    let process = Process::open(target.pid()).expect("our own child");
    let frozen = process.freeze().expect("our own child");
    let ran = attach(&target, &script, &CONCORD);
    ran.expect_stop("failed", "identify", "denied");
    assert!(ran.stderr.contains("another tracer"), "{}", ran.stderr);
    drop(frozen);
    expect_free(&target);
    attach_and_expect(&target, &script, &CONCORD);
}

/// Whenever that is: the system lets everything go on.
fn killed(python: &Python) {
    let folder = Folder::new();
    let target = Target::run(python, &folder, BUSY);
    let script = folder.script("a.py", "1");
    for micros in (0..4000).step_by(200) {
        let mut command = attach_command(&target, &script);
        command.args(CONCORD).arg("--dry-run").stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        std::thread::sleep(Duration::from_micros(micros));
        child.kill().unwrap();
        child.wait().unwrap();
        eventually(|| held(&target).is_none().then_some(()));
    }
    attach_and_expect(&target, &script, &CONCORD);
    assert_eq!(script.wait_for_marks(1), ["1"]);
}

fn a_debugger(python: &Python) {
    let folder = Folder::new();
    let service = Service::start(python, &folder, COMPUTE);
    debug_and_expect(&service.target, &CONCORD);
    expect_free(&service.target);
    assert_eq!(service.target.errors(), "");
}

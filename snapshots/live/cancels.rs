//! `softdock debug --cancel`: requests for a debugger that wait in threads which never look.

use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::Situation;
use crate::command::{Ran, attach, inspect, softdock};
use crate::debug::{debug_and_expect, debug_within, debuggable, left_over};
use crate::places::is_root;
use crate::predicaments::BLOCKED;
use crate::pythons::Python;
use crate::service::Service;
use crate::target::{Folder, Target, eventually};

pub(crate) fn situations() -> Vec<Situation> {
    vec![
        debuggable("debug-as-it-says-to-take-it-back", as_it_says),
        debuggable("debug-and-take-all-back", and_take_all_back),
        debuggable("debug-and-take-back-nothing-of-others", nothing_of_others),
        debuggable("debug-and-take-back-what-is-waited-for", what_is_waited_for),
        Situation {
            possible: |python| is_root() && python.root.is_some(),
            ..debuggable("debug-and-take-back-in-a-chroot", in_a_chroot)
        },
    ]
}

/// The scripts that are pending, in all threads.
fn all_pending(target: &Target) -> Vec<String> {
    let threads = &inspect(target)["interpreters"][0]["threads"];
    let pending = threads.as_array().unwrap().iter();
    pending.filter_map(|thread| thread["pending"].as_str().map(str::to_owned)).collect()
}

pub(crate) fn is_pending(target: &Target) -> bool {
    !all_pending(target).is_empty()
}

fn cancel(target: &Target, more: &[&str]) -> Ran {
    let mut command = softdock();
    command.args(["debug", "--cancel", "--pid"]).arg(target.pid().to_string()).args(more);
    Ran::of(command.output().unwrap())
}

/// The command that is printed for a request that stays is one that takes it back.
fn as_it_says(python: &Python) {
    let folder = Folder::new();
    let service = Service::start(python, &folder, BLOCKED);
    service.target.wait_until_blocked();
    let mut command = softdock();
    command.args(["debug", "--timeout", "100ms", "--pid"]).arg(service.target.pid().to_string());
    let ran = Ran::of(command.output().unwrap());
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(1), ""));
    let (_, left) = ran.stderr.split_once("its files stay in ").unwrap();
    let left = Path::new(left.lines().next().unwrap());
    assert!(left.join("stub.py").exists() && is_pending(&service.target));

    let (_, words) = ran.stderr.split_once("to take it back: softdock ").unwrap();
    let words: Vec<&str> = words.lines().next().unwrap().split(' ').collect();
    let planned = Ran::of(softdock().args(&words).arg("--dry-run").output().unwrap());
    assert!(planned.stdout.starts_with("planned: thread "), "{}{}", planned.stdout, planned.stderr);
    assert!(left.join("stub.py").exists() && is_pending(&service.target));

    let cancelled = Ran::of(softdock().args(&words).output().unwrap());
    let pid = service.target.pid();
    let said = format!(
        "cancelled: thread {pid} (main) of CPython {} is not asked for a debugger any more\n",
        python.version
    );
    assert_eq!((cancelled.code, cancelled.stdout), (Some(0), said), "{}", cancelled.stderr);
    assert!(!left.exists() && !is_pending(&service.target));

    let again = Ran::of(softdock().args(&words).output().unwrap());
    assert_eq!((again.code, again.stdout.as_str()), (Some(1), ""));
    let none = format!(
        "refused at plan: nothing-pending\n  no request for a debugger waits in process {pid}"
    );
    assert!(again.stderr.contains(&none), "{}", again.stderr);
    let mixed = cancel(&service.target, &["--port", "7"]);
    assert_eq!(mixed.code, Some(2), "{}", mixed.stderr);
}

/// In whatever threads they wait; also the one for a breakpoint. The debugger stays.
fn and_take_all_back(python: &Python) {
    const CODE: &str = "import sys, threading, time
sys.executable = sys.argv[1]
def wait():
    print(threading.get_native_id(), flush=True)
    lock = threading.Lock()
    lock.acquire()
    lock.acquire()
print('ready', flush=True)
threading.Thread(target=wait, daemon=True).start()
sys.stdin.readline()
print('woke', flush=True)
while True: time.sleep(0.01)
";
    let folder = Folder::new();
    let mut service = Service::start(python, &folder, CODE);
    let other = service.target.line();
    service.target.wait_until_blocked();
    for (session, thread) in [("take-1", "main"), ("take-2", other.as_str())] {
        let session = format!("{session}-{}", service.target.pid());
        let more = ["--session", &session, "--thread", thread];
        debug_within("100ms", &service.target, &more).expect_stop("armed", "session", "not-taken");
        assert_eq!(left_over(Path::new("/"), &session).len(), 1);
    }
    let pending = all_pending(&service.target);
    assert_eq!(pending.len(), 2, "{pending:?}");

    let cancelled = cancel(&service.target, &["--format", "json"]);
    let said: Vec<Value> =
        cancelled.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of_each = |name: &str| said.iter().map(|one| one[name].clone()).collect::<Vec<_>>();
    assert_eq!(of_each("kind"), ["cancel"; 2], "{}{}", cancelled.stdout, cancelled.stderr);
    assert_eq!(of_each("outcome"), ["cancelled"; 2]);
    assert_eq!(of_each("folder"), [Value::Null, Value::Null]);
    let threads: Vec<String> = said.iter().map(|one| one["thread"]["id"].to_string()).collect();
    assert!(threads.contains(&other) && threads.contains(&service.target.pid().to_string()));
    assert_eq!((cancelled.code, is_pending(&service.target)), (Some(0), false));
    for script in pending {
        assert!(!Path::new(&script).parent().unwrap().exists(), "{script}");
    }
    service.target.wake();
    assert_eq!(service.target.line(), "woke");
    let (_, json) = debug_and_expect(&service.target, &[]);
    assert_eq!(json["reused"], false, "none of those that were taken back has run");
}

/// It takes back what it has asked for, and no script of anybody else.
fn nothing_of_others(python: &Python) {
    let folder = Folder::new();
    let target = Target::blocked(python, &folder);
    let odd = folder.path().join("softdock-0123456789abcdef");
    std::fs::create_dir(&odd).unwrap();
    let script = folder.script(odd.join("stub.py"), "1");
    let armed = attach(&target, &script, &["--timeout", "50ms"]);
    assert_eq!(armed.json()["outcome"], "armed");
    let refused = cancel(&target, &["--format", "json"]);
    refused.expect_stop("refused", "plan", "nothing-pending");
    assert_eq!(all_pending(&target), [script.path.to_str().unwrap()]);
    target.finish();
    assert_eq!(script.marks(), ["1"]);
}

/// Who waits for it can be interrupted, and takes it back itself.
fn what_is_waited_for(python: &Python) {
    let folder = Folder::new();
    let service = Service::start(python, &folder, BLOCKED);
    service.target.wait_until_blocked();
    let mut command = softdock();
    command.args(["debug", "--format", "json", "--timeout", "60s", "--pid"]);
    command.arg(service.target.pid().to_string()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let waiting = command.spawn().unwrap();
    eventually(|| is_pending(&service.target).then_some(()));
    let refused = cancel(&service.target, &["--format", "json"]);
    refused.expect_stop("refused", "turn", "busy");
    assert!(is_pending(&service.target));
    Command::new("kill").args(["-INT", &waiting.id().to_string()]).status().unwrap();
    let ran = Ran::of(waiting.wait_with_output().unwrap());
    ran.expect_stop("failed", "confirm", "cancelled");
    assert!(!is_pending(&service.target));
}

/// The files are in the target's root, and go there.
fn in_a_chroot(python: &Python) {
    let root = python.root.as_deref().unwrap();
    let folder = Folder::below(&root.join("tmp"));
    let mut command = Command::new("chroot");
    let code = "import sys\nprint('ready', flush=True)\nsys.stdin.readline()";
    command.arg(root).arg(format!("/usr/bin/python{}", python.minor())).args(["-I", "-c", code]);
    let target = Target::start(&folder, command);
    target.wait_until_blocked();
    let session = format!("chroot-cancel-{}", target.pid());
    let ran = debug_within("100ms", &target, &["--session", &session]);
    ran.expect_stop("armed", "session", "not-taken");
    assert_eq!(left_over(root, &session).len(), 1);
    let cancelled = cancel(&target, &["--format", "json"]);
    assert_eq!((cancelled.code, &cancelled.json()["folder"]), (Some(0), &Value::Null));
    assert!(left_over(root, &session).is_empty() && !is_pending(&target));
}

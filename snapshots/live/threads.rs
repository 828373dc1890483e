//! Which thread and which interpreter run the script.

use serde_json::{Value, json};

use crate::command::{attach, attach_and_expect, inspect};
use crate::pythons::Python;
use crate::target::{BUSY, Folder, Script, Target, eventually};
use crate::{Situation, always};

pub(crate) fn situations() -> Vec<Situation> {
    vec![
        always("main-thread-in-a-busy-loop", main_thread_in_a_busy_loop),
        always("main-thread-in-a-sleeping-loop", main_thread_in_a_sleeping_loop),
        always("another-thread-by-its-id", another_thread_by_its_id),
        always("any-thread-while-main-is-blocked", any_thread_while_main_is_blocked),
        always("an-idle-sub-interpreter-is-not-in-the-way", an_idle_sub_interpreter),
        always("an-executing-sub-interpreter-is-not-in-the-way", an_executing_sub_interpreter),
        always("after-the-main-script-has-ended", after_the_main_script_has_ended),
        always("what-inspect-sees", what_inspect_sees),
    ]
}

/// The thread and the interpreter that it runs in.
const WHERE: &str =
    "__import__('threading').get_native_id()}/{__import__('_interpreters').get_current()[0]";

/// Attaches, and demands that the report tells what the target did.
#[track_caller]
fn check(target: &Target, script: &Script, more: &[&str], expected: (u32, i64)) {
    let report = attach_and_expect(target, script, more);
    let (thread, interpreter) = expected;
    assert_eq!(script.wait_for_marks(1), [format!("{thread}/{interpreter}")]);
    assert_eq!(report["thread"]["id"], thread);
    assert_eq!(report["interpreter"]["id"], interpreter);
    assert_eq!(target.errors(), "");
}

fn main_thread_in_a_busy_loop(python: &Python) {
    let folder = Folder::new();
    let target = Target::run(python, &folder, BUSY);
    check(&target, &folder.script("a.py", WHERE), &[], (target.pid(), 0));
}

fn main_thread_in_a_sleeping_loop(python: &Python) {
    const CODE: &str = "import time
print('ready', flush=True)
while True: time.sleep(0.005)";
    let folder = Folder::new();
    let target = Target::run(python, &folder, CODE);
    check(&target, &folder.script("a.py", WHERE), &[], (target.pid(), 0));
}

fn another_thread_by_its_id(python: &Python) {
    const CODE: &str = "import threading, time
def work():
    while True: time.sleep(0.002)
threads = [threading.Thread(target=work) for _ in range(3)]
for thread in threads: thread.start()
print('ready', flush=True)
print(threads[1].native_id, flush=True)
while True: time.sleep(0.002)";
    let folder = Folder::new();
    let target = Target::run(python, &folder, CODE);
    let thread = target.line();
    let script = folder.script("a.py", WHERE);
    check(&target, &script, &["--thread", &thread], (thread.parse().unwrap(), 0));
    let nobody = attach(&target, &script, &["--thread", "1"]);
    nobody.expect_stop("refused", "walk-threads", "no-thread");
}

fn any_thread_while_main_is_blocked(python: &Python) {
    const CODE: &str = "import sys, threading
def work():
    while True: pass
thread = threading.Thread(target=work, daemon=True)
thread.start()
print('ready', flush=True)
print(thread.native_id, flush=True)
sys.stdin.readline()";
    let folder = Folder::new();
    let target = Target::run(python, &folder, CODE);
    let thread = target.line().parse().unwrap();
    target.wait_until_blocked();
    check(&target, &folder.script("a.py", WHERE), &["--thread", "any"], (thread, 0));
}

/// `sys.remote_exec` fails here: it looks at the newest interpreter only.
fn an_idle_sub_interpreter(python: &Python) {
    let code = format!("import _interpreters\n_interpreters.create()\n{BUSY}");
    let folder = Folder::new();
    let target = Target::run(python, &folder, &code);
    check(&target, &folder.script("a.py", WHERE), &[], (target.pid(), 0));
}

/// `sys.remote_exec` runs the script in the wrong interpreter here.
fn an_executing_sub_interpreter(python: &Python) {
    const CODE: &str = "import _interpreters, threading, time
other = _interpreters.create()
code = 'import time\\nwhile True: time.sleep(0.001)'
thread = threading.Thread(target=_interpreters.exec, args=(other, code), daemon=True)
thread.start()
time.sleep(0.1)
print('ready', flush=True)
print(thread.native_id, other, flush=True)
while True: time.sleep(0.001)";
    let folder = Folder::new();
    let target = Target::run(python, &folder, CODE);
    let line = target.line();
    let (thread, other) = line.split_once(' ').unwrap();
    check(&target, &folder.script("a.py", WHERE), &[], (target.pid(), 0));

    std::fs::remove_file(folder.path().join("marks")).unwrap();
    let expected = (thread.parse().unwrap(), other.parse().unwrap());
    let more = ["--interpreter", other, "--thread", thread];
    check(&target, &folder.script("b.py", WHERE), &more, expected);
}

/// `sys.remote_exec` fails here: the interpreter names no main thread any more.
fn after_the_main_script_has_ended(python: &Python) {
    const CODE: &str = "import atexit, time
def wait():
    print('ready', flush=True)
    while True: time.sleep(0.002)
atexit.register(wait)";
    let folder = Folder::new();
    let target = Target::run(python, &folder, CODE);
    check(&target, &folder.script("a.py", WHERE), &[], (target.pid(), 0));
}

fn what_inspect_sees(python: &Python) {
    const CODE: &str = "import _interpreters, threading, time
other = _interpreters.create()
thread = threading.Thread(target=time.sleep, args=(1000,), daemon=True)
thread.start()
print('ready', flush=True)
print(thread.native_id, other, flush=True)
while True: pass";
    let folder = Folder::new();
    let target = Target::run(python, &folder, CODE);
    let line = target.line();
    let (thread, other) = line.split_once(' ').unwrap();
    // The main thread gives its turn away while it prints, and may not have it back yet.
    let seen = eventually(|| {
        let seen = inspect(&target);
        let threads = seen["interpreters"][1]["threads"].as_array();
        let is_back = threads.is_some_and(|threads| threads[1]["active"] == true);
        is_back.then_some(seen)
    });
    assert_eq!(seen["kind"], "inspect");
    assert_eq!(seen["outcome"], "planned");
    assert_eq!(seen["version"], python.version.as_str());
    assert_eq!(seen["parseMode"], "strict");
    assert_eq!(seen["proof"], "image");
    assert_eq!(seen["process"]["pid"], target.pid());
    assert_eq!(seen["mainThread"], target.pid());
    assert_eq!(seen["runtime"]["foundBy"], "section");
    let interpreters = seen["interpreters"].as_array().unwrap();
    let ids: Vec<&Value> = interpreters.iter().map(|each| &each["id"]).collect();
    assert_eq!(ids, [&json!(other.parse::<i64>().unwrap()), &json!(0)]);
    let threads = interpreters[1]["threads"].as_array().unwrap();
    let of = |thread: &Value| (thread["id"].clone(), thread["active"].clone());
    let sleeper: u32 = thread.parse().unwrap();
    assert_eq!(of(&threads[0]), (json!(sleeper), json!(false)));
    assert_eq!(of(&threads[1]), (json!(target.pid()), json!(true)));
    assert!(threads.iter().all(|thread| thread["verdict"] == "ok"));
    assert!(threads.iter().all(|thread| thread["pending"].is_null()));
    assert_eq!(interpreters[1]["remoteDebugging"], true);
    assert_eq!(threads[1]["at"], seen["thread"]["at"]);
}

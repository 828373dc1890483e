//! `softdock debug` with a real debugpy, and a client that does what an editor does.

use std::net::TcpListener;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::command::{Ran, softdock};
use crate::dap::Client;
use crate::pythons::Python;
use crate::service::{Service, WORK, WORK_LINE};
use crate::target::{Folder, Target};
use crate::{Situation, demanded};

pub(crate) fn situations() -> Vec<Situation> {
    vec![
        debuggable("debug-all-that-an-editor-does", all_that_an_editor_does),
        debuggable("debug-at-a-port-that-is-asked-for", at_a_port_that_is_asked_for),
        debuggable("debug-by-our-variables-alone", by_our_variables_alone),
        debuggable("debug-not-in-a-mixed-mode-session", not_in_a_mixed_mode_session),
        debuggable("debug-where-the-port-is-busy", where_the_port_is_busy),
        debuggable("debug-without-debugpy", without_debugpy),
        debuggable("debug-and-set-off-no-collection", and_set_off_no_collection),
        debuggable("debug-while-stderr-is-locked", while_stderr_is_locked),
        debuggable("debug-in-the-middle-of-an-import", in_the_middle_of_an_import),
    ]
}

/// A situation that needs debugpy beside an interpreter. Where CI demands it, the lack of it is a
/// failure.
pub(crate) const fn debuggable(name: &'static str, run: fn(&Python)) -> Situation {
    Situation { name, possible: |python| python.debugpy.is_some() || demanded(), run }
}

/// `softdock debug --format json`, on a machine that may be busy.
#[track_caller]
pub(crate) fn debug(target: &Target, more: &[&str]) -> Ran {
    debug_within("20s", target, more)
}

/// The same, on which nobody waits longer than that.
#[track_caller]
pub(crate) fn debug_within(timeout: &str, target: &Target, more: &[&str]) -> Ran {
    let mut command = softdock();
    command.args(["debug", "--format", "json", "--timeout", timeout, "--pid"]);
    command.arg(target.pid().to_string()).args(more);
    if !more.contains(&"--break") {
        command.arg("--no-wait");
    }
    Ran::of(command.output().unwrap())
}

/// The same, where it must work; returns the port and all that was said.
#[track_caller]
pub(crate) fn debug_and_expect(target: &Target, more: &[&str]) -> (u16, Value) {
    let ran = debug(target, more);
    let json = ran.json();
    assert_eq!((ran.code, &json["outcome"]), (Some(0), &"listening".into()), "{json:#}");
    assert_eq!([&json["site"], &json["left"]], ["session", "nothing"]);
    assert_eq!(json["launch"]["connect"], json!({"host": json["host"], "port": json["port"]}));
    (u16::try_from(json["port"].as_u64().unwrap()).unwrap(), json)
}

/// Folders that are left in a root for the session of this name.
pub(crate) fn left_over(root: &Path, session: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(root.join("tmp")).unwrap().map(|entry| entry.unwrap().path());
    let is_for_it = |folder: &PathBuf| {
        let stub = std::fs::read_to_string(folder.join("stub.py")).unwrap_or_default();
        stub.contains(&format!("'session': '{session}'"))
    };
    entries.filter(is_for_it).collect()
}

/// From the command to a second session: breakpoint, stack, values, pause, leaving and coming back.
fn all_that_an_editor_does(python: &Python) {
    let folder = Folder::new();
    let service = Service::start(python, &folder, WORK);
    let (port, json) = debug_and_expect(&service.target, &[]);
    assert_eq!([&json["reused"], &json["mode"]], [&json!(false), &json!("listen")]);
    assert_eq!(json["hint"], Value::Null);

    let mut client = Client::attach(port, &[(&service.file, WORK_LINE)]);
    let stop = client.stopped();
    assert_eq!(stop.reason, "breakpoint");
    let frames = client.frames(stop.thread);
    assert_eq!((frames[0].0.as_str(), frames[0].1), ("inner", u64::from(WORK_LINE)));
    let number: u64 = client.evaluate("number", frames[0].2).parse().unwrap();
    assert_eq!(client.evaluate("number * 2", frames[0].2), (number * 2).to_string());
    client.go_on(stop.thread);
    let again = client.stopped();
    let frames = client.frames(again.thread);
    assert_eq!(client.evaluate("number", frames[0].2), (number + 1).to_string());

    client.set_breakpoints(&service.file, &[]);
    client.go_on(again.thread);
    let threads = client.ask("threads", &json!({}));
    assert_eq!(threads["threads"][0]["name"], "MainThread", "{threads:#}");
    client.ask("pause", &json!({"threadId": stop.thread}));
    let paused = client.stopped();
    assert_eq!(paused.reason, "pause");
    client.go_on(paused.thread);
    client.disconnect();

    service.proves_to_run();
    let mut client = Client::attach(port, &[(&service.file, WORK_LINE)]);
    let stop = client.stopped();
    assert_eq!(client.frames(stop.thread)[0].0, "inner");
    client.set_breakpoints(&service.file, &[]);
    client.go_on(stop.thread);
    client.disconnect();
    service.proves_to_run();
    assert_eq!(service.target.errors(), "");
}

/// A port that nobody has now. Somebody could take it in between; nobody does.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port()
}

/// The second time leads to the same place, whatever is asked for, and does not disturb the first.
fn at_a_port_that_is_asked_for(python: &Python) {
    let folder = Folder::new();
    let service = Service::start(python, &folder, WORK);
    let wanted = free_port();
    let session = format!("first-{}", service.target.pid());
    let (port, first) =
        debug_and_expect(&service.target, &["--port", &wanted.to_string(), "--session", &session]);
    assert_eq!((port, &first["session"]), (wanted, &session.as_str().into()));
    assert!(left_over(Path::new("/"), &session).is_empty());
    let (port, second) = debug_and_expect(&service.target, &["--port", "1", "--session", "two"]);
    assert_eq!(
        (port, &second["session"], &second["reused"]),
        (wanted, &"two".into(), &true.into())
    );

    // Also while a client is there, and while the thread that is asked stands at a breakpoint.
    let mut client = Client::attach(port, &[(&service.file, WORK_LINE)]);
    client.stopped();
    let (port, third) = debug_and_expect(&service.target, &[]);
    assert_eq!((port, &third["reused"]), (wanted, &true.into()));
    client.disconnect();
    service.proves_to_run();
    assert_eq!(service.target.errors(), "");
}

/// What the target has in its own environment is about something else.
fn by_our_variables_alone(python: &Python) {
    let folder = Folder::new();
    let mut command = python.command();
    for (name, theirs) in [("PORT", "1"), ("HOST", "192.0.2.1"), ("SESSION", "theirs")] {
        command.env(format!("PTVS_DEBUG_{name}"), theirs);
    }
    let service = Service::start_by(python, &folder, command, &["-I"], WORK);
    let (wanted, file) = (free_port(), folder.path().join("port"));
    let mut command = softdock();
    command.args(["debug", "--format", "json", "--timeout", "20s", "--pid"]);
    command.arg(service.target.pid().to_string()).env("PTVS_WAIT_FOR_CLIENT", "0");
    command.env("PTVS_DEBUG_PORT", wanted.to_string()).env("PTVS_DEBUG_SESSION", "ours");
    let ran = Ran::of(command.env("PTVS_DEBUG_PORT_FILE", &file).output().unwrap());
    let json = ran.json();
    assert_eq!((ran.code, &json["outcome"]), (Some(0), &"listening".into()), "{json:#}");
    assert_eq!([&json["host"], &json["session"]], ["127.0.0.1", "ours"]);
    assert_eq!(json["port"], wanted);
    assert_eq!(std::fs::read_to_string(file).unwrap(), format!("{wanted}\n"));
    Client::attach(wanted, &[]).disconnect();
    assert_eq!(service.target.errors(), "");
}

/// By neither front end: such a session has a debugger, which would lose the target.
fn not_in_a_mixed_mode_session(python: &Python) {
    let folder = Folder::new();
    let service = Service::start(python, &folder, WORK);
    for front_end in ["managed", "concord"] {
        let session = format!("mixed-{front_end}-{}", service.target.pid());
        let mut command = softdock();
        command.args(["debug", "--format", "json", "--front-end", front_end, "--pid"]);
        command.arg(service.target.pid().to_string()).args(["--no-wait", "--session", &session]);
        let ran = Ran::of(command.env("PTVS_MIXED_MODE", "1").output().unwrap());
        ran.expect_stop("refused", "gate", "mixed-mode");
        assert_eq!(ran.json()["code"], "MixedModeBypass");
        assert!(left_over(Path::new("/"), &session).is_empty());
    }
    service.proves_to_run();
}

fn where_the_port_is_busy(python: &Python) {
    fails_where_the_port_is_busy(python, &[]);
}

/// Nothing is spoilt by that: it works at another port.
pub(crate) fn fails_where_the_port_is_busy(python: &Python, more: &[&str]) {
    let folder = Folder::new();
    let service = Service::start(python, &folder, WORK);
    let busy = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = busy.local_addr().unwrap().port().to_string();
    let ran = debug(&service.target, &[more, &["--port", &port]].concat());
    ran.expect_stop("failed", "session", "target-error");
    let json = ran.json();
    let message = json["error"]["message"].as_str().unwrap();
    assert!(message.contains("Address already in use"), "{json:#}");
    assert!(json["hint"].as_str().unwrap().contains("--port"), "{json:#}");
    assert_eq!((&json["code"], &json["port"]), (&"ScriptExecution".into(), &Value::Null));
    assert_eq!((&json["fallback"], &json["attach"]["fallback"]), (&"legacy".into(), &Value::Null));
    let (port, json) = debug_and_expect(&service.target, more);
    assert_eq!(json["reused"], false);
    Client::attach(port, &[]).disconnect();
    assert_eq!(service.target.errors(), "");
}

/// It says so, and takes one from elsewhere; the target is as it was before, but for that.
fn without_debugpy(python: &Python) {
    const CODE: &str = "import gc, os, sys
sys.executable = sys.argv[1]
collector = lambda: (gc.get_threshold(), gc.isenabled(), gc.get_freeze_count())
state = lambda: (list(sys.path), sys.getswitchinterval(), collector(), dict(os.environ))
before = state()
print('ready', flush=True)
while not getattr(sys.modules.get('_softdock'), 'session', None): pass
changed = {*os.environ} - {*before[-1]}
while state()[:-1] != before[:-1]: pass
print('as before, but for', *changed, flush=True)
while True: pass
";
    let folder = Folder::new();
    let service = Service::start_with(python, &folder, &["-I", "-S"], CODE);
    let ran = debug(&service.target, &[]);
    ran.expect_stop("failed", "session", "target-error");
    let json = ran.json();
    assert_eq!(json["error"]["type"], "ModuleNotFoundError");
    assert_eq!(json["error"]["message"], "No module named 'debugpy'");
    assert!(json["hint"].as_str().unwrap().contains("--debugpy FOLDER"), "{json:#}");

    let debugpy = python.debugpy.as_deref().expect("debugpy, which CI unpacks");
    let bundle = folder.path().join("it's \"odd\"\\\n{é}");
    std::os::unix::fs::symlink(debugpy.parent().unwrap(), &bundle).unwrap();
    let bundle = bundle.to_str().unwrap();
    let (port, _) = debug_and_expect(&service.target, &["--debugpy", bundle]);
    // That one is debugpy's own, and stays.
    assert_eq!(service.target.line(), "as before, but for PYDEVD_USE_FRAME_EVAL");
    Client::attach(port, &[]).disconnect();
    assert_eq!(service.target.errors(), "");
}

/// Each of them would halt the program for some milliseconds. What the program itself has left to
/// collect is collected, though later.
fn and_set_off_no_collection(python: &Python) {
    const CODE: &str = "import gc, sys, weakref
sys.executable = sys.argv[1]
class Garbage: pass
gc.collect()
garbage = Garbage()
garbage.itself, seen = garbage, weakref.ref(garbage)
del garbage
collections = []
gc.callbacks.append(lambda phase, told: collections.append(phase))
print('ready', flush=True)
while not getattr(sys.modules.get('_softdock'), 'session', None): pass
print(len(collections), seen() is None, flush=True)
gc.collect()
print(seen() is None, flush=True)
while True: pass
";
    let folder = Folder::new();
    let service = Service::start(python, &folder, CODE);
    debug_and_expect(&service.target, &[]);
    assert_eq!([service.target.line(), service.target.line()], ["0 False", "True"]);
    assert_eq!(service.target.errors(), "");
}

/// The interrupted thread holds a lock that everybody needs who complains, and keeps it until
/// there is a debugger. debugpy would say four lines about frozen modules first, and never end.
fn while_stderr_is_locked(python: &Python) {
    const CODE: &str = "import sys, threading
sys.executable = sys.argv[1]
class Guarded:
    def __init__(self, stream): self.stream, self.lock = stream, threading.Lock()
    def write(self, text):
        with self.lock: return self.stream.write(text)
    def flush(self): self.stream.flush()
sys.stderr = Guarded(sys.stderr)
with sys.stderr.lock:
    print('ready', flush=True)
    while not getattr(sys.modules.get('_softdock'), 'session', None): pass
print('released', flush=True)
while True: pass
";
    let folder = Folder::new();
    let service = Service::start(python, &folder, CODE);
    let (port, _) = debug_and_expect(&service.target, &[]);
    assert_eq!(service.target.line(), "released");
    Client::attach(port, &[]).disconnect();
}

/// Half of a module that debugpy needs is there. Whoever imported on the interrupted thread would
/// get that half.
fn in_the_middle_of_an_import(python: &Python) {
    const CODE: &str = "import sys
sys.executable = sys.argv[1]
class Slow:
    def find_spec(self, name, path=None, target=None):
        if name == 'selectors':
            assert not hasattr(sys.modules['subprocess'], 'Popen')
            print('ready', flush=True)
            while '_softdock' not in sys.modules: pass
            for _ in range(2_000_000): pass
for name in ('subprocess', 'selectors'): sys.modules.pop(name, None)
sys.meta_path.insert(0, Slow())
import subprocess
print(hasattr(subprocess, 'Popen'), flush=True)
while True: pass
";
    let folder = Folder::new();
    let service = Service::start(python, &folder, CODE);
    let (port, _) = debug_and_expect(&service.target, &[]);
    assert_eq!(service.target.line(), "True");
    Client::attach(port, &[]).disconnect();
    assert_eq!(service.target.errors(), "");
}

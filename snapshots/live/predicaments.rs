//! `softdock debug` where something is in the way: a thread that is blocked, another debugger, an
//! adapter that has gone, a user or a root that are not ours.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::cancels::is_pending;
use crate::command::{Ran, softdock};
use crate::dap::Client;
use crate::debug::{debug, debug_and_expect, debug_within, debuggable, left_over};
use crate::places::{NOBODY, is_root};
use crate::pythons::Python;
use crate::service::{COMPUTE, Service, WORK, WORK_LINE};
use crate::target::{Folder, Target, eventually};
use crate::{Situation, always};

pub(crate) fn situations() -> Vec<Situation> {
    vec![
        debuggable("debug-a-thread-that-is-blocked", a_thread_that_is_blocked),
        debuggable("debug-and-be-interrupted", and_be_interrupted),
        debuggable("debug-and-not-be-ready-in-time", and_not_be_ready_in_time),
        debuggable("debug-where-another-debugger-is", where_another_debugger_is),
        debuggable("debug-where-debugpy-listens-already", where_debugpy_listens_already),
        debuggable("debug-once-more-when-the-adapter-has-gone", when_the_adapter_has_gone),
        debuggable("debug-and-leave-no-adapter", and_leave_no_adapter),
        debuggable("debug-with-what-is-no-debugpy", with_what_is_no_debugpy),
        debuggable("debug-and-lose-the-editor", and_lose_the_editor),
        debuggable("debug-a-process-that-ends", a_process_that_ends),
        debuggable("debug-a-program-that-is-no-python", a_program_that_is_no_python),
        debuggable("debug-and-let-children-be", and_let_children_be),
        debuggable("debug-a-program-that-forks", a_program_that_forks),
        always("turns-of-two-sessions-at-once", turns_of_two_sessions),
        debuggable("debug-what-a-person-reads", what_a_person_reads),
        Situation { possible: |_| is_root(), ..debuggable("debug-another-user", another_user) },
        Situation {
            possible: |_| is_root(),
            ..debuggable("debug-another-network", another_network)
        },
        Situation {
            possible: |python| is_root() && python.root.is_some(),
            ..debuggable("debug-in-a-chroot", in_a_chroot)
        },
    ]
}

/// Its main thread reads what does not come; another one computes.
pub(crate) const BLOCKED: &str = "import sys, threading
sys.executable = sys.argv[1]
def compute():
    while True: pass
threading.Thread(target=compute, daemon=True).start()
print('ready', flush=True)
sys.stdin.readline()
print('woke', flush=True)
while True: pass
";

/// The command says what the thread is in. What it asked for comes all the same when that returns,
/// and another thread can be asked in the meantime.
fn a_thread_that_is_blocked(python: &Python) {
    let folder = Folder::new();
    let mut service = Service::start(python, &folder, BLOCKED);
    service.target.wait_until_blocked();
    let session = format!("blocked-{}", service.target.pid());
    let ran = debug_within("200ms", &service.target, &["--session", &session]);
    let json = ran.json();
    let told = ["outcome", "site", "reason", "left"].map(|name| json[name].as_str().unwrap());
    assert_eq!((ran.code, told), (Some(1), ["armed", "session", "not-taken", "armed"]));
    let activity = json["activity"].as_str().unwrap();
    assert!(activity.starts_with("is in read of file 0 (pipe:["), "{activity}");
    assert!(json["hint"].as_str().unwrap().contains("--thread any"), "{json:#}");
    let left = left_over(Path::new("/"), &session);
    assert_eq!(left, [PathBuf::from(json["folder"].as_str().unwrap())]);

    let (port, any) = debug_and_expect(&service.target, &["--thread", "any"]);
    assert_ne!(any["attach"]["thread"]["id"], service.target.pid());
    service.target.wake();
    assert_eq!(service.target.line(), "woke");
    let record = left[0].join("answers/record.json");
    let said: Value = eventually(|| {
        let said = serde_json::from_slice(&std::fs::read(&record).ok()?).unwrap();
        let said: Value = said;
        (said["state"] != "started").then_some(said)
    });
    assert_eq!((&said["port"], &said["reused"]), (&json!(port), &json!(true)), "{said:#}");
    std::fs::remove_dir_all(&left[0]).unwrap();
    assert_eq!(service.target.errors(), "");
}

/// What was written is taken back, and nothing stays.
fn and_be_interrupted(python: &Python) {
    let folder = Folder::new();
    let service = Service::start(python, &folder, BLOCKED);
    service.target.wait_until_blocked();
    let session = format!("interrupted-{}", service.target.pid());
    let mut command = softdock();
    command.args(["debug", "--format", "json", "--session", &session, "--pid"]);
    command.arg(service.target.pid().to_string()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let waiting = command.spawn().unwrap();
    eventually(|| is_pending(&service.target).then_some(()));
    Command::new("kill").args(["-INT", &waiting.id().to_string()]).status().unwrap();
    let ran = Ran::of(waiting.wait_with_output().unwrap());
    ran.expect_stop("failed", "confirm", "cancelled");
    assert!(!is_pending(&service.target));
    assert!(left_over(Path::new("/"), &session).is_empty());
}

/// The program is in an import that debugpy needs, for longer than anybody waits. What was begun
/// goes on, and whoever asks again gets it.
fn and_not_be_ready_in_time(python: &Python) {
    const CODE: &str = "import os, sys
sys.executable = sys.argv[1]
class Slow:
    def find_spec(self, name, path=None, target=None):
        if name == 'selectors':
            print('ready', flush=True)
            while not os.path.exists(sys.argv[2]): pass
for name in ('subprocess', 'selectors'): sys.modules.pop(name, None)
sys.meta_path.insert(0, Slow())
import subprocess
while True: pass
";
    let folder = Folder::new();
    let service = Service::start(python, &folder, CODE);
    let session = format!("late-{}", service.target.pid());
    let ran = debug_within("2s", &service.target, &["--session", &session]);
    ran.expect_stop("failed", "session", "not-ready");
    assert!(ran.json()["hint"].as_str().unwrap().contains("ask again"));
    assert!(left_over(Path::new("/"), &session).is_empty());
    std::fs::write(&service.progress, "").unwrap();
    let (port, json) = debug_and_expect(&service.target, &[]);
    assert_eq!(json["reused"], true);
    Client::attach(port, &[]).disconnect();
    assert_eq!(service.target.errors(), "");
}

/// `sys.monitoring` has one place for a debugger.
fn where_another_debugger_is(python: &Python) {
    const CODE: &str = "import sys
sys.executable = sys.argv[1]
sys.monitoring.use_tool_id(sys.monitoring.DEBUGGER_ID, 'bdb')
print('ready', flush=True)
while True: pass
";
    let folder = Folder::new();
    let service = Service::start(python, &folder, CODE);
    let ran = debug(&service.target, &[]);
    ran.expect_stop("failed", "session", "target-error");
    let json = ran.json();
    let message = "another debugger is at work in this process: bdb";
    assert_eq!(json["error"]["message"], message);
    assert!(json["hint"].is_string(), "{json:#}");
    assert_eq!(service.target.errors(), "");
}

/// The program itself has started it, and tells nobody where.
fn where_debugpy_listens_already(python: &Python) {
    const CODE: &str = "import sys, os
sys.executable = sys.argv[1]
os.environ['PYDEVD_DISABLE_FILE_VALIDATION'] = '1'
import debugpy
debugpy.configure(subProcess=False)
print('ready', flush=True)
print(debugpy.listen(('127.0.0.1', 0))[1], flush=True)
while True: pass
";
    let folder = Folder::new();
    let service = Service::start(python, &folder, CODE);
    let port = service.target.line().parse().unwrap();
    let ran = debug(&service.target, &[]);
    ran.expect_stop("failed", "session", "target-error");
    let json = ran.json();
    let message = json["error"]["message"].as_str().unwrap();
    assert!(message.contains("already debugged, by a session that softdock did not start"));
    // Which is none the worse for it.
    Client::attach(port, &[]).disconnect();
    assert_eq!(service.target.errors(), "");
}

/// The process of the adapter that listens at a port; it is no child of anybody here.
pub(crate) fn adapter_at(port: u16) -> Option<u32> {
    process_with(&format!("\0--port\0{port}\0"))
}

/// Any process with this on its command line.
fn process_with(words: &str) -> Option<u32> {
    let is_it = |pid: &u32| {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&line).contains(words)
    };
    let entries = std::fs::read_dir("/proc").unwrap().map(|entry| entry.unwrap().file_name());
    entries.filter_map(|name| name.to_str()?.parse().ok()).find(is_it)
}

/// debugpy would not listen a second time; its first session is over, though.
fn when_the_adapter_has_gone(python: &Python) {
    let folder = Folder::new();
    let service = Service::start(python, &folder, WORK);
    let port = crate::debug::free_port();
    debug_and_expect(&service.target, &["--port", &port.to_string()]);
    let adapter = adapter_at(port).expect("an adapter").to_string();
    assert!(Command::new("kill").arg(&adapter).status().unwrap().success());
    let json = eventually(|| {
        let (_, json) = debug_and_expect(&service.target, &[]);
        (json["reused"] == false).then_some(json)
    });
    let port = u16::try_from(json["port"].as_u64().unwrap()).unwrap();
    let mut client = Client::attach(port, &[(&service.file, WORK_LINE)]);
    let stop = client.stopped();
    assert_eq!(client.frames(stop.thread)[0].0, "inner");
    client.disconnect();
    service.proves_to_run();
}

/// debugpy breaks while its adapter, which has started already, waits for it: at once, after a
/// while, or half way.
fn and_leave_no_adapter(python: &Python) {
    let folder = Folder::new();
    let service = Service::start(python, &folder, WORK);
    let breaks = "raise ImportError('half of it')";
    let late = format!("import time; time.sleep(1); {breaks}");
    for (nth, (file, text)) in
        [("__init__.py", breaks), ("__init__.py", &late), ("server/__init__.py", breaks)]
            .into_iter()
            .enumerate()
    {
        let bundle = folder.path().join(format!("bundle-{nth}"));
        break_debugpy(python, &bundle, file, text);
        let bundle = bundle.to_str().unwrap();
        let ran = debug(&service.target, &["--debugpy", bundle]);
        ran.expect_stop("failed", "session", "target-error");
        assert_eq!(ran.json()["error"]["message"], "half of it");
        eventually(|| process_with(bundle).is_none().then_some(()));
        assert_eq!(service.target.errors(), "");
    }
    service.proves_to_run();
}

/// There is no adapter to be started, and the program hears nothing of it. Another folder helps.
fn with_what_is_no_debugpy(python: &Python) {
    let folder = Folder::new();
    let service = Service::start(python, &folder, WORK);
    std::fs::write(folder.path().join("debugpy.py"), "").unwrap();
    let ran = debug(&service.target, &["--debugpy", folder.path().to_str().unwrap()]);
    ran.expect_stop("failed", "session", "target-error");
    assert_eq!(ran.json()["error"]["message"], "No module named 'debugpy.adapter'");
    assert!(ran.json()["hint"].as_str().unwrap().contains("name a folder that holds it whole"));
    debug_and_expect(&service.target, &[]);
    assert_eq!(service.target.errors(), "");
}

/// The target's debugpy, with one file of it replaced, or one more.
fn break_debugpy(python: &Python, bundle: &Path, file: &str, text: &str) {
    let (ours, theirs) = (bundle.join("debugpy").join(file), python.debugpy.as_deref().unwrap());
    std::fs::create_dir_all(ours.parent().unwrap()).unwrap();
    std::fs::write(ours, text).unwrap();
    for entry in std::fs::read_dir(theirs).unwrap().map(|entry| entry.unwrap()) {
        // All but what is there.
        let link = bundle.join("debugpy").join(entry.file_name());
        let _ = std::os::unix::fs::symlink(entry.path(), link);
    }
}

/// It goes without a word while the program stands at a breakpoint: the program goes on.
fn and_lose_the_editor(python: &Python) {
    let folder = Folder::new();
    let service = Service::start(python, &folder, WORK);
    let (port, _) = debug_and_expect(&service.target, &[]);
    let mut client = Client::attach(port, &[(&service.file, WORK_LINE)]);
    client.stopped();
    drop(client);
    service.proves_to_run();
    assert_eq!(service.target.errors(), "");
}

/// It takes the script, and is gone before debugpy is there.
fn a_process_that_ends(python: &Python) {
    const CODE: &str = "import sys, os
sys.executable = sys.argv[1]
print('ready', flush=True)
while '_softdock' not in sys.modules: pass
os._exit(0)
";
    let folder = Folder::new();
    let service = Service::start(python, &folder, CODE);
    let session = format!("ends-{}", service.target.pid());
    let ran = debug(&service.target, &["--session", &session]);
    ran.expect_stop("failed", "session", "target-ended");
    assert!(left_over(Path::new("/"), &session).is_empty());
}

/// A server with a Python inside: its `sys.executable` would start another server.
fn a_program_that_is_no_python(python: &Python) {
    const CODE: &str = "import os, sys
real, mark = sys.argv[1:]
sys.executable = mark + '-server'
with open(sys.executable, 'w') as file: file.write('#!/bin/sh\\necho a second one >' + mark)
os.chmod(sys.executable, 0o755)
print('ready', flush=True)
print(real, flush=True)
while True: pass
";
    let folder = Folder::new();
    let service = Service::start(python, &folder, CODE);
    let real = service.target.line();
    let ran = debug(&service.target, &[]);
    ran.expect_stop("failed", "session", "target-error");
    let json = ran.json();
    assert!(json["detail"].as_str().unwrap().contains("-server'"), "{json:#}");
    assert!(json["hint"].as_str().unwrap().contains("--python"), "{json:#}");
    assert!(!service.progress.exists(), "a second server was started");
    for (program, message) in [("/none", "cannot start"), ("/bin/false", "adapter ends with 1")] {
        let json = debug(&service.target, &["--python", program]).json();
        assert!(json["error"]["message"].as_str().unwrap().contains(message), "{json:#}");
        assert!(json["hint"].as_str().unwrap().contains("--python"), "{json:#}");
    }
    let (port, _) = debug_and_expect(&service.target, &["--python", &real]);
    Client::attach(port, &[]).disconnect();
    assert_eq!(service.target.errors(), "");
}

/// With a client that knows nothing of sub-processes, a child would wait for one of its own.
fn and_let_children_be(python: &Python) {
    const CODE: &str = "import subprocess, sys, time
sys.executable = sys.argv[1]
print('ready', flush=True)
while not getattr(sys.modules.get('_softdock'), 'session', None): time.sleep(0.01)
sys.stdin.readline()
subprocess.run([sys.executable, '-I', '-c', 'print(\"a child\", flush=True)'], check=True)
print('it has ended', flush=True)
while True: time.sleep(0.01)
";
    let folder = Folder::new();
    let mut service = Service::start(python, &folder, CODE);
    let (port, _) = debug_and_expect(&service.target, &[]);
    let client = Client::attach(port, &[]);
    service.target.wake();
    assert_eq!([service.target.line(), service.target.line()], ["a child", "it has ended"]);
    client.disconnect();
}

/// The first one ends just when the second has looked: turns are as long in the end as they were.
fn turns_of_two_sessions(python: &Python) {
    const CODE: &str = "import sys
exec(sys.argv[1].removesuffix('begin()\\n'))
before = sys.getswitchinterval()
look, first, second = sys.getswitchinterval, ShortTurns(), ShortTurns()
def look_late():
    seen, sys.getswitchinterval = look(), look
    first.__exit__()
    return seen
first.__enter__()
assert look() < before
sys.getswitchinterval = look_late
second.__enter__(), second.__exit__()
assert look() == before
";
    let mut command = python.command();
    let ran = Ran::of(command.args(["-I", "-c", CODE, softdock_debugpy::LOADER]).output().unwrap());
    assert_eq!((ran.code, &*ran.stderr), (Some(0), ""));
}

/// A child that is forked while debugpy is imported, or while a client is waited for, has none of
/// our threads to give back to it what they hold of the program.
fn a_program_that_forks(python: &Python) {
    const CODE: &str = "import gc, os, sys, time, warnings
warnings.simplefilter('ignore')
sys.executable = sys.argv[1]
def settings():
    quiet = os.environ.get('PYDEVD_DISABLE_FILE_VALIDATION')
    has_bundle = any(path.endswith('/bundle') for path in sys.path)
    return sys.getswitchinterval(), gc.get_threshold(), quiet, has_bundle
before = settings()
print('ready', flush=True)
with open(sys.argv[2], 'w') as progress:
    while True:
        if not (child := os.fork()):
            os._exit(settings() != before)
        if os.waitpid(child, 0)[1]:
            print('other settings', file=sys.stderr, flush=True)
        progress.write('.')
        progress.flush()
        time.sleep(0.001)
";
    let folder = Folder::new();
    let service = Service::start(python, &folder, CODE);
    let bundle = folder.path().join("bundle");
    break_debugpy(python, &bundle, "more.py", "");
    let nobody = debug(
        &service.target,
        &["--break", "--client-timeout", "1s", "--debugpy", bundle.to_str().unwrap()],
    );
    assert_eq!(nobody.code, Some(1), "{}", nobody.stderr);
    assert!(nobody.stderr.contains("reason=no-client"), "{}", nobody.stderr);
    service.proves_to_run();
    assert_eq!(service.target.errors(), "");
}

fn what_a_person_reads(python: &Python) {
    let folder = Folder::new();
    let service = Service::start(python, &folder, WORK);
    let pid = service.target.pid().to_string();
    let run = |more: &[&str]| {
        let mut command = softdock();
        command.args(["debug", "--no-wait", "--timeout", "20s", "--pid", &pid]).args(more);
        Ran::of(command.output().unwrap())
    };
    let first = run(&["--session", "s"]);
    let (head, rest) = first.stdout.split_once('\n').unwrap();
    let (words, port) = head.rsplit_once(':').unwrap();
    assert!(words.starts_with("ready: debugpy "), "{words}");
    assert!(words.ends_with(&format!(" in process {pid} listens at 127.0.0.1")), "{words}");
    assert!(rest.starts_with("  session  s\n"), "{rest}");
    // What stands between the braces is an entry as it can be pasted.
    let entry = &rest[rest.find('{').unwrap()..=rest.rfind('}').unwrap()];
    let entry: Value = serde_json::from_str(entry).unwrap();
    assert_eq!(entry["connect"]["port"].to_string(), port);
    assert!(rest.contains(&format!("tcp://127.0.0.1:{port}")), "{rest}");
    let summaries = first.stderr.lines().filter(|line| line.starts_with("[PTVS][SafeAttach] "));
    assert_eq!(summaries.count(), 1, "{}", first.stderr);

    let again = run(&["--host", "0.0.0.0", "--port", "9"]);
    assert!(again.stdout.contains(", as it did before\n"), "{}", again.stdout);
    assert!(again.stderr.contains("can run code in the target"), "{}", again.stderr);
    assert!(again.stderr.contains("not at 0.0.0.0:9:"), "{}", again.stderr);

    let planned = run(&["--dry-run"]);
    assert_eq!(planned.code, Some(0));
    assert!(planned.stdout.starts_with("planned: nothing was written"), "{}", planned.stdout);
    let wrong = run(&["--connect", "nowhere"]);
    assert_eq!(wrong.code, Some(2), "{}", wrong.stderr);
    let mut command = softdock();
    command.args(["debug", "--pid", &pid]).env("PTVS_DEBUG_PORT", "nowhere");
    let wrong = Ran::of(command.output().unwrap());
    assert_eq!(wrong.code, Some(2), "{}", wrong.stderr);
    assert!(wrong.stderr.starts_with("softdock: PTVS_DEBUG_PORT=nowhere: "), "{}", wrong.stderr);
}

/// Who may read nothing of ours but what is put there for them, and answers as themselves.
fn another_user(python: &Python) {
    let folder = Folder::new();
    let mut command = python.command();
    command.uid(NOBODY).gid(NOBODY).current_dir("/");
    let service = Service::start_by(python, &folder, command, &["-I"], COMPUTE);
    let (port, _) = debug_and_expect(&service.target, &[]);
    Client::attach(port, &[]).disconnect();
    assert_eq!(service.target.errors(), "");
}

/// As in a container: it works, but not at an address of ours, and that is said.
fn another_network(python: &Python) {
    const CODE: &str = "import fcntl, os, socket, struct, sys
sys.executable = sys.argv[1]
os.unshare(os.CLONE_NEWNET)
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any:
    fcntl.ioctl(any, 0x8914, struct.pack('16sh', b'lo', 1))  # the loopback device is down at first
print('ready', flush=True)
while True: pass
";
    let folder = Folder::new();
    let service = Service::start(python, &folder, CODE);
    let (_, json) = debug_and_expect(&service.target, &[]);
    let nsenter = format!("nsenter --net=/proc/{}/ns/net", service.target.pid());
    assert!(json["hint"].as_str().unwrap().contains(&nsenter), "{json:#}");
    assert_eq!(service.target.errors(), "");
}

/// The files lie in the target's root, and are named as it names them.
fn in_a_chroot(python: &Python) {
    const CODE: &str = "print('ready', flush=True)\nwhile True: pass";
    let root = python.root.as_deref().unwrap();
    let folder = Folder::below(&root.join("tmp"));
    let mut command = Command::new("chroot");
    command.arg(root).arg(format!("/usr/bin/python{}", python.minor())).args(["-I", "-c", CODE]);
    let target = Target::start(&folder, command);
    let session = format!("chroot-{}", target.pid());
    let (port, json) = debug_and_expect(&target, &["--session", &session]);
    let plan = json["attach"]["plan"].to_string();
    assert!(plan.contains("/tmp/softdock-") && !plan.contains("cpython"), "{plan}");
    assert!(left_over(root, &session).is_empty() && left_over(Path::new("/"), &session).is_empty());
    Client::attach(port, &[]).disconnect();
    assert_eq!(target.errors(), "");
}

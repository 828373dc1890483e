//! What becomes of a request: armed, taken, taken back, in the way of another; and that none is
//! ever lost or run twice.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::command::{Ran, attach, attach_and_expect, attach_command, inspect, softdock};
use crate::pythons::Python;
use crate::target::{BUSY, Folder, Script, Target, eventually};
use crate::{Situation, always};

pub(crate) fn situations() -> Vec<Situation> {
    vec![
        always("a-blocked-target-is-armed-and-runs-it-later", armed_and_runs_it_later),
        always("an-armed-request-can-be-taken-back", taken_back),
        always("an-interrupt-takes-the-request-back", an_interrupt_takes_it_back),
        always("a-second-attach-finds-it-busy", a_second_attach_finds_it_busy),
        always("another-debuggers-request-is-left-alone", another_debuggers_request),
        always("a-dry-run-writes-nothing", a_dry_run_writes_nothing),
        always("a-write-that-is-cut-is-taken-back", a_write_that_is_cut),
        always("two-hundred-in-a-row-lose-nothing", two_hundred_in_a_row),
        always("a-turn-that-does-not-come", a_turn_that_does_not_come),
        always("what-a-person-reads", what_a_person_reads),
    ]
}

/// What is pending in the main thread.
pub(crate) fn pending(target: &Target) -> Option<String> {
    let seen = inspect(target);
    seen["interpreters"][0]["threads"][0]["pending"].as_str().map(str::to_owned)
}

#[track_caller]
fn arm(target: &Target, script: &Script) {
    let armed = attach(target, script, &["--timeout", "100ms"]);
    let json = armed.json();
    assert_eq!(armed.code, Some(0), "{json:#}");
    let told = ["outcome", "site", "reason", "left"].map(|name| json[name].as_str().unwrap());
    assert_eq!(told, ["armed", "confirm", "timeout", "armed"]);
    assert!(json["waitedMicros"].as_u64().unwrap() >= 100_000);
    assert_eq!(pending(target).as_deref(), script.path.to_str());
}

fn armed_and_runs_it_later(python: &Python) {
    let folder = Folder::new();
    let target = Target::blocked(python, &folder);
    let script = folder.script("a.py", "1");
    arm(&target, &script);
    assert_eq!(script.marks(), [""; 0], "it is blocked");
    target.finish();
    assert_eq!(script.marks(), ["1"]);
}

fn taken_back(python: &Python) {
    let folder = Folder::new();
    let target = Target::blocked(python, &folder);
    let script = folder.script("a.py", "1");
    arm(&target, &script);
    let other = folder.script("b.py", "2");
    let refused = attach(&target, &other, &["--cancel"]);
    refused.expect_stop("refused", "plan", "nothing-pending");
    let cancelled = attach(&target, &script, &["--cancel"]);
    assert_eq!((cancelled.code, &cancelled.json()["outcome"]), (Some(0), &"cancelled".into()));
    assert_eq!(cancelled.json()["cache"], "hit", "what was armed is where it was");
    assert_eq!(pending(&target), None);
    attach(&target, &script, &["--cancel"]).expect_stop("refused", "plan", "nothing-pending");
    target.finish();
    assert_eq!(script.marks(), [""; 0]);
}

fn an_interrupt_takes_it_back(python: &Python) {
    let folder = Folder::new();
    let target = Target::blocked(python, &folder);
    let script = folder.script("a.py", "1");
    let mut command = attach_command(&target, &script);
    command.args(["--timeout", "60s"]).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut waiting = command.spawn().unwrap();
    eventually(|| pending(&target));
    let interrupted =
        Command::new("kill").args(["-INT", &waiting.id().to_string()]).status().unwrap();
    assert!(interrupted.success());
    let began = Instant::now();
    eventually(|| waiting.try_wait().unwrap());
    assert!(began.elapsed() < Duration::from_secs(10));
    let ran = Ran::of(waiting.wait_with_output().unwrap());
    ran.expect_stop("failed", "confirm", "cancelled");
    let json = ran.json();
    assert_eq!([&json["undo"], &json["left"]], ["clean", "nothing"]);
    assert_eq!(pending(&target), None);
    target.finish();
    assert_eq!(script.marks(), [""; 0]);
}

fn a_second_attach_finds_it_busy(python: &Python) {
    let folder = Folder::new();
    let target = Target::blocked(python, &folder);
    let (first, second) = (folder.script("a.py", "1"), folder.script("b.py", "2"));
    arm(&target, &first);
    attach(&target, &second, &["--timeout", "1s"]).expect_stop("refused", "plan", "busy");
    assert_eq!(pending(&target).as_deref(), first.path.to_str());
    target.finish();
    assert_eq!(first.marks(), ["1"]);
}

/// The other one is CPython's own, which looks neither before nor after.
fn another_debuggers_request(python: &Python) {
    let folder = Folder::new();
    let target = Target::blocked(python, &folder);
    let (theirs, ours) = (folder.script("a.py", "1"), folder.script("b.py", "2"));
    let request = format!("import sys; sys.remote_exec({}, {:?})", target.pid(), theirs.path);
    assert!(python.command().args(["-I", "-c", &request]).status().unwrap().success());
    assert_eq!(pending(&target).as_deref(), theirs.path.to_str());
    attach(&target, &ours, &["--timeout", "1s"]).expect_stop("refused", "plan", "busy");
    attach(&target, &ours, &["--cancel"]).expect_stop("refused", "plan", "nothing-pending");
    target.finish();
    assert_eq!(theirs.marks(), ["1"]);
}

fn a_dry_run_writes_nothing(python: &Python) {
    let folder = Folder::new();
    let target = Target::blocked(python, &folder);
    let script = folder.script("a.py", "1");
    let dry = attach(&target, &script, &["--dry-run"]);
    let json = dry.json();
    assert_eq!((dry.code, &json["outcome"]), (Some(0), &"planned".into()), "{json:#}");
    assert_eq!(json["plan"]["script"].as_str(), script.path.to_str());
    assert_eq!(pending(&target), None);
    target.finish();
    assert_eq!(script.marks(), [""; 0]);
}

/// Each of the four writes, by both front ends; there is no fifth.
fn a_write_that_is_cut(python: &Python) {
    let folder = Folder::new();
    let target = Target::blocked(python, &folder);
    let never = folder.script("never.py", "0");
    let sites = ["claim-pending", "write-script-path", "write-pending", "write-eval-breaker"];
    for front_end in ["managed", "concord"] {
        for (nth, site) in (1..).zip(sites) {
            let nth = nth.to_string();
            let how = ["--front-end", front_end, "--simulate-partial-write", &nth];
            let cut = attach(&target, &never, &how);
            let (code, outcome, at, _) = cut.verdict();
            assert_eq!((code, &*outcome, &*at), (Some(1), "failed", site), "{}", cut.stderr);
            assert_eq!([&cut.json()["undo"], &cut.json()["left"]], ["clean", "nothing"]);
            assert!(cut.stderr.contains("a write was cut short on purpose\n"), "{}", cut.stderr);
            assert_eq!(pending(&target), None);
        }
    }
    let script = folder.script("a.py", "1");
    let mut command = attach_command(&target, &script);
    command.args(["--timeout", "100ms"]).env("PTVS_SIMULATE_PARTIAL_WRITE", "5");
    let whole = Ran::of(command.output().unwrap());
    assert_eq!(whole.code, Some(0), "{}", whole.stderr);
    assert!(!whole.stderr.contains("on purpose"), "{}", whole.stderr);
    target.finish();
    assert_eq!(script.marks(), ["1"], "and no other script has run");
}

/// `sys.remote_exec` loses nearly all of them: there is one slot and no queue, and it does not look
/// whether it is free.
///
/// Folklore: CPython clears the flag before it runs the script, and takes the next request wherever
/// it looks for events, also inside that script. So the next one can begin, and end, before the
/// first has done anything (seen with the second and third of these). Whoever needs an order must
/// wait for a sign of the script itself, as the second half does.
fn two_hundred_in_a_row(python: &Python) {
    const HALF: usize = 100;
    let folder = Folder::new();
    let target = Target::run(python, &folder, BUSY);
    for number in 0..2 * HALF {
        let script = folder.script(format!("{number}.py"), &number.to_string());
        attach_and_expect::<&str>(&target, &script, &[]);
        if number >= HALF - 1 {
            script.wait_for_marks(number + 1);
        }
    }
    let marks = folder.script("last.py", "'last'").marks();
    let mut marks: Vec<usize> = marks.iter().map(|mark| mark.parse().unwrap()).collect();
    marks[..HALF].sort_unstable();
    assert_eq!(marks, (0..2 * HALF).collect::<Vec<_>>(), "each once, the second half in order");
    assert_eq!(target.errors(), "");
}

/// Nobody waits for ever: a second attacher gives up its turn, and the first goes on undisturbed.
fn a_turn_that_does_not_come(python: &Python) {
    let folder = Folder::new();
    let mut target = Target::blocked(python, &folder);
    let (first, second) = (folder.script("a.py", "1"), folder.script("b.py", "2"));
    let mut command = attach_command(&target, &first);
    command.args(["--timeout", "60s"]).stdout(Stdio::piped()).stderr(Stdio::piped());
    let waiting = command.spawn().unwrap();
    eventually(|| pending(&target));
    attach(&target, &second, &["--timeout", "50ms"]).expect_stop("refused", "turn", "busy");
    attach(&target, &first, &["--cancel"]).expect_stop("refused", "turn", "busy");
    target.wake();
    Ran::of(waiting.wait_with_output().unwrap()).expect_consumed();
    target.finish();
    assert_eq!(first.marks(), ["1"]);
}

fn what_a_person_reads(python: &Python) {
    let folder = Folder::new();
    let target = Target::run(python, &folder, BUSY);
    let script = folder.script("a.py", "1");
    let pid = target.pid();
    let run = |arguments: &[&str]| {
        let mut command = softdock();
        command.args(arguments).args(["--pid", &pid.to_string()]);
        // Relative paths are taken from here.
        Ran::of(command.current_dir(folder.path()).output().unwrap())
    };
    let attached = run(&["attach", "a.py", "--timeout", "20s"]);
    let (who, version) = (format!("thread {pid} (main)"), &python.version);
    let path = script.path.display();
    let expected = format!("attached: {who} of CPython {version} took {path}");
    assert!(attached.stdout.starts_with(&expected), "{}{}", attached.stdout, attached.stderr);
    assert_eq!((attached.code, attached.stdout.lines().count()), (Some(0), 1));

    let missing = run(&["attach", "none.py"]);
    assert_eq!((missing.code, missing.stdout.as_str()), (Some(1), ""));
    assert!(missing.stderr.contains("softdock: refused at preflight: script-missing\n"));

    let inspected = run(&["inspect"]);
    let shown = format!("an attach would ask {who}");
    assert!(inspected.stdout.contains(&shown), "{}", inspected.stdout);
    assert!(!inspected.stdout.contains('\x1b'), "no colours where nobody sees them");
    assert_eq!(inspected.stderr, "");
}

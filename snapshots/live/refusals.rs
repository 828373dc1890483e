//! Targets that must not be touched, and how that is told.

use std::time::{Duration, Instant};

use crate::command::{Ran, attach, attach_command, inspect, softdock};
use crate::pythons::Python;
use crate::target::{BUSY, Folder, Target, eventually};
use crate::{Situation, always};

pub(crate) fn situations() -> Vec<Situation> {
    vec![
        always("disabled-by-option", disabled_by_option),
        always("disabled-by-environment", disabled_by_environment),
        always("a-path-that-does-not-fit", a_path_that_does_not_fit),
        always("a-script-that-is-not-there", a_script_that_is_not_there),
        always("a-process-that-is-no-python", a_process_that_is_no_python),
        always("a-number-that-is-no-process", a_number_that_is_no_process),
        always("nothing-is-opened-in-vain", nothing_is_opened_in_vain),
        always("a-target-that-dies-while-we-wait", a_target_that_dies),
    ]
}

fn disabled_by_option(python: &Python) {
    let folder = Folder::new();
    let mut command = python.command();
    command.args(["-I", "-X", "disable-remote-debug", "-c", BUSY]);
    let target = Target::start(&folder, command);
    expect_disabled(&folder, &target);
}

/// Nothing runs, and who looks sees why.
#[track_caller]
fn expect_disabled(folder: &Folder, target: &Target) {
    let script = folder.script("a.py", "1");
    let refused = attach(target, &script, &["--timeout", "1s"]);
    refused.expect_stop("refused", "policy", "policy-disabled");
    let seen = inspect(target);
    assert_eq!(seen["interpreters"][0]["remoteDebugging"], false);
    assert_eq!(seen["interpreters"][0]["threads"][0]["id"], target.pid());
    assert_eq!(script.marks(), [""; 0]);
}

/// Any value disables, `0` and the empty one too.
fn disabled_by_environment(python: &Python) {
    let folder = Folder::new();
    let mut command = python.command();
    command.args(["-c", BUSY]).env("PYTHON_DISABLE_REMOTE_DEBUG", "0");
    let target = Target::start(&folder, command);
    expect_disabled(&folder, &target);
}

/// 511 bytes fit, 512 do not, and nothing is ever cut short.
fn a_path_that_does_not_fit(python: &Python) {
    let folder = Folder::new();
    let target = Target::run(python, &folder, BUSY);
    let mut path = folder.path().to_path_buf();
    while path.as_os_str().len() < 400 {
        path.push("folder-with-a-long-name");
    }
    std::fs::create_dir_all(&path).unwrap();
    let name = |len: usize| path.join("x".repeat(len - path.as_os_str().len() - 1));
    let fits = folder.script(name(511), "'fits'");
    attach(&target, &fits, &["--timeout", "20s"]).expect_consumed();
    assert_eq!(fits.wait_for_marks(1), ["fits"]);
    let too_long = folder.script(name(512), "'too long'");
    attach(&target, &too_long, &["--timeout", "1s"]).expect_stop(
        "refused",
        "plan",
        "script-too-long",
    );
    assert_eq!(too_long.marks(), ["fits"]);
}

fn a_script_that_is_not_there(python: &Python) {
    let folder = Folder::new();
    let target = Target::run(python, &folder, BUSY);
    let mut script = folder.script("a.py", "1");
    let path = script.path.clone();
    script.path = path.join("below-a-file");
    attach::<&str>(&target, &script, &[]).expect_stop("refused", "preflight", "script-missing");
    script.path = folder.path().to_path_buf();
    attach::<&str>(&target, &script, &[]).expect_stop("refused", "preflight", "script-not-a-file");
    assert_eq!(target.errors(), "", "the target heard nothing of it");
}

fn a_process_that_is_no_python(_: &Python) {
    let folder = Folder::new();
    let mut command = std::process::Command::new("sh");
    command.args(["-c", "echo ready; read line"]);
    let target = Target::start(&folder, command);
    let script = folder.script("a.py", "1");
    attach::<&str>(&target, &script, &[]).expect_stop("refused", "locate", "not-python");
}

fn a_number_that_is_no_process(python: &Python) {
    let folder = Folder::new();
    let ended = Target::run(python, &folder, BUSY).end();
    let script = folder.script("a.py", "1");
    let attach_to = |pid: &str| {
        let mut command = softdock();
        command.args(["attach", "--format", "json", "--pid", pid]).arg(&script.path);
        Ran::of(command.output().unwrap())
    };
    attach_to(&ended.to_string()).expect_stop("failed", "open", "not-found");
    attach_to("0").expect_stop("failed", "open", "not-a-pid");
    attach_to("4294967295").expect_stop("failed", "open", "not-a-pid");
    for no_number in ["-1", "4294967296", "x", ""] {
        assert_eq!(attach_to(no_number).code, Some(2), "{no_number:?}");
    }
}

/// Not even a process that has ended is noticed, by either command and front end.
fn nothing_is_opened_in_vain(python: &Python) {
    let folder = Folder::new();
    let pid = Target::run(python, &folder, BUSY).end().to_string();
    let script = folder.script("a.py", "1");
    let (attach, debug) = (["attach", script.path.to_str().unwrap()], ["debug", "--no-wait"]);
    for words in [attach, debug] {
        for front_end in ["managed", "concord"] {
            let run = |variable: &str, value: &str| {
                let mut command = softdock();
                command.args(words).args(["--format", "json", "--front-end", front_end]);
                Ran::of(command.args(["--pid", &pid]).env(variable, value).output().unwrap())
            };
            run("PTVS_MIXED_MODE", "1").expect_stop("refused", "gate", "mixed-mode");
            let switch = "PTVS_SAFE_ATTACH_MANAGED_DISABLE";
            run(switch, "1").expect_stop("refused", "gate", "feature-disabled");
            run(switch, "0").expect_stop("failed", "open", "not-found");
        }
    }
}

fn a_target_that_dies(python: &Python) {
    let folder = Folder::new();
    let mut target = Target::blocked(python, &folder);
    let script = folder.script("a.py", "1");
    let mut command = attach_command(&target, &script);
    command.args(["--timeout", "60s"]);
    command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    let mut waiting = command.spawn().unwrap();
    std::thread::sleep(Duration::from_millis(150));
    target.kill();
    let began = Instant::now();
    eventually(|| waiting.try_wait().unwrap());
    assert!(began.elapsed() < Duration::from_secs(10), "it need not wait for the dead");
    let ran = Ran::of(waiting.wait_with_output().unwrap());
    ran.expect_stop("failed", "confirm", "gone");
}

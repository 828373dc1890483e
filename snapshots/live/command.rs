//! The command, as a user runs it.

use std::ffi::OsStr;
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use crate::target::{Script, Target};

/// What a run of the command came to.
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    #[track_caller]
    pub(crate) fn of(output: Output) -> Ran {
        Ran {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// The one object that it printed.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        assert_eq!(self.stdout.lines().count(), 1, "{}{}", self.stdout, self.stderr);
        assert!(self.stdout.starts_with("{\"format\":1,\"kind\":"), "{}", self.stdout);
        serde_json::from_str(&self.stdout).unwrap()
    }

    /// The exit code, the outcome, where and why.
    #[track_caller]
    pub(crate) fn verdict(&self) -> (Option<i32>, String, String, String) {
        let json = self.json();
        let text = |name: &str| json[name].as_str().unwrap_or("-").to_owned();
        (self.code, text("outcome"), text("site"), text("reason"))
    }

    /// Demands an end other than success, in the same terms.
    #[track_caller]
    pub(crate) fn expect_stop(&self, outcome: &str, site: &str, reason: &str) {
        let expected = (Some(1), outcome.to_owned(), site.to_owned(), reason.to_owned());
        assert_eq!(self.verdict(), expected, "{}{}", self.stdout, self.stderr);
    }

    /// Demands that the target took the script; returns the report.
    #[track_caller]
    pub(crate) fn expect_consumed(&self) -> Value {
        let json = self.json();
        assert_eq!((self.code, &json["outcome"]), (Some(0), &Value::from("consumed")), "{json:#}");
        assert_eq!(json["left"], "nothing");
        json
    }
}

/// The command, with nothing of our environment that could change what it does.
pub(crate) fn softdock() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_softdock"));
    for (name, _) in std::env::vars_os().filter(|(name, _)| is_ours(name)) {
        command.env_remove(name);
    }
    command.stdin(Stdio::null()).env("XDG_RUNTIME_DIR", runtime_folder());
    command
}

/// What the trials remember of their targets is no business of whoever runs them.
fn runtime_folder() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("softdock-live-runtime");
    let made = DirBuilder::new().recursive(true).mode(0o700).create(&folder);
    made.unwrap();
    folder
}

fn is_ours(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(b"PTVS_")
}

/// `softdock attach --format json` with these further arguments.
#[track_caller]
pub(crate) fn attach<A: AsRef<OsStr>>(target: &Target, script: &Script, more: &[A]) -> Ran {
    Ran::of(attach_command(target, script).args(more).output().unwrap())
}

/// The same, not started yet.
pub(crate) fn attach_command(target: &Target, script: &Script) -> Command {
    let mut command = softdock();
    command.args(["attach", "--format", "json", "--pid"]).arg(target.pid().to_string());
    command.arg(&script.path);
    command
}

/// `softdock attach`, where nothing is special: the target takes the script, on a busy machine too.
#[track_caller]
pub(crate) fn attach_and_expect<A: AsRef<OsStr>>(
    target: &Target,
    script: &Script,
    more: &[A],
) -> Value {
    let mut command = attach_command(target, script);
    Ran::of(command.args(["--timeout", "20s"]).args(more).output().unwrap()).expect_consumed()
}

/// `softdock inspect --format json`.
#[track_caller]
pub(crate) fn inspect(target: &Target) -> Value {
    let mut command = softdock();
    command.args(["inspect", "--format", "json", "--pid"]).arg(target.pid().to_string());
    let ran = Ran::of(command.output().unwrap());
    assert_eq!(ran.code, Some(0), "{}{}", ran.stdout, ran.stderr);
    ran.json()
}

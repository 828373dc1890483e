//! The live commands: opening the process, asking whether it could read the script, and saying why
//! something came to nothing. What is shown of a success is in `attach`, `cancel`, `session` and
//! `inspect`.

mod attach;
mod cancel;
mod debug;
mod events;
mod inspect;
mod loader_log;
mod session;

use std::fmt::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use serde::Serialize;
use softdock::phases::Phase;
use softdock::report::words::clean;
use softdock::report::{self, Attempt, Line, Stopped};
use softdock_attach::{Left, Reason, Report};
use softdock_live::{Process, ScriptView, hints};

use super::Format;
use super::output::{self, BAD, FAINT, STRONG, WARN, styled};

pub(crate) use attach::attach;
pub(crate) use debug::debug;
pub(crate) use inspect::inspect;

fn open(pid: u32) -> Result<Process, Box<Stopped>> {
    Process::open(pid).map_err(|error| Stopped::at_open(error.name(), error.to_string()))
}

/// Where the script is. A relative path is taken from here, where the user is, and never left to
/// the target, which would look in a folder of its own.
fn absolute(script: &Path) -> Result<PathBuf, Box<Stopped>> {
    if script.is_absolute() {
        return Ok(script.to_path_buf());
    }
    std::fs::canonicalize(script).map_err(|error| {
        Stopped::at_preflight(
            "script-missing",
            format!("{}: {error}", clean(script.as_os_str().as_bytes())),
            String::from("a relative path is taken from the folder you are in"),
        )
    })
}

/// Asks whether the target could read the script: if not, it would drop the request without a word
/// to us, or complain in the middle of somebody's program (python/cpython#134546).
fn preflight(process: &Process, script: &Path) -> Result<(), Box<Stopped>> {
    let view = process.script_visible(script).map_err(|kind| {
        let hint = hints::advice(kind, process.pid()).unwrap_or_default();
        let detail = format!("the target's root cannot be looked at: {kind}");
        Stopped::at_preflight("root-unreadable", detail, hint)
    })?;
    let name = clean(script.as_os_str().as_bytes());
    let root = process.root_of_target();
    let (reason, hint) = match &view {
        ScriptView::Readable => return Ok(()),
        ScriptView::Relative => ("script-relative", Reason::ScriptRelative.hint().to_owned()),
        ScriptView::Missing if script.exists() => (
            "script-missing",
            format!(
                "it is here, but not in the target's root: copy it to {}/tmp and name it /tmp/…",
                root.display()
            ),
        ),
        ScriptView::Missing => ("script-missing", String::from("check the path")),
        ScriptView::NotAFile => ("script-not-a-file", String::from("name the script itself")),
        ScriptView::Unreadable { uid } => {
            ("script-unreadable", format!("let user {uid} read it: chmod a+r {name}"))
        }
        ScriptView::FolderClosed { folder, .. } => (
            "script-unreadable",
            format!("chmod a+x {}, or put the script elsewhere, as in /tmp", folder.display()),
        ),
        _ => ("script-unreadable", String::from("check the path and its permissions")),
    };
    Err(Stopped::at_preflight(reason, format!("{name}: {view}"), hint))
}

/// Says that an attempt ended before the engine was asked.
fn tell_stopped(kind: &'static str, format: Format, stopped: &Stopped) {
    match format {
        Format::Json => output::json(&Line::new(kind, stopped)),
        Format::Text => {
            let Stopped { outcome, site, reason, .. } = stopped;
            let mut text = failure(outcome, site, reason);
            let _ = write!(text, "\n  {}", stopped.detail);
            text.push_str(&hint(stopped.hint.as_deref()));
            output::message(&text);
        }
    }
}

/// Says that the engine refused or failed.
fn tell_failure(report: &Report, pid: u32) {
    let attempt = Attempt::from(report);
    let mut text = failure(attempt.outcome, attempt.site, attempt.reason.unwrap_or("unexpected"));
    if let Some(detail) = &attempt.detail {
        let _ = write!(text, "\n  {detail}");
    }
    if report.left != Left::Nothing {
        let left = styled(WARN, format!("left in the target: {}", attempt.left));
        let _ = write!(text, "\n  {left}; softdock attach --pid {pid} --cancel takes it back");
    }
    text.push_str(&hint(attempt.hint));
    text.push_str(&hint(advice(report, pid).as_deref()));
    output::message(&text);
}

/// What the system's settings have to do with it.
fn advice(report: &Report, pid: u32) -> Option<String> {
    match report.reason {
        Some(Reason::Memory(kind) | Reason::Process(kind)) => hints::advice(kind, pid),
        _ => None,
    }
}

fn failure(outcome: &str, site: &str, reason: &str) -> String {
    let verdict = styled(BAD, format!("{outcome} at {site}"));
    format!("{}: {verdict}: {reason}", styled(STRONG, "softdock"))
}

fn hint(hint: Option<&str>) -> String {
    let label = styled(STRONG, "hint:");
    hint.map(|hint| format!("\n  {label} {hint}")).unwrap_or_default()
}

/// All that is known of an attempt, and what each step cost.
fn details(attempt: &Attempt, phases: &[Phase]) -> String {
    let mut text = attempt.to_string();
    let _ = writeln!(text, "{:<20} {:>8} {:>10}", "site", "accesses", "µs");
    for phase in phases {
        let Phase { site, accesses, took } = phase;
        let _ = writeln!(text, "{:<20} {accesses:>8} {:>10}", site.name(), took.as_micros());
    }
    styled(FAINT, text.trim_end())
}

fn phases(phases: &[Phase]) -> Vec<report::Phase> {
    let micros = |phase: &Phase| u64::try_from(phase.took.as_micros()).unwrap_or(u64::MAX);
    phases
        .iter()
        .map(|phase| report::Phase {
            site: phase.site.name(),
            accesses: phase.accesses,
            micros: micros(phase),
        })
        .collect()
}

/// A body, with what each step cost where details were asked for.
#[derive(Serialize)]
struct Timed<T> {
    #[serde(flatten)]
    body: T,
    #[serde(skip_serializing_if = "Option::is_none")]
    phases: Option<Vec<report::Phase>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_relative_path_is_taken_from_here() {
        let here = std::env::current_dir().ok();
        assert_eq!(absolute(Path::new(".")).ok(), here.and_then(|dir| dir.canonicalize().ok()));
        assert_eq!(absolute(Path::new("/no/such.py")), Ok(PathBuf::from("/no/such.py")));
        let missing = absolute(Path::new("no/such.py")).map_err(|stopped| stopped.reason);
        assert_eq!(missing, Err("script-missing"));
    }
}

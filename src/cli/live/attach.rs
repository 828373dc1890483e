//! `softdock attach` on a real process.

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;
use softdock::cache::{Folder, Miss};
use softdock::live::{Cancellation, Copying, LiveHost, Turn};
use softdock::report::words::{self, clean};
use softdock::report::{Attempt, Head, Line, Stopped, Telemetry};
use softdock_attach::{CachedThread, Config, Outcome, Reason, Report, Request};
use softdock_live::Process;
use softdock_process::Threads;

use super::super::attach::Args;
use super::super::output::{self, GOOD, WARN, styled};
use super::super::{Exit, Format, settings};
use super::events::Events;
use super::{Timed, absolute, advice, details, hint, open, phases, preflight};

pub(crate) fn attach(args: &Args) -> Exit {
    let config = settings::for_attach(args);
    let events = events(args);
    events.begin();
    match begin(args, &config, &events) {
        Ok(done) => {
            tell(args, &config, &done);
            if done.report.outcome.is_success() { Exit::AsAsked } else { Exit::Finding }
        }
        Err(stopped) => give_up(args, kind(args), &events, &stopped),
    }
}

/// The telemetry of what `attach` is asked for.
pub(super) fn events(args: &Args) -> Events<'_> {
    Events::new(&args.manner, Head::new(String::new(), kind(args), args.manner.front_end))
}

fn begin(args: &Args, config: &Config, events: &Events<'_>) -> Result<Done, Box<Stopped>> {
    if !args.cancel {
        pass_gate(config)?;
    }
    attempt(open(args.target.pid)?, args, config, events, cancellation()?)
}

/// What the engine would refuse at once is refused before the process is opened.
pub(super) fn pass_gate(config: &Config) -> Result<(), Box<Stopped>> {
    config.refusal().map_or(Ok(()), |reason| Err(Stopped::at_gate(reason)))
}

/// Says that an attempt ended before the engine was asked, wherever that is said.
pub(super) fn give_up(
    args: &Args,
    kind: &'static str,
    events: &Events<'_>,
    stopped: &Stopped,
) -> Exit {
    events.note(Telemetry::from(stopped), stopped.summary(args.manner.front_end));
    super::tell_stopped(kind, args.target.format, stopped);
    Exit::Finding
}

fn kind(args: &Args) -> &'static str {
    if args.cancel { "cancel" } else { "attach" }
}

/// An attempt that the engine was asked for.
pub(super) struct Done {
    pub(super) report: Report,
    pub(super) script: Option<PathBuf>,
    pub(super) waited: Duration,
    pub(super) main_thread: Option<u64>,
    pub(super) phases: Vec<softdock::phases::Phase>,
    _copying: Option<Copying>,
}

pub(super) fn cancellation() -> Result<Cancellation, Box<Stopped>> {
    Cancellation::on_signals().map_err(|error| {
        Stopped::at_open("signals", format!("signals cannot be listened to: {error}"))
    })
}

pub(super) fn attempt(
    mut process: Process,
    args: &Args,
    config: &Config,
    events: &Events<'_>,
    cancellation: Cancellation,
) -> Result<Done, Box<Stopped>> {
    let script = match &args.script {
        // The file may be gone by now; its name is all that is compared.
        Some(script) if args.cancel => absolute(script).or_else(|_| named(script)).map(Some)?,
        Some(script) => Some(absolute(script)?),
        None => None,
    };
    if let Some(script) = script.as_deref().filter(|_| !args.cancel) {
        preflight(&process, script)?;
    }
    let turn = take_turn(args, config, &cancellation)?;
    let remembering = open_folder(config);
    let cached = remembering.as_ref().and_then(|folder| recall(folder, &mut process, config));
    let front_end = args.manner.front_end;
    let conclude = |report: &Report| {
        let summary = report.summary().by(front_end.tag()).to_string();
        events.note(Telemetry::from(report), summary);
    };
    let mut host = LiveHost::new(process, args.timeout, cancellation, conclude);
    host.reach_by(front_end);
    if config.verbose {
        host.record_phases();
    }
    if let Some(nth) = args.manner.simulate_partial_write.filter(|_| !args.cancel) {
        host.cut_write(nth);
    }
    let bytes = script.as_deref().map(|script| script.as_os_str().as_bytes());
    let report = match bytes {
        script if args.cancel => front_end.cancel(&mut host, config, script, cached),
        script => {
            let script = script.unwrap_or_default();
            front_end.attach(&mut host, config, Request { script, cached, planned: None })
        }
    };
    // A dry run leaves nothing anywhere.
    if let Some(folder) = remembering.filter(|_| config.write) {
        folder.remember(&report);
    }
    if let Some(error) = host.freeze_error() {
        output::message(&format!("softdock: the target could not be stopped: {error}"));
    }
    if host.has_cut() {
        output::message("softdock: a write was cut short on purpose");
    }
    let main_thread = host.main_thread().ok().flatten();
    let (waited, phases) = (host.waited(), host.phases().to_vec());
    let _copying = turn.and_then(|turn| copying(turn, host.into_process(), &report));
    Ok(Done { report, script, waited, main_thread, phases, _copying })
}

/// Who has seen a script taken gives the turn back after having told of it.
fn copying(turn: Turn, process: Process, report: &Report) -> Option<Copying> {
    let thread = report.thread.filter(|_| report.outcome == Outcome::Consumed)?;
    Some(turn.until_copied(process, u64::try_from(thread.id).ok()?))
}

/// Where it is kept what is remembered, if it shall be.
fn open_folder(config: &Config) -> Option<Folder> {
    let folder = config.use_cache.then(Folder::open)?;
    if folder.is_none() && config.verbose {
        output::message("softdock: nothing is remembered: there is no folder that is ours alone");
    }
    folder
}

/// What an earlier attach remembered. Whatever is wrong with it is a miss, and told to whoever
/// wants to know.
fn recall(folder: &Folder, process: &mut Process, config: &Config) -> Option<CachedThread> {
    // Without an identity the engine comes to no thread either, and says why.
    let miss = match folder.recall(process.identity().ok()?) {
        Ok(cached) => return Some(cached),
        Err(miss) => miss,
    };
    if config.verbose && miss != Miss::None {
        let folder = clean(folder.path().as_os_str().as_bytes());
        output::message(&format!("softdock: {miss} (in {folder})"));
    }
    None
}

/// Waits until no other softdock attaches to the process. Who writes nothing needs no turn.
///
/// A request that somebody is waiting for is theirs to take back: they see the flag fall, and could
/// not tell that from the target having taken the script.
fn take_turn(
    args: &Args,
    config: &Config,
    cancellation: &Cancellation,
) -> Result<Option<Turn>, Box<Stopped>> {
    if !config.write {
        return Ok(None);
    }
    let patience = if args.cancel { Duration::ZERO } else { args.timeout };
    let turn = Turn::take(args.target.pid, patience, cancellation);
    turn.map(Some).ok_or_else(|| {
        Stopped::at_turn(format!("another softdock is attaching to process {}", args.target.pid))
    })
}

fn named(script: &Path) -> Result<PathBuf, Box<Stopped>> {
    let error = |error| Stopped::at_preflight("script-missing", format!("{error}"), String::new());
    std::path::absolute(script).map_err(error)
}

fn tell(args: &Args, config: &Config, done: &Done) {
    let attempt = Attempt::from(&done.report);
    if args.target.format == Format::Json {
        return output::json(&Line::new(kind(args), body(config, attempt, done, args.target.pid)));
    }
    if config.verbose {
        output::message(&details(&attempt, &done.phases));
    }
    if done.report.outcome.is_success() {
        output::result(&success(args, done));
        output::message(hint(attempt.hint).trim_start_matches('\n'));
    } else {
        super::tell_failure(&done.report, args.target.pid);
    }
}

/// An attempt with what only a live one has.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Live {
    #[serde(flatten)]
    attempt: Attempt,
    /// What the system's settings have to do with a failure.
    advice: Option<String>,
    main_thread: Option<u64>,
    waited_micros: u64,
}

pub(super) fn body(config: &Config, attempt: Attempt, done: &Done, pid: u32) -> Timed<Live> {
    let waited_micros = u64::try_from(done.waited.as_micros()).unwrap_or(u64::MAX);
    let advice = advice(&done.report, pid);
    let body = Live { attempt, advice, main_thread: done.main_thread, waited_micros };
    Timed { body, phases: config.verbose.then(|| phases(&done.phases)) }
}

fn success(args: &Args, done: &Done) -> String {
    let Done { report, waited, .. } = done;
    let who = who(done);
    let script = done.script.as_deref().map(|script| clean(script.as_os_str().as_bytes()));
    let script = script.unwrap_or_default();
    let waited = words::duration(*waited);
    match report.outcome {
        Outcome::Consumed if done.waited.is_zero() => {
            format!("{}: {who} took {script} at once", styled(GOOD, "attached"))
        }
        Outcome::Consumed => {
            format!("{}: {who} took {script} after {waited}", styled(GOOD, "attached"))
        }
        Outcome::Planned if args.cancel => {
            format!("{}: a request is pending in {who}; it stays", styled(GOOD, "planned"))
        }
        Outcome::Planned => planned(report, &who),
        Outcome::Cancelled => {
            format!("{}: {who} will not run what was pending", styled(GOOD, "cancelled"))
        }
        _ if report.reason == Some(Reason::Timeout) => {
            format!("{}: {who} has not taken {script} after {waited}", styled(WARN, "armed"))
        }
        Outcome::ArmedNoBit => {
            format!("{}: {who} runs {script} at its next event", styled(WARN, "armed"))
        }
        _ => format!("{}: {who} runs {script} when it looks", styled(GOOD, "armed")),
    }
}

pub(super) fn planned(report: &Report, who: &str) -> String {
    let head = format!("{}: nothing was written; {who} would get", styled(GOOD, "planned"));
    let plan = report.plan.as_ref().map(ToString::to_string).unwrap_or_default();
    let lines: String = plan.lines().map(|line| format!("\n  {line}")).collect();
    head + &lines
}

/// The thread that was asked, in words.
pub(super) fn who(done: &Done) -> String {
    words::thread(&done.report, done.main_thread)
}

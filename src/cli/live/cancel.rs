//! `softdock debug --cancel` on a real process: requests for a debugger that no thread has come to
//! yet are found by the names of their scripts, and taken back; their files go with them. A request
//! of anybody else is left alone, and so is a debugger that is there.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;
use softdock::live::{Cancellation, LiveHost};
use softdock::report::{Attempt, Line, Stopped};
use softdock::session::{SESSION_SCRIPTS, STOP_SCRIPTS, Step};
use softdock_attach::{Config, Outcome, Survey, SurveyedThread, ThreadChoice};
use softdock_live::is_staging;

use super::super::attach::{self as attach_args, Whom};
use super::super::debug::Args;
use super::super::output::{self, FAINT, GOOD, styled};
use super::super::{Exit, Format, settings};
use super::attach::{Done, Live, attempt, body, cancellation, events, give_up, who};
use super::debug::{ANSWERS, as_attach, named};
use super::events::Events;
use super::{Timed, details, open};

/// The script of the rehearsal that leads to the lists: nothing is written.
const REHEARSED: &[u8] = b"/tmp/script.py";

pub(super) fn cancel(args: &Args) -> Exit {
    let attach = attach_args::Args { cancel: true, ..as_attach(args, None) };
    let events = events(&attach);
    take_all_back(args, &events)
        .unwrap_or_else(|stopped| give_up(&attach, "cancel", &events, &stopped))
}

/// A request for a debugger, as it waits in a thread.
struct Waiting {
    whom: Whom,
    script: PathBuf,
    /// Where its files are, as the target names it.
    folder: PathBuf,
}

fn take_all_back(args: &Args, events: &Events<'_>) -> Result<Exit, Box<Stopped>> {
    events.begin();
    let (config, cancellation) = (settings::for_debug(args), cancellation()?);
    let survey = look(args, &config)?;
    let waiting = waiting(&survey);
    if waiting.is_empty() {
        return Err(none_waits(args.target.pid, &survey));
    }
    let mut exit = Exit::AsAsked;
    for (nth, request) in waiting.iter().enumerate() {
        if nth > 0 {
            events.begin();
        }
        let (done, stays) = take_back(args, &config, events, request, &cancellation)?;
        tell(args, &config, &done, stays.then_some(&request.folder));
        if !done.report.outcome.is_success() {
            exit = Exit::Finding;
        }
    }
    Ok(exit)
}

/// All threads of all interpreters, as they are now.
fn look(args: &Args, config: &Config) -> Result<Survey, Box<Stopped>> {
    let process = open(args.target.pid)?;
    let mut host = LiveHost::new(process, Duration::ZERO, Cancellation::default(), |_| {});
    let survey = softdock_attach::survey(&mut host, config, REHEARSED);
    if survey.interpreters.is_empty() {
        return Err(unseen(&survey));
    }
    Ok(survey)
}

fn waiting(survey: &Survey) -> Vec<Waiting> {
    let threads = survey
        .interpreters
        .iter()
        .flat_map(|interpreter| interpreter.threads.iter().map(|thread| (interpreter.id, thread)));
    threads.filter_map(|(interpreter, thread)| request_in(thread, interpreter)).collect()
}

fn request_in(thread: &SurveyedThread, interpreter: i64) -> Option<Waiting> {
    let script = Path::new(OsStr::from_bytes(thread.pending.as_deref()?));
    let folder = script.parent().filter(|folder| is_staging(folder))?;
    let is_stub = |step: Step| script.file_name() == Some(OsStr::new(step.stub()));
    let thread = ThreadChoice::Native(thread.native?);
    [Step::Session, Step::Stop].into_iter().any(is_stub).then(|| Waiting {
        whom: Whom { thread, interpreter },
        script: script.to_path_buf(),
        folder: folder.to_path_buf(),
    })
}

/// Has the engine take it back; says whether its files stay.
fn take_back(
    args: &Args,
    config: &Config,
    events: &Events<'_>,
    request: &Waiting,
    cancellation: &Cancellation,
) -> Result<(Done, bool), Box<Stopped>> {
    let Waiting { whom, script, folder } = request;
    let attach = as_attach(args, Some(script.clone()));
    let attach = attach_args::Args { whom: *whom, cancel: true, ..attach };
    let config = Config { thread: whom.thread, interpreter: whom.interpreter, ..config.clone() };
    let process = open(args.target.pid)?;
    let done = attempt(process, &attach, &config, events, cancellation.clone())?;
    // Else the target may still come to read them.
    let is_nobodys = done.report.outcome == Outcome::Cancelled;
    let is_gone = is_nobodys && take_away(args.target.pid, folder);
    Ok((done, !is_gone))
}

fn take_away(pid: u32, folder: &Path) -> bool {
    let files = [&SESSION_SCRIPTS[..], &STOP_SCRIPTS].concat();
    let staging = open(pid).ok().and_then(|process| process.staged(folder, &files).ok());
    staging.is_some_and(|mut staging| staging.remove(&ANSWERS))
}

/// The engine came to no list, and says why.
fn unseen(survey: &Survey) -> Box<Stopped> {
    let attempt = Attempt::from(&survey.report);
    Box::new(Stopped {
        outcome: attempt.outcome,
        site: attempt.site,
        reason: attempt.reason.unwrap_or("unexpected"),
        code: attempt.code,
        detail: attempt.detail.unwrap_or_else(|| String::from("its threads cannot be listed")),
        hint: attempt.hint.map(String::from),
        left: "nothing",
        fallback: "legacy",
    })
}

/// A claim says nothing of who made it, so that it is left to whoever means it.
fn none_waits(pid: u32, survey: &Survey) -> Box<Stopped> {
    let mut threads = survey.interpreters.iter().flat_map(|interpreter| &interpreter.threads);
    let claimed = threads.find(|thread| thread.claimed).and_then(|thread| thread.native);
    let hint = claimed.map(|thread| {
        format!(
            "an attacher has claimed thread {thread}, and was killed or is still at it: softdock \
             attach --pid {pid} --thread {thread} --cancel takes that back"
        )
    });
    let detail = format!("no request for a debugger waits in process {pid}");
    Stopped::nothing_pending(detail, hint)
}

/// What a cancellation has that one of `attach` has not.
#[derive(Serialize)]
struct TakenBack {
    #[serde(flatten)]
    attach: Timed<Live>,
    /// The folder that stays, as the target names it.
    folder: Option<String>,
}

fn tell(args: &Args, config: &Config, done: &Done, stays: Option<&PathBuf>) {
    let (attempt, pid) = (Attempt::from(&done.report), args.target.pid);
    let folder = stays.map(|folder| named(folder));
    if args.target.format == Format::Json {
        let attach = body(config, attempt, done, pid);
        return output::json(&Line::new("cancel", TakenBack { attach, folder }));
    }
    if config.verbose {
        output::message(&details(&attempt, &done.phases));
    }
    let who = who(done);
    match done.report.outcome {
        Outcome::Cancelled => {
            let verdict = styled(GOOD, "cancelled");
            output::result(&format!("{verdict}: {who} is not asked for a debugger any more"));
        }
        Outcome::Planned => {
            let verdict = styled(GOOD, "planned");
            output::result(&format!("{verdict}: {who} is asked for a debugger; that stays"));
        }
        _ => super::tell_failure(&done.report, pid),
    }
    if let Some(folder) = folder {
        output::message(&styled(FAINT, format!("its files stay in {folder}")));
    }
}

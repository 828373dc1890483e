//! `softdock debug` on a real process: files for the target, an attach that runs them, and what the
//! target told. What is printed of it is in `session`.
//!
//! Invariant: nobody here connects to the port. debugpy takes the first connection for its client,
//! and is deaf once that one has gone without a word.

use std::fs::File;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use softdock::answer::{self, Answer, Clock, Look, WallClock};
use softdock::live::Cancellation;
use softdock::report::Stopped;
use softdock_attach::{Config, Left, Outcome, Report};
use softdock_debugpy::record::{self, Foreign};
use softdock_debugpy::{LOADER, Mode, SessionId, Settings, Sidecar, State, stub};
use softdock_live::{Activity, Answer as FileAnswer, Process, StageError, Staging};
use softdock_process::{ErrorKind, Threads};

use super::super::attach as attach_args;
use super::super::debug::Args;
use super::super::{Exit, settings};
use super::attach::{Done, attempt, cancellation, give_up};
use super::{open, session};

pub(crate) fn debug(args: &Args) -> Exit {
    let config = settings::for_debug(args);
    let mut attach = as_attach(args);
    match dock(args, &config, &mut attach) {
        Ok(docked) => session::tell(args, &config, &docked),
        Err(stopped) => give_up(&attach, "debug", &stopped),
    }
}

/// A request for a debugger that the engine was asked for.
pub(super) struct Docked {
    pub(super) session: SessionId,
    pub(super) mode: Mode,
    pub(super) done: Done,
    pub(super) end: End,
    /// From when it was armed.
    pub(super) waited: Duration,
    /// Where the files are, as the target names it.
    pub(super) folder: PathBuf,
}

/// How it ended.
pub(super) enum End {
    /// The engine did not get as far as to have a script run; its report says why.
    Engine,
    /// The thread has not looked yet; the request stays.
    NotTaken(Option<Activity>),
    /// The script runs, and this is what came of it.
    Answered(Answer),
}

/// The same request, as `attach` would be asked to run the stub.
fn as_attach(args: &Args) -> attach_args::Args {
    attach_args::Args {
        script: None,
        target: args.target,
        whom: args.whom,
        timeout: args.timeout,
        no_wait: false,
        cancel: false,
        manner: args.manner.clone(),
    }
}

fn dock(
    args: &Args,
    config: &Config,
    attach: &mut attach_args::Args,
) -> Result<Docked, Box<Stopped>> {
    let cancellation = cancellation()?;
    let (process, mut watched) = open_twice(args.target.pid)?;
    let session = args.session.clone().map_or_else(random_session, Ok)?;
    let mode = args.mode();
    let mut staging = process.stage().map_err(|error| unstaged(&error))?;
    let folder = staging.path().to_path_buf();
    let tried = put_files(args, &mut staging, &session, &mode).and_then(|stub| {
        attach.script = Some(stub);
        attempt(process, attach, config, cancellation.clone())
    });
    let ended = tried.map(|done| {
        let mut clock = WallClock::start();
        let door = Door { staging: &staging, session: &session, cancellation: &cancellation };
        let end = door.await_end(&done.report, &mut watched, args.timeout, &mut clock);
        let waited = done.waited + clock.now();
        (done, end, waited)
    });
    // What the target may still come to read stays there.
    if !matches!(&ended, Ok((done, ..)) if is_still_wanted(done)) {
        staging.remove(&[record::NAME, record::UNFINISHED]);
    }
    let (done, end, waited) = ended?;
    Ok(Docked { session, mode, done, end, waited, folder })
}

/// Whether a request of ours may still be in the target.
pub(super) fn is_still_wanted(done: &Done) -> bool {
    matches!(done.report.left, Left::Armed | Left::Unknown)
}

/// One for the engine, and one to look at while it has the other. Both hold the very process, and
/// it is the same.
fn open_twice(pid: u32) -> Result<(Process, Process), Box<Stopped>> {
    let (mut one, mut other) = (open(pid)?, open(pid)?);
    match (one.identity(), other.identity()) {
        (Ok(one_is), Ok(other_is)) if one_is == other_is => Ok((one, other)),
        _ => Err(Stopped::at_open("not-found", format!("process {pid} has just ended"))),
    }
}

fn random_session() -> Result<SessionId, Box<Stopped>> {
    let mut bits = [0; 16];
    let read = File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut bits));
    read.map_err(|error| Stopped::at_open("system", format!("/dev/urandom: {error}")))?;
    Ok(SessionId::from_bits(u128::from_ne_bytes(bits)))
}

fn unstaged(error: &StageError) -> Box<Stopped> {
    let hint = match error {
        StageError::NotGiven { uid } => format!("run softdock as user {uid}, or as root"),
        _ => String::from("the target must have /tmp, /var/tmp or /dev/shm, and be able to use it"),
    };
    Stopped::at_preflight("no-folder", error.to_string(), hint)
}

/// Writes the loader, and the stub that names it; returns where the stub is.
fn put_files(
    args: &Args,
    staging: &mut Staging,
    session: &SessionId,
    mode: &Mode,
) -> Result<PathBuf, Box<Stopped>> {
    let bytes = |path: &PathBuf| path.as_os_str().as_bytes().to_vec();
    let answers = bytes(&staging.answers());
    let (bundle, python) = (args.debugpy.as_ref().map(bytes), args.python.as_ref().map(bytes));
    let settings = Settings {
        session,
        mode,
        answers: &answers,
        bundle: bundle.as_deref(),
        python: python.as_deref(),
        subprocesses: args.subprocesses,
        patience: args.timeout,
        watch: Duration::ZERO,
    };
    let put = |staging: &mut Staging, name: &str, text: &str| {
        staging.put(name, text.as_bytes()).map_err(|error| unstaged(&error))
    };
    let loader = put(staging, "loader.py", LOADER)?;
    put(staging, "stub.py", &stub::stub(&bytes(&loader), &settings))
}

/// What the target is looked at through, once the script is its own business.
struct Door<'d> {
    staging: &'d Staging,
    session: &'d SessionId,
    cancellation: &'d Cancellation,
}

impl Door<'_> {
    fn await_end(
        &self,
        report: &Report,
        watched: &mut Process,
        deadline: Duration,
        clock: &mut impl Clock,
    ) -> End {
        match report.outcome {
            Outcome::Consumed => {
                let is_ready = |state: &State| *state != State::Started;
                End::Answered(answer::wait(clock, deadline, is_ready, || self.look(watched)))
            }
            Outcome::Armed | Outcome::ArmedNoBit => End::NotTaken(activity(report, watched)),
            _ => End::Engine,
        }
    }

    /// Life first and the record second: what a target told before it ended counts.
    fn look(&self, watched: &mut Process) -> Look {
        let is_gone = watched.identity() == Err(ErrorKind::Gone);
        match self.sidecar() {
            Sidecar::Told(record) if record.state != State::Started => {
                Look::Record(Sidecar::Told(record))
            }
            _ if is_gone => Look::Ended,
            _ if self.cancellation.is_cancelled() => Look::Cancelled,
            seen => Look::Record(seen),
        }
    }

    fn sidecar(&self) -> Sidecar {
        match self.staging.answer(record::NAME) {
            Ok(FileAnswer::Bytes(bytes)) => record::read(&bytes, self.session),
            Ok(FileAnswer::Owner { uid }) => Sidecar::Foreign(Foreign::Owner(uid)),
            Ok(FileAnswer::Kind) => Sidecar::Foreign(Foreign::Kind),
            Ok(FileAnswer::None) | Err(_) => Sidecar::Late,
        }
    }
}

/// What the thread that was asked is doing.
fn activity(report: &Report, watched: &mut Process) -> Option<Activity> {
    let thread = u64::try_from(report.thread?.id).ok()?;
    watched.activity(thread).ok()
}

/// A path of the target, for a person.
pub(super) fn named(path: &Path) -> String {
    super::clean(path.as_os_str().as_bytes())
}

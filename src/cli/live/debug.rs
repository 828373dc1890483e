//! `softdock debug` on a real process: files for the target, an attach that runs them, and what the
//! target told. What is printed of it is in `session`.
//!
//! Invariant: nobody here connects to the port. debugpy takes the first connection for its client,
//! and is deaf once that one has gone without a word.

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use softdock::answer::{Clock, WallClock};
use softdock::live::{Cancellation, Phase};
use softdock::report::Stopped;
use softdock::report::words::clean;
use softdock::session::{self, Asked, Docked, Doing, Found, STOPPED, Step, Wanted};
use softdock_attach::{Config, Report};
use softdock_debugpy::{BREAKPOINT, LOADER, SessionId, Settings, record, stub};
use softdock_live::{Answer, Process, StageError, Staging};
use softdock_process::{ErrorKind, Threads};

use super::super::attach as attach_args;
use super::super::debug::Args;
use super::super::settings;
use super::super::{Exit, usage};
use super::attach::{attempt, cancellation, give_up};
use super::open;
use super::session::tell;

pub(crate) fn debug(args: &Args) -> Exit {
    let asked_for = match settings::for_session(args) {
        Ok(asked_for) => asked_for,
        Err(mistake) => return usage(&format!("softdock: {mistake}")),
    };
    let config = settings::for_debug(args);
    let came = wanted(args, asked_for).and_then(|wanted| {
        let mut dock = Live::open(args, &wanted, &config)?;
        session::run(&mut dock, &wanted)
    });
    match came {
        Ok(true) => Exit::AsAsked,
        Ok(false) => Exit::Finding,
        Err(stopped) => give_up(&as_attach(args, None), "debug", &stopped),
    }
}

/// The session that is asked for, with a name.
fn wanted(args: &Args, asked_for: settings::Wanted) -> Result<Wanted, Box<Stopped>> {
    let settings::Wanted { session, mode, watch, stop } = asked_for;
    let session = session.map_or_else(random_session, Ok)?;
    Ok(Wanted { session, mode, timeout: args.timeout, watch, stop })
}

/// The same request, as `attach` would be asked to run a script.
fn as_attach(args: &Args, script: Option<PathBuf>) -> attach_args::Args {
    attach_args::Args {
        script,
        target: args.target,
        whom: args.whom,
        timeout: args.timeout,
        no_wait: false,
        cancel: false,
        manner: args.manner.clone(),
    }
}

/// A live target, and what is held as long as the command goes on.
pub(super) struct Live<'d> {
    pub(super) args: &'d Args,
    pub(super) config: &'d Config,
    pub(super) wanted: &'d Wanted,
    cancellation: Cancellation,
    /// The target, to look at while the engine has its own hold of it.
    watched: Process,
    staging: Staging,
    clock: WallClock,
    /// What each step of the last attempt cost.
    pub(super) phases: Vec<Phase>,
}

impl<'d> Live<'d> {
    fn open(
        args: &'d Args,
        wanted: &'d Wanted,
        config: &'d Config,
    ) -> Result<Live<'d>, Box<Stopped>> {
        let cancellation = cancellation()?;
        let watched = open(args.target.pid)?;
        let staging = watched.stage().map_err(|error| unstaged(&error))?;
        let (clock, phases) = (WallClock::start(), Vec::new());
        Ok(Live { args, config, wanted, cancellation, watched, staging, clock, phases })
    }

    /// Where the files are, as the target names it.
    pub(super) fn folder(&self) -> &Path {
        self.staging.path()
    }

    /// Whether the target's network is another one than ours.
    pub(super) fn is_elsewhere(&self) -> bool {
        self.watched.shares_network() == Some(false)
    }
}

impl Clock for Live<'_> {
    fn now(&mut self) -> Duration {
        self.clock.now()
    }

    fn sleep(&mut self, duration: Duration) {
        self.clock.sleep(duration);
    }
}

impl session::Dock for Live<'_> {
    type Stopped = Box<Stopped>;

    fn attempt(&mut self, step: Step) -> Result<Asked, Box<Stopped>> {
        let stub = match step {
            Step::Session | Step::Client => put_files(self.args, self.wanted, &mut self.staging)?,
            Step::Stop => put_breakpoint(&mut self.staging)?,
        };
        let process = the_same(&mut self.watched)?;
        let attach = as_attach(self.args, Some(stub));
        let done = attempt(process, &attach, self.config, self.cancellation.clone())?;
        self.phases = done.phases;
        Ok(Asked { report: done.report, waited: done.waited, main_thread: done.main_thread })
    }

    fn is_gone(&mut self) -> bool {
        self.watched.identity() == Err(ErrorKind::Gone)
    }

    fn answer(&mut self, name: &str) -> Found {
        match self.staging.answer(name) {
            Ok(Answer::Bytes(bytes)) => Found::Bytes(bytes),
            Ok(Answer::Owner { uid }) => Found::OtherOwner(uid),
            Ok(Answer::Kind) => Found::NoFile,
            Ok(Answer::None) | Err(_) => Found::Nothing,
        }
    }

    fn is_cancelled(&mut self) -> bool {
        self.cancellation.is_cancelled()
    }

    fn doing(&mut self, report: &Report) -> Option<Doing> {
        let thread = u64::try_from(report.thread?.id).ok()?;
        let activity = self.watched.activity(thread).ok()?;
        let what = clean(activity.to_string().as_bytes());
        Some(Doing { what, remedy: activity.remedy() })
    }

    fn tell(&mut self, docked: &Docked) {
        tell(self, docked);
    }

    fn remove_files(&mut self) {
        self.staging.remove(&[record::NAME, record::UNFINISHED, STOPPED]);
    }
}

/// Opens the process once more, for the engine. Both hold the very process, and it is the same.
fn the_same(watched: &mut Process) -> Result<Process, Box<Stopped>> {
    let pid = watched.pid();
    let mut process = open(pid)?;
    match (watched.identity(), process.identity()) {
        (Ok(before), Ok(now)) if before == now => Ok(process),
        _ => Err(Stopped::at_open("not-found", format!("process {pid} has just ended"))),
    }
}

fn random_session() -> Result<SessionId, Box<Stopped>> {
    let bits = softdock_live::random_bits();
    bits.map(SessionId::from_bits).map_err(|kind| {
        Stopped::at_open("system", format!("no random bits for the name of the session: {kind}"))
    })
}

fn unstaged(error: &StageError) -> Box<Stopped> {
    let hint = match error {
        StageError::NotGiven { uid } => format!("run softdock as user {uid}, or as root"),
        _ => String::from("the target must have /tmp, /var/tmp or /dev/shm, and be able to use it"),
    };
    Stopped::at_preflight("no-folder", error.to_string(), hint)
}

/// Writes the loader, and the stub that names it; returns where the stub is.
fn put_files(args: &Args, wanted: &Wanted, staging: &mut Staging) -> Result<PathBuf, Box<Stopped>> {
    let answers = bytes(&staging.answers());
    let (bundle, python) = (args.debugpy.as_deref(), args.python.as_deref());
    let (bundle, python) = (bundle.map(bytes), python.map(bytes));
    let settings = Settings {
        session: &wanted.session,
        mode: &wanted.mode,
        answers: &answers,
        bundle: bundle.as_deref(),
        python: python.as_deref(),
        subprocesses: args.subprocesses,
        patience: args.timeout,
        watch: wanted.watch.unwrap_or_default(),
    };
    let loader = put(staging, "loader.py", LOADER)?;
    put(staging, Step::Session.script(), &stub::stub(&bytes(&loader), &settings))
}

/// The same for the breakpoint.
fn put_breakpoint(staging: &mut Staging) -> Result<PathBuf, Box<Stopped>> {
    let answer = bytes(&staging.answers().join(STOPPED));
    let breakpoint = put(staging, "breakpoint.py", BREAKPOINT)?;
    put(staging, Step::Stop.script(), &stub::break_stub(&bytes(&breakpoint), &answer))
}

fn put(staging: &mut Staging, name: &str, text: &str) -> Result<PathBuf, Box<Stopped>> {
    staging.put(name, text.as_bytes()).map_err(|error| unstaged(&error))
}

fn bytes(path: &Path) -> Vec<u8> {
    path.as_os_str().as_bytes().to_vec()
}

/// A path of the target, for a person.
pub(super) fn named(path: &Path) -> String {
    clean(path.as_os_str().as_bytes())
}

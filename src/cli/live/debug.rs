//! `softdock debug` on a real process: files for the target, an attach that runs them, and what the
//! target told. What is printed of it is in `session`.
//!
//! Invariant: nobody here connects to the port. debugpy takes the first connection for its client,
//! and is deaf once that one has gone without a word.

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use softdock::answer::{self, Answer, Clock, Look, WallClock};
use softdock::live::Cancellation;
use softdock::report::Stopped;
use softdock_attach::{Config, Left, Outcome, Report};
use softdock_debugpy::record::{self, Foreign};
use softdock_debugpy::{BREAKPOINT, LOADER, SessionId, Settings, Sidecar, State, stub};
use softdock_live::{Activity, Answer as FileAnswer, Process, StageError, Staging};
use softdock_process::{ErrorKind, Threads};

use super::super::attach as attach_args;
use super::super::debug::Args;
use super::super::settings::{self, Wanted};
use super::super::{Exit, usage};
use super::attach::{Done, attempt, cancellation, give_up};
use super::{cancel, open, session};

pub(crate) fn debug(args: &Args) -> Exit {
    if args.cancel {
        return cancel::cancel(args);
    }
    let wanted = match settings::for_session(args) {
        Ok(wanted) => wanted,
        Err(mistake) => return usage(&format!("softdock: {mistake}")),
    };
    let config = settings::for_debug(args);
    let told = Dock::open(args, wanted, &config).and_then(|(mut dock, process)| {
        let exit = dock.run(process);
        dock.leave();
        exit
    });
    told.unwrap_or_else(|stopped| give_up(&as_attach(args, None), "debug", &stopped))
}

/// A request for a debugger that the engine was asked for.
pub(super) struct Docked {
    pub(super) step: Step,
    pub(super) session: SessionId,
    pub(super) wanted: Wanted,
    /// Whether the target's network is another one than ours.
    pub(super) is_elsewhere: bool,
    pub(super) done: Done,
    pub(super) end: End,
    /// From when it was armed; for a client, from when it could have come.
    pub(super) waited: Duration,
    /// Where the files are, as the target names it.
    pub(super) folder: PathBuf,
}

/// What is brought about, one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// debugpy in the target.
    Session,
    /// A client.
    Client,
    /// A thread that stands still.
    Stop,
}

impl Step {
    /// The script that the target is asked to run for it, and the one that does the work.
    pub(super) const fn scripts(self) -> [&'static str; 2] {
        match self {
            Step::Session | Step::Client => ["stub.py", "loader.py"],
            Step::Stop => ["break.py", "breakpoint.py"],
        }
    }
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

/// The same request, as `attach` would be asked to run a script.
pub(super) fn as_attach(args: &Args, script: Option<PathBuf>) -> attach_args::Args {
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

/// What is held as long as the command goes on.
struct Dock<'d> {
    args: &'d Args,
    config: &'d Config,
    cancellation: Cancellation,
    session: SessionId,
    wanted: Wanted,
    /// The target, to look at while the engine has its own hold of it.
    watched: Process,
    staging: Staging,
    /// Whether the target may still come to read what was put there.
    is_wanted: bool,
}

impl<'d> Dock<'d> {
    fn open(
        args: &'d Args,
        wanted: Wanted,
        config: &'d Config,
    ) -> Result<(Dock<'d>, Process), Box<Stopped>> {
        let cancellation = cancellation()?;
        let mut watched = open(args.target.pid)?;
        let process = the_same(&mut watched)?;
        let session = wanted.session.clone().map_or_else(random_session, Ok)?;
        let staging = process.stage().map_err(|error| unstaged(&error))?;
        let is_wanted = false;
        let dock =
            Dock { args, config, cancellation, session, wanted, watched, staging, is_wanted };
        Ok((dock, process))
    }

    /// One step after the other, each told when it is done, until one comes to nothing.
    fn run(&mut self, process: Process) -> Result<Exit, Box<Stopped>> {
        let mut docked = self.begin(process)?;
        let mut exit = self.tell(&docked);
        let has_session = matches!(docked.end, End::Answered(_));
        if let Some(patience) = self.wanted.watch
            && has_session
            && exit == Exit::AsAsked
        {
            docked = self.await_client(docked, patience);
            exit = self.tell(&docked);
            if self.wanted.stop && exit == Exit::AsAsked {
                docked = self.stop(docked)?;
                exit = self.tell(&docked);
            }
        }
        Ok(exit)
    }

    fn tell(&self, docked: &Docked) -> Exit {
        session::tell(self.args, self.config, docked)
    }

    /// Has the loader run, and waits until it is ready.
    fn begin(&mut self, process: Process) -> Result<Docked, Box<Stopped>> {
        let stub = put_files(self.args, &self.wanted, &mut self.staging, &self.session)?;
        let done = self.attempt(process, stub)?;
        let mut clock = WallClock::start();
        let is_ready = |state: &State| *state != State::Started;
        let end = self.end(&done.report, &mut clock, is_ready, Dock::sidecar);
        let waited = done.waited + clock.now();
        Ok(self.docked(Step::Session, done, end, waited))
    }

    /// Waits for a client, which the target tells of as well.
    fn await_client(&mut self, docked: Docked, patience: Duration) -> Docked {
        let mut clock = WallClock::start();
        let is_there = |state: &State| *state == State::Attached;
        let answer = self.wait(&mut clock, patience, is_there, Dock::sidecar);
        self.docked(Step::Client, docked.done, End::Answered(answer), clock.now())
    }

    /// Has the breakpoint run, once more by the engine. It cannot be run with the loader: without a
    /// client it would be ignored, and there the loader's thread would not wait for one.
    fn stop(&mut self, docked: Docked) -> Result<Docked, Box<Stopped>> {
        let End::Answered(Answer::Told(record)) = docked.end else { return Ok(docked) };
        let stub = put_breakpoint(&mut self.staging)?;
        let process = the_same(&mut self.watched)?;
        let done = self.attempt(process, stub)?;
        let mut clock = WallClock::start();
        let ran = |dock: &Dock<'_>| match dock.staging.answer(STOPPED) {
            Ok(FileAnswer::None) | Err(_) => Sidecar::Late,
            Ok(_) => Sidecar::Told(record.clone()),
        };
        let end = self.end(&done.report, &mut clock, |_| true, ran);
        let waited = done.waited + clock.now();
        Ok(self.docked(Step::Stop, done, end, waited))
    }

    fn attempt(&mut self, process: Process, stub: PathBuf) -> Result<Done, Box<Stopped>> {
        let attach = as_attach(self.args, Some(stub));
        let done = attempt(process, &attach, self.config, self.cancellation.clone())?;
        self.is_wanted |= is_still_wanted(&done);
        Ok(done)
    }

    fn docked(&self, step: Step, done: Done, end: End, waited: Duration) -> Docked {
        Docked {
            step,
            session: self.session.clone(),
            wanted: self.wanted.clone(),
            is_elsewhere: self.watched.shares_network() == Some(false),
            done,
            end,
            waited,
            folder: self.staging.path().to_path_buf(),
        }
    }

    /// What became of a script, after the engine has done its part.
    fn end(
        &mut self,
        report: &Report,
        clock: &mut impl Clock,
        enough: impl Fn(&State) -> bool,
        sidecar: impl Fn(&Dock<'d>) -> Sidecar,
    ) -> End {
        match report.outcome {
            Outcome::Consumed => {
                End::Answered(self.wait(clock, self.args.timeout, enough, sidecar))
            }
            Outcome::Armed | Outcome::ArmedNoBit => {
                End::NotTaken(activity(report, &mut self.watched))
            }
            _ => End::Engine,
        }
    }

    /// In each look life comes first and the record second: what a target told before it ended
    /// counts.
    fn wait(
        &mut self,
        clock: &mut impl Clock,
        deadline: Duration,
        enough: impl Fn(&State) -> bool,
        sidecar: impl Fn(&Dock<'d>) -> Sidecar,
    ) -> Answer {
        answer::wait(clock, deadline, &enough, || {
            let is_gone = self.watched.identity() == Err(ErrorKind::Gone);
            match sidecar(self) {
                Sidecar::Told(record) if enough(&record.state) || record.is_error() => {
                    Look::Record(Sidecar::Told(record))
                }
                _ if is_gone => Look::Ended,
                _ if self.cancellation.is_cancelled() => Look::Cancelled,
                seen => Look::Record(seen),
            }
        })
    }

    fn sidecar(&self) -> Sidecar {
        match self.staging.answer(record::NAME) {
            Ok(FileAnswer::Bytes(bytes)) => record::read(&bytes, &self.session),
            Ok(FileAnswer::Owner { uid }) => Sidecar::Foreign(Foreign::Owner(uid)),
            Ok(FileAnswer::Kind) => Sidecar::Foreign(Foreign::Kind),
            Ok(FileAnswer::None) | Err(_) => Sidecar::Late,
        }
    }

    /// Takes the files away, but for those that the target may still come to read.
    fn leave(self) {
        if !self.is_wanted {
            self.staging.remove(&ANSWERS);
        }
    }
}

/// By this file the target tells that it has run the breakpoint.
const STOPPED: &str = "stopped";

/// All that the target may write.
pub(super) const ANSWERS: [&str; 3] = [record::NAME, record::UNFINISHED, STOPPED];

/// Whether a request of ours may still be in the target.
pub(super) fn is_still_wanted(done: &Done) -> bool {
    matches!(done.report.left, Left::Armed | Left::Unknown)
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
fn put_files(
    args: &Args,
    wanted: &Wanted,
    staging: &mut Staging,
    session: &SessionId,
) -> Result<PathBuf, Box<Stopped>> {
    let answers = bytes(&staging.answers());
    let (bundle, python) = (args.debugpy.as_deref(), args.python.as_deref());
    let (bundle, python) = (bundle.map(bytes), python.map(bytes));
    let settings = Settings {
        session,
        mode: &wanted.mode,
        answers: &answers,
        bundle: bundle.as_deref(),
        python: python.as_deref(),
        in_process: args.in_process,
        subprocesses: args.subprocesses,
        patience: args.timeout,
        watch: wanted.watch.unwrap_or_default(),
    };
    let [stub, loader] = Step::Session.scripts();
    let loader = put(staging, loader, LOADER)?;
    put(staging, stub, &stub::stub(&bytes(&loader), &settings))
}

/// The same for the breakpoint.
fn put_breakpoint(staging: &mut Staging) -> Result<PathBuf, Box<Stopped>> {
    let answer = bytes(&staging.answers().join(STOPPED));
    let [stub, breakpoint] = Step::Stop.scripts();
    let breakpoint = put(staging, breakpoint, BREAKPOINT)?;
    put(staging, stub, &stub::break_stub(&bytes(&breakpoint), &answer))
}

fn put(staging: &mut Staging, name: &str, text: &str) -> Result<PathBuf, Box<Stopped>> {
    staging.put(name, text.as_bytes()).map_err(|error| unstaged(&error))
}

fn bytes(path: &Path) -> Vec<u8> {
    path.as_os_str().as_bytes().to_vec()
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

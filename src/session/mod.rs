//! A debugger in a target: which step follows which, what each answer means, and whether the files
//! for the target may go. The command and the simulator run this very code; the clock, the target
//! and whoever waits for it come in by one door, [`Dock`].
//!
//! It opens no process, reads no file and prints nothing.
//!
//! | module | what it knows |
//! |---|---|
//! | `told` | what is reported of it |
//! | [`stage`] | a scenario made ready, and one play of it |
//! | [`world`] | the virtual world of a session, as the steps see it |
//! | `scene` | what may happen in it, and when |
//! | `acts` | what happens then |
//! | `asking` | the engine's part in it |
//! | [`judge`] | what is true, and what must hold |
//! | [`story`] | what happened, for a person |
//! | [`explore`] | every way in which it can go |

mod acts;
mod asking;
pub mod explore;
pub mod judge;
mod scene;
pub mod stage;
pub mod story;
mod told;
pub mod world;
#[cfg(test)]
mod wrong;

use std::time::Duration;

use softdock_attach::{Left, Outcome, Report};
use softdock_debugpy::record::{self, Foreign};
use softdock_debugpy::{Mode, Record, SessionId, Sidecar, State};

use crate::answer::{self, Answer, Clock, Look};

pub use told::{REASONS, Surroundings, report};

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The name of the session.
    pub session: SessionId,
    /// Who listens, and where.
    pub mode: Mode,
    /// How long the thread is waited for, and then the debugger.
    pub timeout: Duration,
    /// How long a client is waited for, if at all.
    pub watch: Option<Duration>,
    /// Whether a thread shall stop for it.
    pub stop: bool,
}

/// What is brought about, one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// debugpy in the target.
    Session,
    /// A client.
    Client,
    /// A thread that stands still.
    Stop,
}

impl Step {
    /// The script that the target is asked to run for it.
    #[must_use]
    pub const fn stub(self) -> &'static str {
        match self {
            Step::Session | Step::Client => SESSION_SCRIPTS[0],
            Step::Stop => STOP_SCRIPTS[0],
        }
    }
}

/// What is run for a debugger: the stub, what it runs, and what that loads.
pub const SESSION_SCRIPTS: [&str; 3] = ["stub.py", "loader.py", "session.py"];

/// What is run for a stop: the stub, and what it runs.
pub const STOP_SCRIPTS: [&str; 2] = ["break.py", "breakpoint.py"];

/// What the engine came to, when it was asked to have a script run.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Its report.
    pub report: Report,
    /// How long the thread was given to take the script.
    pub waited: Duration,
    /// The system's number of the target's main thread.
    pub main_thread: Option<u64>,
}

/// What a thread that has not looked is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Doing {
    /// In words, fit for a terminal: `is in read of file 0`.
    pub what: String,
    /// What would let it look.
    pub remedy: &'static str,
}

/// A step, and what came of it.
#[derive(Clone, Debug)]
pub struct Docked {
    /// The step.
    pub step: Step,
    /// The engine's part, of this step or of the last one that had any.
    pub asked: Asked,
    /// Whether the target may still come to take that request: then its files stay.
    pub is_wanted: bool,
    /// How it ended.
    pub end: End,
    /// From when it was armed; for a client, from when it could have come.
    pub waited: Duration,
}

/// How a step ended.
#[derive(Clone, Debug)]
pub enum End {
    /// The engine did not get as far as to have a script run; its report says why.
    Engine,
    /// The thread has not looked yet; the request stays.
    NotTaken(Option<Doing>),
    /// The script runs, and this is what came of it.
    Answered(Answer),
}

impl Docked {
    /// Whether it came to what was asked for.
    #[must_use]
    pub fn is_success(&self) -> bool {
        let is_planned = self.asked.report.outcome == Outcome::Planned;
        is_planned || self.record().is_some_and(|record| !record.is_error())
    }

    /// What the target told.
    #[must_use]
    pub const fn record(&self) -> Option<&Record> {
        match &self.end {
            End::Answered(Answer::Told(record)) => Some(record),
            _ => None,
        }
    }
}

/// What there is of a file that the target was to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// Nothing yet.
    Nothing,
    /// It is another user's.
    OtherOwner(u32),
    /// It is no regular file, or a huge one.
    NoFile,
    /// What is in it.
    Bytes(Vec<u8>),
}

/// By this file the target tells that it has run the breakpoint.
pub const STOPPED: &str = "stopped";

/// The target, the files between us, and whoever waits.
pub trait Dock: Clock {
    /// Why the engine was not asked at all.
    type Stopped;

    /// Puts the script of this step where the target finds it, and has the engine ask for it.
    ///
    /// # Errors
    /// When it does not come to that.
    fn attempt(&mut self, step: Step) -> Result<Asked, Self::Stopped>;

    /// Whether the target has ended.
    fn is_gone(&mut self) -> bool;

    /// What the target has put in its folder of answers by this name.
    fn answer(&mut self, name: &str) -> Found;

    /// Whether the user gave up.
    fn is_cancelled(&mut self) -> bool;

    /// What the thread is doing that was asked.
    fn doing(&mut self, report: &Report) -> Option<Doing>;

    /// Hears what came of a step, as soon as that is known.
    fn tell(&mut self, docked: &Docked);

    /// Takes the files away: nobody will come to read them any more.
    fn remove_files(&mut self);
}

/// One step after the other, each told when it is done, until one comes to nothing. Returns whether
/// all of them came to what was asked for.
///
/// The files stay for as long as a request of ours may be in the target.
///
/// # Errors
/// When the engine could not be asked.
pub fn run<D: Dock>(dock: &mut D, wanted: &Wanted) -> Result<bool, D::Stopped> {
    let mut course = Course { dock, wanted, is_wanted: false };
    let came = course.run();
    if !course.is_wanted {
        dock.remove_files();
    }
    came
}

/// A session on its way.
struct Course<'c, D> {
    dock: &'c mut D,
    wanted: &'c Wanted,
    /// Whether the target may still come to read what was put there.
    is_wanted: bool,
}

impl<D: Dock> Course<'_, D> {
    fn run(&mut self) -> Result<bool, D::Stopped> {
        let session = self.begin()?;
        self.dock.tell(&session);
        let (Some(patience), Some(_), true) =
            (self.wanted.watch, session.record(), session.is_success())
        else {
            return Ok(session.is_success());
        };
        let client = self.await_client(session, patience);
        self.dock.tell(&client);
        let (true, Some(record)) = (self.wanted.stop && client.is_success(), client.record())
        else {
            return Ok(client.is_success());
        };
        let stop = self.stop(record)?;
        self.dock.tell(&stop);
        Ok(stop.is_success())
    }

    /// Has the loader run, and waits until it is ready.
    fn begin(&mut self) -> Result<Docked, D::Stopped> {
        let (asked, is_wanted) = self.attempt(Step::Session)?;
        let is_ready = |state: &State| *state != State::Started;
        let name = &self.wanted.session;
        let sidecar = |dock: &mut D| sidecar(dock, name);
        let (end, waited) = self.follow(&asked, is_wanted, is_ready, sidecar);
        Ok(Docked { step: Step::Session, asked, is_wanted, end, waited })
    }

    /// Waits for a client, which the target tells of as well.
    fn await_client(&mut self, session: Docked, patience: Duration) -> Docked {
        let began = self.dock.now();
        let is_there = |state: &State| *state == State::Attached;
        let name = &self.wanted.session;
        let answer = self.wait(patience, is_there, |dock| sidecar(dock, name));
        let waited = self.dock.now().saturating_sub(began);
        Docked { step: Step::Client, end: End::Answered(answer), waited, ..session }
    }

    /// Has the breakpoint run, once more by the engine. It cannot be run with the loader: without a
    /// client it would be ignored, and there the loader's thread would not wait for one.
    fn stop(&mut self, record: &Record) -> Result<Docked, D::Stopped> {
        let (asked, is_wanted) = self.attempt(Step::Stop)?;
        let ran = |dock: &mut D| match dock.answer(STOPPED) {
            Found::Nothing => Sidecar::Late,
            _ => Sidecar::Told(record.clone()),
        };
        let (end, waited) = self.follow(&asked, is_wanted, |_| true, ran);
        Ok(Docked { step: Step::Stop, asked, is_wanted, end, waited })
    }

    /// Asks for a script; says besides whether the target may still come to take it. What was left
    /// in one that has ended is nowhere any more.
    fn attempt(&mut self, step: Step) -> Result<(Asked, bool), D::Stopped> {
        let asked = self.dock.attempt(step)?;
        let is_wanted = is_left(&asked.report) && !self.dock.is_gone();
        self.is_wanted |= is_wanted;
        Ok((asked, is_wanted))
    }

    /// What becomes of a script, after the engine has done its part, and after how long.
    fn follow(
        &mut self,
        asked: &Asked,
        is_wanted: bool,
        enough: impl Fn(&State) -> bool,
        sidecar: impl Fn(&mut D) -> Sidecar,
    ) -> (End, Duration) {
        let began = self.dock.now();
        let end = match asked.report.outcome {
            Outcome::Consumed => End::Answered(self.wait(self.wanted.timeout, enough, sidecar)),
            // It has ended; it may have taken the script before, and told.
            _ if is_left(&asked.report) && !is_wanted => {
                End::Answered(self.wait(Duration::ZERO, enough, sidecar))
            }
            Outcome::Armed | Outcome::ArmedNoBit => End::NotTaken(self.dock.doing(&asked.report)),
            _ => End::Engine,
        };
        (end, asked.waited + self.dock.now().saturating_sub(began))
    }

    /// In each look life comes first and the record second: an error that a target told before it
    /// ended counts. A session that it told of counts only while it lives: nobody listens there any
    /// more, or somebody else.
    fn wait(
        &mut self,
        patience: Duration,
        enough: impl Fn(&State) -> bool,
        sidecar: impl Fn(&mut D) -> Sidecar,
    ) -> Answer {
        let deadline = self.dock.now().saturating_add(patience);
        answer::wait(self.dock, deadline, &enough, |dock| {
            let is_gone = dock.is_gone();
            match sidecar(dock) {
                Sidecar::Told(record) if record.is_error() || !is_gone && enough(&record.state) => {
                    Look::Record(Sidecar::Told(record))
                }
                _ if is_gone => Look::Ended,
                _ if dock.is_cancelled() => Look::Cancelled,
                seen => Look::Record(seen),
            }
        })
    }
}

/// Whether a request was left in the target, for all that the engine knows.
const fn is_left(report: &Report) -> bool {
    matches!(report.left, Left::Armed | Left::Unknown)
}

/// What the target's record says.
fn sidecar<D: Dock>(dock: &mut D, session: &SessionId) -> Sidecar {
    match dock.answer(record::NAME) {
        Found::Nothing => Sidecar::Late,
        Found::OtherOwner(uid) => Sidecar::Foreign(Foreign::Owner(uid)),
        Found::NoFile => Sidecar::Foreign(Foreign::Kind),
        Found::Bytes(bytes) => record::read(&bytes, session),
    }
}

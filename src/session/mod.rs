//! A debugger in a target: which step follows which, what each answer means, and whether the files
//! for the target may go. The command and the simulator run this very code; the clock, the target
//! and whoever waits for it come in by one door, [`Dock`].
//!
//! It opens no process, reads no file and prints nothing.
//!
//! | module | what it knows |
//! |---|---|
//! | `told` | what is reported of it |

mod told;

use std::time::Duration;

use softdock_attach::{Left, Outcome, Report};
use softdock_debugpy::{Mode, Record, SessionId, Sidecar, State};

use crate::answer::{self, Answer, Clock, Look};

pub use told::{Surroundings, report};

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
    /// The script that the target is asked to run for it, and the one that does the work.
    #[must_use]
    pub const fn scripts(self) -> [&'static str; 2] {
        match self {
            Step::Session | Step::Client => ["stub.py", "loader.py"],
            Step::Stop => ["break.py", "breakpoint.py"],
        }
    }
}

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

impl Asked {
    /// Whether the request may still be in the target.
    #[must_use]
    pub const fn is_still_wanted(&self) -> bool {
        matches!(self.report.left, Left::Armed | Left::Unknown)
    }
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

    /// What its record says.
    fn sidecar(&mut self) -> Sidecar;

    /// Whether it has told that the breakpoint ran.
    fn has_stopped(&mut self) -> bool;

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
        let asked = self.attempt(Step::Session)?;
        let is_ready = |state: &State| *state != State::Started;
        Ok(self.follow(Step::Session, asked, is_ready, D::sidecar))
    }

    /// Waits for a client, which the target tells of as well.
    fn await_client(&mut self, session: Docked, patience: Duration) -> Docked {
        let began = self.dock.now();
        let is_there = |state: &State| *state == State::Attached;
        let answer = self.wait(patience, is_there, D::sidecar);
        let waited = self.dock.now().saturating_sub(began);
        Docked { step: Step::Client, end: End::Answered(answer), waited, ..session }
    }

    /// Has the breakpoint run, once more by the engine. It cannot be run with the loader: without a
    /// client it would be ignored, and there the loader's thread would not wait for one.
    fn stop(&mut self, record: &Record) -> Result<Docked, D::Stopped> {
        let asked = self.attempt(Step::Stop)?;
        let ran = |dock: &mut D| match dock.has_stopped() {
            true => Sidecar::Told(record.clone()),
            false => Sidecar::Late,
        };
        Ok(self.follow(Step::Stop, asked, |_| true, ran))
    }

    fn attempt(&mut self, step: Step) -> Result<Asked, D::Stopped> {
        let asked = self.dock.attempt(step)?;
        self.is_wanted |= asked.is_still_wanted();
        Ok(asked)
    }

    /// What becomes of a script, after the engine has done its part.
    fn follow(
        &mut self,
        step: Step,
        asked: Asked,
        enough: impl Fn(&State) -> bool,
        sidecar: impl Fn(&mut D) -> Sidecar,
    ) -> Docked {
        let began = self.dock.now();
        let end = match asked.report.outcome {
            Outcome::Consumed => End::Answered(self.wait(self.wanted.timeout, enough, sidecar)),
            Outcome::Armed | Outcome::ArmedNoBit => End::NotTaken(self.dock.doing(&asked.report)),
            _ => End::Engine,
        };
        let waited = asked.waited + self.dock.now().saturating_sub(began);
        Docked { step, asked, end, waited }
    }

    /// In each look life comes first and the record second: what a target told before it ended
    /// counts.
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
                Sidecar::Told(record) if enough(&record.state) || record.is_error() => {
                    Look::Record(Sidecar::Told(record))
                }
                _ if is_gone => Look::Ended,
                _ if dock.is_cancelled() => Look::Cancelled,
                seen => Look::Record(seen),
            }
        })
    }
}

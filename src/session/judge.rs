//! The judge of sessions: keeps its own books of what is true in the virtual world, and holds them
//! against what is told, waited for and removed. It shares no code with the steps, and knows
//! nothing of them but what anybody sees from outside.
//!
//! A run is a **false success** if a session, a client or a thread that stops is told that is not
//! there ([`Violation::FalseSession`], [`Violation::FalseClient`], [`Violation::FalseStop`]), or if
//! the target had ended when it was looked at ([`Violation::AfterItsEnd`]). A target that ends
//! between that look and the answer is nobody's fault.
//!
//! The other violations are promises about who is waited for, what is told, and what stays.

use std::fmt;
use std::time::Duration;

use softdock_debugpy::Endpoint;

use super::Step;
use crate::answer::PAUSE;
use crate::patience::PAUSE_MAX;
use crate::report;
use crate::scenario::session::Told;

/// A promise that is broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Violation {
    /// A session is told where the target has none.
    FalseSession {
        /// What is told.
        told: String,
        /// What the target has.
        truth: String,
    },
    /// A client is told that is not there.
    FalseClient,
    /// A thread is said to stop that has not run the breakpoint.
    FalseStop,
    /// A success, although the target had ended when it was looked at.
    AfterItsEnd,
    /// The target had told this, and something else is told on.
    Untold(String),
    /// This is told, and it is not so.
    Untrue(&'static str),
    /// It gives up this long before the time is up.
    TooEarly(Duration),
    /// It waits on, although this was there to be seen.
    WaitsOn(&'static str),
    /// It sleeps this much longer than it may.
    Oversleeps(Duration),
    /// The files are removed, and a request of ours may still be taken.
    FilesGone,
    /// The files stay, and nobody can come to read them.
    FilesStay,
    /// The files stay, and nobody is told.
    FilesUntold,
    /// What is left in the target is told otherwise than it is.
    LeftOtherwise(&'static str),
    /// Nothing is told of a step that was begun.
    Silence,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Violation::FalseSession { told, truth } => {
                write!(f, "false success: {told} is told, and the target has {truth}")
            }
            Violation::FalseClient => f.write_str("false success: no client is there"),
            Violation::FalseStop => f.write_str("false success: the breakpoint has not run"),
            Violation::AfterItsEnd => {
                f.write_str("false success: the target had ended when it was looked at")
            }
            Violation::Untold(what) => {
                write!(f, "the target had told {what}, which is told to nobody")
            }
            Violation::Untrue(what) => write!(f, "{what} is told, and it is not so"),
            Violation::TooEarly(left) => write!(f, "it gives up {left:?} before the time is up"),
            Violation::WaitsOn(what) => write!(f, "it waits on, although {what}"),
            Violation::Oversleeps(by) => write!(f, "it sleeps {by:?} longer than it may"),
            Violation::FilesGone => {
                f.write_str("the files are removed, and a request may still be taken")
            }
            Violation::FilesStay => f.write_str("the files stay, and nobody can come to read them"),
            Violation::FilesUntold => f.write_str("the files stay, and nobody is told"),
            Violation::LeftOtherwise(left) => {
                write!(f, "{left} is told to be left in the target, and it is not so")
            }
            Violation::Silence => f.write_str("nothing is told of a step that was begun"),
        }
    }
}

/// What is true, and since when it could be seen.
#[derive(Clone, Debug, Default)]
pub(super) struct Ledger {
    /// Where the target's session is.
    pub(super) at: Option<Endpoint>,
    pub(super) is_reused: bool,
    pub(super) is_attached: bool,
    pub(super) has_stopped: bool,
    pub(super) has_ended: bool,
    pub(super) is_cancelled: bool,
    /// The record that stands there, whole and the target's own.
    pub(super) record: Option<Told>,
    /// What was so when the look began.
    seen: Seen,
    /// Whether the target lived when this look asked.
    lived: Option<bool>,
    wait: Option<Wait>,
    /// The step that was begun, until something is told of it.
    open: Option<Step>,
    /// Whether the request of the last attempt was there when that had ended.
    was_pending: bool,
    /// Whether any request may be there for all that anybody knows.
    may_be_taken: bool,
    is_told_to_stay: bool,
    pub(super) is_removed: bool,
    broken: Vec<Violation>,
}

/// What could be seen at some moment.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    ended: bool,
    cancelled: bool,
    /// An answer to what is waited for.
    told: bool,
}

/// What is waited for, and until when.
#[derive(Clone, Copy, Debug)]
struct Wait {
    what: Awaited,
    deadline: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Awaited {
    /// That the thread looks.
    Thread,
    /// What comes of this step.
    Step(Step),
}

impl Ledger {
    /// The engine is asked for the script of a step.
    pub(super) fn begins(&mut self, step: Step) {
        self.open = Some(step);
    }

    /// The request is there, and the thread is waited for.
    pub(super) fn awaits_thread(&mut self, now: Duration, patience: Duration) {
        self.wait_for(Awaited::Thread, now, patience);
        // The engine sleeps first, and looks then.
        self.seen = Seen::default();
    }

    /// The engine has concluded, and says that this is left; the truth is whether it is pending.
    pub(super) fn asked(
        &mut self,
        step: Step,
        left: &'static str,
        is_pending: bool,
        (now, patience): (Duration, Duration),
    ) {
        self.was_pending = is_pending;
        self.may_be_taken |= !self.has_ended && (is_pending || left == "unknown");
        self.wait_for(Awaited::Step(step), now, patience);
    }

    /// The next thing is waited for from now on.
    fn wait_for(&mut self, what: Awaited, now: Duration, patience: Duration) {
        self.wait = Some(Wait { what, deadline: now.saturating_add(patience) });
        self.look_begins();
    }

    fn look_begins(&mut self) {
        let told = self.has_told();
        self.seen = Seen { ended: self.has_ended, cancelled: self.is_cancelled, told };
        self.lived = None;
    }

    /// Whether the target has told what is waited for, or that it comes to nothing.
    fn has_told(&self) -> bool {
        let is_error = matches!(self.record, Some(Told::Error(..)));
        match self.wait.map(|wait| wait.what) {
            None | Some(Awaited::Thread) => false,
            Some(Awaited::Step(Step::Session)) => {
                self.record.as_ref().is_some_and(|told| *told != Told::Started)
            }
            Some(Awaited::Step(Step::Client)) => {
                is_error || matches!(self.record, Some(Told::Attached(_)))
            }
            Some(Awaited::Step(Step::Stop)) => self.has_stopped,
        }
    }

    /// It is asked whether the target lives.
    pub(super) fn lives(&mut self, lives: bool) {
        self.lived = Some(lives);
    }

    /// A file is read: what the target had told before, and has not just taken back, is seen.
    pub(super) fn is_read(&mut self) {
        self.seen.told = self.has_told();
    }

    /// A look has ended, and whoever looks sleeps.
    pub(super) fn sleeps(&mut self, now: Duration, pause: Duration) {
        let Seen { ended, cancelled, told } = self.seen;
        for (is_so, what) in [
            (told, "the target has told"),
            (ended, "the target has ended"),
            (cancelled, "the user gave up"),
        ] {
            if is_so {
                self.breaks(Violation::WaitsOn(what));
            }
        }
        if let Some(Wait { what, deadline }) = self.wait {
            let most = if what == Awaited::Thread { PAUSE_MAX } else { PAUSE };
            let by = now.saturating_add(pause).saturating_sub(deadline.saturating_add(most));
            if !by.is_zero() {
                self.breaks(Violation::Oversleeps(by));
            }
        }
    }

    /// It wakes up, and looks again.
    pub(super) fn wakes(&mut self) {
        self.look_begins();
    }

    /// This is told of a step.
    pub(super) fn tells(&mut self, step: Step, told: &report::Session, now: Duration) {
        self.open = None;
        self.is_told_to_stay |= told.folder.is_some();
        let is_right = match told.left {
            "armed" => self.was_pending,
            "unknown" => true,
            _ => !self.was_pending || self.has_ended,
        };
        if !is_right {
            self.breaks(Violation::LeftOtherwise(told.left));
        }
        match (told.outcome, told.site, told.reason) {
            ("listening" | "connected" | "attached", ..) => self.tells_success(step, told),
            (_, site, Some(reason)) if site == report::session::SITE => {
                self.tells_failure(reason, told, now);
            }
            _ => {}
        }
    }

    fn tells_success(&mut self, step: Step, told: &report::Session) {
        let endpoint = told.host.as_deref().zip(told.port);
        let truth = self.at.as_ref().map(|at| (at.host.as_str(), at.port));
        if endpoint != truth || truth.is_none() || told.reused != self.is_reused {
            let text = |at: Option<(&str, u16)>, reused: bool| match at {
                Some((host, port)) if reused => format!("an old session at {host}:{port}"),
                Some((host, port)) => format!("a session at {host}:{port}"),
                None => "none".into(),
            };
            let (told, truth) = (text(endpoint, told.reused), text(truth, self.is_reused));
            self.breaks(Violation::FalseSession { told, truth });
        }
        if step != Step::Session && !self.is_attached {
            self.breaks(Violation::FalseClient);
        }
        if told.break_injected && !self.has_stopped {
            self.breaks(Violation::FalseStop);
        }
        if self.lived != Some(true) {
            self.breaks(Violation::AfterItsEnd);
        }
    }

    fn tells_failure(&mut self, reason: &'static str, told: &report::Session, now: Duration) {
        let error = match &self.record {
            Some(Told::Error(kind, message)) => Some((kind.clone(), message.clone())),
            _ => None,
        };
        let told_error = told.error.as_ref().map(|it| (it.r#type.clone(), it.message.clone()));
        let is_end = reason == "target-ended";
        if reason == "not-taken" {
            // What came after the last look at the thread was not waited for.
        } else if reason == "target-error" {
            if told_error != error {
                self.breaks(Violation::Untrue("an error"));
            }
        } else if let Some((kind, _)) = error.filter(|_| self.seen.told || is_end) {
            self.breaks(Violation::Untold(kind));
        } else if self.seen.told && !is_end {
            self.breaks(Violation::Untold("what was waited for".into()));
        }
        match reason {
            "target-ended" if !self.has_ended => self.breaks(Violation::Untrue("its end")),
            "cancelled" if !self.is_cancelled => {
                self.breaks(Violation::Untrue("that the user gave up"))
            }
            "not-taken" if !self.was_pending => self.breaks(Violation::Untrue("not-taken")),
            "no-client" | "not-ready" | "silent" | "torn" | "foreign" => {
                let deadline = self.wait.map_or(Duration::ZERO, |wait| wait.deadline);
                if now < deadline {
                    self.breaks(Violation::TooEarly(deadline.saturating_sub(now)));
                }
            }
            _ => {}
        }
    }

    /// From now on a client is waited for.
    pub(super) fn awaits_client(&mut self, now: Duration, patience: Duration) {
        self.wait_for(Awaited::Step(Step::Client), now, patience);
    }

    /// The files are removed; the truth is whether a request is pending.
    pub(super) fn removes(&mut self, is_pending: bool) {
        self.is_removed = true;
        if is_pending && !self.has_ended {
            self.breaks(Violation::FilesGone);
        }
    }

    /// It is over. `is_told` says whether the command tells itself of what it could not begin.
    pub(super) fn ends(&mut self, is_told: bool) {
        if self.open.is_some() && !is_told {
            self.breaks(Violation::Silence);
        }
        if self.is_removed {
            return;
        }
        if !self.may_be_taken {
            self.breaks(Violation::FilesStay);
        }
        if !self.is_told_to_stay {
            self.breaks(Violation::FilesUntold);
        }
    }

    fn breaks(&mut self, violation: Violation) {
        if !self.broken.contains(&violation) {
            self.broken.push(violation);
        }
    }

    pub(super) fn broken(&self) -> &[Violation] {
        &self.broken
    }

    /// What is not a matter of what the world looks like now, in words to be hashed.
    pub(super) fn memory(&self) -> [u64; 3] {
        let flags = [
            self.seen.ended,
            self.seen.cancelled,
            self.seen.told,
            self.lived == Some(true),
            self.lived.is_some(),
            self.was_pending,
            self.may_be_taken,
            self.is_told_to_stay,
            self.is_removed,
            self.open.is_some(),
        ];
        let flags = flags.iter().fold(0, |word, flag| word << 1 | u64::from(*flag));
        let deadline = self.wait.map_or(0, |wait| wait.deadline.as_micros() as u64);
        [flags, deadline, self.broken.len() as u64]
    }
}

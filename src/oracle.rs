//! The judge: knows the truth about the fake process and nothing about the engine but its report.
//! It shares no code with the engine and reads the world's own books, never damaged memory.
//!
//! A run is a **false positive** if any of these happens:
//!
//! 1. the engine reports an armed or consumed attach, and the target is not armed with, and has
//!    not run, exactly that script in that thread ([`Violation::FalseSuccess`]);
//! 2. it writes a byte outside the three true fields of one true, live thread state
//!    ([`Violation::StrayWrite`]);
//! 3. it reports a refusal or failure and leaves the target armed without saying so
//!    ([`Violation::SilentlyArmed`]);
//! 4. it reports another thread or interpreter than the one it wrote to
//!    ([`Violation::WrongTarget`]).
//!
//! The other violations are promises about how it does what it does.

use std::fmt;

use softdock_attach::{Left, Outcome, Report, Undo};
use softdock_cpython::{LiveThread, Place, Process, ThreadKey};
use softdock_process::Address;

use crate::evidence::{Consent, Evidence, Missing};

/// Accesses that no attempt on a scenario's process needs: lists are short there.
const ACCESSES_MAX: u32 = 100_000;

/// A promise broken, and the access that broke it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// The number of the access, from 1; one more than there were where the report broke it.
    pub access: u32,
    /// Which promise.
    pub what: Violation,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.what.fmt(f)
    }
}

/// A promise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Violation {
    /// False positive 1.
    FalseSuccess,
    /// False positive 2.
    StrayWrite {
        /// Where the write started.
        at: Address,
        /// How many bytes landed.
        len: usize,
    },
    /// False positive 3.
    SilentlyArmed,
    /// False positive 4.
    WrongTarget,
    /// Bytes were written, yet the engine says that it refused, or only planned.
    WroteAndRefused,
    /// The pending flag was set before path and NUL were complete.
    FlagBeforePath,
    /// The event bit was set before the pending flag.
    BreakerBeforeFlag,
    /// Event bits that the target had set were cleared.
    LostEvents(u8),
    /// The engine says that it undid everything, or wrote nothing, and memory differs.
    NotRestored,
    /// The engine says that nothing came of the request, and the target ran it.
    SilentlyRan,
    /// Success is reported, and this was not seen before.
    Unseen(Missing),
    /// The target executed a path that nobody asked for.
    ForeignPath(Vec<u8>),
    /// The engine concluded this often instead of once.
    Conclusions(u32),
    /// The engine made this many accesses.
    TooManyAccesses(u32),
    /// The engine had the target stopped, and concluded without letting it go on.
    LeftStopped,
}

impl Violation {
    /// Whether it is one of the five that nothing makes up for.
    #[must_use]
    pub const fn is_false_positive(&self) -> bool {
        matches!(
            self,
            Violation::FalseSuccess
                | Violation::StrayWrite { .. }
                | Violation::SilentlyArmed
                | Violation::SilentlyRan
                | Violation::WrongTarget
        )
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Violation::FalseSuccess => f.write_str(
                "false positive: success is reported, but the target neither has run the script \
                 nor will",
            ),
            Violation::StrayWrite { at, len } => {
                write!(f, "false positive: {len} bytes written at {at}, outside any request field")
            }
            Violation::SilentlyArmed => f.write_str(
                "false positive: the report denies a pending request, but the target will run the \
                 script",
            ),
            Violation::SilentlyRan => f.write_str(
                "false positive: the report says that nothing came of the request, but the target \
                 has run the script",
            ),
            Violation::WrongTarget => {
                f.write_str("false positive: another thread is reported than was written to")
            }
            Violation::WroteAndRefused => f.write_str("a refusal after bytes were written"),
            Violation::FlagBeforePath => {
                f.write_str("the pending flag was set before the path was complete")
            }
            Violation::BreakerBeforeFlag => {
                f.write_str("the event bit was set before the pending flag")
            }
            Violation::LostEvents(bits) => write!(f, "event bits {bits:#04x} were lost"),
            Violation::NotRestored => {
                f.write_str("everything is reported undone, but memory differs")
            }
            Violation::Unseen(fact) => write!(f, "a success without having seen {fact}"),
            Violation::ForeignPath(path) => {
                write!(f, "the target ran {:?}", String::from_utf8_lossy(path))
            }
            Violation::Conclusions(count) => write!(f, "{count} conclusions instead of one"),
            Violation::TooManyAccesses(count) => write!(f, "{count} accesses"),
            Violation::LeftStopped => f.write_str("the target was left stopped"),
        }
    }
}

/// Whether memory holds this path and its NUL.
fn holds(process: &Process, at: Address, path: &[u8]) -> bool {
    let mut held = [0; 64];
    let mut at = at.get();
    let mut is_next = |bytes: &[u8]| {
        let held = &mut held[..bytes.len()];
        let read = process.memory().peek_into(Address::new(at), held);
        at += bytes.len() as u64;
        read.is_ok() && held == bytes
    };
    path.chunks(64).all(&mut is_next) && is_next(&[0])
}

/// Whether it promises that the script runs. The engine has its own word for that, which is not
/// taken here.
const fn is_success(report: &Report) -> bool {
    matches!(report.outcome, Outcome::Armed | Outcome::ArmedNoBit | Outcome::Consumed)
}

/// Watches the writes as they land.
#[derive(Clone, Debug)]
pub struct Watch<'s> {
    script: &'s [u8],
    /// Scripts that the target had taken before: no merit of this attempt.
    runs_before: usize,
    /// What others ask the target to run.
    others: Vec<Vec<u8>>,
    /// Threads that somebody asked for this very script before.
    asked_before: Vec<ThreadKey>,
    broken: Vec<Broken>,
    /// The access under way.
    access: u32,
    /// The accesses that changed a path, each with the number of scripts run by then.
    path_written: Vec<(usize, u32)>,
    written: Option<ThreadKey>,
    landed: bool,
    armed: bool,
    flag_meant: bool,
    is_dead: bool,
}

impl<'s> Watch<'s> {
    /// A watch over an attempt to run this script.
    #[must_use]
    pub fn new(script: &'s [u8], process: &Process) -> Watch<'s> {
        Watch {
            script,
            runs_before: process.runs().len(),
            others: process.threads().filter_map(|live| process.armed(live.key)).collect(),
            asked_before: process
                .threads()
                .filter(|live| process.armed(live.key).as_deref() == Some(script))
                .map(|live| live.key)
                .collect(),
            broken: Vec::new(),
            access: 0,
            path_written: Vec::new(),
            written: None,
            landed: false,
            armed: false,
            flag_meant: false,
            is_dead: false,
        }
    }

    fn breaks(&mut self, what: Violation) {
        self.broken.push(Broken { access: self.access, what });
    }

    /// What was seen so far, as far as the judgement depends on it, for telling states of an
    /// exploration apart.
    pub(crate) fn state(&self) -> u64 {
        let flags = [self.landed, self.armed, self.flag_meant, self.is_dead];
        let flags = flags.iter().fold(0, |sum, flag| sum << 1 | u64::from(*flag));
        let written = self.written.map_or(0, |key| 1 + u64::from(key.0));
        let counts = (self.others.len() as u64) << 8 | (self.broken.len() as u64) << 16;
        flags | counts | written << 32
    }

    /// The attacher is killed: it reports nothing any more, and what it did must do no harm.
    pub(crate) fn attacher_dies(&mut self) {
        self.is_dead = true;
    }

    /// Another debugger asks the target to run this.
    pub(crate) fn other_asks(&mut self, path: &str) {
        self.others.push(path.as_bytes().to_vec());
    }

    /// The engine concludes, and the target is stopped still.
    pub(crate) fn left_stopped(&mut self) {
        self.breaks(Violation::LeftStopped);
    }

    /// What a write is about to replace, as far as [`Watch::landed`] wants to know it.
    pub(crate) fn before(process: &Process, at: Address) -> u8 {
        let mut byte = [0];
        // Where nothing is mapped nothing lands either.
        let _ = process.memory().peek_into(at, &mut byte);
        byte[0]
    }

    /// The engine writes these bytes, whatever will become of them.
    pub(crate) fn writes(&mut self, process: &Process, access: u32, at: Address, bytes: &[u8]) {
        self.access = access;
        match process.place(at, 1) {
            Place::Pending(_) if bytes.first() == Some(&1) => self.flag_meant = true,
            Place::Breaker(_) if !self.flag_meant => self.breaks(Violation::BreakerBeforeFlag),
            _ => {}
        }
    }

    /// So much of it has landed, over `before`.
    pub(crate) fn landed(&mut self, process: &Process, at: Address, bytes: &[u8], before: u8) {
        if bytes.is_empty() {
            return;
        }
        self.landed = true;
        match process.place(at, bytes.len()) {
            Place::Path(key) => {
                self.path_written.push((process.runs().len(), self.access));
                self.wrote_to(key);
            }
            Place::Pending(key) => self.setting_flag(process, key, bytes),
            Place::Breaker(key) => self.setting_breaker(key, bytes, before),
            Place::Elsewhere => self.breaks(Violation::StrayWrite { at, len: bytes.len() }),
        }
    }

    fn wrote_to(&mut self, key: ThreadKey) {
        if *self.written.get_or_insert(key) != key {
            self.breaks(Violation::WrongTarget);
        }
    }

    fn setting_flag(&mut self, process: &Process, key: ThreadKey, bytes: &[u8]) {
        self.wrote_to(key);
        if bytes.first() != Some(&1) {
            return;
        }
        self.armed = true;
        let Some(live) = process.thread(key) else { return };
        if !holds(process, live.path.at, self.script) {
            self.breaks(Violation::FlagBeforePath);
        }
    }

    fn setting_breaker(&mut self, key: ThreadKey, bytes: &[u8], before: u8) {
        self.wrote_to(key);
        let lost = bytes.first().map_or(0, |after| before & !after);
        if lost != 0 {
            self.breaks(Violation::LostEvents(lost));
        }
    }

    /// Judges the whole attempt. `moved` says whether the target did anything by itself.
    #[must_use]
    pub fn judge(
        &self,
        process: &Process,
        report: &Report,
        conclusions: u32,
        accesses: u32,
        moved: bool,
    ) -> Vec<Broken> {
        let mut broken = self.broken.clone();
        broken.extend(self.judge_runs(process, accesses + 1));
        let mut breaks = |what| broken.push(Broken { access: accesses + 1, what });
        if accesses > ACCESSES_MAX {
            breaks(Violation::TooManyAccesses(accesses));
        }
        if self.is_dead {
            return broken;
        }
        let success = is_success(report);
        if success {
            self.judge_success(process, report).into_iter().for_each(&mut breaks);
        } else if self.is_silent_about(report) && self.will_run(process) {
            breaks(Violation::SilentlyArmed);
        } else if self.denies(report) && self.has_run(process) {
            breaks(Violation::SilentlyRan);
        }
        if self.landed && matches!(report.outcome, Outcome::Refused | Outcome::Planned) {
            breaks(Violation::WroteAndRefused);
        }
        let undone = match report.undo {
            Some(undo) => undo == Undo::Clean,
            None => report.left == Left::Nothing,
        };
        if undone && !success && !moved && !self.is_restored(process, report) {
            breaks(Violation::NotRestored);
        }
        if conclusions != 1 {
            breaks(Violation::Conclusions(conclusions));
        }
        broken
    }

    /// Whatever the target ran since is the script, or what somebody else asked it to run. A path
    /// that nobody asked for was made by whoever wrote to it last before it ran.
    fn judge_runs(&self, process: &Process, end: u32) -> Option<Broken> {
        let runs = process.runs().iter().enumerate().skip(self.runs_before);
        let (nth, run) = runs
            .into_iter()
            .find(|(_, run)| run.path != self.script && !self.others.contains(&run.path))?;
        let before = self.path_written.iter().rev().find(|(runs, _)| *runs <= nth);
        let access = before.map_or(end, |(_, access)| *access);
        Some(Broken { access, what: Violation::ForeignPath(run.path.clone()) })
    }

    /// What a success rests on and nobody has looked at.
    pub(crate) fn judge_evidence(
        &self,
        evidence: &mut Evidence,
        process: &Process,
        report: &Report,
        consent: Consent,
        access: u32,
    ) -> Vec<Broken> {
        let live = self.written.and_then(|key| process.thread(key)).filter(|_| is_success(report));
        let missing = live.and_then(|live| evidence.missing(process, &live, self.script, consent));
        let broken = |fact| Broken { access, what: Violation::Unseen(fact) };
        missing.unwrap_or_default().into_iter().map(broken).collect()
    }

    /// A success must be true of exactly the thread that is reported.
    fn judge_success(&self, process: &Process, report: &Report) -> Option<Violation> {
        let Some(key) = self.written else { return Some(Violation::FalseSuccess) };
        let mut runs = process.runs().iter().skip(self.runs_before);
        let ran = runs.find(|run| run.thread == key && run.path == self.script);
        let live = process.thread(key);
        let armed = live
            .is_some_and(|live| self.is_armed(process, &live) && process.allows(live.interpreter));
        if !armed && ran.is_none() {
            return Some(Violation::FalseSuccess);
        }
        let Some((thread, interpreter)) = report.thread.zip(report.interpreter) else {
            return Some(Violation::WrongTarget);
        };
        let is = |live: LiveThread| {
            live.at == thread.at
                && i64::try_from(live.native) == Ok(thread.id)
                && live.interpreter == interpreter.id
                && process.interpreter(interpreter.id).is_some_and(|i| i.at == interpreter.at)
        };
        let right = match (live, ran) {
            (Some(live), _) => is(live),
            (None, Some(run)) => run.at == thread.at,
            (None, None) => false,
        };
        (!right).then_some(Violation::WrongTarget)
    }

    /// Whether the report denies a request of ours: that one was taken back, or that none is left.
    fn is_silent_about(&self, report: &Report) -> bool {
        let admits =
            matches!(report.left, Left::Armed | Left::Unknown) || report.undo == Some(Undo::Late);
        report.outcome == Outcome::Cancelled || self.armed && !admits
    }

    /// Whether the report says that the request came to nothing, and knows that.
    fn denies(&self, report: &Report) -> bool {
        report.left == Left::Nothing && report.undo != Some(Undo::Late)
    }

    /// Whether the thread that was written to has run the script. Where others ask for theirs, it
    /// may have run for their sake: a thread that copies late copies what is there by then.
    fn has_run(&self, process: &Process) -> bool {
        let mut runs = process.runs().iter().skip(self.runs_before);
        self.others.is_empty()
            && runs.any(|run| Some(run.thread) == self.written && run.path == self.script)
    }

    /// Whether any thread will run the script at its next chance, and not because somebody else
    /// has asked it to.
    fn will_run(&self, process: &Process) -> bool {
        let is_ours = |live: &LiveThread| {
            self.written == Some(live.key) || !self.asked_before.contains(&live.key)
        };
        process.threads().any(|live| is_ours(&live) && self.is_armed(process, &live))
    }

    /// Whether this thread will run the script: the flag is 1, with or without an event bit, or was
    /// 1 and the path is about to be copied.
    fn is_armed(&self, process: &Process, live: &LiveThread) -> bool {
        let pending = process.memory().peek_u32(live.pending.at);
        (pending == Ok(1) || process.is_taking(live.key))
            && holds(process, live.path.at, self.script)
    }

    /// Whether nothing differs but an event bit, which CPython clears by itself, and that an old
    /// path is cut off: who puts it back may have it run a second time.
    fn is_restored(&self, process: &Process, report: &Report) -> bool {
        if process.memory().fingerprint() == 0 {
            return true;
        }
        let Some(live) = self.written.and_then(|key| process.thread(key)) else { return true };
        let meant = report.outcome == Outcome::Cancelled;
        process.memory().differences().iter().all(|difference| {
            let request = live.pending.contains(difference.at) || live.path.contains(difference.at);
            let cuts_off = difference.at == live.path.at && difference.is == 0;
            live.breaker.contains(difference.at) || cuts_off || meant && request
        })
    }
}

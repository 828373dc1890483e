//! What the target looks like after the writes, and taking them back.
//!
//! After the script has been taken the flag is 0, the bit is gone and the path text is still
//! there. Since the flag was seen claimed (2) before it was set, 0 can only mean that the target
//! took the request, and 2 that our write was lost. A reading that speaks against us is repeated
//! before it is believed.

use softdock_process::{Address, MemoryError};

use crate::attempt::{Attempt, Step, Stop, Target};
use crate::limits::DISARM_TRIES;
use crate::plan::{EVAL_PLEASE_STOP, RemoteWritePlan};
use crate::report::{Left, Undo};
use crate::validate::{PENDING_CLAIMED, PENDING_NONE, PENDING_SET, ThreadVerdict};
use crate::{Host, Outcome, Reason, Site};

/// What a reading of the thread state says about our request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reading {
    /// Pending, with our path and the bit.
    Armed,
    /// Pending, with our path, without the bit.
    ArmedNoBit,
    /// Taken; our path is still in the buffer.
    Consumed,
    /// Still claimed: the write that should have armed it did not land.
    Claimed,
    /// Pending, with a path that is not ours.
    OtherPath,
    /// Not pending, and the path is not ours.
    Lost,
    /// The flag holds a value that CPython never writes.
    BadPending,
    /// The thread state is not the same one any more.
    OtherThread,
}

impl<H: Host> Attempt<'_, H> {
    /// Reads back everything and says what came of it.
    pub(crate) fn verify(&mut self, target: &Target, plan: &RemoteWritePlan) -> Step<Outcome> {
        self.at(Site::Verify);
        self.require_same_process(target, plan)?;
        let mut reading = self.settled_reading_or_undo(target, plan)?;
        if reading == Reading::ArmedNoBit {
            reading = self.set_bit_again(target, plan)?;
        }
        let outcome = match reading {
            Reading::Armed => self.success(Outcome::Armed, Left::Armed),
            Reading::ArmedNoBit => self.success(Outcome::ArmedNoBit, Left::Armed),
            Reading::Consumed => self.success(Outcome::Consumed, Left::Nothing),
            Reading::Claimed => return self.fail_and_undo(target, plan, Reason::PendingLost),
            Reading::OtherPath => return self.stop_here(Reason::Mismatch, Left::ArmedByOther),
            Reading::Lost => return self.stop_here(Reason::Lost, Left::Nothing),
            Reading::OtherThread => return self.stop_here(Reason::Moved, Left::Unknown),
            Reading::BadPending => return self.fail_and_undo(target, plan, Reason::Mismatch),
        };
        Ok(outcome)
    }

    fn success(&mut self, outcome: Outcome, left: Left) -> Outcome {
        self.report.left = left;
        outcome
    }

    fn stop_here<T>(&mut self, reason: Reason, left: Left) -> Step<T> {
        self.report.left = left;
        self.fail(reason)
    }

    /// A pid can be reused while we work; then all that is read back is another process's. Asked
    /// first, so that the reading that is reported is the last access.
    fn require_same_process(&mut self, target: &Target, plan: &RemoteWritePlan) -> Step<()> {
        match self.host.identity().or_else(|_| self.host.identity()) {
            Ok(identity) if Some(identity) == self.report.process => Ok(()),
            Ok(_) => self.stop_here(Reason::ProcessReplaced, Left::Unknown),
            Err(kind) => self.fail_and_undo(target, plan, Reason::Process(kind)),
        }
    }

    /// A settled reading; where none can be had, the request is taken back.
    fn settled_reading_or_undo(
        &mut self,
        target: &Target,
        plan: &RemoteWritePlan,
    ) -> Step<Reading> {
        match self.settled_reading(target, plan) {
            Ok(reading) => Ok(reading),
            Err(reason) => self.fail_and_undo(target, plan, reason),
        }
    }

    /// A reading of the request. One that speaks against us must be seen twice in a row.
    pub(crate) fn settled_reading(
        &mut self,
        target: &Target,
        plan: &RemoteWritePlan,
    ) -> Result<Reading, Reason> {
        match self.read_request(target, plan) {
            Ok(Reading::Armed) => Ok(Reading::Armed),
            first => self.agreed(first, |attempt| attempt.read_request(target, plan)),
        }
    }

    fn set_bit_again(&mut self, target: &Target, plan: &RemoteWritePlan) -> Step<Reading> {
        // A bit that does not stay is a matter of latency only: the request itself is in place.
        let _ = self.set_breaker_bit(target, plan);
        self.at(Site::Verify);
        self.require_same_process(target, plan)?;
        self.settled_reading_or_undo(target, plan)
    }

    /// Reads the thread state once and says what it tells of our request.
    pub(crate) fn read_request(
        &mut self,
        target: &Target,
        plan: &RemoteWritePlan,
    ) -> Result<Reading, Reason> {
        let state = self.view_state(target.thread, &target.layout);
        let state = state.map_err(|error| Reason::Memory(error.kind))?;
        let same = state.is_of(target);
        let ours = state.path_buffer().is_some_and(|path| path.starts_with(&plan.path));
        let breaker = state.eval_breaker().unwrap_or(0) & u64::from(EVAL_PLEASE_STOP);
        Ok(match (state.pending(), ours) {
            _ if !same => Reading::OtherThread,
            (Some(PENDING_SET), true) if breaker != 0 => Reading::Armed,
            (Some(PENDING_SET), true) => Reading::ArmedNoBit,
            (Some(PENDING_NONE), true) => Reading::Consumed,
            (Some(PENDING_CLAIMED), true) => Reading::Claimed,
            (Some(PENDING_SET), false) => Reading::OtherPath,
            (Some(PENDING_NONE), false) => Reading::Lost,
            _ => Reading::BadPending,
        })
    }

    /// Takes back whatever may have been written, and ends the attempt where it failed.
    pub(crate) fn fail_and_undo<T>(
        &mut self,
        target: &Target,
        plan: &RemoteWritePlan,
        reason: Reason,
    ) -> Step<T> {
        let stop = Stop { outcome: Outcome::Failed, site: self.report.site, reason };
        let (undo, left) = self.undo(target, plan, stop.site);
        self.report.undo = Some(undo);
        self.report.left = left;
        Err(stop)
    }

    /// Takes back what may have landed, in an order that is safe at every moment: first a NUL over
    /// the path's first byte, since CPython runs nothing for an empty path; then the flag; then
    /// the path's old bytes. Restoring the path while the flag is set could run *that* path.
    ///
    /// The breaker bit stays where it was set at all: CPython clears it at its next poll, and
    /// clearing it from here could lose a stop that the target asked of itself. Another debugger's
    /// request is left alone. Every step is read back: a write that reports success may not have
    /// landed.
    fn undo(&mut self, target: &Target, plan: &RemoteWritePlan, failed_at: Site) -> (Undo, Left) {
        self.at(Site::UndoPending);
        let first = self.read_request(target, plan);
        let found = self.agreed(first, |attempt| attempt.read_request(target, plan));
        let mut taken = false;
        match found {
            // What cannot be read twice is not written to: it may be another's by now.
            Err(_) => return (Undo::Failed, Left::Unknown),
            Ok(Reading::OtherThread) => return (Undo::Failed, Left::Unknown),
            Ok(Reading::OtherPath) => return (Undo::Failed, Left::ArmedByOther),
            Ok(Reading::Lost) => {}
            Ok(Reading::Consumed) => taken = failed_at >= Site::WritePending,
            _ => match self.disarm(target, plan.pending_at, plan.path_at) {
                Ok(late) => taken = late,
                Err(left) => return (Undo::Failed, left),
            },
        }
        self.at(Site::UndoScriptPath);
        // Whether it landed is what the reading tells.
        let _ = self.host.write(plan.path_at, &plan.old_path);
        let first = self.look_at_path(target, plan);
        match self.agreed(first, |attempt| attempt.look_at_path(target, plan)) {
            Err(_) => (Undo::Failed, Left::Unknown),
            Ok((Some(PENDING_SET), _)) => (Undo::Failed, Left::ArmedByOther),
            Ok((Some(PENDING_NONE), _)) if taken => (Undo::Late, Left::Nothing),
            Ok((Some(PENDING_NONE), true)) => (Undo::Clean, Left::Nothing),
            Ok(_) => (Undo::Failed, Left::Nothing),
        }
    }

    /// The flag, and whether the path is what it was before we came.
    fn look_at_path(
        &mut self,
        target: &Target,
        plan: &RemoteWritePlan,
    ) -> Result<(Option<u32>, bool), MemoryError> {
        let state = self.view_state(target.thread, &target.layout)?;
        let restored = state.path_buffer().is_some_and(|path| path.starts_with(&plan.old_path));
        Ok((state.pending(), restored))
    }

    /// Makes sure that a pending request runs nothing, then clears it. Says whether the target had
    /// taken it before that was sure, or what is left where it could not be cleared.
    ///
    /// Also for whoever waits for that request: it would take a cleared flag for a taken script if
    /// its path were still there.
    pub(crate) fn disarm(
        &mut self,
        target: &Target,
        pending_at: Address,
        path_at: Address,
    ) -> Result<bool, Left> {
        let _ = self.host.write(path_at, &[0]);
        let before = self.look_at_flag(target)?;
        let mut now = before;
        for _ in 0..DISARM_TRIES {
            let _ = self.host.write(pending_at, &PENDING_NONE.to_le_bytes());
            now = self.look_at_flag(target)?;
            if now.0 == PENDING_NONE {
                return Ok(before.0 == PENDING_NONE);
            }
        }
        if now == (PENDING_SET, false) { Err(Left::Armed) } else { Err(Left::Nothing) }
    }

    /// The flag, and whether the path is empty, looked at between any two writes. A thread that has
    /// ended, or been followed by another in the same memory, is not written to any more
    /// (`race/thread-exits`).
    fn look_at_flag(&mut self, target: &Target) -> Result<(u32, bool), Left> {
        let first = self.read_flag(target);
        let flag = self.agreed(first, |attempt| attempt.read_flag(target));
        flag.map_err(|_| Left::Unknown)
    }

    /// The flag, and whether the path is empty, so that nothing would run; of a live thread only.
    fn read_flag(&mut self, target: &Target) -> Result<(u32, bool), Reason> {
        let state = self.view_state(target.thread, &target.layout);
        let state = state.map_err(|error| Reason::Memory(error.kind))?;
        if !state.is_of(target) {
            return Err(Reason::Thread(ThreadVerdict::BadStatus));
        }
        let empty = state.path_buffer().is_some_and(|path| path.first() == Some(&0));
        Ok((state.pending().unwrap_or(PENDING_SET), empty))
    }
}

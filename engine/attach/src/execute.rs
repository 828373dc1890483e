//! Planning and writing: everything is looked at once more, then four writes follow in the order
//! that is safe at every moment.
//!
//! A claim on the flag comes first, four bytes that CPython ignores: whoever else looks sees that
//! the slot is taken, and a thread that exits at this very moment loses no more than these. Then
//! the path. Both are read back before the flag is set, because from then on the target
//! may run it: CPython takes a pending request at *any* event of the thread, and in every call
//! that checks for signals, without looking at the breaker bit. Setting the flag is the point of
//! commitment. The breaker is written as one byte, so that the target's instrumentation
//! version in the bytes above is not touched; what the target sets between our read and our write
//! is lost, in a window of that one access.

use crate::attempt::{Attempt, Step, Stop, Target, is_about_memory};
use crate::layout::Proof;
use crate::plan::{EVAL_PLEASE_STOP, RemoteWritePlan};
use crate::progress::Part;
use crate::report::{Stage, StageResult};
use crate::validate::{PENDING_CLAIMED, PENDING_NONE, PENDING_SET, ThreadVerdict};
use crate::{Flex, Host, Outcome, ParseMode, Reason, Site};

impl<H: Host> Attempt<'_, H> {
    /// What is to be written, if the thread is free and the path fits.
    pub(crate) fn plan(&mut self, target: &Target, script: &[u8]) -> Step<RemoteWritePlan> {
        self.at(Site::Plan);
        let state = self.state(&target.layout);
        if state.pending() != Some(PENDING_NONE) {
            return self.refuse(Reason::Busy);
        }
        RemoteWritePlan::new(script, target.thread, state).or_else(|reason| self.refuse(reason))
    }

    /// What a rehearsal came to must come out again: where it does not, one of the two looks saw
    /// what is not so.
    pub(crate) fn keep_to(
        &mut self,
        planned: Option<&RemoteWritePlan>,
        plan: &RemoteWritePlan,
    ) -> Step<()> {
        if planned.is_none_or(|planned| planned == plan) {
            return Ok(());
        }
        self.at(Site::Recheck);
        self.refuse(Reason::Moved)
    }

    /// The last step before anything is written: whether to stop here because only a rehearsal was
    /// asked for; refuses where what was proved does not carry a write.
    pub(crate) fn is_dry_run(&mut self, target: &Target) -> Step<bool> {
        self.at(Site::WriteGate);
        match () {
            () if !self.config.write => Ok(true),
            () if !target.policy_known && !self.config.allow_unproven => {
                self.refuse(Reason::PolicyUnreadable)
            }
            () if !self.is_proved(target) => self.refuse(Reason::ProofTooWeak),
            () => Ok(false),
        }
    }

    /// What each mode of parsing needs before a write. A familiar layout, proved on live memory, is
    /// enough for strict; all others want the mapped file's word, or consent. Flex takes no
    /// general consent: it must be meant.
    fn is_proved(&self, target: &Target) -> bool {
        let image = self.report.proof == Some(Proof::Image);
        match self.report.parse_mode {
            Some(ParseMode::Strict) if target.layout.familiar => true,
            Some(ParseMode::Strict | ParseMode::Extended | ParseMode::Relaxed) => {
                image || self.config.allow_unproven
            }
            Some(ParseMode::Flex) => image || self.config.flex == Flex::Allowed,
            None => false,
        }
    }

    /// Stops the target for what follows, where that is asked for.
    pub(crate) fn freeze(&mut self) -> Step<()> {
        self.at(Site::Recheck);
        if !self.config.freeze {
            return Ok(());
        }
        let frozen = self.host.freeze();
        self.asked(frozen)
    }

    /// Looks at everything once more and demands that nothing has moved: the process, the lists,
    /// the thread. The thread state itself is read last, so that the window in which it can still
    /// exit unnoticed is one access wide: the write that follows.
    pub(crate) fn recheck(&mut self, target: &Target, plan: &RemoteWritePlan) -> Step<()> {
        self.at(Site::Recheck);
        let identity = self.host.identity();
        if Some(self.asked(identity)?) != self.report.process {
            return self.refuse(Reason::ProcessReplaced);
        }
        let before = self.state(&target.layout).mark();
        let again = self.look_again(target);
        self.at(Site::Recheck);
        match again {
            Ok(()) => {}
            Err(Stop { reason: Reason::Memory(kind), .. }) if is_about_memory(kind) => {
                return self.refuse(Reason::Moved);
            }
            Err(stop) if stop.outcome == Outcome::Failed => return self.fail(stop.reason),
            Err(stop) if stop.reason == Reason::PolicyDisabled => return Err(stop),
            Err(_) => return self.refuse(Reason::Moved),
        }
        let state = self.state(&target.layout);
        // What an undo would put back must have been seen twice.
        let same_path = state.path_buffer().is_some_and(|path| path.starts_with(&plan.old_path));
        match (state.judge(target.interpreter.at), state.pending()) {
            (ThreadVerdict::Ok, _) if state.mark() != before => self.refuse(Reason::Moved),
            (ThreadVerdict::Ok, Some(PENDING_NONE)) if !same_path => self.refuse(Reason::Moved),
            (ThreadVerdict::Ok, Some(PENDING_NONE)) => Ok(()),
            (ThreadVerdict::Ok, _) => self.refuse(Reason::Busy),
            _ => self.refuse(Reason::Moved),
        }
    }

    /// Goes the way to the thread once more. A thread that no walk led to was validated a moment
    /// ago in all its links: only its own state is read again.
    fn look_again(&mut self, target: &Target) -> Step<()> {
        let layout = &target.layout;
        self.ask_policy(target.interpreter.at, layout)?;
        self.at(Site::Recheck);
        self.require_native(Some(target.native))?;
        let head = self.read_runtime(target.runtime, layout)?;
        if self.report.stage(Stage::Walk) != StageResult::Done {
            self.at(Site::Recheck);
            return self.read_thread(target.thread, layout);
        }
        let interpreter = self.walk_interpreters(target.runtime, head, layout)?;
        self.at(Site::Recheck);
        if interpreter.found != target.interpreter {
            return self.refuse(Reason::Moved);
        }
        match self.walk_to(&interpreter, layout, |at, _| at == target.thread)? {
            Some(_) => Ok(()),
            None => self.refuse(Reason::Moved),
        }
    }

    /// The writes, each looked at before the next depends on it.
    pub(crate) fn write(&mut self, target: &Target, plan: &RemoteWritePlan) -> Step<()> {
        if self.comes_to(Part::Claim, target, plan) {
            self.at(Site::ClaimPending);
            if let Err(error) = self.host.write(plan.pending_at, &PENDING_CLAIMED.to_le_bytes()) {
                return self.fail_and_undo(target, plan, Reason::Memory(error.kind));
            }
            self.verify_claimed(target, plan, &[])?;
        }
        if self.comes_to(Part::Path, target, plan) {
            self.at(Site::WriteScriptPath);
            if let Err(error) = self.host.write(plan.path_at, &plan.path) {
                return self.fail_and_undo(target, plan, Reason::Memory(error.kind));
            }
            self.at(Site::VerifyScriptPath);
            self.verify_claimed(target, plan, &plan.path)?;
        }
        if self.comes_to(Part::Flag, target, plan) {
            self.at(Site::WritePending);
            if let Err(error) = self.host.write(plan.pending_at, &PENDING_SET.to_le_bytes()) {
                return self.fail_and_undo(target, plan, Reason::Memory(error.kind));
            }
        }
        if !self.comes_to(Part::Breaker, target, plan) {
            return Ok(());
        }
        match self.set_breaker_bit(target, plan) {
            Ok(()) => Ok(()),
            Err(reason) => self.fail_and_undo(target, plan, reason),
        }
    }

    /// The claim must be there, and so much of the path, in the same thread, before the next write.
    fn verify_claimed(&mut self, target: &Target, plan: &RemoteWritePlan, path: &[u8]) -> Step<()> {
        let before = self.state(&target.layout).mark();
        let reason = match self.view_state(target.thread, &target.layout) {
            Err(error) => Reason::Memory(error.kind),
            Ok(state) if state.mark() != before => Reason::Thread(ThreadVerdict::BadStatus),
            Ok(state) if state.pending() == Some(PENDING_NONE) => Reason::PendingLost,
            Ok(state) if !state.path_buffer().is_some_and(|buffer| buffer.starts_with(path)) => {
                Reason::ScriptPathLost
            }
            Ok(state) if state.pending() != Some(PENDING_CLAIMED) => Reason::Busy,
            Ok(_) => return Ok(()),
        };
        self.fail_and_undo(target, plan, reason)
    }

    /// Sets the one bit, keeping the others as they are now. The whole state is read for it, not
    /// the byte alone: the thread may have ended since the flag was set, and then the byte is
    /// somebody else's (`race/thread-exits`).
    pub(crate) fn set_breaker_bit(
        &mut self,
        target: &Target,
        plan: &RemoteWritePlan,
    ) -> Result<(), Reason> {
        self.at(Site::ReadEvalBreaker);
        let first = self.read_events(target)?;
        let events = self.agreed(Ok(first), |attempt| attempt.read_events(target))?;
        self.at(Site::WriteEvalBreaker);
        let written = self.host.write(plan.breaker_at, &[events | EVAL_PLEASE_STOP]);
        written.map_err(|error| Reason::Memory(error.kind))
    }

    /// The event byte of the thread, if it is still the same.
    fn read_events(&mut self, target: &Target) -> Result<u8, Reason> {
        let state = self.view_state(target.thread, &target.layout);
        let state = state.map_err(|error| Reason::Memory(error.kind))?;
        let events = state.events().filter(|_| state.is_of(target));
        events.ok_or(Reason::Thread(ThreadVerdict::BadStatus))
    }
}

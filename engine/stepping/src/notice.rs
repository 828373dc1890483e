//! What the interpreter tells while it runs, and what whoever debugs is told of it.

use std::sync::Arc;

use softdock_process::Address;

use crate::arm::is_moved;
use crate::breakpoint::Refused;
use crate::control::ExecutionControl;
use crate::debuggee::{Bypass, Debuggee, MethodId, ThreadId};
use crate::debugger::{Debugger, Evaluation, Handler};
use crate::event::{BreakpointId, Event, Reason};
use crate::patch::Owner;
use crate::stepper::Stepper;

impl<E: ExecutionControl> Debugger<E> {
    /// A thread has met a breakpoint. Returns what is to be told: nothing, where it was meant for
    /// another thread or is gone already, or a step goes on from there.
    pub fn hit(&mut self, target: &mut impl Debuggee, thread: ThreadId) -> Vec<Event> {
        let Some(context) = target.context(thread) else { return Vec::new() };
        let Some(frame) = target.frame(thread, 0) else { return Vec::new() };
        let at = context.ip;
        // Who comes to another place has left the one that a step began at, be it moved there.
        let awake = |it: &&mut Stepper| it.thread == thread && it.frozen == 0;
        for stepper in self.steppers.iter_mut().filter(awake) {
            stepper.is_moved &= stepper.begins == Some(at);
            stepper.leaves(|tail_call| tail_call != at);
        }
        let mut events = Vec::new();
        if self.is_own(target, at) {
            events.push(Event::Break { thread, at });
        }
        for owner in self.owners(at, thread, &frame) {
            match owner {
                Owner::Breakpoint(id) => events.push(Event::Breakpoint { id, thread, at }),
                Owner::Stepper(id) => events.extend(self.trigger(target, id, at, &frame)),
            }
        }
        self.tell_method_enter(target);
        events
    }

    /// The thread that met a breakpoint goes on. Whether it needs a bypass is decided here, by what
    /// is in memory now and by where it is now, and not when it was hit: breakpoints may have come
    /// and gone since. Its steps begin anew where it was moved to. Returns what is to be told:
    /// steps that cannot.
    pub fn resume(&mut self, target: &mut impl Debuggee, thread: ThreadId) -> Vec<Event> {
        let events = self.follow(target, thread);
        // What it was moved to was not reported, and its breakpoint is met.
        let stays = !is_moved(target, thread);
        let at = target.context(thread).map(|context| context.ip).filter(|_| stays);
        let bypass = at.and_then(|at| Some(Bypass { at, opcode: self.instead(target, at)? }));
        target.set_bypass(thread, bypass);
        if let Some(bypass) = bypass {
            let awake = |it: &&mut Stepper| it.thread == thread && it.frozen == 0;
            for stepper in self.steppers.iter_mut().filter(awake) {
                stepper.begins = None;
                stepper.leaves(|tail_call| tail_call == bypass.at);
            }
        }
        events
    }

    /// A method is entered, and its first instruction, at `at`, tells. Told only while wanted.
    /// Returns what is to be told: steps that cannot follow.
    pub fn method_enter(
        &mut self,
        target: &mut impl Debuggee,
        thread: ThreadId,
        at: Address,
    ) -> Vec<Event> {
        let Some(frame) = target.frame(thread, 0) else { return Vec::new() };
        let entry = target.body_at(at).and_then(|body| body.sequence_point);
        // Without a sequence point the first place to stop at is behind this instruction, which is
        // being executed already.
        let entry =
            entry.or_else(|| self.table.instruction(target, at).ok().map(|enter| enter.next));
        let Some(entry) = entry else { return Vec::new() };
        let mut events = Vec::new();
        for mut stepper in self.take_steppers(thread, |stepper| stepper.is_entering) {
            // What it began at has been executed, and a tail call may come back there.
            (stepper.is_entering, stepper.begins) = (false, None);
            stepper.awaited.push((entry, Reason::Call));
            if stepper.home == frame.owner {
                // A tail call: the frame is used again, and what the range was about has ended.
                stepper.range = None;
            }
            events.extend(self.wait_at(target, stepper, (entry, frame.owner), at));
        }
        self.tell_method_enter(target);
        events
    }

    /// An exception will be handled at this address, in this method frame; or a filter there is
    /// asked whether it will. Returns what is to be told: steps that cannot follow.
    pub fn unwinding(
        &mut self,
        target: &mut impl Debuggee,
        thread: ThreadId,
        handler: Address,
        frame: Address,
        reason: Reason,
    ) -> Vec<Event> {
        if reason == Reason::Handler {
            let told = Handler { thread, at: handler, frame };
            // The frames below are about to end, with all that was to be handled there.
            self.handlers.retain(|it| it.thread != thread || it.frame >= frame && *it != told);
            self.handlers.push(told);
        }
        let mut events = Vec::new();
        for mut stepper in self.take_steppers(thread, |stepper| stepper.concerns(frame)) {
            self.withdraw(target, Owner::Stepper(stepper.id));
            (stepper.is_entering, stepper.begins) = (false, None);
            stepper.awaited = vec![(handler, reason)];
            if frame > stepper.home {
                stepper.range = None;
            }
            events.extend(self.wait_at(target, stepper, (handler, frame), handler));
        }
        self.tell_method_enter(target);
        events
    }

    /// A method has got another body. Returns the breakpoints that cannot be set in it.
    pub fn method_loaded(
        &mut self,
        target: &mut impl Debuggee,
        method: MethodId,
    ) -> Vec<(BreakpointId, Refused)> {
        let mut failed = Vec::new();
        let breakpoints = Arc::make_mut(&mut self.breakpoints).iter_mut();
        for breakpoint in breakpoints.filter(|known| known.method == method) {
            if let Err(refused) = breakpoint.bind(&self.control, &mut self.table, target) {
                failed.push((breakpoint.id, refused));
            }
        }
        failed
    }

    /// A thread that stands still begins to evaluate something. Its steps sleep until that is over.
    pub fn evaluation_begins(&mut self, target: &mut impl Debuggee, thread: ThreadId) {
        for stepper in self.steppers.iter_mut().filter(|stepper| stepper.thread == thread) {
            stepper.frozen = stepper.frozen.saturating_add(1);
        }
        self.evaluations.push(Evaluation { thread, bypass: target.bypass(thread) });
        target.set_bypass(thread, None);
        self.tell_method_enter(target);
    }

    /// It is over, by a value or by an exception. What was begun within it ends with it.
    pub fn evaluation_ends(&mut self, target: &mut impl Debuggee, thread: ThreadId) {
        let ended = self.take_steppers(thread, |_| true);
        for stepper in ended {
            self.withdraw(target, Owner::Stepper(stepper.id));
        }
        for stepper in self.steppers.iter_mut().filter(|stepper| stepper.thread == thread) {
            stepper.frozen = stepper.frozen.saturating_sub(1);
        }
        let nth = self.evaluations.iter().rposition(|evaluation| evaluation.thread == thread);
        let saved = nth.map(|nth| self.evaluations.remove(nth)).and_then(|saved| saved.bypass);
        target.set_bypass(thread, saved);
        self.tell_method_enter(target);
    }

    /// A thread has ended, and its name may be used again.
    pub fn thread_ended(&mut self, target: &mut impl Debuggee, thread: ThreadId) {
        let ended = self.steppers.extract_if(.., |stepper| stepper.thread == thread);
        let ended: Vec<Stepper> = ended.collect();
        for stepper in ended {
            self.withdraw(target, Owner::Stepper(stepper.id));
        }
        self.evaluations.retain(|evaluation| evaluation.thread != thread);
        self.handlers.retain(|handler| handler.thread != thread);
        self.tell_method_enter(target);
    }
}

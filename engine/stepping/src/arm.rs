//! How breakpoints come to where they are wanted: whose they are, where a step must wait, and what
//! becomes of one that cannot.

use softdock_process::Address;

use crate::breakpoint::Refused;
use crate::control::ExecutionControl;
use crate::debuggee::{Debuggee, Frame, ThreadId};
use crate::debugger::Debugger;
use crate::event::{Event, Reason, StepperId};
use crate::patch::{Owner, Row};
use crate::stepper::{Leaving, Mode, Stepper};

impl<E: ExecutionControl> Debugger<E> {
    /// Who wants to stop this thread here, each once.
    pub(crate) fn owners(&self, at: Address, thread: ThreadId, frame: &Frame) -> Vec<Owner> {
        let rows = self.table.at(at).map_or(&[][..], |site| &site.rows);
        let matches = |row: &&Row| {
            row.thread.is_none_or(|wanted| wanted == thread)
                && row.frame.is_none_or(|wanted| wanted == frame.owner)
        };
        let mut owners: Vec<Owner> = rows.iter().filter(matches).map(|row| row.owner).collect();
        owners.dedup();
        owners
    }

    /// Whether the program itself has a breakpoint there.
    pub(crate) fn is_own(&self, target: &mut impl Debuggee, at: Address) -> bool {
        match self.table.at(at) {
            Some(site) => site.is_own,
            None => self.control.is_breakpoint(target, at) == Ok(true),
        }
    }

    /// What is to be executed in the place of the breakpoint at this address, if there is one.
    pub(crate) fn instead(&self, target: &mut impl Debuggee, at: Address) -> Option<u32> {
        match self.table.at(at) {
            Some(site) => Some(site.original),
            None => self.is_own(target, at).then(|| self.control.nothing()),
        }
    }

    /// A breakpoint of this step was met by its thread.
    pub(crate) fn trigger(
        &mut self,
        target: &mut impl Debuggee,
        id: StepperId,
        at: Address,
        frame: &Frame,
    ) -> Option<Event> {
        let awake = |stepper: &Stepper| stepper.id == id && stepper.frozen == 0;
        let begins = |stepper: &&Stepper| stepper.begins == Some(at) && stepper.home == frame.owner;
        let nth = self.steppers.iter().position(awake)?;
        if self.steppers.get(nth).filter(begins).is_some() {
            // The thread was stopped before it fetched the instruction, not by a breakpoint there.
            return None;
        }
        let mut stepper = self.steppers.remove(nth);
        self.withdraw(target, Owner::Stepper(id));
        let (thread, reason) = (stepper.thread, stepper.reason(at, frame));
        let is_mapped = target.is_mapped(at);
        if stepper.ends_at(at, frame, is_mapped) {
            return Some(Event::Step { id, thread, at, reason });
        }
        stepper.go_on_from(at, frame, is_mapped);
        // A step that cannot go on ends: else it would become a run without end.
        let stuck = Event::Step { id, thread, at, reason: Reason::Stuck };
        self.arm(target, stepper, 0, frame).err().map(|_| stuck)
    }

    /// Lets the steps of a thread that whoever debugs has moved begin anew where it is now. Those
    /// whose frame was thrown away have come back to the caller, and end.
    pub(crate) fn follow(&mut self, target: &mut impl Debuggee, thread: ThreadId) -> Vec<Event> {
        let is_moved = is_moved(target, thread);
        let Some((nth, frame)) = place(target, thread, 0) else { return Vec::new() };
        let concerns = |stepper: &Stepper| {
            // A thread that was moved back is where it was, but its step began elsewhere.
            let is_elsewhere = is_moved || stepper.is_moved;
            let is_home = stepper.home == frame.owner && stepper.leaving != Leaving::Left;
            let stays = is_home && stepper.mode != Mode::Out;
            // One that has come back already, before the thread evaluated something, waits here.
            let is_known = stepper.begins == Some(frame.ip) || stepper.is_back_at(frame.ip);
            is_elsewhere && (stepper.home < frame.owner || stays && !is_known)
        };
        let mut events = Vec::new();
        for mut stepper in self.take_steppers(thread, concerns) {
            let id = stepper.id;
            self.withdraw(target, Owner::Stepper(id));
            stepper.awaited.clear();
            stepper.is_entering = false;
            if stepper.home < frame.owner {
                stepper.go_on_from(frame.ip, &frame, false);
                stepper.awaited.push((frame.ip, Reason::Return));
                events.extend(self.wait_at(target, stepper, (frame.ip, frame.owner), frame.ip));
                continue;
            }
            (stepper.begins, stepper.is_moved) = (Some(frame.ip), is_moved);
            stepper.came = Reason::Normal;
            let armed = self.arm(target, stepper, nth, &frame);
            let stuck = Event::Step { id, thread, at: frame.ip, reason: Reason::Stuck };
            events.extend(armed.err().map(|_| stuck));
        }
        self.tell_method_enter(target);
        events
    }

    /// Sets the breakpoints that this step needs where it is now.
    pub(crate) fn arm(
        &mut self,
        target: &mut impl Debuggee,
        mut stepper: Stepper,
        nth: usize,
        frame: &Frame,
    ) -> Result<(), Refused> {
        let instruction = self.table.instruction(target, frame.ip)?;
        let handlers = self.handlers.iter().filter(|handler| handler.thread == stepper.thread);
        let handlers: Vec<_> = handlers.map(|handler| (handler.at, handler.frame)).collect();
        let places = stepper.plan(target, nth, frame, &instruction, &handlers);
        let owner = Owner::Stepper(stepper.id);
        for (at, frame) in places {
            let row = Row { owner, thread: Some(stepper.thread), frame: Some(frame) };
            if let Err(error) = self.table.add(&self.control, target, at, row) {
                self.withdraw(target, owner);
                return Err(Refused::Patch(at, error));
            }
        }
        self.steppers.push(stepper);
        self.steppers.sort_by_key(|stepper| stepper.id);
        Ok(())
    }

    /// Lets a step that was taken out wait at one more place, in a frame, or ends it where that
    /// cannot be, `here`: else it would become a run without end.
    pub(crate) fn wait_at(
        &mut self,
        target: &mut impl Debuggee,
        stepper: Stepper,
        (at, frame): (Address, Address),
        here: Address,
    ) -> Option<Event> {
        let (id, thread) = (stepper.id, stepper.thread);
        let owner = Owner::Stepper(id);
        let row = Row { owner, thread: Some(thread), frame: Some(frame) };
        if self.table.add(&self.control, target, at, row).is_err() {
            self.withdraw(target, owner);
            return Some(Event::Step { id, thread, at: here, reason: Reason::Stuck });
        }
        self.steppers.push(stepper);
        self.steppers.sort_by_key(|stepper| stepper.id);
        None
    }

    /// Takes out the steps of a thread that are awake and of this kind.
    pub(crate) fn take_steppers(
        &mut self,
        thread: ThreadId,
        kind: impl Fn(&Stepper) -> bool,
    ) -> Vec<Stepper> {
        let wanted =
            |stepper: &Stepper| stepper.thread == thread && stepper.frozen == 0 && kind(stepper);
        self.steppers.extract_if(.., |stepper| wanted(stepper)).collect()
    }

    /// Removes the rows of somebody who does not ask whether that worked: what cannot be taken out
    /// of memory stops nobody any more, and is tried again later.
    pub(crate) fn withdraw(&mut self, target: &mut impl Debuggee, owner: Owner) {
        let _ = self.table.remove(&self.control, target, owner);
    }

    pub(crate) fn forget(
        &mut self,
        target: &mut impl Debuggee,
        owner: Owner,
    ) -> Result<(), Refused> {
        let removed = self.table.remove(&self.control, target, owner);
        removed.map_err(|(at, error)| Refused::Patch(at, error))
    }

    /// Methods tell that they are entered only while some step wants to know.
    pub(crate) fn tell_method_enter(&self, target: &mut impl Debuggee) {
        let wants = |stepper: &Stepper| stepper.is_entering && stepper.frozen == 0;
        target.tell_method_enter(self.steppers.iter().any(wants));
    }
}

/// Whether whoever debugs has moved this thread since it was stopped.
pub(crate) fn is_moved(target: &mut impl Debuggee, thread: ThreadId) -> bool {
    let was = target.frame(thread, 0).map(|frame| (frame.at, frame.ip));
    let now = target.context(thread).map(|context| (context.frame, context.ip));
    now.is_some() && now != was
}

/// A frame of a thread, the nth from where it will go on, and its number: whoever debugs may have
/// moved it, and thrown away frames by that. One whose handler runs goes on in there.
pub(crate) fn place(
    target: &mut impl Debuggee,
    thread: ThreadId,
    nth: usize,
) -> Option<(usize, Frame)> {
    let context = target.context(thread);
    let mut newest = 0_usize;
    if let Some(context) = context {
        while target.frame(thread, newest)?.at != context.frame {
            newest = newest.checked_add(1)?;
        }
    }
    let mut number = newest.checked_add(nth)?;
    let mut frame = target.frame(thread, number)?;
    while number > newest {
        let newer = target.frame(thread, number.checked_sub(1)?)?;
        if newer.owner != frame.owner {
            break;
        }
        (number, frame) = (number.checked_sub(1)?, newer);
    }
    match context.filter(|_| number == newest) {
        Some(context) => Some((number, Frame { ip: context.ip, is_calling: false, ..frame })),
        None => Some((number, frame)),
    }
}

//! What happens, in the order it happens: commands of whoever debugs, while the process stands
//! still; and what the interpreter tells while it runs.
//!
//! Every call here is made by one thread at a time, and writes bytecode only within the call: an
//! interpreter that runs on meanwhile sees a slot before or after, never half.

use softdock_process::{Address, ProcessMemory};

use crate::breakpoint::{Breakpoint, Place, Refused};
use crate::control::ExecutionControl;
use crate::debuggee::{Bypass, Debuggee, Frame, MethodId, ThreadId};
use crate::event::{BreakpointId, Event, Reason, StepperId};
use crate::patch::{Owner, PatchTable, Row, Site};
use crate::stepper::{Mode, Range, Stepper};

/// An evaluation under way, and what was interrupted by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Evaluation {
    thread: ThreadId,
    bypass: Option<Bypass>,
}

/// Where an exception is handled, once every `finally` on the way has run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Handler {
    thread: ThreadId,
    at: Address,
    /// The method frame.
    frame: Address,
}

/// A debugger of one process.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Debugger<E> {
    control: E,
    table: PatchTable,
    breakpoints: Vec<Breakpoint>,
    steppers: Vec<Stepper>,
    evaluations: Vec<Evaluation>,
    handlers: Vec<Handler>,
    last_breakpoint: u32,
    last_stepper: u32,
}

/// Commands.
impl<E: ExecutionControl> Debugger<E> {
    /// One that has set nothing.
    #[must_use]
    pub fn new(control: E) -> Debugger<E> {
        Debugger {
            control,
            table: PatchTable::default(),
            breakpoints: Vec::new(),
            steppers: Vec::new(),
            evaluations: Vec::new(),
            handlers: Vec::new(),
            last_breakpoint: 0,
            last_stepper: 0,
        }
    }

    /// Sets a breakpoint in every body of a method; one that is not loaded yet gets it by
    /// [`Debugger::method_loaded`].
    ///
    /// # Errors
    /// When it cannot be set in one of them.
    pub fn set_breakpoint(
        &mut self,
        target: &mut impl Debuggee,
        method: MethodId,
        place: Place,
    ) -> Result<BreakpointId, Refused> {
        self.last_breakpoint = self.last_breakpoint.saturating_add(1);
        let id = BreakpointId(self.last_breakpoint);
        let mut breakpoint = Breakpoint { id, method, place, bodies: Vec::new() };
        let bound = breakpoint.bind(&self.control, &mut self.table, target);
        if let Err(refused) = bound {
            self.withdraw(target, Owner::Breakpoint(id));
            return Err(refused);
        }
        self.breakpoints.push(breakpoint);
        Ok(id)
    }

    /// Removes a breakpoint.
    ///
    /// # Errors
    /// When there is none, or it cannot be taken out of memory: it stops nobody any more then.
    pub fn remove_breakpoint(
        &mut self,
        target: &mut impl Debuggee,
        id: BreakpointId,
    ) -> Result<(), Refused> {
        let nth = self.breakpoints.iter().position(|known| known.id == id);
        self.breakpoints.remove(nth.ok_or(Refused::Unknown)?);
        self.forget(target, Owner::Breakpoint(id))
    }

    /// Begins a step of a thread that stands still, in its nth frame, 0 being the newest. Without a
    /// range it is one instruction.
    ///
    /// # Errors
    /// When there is no such frame, its bytecode makes no sense, or a breakpoint cannot be set.
    pub fn step(
        &mut self,
        target: &mut impl Debuggee,
        thread: ThreadId,
        nth: usize,
        mode: Mode,
        range: Option<Range>,
    ) -> Result<StepperId, Refused> {
        let (nth, frame) = place(target, thread, nth).ok_or(Refused::NoFrame)?;
        self.last_stepper = self.last_stepper.saturating_add(1);
        let id = StepperId(self.last_stepper);
        let stepper = Stepper {
            id,
            thread,
            mode,
            range,
            home: frame.owner,
            is_entering: false,
            begins: (!frame.is_calling).then_some(frame.ip),
            awaited: Vec::new(),
            came: Reason::Normal,
            frozen: 0,
        };
        self.arm(target, stepper, nth, &frame)?;
        self.tell_method_enter(target);
        Ok(id)
    }

    /// Ends a step before its end.
    ///
    /// # Errors
    /// When there is none, or a breakpoint cannot be taken out of memory: it is over all the same.
    pub fn cancel_step(
        &mut self,
        target: &mut impl Debuggee,
        id: StepperId,
    ) -> Result<(), Refused> {
        let nth = self.steppers.iter().position(|known| known.id == id);
        self.steppers.remove(nth.ok_or(Refused::Unknown)?);
        self.tell_method_enter(target);
        self.forget(target, Owner::Stepper(id))
    }

    /// Lets go of the process: no breakpoint is left in memory that could be taken out.
    ///
    /// # Errors
    /// When one could not.
    pub fn detach(&mut self, target: &mut impl Debuggee) -> Result<(), Refused> {
        let breakpoints = self.breakpoints.drain(..).map(|known| Owner::Breakpoint(known.id));
        let steppers = self.steppers.drain(..).map(|known| Owner::Stepper(known.id));
        let owners: Vec<Owner> = breakpoints.chain(steppers).collect();
        for evaluation in &mut self.evaluations {
            evaluation.bypass = None;
        }
        self.tell_method_enter(target);
        owners.into_iter().map(|owner| self.forget(target, owner)).fold(Ok(()), Result::and)
    }

    /// The word at this address, as if there were no breakpoints.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn word(
        &self,
        target: &mut impl ProcessMemory,
        at: Address,
    ) -> Result<u32, softdock_process::MemoryError> {
        self.table.word(target, at)
    }

    /// Every address with a breakpoint in memory, in order.
    #[must_use]
    pub fn sites(&self) -> &[Site] {
        self.table.sites()
    }

    /// The steps under way, each with its thread.
    pub fn steps(&self) -> impl Iterator<Item = (StepperId, ThreadId)> + '_ {
        self.steppers.iter().map(|stepper| (stepper.id, stepper.thread))
    }
}

/// What the interpreter tells.
impl<E: ExecutionControl> Debugger<E> {
    /// A thread has met a breakpoint. Returns what is to be told: nothing, where it was meant for
    /// another thread or is gone already, or a step goes on from there.
    pub fn hit(&mut self, target: &mut impl Debuggee, thread: ThreadId) -> Vec<Event> {
        let Some(context) = target.context(thread) else { return Vec::new() };
        let Some(frame) = target.frame(thread, 0) else { return Vec::new() };
        let at = context.ip;
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
        let at = target.context(thread).map(|context| context.ip);
        let bypass = at.and_then(|at| Some(Bypass { at, opcode: self.instead(target, at)? }));
        target.set_bypass(thread, bypass);
        if bypass.is_some() {
            let awake = |stepper: &&mut Stepper| stepper.thread == thread && stepper.frozen == 0;
            self.steppers.iter_mut().filter(awake).for_each(|stepper| stepper.begins = None);
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
            stepper.is_entering = false;
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
            stepper.is_entering = false;
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
        for breakpoint in self.breakpoints.iter_mut().filter(|known| known.method == method) {
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
        let (ended, others) =
            std::mem::take(&mut self.steppers).into_iter().partition(|it| it.thread == thread);
        self.steppers = others;
        let ended: Vec<Stepper> = ended;
        for stepper in ended {
            self.withdraw(target, Owner::Stepper(stepper.id));
        }
        self.evaluations.retain(|evaluation| evaluation.thread != thread);
        self.handlers.retain(|handler| handler.thread != thread);
        self.tell_method_enter(target);
    }
}

/// How it is done.
impl<E: ExecutionControl> Debugger<E> {
    /// Who wants to stop this thread here, each once.
    fn owners(&self, at: Address, thread: ThreadId, frame: &Frame) -> Vec<Owner> {
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
    fn is_own(&self, target: &mut impl Debuggee, at: Address) -> bool {
        match self.table.at(at) {
            Some(site) => site.is_own,
            None => self.control.is_breakpoint(target, at) == Ok(true),
        }
    }

    /// What is to be executed in the place of the breakpoint at this address, if there is one.
    fn instead(&self, target: &mut impl Debuggee, at: Address) -> Option<u32> {
        match self.table.at(at) {
            Some(site) => Some(site.original),
            None => self.is_own(target, at).then(|| self.control.nothing()),
        }
    }

    /// A breakpoint of this step was met by its thread.
    fn trigger(
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
        if stepper.ends_at(at, frame, target.is_mapped(at)) {
            return Some(Event::Step { id, thread, at, reason });
        }
        stepper.go_on_from(at, frame);
        // A step that cannot go on ends: else it would become a run without end.
        let stuck = Event::Step { id, thread, at, reason: Reason::Stuck };
        self.arm(target, stepper, 0, frame).err().map(|_| stuck)
    }

    /// Lets the steps of a thread that whoever debugs has moved begin anew where it is now. Those
    /// whose frame was thrown away have come back to the caller, and end.
    fn follow(&mut self, target: &mut impl Debuggee, thread: ThreadId) -> Vec<Event> {
        let was = target.frame(thread, 0).map(|frame| (frame.at, frame.ip));
        let Some((nth, frame)) = place(target, thread, 0) else { return Vec::new() };
        if was == Some((frame.at, frame.ip)) {
            return Vec::new();
        }
        let concerns = |stepper: &Stepper| {
            let stays = stepper.home == frame.owner && stepper.mode != Mode::Out;
            stepper.home < frame.owner || stays && stepper.begins != Some(frame.ip)
        };
        let mut events = Vec::new();
        for mut stepper in self.take_steppers(thread, concerns) {
            let id = stepper.id;
            self.withdraw(target, Owner::Stepper(id));
            stepper.awaited.clear();
            stepper.is_entering = false;
            if stepper.home < frame.owner {
                stepper.go_on_from(frame.ip, &frame);
                events.extend(self.wait_at(target, stepper, (frame.ip, frame.owner), frame.ip));
                continue;
            }
            stepper.begins = Some(frame.ip);
            let armed = self.arm(target, stepper, nth, &frame);
            let stuck = Event::Step { id, thread, at: frame.ip, reason: Reason::Stuck };
            events.extend(armed.err().map(|_| stuck));
        }
        self.tell_method_enter(target);
        events
    }

    /// Sets the breakpoints that this step needs where it is now.
    fn arm(
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
    fn wait_at(
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
    fn take_steppers(&mut self, thread: ThreadId, kind: impl Fn(&Stepper) -> bool) -> Vec<Stepper> {
        let wanted =
            |stepper: &Stepper| stepper.thread == thread && stepper.frozen == 0 && kind(stepper);
        let (taken, left) = std::mem::take(&mut self.steppers).into_iter().partition(wanted);
        self.steppers = left;
        taken
    }

    /// Removes the rows of somebody who does not ask whether that worked: what cannot be taken out
    /// of memory stops nobody any more, and is tried again later.
    fn withdraw(&mut self, target: &mut impl Debuggee, owner: Owner) {
        let _ = self.table.remove(&self.control, target, owner);
    }

    fn forget(&mut self, target: &mut impl Debuggee, owner: Owner) -> Result<(), Refused> {
        let removed = self.table.remove(&self.control, target, owner);
        removed.map_err(|(at, error)| Refused::Patch(at, error))
    }

    /// Methods tell that they are entered only while some step wants to know.
    fn tell_method_enter(&self, target: &mut impl Debuggee) {
        let wants = |stepper: &Stepper| stepper.is_entering && stepper.frozen == 0;
        target.tell_method_enter(self.steppers.iter().any(wants));
    }
}

/// A frame of a thread, the nth from where it will go on, and its number: whoever debugs may have
/// moved it, and thrown away frames by that.
fn place(target: &mut impl Debuggee, thread: ThreadId, nth: usize) -> Option<(usize, Frame)> {
    let Some(context) = target.context(thread) else {
        return target.frame(thread, nth).map(|frame| (nth, frame));
    };
    let mut newest = 0_usize;
    while target.frame(thread, newest)?.at != context.frame {
        newest = newest.checked_add(1)?;
    }
    let sum = newest.checked_add(nth)?;
    let frame = target.frame(thread, sum)?;
    match nth {
        0 => Some((sum, Frame { ip: context.ip, is_calling: false, ..frame })),
        _ => Some((sum, frame)),
    }
}

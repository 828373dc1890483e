//! Who can move, and what a move does: a thread makes one transition, or the debugger does what it
//! does at a stop. What the engine is told is here; whether that is right is for the judge.

use std::rc::Rc;

use softdock_clr::{Did, Digest, Phase, Shared, Step, Vm};
use softdock_process::Address;
use softdock_stepping::{BreakpointId, Bytecode, Debugger, Event, Reason, ThreadId};

use super::judge::{
    Arrival, Violation, breakpoints_at, check_code, crashes, does_the_same, ends_as_well,
    is_pristine, is_torn,
};
use super::ledger::Ledger;
use super::plan::Plan;
use super::process::Process;
use super::reference::{Element, Reference};
use super::told::Told;
use crate::scenario::stepping::{Command, WriteFault};

/// Who moves: a thread, or the debugger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Mover {
    /// Whoever debugs, while the process stands still; and which of the commands it could choose.
    Debugger(usize),
    /// A thread of the target.
    Thread(u64),
}

/// What a thread has come to that the engine has not been told, or not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Wait {
    /// It has met a breakpoint.
    Scan,
    /// It has, and that was told to whoever is concerned.
    Resume,
    /// It enters a method.
    MethodEnter(Address),
    /// An exception will be handled at the first address, in the frame at the second.
    Unwinding(Address, Address, Reason),
}

/// What the last move was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Happened {
    /// The debugger did these of its commands, and what it chose where it had a choice.
    Commands(usize, usize, usize),
    /// An instruction was executed; `true` when a breakpoint lies over it.
    Executed(Step, bool),
    /// A breakpoint was fetched.
    Hit(Address),
    /// The engine was told of it; `true` when it stopped the process.
    Scanned(Address, bool),
    /// The engine was told of a method.
    Entering(Address),
    /// The engine was told of an exception.
    Unwinding(Address),
    /// The instruction will be fetched again.
    Stayed(Address),
    /// Something else.
    Other(&'static str),
}

/// A process that is debugged, at one moment.
#[derive(Clone, Debug)]
pub struct World {
    pub(super) process: Process,
    /// The same program without a debugger; `None` when that has changed something.
    pub(super) twin: Option<Shared<Vm>>,
    pub(super) debugger: Shared<Debugger<Bytecode>>,
    pub(super) waits: Vec<(u64, Wait)>,
    /// Whether it stands still, and the thread that was told of first.
    pub(super) stopped: Option<u64>,
    /// Transitions until a pause.
    pub(super) pause: Option<u32>,
    pub(super) next_command: usize,
    pub(super) is_detached: bool,
    pub(super) references: Vec<Reference>,
    pub(super) ledger: Shared<Ledger>,
    pub(super) arrivals: Vec<Shared<Arrival>>,
    /// What was told; `None` when nobody wants to know.
    told: Option<Shared<Vec<Told>>>,
    pub(super) broken: Vec<Violation>,
    /// What code and engine were when they were looked at last.
    looked_at: (u128, u128, bool),
    /// Whether the program is damaged for good: nothing moves any more.
    is_torn: bool,
    /// Whether a write has gone wrong that the scenario does not say.
    has_failed: bool,
    pub(super) happened: Happened,
}

impl World {
    /// The process before anything has run: the debugger moves first.
    #[must_use]
    pub fn new(plan: &Rc<Plan>) -> World {
        let process = Process::new(plan);
        let mut twin = process.vm.clone();
        twin.forget_output();
        World {
            twin: Some(Shared::new(twin)),
            process,
            debugger: Shared::new(Debugger::new(Bytecode)),
            waits: Vec::new(),
            stopped: Some(1),
            pause: None,
            next_command: 0,
            is_detached: false,
            references: Vec::new(),
            ledger: Shared::default(),
            arrivals: Vec::new(),
            told: Some(Shared::default()),
            broken: Vec::new(),
            looked_at: (0, 0, false),
            is_torn: false,
            has_failed: false,
            happened: Happened::Other(""),
        }
    }

    /// The same, but what it was told and what it wrote out is forgotten: that is past, and changes
    /// nothing, but would be copied with every state of an exploration.
    #[must_use]
    pub(super) fn forgetful(plan: &Rc<Plan>) -> World {
        let mut world = World::new(plan);
        world.told = None;
        world.process.vm.forget_output();
        world
    }

    /// The machine.
    #[must_use]
    pub const fn vm(&self) -> &Vm {
        &self.process.vm
    }

    /// The engine.
    #[must_use]
    pub fn debugger(&self) -> &Debugger<Bytecode> {
        &self.debugger
    }

    /// What it is a run of.
    #[must_use]
    pub fn plan(&self) -> &Plan {
        &self.process.plan
    }

    /// What the last move was.
    #[must_use]
    pub const fn happened(&self) -> Happened {
        self.happened
    }

    /// What was told so far.
    #[must_use]
    pub fn told(&self) -> &[Told] {
        self.told.as_deref().map_or(&[], Vec::as_slice)
    }

    pub(super) fn note(&mut self, told: impl IntoIterator<Item = Told>) {
        if let Some(known) = &mut self.told {
            known.extend(told);
        }
    }

    /// Promises that were broken so far.
    #[must_use]
    pub fn broken(&self) -> &[Violation] {
        &self.broken
    }

    /// Who can move now. Nobody, when all threads have ended.
    pub fn movers(&self) -> impl Iterator<Item = Mover> + '_ {
        let stands = self.stopped.is_some() || self.is_torn;
        let choices = if self.stopped.is_some() && !self.is_torn { self.choices() } else { 0 };
        let is_live = move |id: &u64| !stands && self.process.vm.phase(*id) != Phase::Ended;
        let threads = self.process.vm.threads().filter(is_live);
        (0..choices).map(Mover::Debugger).chain(threads.map(Mover::Thread))
    }

    /// Writes to the bytecode so far.
    pub(super) const fn writes(&self) -> u32 {
        self.process.writes
    }

    /// Whether one of them has gone wrong that the scenario does not say.
    pub(super) const fn has_failed(&self) -> bool {
        self.has_failed
    }

    /// Lets one that follows go wrong.
    pub(super) fn fails(&mut self, fault: Option<WriteFault>) {
        self.has_failed |= fault.is_some();
        self.process.faults.extend(fault);
    }

    /// Everything that the future depends on, in 128 bits: what was told is past. Of the twin only
    /// whether there is one, since it does what the process does.
    #[must_use]
    pub fn fingerprint(&self) -> u128 {
        let rest = (&self.debugger, &self.waits, self.stopped, self.pause, self.next_command);
        let steps: Vec<_> =
            self.references.iter().map(|it| it.nameless(&self.process.vm)).collect();
        let ghosts = (&self.arrivals, steps, &self.ledger);
        let has_twin = self.twin.is_some();
        let rest = (rest, self.process.rest(), self.has_failed, has_twin);
        self.process.vm.state_hash() ^ Digest::of(&(rest, ghosts)).rotate_left(17)
    }

    /// Lets somebody move.
    pub fn advance(&mut self, mover: Mover) {
        match mover {
            Mover::Debugger(choice) => self.debug(choice),
            Mover::Thread(thread) => self.run(thread),
        }
        self.broken.extend(self.process.torn.take().map(Violation::Torn));
        let looked_at = self.looked_at();
        if self.may_have_changed() || looked_at != self.looked_at {
            self.looked_at = looked_at;
            self.is_torn |= self.can_fail() && is_torn(&self.process.vm, &self.debugger);
            if !self.is_torn {
                self.broken.extend(check_code(&self.process.vm, &self.debugger));
                self.check_wishes();
            }
        }
        if !self.is_torn && self.stands_still() {
            self.broken.push(Violation::StandsStill);
        }
    }

    /// What code and engine are. They stay right for as long as nothing else is asked for.
    fn looked_at(&self) -> (u128, u128, bool) {
        let vm = &self.process.vm;
        (vm.memory().fingerprint(), self.debugger.digest(), vm.method_enter())
    }

    /// Whether something else may be wanted of them now: not where a thread runs, comes to a
    /// breakpoint and goes on.
    fn may_have_changed(&self) -> bool {
        match self.happened {
            Happened::Executed(Step { entered, .. }, _) => entered.is_some(),
            Happened::Hit(_) | Happened::Scanned(..) | Happened::Stayed(_) => false,
            Happened::Commands(from, to, _) => {
                self.plan().commands[from..to].iter().any(|command| *command != Command::Go)
            }
            _ => true,
        }
    }
}

/// Threads.
impl World {
    fn run(&mut self, thread: u64) {
        let nth = self.waits.iter().position(|(known, _)| *known == thread);
        match nth.map(|nth| self.waits.swap_remove(nth).1) {
            Some(Wait::Scan) => self.scan(thread),
            Some(Wait::Resume) => self.resume(thread),
            Some(Wait::MethodEnter(at)) => {
                let target = &mut self.process;
                let events = self.debugger.method_enter(target, ThreadId(thread), at);
                self.happened = Happened::Entering(at);
                self.process.vm.go_on(thread);
                self.tell(thread, &events);
            }
            Some(Wait::Unwinding(at, frame, reason)) => {
                let target = &mut self.process;
                let events = self.debugger.unwinding(target, ThreadId(thread), at, frame, reason);
                self.process.vm.go_on(thread);
                self.happened = Happened::Unwinding(at);
                self.tell(thread, &events);
            }
            None if self.process.vm.phase(thread) == Phase::Blocked => {
                self.process.vm.unblock(thread);
                self.happened = Happened::Other("comes back from a native call");
            }
            None => self.step(thread),
        }
        self.waits.sort_unstable_by_key(|(thread, _)| *thread);
        self.count_down();
    }

    /// A pause comes when its transitions are over, unless something else has stopped the process.
    fn count_down(&mut self) {
        match (self.pause, self.stopped) {
            (Some(0 | 1), None) => {
                self.pause = None;
                let live =
                    self.process.vm.threads().find(|id| self.process.vm.phase(*id) != Phase::Ended);
                self.stopped = live;
                self.note(live.map(|_| Told::Paused));
            }
            (Some(left), None) => self.pause = Some(left - 1),
            _ => self.pause = None,
        }
    }

    fn step(&mut self, thread: u64) {
        if self.process.vm.bypass(thread).is_some() {
            self.broken.push(Violation::StaleBypass(thread));
        }
        let did = self.process.vm.step(thread);
        self.did(thread, did);
    }

    fn did(&mut self, thread: u64, did: Did) {
        match did {
            Did::Executed(step) => self.executed(&step),
            Did::Hit { at } => self.arrives(thread, at),
            Did::MethodEnter { at, .. } => {
                self.fetched(thread, at);
                self.waits.push((thread, Wait::MethodEnter(at)));
                self.happened = Happened::Other("is about to enter a method");
            }
            Did::Filtering { filter, frame } => {
                self.thrown_to(thread, frame);
                self.waits.push((thread, Wait::Unwinding(filter, frame, Reason::Filter)));
                self.happened = Happened::Other("an exception comes to a filter");
            }
            Did::Unwinding { handler, frame } => {
                self.thrown_to(thread, frame);
                self.waits.push((thread, Wait::Unwinding(handler, frame, Reason::Handler)));
                self.happened = Happened::Other("an exception will be handled");
            }
            Did::Evaluated(result) => self.evaluated(thread, result),
            Did::Ended { unhandled } => self.ended(thread, unhandled),
            Did::Stayed => {
                let at =
                    self.process.vm.context(thread).map_or(Address::NULL, |context| context.ip);
                if self.debugger.sites().iter().all(|site| site.at != at) {
                    // Whatever is put there until it fetches again is new to it.
                    let nth = self.arrival(thread);
                    nth.map(|nth| self.arrivals.remove(nth));
                }
                self.happened = Happened::Stayed(at);
            }
            Did::Moved => self.happened = Happened::Other("goes on elsewhere"),
            Did::Unwound => self.happened = Happened::Other("an exception unwinds"),
            Did::Crashed(crash) => {
                if self.twin.as_mut().is_some_and(|twin| !crashes(twin, thread)) {
                    self.broken.push(Violation::Otherwise(thread));
                }
                self.note([Told::Crashed(thread, crash.why)]);
            }
            Did::Blocked => {
                let at = self.process.vm.context(thread).map(|context| context.ip);
                self.fetched(thread, at.unwrap_or(Address::NULL));
                self.happened = Happened::Other("waits in a native call");
            }
            Did::Waiting => self.happened = Happened::Other("waits"),
        }
    }

    /// An exception of this thread goes to this frame.
    fn thrown_to(&mut self, thread: u64, frame: Address) {
        let Some(activation) = self.process.vm.activation(thread, frame) else { return };
        let depth = self.process.vm.evaluations(thread);
        let mine = |known: &&mut Reference| known.thread == thread && known.depth == depth;
        self.references.iter_mut().filter(mine).for_each(|known| known.throws_to(activation));
    }

    /// It has fetched an instruction, and will execute that later. A breakpoint that comes in the
    /// meantime is too late for it.
    fn fetched(&mut self, thread: u64, at: Address) {
        if let Some(nth) = self.arrival(thread) {
            if self.arrivals[nth].at == at {
                return;
            }
            self.arrivals.remove(nth);
        }
        self.broken.extend(breakpoints_at(&self.debugger, at).map(Violation::Lost));
        let depth = self.process.vm.evaluations(thread);
        self.has_arrived(Arrival { thread, depth, at, owed: Vec::new(), told: Vec::new() });
    }

    fn has_arrived(&mut self, arrival: Arrival) {
        self.arrivals.push(Shared::new(arrival));
        self.arrivals.sort_unstable_by_key(|arrival| (arrival.thread, arrival.depth));
    }

    /// It has fetched a breakpoint. Which it must be told of is known from here on.
    fn arrives(&mut self, thread: u64, at: Address) {
        self.happened = Happened::Hit(at);
        let owed = breakpoints_at(&self.debugger, at).collect();
        let depth = self.process.vm.evaluations(thread);
        if let Some(nth) = self.arrival(thread) {
            let before = self.arrivals.remove(nth);
            if before.at == at && !before.told.is_empty() {
                self.broken.push(Violation::NoProgress(thread));
            }
        }
        self.has_arrived(Arrival { thread, depth, at, owed, told: Vec::new() });
        self.waits.push((thread, Wait::Scan));
    }

    fn scan(&mut self, thread: u64) {
        let events = match self.is_detached {
            false => self.tell_hit(thread),
            true => Vec::new(),
        };
        self.waits.push((thread, Wait::Resume));
        let at = self.process.vm.context(thread).map_or(Address::NULL, |context| context.ip);
        self.happened = Happened::Scanned(at, !events.is_empty());
        self.judge_scan(thread, &events);
        self.tell(thread, &events);
    }

    fn tell_hit(&mut self, thread: u64) -> Vec<Event> {
        let target = &mut self.process;
        self.debugger.update(|debugger| debugger.hit(target, ThreadId(thread)))
    }

    fn tell_resume(&mut self, thread: u64) -> Vec<Event> {
        let target = &mut self.process;
        self.debugger.update(|debugger| debugger.resume(target, ThreadId(thread)))
    }

    fn resume(&mut self, thread: u64) {
        let events = self.tell_resume(thread);
        self.move_references(thread);
        let Some(context) = self.process.vm.context(thread) else { return };
        let did = self.process.vm.resume(thread, context);
        if did == Did::Moved {
            let nth = self.arrival(thread);
            nth.map(|nth| self.arrivals.remove(nth));
        }
        self.did(thread, did);
        self.tell(thread, &events);
    }

    /// Lets the steps of a thread follow it, if it was moved.
    pub(super) fn move_references(&mut self, thread: u64) {
        if self.references.is_empty() || !self.process.is_moved(thread) {
            return;
        }
        let (before, after) = (self.process.vm.frames(thread), self.process.frames_to_be(thread));
        let depth = self.process.vm.evaluations(thread);
        let mine = |known: &&mut Reference| known.thread == thread && known.depth == depth;
        self.references.iter_mut().filter(mine).for_each(|known| known.moved(&before, &after));
    }

    /// The arrival of a thread in what it runs now.
    pub(super) fn arrival(&self, thread: u64) -> Option<usize> {
        let depth = self.process.vm.evaluations(thread);
        self.arrivals.iter().position(|known| (known.thread, known.depth) == (thread, depth))
    }

    fn executed(&mut self, step: &Step) {
        let Step { thread, method, slot, .. } = *step;
        let at = self.process.vm.program().address(method, slot);
        let is_under = self.debugger.sites().iter().any(|site| site.at == at);
        self.happened = Happened::Executed(*step, is_under);
        let arrival = self.arrival(thread).map(|nth| self.arrivals.remove(nth));
        // Who came after the thread had met a breakpoint there is not owed anything.
        let arrival = arrival.filter(|arrival| arrival.at == at);
        let is_owed = |id: &BreakpointId| {
            let known = arrival.as_ref();
            known.is_none_or(|known| known.owed.contains(id) && !known.told.contains(id))
        };
        let passed = breakpoints_at(&self.debugger, at).filter(is_owed);
        self.broken.extend(passed.map(Violation::Lost));
        if !is_pristine(&self.process.vm, step) {
            self.broken.push(Violation::Otherwise(thread));
        }
        if self.ledger.is_moved(thread) {
            self.broken.extend(self.ledger.executed(&self.process.vm, step));
        }
        if let Some(twin) = &mut self.twin
            && !does_the_same(twin, step)
        {
            self.broken.push(Violation::Otherwise(thread));
            self.twin = None;
        }
        let element = Element::executed(self.process.vm.program(), step);
        let depth = self.process.vm.evaluations(thread);
        let mine = |known: &&mut Reference| known.thread == thread && known.depth == depth;
        for reference in self.references.iter_mut().filter(mine) {
            if reference.ends_at(&element) {
                self.broken.push(Violation::TooLate(reference.id));
            }
            reference.executed(&element, step.entered, &self.process.vm);
        }
        if step.entered.is_some() {
            self.load(thread);
        }
    }

    /// A method without a body that is called gets one, before anybody runs it.
    fn load(&mut self, thread: u64) {
        let leaf = self.process.vm.frame(thread, 0);
        let Some(method) = leaf.and_then(|leaf| self.process.load(leaf.method)) else { return };
        if !self.is_detached {
            let failed = self.debugger.method_loaded(&mut self.process, method);
            failed.iter().for_each(|(id, _)| self.ledger.unbound(*id));
            self.note(failed.into_iter().map(|(id, why)| Told::Unbound(id, why)));
        }
    }

    fn evaluated(&mut self, thread: u64, result: Result<Option<i32>, i32>) {
        self.debugger.evaluation_ends(&mut self.process, ThreadId(thread));
        let (ledger, vm) = (&mut self.ledger, &self.process.vm);
        self.broken.extend(ledger.evaluated(vm, thread, self.is_detached));
        let depth = self.process.vm.evaluations(thread);
        self.references.retain(|known| known.thread != thread || known.depth <= depth);
        self.waits.push((thread, Wait::Resume));
        self.happened = Happened::Other("has evaluated");
        self.note([Told::Evaluated(thread, result)]);
        self.stopped = Some(thread);
    }

    fn ended(&mut self, thread: u64, unhandled: Option<i32>) {
        self.happened = Happened::Other("ends");
        self.debugger.thread_ended(&mut self.process, ThreadId(thread));
        self.references.retain(|known| known.thread != thread);
        self.ledger.ended(thread);
        self.arrivals.retain(|arrival| arrival.thread != thread);
        let orphans = self.debugger.steps().filter(|(_, owner)| owner.0 == thread);
        self.broken.extend(orphans.map(|(id, _)| Violation::Orphan(id)));
        if self.twin.as_mut().is_some_and(|twin| !ends_as_well(twin, thread, unhandled)) {
            self.broken.push(Violation::Otherwise(thread));
            self.twin = None;
        }
        if let Some(exception) = unhandled {
            self.note([Told::Ended(thread, exception)]);
        }
        self.start_again(thread);
    }

    /// Another thread takes the number of one that has ended.
    fn start_again(&mut self, thread: u64) {
        let earlier = self.ledger.came_again(thread);
        let mut again = self.plan().again.iter().filter(|(known, _)| *known == thread);
        let Some((_, method)) = again.nth(earlier).copied() else { return };
        self.ledger.comes_again(thread);
        self.process.vm.respawn(thread, method);
        if let Some(twin) = &mut self.twin {
            twin.respawn(thread, method);
        }
    }

    /// Stops the process, if there is something to tell.
    fn tell(&mut self, thread: u64, events: &[Event]) {
        if events.is_empty() {
            return;
        }
        for (nth, event) in events.iter().enumerate() {
            self.judge_step(thread, event);
            self.note([if nth == 0 { Told::Event(*event) } else { Told::Also(*event) }]);
        }
        self.stopped = Some(thread);
    }
}

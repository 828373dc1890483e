//! Who can move, and what a move does: a thread makes one transition, or the debugger does what it
//! does at a stop. What the engine is told is here; whether that is right is for the judge.

use std::fmt::Write as _;
use std::sync::Arc;

use softdock_clr::{Did, Phase, Step, Vm};
use softdock_process::Address;
use softdock_stepping::{BreakpointId, Bytecode, Debugger, Event, Reason, StepperId, ThreadId};

use super::judge::{Arrival, Violation, breakpoints_at, check_code, does_the_same};
use super::plan::Plan;
use super::reference::{Element, Reference};
use super::target::Target;

/// Who moves: a thread, or the debugger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Mover {
    /// Whoever debugs, while the process stands still.
    Debugger,
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
    /// The debugger did these of its commands.
    Commands(usize, usize),
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
    pub(super) plan: Arc<Plan>,
    pub(super) vm: Vm,
    /// The same program without a debugger; `None` when that has changed something.
    pub(super) twin: Option<Vm>,
    pub(super) debugger: Debugger<Bytecode>,
    pub(super) waits: Vec<(u64, Wait)>,
    /// Whether it stands still, and the thread that was told of first.
    pub(super) stopped: Option<u64>,
    /// Transitions until a pause.
    pub(super) pause: Option<u32>,
    pub(super) next_command: usize,
    pub(super) is_detached: bool,
    pub(super) breakpoints: Vec<BreakpointId>,
    pub(super) steps: Vec<StepperId>,
    pub(super) references: Vec<Reference>,
    arrivals: Vec<Arrival>,
    /// What was told, a line for each stop.
    pub(super) told: Vec<String>,
    broken: Vec<Violation>,
    /// The fingerprint of memory when it was last looked at.
    looked_at: u128,
    pub(super) happened: Happened,
}

impl World {
    /// The process before anything has run: the debugger moves first.
    #[must_use]
    pub fn new(plan: &Arc<Plan>) -> World {
        let vm = Vm::new(Arc::clone(&plan.program), &plan.threads);
        World {
            plan: Arc::clone(plan),
            twin: Some(vm.clone()),
            vm,
            debugger: Debugger::new(Bytecode),
            waits: Vec::new(),
            stopped: Some(1),
            pause: None,
            next_command: 0,
            is_detached: false,
            breakpoints: Vec::new(),
            steps: Vec::new(),
            references: Vec::new(),
            arrivals: Vec::new(),
            told: Vec::new(),
            broken: Vec::new(),
            looked_at: 0,
            happened: Happened::Other(""),
        }
    }

    /// The machine.
    #[must_use]
    pub const fn vm(&self) -> &Vm {
        &self.vm
    }

    /// The engine.
    #[must_use]
    pub const fn debugger(&self) -> &Debugger<Bytecode> {
        &self.debugger
    }

    /// What it is a run of.
    #[must_use]
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// What the last move was.
    #[must_use]
    pub const fn happened(&self) -> Happened {
        self.happened
    }

    /// What was told so far, a line for each stop.
    #[must_use]
    pub fn told(&self) -> &[String] {
        &self.told
    }

    /// Promises that were broken so far.
    #[must_use]
    pub fn broken(&self) -> &[Violation] {
        &self.broken
    }

    /// Who can move now. Nobody, when all threads have ended.
    #[must_use]
    pub fn movers(&self) -> Vec<Mover> {
        if self.stopped.is_some() {
            return vec![Mover::Debugger];
        }
        let live = self.vm.threads().filter(|id| self.vm.phase(*id) != Phase::Ended);
        live.map(Mover::Thread).collect()
    }

    /// Everything that the future depends on, in 128 bits.
    #[must_use]
    pub fn fingerprint(&self) -> u128 {
        let rest =
            (&self.debugger, &self.waits, self.stopped, self.pause, self.next_command, &self.told);
        let ghosts = (&self.steps, &self.breakpoints, &self.arrivals, self.references.len());
        self.vm.state_hash() ^ super::explore::hash(&(rest, ghosts)).rotate_left(17)
    }

    /// Lets somebody move.
    pub fn advance(&mut self, mover: Mover) {
        match mover {
            Mover::Debugger => self.debug(),
            Mover::Thread(thread) => self.run(thread),
        }
        if self.vm.memory().fingerprint() != self.looked_at || self.debugger.sites().is_empty() {
            self.looked_at = self.vm.memory().fingerprint();
            self.broken.extend(check_code(&self.vm, &self.debugger));
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
                let target = &mut Target(&mut self.vm);
                self.debugger.method_enter(target, ThreadId(thread), at);
                self.happened = Happened::Entering(at);
                self.vm.go_on(thread);
            }
            Some(Wait::Unwinding(at, frame, reason)) => {
                let target = &mut Target(&mut self.vm);
                let events = self.debugger.unwinding(target, ThreadId(thread), at, frame, reason);
                self.vm.go_on(thread);
                self.happened = Happened::Unwinding(at);
                self.tell(thread, &events);
            }
            None if self.vm.phase(thread) == Phase::Blocked => {
                self.vm.unblock(thread);
                self.happened = Happened::Other("comes back from a native call");
                if let Some(twin) = &mut self.twin {
                    twin.unblock(thread);
                }
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
                let live = self.vm.threads().find(|id| self.vm.phase(*id) != Phase::Ended);
                self.stopped = live;
                self.told.extend(live.map(|_| "paused".into()));
            }
            (Some(left), None) => self.pause = Some(left - 1),
            _ => self.pause = None,
        }
    }

    fn step(&mut self, thread: u64) {
        if self.vm.bypass(thread).is_some() {
            self.broken.push(Violation::StaleBypass(thread));
        }
        let did = self.vm.step(thread);
        self.did(thread, did);
    }

    fn did(&mut self, thread: u64, did: Did) {
        match did {
            Did::Executed(step) => self.executed(&step),
            Did::Hit { at } => self.arrives(thread, at),
            Did::MethodEnter { at, .. } => {
                self.waits.push((thread, Wait::MethodEnter(at)));
                self.happened = Happened::Other("is about to enter a method");
            }
            Did::Filtering { filter, frame } => {
                self.waits.push((thread, Wait::Unwinding(filter, frame, Reason::Filter)));
                self.happened = Happened::Other("an exception comes to a filter");
            }
            Did::Unwinding { handler, frame } => {
                self.waits.push((thread, Wait::Unwinding(handler, frame, Reason::Handler)));
                self.happened = Happened::Other("an exception will be handled");
            }
            Did::Evaluated(result) => self.evaluated(thread, result),
            Did::Ended { unhandled } => self.ended(thread, unhandled),
            Did::Stayed => {
                let at = self.vm.context(thread).map_or(Address::NULL, |context| context.ip);
                self.happened = Happened::Stayed(at);
            }
            Did::Moved => self.happened = Happened::Other("goes on elsewhere"),
            Did::Unwound => self.happened = Happened::Other("an exception unwinds"),
            Did::Crashed(crash) => {
                self.broken.push(Violation::Otherwise(thread));
                self.told.push(format!("thread {thread} crashed: {}", crash.why));
            }
            Did::Blocked => self.happened = Happened::Other("waits in a native call"),
            Did::Waiting => self.happened = Happened::Other("waits"),
        }
    }

    /// It has fetched a breakpoint. Which it must be told of is known from here on.
    fn arrives(&mut self, thread: u64, at: Address) {
        self.happened = Happened::Hit(at);
        let owed = breakpoints_at(&self.debugger, at);
        let before = self.arrivals.iter().position(|arrival| arrival.thread == thread);
        if let Some(nth) = before {
            let Arrival { at: old, told, .. } = self.arrivals.swap_remove(nth);
            if old == at && !told.is_empty() {
                self.broken.push(Violation::NoProgress(thread));
            }
        }
        self.arrivals.push(Arrival { thread, at, owed, told: Vec::new() });
        self.arrivals.sort_unstable_by_key(|arrival| arrival.thread);
        self.waits.push((thread, Wait::Scan));
    }

    fn scan(&mut self, thread: u64) {
        let events = self.debugger.hit(&mut Target(&mut self.vm), ThreadId(thread));
        self.waits.push((thread, Wait::Resume));
        let at = self.vm.context(thread).map_or(Address::NULL, |context| context.ip);
        self.happened = Happened::Scanned(at, !events.is_empty());
        self.judge_scan(thread, &events);
        self.tell(thread, &events);
    }

    fn judge_scan(&mut self, thread: u64, events: &[Event]) {
        let Some(nth) = self.arrivals.iter().position(|known| known.thread == thread) else {
            return;
        };
        let here = breakpoints_at(&self.debugger, self.arrivals[nth].at);
        for event in events {
            if let Event::Breakpoint { id, .. } = event {
                let told = &mut self.arrivals[nth].told;
                if told.contains(id) {
                    self.broken.push(Violation::Twice(*id));
                }
                told.push(*id);
                if !here.contains(id) {
                    self.broken.push(Violation::Removed(*id));
                }
            }
        }
        let Arrival { owed, told, .. } = &self.arrivals[nth];
        let lost = owed.iter().filter(|id| here.contains(id) && !told.contains(id));
        self.broken.extend(lost.map(|id| Violation::Lost(*id)));
    }

    fn resume(&mut self, thread: u64) {
        self.debugger.resume(&mut Target(&mut self.vm), ThreadId(thread));
        let Some(context) = self.vm.context(thread) else { return };
        let did = self.vm.resume(thread, context);
        if did == Did::Moved {
            self.arrivals.retain(|arrival| arrival.thread != thread);
        }
        self.did(thread, did);
    }

    fn executed(&mut self, step: &Step) {
        let Step { thread, method, slot, .. } = *step;
        let at = self.vm.program().address(method, slot);
        let is_under = self.debugger.sites().iter().any(|site| site.at == at);
        self.happened = Happened::Executed(*step, is_under);
        let arrival = self.arrivals.iter().position(|arrival| arrival.thread == thread);
        let arrival = arrival.map(|nth| self.arrivals.swap_remove(nth));
        self.arrivals.sort_unstable_by_key(|arrival| arrival.thread);
        if arrival.is_none_or(|arrival| arrival.at != at) {
            let passed = breakpoints_at(&self.debugger, at);
            self.broken.extend(passed.into_iter().map(Violation::Lost));
        }
        if let Some(twin) = &mut self.twin
            && !does_the_same(twin, step)
        {
            self.broken.push(Violation::Otherwise(thread));
            self.twin = None;
        }
        let element = self.element(step);
        let depth = self.depth(thread);
        let mine = |known: &&mut Reference| known.thread == thread && known.depth == depth;
        for reference in self.references.iter_mut().filter(mine) {
            if reference.ends_at(&element) {
                self.broken.push(Violation::TooLate(reference.id));
            }
            reference.executed(&element, step.entered);
        }
    }

    fn element(&self, step: &Step) -> Element {
        let Step { owner, method, slot, opcode, cleans_up, .. } = *step;
        let instruction = self.vm.program().methods()[method].instruction(slot);
        let mapped = instruction.is_some_and(|instruction| instruction.mapped);
        Element { owner, method, slot, opcode, mapped, cleans_up }
    }

    /// Evaluations under way in a thread.
    fn depth(&self, thread: u64) -> usize {
        let frames = self.vm.frames(thread);
        frames.iter().filter(|frame| frame.is_bottom_of_evaluation).count()
    }

    fn evaluated(&mut self, thread: u64, result: Result<Option<i32>, i32>) {
        self.debugger.evaluation_ends(&mut Target(&mut self.vm), ThreadId(thread));
        let depth = self.depth(thread);
        self.references.retain(|known| known.thread != thread || known.depth <= depth);
        self.waits.push((thread, Wait::Resume));
        self.happened = Happened::Other("has evaluated");
        let told = match result {
            Ok(Some(value)) => format!("evaluated {value}, thread {thread}"),
            Ok(None) => format!("evaluated, thread {thread}"),
            Err(exception) => format!("evaluation threw {exception}, thread {thread}"),
        };
        self.told.push(told);
        self.stopped = Some(thread);
    }

    fn ended(&mut self, thread: u64, unhandled: Option<i32>) {
        self.happened = Happened::Other("ends");
        self.debugger.thread_ended(&mut Target(&mut self.vm), ThreadId(thread));
        self.references.retain(|known| known.thread != thread);
        self.arrivals.retain(|arrival| arrival.thread != thread);
        let orphans = self.debugger.steps().filter(|(_, owner)| owner.0 == thread);
        self.broken.extend(orphans.map(|(id, _)| Violation::Orphan(id)));
        if let Some(exception) = unhandled {
            self.told.push(format!("thread {thread} ended by exception {exception}"));
        }
    }

    /// Stops the process, if there is something to tell.
    fn tell(&mut self, thread: u64, events: &[Event]) {
        if events.is_empty() {
            return;
        }
        let mut line = String::new();
        for event in events {
            if !line.is_empty() {
                line.push_str(" + ");
            }
            self.judge_step(thread, event);
            let _ = match event {
                Event::Breakpoint { id, thread, at } => {
                    write!(line, "breakpoint {}, thread {}, {}", id.0, thread.0, self.named(*at))
                }
                Event::Step { id, thread, at, reason } => {
                    let (at, reason) = (self.named(*at), reason.name());
                    write!(line, "step {} {reason}, thread {}, {at}", id.0, thread.0)
                }
            };
        }
        self.told.push(line);
        self.stopped = Some(thread);
    }

    /// Whether a step has ended where it must.
    fn judge_step(&mut self, thread: u64, event: &Event) {
        let Event::Step { id, at, reason, .. } = event else { return };
        let nth = self.references.iter().position(|known| known.id == *id);
        let Some(reference) = nth.map(|nth| self.references.remove(nth)) else {
            return self.broken.push(Violation::ForeignStep(*id));
        };
        if *reason == Reason::Stuck {
            return;
        }
        let frames = self.vm.frames(thread);
        let owner = frames.first().and_then(|leaf| {
            let owner = frames.iter().find(|frame| frame.address == leaf.owner)?;
            Some((owner.activation, leaf.cleans_up))
        });
        let place = self.vm.program().place(*at);
        let (Some((owner, cleans_up)), Some((method, slot))) = (owner, place) else { return };
        let instruction = self.vm.program().methods()[method].instruction(slot);
        let opcode = instruction.map_or(0, |instruction| instruction.opcode);
        let mapped = instruction.is_some_and(|instruction| instruction.mapped);
        let element = Element { owner, method, slot, opcode, mapped, cleans_up };
        if reference.thread != thread {
            self.broken.push(Violation::ForeignStep(*id));
        } else if !reference.ends_at(&element) {
            self.broken.push(Violation::TooEarly(*id));
        }
    }

    /// `LINE:6`.
    pub(super) fn named(&self, at: Address) -> String {
        let program = self.vm.program();
        match program.place(at) {
            Some((method, slot)) => format!("{}:{slot}", program.methods()[method].name()),
            None => at.to_string(),
        }
    }
}

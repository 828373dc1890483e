//! What whoever debugs has asked for, kept beside the engine: which breakpoints there must be,
//! where a thread was moved to, what an evaluation has interrupted, which refusals are right. The
//! engine's own lists are compared with it.

use softdock_clr::{Context, Phase, Step, Vm};
use softdock_memory::Unmapped;
use softdock_process::{Address, ErrorKind, MemoryError, ProcessMemory};
use softdock_stepping::{
    BreakpointId, Bytecode, Debuggee as _, Debugger, MethodId, Owner, Place, Refused, Site,
    StepperId,
};

use super::judge::Violation;
use super::process::Process;
use super::reference::Reference;
use super::told::Told;
use super::world::{Happened, World};
use crate::scenario::stepping::Command;

/// What the interpreter executes: an address, and the opcode for it.
type Bypass = Option<(Address, u32)>;

/// What was asked for and has not been done or undone.
#[derive(Clone, Debug, Default, Hash)]
pub(super) struct Ledger {
    breakpoints: Vec<Asked>,
    /// All breakpoints that ever were, and all steps, in order: commands tell them by their number.
    numbered: Vec<BreakpointId>,
    steps: Vec<StepperId>,
    moved: Vec<Moved>,
    /// What threads would have executed when they were made to evaluate something.
    interrupted: Vec<(u64, Bypass)>,
    /// Threads that were started with the number of an older one, in order.
    again: Vec<u64>,
}

/// A breakpoint.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Asked {
    id: BreakpointId,
    method: MethodId,
    place: Place,
    /// Whether it was told that it cannot be set in some body.
    is_partial: bool,
}

/// A thread that was moved, and has not executed anything since.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Moved {
    thread: u64,
    /// Evaluations under way then.
    evaluations: usize,
    ip: Address,
    /// Frames that are left.
    frames: usize,
}

/// What is compared with it after a move.
impl World {
    /// Whether a write may have gone wrong, so that something is left or refused.
    pub(super) fn can_fail(&self) -> bool {
        self.has_failed() || !self.plan().faults.is_empty()
    }

    /// A command was refused. Where no write can fail, that must have a reason.
    pub(super) fn refused(&mut self, thread: u64, command: &Command, refused: Refused) {
        let nth = self.next_command - 1;
        if !self.can_fail() && !is_right(&self.process.vm, thread, command, refused) {
            self.broken.push(Violation::Refused(nth));
        }
        self.note([Told::Refused(nth, refused)]);
    }

    /// Whether the engine wants what it was asked for, and nothing else.
    pub(super) fn check_wishes(&mut self) {
        let can_fail = self.can_fail();
        self.broken.extend(self.ledger.check(&mut self.process, &self.debugger, can_fail));
        let known = |id| self.references.iter().any(|known| known.id == id);
        let orphan = self.debugger.steps().find(|(id, _)| !known(*id));
        self.broken.extend(orphan.map(|(id, _)| Violation::Orphan(id)));
        let vm = &self.process.vm;
        let is_awake = |known: &Reference| known.depth == vm.evaluations(known.thread);
        let mut steps = self.references.iter().filter(|known| is_awake(known));
        if vm.method_enter() && !steps.any(Reference::may_go_in) {
            self.broken.push(Violation::MethodEnter);
        }
    }

    /// Whether nobody lets the process run again, or some thread of it.
    pub(super) fn stands_still(&self) -> bool {
        let vm = &self.process.vm;
        match (self.stopped, self.happened) {
            (None, _) => {
                let live = vm.threads().filter(|thread| vm.phase(*thread) != Phase::Ended);
                self.movers().count() != live.count()
            }
            (Some(_), Happened::Commands(first, last, _)) => first == last,
            _ => false,
        }
    }
}

/// Breakpoints and steps.
impl Ledger {
    pub(super) fn set(&mut self, id: BreakpointId, method: MethodId, place: Place) {
        self.breakpoints.push(Asked { id, method, place, is_partial: false });
        self.numbered.push(id);
    }

    /// The one with this number, from 1.
    pub(super) fn breakpoint(&self, nth: u32) -> Option<BreakpointId> {
        self.numbered.get(nth.checked_sub(1)? as usize).copied()
    }

    pub(super) fn begun(&mut self, id: StepperId) {
        self.steps.push(id);
    }

    /// The step with this number, from 1.
    pub(super) fn step(&self, nth: u32) -> Option<StepperId> {
        self.steps.get(nth.checked_sub(1)? as usize).copied()
    }

    pub(super) fn removed(&mut self, id: BreakpointId) {
        self.breakpoints.retain(|asked| asked.id != id);
    }

    pub(super) fn unbound(&mut self, id: BreakpointId) {
        let asked = self.breakpoints.iter_mut().find(|asked| asked.id == id);
        asked.into_iter().for_each(|asked| asked.is_partial = true);
    }

    pub(super) fn detached(&mut self) {
        self.breakpoints.clear();
    }

    /// Whether exactly those wait for threads who were asked to: every breakpoint in every body,
    /// the steps under way, and nobody else. `can_fail` where a write may have.
    pub(super) fn check(
        &self,
        process: &mut Process,
        debugger: &Debugger<Bytecode>,
        can_fail: bool,
    ) -> Option<Violation> {
        let waiting = |at: Address, id: BreakpointId| {
            let site = debugger.sites().iter().find(|site| site.at == at);
            let rows = site.into_iter().flat_map(|site| &site.rows);
            rows.into_iter().any(|row| row.owner == Owner::Breakpoint(id))
        };
        for asked in self.breakpoints.iter().filter(|asked| !asked.is_partial) {
            if asked.places(process).into_iter().any(|at| !waiting(at, asked.id)) {
                return Some(Violation::Unbound(asked.id));
            }
        }
        let mut is_wanted = |site: &Site| {
            let mut wants = |owner: Owner| match owner {
                Owner::Stepper(id) => debugger.steps().any(|(known, _)| known == id),
                Owner::Breakpoint(id) => {
                    let asked = self.breakpoints.iter().find(|asked| asked.id == id);
                    asked.is_some_and(|asked| asked.places(process).contains(&site.at))
                }
            };
            let is_left = site.rows.is_empty() && !can_fail;
            !is_left && site.rows.iter().all(|row| wants(row.owner))
        };
        let unwanted = debugger.sites().iter().find(|site| !is_wanted(site));
        unwanted.map(|site| Violation::LeftOver(site.at))
    }
}

impl Asked {
    /// Where it must be, as the compiler's notes tell it.
    fn places(&self, process: &mut Process) -> Vec<Address> {
        let mut places = Vec::new();
        while let Some(body) = process.body(self.method, places.len()) {
            let program = process.vm.program();
            let Some((method, _)) = program.place(body.start) else { break };
            let slot = match self.place {
                Place::Entry => program.methods()[method].entry().unwrap_or(0),
                Place::Slot(slot) => slot as u32,
            };
            places.push(program.address(method, slot));
        }
        places
    }
}

/// Threads.
impl Ledger {
    /// A thread will go on at this place.
    pub(super) fn moved(&mut self, vm: &Vm, thread: u64, to: Context) {
        let frames = vm.frames(thread);
        let evaluations = vm.evaluations(thread);
        self.moved.retain(|known| (known.thread, known.evaluations) != (thread, evaluations));
        let thrown = frames.iter().take_while(|frame| frame.address != to.frame).count();
        let frames = frames.len().saturating_sub(thrown);
        self.moved.push(Moved { thread, evaluations, ip: to.ip, frames });
    }

    /// Whether it will, and has not executed anything since.
    pub(super) fn is_moved(&self, thread: u64) -> bool {
        self.moved.iter().any(|known| known.thread == thread)
    }

    /// Whether what was executed first after that is what a thread was moved to.
    pub(super) fn executed(&mut self, vm: &Vm, step: &Step) -> Option<Violation> {
        let evaluations = vm.evaluations(step.thread);
        let mine = |known: &Moved| (known.thread, known.evaluations) == (step.thread, evaluations);
        let nth = self.moved.iter().position(mine)?;
        let Moved { ip, frames, .. } = self.moved.swap_remove(nth);
        let is_there = vm.program().address(step.method, step.slot) == ip && step.depth == frames;
        (!is_there).then_some(Violation::Elsewhere(step.thread))
    }

    pub(super) fn interrupted(&mut self, vm: &Vm, thread: u64) {
        self.interrupted.push((thread, vm.bypass(thread)));
    }

    /// Whether the thread is left as it was when it was made to evaluate something; when nobody
    /// debugs it any more, without a bypass.
    pub(super) fn evaluated(
        &mut self,
        vm: &Vm,
        thread: u64,
        is_detached: bool,
    ) -> Option<Violation> {
        let nth = self.interrupted.iter().rposition(|(known, _)| *known == thread)?;
        let (_, before) = self.interrupted.remove(nth);
        let wanted = before.filter(|_| !is_detached);
        (vm.bypass(thread) != wanted).then_some(Violation::Interrupted(thread))
    }

    pub(super) fn comes_again(&mut self, thread: u64) {
        self.again.push(thread);
    }

    /// How often a thread with this number has come again.
    pub(super) fn came_again(&self, thread: u64) -> usize {
        self.again.iter().filter(|known| **known == thread).count()
    }

    pub(super) fn ended(&mut self, thread: u64) {
        self.moved.retain(|known| known.thread != thread);
        self.interrupted.retain(|(known, _)| *known != thread);
    }
}

/// Whether a command had to be refused so, where no write can fail.
fn is_right(vm: &Vm, thread: u64, command: &Command, refused: Refused) -> bool {
    let (thread, nth) = match command {
        Command::Break(_) => return matches!(refused, Refused::NotAnInstruction(_)),
        Command::Step(_) | Command::StepRange(..) => (thread, 0),
        Command::StepFrame(_, thread, nth) => (*thread, *nth),
        _ => return !matches!(refused, Refused::Patch(..) | Refused::Undecodable(..)),
    };
    // Where it was moved, it may have fewer.
    let frames = vm.frames(thread);
    let newest = frames.first().map(|frame| frame.address);
    let is_moved = vm.context(thread).map(|context| context.frame) != newest;
    refused == Refused::NoFrame && (is_moved || nth >= frames.len())
}

/// Memory as it is, for whoever only reads.
pub(super) struct View<'v>(pub(super) &'v Vm);

impl ProcessMemory for View<'_> {
    fn read(&mut self, at: Address, into: &mut [u8]) -> Result<(), MemoryError> {
        let read = self.0.memory().peek_into(at, into);
        read.map_err(|_: Unmapped| MemoryError::untouched(ErrorKind::Denied, at, into.len()))
    }

    fn write(&mut self, at: Address, from: &[u8]) -> Result<(), MemoryError> {
        Err(MemoryError::untouched(ErrorKind::Denied, at, from.len()))
    }
}

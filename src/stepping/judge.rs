//! What must hold at every moment, whatever the engine thinks: the code, the breakpoints that are
//! told, and, for what the program itself does, a twin that nobody debugs.

use std::fmt;

use softdock_clr::{Did, Step, Vm, opcode};
use softdock_memory::Unmapped;
use softdock_process::Address;
use softdock_stepping::{BREAKPOINT, BreakpointId, Bytecode, Debugger, Owner, StepperId};

use super::ledger::View;

/// A promise that was broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Violation {
    /// A word of the program is neither what it was nor a breakpoint that is wanted there.
    Code(Address),
    /// What a breakpoint replaced was not kept.
    Original(Address),
    /// Nobody wants a breakpoint any more, and the program is not what it was.
    NotRestored,
    /// A breakpoint is told that was removed.
    Removed(BreakpointId),
    /// A thread has executed the instruction at a breakpoint, or gone past it, and nobody was told.
    Lost(BreakpointId),
    /// A breakpoint of the program's own was met and not told, or told and not met.
    OwnBreak(Address),
    /// A breakpoint is told twice for one arrival.
    Twice(BreakpointId),
    /// A step is told of that has ended, or to another thread.
    ForeignStep(StepperId),
    /// A step has ended where it must not.
    TooEarly(StepperId),
    /// A thread has executed what its step must end at.
    TooLate(StepperId),
    /// A step has ended where it must, and another reason is told.
    Reason(StepperId),
    /// A step is left of a thread, or of an evaluation, that has ended.
    Orphan(StepperId),
    /// A bypass is left where an instruction is fetched.
    StaleBypass(u64),
    /// A thread meets the same breakpoint again without having executed it.
    NoProgress(u64),
    /// The program does something else than without a debugger.
    Otherwise(u64),
    /// A breakpoint is not set where it was asked for.
    Unbound(BreakpointId),
    /// A breakpoint is in memory that nobody wants there.
    LeftOver(Address),
    /// Who reads memory through the engine sees something else than the program.
    View(Address),
    /// A word was written in parts: a thread can fetch what never was there.
    Torn(Address),
    /// Methods tell that they are entered, and no step wants to know.
    MethodEnter,
    /// A thread is said to be where it is not, or goes on elsewhere than where it was moved to.
    Elsewhere(u64),
    /// An evaluation has changed what the thread it interrupted will execute.
    Interrupted(u64),
    /// Whoever debugs has nothing more to do, and the process, or one of its threads, cannot run.
    StandsStill,
    /// A command, by its number, was refused for no reason.
    Refused(usize),
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Violation::Code(at) => write!(f, "the word at {at} is not the program's"),
            Violation::Original(at) => write!(f, "what the breakpoint at {at} replaced is lost"),
            Violation::NotRestored => f.write_str("no breakpoint is left, but the code is changed"),
            Violation::Removed(id) => write!(f, "breakpoint {} is told after its removal", id.0),
            Violation::Lost(id) => {
                write!(f, "nobody was told of an arrival at breakpoint {}", id.0)
            }
            Violation::OwnBreak(at) => {
                write!(f, "the program's own breakpoint at {at} is told wrong")
            }
            Violation::Twice(id) => write!(f, "breakpoint {} is told twice", id.0),
            Violation::ForeignStep(id) => write!(f, "step {} is told of somebody else", id.0),
            Violation::TooEarly(id) => write!(f, "step {} has ended too early", id.0),
            Violation::TooLate(id) => write!(f, "step {} has gone past its end", id.0),
            Violation::Reason(id) => write!(f, "step {} has ended for another reason", id.0),
            Violation::Orphan(id) => write!(f, "step {} outlives what it was a step of", id.0),
            Violation::StaleBypass(thread) => write!(f, "thread {thread} fetches with a bypass"),
            Violation::NoProgress(thread) => write!(f, "thread {thread} meets the same again"),
            Violation::Otherwise(thread) => {
                write!(f, "thread {thread} does something else than without a debugger")
            }
            Violation::Unbound(id) => write!(f, "breakpoint {} is not where it must be", id.0),
            Violation::LeftOver(at) => write!(f, "nobody wants the breakpoint at {at}"),
            Violation::View(at) => write!(f, "the word at {at} is told wrong"),
            Violation::Torn(at) => write!(f, "the word at {at} is written in parts"),
            Violation::MethodEnter => f.write_str("methods tell that they are entered for nobody"),
            Violation::Elsewhere(thread) => write!(f, "thread {thread} is not where it must be"),
            Violation::Interrupted(thread) => {
                write!(f, "thread {thread} is not as it was before it evaluated something")
            }
            Violation::StandsStill => {
                f.write_str("nobody lets the process, or a thread, run again")
            }
            Violation::Refused(nth) => write!(f, "command {} is refused for no reason", nth + 1),
        }
    }
}

/// A thread has fetched a breakpoint.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Arrival {
    pub(super) thread: u64,
    /// Evaluations under way then: they are over before it goes on.
    pub(super) depth: usize,
    pub(super) at: Address,
    /// The breakpoints that were there.
    pub(super) owed: Vec<BreakpointId>,
    /// Those that were told.
    pub(super) told: Vec<BreakpointId>,
}

/// The breakpoints at this address.
pub(super) fn breakpoints_at(
    debugger: &Debugger<Bytecode>,
    at: Address,
) -> impl Iterator<Item = BreakpointId> + '_ {
    let sites = debugger.sites().iter().filter(move |site| site.at == at);
    let owners = sites.flat_map(|site| &site.rows).map(|row| row.owner);
    owners.filter_map(|owner| match owner {
        Owner::Breakpoint(id) => Some(id),
        Owner::Stepper(_) => None,
    })
}

/// Whether a write that has gone wrong has left a word of the program that is neither what it was
/// nor a breakpoint, and the engine knows: what such a program does is nobody's promise.
pub(super) fn is_torn(vm: &Vm, debugger: &Debugger<Bytecode>) -> bool {
    let unwanted = debugger.sites().iter().filter(|site| site.rows.is_empty());
    let mut words = unwanted.map(|site| (word_at(vm, site.at), site.original));
    words.any(|(now, original)| now != Ok(BREAKPOINT) && now != Ok(original))
}

/// Every word of the program is what it was, or a breakpoint that somebody wants at the start of an
/// instruction, whose word was kept.
pub(super) fn check_code(vm: &Vm, debugger: &Debugger<Bytecode>) -> Option<Violation> {
    let sites = debugger.sites();
    if sites.is_empty() {
        return (vm.memory().fingerprint() != 0).then_some(Violation::NotRestored);
    }
    let program = vm.program();
    if let Some(site) = sites.iter().find(|site| program.place(site.at).is_none()) {
        return Some(Violation::Code(site.at));
    }
    for (nth, method) in program.methods().iter().enumerate() {
        for (slot, word) in (0..).zip(method.slots()) {
            let at = program.address(nth, slot);
            let site = sites.iter().find(|site| site.at == at);
            let now = word_at(vm, at);
            let is_start = method.instruction(slot).is_some();
            match site {
                None if now == Ok(*word) => {}
                Some(site) if site.is_own && now == Ok(*word) && *word == BREAKPOINT => {}
                Some(site) if site.original != *word => return Some(Violation::Original(at)),
                Some(_) if debugger.word(&mut View(vm), at) != Ok(*word) => {
                    return Some(Violation::View(at));
                }
                Some(_) if now == Ok(BREAKPOINT) && is_start => {}
                _ => return Some(Violation::Code(at)),
            }
        }
    }
    None
}

fn word_at(vm: &Vm, at: Address) -> Result<u32, Unmapped> {
    vm.memory().peek_u32(at)
}

/// Whether the program itself has a breakpoint there.
pub(super) fn is_own_break(vm: &Vm, at: Address) -> bool {
    let place = vm.program().place(at);
    let known = place.and_then(|(nth, slot)| vm.program().methods()[nth].instruction(slot));
    known.is_some_and(|instruction| instruction.opcode == opcode::BREAKPOINT)
}

/// Whether this is the program's own instruction: a breakpoint of its own does nothing.
pub(super) fn is_pristine(vm: &Vm, step: &Step) -> bool {
    let instruction = vm.program().methods()[step.method].instruction(step.slot);
    let wanted = instruction.map(|instruction| match instruction.opcode {
        opcode::BREAKPOINT => opcode::NOP,
        other => other,
    });
    wanted == Some(step.opcode)
}

/// Lets the twin do what the thread has done. Whether that is the same.
pub(super) fn does_the_same(twin: &mut Vm, step: &Step) -> bool {
    let Did::Executed(other) = goes_on(twin, step.thread) else { return false };
    let what = |step: &Step| (step.method, step.slot, step.opcode, step.emitted, step.left);
    what(&other) == what(step)
}

/// Lets the twin end a thread. Whether that was all it had to do, and it ends in the same way.
pub(super) fn ends_as_well(twin: &mut Vm, thread: u64, unhandled: Option<i32>) -> bool {
    goes_on(twin, thread) == Did::Ended { unhandled }
}

/// Whether the twin comes to grief as well: then it is the program's own doing.
pub(super) fn crashes(twin: &mut Vm, thread: u64) -> bool {
    matches!(goes_on(twin, thread), Did::Crashed(_))
}

/// Lets the twin go on up to what is compared: an instruction, or an end.
fn goes_on(twin: &mut Vm, thread: u64) -> Did {
    loop {
        match pass(twin, thread) {
            Did::Unwinding { .. } | Did::Filtering { .. } | Did::MethodEnter { .. } => {
                twin.go_on(thread);
            }
            Did::Blocked => drop(twin.unblock(thread)),
            Did::Unwound => {}
            did => return did,
        }
    }
}

/// A transition without a debugger: breakpoints of the program's own do nothing.
fn pass(twin: &mut Vm, thread: u64) -> Did {
    let did = twin.step(thread);
    if let Did::Hit { at } = did
        && let Some(context) = twin.context(thread)
    {
        twin.set_bypass(thread, Some((at, opcode::NOP)));
        return twin.resume(thread, context);
    }
    did
}

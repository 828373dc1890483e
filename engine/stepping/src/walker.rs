//! Where an instruction can lead: every address that may be executed next. It decodes what was
//! there before any breakpoint, and knows nothing of who asks.

use softdock_process::{Address, MemoryError, ProcessMemory};

use crate::ops::length;

/// Bytes of a slot.
const SLOT: u64 = 4;

/// The most cases of a jump table that are believed; more are damage.
const CASES_MAX: u64 = 1 << 16;

/// What an instruction does with control.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Walk {
    /// Goes on behind itself.
    Next,
    /// Jumps.
    Branch,
    /// Jumps, or goes on behind itself.
    Conditional,
    /// Jumps by a table, or goes on behind itself.
    Switch,
    /// Calls a method, and goes on behind itself.
    Call,
    /// Calls a method in the place of its own.
    TailCall,
    /// Leaves its frame.
    Return,
    /// Goes on elsewhere or leaves its frame: code that can be suspended.
    Suspend,
    /// Raises.
    Throw,
    /// A breakpoint of the program's own.
    Break,
}

impl Walk {
    /// Whether it can end its frame.
    #[must_use]
    pub const fn may_leave(self) -> bool {
        matches!(self, Walk::Return | Walk::TailCall | Walk::Suspend | Walk::Throw)
    }

    /// Whether it calls a method.
    #[must_use]
    pub const fn calls(self) -> bool {
        matches!(self, Walk::Call | Walk::TailCall)
    }
}

/// A decoded instruction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instruction {
    /// Where it is.
    pub at: Address,
    /// What it is.
    pub opcode: u32,
    /// What follows it in memory.
    pub next: Address,
    /// What it does with control.
    pub walk: Walk,
    /// Where it can lead within its method, each once.
    pub targets: Vec<Address>,
}

/// Why an instruction cannot be decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Undecodable {
    /// Its operands cannot be read.
    Memory(MemoryError),
    /// There is no such opcode.
    Unknown(u32),
    /// It leads out of the address space, or its table is absurd.
    OutOfRange,
}

const RET: u32 = 0;
const RET_VOID: u32 = 6;
const SWITCH: u32 = 55;
const BR: u32 = 57;
const BRFALSE_I4: u32 = 58;
const BRTRUE_I8: u32 = 61;
const BEQ_I4: u32 = 62;
const BLT_UN_R8: u32 = 101;
const CALL: u32 = 285;
const CALLDELEGATE: u32 = 287;
const CALLDELEGATE_TAIL: u32 = 288;
const CALLI: u32 = 289;
const NEWOBJ_VT: u32 = 294;
const CALL_TAIL: u32 = 295;
const CALLVIRT_TAIL: u32 = 297;
const CALL_FINALLY: u32 = 312;
const BREAKPOINT: u32 = 317;
const HALT: u32 = 318;
const THROW: u32 = 319;
const RETHROW: u32 = 320;
const LEAVE_FILTER: u32 = 321;
const LEAVE_CATCH: u32 = 322;
const THROW_PNSE: u32 = 324;
const SUSPEND: u32 = 331;
const RESUME: u32 = 332;
const RET_EXISTING_CONTINUATION: u32 = 336;

/// What this opcode does with control.
const fn walk(opcode: u32) -> Walk {
    match opcode {
        RET..=RET_VOID | LEAVE_FILTER => Walk::Return,
        CALLDELEGATE_TAIL | CALL_TAIL..=CALLVIRT_TAIL => Walk::TailCall,
        CALL..=CALLDELEGATE | CALLI..=NEWOBJ_VT => Walk::Call,
        BR | CALL_FINALLY | LEAVE_CATCH => Walk::Branch,
        BRFALSE_I4..=BRTRUE_I8 | BEQ_I4..=BLT_UN_R8 => Walk::Conditional,
        SWITCH => Walk::Switch,
        THROW | RETHROW | THROW_PNSE => Walk::Throw,
        SUSPEND | RET_EXISTING_CONTINUATION => Walk::Suspend,
        BREAKPOINT | HALT => Walk::Break,
        // `CHECK_FOR_CONTINUATION` jumps to a `HANDLE_CONTINUATION_RESUME` that only the
        // continuation names, at the very start of a method: nothing has been stepped by then.
        _ => Walk::Next,
    }
}

/// Decodes the instruction at this address, whose opcode is known: a breakpoint may lie over it.
/// Operands are read from memory, which no breakpoint ever touches.
///
/// # Errors
/// When there is no such instruction.
pub fn decode(
    memory: &mut impl ProcessMemory,
    at: Address,
    opcode: u32,
) -> Result<Instruction, Undecodable> {
    let slots = match opcode {
        SWITCH => cases(memory, at)?.saturating_add(3),
        _ => length(opcode).filter(|slots| *slots > 0).ok_or(Undecodable::Unknown(opcode))?,
    };
    let next = slot(at, slots)?;
    let walk = walk(opcode);
    let mut targets = match walk {
        Walk::Next | Walk::Call | Walk::Break => vec![next],
        Walk::Branch => vec![jump(memory, at, 1)?],
        // The displacement is the last operand, wherever that is.
        Walk::Conditional => vec![jump(memory, at, slots.saturating_sub(1))?, next],
        Walk::Switch => switch(memory, at, slots)?,
        Walk::Suspend if opcode == SUSPEND => vec![slot(next, length(RESUME).unwrap_or(0))?],
        Walk::Suspend => vec![next],
        // Where the method that is called in its place is no interpreted one it is called, and what
        // follows is a return: the step ends one instruction later, in the caller.
        Walk::TailCall | Walk::Return | Walk::Throw => Vec::new(),
    };
    targets.sort_unstable();
    targets.dedup();
    Ok(Instruction { at, opcode, next, walk, targets })
}

fn cases(memory: &mut impl ProcessMemory, at: Address) -> Result<u64, Undecodable> {
    let cases = u64::from(word(memory, slot(at, 2)?)?);
    if cases <= CASES_MAX { Ok(cases) } else { Err(Undecodable::OutOfRange) }
}

/// Every entry of the table is relative to its own slot, unlike all other displacements. (The
/// walker of CoreCLR takes them from the start of the instruction: `stepping/switch-case`.)
fn switch(
    memory: &mut impl ProcessMemory,
    at: Address,
    slots: u64,
) -> Result<Vec<Address>, Undecodable> {
    let mut targets = vec![slot(at, slots)?];
    for nth in 3..slots {
        targets.push(jump(memory, slot(at, nth)?, 0)?);
    }
    Ok(targets)
}

/// The address that the displacement in this slot leads to, counted in slots from `from`.
fn jump(memory: &mut impl ProcessMemory, from: Address, nth: u64) -> Result<Address, Undecodable> {
    let slots = i64::from(word(memory, slot(from, nth)?)?.cast_signed());
    let bytes = slots.checked_mul(4).ok_or(Undecodable::OutOfRange)?;
    let target = from.get().checked_add_signed(bytes);
    target.map(Address::new).ok_or(Undecodable::OutOfRange)
}

fn word(memory: &mut impl ProcessMemory, at: Address) -> Result<u32, Undecodable> {
    memory.read_u32(at).map_err(Undecodable::Memory)
}

fn slot(at: Address, nth: u64) -> Result<Address, Undecodable> {
    let bytes = nth.checked_mul(SLOT).ok_or(Undecodable::OutOfRange)?;
    at.checked_add(bytes).ok_or(Undecodable::OutOfRange)
}

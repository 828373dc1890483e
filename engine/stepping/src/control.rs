//! How a breakpoint gets into memory, and out of it. There are two ways to say "stop here": a word
//! that is an opcode of the interpreter's own, and a byte that is an instruction of the processor.
//! Who wants it, and how many, is for `patch`.
//!
//! Nothing is believed to be written before it was read back. Folklore: where pages are signed, the
//! write of a breakpoint is reported done and does not land, or kills the process when it is met
//! (dotnet/runtime#133577); a breakpoint that is reported set must be set.

use softdock_process::{Address, ErrorKind, ProcessMemory};

use crate::ops;

/// Why a breakpoint could not be put into memory, or taken out of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PatchError {
    /// Memory could not be reached; what was there is there.
    Memory(ErrorKind),
    /// There is a breakpoint already, and nobody knows what it replaced.
    AlreadyBreakpoint,
    /// Something else is in memory than what was written; what was there is there again.
    NotWritten,
    /// Part of it was written, and cannot be taken back. This is what was there before.
    Torn(u32),
}

/// One way to put breakpoints into code.
pub trait ExecutionControl {
    /// What stands in for a breakpoint of the program's own: something that does nothing.
    fn nothing(&self) -> u32;

    /// Whether there is a breakpoint at this address, whoever put it there.
    ///
    /// # Errors
    /// When memory cannot be read.
    fn is_breakpoint(
        &self,
        memory: &mut impl ProcessMemory,
        at: Address,
    ) -> Result<bool, ErrorKind>;

    /// Puts a breakpoint there, and returns what it replaced.
    ///
    /// # Errors
    /// As [`PatchError`] says.
    fn apply(&self, memory: &mut impl ProcessMemory, at: Address) -> Result<u32, PatchError>;

    /// Puts back what was there.
    ///
    /// # Errors
    /// As [`PatchError`] says; the breakpoint is still there then, or something torn.
    fn unapply(
        &self,
        memory: &mut impl ProcessMemory,
        at: Address,
        original: u32,
    ) -> Result<(), PatchError>;
}

/// The opcode `BREAKPOINT` in a slot of 32 bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Bytecode;

/// One byte, as x86's `int3`: in the code of a compiler, beside an interpreter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Native;

/// `int3` of x86.
const INT3: u8 = 0xcc;

/// `nop` of x86.
const NOP: u8 = 0x90;

impl ExecutionControl for Bytecode {
    fn nothing(&self) -> u32 {
        ops::NOP
    }

    fn is_breakpoint(
        &self,
        memory: &mut impl ProcessMemory,
        at: Address,
    ) -> Result<bool, ErrorKind> {
        holds(memory, at, ops::BREAKPOINT.to_le_bytes())
    }

    fn apply(&self, memory: &mut impl ProcessMemory, at: Address) -> Result<u32, PatchError> {
        let breakpoint = ops::BREAKPOINT.to_le_bytes();
        replace(memory, at, breakpoint).map(u32::from_le_bytes)
    }

    fn unapply(
        &self,
        memory: &mut impl ProcessMemory,
        at: Address,
        original: u32,
    ) -> Result<(), PatchError> {
        put(memory, at, original.to_le_bytes(), ops::BREAKPOINT.to_le_bytes())
    }
}

impl ExecutionControl for Native {
    fn nothing(&self) -> u32 {
        NOP.into()
    }

    fn is_breakpoint(
        &self,
        memory: &mut impl ProcessMemory,
        at: Address,
    ) -> Result<bool, ErrorKind> {
        holds(memory, at, [INT3])
    }

    fn apply(&self, memory: &mut impl ProcessMemory, at: Address) -> Result<u32, PatchError> {
        replace(memory, at, [INT3]).map(|[byte]| u32::from(byte))
    }

    fn unapply(
        &self,
        memory: &mut impl ProcessMemory,
        at: Address,
        original: u32,
    ) -> Result<(), PatchError> {
        let [byte, ..] = original.to_le_bytes();
        put(memory, at, [byte], [INT3])
    }
}

/// Reads what is there, and puts the breakpoint in its place.
fn replace<const N: usize>(
    memory: &mut impl ProcessMemory,
    at: Address,
    breakpoint: [u8; N],
) -> Result<[u8; N], PatchError> {
    let mut original = [0; N];
    memory.read(at, &mut original).map_err(|error| PatchError::Memory(error.kind))?;
    if original == breakpoint {
        return Err(PatchError::AlreadyBreakpoint);
    }
    put(memory, at, breakpoint, original).map(|()| original)
}

/// Writes, reads back, and where that shows something else, puts `before` back.
fn put<const N: usize>(
    memory: &mut impl ProcessMemory,
    at: Address,
    wanted: [u8; N],
    before: [u8; N],
) -> Result<(), PatchError> {
    let written = memory.write(at, &wanted);
    match (holds(memory, at, wanted), written) {
        (Ok(true), _) => Ok(()),
        (Ok(false), Ok(())) => take_back(memory, at, before, PatchError::NotWritten),
        (_, Err(error)) => take_back(memory, at, before, PatchError::Memory(error.kind)),
        // It was written, as far as anybody was told, and cannot be looked at.
        (Err(kind), Ok(())) => take_back(memory, at, before, PatchError::Memory(kind)),
    }
}

fn take_back<const N: usize>(
    memory: &mut impl ProcessMemory,
    at: Address,
    before: [u8; N],
    why: PatchError,
) -> Result<(), PatchError> {
    if holds(memory, at, before) == Ok(true) {
        return Err(why);
    }
    // Whether this worked is told by what is there afterwards.
    let _ = memory.write(at, &before);
    let restored = holds(memory, at, before) == Ok(true);
    let mut word = [0; 4];
    word.iter_mut().zip(before).for_each(|(to, byte)| *to = byte);
    Err(if restored { why } else { PatchError::Torn(u32::from_le_bytes(word)) })
}

fn holds<const N: usize>(
    memory: &mut impl ProcessMemory,
    at: Address,
    wanted: [u8; N],
) -> Result<bool, ErrorKind> {
    let mut found = [0; N];
    memory.read(at, &mut found).map_err(|error| error.kind)?;
    Ok(found == wanted)
}

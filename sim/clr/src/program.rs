//! A program as it lies in memory: methods, their slots, and what a compiler would have noted of
//! them. It executes nothing and never changes once it is assembled.

use softdock_memory::{AddressSpace, PAGE_BYTES, Protection};
use softdock_process::Address;

/// Where the first method lies.
const CODE: u64 = 0x1000_0000;

/// Where the descriptors would lie that the headers point to; nothing is mapped there.
const DESCRIPTORS: u64 = 0x6000_0000;

/// Bytes of the header before the first slot: a pointer to the method's descriptor.
pub const HEADER_BYTES: u64 = 8;

/// Bytes of a slot.
pub const SLOT_BYTES: u64 = 4;

/// What a handler is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ClauseKind {
    /// It takes every exception.
    Catch,
    /// It is run whichever way the range is left, and takes nothing.
    Finally,
    /// It takes the exceptions that the code from this slot on says yes to.
    Filter(u32),
}

/// A protected range of a method and its handler. Inner clauses come before outer ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clause {
    /// What the handler is for.
    pub kind: ClauseKind,
    /// The first slot of the range.
    pub from: u32,
    /// The first slot after the range.
    pub to: u32,
    /// The first slot of the handler.
    pub handler: u32,
}

impl Clause {
    pub(crate) fn covers(&self, slot: u32) -> bool {
        (self.from..self.to).contains(&slot)
    }

    /// Whether what this clause's handler throws is this other, later clause's business. Two
    /// handlers of one range are siblings, but a `finally` is no one's sibling.
    pub(crate) fn lies_within(&self, other: &Clause) -> bool {
        let same = self.from == other.from && self.to == other.to;
        let siblings =
            same && self.kind != ClauseKind::Finally && other.kind != ClauseKind::Finally;
        other.from <= self.from && self.to <= other.to && !siblings
    }
}

/// An instruction, as a compiler's notes tell it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instruction {
    /// The slot of its opcode.
    pub slot: u32,
    /// Its opcode.
    pub opcode: u32,
    /// Its line in the program text, from 1.
    pub line: u32,
    /// That line, trimmed and without its comment.
    pub text: String,
    /// Whether it belongs to a source line, so that a debugger may stop at it.
    pub mapped: bool,
}

/// A method.
#[derive(Clone, Debug)]
pub struct Method {
    pub(crate) name: String,
    pub(crate) args: u32,
    pub(crate) locals: u32,
    pub(crate) slots: Vec<u32>,
    pub(crate) instructions: Vec<Instruction>,
    pub(crate) clauses: Vec<Clause>,
    pub(crate) entry: Option<u32>,
    pub(crate) at: Address,
}

impl Method {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How many of its variables, from the first on, a caller fills.
    #[must_use]
    pub fn args(&self) -> u32 {
        self.args
    }

    /// How many variables it has, arguments among them.
    #[must_use]
    pub fn locals(&self) -> u32 {
        self.locals
    }

    /// Its slots, as they were assembled.
    #[must_use]
    pub fn slots(&self) -> &[u32] {
        &self.slots
    }

    /// Its instructions, in order of slots.
    #[must_use]
    pub fn instructions(&self) -> &[Instruction] {
        &self.instructions
    }

    /// The slots that hold an opcode, in order.
    pub fn starts(&self) -> impl Iterator<Item = u32> + '_ {
        self.instructions.iter().map(|instruction| instruction.slot)
    }

    /// The instruction that starts at this slot.
    #[must_use]
    pub fn instruction(&self, slot: u32) -> Option<&Instruction> {
        let found = self.instructions.binary_search_by_key(&slot, |known| known.slot);
        found.ok().map(|index| &self.instructions[index])
    }

    /// Its protected ranges, inner before outer.
    #[must_use]
    pub fn clauses(&self) -> &[Clause] {
        &self.clauses
    }

    /// The first sequence point, as the operand of its `DEBUG_METHOD_ENTER` tells it.
    #[must_use]
    pub fn entry(&self) -> Option<u32> {
        self.entry
    }

    /// The address of its header; the slots follow it.
    #[must_use]
    pub fn at(&self) -> Address {
        self.at
    }

    pub(crate) fn bytes(&self) -> u64 {
        HEADER_BYTES + self.slots.len() as u64 * SLOT_BYTES
    }

    /// The address of a slot, whether the method has that many or not.
    pub(crate) fn address(&self, slot: u32) -> Address {
        Address::new(self.at.get() + HEADER_BYTES + u64::from(slot) * SLOT_BYTES)
    }
}

/// An assembled program.
#[derive(Clone, Debug)]
pub struct Program {
    methods: Vec<Method>,
}

impl Program {
    /// Gives each method its place, one after the other.
    pub(crate) fn new(mut methods: Vec<Method>) -> Program {
        let mut at = CODE;
        for method in &mut methods {
            method.at = Address::new(at);
            at = (at + method.bytes()).next_multiple_of(16);
        }
        Program { methods }
    }

    /// Its methods; a method's number is its index here.
    #[must_use]
    pub fn methods(&self) -> &[Method] {
        &self.methods
    }

    /// The number of the method with this name.
    #[must_use]
    pub fn method(&self, name: &str) -> Option<usize> {
        self.methods.iter().position(|method| method.name == name)
    }

    /// The address of a slot of a method; null when there is no such method.
    #[must_use]
    pub fn address(&self, method: usize, slot: u32) -> Address {
        self.methods.get(method).map_or(Address::NULL, |method| method.address(slot))
    }

    /// The method and the slot at this address; `None` for a header, for the middle of a slot,
    /// and for what is no code.
    #[must_use]
    pub fn place(&self, at: Address) -> Option<(usize, u32)> {
        let index = self.methods.partition_point(|method| method.at <= at).checked_sub(1)?;
        let offset = at.checked_sub(self.methods[index].address(0))?;
        let slot = u32::try_from(offset / SLOT_BYTES).ok()?;
        let inside = offset.is_multiple_of(SLOT_BYTES) && u64::from(slot) < self.len(index);
        inside.then_some((index, slot))
    }

    fn len(&self, method: usize) -> u64 {
        self.methods[method].slots.len() as u64
    }

    /// A memory with nothing but the program in it, which is its checkpoint.
    pub(crate) fn load(&self) -> AddressSpace {
        let mut memory = AddressSpace::new();
        let end = self.methods.last().map_or(CODE, |last| last.at.get() + last.bytes());
        let len = (end - CODE).next_multiple_of(PAGE_BYTES).max(PAGE_BYTES);
        memory
            .map(Address::new(CODE), len, Protection::ReadWrite)
            .expect("whole pages fit in an empty space");
        for (index, method) in self.methods.iter().enumerate() {
            let descriptor = DESCRIPTORS + 64 * index as u64;
            let mut bytes = descriptor.to_le_bytes().to_vec();
            bytes.extend(method.slots.iter().flat_map(|slot| slot.to_le_bytes()));
            memory.poke(method.at, &bytes).expect("the pages were mapped just now");
        }
        memory.checkpoint();
        memory
    }
}

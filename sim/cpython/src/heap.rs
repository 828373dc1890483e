//! The allocator of the fake process: where blocks are, never what is in them. Blocks lie one
//! behind the other, so that a write past the end of one hits the next.

use softdock_memory::PAGE_BYTES;
use softdock_process::Address;

/// Between two blocks, as an allocator keeps its sizes there.
const HEADER_BYTES: u64 = 16;

/// Blocks start 8 bytes off a multiple of 16.
///
/// Folklore: thread states and interpreters of real processes are only 8-byte aligned (addresses
/// that end in ee8, 018 and 910 were seen in CPython 3.14.10); a reader that demands more refuses
/// healthy targets.
const SKEW_BYTES: u64 = 8;

/// The heap grows by at least this much at a time, as glibc grows it by default. It is kept small
/// so that whoever searches writable memory has about as much to search as in a real process.
const GROWTH_BYTES: u64 = 0x2_1000;

#[derive(Clone, Debug)]
pub(crate) struct Heap {
    next: u64,
    mapped: u64,
    end: u64,
    free: Vec<(Address, u64)>,
}

impl Heap {
    /// A heap that may grow to `len` bytes, and has nothing mapped yet.
    pub(crate) const fn new(start: Address, len: u64) -> Heap {
        let next = start.get() + HEADER_BYTES + SKEW_BYTES;
        Heap { next, mapped: start.get(), end: start.get() + len, free: Vec::new() }
    }

    /// A block of this size: the one freed last, if it fits exactly, as with size classes.
    pub(crate) fn take(&mut self, len: u64) -> Option<Address> {
        let len = len.next_multiple_of(16);
        if let Some(index) = self.free.iter().rposition(|(_, free)| *free == len) {
            return Some(self.free.remove(index).0);
        }
        let at = self.next;
        let next = at.checked_add(len)?.checked_add(HEADER_BYTES)?;
        if next > self.end {
            return None;
        }
        self.next = next;
        Some(Address::new(at))
    }

    /// The pages that must be mapped for what was taken, if there are any; they count as mapped
    /// from here on.
    pub(crate) fn growth(&mut self) -> Option<(Address, u64)> {
        let missing = self.next.checked_sub(self.mapped).filter(|missing| *missing > 0)?;
        let len = missing.max(GROWTH_BYTES).next_multiple_of(PAGE_BYTES);
        let start = Address::new(self.mapped);
        self.mapped += len;
        Some((start, len))
    }

    pub(crate) fn give(&mut self, at: Address, len: u64) {
        self.free.push((at, len.next_multiple_of(16)));
    }

    /// Takes the freed block at this address, and returns its length.
    pub(crate) fn take_at(&mut self, at: Address) -> Option<u64> {
        let index = self.free.iter().position(|(free, _)| *free == at)?;
        Some(self.free.remove(index).1)
    }

    /// Blocks that were freed and not yet taken again, longest ago first.
    pub(crate) fn freed(&self) -> impl Iterator<Item = Address> + '_ {
        self.free.iter().map(|(at, _)| *at)
    }
}

//! What every backend of [`ProcessMemory`] must do, as functions that its tests run: the virtual
//! address space and a real child process pass the same ones, so that the fake cannot drift from
//! the system it stands for.
//!
//! These functions assert: they are for tests. To use them, lay out a [`Ground`] in the target
//! and call [`check`].

#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::as_conversions,
    reason = "test code: a wrong index is a failed test"
)]

use crate::{Address, ErrorKind, MemoryError, ProcessMemory};

/// The pages a backend lays out for the contract, in this order, each [`Ground::page`] bytes:
///
/// | page | what |
/// |---|---|
/// | 0, 1 | readable and writable |
/// | 2 | readable only |
/// | 3 | nothing mapped |
/// | 4 | readable and writable |
/// | 5 | mapped, no access at all |
///
/// Byte `i` of the ground holds [`Ground::pattern`]`(i)` wherever it is readable.
#[derive(Clone, Copy, Debug)]
pub struct Ground {
    /// Where page 0 starts.
    pub base: Address,
    /// Bytes a page.
    pub page: usize,
}

impl Ground {
    /// Pages the ground has, mapped or not.
    pub const PAGES: usize = 6;

    /// What byte `index` of the ground holds at first: never 0, and different from one page to
    /// the next, so that a read from the wrong place is seen.
    #[must_use]
    pub const fn pattern(index: usize) -> u8 {
        (index.wrapping_mul(7).wrapping_add(index >> 12) % 251) as u8 + 1
    }

    fn at(&self, page: usize, offset: usize) -> Address {
        self.base.checked_add((page * self.page + offset) as u64).unwrap()
    }

    fn expected(&self, page: usize, offset: usize, len: usize) -> Vec<u8> {
        let start = page * self.page + offset;
        (start..start + len).map(Ground::pattern).collect()
    }
}

/// Runs the whole contract. Writes to the ground and restores what it wrote.
///
/// # Panics
/// When the backend breaks the contract.
pub fn check(memory: &mut impl ProcessMemory, ground: Ground) {
    an_empty_transfer_touches_nothing(memory, ground);
    a_read_returns_what_is_there(memory, ground);
    a_read_crosses_pages(memory, ground);
    a_read_that_starts_in_a_hole_is_unmapped(memory, ground);
    a_read_that_runs_into_a_hole_is_short(memory, ground);
    a_page_without_access_is_unmapped(memory, ground);
    a_write_lands_and_reads_back(memory, ground);
    a_write_to_read_only_memory_is_unmapped(memory, ground);
    a_write_that_runs_into_read_only_memory_is_torn(memory, ground);
    a_range_past_the_end_is_refused(memory, ground);
    typed_reads_are_little_endian(memory, ground);
}

fn an_empty_transfer_touches_nothing(memory: &mut impl ProcessMemory, ground: Ground) {
    for at in [ground.at(0, 0), ground.at(3, 0), Address::NULL, Address::new(u64::MAX)] {
        assert_eq!(memory.read(at, &mut []), Ok(()), "empty read at {at}");
        assert_eq!(memory.write(at, &[]), Ok(()), "empty write at {at}");
    }
}

fn read(
    memory: &mut impl ProcessMemory,
    at: Address,
    len: usize,
) -> (Result<(), MemoryError>, Vec<u8>) {
    let mut bytes = vec![0; len];
    (memory.read(at, &mut bytes), bytes)
}

fn a_read_returns_what_is_there(memory: &mut impl ProcessMemory, ground: Ground) {
    for (page, offset, len) in [(0, 0, 1), (0, 3, 512), (1, 8, 8), (2, 16, 64), (4, 0, 4096)] {
        let (result, bytes) = read(memory, ground.at(page, offset), len);
        assert_eq!(result, Ok(()));
        assert_eq!(bytes, ground.expected(page, offset, len));
    }
}

fn a_read_crosses_pages(memory: &mut impl ProcessMemory, ground: Ground) {
    let offset = ground.page - 5;
    let (result, bytes) = read(memory, ground.at(0, offset), ground.page + 10);
    assert_eq!(result, Ok(()), "from page 0 through 1 into 2: all readable");
    assert_eq!(bytes, ground.expected(0, offset, ground.page + 10));
}

fn failure(kind: ErrorKind, at: Address, wanted: usize, done: usize) -> Result<(), MemoryError> {
    Err(MemoryError { kind, at, wanted, done })
}

fn a_read_that_starts_in_a_hole_is_unmapped(memory: &mut impl ProcessMemory, ground: Ground) {
    for offset in [0, ground.page - 4] {
        let at = ground.at(3, offset);
        assert_eq!(read(memory, at, 8).0, failure(ErrorKind::Unmapped, at, 8, 0));
    }
}

/// Folklore: the manual page promises whole vectors, but Linux 6.18 returns what lies before the
/// hole *inside* a vector, cut at the page. So must every backend.
fn a_read_that_runs_into_a_hole_is_short(memory: &mut impl ProcessMemory, ground: Ground) {
    for before in [1, 100, ground.page] {
        let at = ground.at(2, ground.page - before);
        let (result, bytes) = read(memory, at, before + 50);
        assert_eq!(result, failure(ErrorKind::Short, at, before + 50, before));
        assert_eq!(bytes[..before], ground.expected(2, ground.page - before, before));
    }
}

fn a_page_without_access_is_unmapped(memory: &mut impl ProcessMemory, ground: Ground) {
    let at = ground.at(5, 0);
    assert_eq!(read(memory, at, 8).0, failure(ErrorKind::Unmapped, at, 8, 0));
    assert_eq!(memory.write(at, &[1; 8]), failure(ErrorKind::Unmapped, at, 8, 0));
}

fn a_write_lands_and_reads_back(memory: &mut impl ProcessMemory, ground: Ground) {
    let at = ground.at(0, ground.page - 3);
    let before = ground.expected(0, ground.page - 3, 6);
    assert_eq!(memory.write(at, b"abcdef"), Ok(()));
    assert_eq!(read(memory, at, 6), (Ok(()), b"abcdef".to_vec()));
    let neighbour = ground.expected(0, ground.page - 4, 1);
    assert_eq!(read(memory, ground.at(0, ground.page - 4), 1).1, neighbour);
    assert_eq!(memory.write(at, &before), Ok(()));
}

/// A backend that writes through protection, as `/proc/PID/mem` does, is no safe backend.
fn a_write_to_read_only_memory_is_unmapped(memory: &mut impl ProcessMemory, ground: Ground) {
    let at = ground.at(2, 8);
    assert_eq!(memory.write(at, &[9; 4]), failure(ErrorKind::Unmapped, at, 4, 0));
    assert_eq!(read(memory, at, 4).1, ground.expected(2, 8, 4), "nothing landed");
}

fn a_write_that_runs_into_read_only_memory_is_torn(
    memory: &mut impl ProcessMemory,
    ground: Ground,
) {
    let at = ground.at(1, ground.page - 32);
    assert_eq!(memory.write(at, &[7; 64]), failure(ErrorKind::Short, at, 64, 32));
    assert_eq!(read(memory, at, 32).1, vec![7; 32], "the prefix is in the target");
    assert_eq!(read(memory, ground.at(2, 0), 32).1, ground.expected(2, 0, 32));
    assert_eq!(memory.write(at, &ground.expected(1, ground.page - 32, 32)), Ok(()));
}

fn a_range_past_the_end_is_refused(memory: &mut impl ProcessMemory, _: Ground) {
    let at = Address::new(u64::MAX - 3);
    let kind = memory.read(at, &mut [0; 8]).unwrap_err();
    assert_eq!(kind, MemoryError::untouched(ErrorKind::OutOfRange, at, 8));
    assert_eq!(memory.write(at, &[0; 8]).unwrap_err().kind, ErrorKind::OutOfRange);
}

fn typed_reads_are_little_endian(memory: &mut impl ProcessMemory, ground: Ground) {
    let bytes: [u8; 8] = ground.expected(0, 64, 8).try_into().unwrap();
    let at = ground.at(0, 64);
    assert_eq!(memory.read_u64(at), Ok(u64::from_le_bytes(bytes)));
    assert_eq!(memory.read_address(at), Ok(Address::new(u64::from_le_bytes(bytes))));
    let half: [u8; 4] = bytes[..4].try_into().unwrap();
    assert_eq!(memory.read_u32(at), Ok(u32::from_le_bytes(half)));
    assert_eq!(memory.read_i32(at), Ok(i32::from_le_bytes(half)));
}

//! The address space: its pages, and the world's own access to them, which no protection stops.
//! The attacher's access is in `door`, mapping in `layout`, the way back in `journal`.

use core::fmt;

use softdock_process::Address;

use crate::fingerprint::Fingerprint;
use crate::journal::Journal;
use crate::region::{Backing, Protection, Region, Regions};

/// Bytes in a page.
pub const PAGE_BYTES: u64 = 4096;

/// A memory of pages and holes that can go back to its last checkpoint.
///
/// `new` is the first checkpoint: restoring right after it gives an empty space.
#[derive(Clone, Debug, Default)]
pub struct AddressSpace {
    pub(crate) regions: Regions,
    /// The bytes of all pages that were ever written, page after page as they were first written.
    /// Offsets are multiples of the page size where a page starts, so words stay aligned.
    pub(crate) store: Vec<u8>,
    pub(crate) journal: Journal,
    pub(crate) fingerprint: Fingerprint,
}

/// The world asked for bytes where nothing is mapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unmapped {
    /// The first address of the request that is not mapped.
    pub at: Address,
}

impl fmt::Display for Unmapped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "nothing is mapped at {}", self.at)
    }
}

impl core::error::Error for Unmapped {}

impl AddressSpace {
    /// An empty space.
    #[must_use]
    pub fn new() -> AddressSpace {
        AddressSpace::default()
    }

    /// Reads as the world: protection does not matter.
    ///
    /// # Errors
    /// When not every byte is mapped; `into` is then unspecified.
    // Inlined up to here, so that a look at one word is a copy whose length is known.
    #[inline]
    pub fn peek_into(&self, at: Address, into: &mut [u8]) -> Result<(), Unmapped> {
        let region = self.regions.get(at.get());
        let together = region.and_then(|region| self.together(region, at.get(), into.len()));
        match together {
            Some(bytes) => into.copy_from_slice(bytes),
            None => self.peek_pieces(at, into)?,
        }
        Ok(())
    }

    fn peek_pieces(&self, at: Address, into: &mut [u8]) -> Result<(), Unmapped> {
        let mut done = 0;
        while done < into.len() {
            let here = step(at, done)?;
            let region = self.regions.get(here).ok_or(Unmapped { at: Address::new(here) })?;
            let len = reach(region, here, into.len() - done);
            self.copy(region, here, &mut into[done..done + len]);
            done += len;
        }
        Ok(())
    }

    /// The bytes themselves, where they lie together, may be read by the attacher, and were ever
    /// written or settled: for whoever would only look at a copy of them.
    #[inline]
    #[must_use]
    pub fn lend(&mut self, at: Address, len: usize) -> Option<&[u8]> {
        let region = *self.regions.hit(at.get())?;
        let may_read = region.protection >= Protection::ReadOnly;
        if may_read { self.together(&region, at.get(), len) } else { None }
    }

    /// The bytes from `at`, which is in this region, where they lie together in the store.
    #[inline]
    fn together(&self, region: &Region, at: u64, len: usize) -> Option<&[u8]> {
        let skip = at - region.start;
        match region.backing {
            Backing::Stored(offset) if len as u64 <= region.len - skip => {
                self.store.get(offset + skip as usize..)?.get(..len)
            }
            _ => None,
        }
    }

    /// As [`AddressSpace::peek_into`], into a vector.
    ///
    /// # Errors
    /// When not every byte is mapped.
    pub fn peek(&self, at: Address, len: usize) -> Result<Vec<u8>, Unmapped> {
        let mut bytes = vec![0; len];
        self.peek_into(at, &mut bytes).map(|()| bytes)
    }

    /// The little-endian 64-bit word at `at`, as the world sees it.
    ///
    /// # Errors
    /// When not every byte is mapped.
    pub fn peek_u64(&self, at: Address) -> Result<u64, Unmapped> {
        let mut bytes = [0; 8];
        self.peek_into(at, &mut bytes).map(|()| u64::from_le_bytes(bytes))
    }

    /// The little-endian 32-bit word at `at`, as the world sees it.
    ///
    /// # Errors
    /// When not every byte is mapped.
    pub fn peek_u32(&self, at: Address) -> Result<u32, Unmapped> {
        let mut bytes = [0; 4];
        self.peek_into(at, &mut bytes).map(|()| u32::from_le_bytes(bytes))
    }

    /// Writes as the world: protection does not matter, and [`AddressSpace::writes`] does not see
    /// it. All bytes are written or none.
    ///
    /// # Errors
    /// When not every byte is mapped; nothing is written then.
    pub fn poke(&mut self, at: Address, bytes: &[u8]) -> Result<(), Unmapped> {
        self.mapped(at, bytes.len())?;
        let mut done = 0;
        while done < bytes.len() {
            let here = step(at, done)?;
            let region = self.regions.hit(here).copied();
            let region = region.ok_or(Unmapped { at: Address::new(here) })?;
            let len = reach(&region, here, bytes.len() - done);
            self.put(region, here, &bytes[done..done + len]);
            done += len;
        }
        Ok(())
    }

    /// Pokes a little-endian 64-bit word.
    ///
    /// # Errors
    /// As [`AddressSpace::poke`].
    pub fn poke_u64(&mut self, at: Address, value: u64) -> Result<(), Unmapped> {
        self.poke(at, &value.to_le_bytes())
    }

    /// Pokes a little-endian 32-bit word.
    ///
    /// # Errors
    /// As [`AddressSpace::poke`].
    pub fn poke_u32(&mut self, at: Address, value: u32) -> Result<(), Unmapped> {
        self.poke(at, &value.to_le_bytes())
    }

    /// Whether each of these bytes is mapped, whatever its protection.
    fn mapped(&self, at: Address, len: usize) -> Result<(), Unmapped> {
        let mut done = 0;
        while done < len {
            let here = step(at, done)?;
            let region = self.regions.get(here).ok_or(Unmapped { at: Address::new(here) })?;
            done += reach(region, here, len - done);
        }
        Ok(())
    }

    /// Copies bytes that lie within one region.
    #[inline]
    pub(crate) fn copy(&self, region: &Region, at: u64, into: &mut [u8]) {
        match region.backing {
            Backing::Stored(offset) => {
                let from = offset + (at - region.start) as usize;
                into.copy_from_slice(&self.store[from..from + into.len()]);
            }
            Backing::Untouched(fill) => fill.read(at, into),
        }
    }

    /// Writes bytes that lie within one region, with a way back.
    pub(crate) fn put(&mut self, region: Region, at: u64, bytes: &[u8]) {
        let offset = match region.backing {
            Backing::Stored(offset) => offset + (at - region.start) as usize,
            Backing::Untouched(fill) => self.touch(region, fill, at, bytes.len()),
        };
        let end = offset + bytes.len();
        self.toggle(at, offset, end);
        self.journal.bytes(at, offset, &self.store[offset..end]);
        self.store[offset..end].copy_from_slice(bytes);
        self.toggle(at, offset, end);
    }

    /// Adds the words around these bytes to the fingerprint, or takes them out again.
    fn toggle(&mut self, at: u64, offset: usize, end: usize) {
        let first = offset & !7;
        let mut place = at & !7;
        let (words, _) = self.store[first..end.next_multiple_of(8)].as_chunks::<8>();
        for word in words {
            self.fingerprint.toggle(place, u64::from_le_bytes(*word));
            place += 8;
        }
    }

    /// How memory differs from the checkpoint, in 128 bits: 0 when it does not, and equal for
    /// equal content (see the crate's fifth invariant). For telling states of an exploration
    /// apart.
    #[must_use]
    pub const fn fingerprint(&self) -> u128 {
        self.fingerprint.value()
    }
}

/// The address `done` bytes on.
pub(crate) fn step(at: Address, done: usize) -> Result<u64, Unmapped> {
    let here = at.checked_add(done as u64).map(Address::get);
    here.ok_or(Unmapped { at: Address::new(u64::MAX) })
}

/// How many of `wanted` bytes from `at` lie in this region, which contains `at`.
#[inline]
pub(crate) fn reach(region: &Region, at: u64, wanted: usize) -> usize {
    (region.end() - at).min(wanted as u64) as usize
}

#[cfg(test)]
mod tests {
    use softdock_process::ProcessMemory;

    use super::*;

    /// A scan that is lent bytes must see what one that copies them would, and fail where it does.
    #[test]
    fn what_is_lent_is_what_a_read_copies() {
        let page = |nth: u64| Address::new(nth * PAGE_BYTES);
        let mut memory = AddressSpace::new();
        memory.map(page(1), 3 * PAGE_BYTES, Protection::ReadWrite).unwrap();
        memory.poke(page(1), &[7; 2 * PAGE_BYTES as usize]).unwrap();
        memory.poke(page(1), &[1, 2, 3]).unwrap();
        assert_eq!(memory.lend(page(1), 4), Some([1, 2, 3, 7].as_slice()));
        let (at, len) = (page(2), PAGE_BYTES as usize);
        let mut copy = vec![0; len];
        memory.read(at, &mut copy).unwrap();
        assert_eq!(memory.lend(at, len), Some(copy.as_slice()));
        assert_eq!(memory.lend(at, len + 1), None, "the next page was never written");
        memory.protect(at, PAGE_BYTES, Protection::None).unwrap();
        assert_eq!(memory.lend(at, 1), None, "nobody may read it");
        assert_eq!(memory.lend(Address::new(at.get() - 1), 2), None, "its end may not be read");
        assert_eq!(memory.lend(page(4), 1), None, "nothing is mapped");
    }
}

//! The way back: what was changed since the checkpoint, newest last. It undoes; it does not
//! replay.

use std::collections::BTreeMap;

use softdock_process::Address;

use crate::fingerprint::Fingerprint;
use crate::region::{Backing, Region};
use crate::space::{AddressSpace, Unmapped};

/// A write that came through the door since the checkpoint: the bytes that landed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Write {
    /// Where it started.
    pub at: Address,
    /// Bytes that landed; fewer than asked for when the write was cut, never 0.
    pub len: usize,
    replaced: usize,
}

/// A byte that is not what it was at the checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Where.
    pub at: Address,
    /// Its value at the checkpoint.
    pub was: u8,
    /// Its value now.
    pub is: u8,
}

#[derive(Clone, Debug)]
enum Change {
    Bytes { at: u64, offset: usize, len: usize, replaced: usize },
    Layout { index: usize, inserted: usize, removed: Vec<Region>, stored: usize },
}

/// A state after the checkpoint to come back to, as long as nobody has gone back further.
#[derive(Clone, Copy, Debug, Default)]
pub struct Bookmark {
    changes: usize,
    replaced: usize,
    writes: usize,
    fingerprint: Fingerprint,
}

/// Changes since the checkpoint, and the bytes they replaced, end to end.
#[derive(Clone, Debug, Default)]
pub(crate) struct Journal {
    changes: Vec<Change>,
    replaced: Vec<u8>,
    writes: Vec<Write>,
}

impl Journal {
    pub(crate) fn bytes(&mut self, at: u64, offset: usize, old: &[u8]) {
        let replaced = self.replaced.len();
        self.replaced.extend_from_slice(old);
        self.changes.push(Change::Bytes { at, offset, len: old.len(), replaced });
    }

    /// `stored` is the length of the store before the change, so that it must be noted first.
    pub(crate) fn layout(
        &mut self,
        index: usize,
        inserted: usize,
        removed: Vec<Region>,
        stored: usize,
    ) {
        self.changes.push(Change::Layout { index, inserted, removed, stored });
    }

    /// Where the next replaced byte will be kept.
    pub(crate) fn mark(&self) -> usize {
        self.replaced.len()
    }

    /// Notes a write through the door whose replaced bytes were kept from `mark` on.
    pub(crate) fn write(&mut self, at: Address, len: usize, mark: usize) {
        if len > 0 {
            self.writes.push(Write { at, len, replaced: mark });
        }
    }

    fn truncate(&mut self, to: &Bookmark) {
        self.changes.truncate(to.changes);
        self.replaced.truncate(to.replaced);
        self.writes.truncate(to.writes);
    }
}

impl AddressSpace {
    /// Makes now the state to come back to, and forgets the writes.
    pub fn checkpoint(&mut self) {
        self.journal.truncate(&Bookmark::default());
        self.fingerprint = Fingerprint::default();
    }

    /// Goes back to the last checkpoint: bytes, mappings and protection.
    pub fn restore(&mut self) {
        self.return_to(&Bookmark::default());
    }

    /// The state right now.
    #[must_use]
    pub fn bookmark(&self) -> Bookmark {
        let Journal { changes, replaced, writes } = &self.journal;
        let (changes, replaced, writes) = (changes.len(), replaced.len(), writes.len());
        Bookmark { changes, replaced, writes, fingerprint: self.fingerprint }
    }

    /// How many changes were made since the checkpoint: a time, for [`AddressSpace::peek_at`].
    #[must_use]
    pub fn time(&self) -> usize {
        self.journal.changes.len()
    }

    /// What bytes were at that time, as the world sees them. Pages that were mapped or unmapped
    /// since count as what they are now.
    ///
    /// # Errors
    /// When not every byte is mapped; `into` is then unspecified.
    #[inline]
    pub fn peek_at(&self, time: usize, at: Address, into: &mut [u8]) -> Result<(), Unmapped> {
        self.peek_into(at, into)?;
        let (at, len) = (at.get(), into.len() as u64);
        for change in self.journal.changes.get(time..).unwrap_or_default().iter().rev() {
            match *change {
                Change::Bytes { at: changed, len: old, replaced, .. }
                    if changed < at + len && at < changed + old as u64 =>
                {
                    lay_over(into, at, &self.journal.replaced[replaced..replaced + old], changed);
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Goes back to a state between the checkpoint and now. One that was gone back behind since is
    /// no state any more, and what comes of it is unspecified.
    pub fn return_to(&mut self, bookmark: &Bookmark) {
        while self.journal.changes.len() > bookmark.changes {
            match self.journal.changes.pop() {
                None => break,
                Some(Change::Bytes { offset, len, replaced, .. }) => {
                    let old = &self.journal.replaced[replaced..replaced + len];
                    self.store[offset..offset + len].copy_from_slice(old);
                }
                Some(Change::Layout { index, inserted, removed, stored }) => {
                    self.regions.replace(index..index + inserted, &removed);
                    self.store.truncate(stored);
                }
            }
        }
        self.journal.truncate(bookmark);
        self.fingerprint = bookmark.fingerprint;
    }

    /// Whether nothing was changed since the checkpoint, not even by writing what was there.
    #[must_use]
    pub fn is_unchanged(&self) -> bool {
        self.journal.changes.is_empty()
    }

    /// The writes that came through the door since the checkpoint, in order.
    #[must_use]
    pub fn writes(&self) -> &[Write] {
        &self.journal.writes
    }

    /// The bytes that one of [`AddressSpace::writes`] replaced.
    ///
    /// # Panics
    /// When the write is from before the checkpoint.
    #[must_use]
    pub fn replaced(&self, write: Write) -> &[u8] {
        &self.journal.replaced[write.replaced..write.replaced + write.len]
    }

    /// The bytes that differ from the checkpoint, whoever changed them, in order of address. Bytes
    /// of pages that were unmapped since are not among them.
    #[must_use]
    pub fn differences(&self) -> Vec<Difference> {
        let mut first = BTreeMap::new();
        for change in &self.journal.changes {
            if let Change::Bytes { at, offset, len, replaced } = *change {
                for index in 0..len {
                    let was = self.journal.replaced[replaced + index];
                    first.entry(offset + index).or_insert((at + index as u64, was));
                }
            }
        }
        let mut found: Vec<Difference> = first
            .into_iter()
            .filter(|(offset, (at, was))| self.store[*offset] != *was && self.is_at(*at, *offset))
            .map(|(offset, (at, was))| Difference {
                at: Address::new(at),
                was,
                is: self.store[offset],
            })
            .collect();
        found.sort_by_key(|difference| difference.at);
        found
    }

    /// Whether the byte at this place in the store is still what the address shows.
    fn is_at(&self, at: u64, offset: usize) -> bool {
        self.regions.get(at).is_some_and(|region| match region.backing {
            Backing::Stored(start) => start + (at - region.start) as usize == offset,
            Backing::Untouched(_) => false,
        })
    }
}

/// Replaces those of `bytes`, which lie at `at`, that lie where `old` ones do.
fn lay_over(bytes: &mut [u8], at: u64, old: &[u8], old_at: u64) {
    let (ahead, behind) = (at.saturating_sub(old_at), old_at.saturating_sub(at));
    let old = old.iter().skip(ahead as usize);
    for (byte, old) in bytes.iter_mut().skip(behind as usize).zip(old) {
        *byte = *old;
    }
}

#[cfg(test)]
mod tests {
    use crate::{AddressSpace, PAGE_BYTES, Protection};
    use softdock_process::{Address, ProcessMemory};

    /// Else an exploration of a million runs that each touch a fresh page would eat all memory.
    #[test]
    fn restore_gives_back_the_pages_that_were_touched() {
        let mut memory = AddressSpace::new();
        let at = Address::new(PAGE_BYTES);
        memory.map(at, 2 * PAGE_BYTES, Protection::ReadWrite).unwrap();
        memory.poke_u64(at, 1).unwrap();
        memory.checkpoint();
        memory.poke_u64(Address::new(2 * PAGE_BYTES), 1).unwrap();
        assert_eq!(memory.store.len() as u64, 2 * PAGE_BYTES);
        memory.restore();
        assert_eq!(memory.store.len() as u64, PAGE_BYTES);
    }

    /// Writes before, across either end of, within and behind what is looked at.
    #[test]
    fn what_was_there_at_a_time_can_be_looked_at() {
        let mut memory = AddressSpace::new();
        let at = |offset: u64| Address::new(2 * PAGE_BYTES - 8 + offset);
        memory.map(Address::new(PAGE_BYTES), 2 * PAGE_BYTES, Protection::ReadWrite).unwrap();
        memory.checkpoint();
        let mut held = Vec::new();
        for nth in 0..200_u64 {
            held.push((memory.time(), memory.peek(at(6), 5).unwrap()));
            let (from, len) = (nth * 7 % 17, nth as usize * 5 % 9);
            memory.poke(at(from), &vec![nth as u8 + 1; len]).unwrap();
        }
        for (time, expected) in held {
            let mut bytes = [0; 5];
            memory.peek_at(time, at(6), &mut bytes).unwrap();
            assert_eq!(bytes, *expected, "after {time} changes");
        }
    }

    #[test]
    fn a_bookmark_brings_back_what_was_written_until_then() {
        let mut memory = AddressSpace::new();
        let at = Address::new(PAGE_BYTES);
        memory.map(at, PAGE_BYTES, Protection::ReadWrite).unwrap();
        memory.checkpoint();
        memory.write(at, &[1, 2]).unwrap();
        let bookmark = memory.bookmark();
        let (fingerprint, writes) = (memory.fingerprint(), memory.writes().to_vec());
        for value in [3, 4] {
            memory.write(at, &[value; 8]).unwrap();
            memory.unmap(at, PAGE_BYTES).unwrap();
            memory.return_to(&bookmark);
            assert_eq!(memory.peek(at, 3).unwrap(), [1, 2, 0]);
            assert_eq!((memory.fingerprint(), memory.writes()), (fingerprint, &*writes));
        }
        memory.restore();
        assert_eq!((memory.peek(at, 3).unwrap(), memory.fingerprint()), (vec![0; 3], 0));
        assert!(memory.is_unchanged() && memory.writes().is_empty());
    }
}

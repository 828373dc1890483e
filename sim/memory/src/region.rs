//! Regions: runs of pages with one protection, and the sorted list of them. Knows where bytes
//! are, not what they are.

use softdock_process::Address;

use crate::Fill;

/// What the door may do with a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Protection {
    /// Mapped, but neither readable nor writable (a guard page).
    None,
    /// Readable only.
    ReadOnly,
    /// Readable and writable.
    ReadWrite,
}

/// A run of mapped pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// Its first byte.
    pub start: Address,
    /// Its length in bytes.
    pub len: u64,
    /// What the door may do with it.
    pub protection: Protection,
}

/// Where the bytes of a region are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Backing {
    /// Nobody has written to it: it reads as its fill.
    Untouched(Fill),
    /// From this offset in the store.
    Stored(usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Region {
    pub(crate) start: u64,
    pub(crate) len: u64,
    pub(crate) protection: Protection,
    pub(crate) backing: Backing,
}

impl Region {
    pub(crate) const fn end(&self) -> u64 {
        self.start + self.len
    }

    /// The part of it from `from` to `to`, both inside it.
    pub(crate) const fn part(&self, from: u64, to: u64) -> Region {
        let backing = match self.backing {
            Backing::Stored(offset) => Backing::Stored(offset + (from - self.start) as usize),
            untouched @ Backing::Untouched(_) => untouched,
        };
        Region { start: from, len: to - from, protection: self.protection, backing }
    }
}

/// The regions, sorted and disjoint. The one that was hit last is tried first: an attach reads
/// the same thread state some twenty times in a row.
#[derive(Clone, Debug, Default)]
pub(crate) struct Regions {
    list: Vec<Region>,
    hit: usize,
}

impl Regions {
    /// The index of the region that `at` is in.
    #[inline]
    pub(crate) fn find(&self, at: u64) -> Option<usize> {
        match self.list.get(self.hit) {
            Some(region) if at.wrapping_sub(region.start) < region.len => Some(self.hit),
            _ => self.search(at),
        }
    }

    /// As [`Regions::find`], and remembers it.
    #[inline]
    pub(crate) fn hit(&mut self, at: u64) -> Option<&Region> {
        self.hit = self.find(at)?;
        self.list.get(self.hit)
    }

    fn search(&self, at: u64) -> Option<usize> {
        let index = self.after(at).checked_sub(1)?;
        (at < self.list[index].end()).then_some(index)
    }

    /// The index of the first region that starts above `at`.
    fn after(&self, at: u64) -> usize {
        self.list.partition_point(|region| region.start <= at)
    }

    pub(crate) fn get(&self, at: u64) -> Option<&Region> {
        self.find(at).map(|index| &self.list[index])
    }

    /// The indices of all regions that overlap `[start, end)`.
    pub(crate) fn overlapping(&self, start: u64, end: u64) -> core::ops::Range<usize> {
        let first = self.list.partition_point(|region| region.end() <= start);
        let last = self.list.partition_point(|region| region.start < end);
        first..last.max(first)
    }

    pub(crate) fn as_slice(&self) -> &[Region] {
        &self.list
    }

    /// Puts other regions in the place of some, and returns those.
    pub(crate) fn replace(
        &mut self,
        range: core::ops::Range<usize>,
        with: &[Region],
    ) -> Vec<Region> {
        self.list.splice(range, with.iter().copied()).collect()
    }
}

//! Mapping, unmapping and protecting pages. Not the system's calls: no hints, no merging, and
//! mapping over something is an error rather than a silent replacement.

use core::fmt;
use core::ops::Range;

use softdock_process::Address;

use crate::Fill;
use crate::region::{Backing, Mapping, Protection, Region};
use crate::space::{AddressSpace, PAGE_BYTES};

/// Why the layout could not be changed so. Nothing was changed then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LayoutError {
    /// The start or the length is not a multiple of the page size, or the length is 0.
    NotPages,
    /// The range runs past the end of the address space.
    PastEnd,
    /// Something is mapped there already.
    Overlap,
    /// A page of the range is not mapped.
    NotMapped,
}

impl fmt::Display for LayoutError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            LayoutError::NotPages => "the range is not a positive number of whole pages",
            LayoutError::PastEnd => "the range runs past the end of the address space",
            LayoutError::Overlap => "something is mapped there already",
            LayoutError::NotMapped => "a page of the range is not mapped",
        })
    }
}

impl core::error::Error for LayoutError {}

impl AddressSpace {
    /// Maps zeroed pages.
    ///
    /// # Errors
    /// When the range is no whole pages, or not free.
    pub fn map(&mut self, start: Address, len: u64, with: Protection) -> Result<(), LayoutError> {
        self.map_filled(start, len, with, Fill::Zero)
    }

    /// Maps pages with some fill. They cost nothing until they are written.
    ///
    /// # Errors
    /// When the range is no whole pages, or not free.
    pub fn map_filled(
        &mut self,
        start: Address,
        len: u64,
        protection: Protection,
        fill: Fill,
    ) -> Result<(), LayoutError> {
        let pages = pages(start, len)?;
        let spot = self.regions.overlapping(pages.start, pages.end);
        if !spot.is_empty() {
            return Err(LayoutError::Overlap);
        }
        let backing = Backing::Untouched(fill);
        self.replace(spot, &[Region { start: pages.start, len, protection, backing }]);
        self.fingerprint.chain(pages.start, len, 1 + protection as u64);
        Ok(())
    }

    /// Unmaps pages; those that are not mapped stay so, as with `munmap`.
    ///
    /// # Errors
    /// When the range is no whole pages.
    pub fn unmap(&mut self, start: Address, len: u64) -> Result<(), LayoutError> {
        let pages = pages(start, len)?;
        let spot = self.regions.overlapping(pages.start, pages.end);
        let rest = self.cut(&spot, &pages, |_| None);
        self.replace(spot, &rest);
        self.fingerprint.chain(pages.start, len, 0);
        Ok(())
    }

    /// Unmaps everything, as an exit or an `exec` does.
    pub fn unmap_all(&mut self) {
        self.replace(0..self.regions.as_slice().len(), &[]);
        self.fingerprint.chain(0, u64::MAX, 0);
    }

    /// Gives pages another protection.
    ///
    /// # Errors
    /// When the range is no whole pages, or has a hole, as with `mprotect`.
    pub fn protect(&mut self, start: Address, len: u64, to: Protection) -> Result<(), LayoutError> {
        let pages = pages(start, len)?;
        let spot = self.regions.overlapping(pages.start, pages.end);
        let covered: u64 = self.regions.as_slice()[spot.clone()]
            .iter()
            .map(|region| region.end().min(pages.end) - region.start.max(pages.start))
            .sum();
        if covered != len {
            return Err(LayoutError::NotMapped);
        }
        let rest = self.cut(&spot, &pages, |part| Some(Region { protection: to, ..part }));
        self.replace(spot, &rest);
        self.fingerprint.chain(pages.start, len, 4 + to as u64);
        Ok(())
    }

    /// What is mapped, in order of address. Neighbours with one protection may come in parts.
    pub fn mappings(&self) -> impl Iterator<Item = Mapping> + '_ {
        self.regions.as_slice().iter().map(|region| Mapping {
            start: Address::new(region.start),
            len: region.len,
            protection: region.protection,
        })
    }

    /// The stretches of pages that can be read and written, in order of address, as long as they
    /// are.
    pub fn writable(&self) -> impl Iterator<Item = (Address, u64)> + '_ {
        let mut rest = self.regions.as_slice().iter().peekable();
        core::iter::from_fn(move || {
            let open = |region: &&Region| region.protection == Protection::ReadWrite;
            let first = rest.find(open)?;
            let mut end = first.end();
            while let Some(next) = rest.next_if(|next| open(next) && next.start == end) {
                end = next.end();
            }
            Some((Address::new(first.start), end - first.start))
        })
    }

    /// The regions of `spot` with what lies inside `pages` replaced.
    fn cut(
        &self,
        spot: &Range<usize>,
        pages: &Range<u64>,
        inside: impl Fn(Region) -> Option<Region>,
    ) -> Vec<Region> {
        let mut rest = Vec::new();
        for region in &self.regions.as_slice()[spot.clone()] {
            let from = region.start.max(pages.start);
            let to = region.end().min(pages.end);
            rest.extend((region.start < from).then(|| region.part(region.start, from)));
            rest.extend(inside(region.part(from, to)));
            rest.extend((to < region.end()).then(|| region.part(to, region.end())));
        }
        rest
    }

    /// Stores what pages that were never written read as, up to so many bytes, and neighbours with
    /// one protection together: reading them is copying from then on, or not even that. Nothing
    /// that can be seen changes; it is a checkpoint.
    pub fn settle(&mut self, bytes_max: u64) {
        let (mut store, mut settled) = (Vec::new(), Vec::new());
        let mut left = bytes_max;
        for region in self.regions.as_slice() {
            if matches!(region.backing, Backing::Untouched(_)) {
                match left.checked_sub(region.len) {
                    Some(rest) => left = rest,
                    None => {
                        settled.push(*region);
                        continue;
                    }
                }
            }
            let offset = store.len();
            store.resize(offset + region.len as usize, 0);
            self.copy(region, region.start, &mut store[offset..]);
            match settled.last_mut() {
                Some(last) if is_continued(last, region) => last.len += region.len,
                _ => settled.push(Region { backing: Backing::Stored(offset), ..*region }),
            }
        }
        self.regions.replace(0..self.regions.as_slice().len(), &settled);
        self.store = store;
        self.checkpoint();
    }

    /// Gives the pages of an untouched region that will be written a place in the store, and
    /// returns the offset of `at` there.
    pub(crate) fn touch(&mut self, region: Region, fill: Fill, at: u64, len: usize) -> usize {
        let stored = self.store.len();
        let from = at / PAGE_BYTES * PAGE_BYTES;
        let to = (at + len as u64).next_multiple_of(PAGE_BYTES);
        let spot = self.regions.overlapping(region.start, region.end());
        let pages = from..to;
        let parts = self
            .cut(&spot, &pages, |part| Some(Region { backing: Backing::Stored(stored), ..part }));
        self.replace(spot, &parts);
        self.store.resize(stored + (to - from) as usize, 0);
        fill.read(from, &mut self.store[stored..]);
        stored + (at - from) as usize
    }

    /// Replaces regions, with a way back.
    fn replace(&mut self, spot: Range<usize>, with: &[Region]) {
        let index = spot.start;
        let removed = self.regions.replace(spot, with);
        self.journal.layout(index, with.len(), removed, self.store.len());
    }
}

/// Whether what was stored last and the region that is stored next are one.
fn is_continued(last: &Region, next: &Region) -> bool {
    let is_stored = matches!(last.backing, Backing::Stored(_));
    is_stored && last.end() == next.start && last.protection == next.protection
}

fn pages(start: Address, len: u64) -> Result<Range<u64>, LayoutError> {
    if len == 0 || !len.is_multiple_of(PAGE_BYTES) || !start.is_aligned(PAGE_BYTES) {
        return Err(LayoutError::NotPages);
    }
    let end = start.checked_add(len).ok_or(LayoutError::PastEnd)?;
    Ok(start.get()..end.get())
}

//! The log: everything that the engine was shown and did, in order. It judges nothing.
//!
//! What memory held is not copied but looked up, as of the time when it was read: recording a read
//! costs next to nothing, and few reads are ever asked for.

use std::ops::Range;

use softdock_memory::AddressSpace;
use softdock_process::{Address, Identity};

/// Something the engine did or was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Event {
    Read {
        at: Address,
        len: usize,
        shown: Shown,
        /// The read before it that begins in the same group.
        older: u32,
    },
    Wrote {
        at: Address,
    },
    IsThread(u64),
    Identity(Identity),
}

/// What the bytes of a read were.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shown {
    /// What memory held after so many changes.
    Held(usize),
    /// Those of [`Log::bytes`], from here on.
    Copied(usize),
}

/// What the engine was shown. It is kept from run to run.
#[derive(Clone, Debug)]
pub(crate) struct Log {
    events: Vec<Event>,
    /// What was read that is not what memory held, or may not be, end to end.
    bytes: Vec<u8>,
    /// The newest read that begins in each group: nobody has to go through all of them.
    newest: [u32; GROUPS],
}

/// Where a log ends, at first at its beginning.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct LogEnd {
    pub(super) events: usize,
    bytes: usize,
}

/// Bytes of one read that are noted: no field that a fact is about lies further from the start of
/// what holds it. What is longer is a search.
const LOGGED_MAX: usize = 4096;

/// Memory is cut into stretches of [`LOGGED_MAX`] bytes, which a read covers no more than two of,
/// and stretches are taken together in so many groups: enough to tell the table, the interpreters
/// and most threads apart.
const GROUPS: usize = 64;

/// No event. A number rather than an `Option`, which takes several times as long to replace.
const NONE: u32 = u32::MAX;

/// The stretch that this byte is in.
const fn stretch(at: Address) -> u64 {
    at.get() / LOGGED_MAX as u64
}

/// The group of a stretch.
const fn group(stretch: u64) -> usize {
    stretch as usize % GROUPS
}

impl Default for Log {
    fn default() -> Log {
        Log { events: Vec::new(), bytes: Vec::new(), newest: [NONE; GROUPS] }
    }
}

impl Log {
    /// How far it goes.
    pub(crate) fn end(&self) -> LogEnd {
        LogEnd { events: self.events.len(), bytes: self.bytes.len() }
    }

    /// Forgets what comes after this end. It may have forgotten more, where an engine began to look
    /// for the second time: what it saw before bears nothing out.
    pub(crate) fn go_back(&mut self, to: LogEnd) {
        let kept = to.events.min(self.events.len());
        for event in self.events.drain(kept..).rev() {
            if let Event::Read { at, older, .. } = event {
                self.newest[group(stretch(at))] = older;
            }
        }
        self.bytes.truncate(to.bytes);
    }

    /// A read of bytes that may be anything.
    pub(crate) fn read(&mut self, at: Address, bytes: &[u8]) {
        let bytes = &bytes[..bytes.len().min(LOGGED_MAX)];
        let shown = Shown::Copied(self.bytes.len());
        self.bytes.extend_from_slice(bytes);
        self.push_read(at, bytes.len(), shown);
    }

    /// A read of what memory held at this time, by [`AddressSpace::time`].
    #[inline]
    pub(crate) fn read_held(&mut self, at: Address, len: usize, time: usize) {
        self.push_read(at, len.min(LOGGED_MAX), Shown::Held(time));
    }

    #[inline]
    fn push_read(&mut self, at: Address, len: usize, shown: Shown) {
        let newest = &mut self.newest[group(stretch(at))];
        let older = std::mem::replace(newest, self.events.len() as u32);
        self.events.push(Event::Read { at, len, shown, older });
    }

    pub(crate) fn wrote(&mut self, at: Address) {
        self.events.push(Event::Wrote { at });
    }

    pub(crate) fn is_thread(&mut self, native: u64) {
        self.events.push(Event::IsThread(native));
    }

    pub(crate) fn identity(&mut self, identity: Identity) {
        self.events.push(Event::Identity(identity));
    }

    /// The first write and the last.
    pub(super) fn writes(&self) -> Option<(usize, usize)> {
        let is_write = |event: &Event| matches!(event, Event::Wrote { .. });
        let first = self.events.iter().position(is_write);
        first.zip(self.events.iter().rposition(is_write))
    }

    /// The events of this range, about this memory.
    pub(super) fn seen<'l>(&'l self, memory: &'l AddressSpace, range: Range<usize>) -> Seen<'l> {
        Seen { log: self, memory, range: range.start..range.end.min(self.events.len()) }
    }

    /// Whether this event is a read of all these bytes.
    fn is_read_of(&self, nth: usize, at: Address, len: usize) -> bool {
        let Some(Event::Read { at: from, len: read, .. }) = self.events.get(nth) else {
            return false;
        };
        at.checked_sub(*from).is_some_and(|skip| skip.saturating_add(len as u64) <= *read as u64)
    }

    /// What these bytes, which this event is a read of, looked like to it.
    fn copy(&self, memory: &AddressSpace, nth: usize, at: Address, into: &mut [u8]) -> Option<()> {
        let Some(&Event::Read { at: from, shown, .. }) = self.events.get(nth) else { return None };
        match shown {
            Shown::Held(time) => memory.peek_at(time, at, into).ok(),
            Shown::Copied(start) => {
                let start = start + usize::try_from(at.checked_sub(from)?).ok()?;
                into.copy_from_slice(self.bytes.get(start..start + into.len())?);
                Some(())
            }
        }
    }

    /// The reads that begin in this stretch, or another one of its group, newest first.
    fn reads(&self, stretch: u64) -> impl Iterator<Item = usize> {
        let known = |nth: u32| (nth != NONE).then_some(nth as usize);
        let older = move |nth: &usize| match self.events.get(*nth) {
            Some(Event::Read { older, .. }) => known(*older),
            _ => None,
        };
        std::iter::successors(known(self.newest[group(stretch)]), older)
    }
}

/// A part of the log.
pub(super) struct Seen<'l> {
    log: &'l Log,
    memory: &'l AddressSpace,
    range: Range<usize>,
}

impl<'l> Seen<'l> {
    fn events(&self) -> &'l [Event] {
        &self.log.events[self.range.clone()]
    }

    fn part(&self, range: Range<usize>) -> Seen<'l> {
        Seen { range, ..*self }
    }

    /// The last event.
    pub(super) fn last(&self) -> Seen<'l> {
        let Range { start, end } = self.range;
        self.part(start.max(end.saturating_sub(1))..end)
    }

    /// What came after the first write to one address and before the last to another.
    pub(super) fn between_writes(&self, first: Address, last: Address) -> Option<Seen<'l>> {
        let wrote = |to: Address| move |event: &Event| *event == Event::Wrote { at: to };
        let first = self.events().iter().position(wrote(first))?;
        let last = self.events().iter().rposition(wrote(last))?;
        let start = self.range.start;
        (first < last).then(|| self.part(start + first + 1..start + last))
    }

    /// The last read of these bytes.
    fn last_read(&self, at: Address, len: usize) -> Option<usize> {
        // No read is longer than a stretch: one that covers them begins in theirs, or right before.
        let here = stretch(at);
        let [here, before] = [here, here.wrapping_sub(1)].map(|it| self.last_of(it, at, len));
        here.max(before)
    }

    /// The last read of these bytes that begins in this stretch.
    fn last_of(&self, stretch: u64, at: Address, len: usize) -> Option<usize> {
        let reads = self.log.reads(stretch).skip_while(|nth| *nth >= self.range.end);
        let mut reads = reads.take_while(|nth| *nth >= self.range.start);
        reads.find(|nth| self.log.is_read_of(*nth, at, len))
    }

    /// What these bytes looked like when they were last read.
    pub(super) fn bytes<const N: usize>(&self, at: Address) -> Option<[u8; N]> {
        let (nth, mut bytes) = (self.last_read(at, N)?, [0; N]);
        self.log.copy(self.memory, nth, at, &mut bytes).map(|()| bytes)
    }

    pub(super) fn word(&self, base: Address, offset: Option<u64>) -> Option<u64> {
        self.bytes(base.checked_add(offset?)?).map(u64::from_le_bytes)
    }

    pub(super) fn half(&self, base: Address, offset: Option<u64>) -> Option<u32> {
        self.bytes(base.checked_add(offset?)?).map(u32::from_le_bytes)
    }

    /// Whether these bytes looked like that when they were last read.
    pub(super) fn holds(&self, at: Address, expected: &[u8]) -> bool {
        let Some(nth) = self.last_read(at, expected.len()) else { return false };
        let mut bytes = vec![0; expected.len()];
        self.log.copy(self.memory, nth, at, &mut bytes).is_some() && bytes == expected
    }

    /// Whether the system was asked about the thread, and knew it.
    pub(super) fn is_thread(&self, native: u64) -> bool {
        self.events().iter().rev().any(|event| *event == Event::IsThread(native))
    }

    /// The process as it was told, if it was always told the same.
    pub(super) fn process(&self) -> Option<Identity> {
        let mut told = self.events().iter().filter_map(|event| match event {
            Event::Identity(identity) => Some(*identity),
            _ => None,
        });
        let first = told.next()?;
        told.all(|other| other == first).then_some(first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The last event of a range that shows these bytes, found by looking at every one.
    fn one_by_one(log: &Log, range: Range<usize>, at: Address, len: usize) -> Option<usize> {
        range.rev().find(|nth| log.is_read_of(*nth, at, len))
    }

    /// Reads of every length, within a stretch, across its end, and in two stretches of one group.
    #[test]
    fn the_index_finds_what_a_search_finds() {
        let mut log = Log::default();
        let (stretch, groups) = (LOGGED_MAX as u64, GROUPS as u64);
        let near = |nth: u64| nth * 0x9e37 % (2 * stretch);
        for nth in 0..400_u64 {
            let at = Address::new((nth % 3 * groups + 5) * stretch + near(nth));
            match nth % 7 {
                0 => log.wrote(at),
                1 => log.is_thread(nth),
                _ => log.read_held(at, (nth * nth * 31 % 5000) as usize, 0),
            }
        }
        let (mut found, memory) = (0, &AddressSpace::new());
        for nth in 0..20_000_u64 {
            let at = Address::new((nth % 3 * groups + 4) * stretch + nth * 101 % (4 * stretch));
            let (start, len) = (nth as usize % 350, [1, 4, 8, 300][nth as usize % 4]);
            let range = start..start + nth as usize % 50;
            let seen = Seen { log: &log, memory, range: range.clone() };
            let expected = one_by_one(&log, range, at, len);
            assert_eq!(seen.last_read(at, len), expected, "{len} bytes at {at}");
            found += u32::from(expected.is_some());
        }
        assert!((2000..18_000).contains(&found), "{found} found");
    }
}

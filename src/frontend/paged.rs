//! Memory as a debugger gives it: in whole pages, and with a count of bytes where a transfer comes
//! to an early end. It lies between a host and its process, and makes of that what the engine
//! wants: exactly these bytes, or an error that says how many were done.
//!
//! A page is kept, so that what lies beside it need not be fetched again, under four rules. Each of
//! them keeps a promise that the engine relies on, and that kept pages could break:
//!
//! | rule | because |
//! |---|---|
//! | only while the target stands still | what has run since is not what was read |
//! | no byte is handed out twice of one reading | where the engine looks twice, no single wrong reading may decide: the second look is one |
//! | not from the last look on | what is written next must rest on a look of now: who stands still may be gone, and a stop may not have stopped |
//! | never over a write, nor from one look to the next | the first is plain; a rehearsal that the attempt is made of proves nothing |
//!
//! It injects no fault and knows no layout.

use std::ops::Range;

use softdock_attach::Site;
use softdock_process::{Address, ErrorKind, MemoryError, ProcessMemory};

/// Bytes of a page, and the least that is ever read.
pub const PAGE_BYTES: usize = 4096;

/// Pages kept at most: the table, the interpreters and the threads of a usual process. The oldest
/// goes first.
const PAGES_MAX: usize = 32;

/// The pages of one attempt.
#[derive(Clone, Debug, Default)]
pub struct Pages {
    kept: Vec<Page>,
    is_still: bool,
    /// Whether the engine has come to its last look, or beyond.
    is_late: bool,
}

#[derive(Clone, Debug)]
struct Page {
    at: u64,
    bytes: Box<[u8]>,
    /// What was handed out of it.
    given: Vec<Range<usize>>,
}

/// How a debugger tells of a transfer: to have come to an early end is no error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Transferred {
    bytes: usize,
    code: Code,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Code {
    Whole,
    /// Some bytes; why not more is not said.
    Part,
    /// None, and why.
    Nothing(ErrorKind),
}

impl Pages {
    /// The engine comes to this step.
    pub fn at(&mut self, site: Site) {
        if site == Site::Gate || site >= Site::Recheck {
            self.kept.clear();
            self.is_late = site != Site::Gate;
        }
    }

    /// The target stands still from now on.
    pub fn stands_still(&mut self) {
        self.kept.clear();
        self.is_still = true;
    }

    /// The target goes on.
    pub fn goes_on(&mut self) {
        self.kept.clear();
        self.is_still = false;
    }

    /// Reads through pages of `door`; as [`ProcessMemory::read`].
    ///
    /// # Errors
    /// As [`ProcessMemory::read`].
    pub fn read(
        &mut self,
        door: &mut impl ProcessMemory,
        at: Address,
        into: &mut [u8],
    ) -> Result<(), MemoryError> {
        in_range(at, into.len())?;
        let wanted = into.len();
        self.transfer(door, at, into).translated(at, wanted)
    }

    /// Writes these bytes and no others; as [`ProcessMemory::write`].
    ///
    /// # Errors
    /// As [`ProcessMemory::write`].
    pub fn write(
        &mut self,
        door: &mut impl ProcessMemory,
        at: Address,
        from: &[u8],
    ) -> Result<(), MemoryError> {
        self.kept.clear();
        let written = door.write(at, from);
        let end = written.map_err(|error| (error.done, error.kind));
        Transferred::of(from.len(), end).translated(at, from.len())
    }

    fn transfer(
        &mut self,
        door: &mut impl ProcessMemory,
        at: Address,
        into: &mut [u8],
    ) -> Transferred {
        let (mut done, wanted) = (0, into.len());
        while done < wanted {
            let from = at.get() + done as u64;
            let skip = (from % PAGE_BYTES as u64) as usize;
            let part = skip..PAGE_BYTES.min(skip + wanted - done);
            let (page_at, into) = (from - skip as u64, &mut into[done..done + part.len()]);
            match self.give(door, page_at, part, into) {
                Ok(()) => done += into.len(),
                Err((some, kind)) => return Transferred::of(wanted, Err((done + some, kind))),
            }
        }
        Transferred::of(wanted, Ok(()))
    }

    /// A part of one page, or how much of it there is and why not more.
    fn give(
        &mut self,
        door: &mut impl ProcessMemory,
        at: u64,
        part: Range<usize>,
        into: &mut [u8],
    ) -> Result<(), (usize, ErrorKind)> {
        let kept = self.kept.iter().position(|page| page.at == at);
        let mut page = match kept.map(|nth| self.kept.remove(nth)) {
            Some(page) if page.has_not_given(&part) => page,
            _ => {
                let mut bytes = vec![0; PAGE_BYTES].into_boxed_slice();
                if let Err(error) = door.read(Address::new(at), &mut bytes) {
                    let there = error.done.clamp(part.start, part.end) - part.start;
                    into[..there].copy_from_slice(&bytes[part.start..part.start + there]);
                    return if there < into.len() { Err((there, error.kind)) } else { Ok(()) };
                }
                Page { at, bytes, given: Vec::new() }
            }
        };
        into.copy_from_slice(&page.bytes[part.clone()]);
        if self.is_still && !self.is_late {
            page.given.push(part);
            self.kept.push(page);
            if self.kept.len() > PAGES_MAX {
                self.kept.remove(0);
            }
        }
        Ok(())
    }
}

impl Page {
    fn has_not_given(&self, part: &Range<usize>) -> bool {
        self.given.iter().all(|given| given.end <= part.start || part.end <= given.start)
    }
}

impl Transferred {
    /// So many bytes were wanted; all of them were done, or some, for this reason.
    fn of(wanted: usize, end: Result<(), (usize, ErrorKind)>) -> Transferred {
        match end {
            Ok(()) => Transferred { bytes: wanted, code: Code::Whole },
            Err((0, kind)) => Transferred { bytes: 0, code: Code::Nothing(kind) },
            Err((bytes, _)) => Transferred { bytes, code: Code::Part },
        }
    }

    /// The same in the engine's words.
    fn translated(self, at: Address, wanted: usize) -> Result<(), MemoryError> {
        let kind = match self.code {
            Code::Whole => return Ok(()),
            Code::Part => ErrorKind::Short,
            // Of the page there was some, but nothing of what was wanted.
            Code::Nothing(ErrorKind::Short) => ErrorKind::Unmapped,
            Code::Nothing(kind) => kind,
        };
        Err(MemoryError { kind, at, wanted, done: self.bytes })
    }
}

/// A range past the end of the address space is not asked for.
fn in_range(at: Address, len: usize) -> Result<(), MemoryError> {
    let last = (len as u64).saturating_sub(1);
    let out_of_range = MemoryError::untouched(ErrorKind::OutOfRange, at, len);
    at.checked_add(last).map(drop).ok_or(out_of_range)
}

#[cfg(test)]
mod tests {
    use softdock_memory::{AddressSpace, Protection};
    use softdock_process::contract::{self, Ground};

    use super::*;

    /// Memory that counts how often it is read, and how.
    struct Counted {
        space: AddressSpace,
        reads: Vec<(u64, usize)>,
    }

    impl ProcessMemory for Counted {
        fn read(&mut self, at: Address, into: &mut [u8]) -> Result<(), MemoryError> {
            self.reads.push((at.get(), into.len()));
            self.space.read(at, into)
        }

        fn write(&mut self, at: Address, from: &[u8]) -> Result<(), MemoryError> {
            self.space.write(at, from)
        }
    }

    /// Pages over memory, as the engine sees them.
    struct Through {
        pages: Pages,
        door: Counted,
    }

    impl ProcessMemory for Through {
        fn read(&mut self, at: Address, into: &mut [u8]) -> Result<(), MemoryError> {
            self.pages.read(&mut self.door, at, into)
        }

        fn write(&mut self, at: Address, from: &[u8]) -> Result<(), MemoryError> {
            self.pages.write(&mut self.door, at, from)
        }
    }

    const BASE: u64 = 0x10_000;
    const PAGE: u64 = PAGE_BYTES as u64;

    /// The ground of the contract: two pages, one to be read only, a hole, one more, and one
    /// without any access. The target stands still.
    fn ground() -> Through {
        let mut space = AddressSpace::new();
        let at = |page: u64| Address::new(BASE + page * PAGE);
        for page in [0, 1, 2, 4, 5] {
            space.map(at(page), PAGE, Protection::ReadWrite).unwrap();
            let start = page as usize * PAGE_BYTES;
            let bytes: Vec<u8> = (start..start + PAGE_BYTES).map(Ground::pattern).collect();
            space.poke(at(page), &bytes).unwrap();
        }
        space.protect(at(2), PAGE, Protection::ReadOnly).unwrap();
        space.protect(at(5), PAGE, Protection::None).unwrap();
        let mut pages = Pages::default();
        pages.stands_still();
        Through { pages, door: Counted { space, reads: Vec::new() } }
    }

    impl Through {
        #[track_caller]
        fn reads(&mut self, at: u64, len: usize) -> Result<(), MemoryError> {
            let mut bytes = vec![0; len];
            let result = self.read(Address::new(BASE + at), &mut bytes);
            let done = result.map_or_else(|error| error.done, |()| len);
            let mut now = vec![0; done];
            self.door.space.peek_into(Address::new(BASE + at), &mut now).unwrap();
            assert_eq!(bytes[..done], now, "what is there");
            result
        }

        /// How many pages were fetched since this was asked last.
        fn fetched(&mut self) -> usize {
            std::mem::take(&mut self.door.reads).len()
        }
    }

    #[test]
    fn it_keeps_the_contract_of_every_backend() {
        let (base, page) = (Address::new(BASE), PAGE_BYTES);
        for is_still in [true, false] {
            let mut through = ground();
            through.pages.is_still = is_still;
            contract::check(&mut through, Ground { base, page });
        }
    }

    #[test]
    fn only_whole_pages_are_read() {
        let mut through = ground();
        for (at, len) in [(0, 1), (4095, 2), (17, 8190), (4096, 4096)] {
            through.reads(at, len).unwrap();
        }
        assert_eq!(through.door.reads.len(), 1 + 1 + 3 + 1);
        let whole = |&(at, len): &(u64, usize)| at.is_multiple_of(PAGE) && len == PAGE_BYTES;
        assert!(through.door.reads.iter().all(whole), "{:x?}", through.door.reads);
    }

    #[test]
    fn what_lies_before_a_hole_is_counted() {
        let mut through = ground();
        let error = through.reads(2 * PAGE + 4090, 100).unwrap_err();
        assert_eq!((error.kind, error.done, error.wanted), (ErrorKind::Short, 6, 100));
        let error = through.reads(PAGE + 1, 3 * PAGE_BYTES).unwrap_err();
        assert_eq!((error.kind, error.done), (ErrorKind::Short, 2 * PAGE_BYTES - 1));
        let error = through.reads(3 * PAGE + 5, 8).unwrap_err();
        assert_eq!((error.kind, error.done), (ErrorKind::Unmapped, 0));
    }

    /// No system has such memory; a debugger that reads a dump may.
    #[test]
    fn what_there_is_of_a_page_is_counted() {
        struct Cut(AddressSpace, u64);
        impl ProcessMemory for Cut {
            fn read(&mut self, at: Address, into: &mut [u8]) -> Result<(), MemoryError> {
                let (wanted, kind) = (into.len(), ErrorKind::Short);
                let done = self.1.saturating_sub(at.get()).min(wanted as u64) as usize;
                self.0.read(at, &mut into[..done])?;
                if done < wanted { Err(MemoryError { kind, at, wanted, done }) } else { Ok(()) }
            }

            fn write(&mut self, _: Address, _: &[u8]) -> Result<(), MemoryError> {
                unreachable!("it is read only")
            }
        }
        let mut door = Cut(ground().door.space, BASE + PAGE + 100);
        let mut read = |at: u64, len: usize| {
            let mut bytes = vec![0; len];
            let result = Pages::default().read(&mut door, Address::new(BASE + at), &mut bytes);
            let done = result.map_or_else(|error| error.done, |()| len);
            let there = (at as usize..at as usize + done).map(Ground::pattern);
            assert_eq!(bytes[..done], there.collect::<Vec<_>>());
            result.map_err(|error| (error.kind, error.done))
        };
        assert_eq!(read(PAGE, 100), Ok(()));
        assert_eq!(read(PAGE + 10, 100), Err((ErrorKind::Short, 90)));
        assert_eq!(read(10, PAGE_BYTES + 100), Err((ErrorKind::Short, PAGE_BYTES + 90)));
        assert_eq!(read(PAGE + 100, 8), Err((ErrorKind::Unmapped, 0)));
        assert_eq!(read(PAGE + 200, 8), Err((ErrorKind::Unmapped, 0)));
    }

    #[test]
    fn what_lies_beside_is_not_fetched_again_but_the_same_is() {
        let mut through = ground();
        for (at, fetched) in [(0, 1), (8, 0), (24, 0), (16, 0), (12, 1), (0, 0), (13, 1)] {
            through.reads(at, 8).unwrap();
            assert_eq!(through.fetched(), fetched, "8 bytes at {at}");
        }
    }

    #[test]
    fn a_write_drops_what_was_kept() {
        let mut through = ground();
        through.reads(0, 8).unwrap();
        through.write(Address::new(BASE + 16), b"new").unwrap();
        through.reads(16, 3).unwrap();
        through.reads(24, 3).unwrap();
        assert_eq!(through.fetched(), 2);
        // Also one that fails after some bytes.
        through.write(Address::new(BASE + 2 * PAGE - 2), b"torn").unwrap_err();
        through.reads(32, 3).unwrap();
        assert_eq!(through.fetched(), 1);
    }

    #[test]
    fn nothing_is_kept_of_a_target_that_moves() {
        let mut through = ground();
        through.reads(0, 8).unwrap();
        through.pages.goes_on();
        for at in [8, 16] {
            through.door.space.poke(Address::new(BASE + at), &at.to_le_bytes()).unwrap();
            through.reads(at, 8).unwrap();
        }
        assert_eq!(through.fetched(), 3);
        through.pages.stands_still();
        through.reads(24, 8).unwrap();
        assert_eq!(through.fetched(), 1);
    }

    #[test]
    fn the_last_look_and_all_after_it_are_of_now() {
        let mut through = ground();
        through.reads(0, 8).unwrap();
        for site in [Site::Recheck, Site::Policy, Site::ClaimPending] {
            through.pages.at(site);
            through.door.space.poke(Address::new(BASE + 8), &[site as u8; 8]).unwrap();
            through.reads(8, 8).unwrap();
            through.reads(16, 8).unwrap();
            assert_eq!(through.fetched(), if site == Site::Recheck { 3 } else { 2 });
        }
        // Another look begins.
        through.pages.at(Site::Gate);
        through.reads(24, 8).unwrap();
        through.reads(32, 8).unwrap();
        assert_eq!(through.fetched(), 1);
        through.pages.at(Site::Gate);
        through.reads(40, 8).unwrap();
        assert_eq!(through.fetched(), 1);
    }

    #[test]
    fn so_many_are_kept_and_no_more() {
        let mut through = ground();
        let pages = PAGES_MAX as u64 + 1;
        let at = Address::new(BASE + 8 * PAGE);
        through.door.space.map(at, pages * PAGE, Protection::ReadWrite).unwrap();
        through.reads(8 * PAGE, (pages * PAGE) as usize).unwrap();
        assert_eq!(through.pages.kept.len(), PAGES_MAX);
        assert_eq!(through.fetched(), PAGES_MAX + 1);
    }
}

//! A run up to one of its accesses, to be gone on from there in many ways.
//!
//! Runs that differ in one access only are the same up to it. The world is put where it was, and
//! the engine goes on from the last part that it came to: its beginning, or one that
//! [`softdock_attach::Progress`] tells of. What it was told from there to the access need not be
//! found out again; that it asks the same again is checked at every question.

use softdock_attach::{Host, Progress, Report, Site, Wait};
use softdock_cpython::Bookmark;
use softdock_process::{
    Address, Candidate, ErrorKind, Identity, MemoryError, MemoryRange, Modules, ProcessMemory,
    Threads,
};

use super::{Past, World};
use crate::choice::Chooser;
use crate::evidence::LogEnd;

/// A world right before an access, and what the engine was told by then.
#[derive(Clone, Debug)]
pub struct Moment<'s> {
    pub(crate) past: Past<'s>,
    pub(crate) process: Bookmark,
    pub(crate) log: LogEnd,
    /// Where the engine goes on from; `None` where that is its beginning.
    pub(crate) progress: Option<Progress>,
    /// From there on.
    told: Vec<Told>,
    /// What was read, end to end.
    bytes: Vec<u8>,
}

/// What the engine asked, where only that tells two questions apart, and what it was told.
#[derive(Clone, Debug)]
enum Told {
    /// So many of [`Moment::bytes`], from `start` on: all of its buffer, as it was left.
    Read {
        at: Address,
        start: usize,
        len: usize,
        result: Result<(), MemoryError>,
    },
    Wrote {
        at: Address,
        result: Result<(), MemoryError>,
    },
    Image {
        start: usize,
        len: usize,
        known: Result<bool, ErrorKind>,
    },
    Candidate(Result<Option<Candidate>, ErrorKind>),
    Writable(Result<Option<MemoryRange>, ErrorKind>),
    IsThread(Result<bool, ErrorKind>),
    MainThread(Result<Option<u64>, ErrorKind>),
    Identity(Result<Identity, ErrorKind>),
    Froze(Result<(), ErrorKind>),
    Waited(Wait),
}

/// A world whose answers are kept until an access is reached, at which it ends.
pub struct Until<'r, 'w, 's, C> {
    world: &'r mut World<'w, 's, C>,
    access: u32,
    progress: Option<Progress>,
    told: Vec<Told>,
    bytes: Vec<u8>,
    reached: Option<(Past<'s>, Bookmark, LogEnd)>,
}

impl<'r, 'w, 's, C: Chooser> Until<'r, 'w, 's, C> {
    /// The world as it begins.
    pub fn new(world: &'r mut World<'w, 's, C>, access: u32) -> Until<'r, 'w, 's, C> {
        let (told, bytes) = (Vec::new(), Vec::new());
        Until { world, access, progress: None, told, bytes, reached: None }
    }

    /// The moment, if it came.
    pub fn moment(self) -> Option<Moment<'s>> {
        let Until { progress, told, bytes, reached, .. } = self;
        reached.map(|(past, process, log)| Moment { past, process, log, progress, told, bytes })
    }

    /// Whether an access is still to be made: from the one on that was to be reached, there is
    /// nobody there any more, so that the engine comes to an end.
    fn arrive(&mut self) -> Result<(), ErrorKind> {
        let World { process, past, evidence, .. } = &self.world;
        if self.reached.is_none() && past.accesses + 1 == self.access {
            self.reached = Some(((**past).clone(), process.bookmark(), evidence.log.end()));
        }
        if self.reached.is_some() { Err(ErrorKind::Gone) } else { Ok(()) }
    }

    /// The same, for a transfer.
    fn arrive_at(&mut self, at: Address, wanted: usize) -> Result<(), MemoryError> {
        self.arrive().map_err(|kind| MemoryError::untouched(kind, at, wanted))
    }

    fn keep<T: Copy>(&mut self, answer: T, told: impl FnOnce(T) -> Told) -> T {
        self.told.push(told(answer));
        answer
    }

    /// Keeps bytes, and returns where.
    fn keep_bytes(&mut self, bytes: &[u8]) -> (usize, usize) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(bytes);
        (start, bytes.len())
    }
}

impl<C: Chooser> ProcessMemory for Until<'_, '_, '_, C> {
    fn read(&mut self, at: Address, into: &mut [u8]) -> Result<(), MemoryError> {
        self.arrive_at(at, into.len())?;
        let result = self.world.read(at, into);
        let (start, len) = self.keep_bytes(into);
        self.keep(result, |result| Told::Read { at, start, len, result })
    }

    fn write(&mut self, at: Address, from: &[u8]) -> Result<(), MemoryError> {
        self.arrive_at(at, from.len())?;
        let result = self.world.write(at, from);
        self.keep(result, |result| Told::Wrote { at, result })
    }
}

impl<C: Chooser> Modules for Until<'_, '_, '_, C> {
    fn candidate(&mut self, rank: usize) -> Result<Option<&Candidate>, ErrorKind> {
        self.arrive()?;
        let found = self.world.candidate(rank);
        self.told.push(Told::Candidate(found.map(|found| found.cloned())));
        found
    }

    fn read_image(&mut self, at: Address, into: &mut [u8]) -> Result<bool, ErrorKind> {
        self.arrive()?;
        let known = self.world.read_image(at, into);
        let (start, len) = self.keep_bytes(into);
        self.keep(known, |known| Told::Image { start, len, known })
    }

    fn writable(&mut self, nth: usize) -> Result<Option<MemoryRange>, ErrorKind> {
        self.arrive()?;
        let range = self.world.writable(nth);
        self.keep(range, Told::Writable)
    }
}

impl<C: Chooser> Threads for Until<'_, '_, '_, C> {
    fn is_thread(&mut self, native: u64) -> Result<bool, ErrorKind> {
        self.arrive()?;
        let known = self.world.is_thread(native);
        self.keep(known, Told::IsThread)
    }

    fn main_thread(&mut self) -> Result<Option<u64>, ErrorKind> {
        self.arrive()?;
        let main = self.world.main_thread();
        self.keep(main, Told::MainThread)
    }

    fn identity(&mut self) -> Result<Identity, ErrorKind> {
        self.arrive()?;
        let identity = self.world.identity();
        self.keep(identity, Told::Identity)
    }
}

impl<C: Chooser> Host for Until<'_, '_, '_, C> {
    fn at(&mut self, site: Site) {
        self.world.at(site);
    }

    /// What was told before is not asked any more.
    fn comes_to(&mut self, progress: impl FnOnce() -> Progress) {
        if self.reached.is_none() {
            self.progress = Some(progress());
            self.told.clear();
            self.bytes.clear();
        }
    }

    fn wait(&mut self, polls: u32) -> Wait {
        if self.reached.is_some() {
            return Wait::Deadline;
        }
        let wait = self.world.wait(polls);
        self.keep(wait, Told::Waited)
    }

    fn freeze(&mut self) -> Result<(), ErrorKind> {
        self.arrive()?;
        let frozen = self.world.freeze();
        self.keep(frozen, Told::Froze)
    }

    fn thaw(&mut self) {
        self.world.thaw();
    }

    fn conclude(&mut self, report: &Report) {
        self.world.conclude(report);
    }
}

/// A world at a moment, and an engine that is told everything up to it once more.
pub struct Retold<'r, 'w, 's, C> {
    /// The world.
    pub world: &'r mut World<'w, 's, C>,
    moment: &'r Moment<'s>,
    nth: usize,
}

impl<'r, 'w, 's, C: Chooser> Retold<'r, 'w, 's, C> {
    /// The world must be as it was at that moment.
    pub fn new(world: &'r mut World<'w, 's, C>, moment: &'r Moment<'s>) -> Retold<'r, 'w, 's, C> {
        Retold { world, moment, nth: 0 }
    }

    fn next(&mut self) -> Option<&'r Told> {
        let told = self.moment.told.get(self.nth)?;
        self.nth += 1;
        Some(told)
    }

    fn is_there(&self) -> bool {
        self.nth == self.moment.told.len()
    }

    fn bytes(&self, start: usize, len: usize) -> &'r [u8] {
        &self.moment.bytes[start..start + len]
    }
}

/// Whatever was found by runs of an engine that is not a function of what it is told means nothing.
fn another_question(told: &Told) -> ! {
    panic!("the engine asks something else, told the same: it was {told:?}")
}

impl<C: Chooser> ProcessMemory for Retold<'_, '_, '_, C> {
    #[inline]
    fn read(&mut self, at: Address, into: &mut [u8]) -> Result<(), MemoryError> {
        match self.next() {
            None => self.world.read(at, into),
            Some(&Told::Read { at: before, start, len, result })
                if (before, len) == (at, into.len()) =>
            {
                into.copy_from_slice(self.bytes(start, len));
                result
            }
            Some(told) => another_question(told),
        }
    }

    fn view<'b>(
        &'b mut self,
        at: Address,
        len: usize,
        scratch: &'b mut Vec<u8>,
    ) -> Result<&'b [u8], MemoryError> {
        match self.next() {
            None => self.world.view(at, len, scratch),
            Some(&Told::Read { at: before, start, len: known, result })
                if (before, known) == (at, len) =>
            {
                let bytes = self.bytes(start, len);
                if result.is_err() {
                    scratch.clear();
                    scratch.extend_from_slice(bytes);
                }
                result.map(|()| bytes)
            }
            Some(told) => another_question(told),
        }
    }

    fn write(&mut self, at: Address, from: &[u8]) -> Result<(), MemoryError> {
        match self.next() {
            None => self.world.write(at, from),
            Some(&Told::Wrote { at: before, result }) if before == at => result,
            Some(told) => another_question(told),
        }
    }
}

impl<C: Chooser> Modules for Retold<'_, '_, '_, C> {
    fn candidate(&mut self, rank: usize) -> Result<Option<&Candidate>, ErrorKind> {
        match self.next() {
            None => self.world.candidate(rank),
            Some(Told::Candidate(found)) => {
                found.as_ref().map(Option::as_ref).map_err(|kind| *kind)
            }
            Some(told) => another_question(told),
        }
    }

    fn read_image(&mut self, at: Address, into: &mut [u8]) -> Result<bool, ErrorKind> {
        match self.next() {
            None => self.world.read_image(at, into),
            Some(&Told::Image { start, len, known }) if len == into.len() => {
                into.copy_from_slice(self.bytes(start, len));
                known
            }
            Some(told) => another_question(told),
        }
    }

    fn writable(&mut self, nth: usize) -> Result<Option<MemoryRange>, ErrorKind> {
        match self.next() {
            None => self.world.writable(nth),
            Some(Told::Writable(range)) => *range,
            Some(told) => another_question(told),
        }
    }
}

impl<C: Chooser> Threads for Retold<'_, '_, '_, C> {
    fn is_thread(&mut self, native: u64) -> Result<bool, ErrorKind> {
        match self.next() {
            None => self.world.is_thread(native),
            Some(Told::IsThread(known)) => *known,
            Some(told) => another_question(told),
        }
    }

    fn main_thread(&mut self) -> Result<Option<u64>, ErrorKind> {
        match self.next() {
            None => self.world.main_thread(),
            Some(Told::MainThread(main)) => *main,
            Some(told) => another_question(told),
        }
    }

    fn identity(&mut self) -> Result<Identity, ErrorKind> {
        match self.next() {
            None => self.world.identity(),
            Some(Told::Identity(identity)) => *identity,
            Some(told) => another_question(told),
        }
    }
}

impl<C: Chooser> Host for Retold<'_, '_, '_, C> {
    /// The world knows where it was.
    fn at(&mut self, site: Site) {
        if self.is_there() {
            self.world.at(site);
        }
    }

    fn wait(&mut self, polls: u32) -> Wait {
        match self.next() {
            None => self.world.wait(polls),
            Some(Told::Waited(wait)) => *wait,
            Some(told) => another_question(told),
        }
    }

    fn freeze(&mut self) -> Result<(), ErrorKind> {
        match self.next() {
            None => self.world.freeze(),
            Some(Told::Froze(frozen)) => *frozen,
            Some(told) => another_question(told),
        }
    }

    fn thaw(&mut self) {
        if self.is_there() {
            self.world.thaw();
        }
    }

    fn conclude(&mut self, report: &Report) {
        self.world.conclude(report);
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::choice::{Menu, Open, Recorded, What};
    use crate::corpus;
    use crate::frontend::FrontEnd;
    use crate::run::Stage;
    use crate::sweep::{PartKind, menu, open_after};
    use crate::trace::Trace;

    /// Faults of a run: at which access, and which of the menu.
    type Faults = Vec<(u32, What, u32)>;

    /// One fault or lie at each access of a quiet run, with another one soon after it.
    fn faults(quiet: &[Open], menu: &Menu) -> Vec<Faults> {
        let with_one = |(nth, open): (u32, &Open)| {
            let choice = (nth * 7).checked_rem(menu.len(open.shape))?;
            let one = (open.access, What::Fault, 1 + choice);
            let later = quiet.get(nth as usize + 3);
            let later = later.map(|open| (open.access, What::Fault, 2));
            Some(std::iter::once(one).chain(later).collect())
        };
        (0..).zip(quiet.iter().take(60)).filter_map(with_one).collect()
    }

    /// Goes on from right before each of these faults, twice, and compares that with the whole run.
    /// Returns how often, and how often the engine went on from the middle.
    fn compare(stage: &mut Stage<'_>, menu: &Menu, faults: &Faults) -> (u32, u32) {
        let (about, mut compared, mut from_the_middle) = (&stage.scenario().about, 0, 0);
        for (last, (access, ..)) in faults.iter().enumerate() {
            let Some(from) = stage.up_to(menu, &faults[..last], *access) else { continue };
            let gone_on = stage.go_on(&from, menu, &mut Recorded::new(faults));
            let again = stage.go_on(&from, menu, &mut Recorded::new(faults));
            let whole = stage.explore(Some(menu), &mut Recorded::new(faults), Trace::off());
            assert_eq!(gone_on, whole, "{about}: {faults:?} from access {access}");
            assert_eq!(again, whole, "{about}: {faults:?} from access {access} again");
            compared += 1;
            from_the_middle += u32::from(from.progress.is_some());
        }
        (compared, from_the_middle)
    }

    /// Of every committed scenario. Of a lie an attempt may know nothing, and go on to its end.
    #[test]
    fn a_run_that_goes_on_from_a_moment_is_the_whole_run() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
        let menus = [PartKind::Faults(1), PartKind::Lies].map(|kind| menu(kind, &[]));
        let (mut compared, mut from_the_middle) = (0, 0);
        let found = corpus::find(&[root]).expect("scenarios");
        // The one looks once, the other twice.
        let by_both = |file| FrontEnd::ALL.map(|front_end| (file, front_end));
        for ((path, name), front_end) in found.iter().flat_map(by_both) {
            let entry = corpus::load(path, name).expect("a scenario");
            let Some(scenario) = entry.scenario.attach() else { continue };
            let mut stage = entry.stage().expect("a process");
            stage.attach_by(front_end);
            for menu in &menus {
                let quiet = open_after(&mut stage, &scenario.faults, menu, &vec![]);
                for faults in faults(&quiet, menu) {
                    let (all, middle) = compare(&mut stage, menu, &faults);
                    (compared, from_the_middle) = (compared + all, from_the_middle + middle);
                }
            }
        }
        assert!(compared > 60_000, "{compared} compared");
        assert!(from_the_middle > 15_000, "{from_the_middle} gone on from the middle");
    }
}

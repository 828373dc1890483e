//! One attempt: what it holds while it runs, how it stops, and the promise that it concludes
//! exactly once.

use std::borrow::Cow;

use softdock_process::{Address, ErrorKind, Identity, MemoryError};

use crate::layout::Layout;
use crate::limits::LOOKS_MAX;
use crate::progress::Part;
use crate::report::Found;
use crate::validate::State;
use crate::words::u64_at;
use crate::{Config, Host, Outcome, Reason, Report, Site};

/// How a chapter of the story ends early: at which site, why, and as a refusal or a failure.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stop {
    pub(crate) outcome: Outcome,
    pub(crate) site: Site,
    pub(crate) reason: Reason,
}

pub(crate) type Step<T> = Result<T, Stop>;

/// The thread state that shall run the script, and the way that led to it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Target {
    pub(crate) runtime: Address,
    pub(crate) layout: Layout,
    pub(crate) interpreter: Found,
    pub(crate) thread: Address,
    pub(crate) native: u64,
    /// Whether the interpreter's policy word could be read.
    pub(crate) policy_known: bool,
}

/// An attempt under way.
pub(crate) struct Attempt<'a, H: Host> {
    pub(crate) host: &'a mut H,
    pub(crate) config: &'a Config,
    pub(crate) report: Report,
    /// The table as read.
    pub(crate) slab: Cow<'a, [u8]>,
    /// The thread state as last read.
    pub(crate) state: Cow<'a, [u8]>,
    /// For what is read and looked at, but not kept.
    pub(crate) scratch: Vec<u8>,
    /// What comes before this part of it was done before.
    pub(crate) from: Part,
    /// Whether the search can be gone on from: nothing is to be decided after it, but to attach.
    pub(crate) search_goes_on: bool,
    concluded: bool,
}

/// Words of one struct that lie together in this many bytes are fetched by one read: the list
/// fields of an interpreter span 96.
const SPAN_MAX: usize = 256;

impl<'a, H: Host> Attempt<'a, H> {
    pub(crate) fn new(host: &'a mut H, config: &'a Config, report: Report) -> Attempt<'a, H> {
        Attempt {
            host,
            config,
            report,
            slab: Cow::default(),
            state: Cow::default(),
            scratch: Vec::new(),
            from: Part::Recheck,
            search_goes_on: false,
            concluded: false,
        }
    }

    /// Ends the attempt: one site, one outcome, one report.
    pub(crate) fn conclude(&mut self, ending: Step<Outcome>) -> Report {
        match ending {
            Ok(outcome) => {
                self.report.outcome = outcome;
                if self.report.reason == Some(Reason::Unexpected) {
                    self.report.reason = None;
                }
            }
            Err(stop) => {
                self.report.outcome = stop.outcome;
                self.report.site = stop.site;
                self.report.reason = Some(stop.reason);
            }
        }
        self.concluded = true;
        self.host.thaw();
        self.host.conclude(&self.report);
        core::mem::replace(&mut self.report, Report::new())
    }

    /// Ends something that is no attempt of its own, and so has nothing to conclude.
    pub(crate) fn abandon(mut self) {
        self.concluded = true;
    }

    /// The accesses that follow belong to this step.
    pub(crate) fn at(&mut self, site: Site) {
        self.report.site = site;
        self.host.at(site);
    }

    /// The engine decides against it.
    pub(crate) fn refuse<T>(&self, reason: Reason) -> Step<T> {
        Err(Stop { outcome: Outcome::Refused, site: self.report.site, reason })
    }

    /// Something did not work.
    pub(crate) fn fail<T>(&self, reason: Reason) -> Step<T> {
        Err(Stop { outcome: Outcome::Failed, site: self.report.site, reason })
    }

    /// An access that had to work, or the failure it is.
    pub(crate) fn must<T>(&self, result: Result<T, MemoryError>) -> Step<T> {
        result.or_else(|error| self.fail(Reason::Memory(error.kind)))
    }

    /// A question to the process that had to be answered.
    pub(crate) fn asked<T>(&self, result: Result<T, ErrorKind>) -> Step<T> {
        result.or_else(|kind| self.fail(Reason::Process(kind)))
    }

    /// An access whose address came from the target: memory that is not there speaks against the
    /// pointer, anything else is a failure of the access.
    pub(crate) fn follow<T>(&self, result: Result<T, MemoryError>, broken: Reason) -> Step<T> {
        match result {
            Ok(value) => Ok(value),
            Err(error) if is_about_memory(error.kind) => self.refuse(broken),
            Err(error) => self.fail(Reason::Memory(error.kind)),
        }
    }

    /// What two looks at the target in a row agree on, the `first` of which was taken already: no
    /// single wrong or failed look decides. Where no two ever agree, the last one counts.
    pub(crate) fn agreed<T: PartialEq>(
        &mut self,
        first: T,
        mut look: impl FnMut(&mut Self) -> T,
    ) -> T {
        let mut last = first;
        for _ in 0..LOOKS_MAX {
            let now = look(self);
            if now == last {
                break;
            }
            last = now;
        }
        last
    }

    /// Words at these offsets of the struct at `base`, by one read where they lie close together.
    pub(crate) fn words<const N: usize>(
        &mut self,
        base: Address,
        offsets: [u64; N],
    ) -> Result<[u64; N], MemoryError> {
        let low = offsets.into_iter().min().unwrap_or(0);
        let high = offsets.into_iter().max().unwrap_or(0);
        let out_of_range = MemoryError::untouched(ErrorKind::OutOfRange, base, 8);
        let mut words = [0; N];
        let mut buffer = [0; SPAN_MAX];
        let span = usize::try_from(high.saturating_sub(low).saturating_add(8));
        let Some(span) = span.ok().and_then(|span| buffer.get_mut(..span)) else {
            for (word, offset) in words.iter_mut().zip(offsets) {
                let at = base.checked_add(offset).ok_or(out_of_range)?;
                *word = self.host.read_u64(at)?;
            }
            return Ok(words);
        };
        let start = base.checked_add(low).ok_or(out_of_range)?;
        self.host.read(start, span)?;
        for (word, offset) in words.iter_mut().zip(offsets) {
            *word = u64_at(span, offset.saturating_sub(low)).unwrap_or(0);
        }
        Ok(words)
    }

    /// Reads a whole thread state into [`Attempt::state`].
    pub(crate) fn read_state(&mut self, at: Address, layout: &Layout) -> Result<(), MemoryError> {
        let read = self.host.view(at, state_bytes(layout), &mut self.scratch)?;
        keep(&mut self.state, read);
        Ok(())
    }

    /// A look at a whole thread state, which is not kept.
    pub(crate) fn view_state<'s>(
        &'s mut self,
        at: Address,
        layout: &'s Layout,
    ) -> Result<State<'s>, MemoryError> {
        let bytes = self.host.view(at, state_bytes(layout), &mut self.scratch)?;
        Ok(State { bytes, fields: &layout.thread })
    }

    /// Reads a table into [`Attempt::slab`], and says whether that held anything else before.
    pub(crate) fn read_table(&mut self, at: Address, bytes: usize) -> Result<bool, MemoryError> {
        let read = self.host.view(at, bytes, &mut self.scratch)?;
        let is_new = *self.slab != *read;
        keep(&mut self.slab, read);
        Ok(is_new)
    }

    /// The thread state as last read, seen through `layout`.
    pub(crate) fn state<'s>(&'s self, layout: &'s Layout) -> State<'s> {
        State { bytes: &self.state, fields: &layout.thread }
    }

    /// Which process this is.
    pub(crate) fn identify(&mut self) -> Step<Identity> {
        self.at(Site::Identify);
        let identity = self.host.identity();
        let identity = self.asked(identity)?;
        self.report.process = Some(identity);
        Ok(identity)
    }
}

/// Bytes of a thread state.
fn state_bytes(layout: &Layout) -> usize {
    usize::try_from(layout.thread.size).unwrap_or(0)
}

/// Keeps what was read in the place of what was kept before.
fn keep(kept: &mut Cow<'_, [u8]>, read: &[u8]) {
    match kept {
        Cow::Owned(bytes) => {
            bytes.clear();
            bytes.extend_from_slice(read);
        }
        Cow::Borrowed(_) => *kept = Cow::Owned(read.to_vec()),
    }
}

/// Whether a failure says something about the memory rather than about the access.
pub(crate) fn is_about_memory(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::Unmapped | ErrorKind::Short | ErrorKind::OutOfRange)
}

impl<H: Host> Drop for Attempt<'_, H> {
    /// The host hears of every attempt, also of one that unwinds.
    fn drop(&mut self) {
        if !self.concluded {
            self.report.outcome = Outcome::Failed;
            self.report.reason = Some(Reason::Unexpected);
            self.report.left = crate::Left::Unknown;
            self.host.thaw();
            self.host.conclude(&self.report);
        }
    }
}

#[cfg(test)]
mod tests {
    use softdock_process::{
        Candidate, ErrorKind, Identity, MemoryError, MemoryRange, Modules, ProcessMemory, Threads,
    };

    use super::*;
    use crate::{Request, Wait};

    /// A host with a bug of its own.
    #[derive(Default)]
    struct Broken {
        concluded: Vec<Report>,
    }

    impl ProcessMemory for Broken {
        fn read(&mut self, _: Address, _: &mut [u8]) -> Result<(), MemoryError> {
            unreachable!("the attempt ends before")
        }

        fn write(&mut self, _: Address, _: &[u8]) -> Result<(), MemoryError> {
            unreachable!("the attempt ends before")
        }
    }

    impl Modules for Broken {
        fn candidate(&mut self, _: usize) -> Result<Option<&Candidate>, ErrorKind> {
            panic!("a bug of the host")
        }

        fn read_image(&mut self, _: Address, _: &mut [u8]) -> Result<bool, ErrorKind> {
            unreachable!("the attempt ends before")
        }

        fn writable(&mut self, _: usize) -> Result<Option<MemoryRange>, ErrorKind> {
            unreachable!("the attempt ends before")
        }
    }

    impl Threads for Broken {
        fn is_thread(&mut self, _: u64) -> Result<bool, ErrorKind> {
            unreachable!("the attempt ends before")
        }

        fn main_thread(&mut self) -> Result<Option<u64>, ErrorKind> {
            unreachable!("the attempt ends before")
        }

        fn identity(&mut self) -> Result<Identity, ErrorKind> {
            Ok(Identity { pid: 1, started: 1 })
        }
    }

    impl Host for Broken {
        fn at(&mut self, _: Site) {}

        fn wait(&mut self, _: u32) -> Wait {
            Wait::Deadline
        }

        fn conclude(&mut self, report: &Report) {
            self.concluded.push(report.clone());
        }
    }

    #[test]
    fn an_attempt_that_unwinds_concludes_once_and_says_where() {
        let mut host = Broken::default();
        let config = Config::default();
        let request = Request { script: b"/tmp/a.py", cached: None, planned: None };
        let attempt = std::panic::AssertUnwindSafe(|| crate::attach(&mut host, &config, request));
        assert!(std::panic::catch_unwind(attempt).is_err());
        let [report] = host.concluded.as_slice() else { panic!("one conclusion") };
        assert_eq!((report.outcome, report.site), (Outcome::Failed, Site::Locate));
        assert_eq!(report.reason, Some(Reason::Unexpected));
    }
}

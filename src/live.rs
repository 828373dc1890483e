//! A live process as the host of an attempt: the engine's questions go to the system, the waiting
//! is done with a real clock, and whoever started the attempt hears what it came to.
//!
//! This is the only place of this crate with signals. It knows nothing of output:
//! what is printed is decided by the command.

use std::fmt;
use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use softdock_attach::{Host, Report, Site, Wait};
use softdock_live::{FreezeError, Frozen, Process};
use softdock_process::{
    Address, Candidate, ErrorKind, Identity, MemoryError, MemoryRange, Modules, ProcessMemory,
    Threads,
};

use crate::answer::WallClock;
use crate::frontend::FrontEnd;
use crate::frontend::paged::Pages;
use crate::patience::{Patience, pause};
use crate::phases::{Phase, PhaseTimer};

/// Whether the user gave up.
#[derive(Clone, Debug, Default)]
pub struct Cancellation(Arc<AtomicBool>);

impl Cancellation {
    /// Listens to Ctrl-C, a request to end and a closed terminal, from now on: an attempt under
    /// way is then taken back instead of being left half done.
    ///
    /// The second one ends the program at once, whatever that leaves in the target.
    ///
    /// # Errors
    /// When the system does not let us listen.
    pub fn on_signals() -> std::io::Result<Cancellation> {
        let cancelled = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            let twice = Arc::clone(&cancelled);
            signal_hook::flag::register_conditional_default(signal, twice)?;
            signal_hook::flag::register(signal, Arc::clone(&cancelled))?;
        }
        Ok(Cancellation(cancelled))
    }

    /// Gives up, as a signal would.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether it was given up.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// The turn of one attacher among all softdocks of a machine.
///
/// CPython has one slot a thread and no queue. While one attacher waits for its script to be taken,
/// the next could write its own over it as soon as it was, and the first would no longer find what
/// it looks for: every tenth of 600 attaches by two processes ended as `lost` that way, though all
/// had run. The lock is one of the folder `/proc/PID`, so that it belongs to that very process and
/// leaves no file behind. Nothing like it exists against `sys.remote_exec`.
#[derive(Debug)]
pub struct Turn {
    _lock: Option<Flock<File>>,
}

impl Turn {
    /// Waits for the turn; `None` when it did not come in time or the user gave up.
    ///
    /// Where the system has no such lock, it is anybody's turn: the engine is safe without one.
    #[must_use]
    pub fn take(pid: u32, timeout: Duration, cancellation: &Cancellation) -> Option<Turn> {
        let began = Instant::now();
        let Ok(mut folder) = File::open(format!("/proc/{pid}")) else {
            return Some(Turn { _lock: None });
        };
        for polls in 0.. {
            folder = match Flock::lock(folder, FlockArg::LockExclusiveNonblock) {
                Ok(lock) => return Some(Turn { _lock: Some(lock) }),
                Err((folder, Errno::EWOULDBLOCK | Errno::EINTR)) => folder,
                Err(_) => break,
            };
            if began.elapsed() >= timeout || cancellation.is_cancelled() {
                return None;
            }
            std::thread::sleep(pause(polls));
        }
        Some(Turn { _lock: None })
    }

    /// The same turn, which a thread has brought to an end by taking the script.
    #[must_use]
    pub fn until_copied(self, process: Process, thread: u64) -> Copying {
        Copying { _turn: self, process, thread }
    }
}

/// A turn that ends when the path of a script that was taken must have been copied.
///
/// CPython lowers the flag first, then asks for 512 bytes and copies the path into them
/// (`_PyRunRemoteDebugger`). A thread that loses its processor in between finds what the next
/// attacher has written by then: of 800 attaches by two processes on a busy machine one was told as
/// taken and never ran, and the one after it ran twice. So whoever has seen the flag fall gives the
/// turn back when the thread sleeps, which it does not do in between, or has run on.
#[derive(Debug)]
pub struct Copying {
    _turn: Turn,
    process: Process,
    thread: u64,
}

/// More than asking for 512 bytes and copying them takes.
const COPY_MAX: Duration = Duration::from_micros(100);

/// How long the turn is kept for a thread that gets no processor.
const COPYING_MAX: Duration = Duration::from_millis(500);

impl Drop for Copying {
    fn drop(&mut self) {
        let (began, mut pace) = (Instant::now(), Pace::default());
        for polls in 0.. {
            let is_away = match self.process.activity(self.thread) {
                Ok(activity) => !activity.running && !activity.stopped,
                Err(error) => error == ErrorKind::Gone,
            };
            // Where the system counts no time, a thread that stays busy is given all of it.
            let time = self.process.time_on_processor(self.thread);
            let has_run_on = time.is_ok_and(|time| pace.has_run_on(time));
            if is_away || has_run_on || began.elapsed() >= COPYING_MAX {
                return;
            }
            std::thread::sleep(pause(polls));
        }
    }
}

/// What is known of how long a thread has run. The system counts now and then: the first count that
/// differs was made after we began to look, and only what comes on top of it was run since.
#[derive(Debug, Default)]
struct Pace {
    before: Option<Duration>,
    since: Option<Duration>,
}

impl Pace {
    fn has_run_on(&mut self, time: Duration) -> bool {
        if self.before.is_some_and(|before| before != time) {
            let since = *self.since.get_or_insert(time);
            return time.saturating_sub(since) >= COPY_MAX;
        }
        self.before = Some(time);
        false
    }
}

/// A live process, and the patience of whoever attaches to it.
pub struct LiveHost<'h> {
    process: Process,
    clock: WallClock,
    patience: Patience,
    cancellation: Cancellation,
    on_conclusion: Box<dyn FnMut(&Report) + 'h>,
    phases: Option<PhaseTimer>,
    /// What lies between the engine's accesses and the process.
    pages: Option<Pages>,
    /// How many writes there were, and which of them is cut.
    writes: u32,
    cut: Option<u32>,
    frozen: Option<Frozen>,
    freeze_error: Option<FreezeError>,
}

impl<'h> LiveHost<'h> {
    /// A host that waits `timeout` for the target, counted from when the request was armed, and
    /// that tells `on_conclusion` of the report, once an attempt.
    pub fn new(
        process: Process,
        timeout: Duration,
        cancellation: Cancellation,
        on_conclusion: impl FnMut(&Report) + 'h,
    ) -> LiveHost<'h> {
        LiveHost {
            process,
            clock: WallClock::start(),
            patience: Patience::new(timeout),
            cancellation,
            on_conclusion: Box::new(on_conclusion),
            phases: None,
            pages: None,
            writes: 0,
            cut: None,
            frozen: None,
            freeze_error: None,
        }
    }

    /// Reaches the process as this front end does, from now on.
    pub fn reach_by(&mut self, front_end: FrontEnd) {
        self.pages = front_end.pages();
    }

    /// Cuts the write of this number, counted from 1: half of its bytes land, and the engine hears
    /// that they did. Shows on a real process what becomes of a write that fails in its middle.
    pub fn cut_write(&mut self, nth: u32) {
        self.cut = Some(nth);
    }

    /// Whether there was such a write.
    #[must_use]
    pub fn has_cut(&self) -> bool {
        self.cut.is_some_and(|nth| nth > 0 && nth <= self.writes)
    }

    /// How long the target was given to take the script.
    #[must_use]
    pub fn waited(&self) -> Duration {
        self.patience.waited()
    }

    /// The process, for whoever has still to do with it.
    #[must_use]
    pub fn into_process(self) -> Process {
        self.process
    }

    /// Why the target could not be stopped, if it should have been and could not.
    #[must_use]
    pub fn freeze_error(&self) -> Option<&FreezeError> {
        self.freeze_error.as_ref()
    }

    /// Notes what each step costs, from now on. Off by default: looking at the clock costs as much
    /// as some of the steps.
    pub fn record_phases(&mut self) {
        self.phases = Some(PhaseTimer::start(&mut self.clock));
    }

    /// What each step cost. Empty unless it was asked for.
    #[must_use]
    pub fn phases(&self) -> &[Phase] {
        self.phases.as_ref().map_or(&[], PhaseTimer::phases)
    }

    fn land(&mut self, at: Address, bytes: &[u8]) -> Result<(), MemoryError> {
        match &mut self.pages {
            Some(pages) => pages.write(&mut self.process, at, bytes),
            None => self.process.write(at, bytes),
        }
    }

    fn count_access(&mut self) {
        if let Some(phases) = &mut self.phases {
            phases.access();
        }
    }
}

impl Host for LiveHost<'_> {
    fn at(&mut self, site: Site) {
        if let Some(pages) = &mut self.pages {
            pages.at(site);
        }
        if let Some(phases) = &mut self.phases {
            phases.at(&mut self.clock, site);
        }
    }

    fn wait(&mut self, polls: u32) -> Wait {
        self.patience.wait(&mut self.clock, self.cancellation.is_cancelled(), polls)
    }

    /// What stands still already is not stopped twice.
    fn freeze(&mut self) -> Result<(), ErrorKind> {
        if self.frozen.is_some() {
            return Ok(());
        }
        match self.process.freeze() {
            Ok(frozen) => {
                self.frozen = Some(frozen);
                if let Some(pages) = &mut self.pages {
                    pages.stands_still();
                }
            }
            Err(error) => {
                let kind = match &error {
                    FreezeError::Gone { .. } => ErrorKind::Gone,
                    _ => ErrorKind::Denied,
                };
                self.freeze_error = Some(error);
                return Err(kind);
            }
        }
        Ok(())
    }

    fn thaw(&mut self) {
        self.frozen = None;
        if let Some(pages) = &mut self.pages {
            pages.goes_on();
        }
    }

    fn conclude(&mut self, report: &Report) {
        if let Some(phases) = &mut self.phases {
            phases.end(&mut self.clock);
        }
        (self.on_conclusion)(report);
    }
}

impl ProcessMemory for LiveHost<'_> {
    fn read(&mut self, at: Address, into: &mut [u8]) -> Result<(), MemoryError> {
        self.count_access();
        match &mut self.pages {
            Some(pages) => pages.read(&mut self.process, at, into),
            None => self.process.read(at, into),
        }
    }

    fn write(&mut self, at: Address, from: &[u8]) -> Result<(), MemoryError> {
        self.count_access();
        self.writes += 1;
        if self.cut != Some(self.writes) {
            return self.land(at, from);
        }
        let (wanted, done) = (from.len(), from.len() / 2);
        // As Linux tells it: nothing at all lands only where the first byte cannot.
        let kind = if done == 0 { ErrorKind::Unmapped } else { ErrorKind::Short };
        self.land(at, &from[..done]).and(Err(MemoryError { kind, at, wanted, done }))
    }
}

impl Modules for LiveHost<'_> {
    fn candidate(&mut self, rank: usize) -> Result<Option<&Candidate>, ErrorKind> {
        self.process.candidate(rank)
    }

    fn read_image(&mut self, at: Address, into: &mut [u8]) -> Result<bool, ErrorKind> {
        self.process.read_image(at, into)
    }

    fn writable(&mut self, nth: usize) -> Result<Option<MemoryRange>, ErrorKind> {
        self.process.writable(nth)
    }
}

impl Threads for LiveHost<'_> {
    fn is_thread(&mut self, native: u64) -> Result<bool, ErrorKind> {
        self.process.is_thread(native)
    }

    fn main_thread(&mut self) -> Result<Option<u64>, ErrorKind> {
        self.process.main_thread()
    }

    fn identity(&mut self) -> Result<Identity, ErrorKind> {
        self.process.identity()
    }
}

impl fmt::Debug for LiveHost<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LiveHost").field("process", &self.process).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_are_taken_one_at_a_time() {
        let (pid, nobody) = (std::process::id(), Cancellation::default());
        let first = Turn::take(pid, Duration::ZERO, &nobody);
        assert!(first.is_some());
        assert!(Turn::take(pid, Duration::from_millis(1), &nobody).is_none());
        drop(first);
        assert!(Turn::take(pid, Duration::ZERO, &nobody).is_some());
    }

    #[test]
    fn a_thread_has_run_on_when_it_was_counted_twice() {
        let mut pace = Pace::default();
        let counts = [0, 0, 900, 900, 950, 1000].map(Duration::from_micros);
        let has_run_on = counts.map(|time| pace.has_run_on(time));
        assert_eq!(has_run_on, [false, false, false, false, false, true]);
    }
}

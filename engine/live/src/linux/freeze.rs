//! Holding all threads of a process for a moment, so that nothing changes between the last look at
//! it and a write.
//!
//! It is done by `PTRACE_SEIZE` and `PTRACE_INTERRUPT`, not by `SIGSTOP`: the target's parent sees
//! nothing, a target that its owner has stopped stays so, and if we are killed, the kernel lets
//! everything go on by itself.
//!
//! # Why a thread of its own
//!
//! The kernel knows tracers as threads, and a tracer can let go of a thread only while that one is
//! stopped. One that sleeps uninterruptibly (state `D`) cannot be let go of, and would stop
//! whenever it wakes. Unless the tracer ends: then the kernel forgets all it had asked. So the
//! tracer is a thread that does nothing else, and its end is the way out of every trouble. Hence
//! [`Frozen`] is only a handle, and may be dropped anywhere.
//!
//! # What the target notices
//!
//! Blocking system calls are interrupted, begun again by the kernel, and end when they would have
//! ended. A few are not, and fail with `EINTR` as after Ctrl-Z and `fg`: of twenty on Linux 6.18
//! these were `epoll_wait`, `sigtimedwait`, `semop`, and `recv` with a timeout of the socket's own.
//! CPython makes all of those that it offers again by itself (PEP 475).
//!
//! # What it costs
//!
//! Against a first attach, on two processors: freeze and thaw of one sleeping thread take as long
//! again, of fifty twenty times as long; the target is held for a third and for 17 of these. If it
//! keeps a processor busy, it may take ours when we let go of it, and [`Frozen::thaw`] returns a
//! slice of the scheduler later: fifty attaches, of which the target notices nothing.
//!
//! # Limits
//!
//! A thread has one tracer: a target under a debugger or strace cannot be frozen. Do nothing but
//! reading and writing memory while it is: if the target reads what we print, or serves a file
//! system that we use, both wait for ever. If *we* are stopped (Ctrl-Z) meanwhile, so is the
//! target, and if we must wait for a processor, so does it. The stops are told to us by `SIGCHLD`;
//! a program that waits for any child (`waitpid(-1)`) in another thread takes them from us.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::fs::File;
use std::io::Read;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::{OFlag, openat};
use nix::sys::stat::Mode;
use nix::unistd::{Pid, gettid};
use softdock_process::ErrorKind;

use super::handle::{Handle, kind_of, kind_of_io};
use super::limits::{
    FREEZE_PAUSE, FREEZE_REFUSALS_MAX, FREEZE_ROUNDS_MAX, FREEZE_SPIN, FREEZE_STACK_BYTES,
    FREEZE_STUCK, FREEZE_STUCK_MAX, FREEZE_WAIT_MAX, PROC_FILE_BYTES_MAX, THREADS_MAX,
};
use super::ptrace::{self, Seen};
use super::{FreezeError, status};
use crate::hints;

/// A process whose threads are all stopped. Dropping it lets them go on.
///
/// Its memory is read and written as ever. It can be killed meanwhile, but its parent hears of that
/// only afterwards: do not wait for it.
#[derive(Debug)]
#[must_use = "the target goes on when this is dropped"]
pub struct Frozen {
    /// Dropped to tell the tracer that it may let go. Nothing is ever sent.
    hold: Option<Sender<Infallible>>,
    tracer: Option<JoinHandle<Result<Duration, FreezeError>>>,
    threads: usize,
}

impl Frozen {
    /// How many threads are held.
    #[must_use]
    pub fn threads(&self) -> usize {
        self.threads
    }

    /// Lets the process go on, and says how long it was held: from the first thread that was asked
    /// to stop to the last that was let go.
    pub fn thaw(mut self) -> Duration {
        self.end().unwrap_or_default()
    }

    /// When this returns, no thread is held any more.
    fn end(&mut self) -> Option<Duration> {
        self.hold = None;
        self.tracer.take()?.join().ok()?.ok()
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        self.end();
    }
}

/// Stops all threads of the process.
pub(super) fn freeze(handle: &Handle) -> Result<Frozen, FreezeError> {
    let process = handle.pid();
    let pid = number(process);
    if pid == std::process::id() {
        return Err(FreezeError::Ourselves { pid });
    }
    let tracing = Tracing { process, tasks: tasks(handle)?, held: BTreeSet::new(), began: None };
    let (hold, until_dropped) = mpsc::channel();
    let (tell, told) = mpsc::channel();
    let builder = std::thread::Builder::new().name(String::from("freeze"));
    let tracer = builder
        .stack_size(FREEZE_STACK_BYTES)
        .spawn(move || tracing.run(&tell, &until_dropped))
        .map_err(|error| system(pid, "a thread", kind_of_io(&error)))?;
    for _ in 0..FREEZE_STUCK_MAX {
        match told.recv_timeout(FREEZE_STUCK) {
            Ok(threads) => return Ok(Frozen { hold: Some(hold), tracer: Some(tracer), threads }),
            Err(RecvTimeoutError::Timeout) => reap_ended_threads(handle),
            Err(RecvTimeoutError::Disconnected) => return Err(why_it_ended(tracer, pid)),
        }
    }
    // The tracer ends by itself when its call returns: nobody wants its answer any more.
    Err(FreezeError::InExec { pid })
}

fn why_it_ended(tracer: JoinHandle<Result<Duration, FreezeError>>, pid: u32) -> FreezeError {
    match tracer.join() {
        Ok(Err(error)) => error,
        Ok(Ok(_)) | Err(_) => system(pid, "a tracer", ErrorKind::Interrupted),
    }
}

/// Folklore: a thread that calls `exec` ends all others and waits until their tracer has taken
/// notice, and meanwhile `PTRACE_SEIZE` of any of them blocks: a deadlock of the kernel, known
/// since 2020 and not mended in 2025 ("exec: Fix dead-lock in de_thread with ptrace_attach", v17).
/// But taking notice is a thing that other threads of the tracer's process can do.
fn reap_ended_threads(handle: &Handle) {
    let Ok(mut tasks) = tasks(handle) else { return };
    for thread in list(&mut tasks).unwrap_or_default() {
        // The first one is left to whoever is its parent.
        if thread != handle.pid() {
            ptrace::reap(thread);
        }
    }
}

fn tasks(handle: &Handle) -> Result<Dir, FreezeError> {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    Dir::openat(handle.dir(), "task", flags, Mode::empty())
        .map_err(|errno| not_listed(handle.pid(), errno))
}

/// The threads that a listing shows. It is complete only if none of them ends meanwhile: one that
/// does can cut it short.
fn list(tasks: &mut Dir) -> Result<Vec<Pid>, Errno> {
    let mut threads = Vec::new();
    for entry in tasks.iter() {
        let name = entry?.file_name().to_str().ok().and_then(|name| name.parse().ok());
        threads.extend(name.map(Pid::from_raw));
        if threads.len() > THREADS_MAX {
            return Err(Errno::E2BIG);
        }
    }
    Ok(threads)
}

fn not_listed(process: Pid, errno: Errno) -> FreezeError {
    let pid = number(process);
    match errno {
        Errno::ENOENT | Errno::ESRCH => FreezeError::Gone { pid },
        Errno::E2BIG => FreezeError::TooManyThreads { pid },
        errno => system(pid, "its threads", kind_of(errno)),
    }
}

fn system(pid: u32, asked: &'static str, kind: ErrorKind) -> FreezeError {
    FreezeError::System { pid, asked, kind }
}

/// The work of the tracer's thread. See the head of this file for what happens when it ends.
struct Tracing {
    process: Pid,
    /// `/proc/PID/task`, opened: it lists nothing once the process is gone.
    tasks: Dir,
    /// Threads that we trace, stopped or not.
    held: BTreeSet<Pid>,
    /// When the first one was asked to stop.
    began: Option<Instant>,
}

impl Tracing {
    /// Stops everything, tells how many threads that are, and holds them until told otherwise.
    fn run(
        mut self,
        tell: &Sender<usize>,
        until_dropped: &Receiver<Infallible>,
    ) -> Result<Duration, FreezeError> {
        self.stop_all()?;
        if tell.send(self.held.len()).is_ok() {
            let _ = until_dropped.recv();
        }
        Ok(self.let_go())
    }

    /// Rounds of listing and stopping, until a round meets nothing new.
    ///
    /// Such a round proves that all are stopped. All that we held were stopped when it began, so
    /// that nobody was there to start or to end a thread while the list was made, but for one that
    /// the list shows as new, or that has taken the number of another (`exec`): the wait that
    /// follows asks anew of each. And since the number of a thread that we trace is not given to
    /// another process before we let go, those numbers mean threads of this one.
    fn stop_all(&mut self) -> Result<(), FreezeError> {
        let since = Instant::now();
        for _ in 0..FREEZE_ROUNDS_MAX {
            let met = self.seize_listed()?;
            let lost = self.wait_for_held()?;
            match (met || lost, self.held.is_empty()) {
                // One that is about to be gone needs a processor to go.
                (true, _) => pause(since),
                (false, true) => return Err(FreezeError::Gone { pid: self.pid() }),
                (false, false) => return Ok(()),
            }
        }
        Err(FreezeError::Restless { pid: self.pid() })
    }

    /// Asks all listed threads to stop; whether any of them was new to us.
    ///
    /// Seizing may block for a moment (`exec` again), so that all are seized before one is stopped.
    fn seize_listed(&mut self) -> Result<bool, FreezeError> {
        let listed = list(&mut self.tasks).map_err(|errno| not_listed(self.process, errno))?;
        let mut met = false;
        let mut new = Vec::new();
        for thread in listed.into_iter().filter(|thread| !self.held.contains(thread)) {
            match self.seize(thread)? {
                Seized::Ours => new.push(thread),
                Seized::Ended => met = true,
                Seized::Corpse => {}
            }
        }
        self.began = self.began.or_else(|| Some(Instant::now()));
        for thread in &new {
            // One that ends at this moment has no ear; the look that follows tells.
            let _ = ptrace::interrupt(*thread);
        }
        met |= !new.is_empty();
        self.held.extend(new);
        Ok(met)
    }

    /// Becomes the tracer of a thread. A refusal is not believed at once: its reason may be gone
    /// before we can ask for it, and an earlier tracer of ours lets go only when it has ended.
    fn seize(&self, thread: Pid) -> Result<Seized, FreezeError> {
        let mut refusals = 0;
        loop {
            match ptrace::seize(thread) {
                Ok(()) => return Ok(Seized::Ours),
                Err(Errno::ESRCH) => return Ok(Seized::Ended),
                Err(Errno::EPERM | Errno::EACCES) => refusals += 1,
                Err(errno) => return Err(system(self.pid(), "PTRACE_SEIZE", kind_of(errno))),
            }
            match self.why_refused(thread) {
                Err(_) if refusals < FREEZE_REFUSALS_MAX => std::thread::sleep(FREEZE_PAUSE),
                known => return known,
            }
        }
    }

    /// A refusal is no trouble if the thread has ended, or is ours already: one that calls `exec`
    /// takes over the number of the first.
    fn why_refused(&self, thread: Pid) -> Result<Seized, FreezeError> {
        let Some(status) = self.status(thread) else { return Ok(Seized::Ended) };
        if status::has_ended(&status) {
            let first = thread == self.process;
            return Ok(if first { Seized::Corpse } else { Seized::Ended });
        }
        let (pid, tid) = (self.pid(), number(thread));
        match status::tracer(&status) {
            None | Some(0) => {
                let advice = hints::advice(ErrorKind::Denied, pid).unwrap_or_default();
                Err(FreezeError::Denied { pid, thread: tid, advice })
            }
            Some(tracer) if tracer == number(gettid()) => Ok(Seized::Ours),
            Some(tracer) => {
                Err(FreezeError::Traced { pid, thread: tid, tracer: process_of(tracer) })
            }
        }
    }

    /// Waits until all that we hold are stopped, and forgets those that have ended; whether there
    /// were any.
    fn wait_for_held(&mut self) -> Result<bool, FreezeError> {
        let mut lost = false;
        for thread in Vec::from_iter(self.held.iter().copied()) {
            if !self.stops(thread)? {
                self.held.remove(&thread);
                lost = true;
            }
        }
        Ok(lost)
    }

    /// Waits until the thread is stopped; `false` if it has ended instead.
    fn stops(&self, thread: Pid) -> Result<bool, FreezeError> {
        let since = Instant::now();
        loop {
            match ptrace::look(thread) {
                Ok(Seen::Stopped { .. }) => return Ok(true),
                Ok(Seen::Running) => {}
                Ok(Seen::Ended) => {
                    // Whoever is the first one's parent wants to hear of it when we have ended.
                    if thread != self.process {
                        ptrace::reap(thread);
                    }
                    return Ok(false);
                }
                Err(Errno::ECHILD) => return Ok(false),
                Err(errno) => return Err(system(self.pid(), "waitid", kind_of(errno))),
            }
            if since.elapsed() > FREEZE_SPIN && self.has_ended_unheard(thread)? {
                return Ok(false);
            }
            pause(since);
        }
    }

    /// Folklore: the end of a first thread is not told before all others have ended.
    fn has_ended_unheard(&self, thread: Pid) -> Result<bool, FreezeError> {
        let Some(status) = self.status(thread) else { return Ok(true) };
        let waited = self.age();
        if status::has_ended(&status) || waited < FREEZE_WAIT_MAX {
            return Ok(status::has_ended(&status));
        }
        let state = status::line(&status, "State").unwrap_or("?").to_owned();
        let thread = number(thread);
        Err(FreezeError::Unstoppable { pid: self.pid(), thread, state, waited })
    }

    /// Lets all stopped threads go on, each with the signal that it was about to receive; how long
    /// the last one was held.
    ///
    /// Those that are not stopped go on by our end, and get their signals from the kernel.
    fn let_go(&mut self) -> Duration {
        let mut held = Duration::ZERO;
        while let Some(thread) = self.held.pop_first() {
            if let Ok(Seen::Stopped { signal }) = ptrace::look(thread) {
                // Not after: the thread may be given the processor that we are running on.
                held = self.age();
                let _ = ptrace::detach(thread, signal);
            }
        }
        held
    }

    /// How long ago the first thread was asked to stop.
    fn age(&self) -> Duration {
        self.began.map(|began| began.elapsed()).unwrap_or_default()
    }

    /// The text `status` of a thread; `None` if it is gone.
    fn status(&self, thread: Pid) -> Option<Vec<u8>> {
        let name = format!("{thread}/status");
        let flags = OFlag::O_RDONLY | OFlag::O_CLOEXEC;
        let file = File::from(openat(&self.tasks, name.as_str(), flags, Mode::empty()).ok()?);
        let mut text = Vec::with_capacity(4096);
        file.take(PROC_FILE_BYTES_MAX).read_to_end(&mut text).ok()?;
        Some(text)
    }

    fn pid(&self) -> u32 {
        number(self.process)
    }
}

impl Drop for Tracing {
    fn drop(&mut self) {
        self.let_go();
    }
}

/// What became of an attempt to trace a listed thread.
enum Seized {
    /// We trace it.
    Ours,
    /// It has ended since it was listed.
    Ended,
    /// The first thread, which has ended long ago and is listed as long as there are others.
    Corpse,
}

/// Lets others run between two looks. A thread that has a processor stops within microseconds; for
/// one that takes longer, none is kept busy.
fn pause(since: Instant) {
    if since.elapsed() < FREEZE_SPIN {
        std::thread::yield_now();
    } else {
        std::thread::sleep(FREEZE_PAUSE);
    }
}

fn number(id: Pid) -> u32 {
    id.as_raw().unsigned_abs()
}

/// The process of a tracer, which the kernel names by its thread.
fn process_of(tracer: u32) -> u32 {
    let status = std::fs::read(format!("/proc/{tracer}/status")).unwrap_or_default();
    status::process_of_thread(&status).unwrap_or(tracer)
}

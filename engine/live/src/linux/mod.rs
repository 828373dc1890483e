//! A process of this Linux machine: the live backend of the three traits of the door.
//!
//! | file | what it knows |
//! |---|---|
//! | `handle` | holding a process so that a reused pid is noticed |
//! | `memory` | moving bytes |
//! | [`maps`], `layout` | the text of `/proc/PID/maps`, and how much of it is needed |
//! | [`elf`], `symbols` | where an ELF file says that its runtime is |
//! | `files` | opening the file behind a mapping, with proof |
//! | `candidates` | putting these together, the likeliest first |
//! | `freeze`, `ptrace` | holding all threads for a moment |
//! | `threads`, [`namespace`] | the target's own numbers, root and rights |
//! | `staging` | files for the target, in its own root |
//! | `activity` | what a thread is doing, or waits for |
//! | `random` | names that nobody has taken |
//! | `status` | the texts `stat` and `status` |
//! | [`limits`] | every bound |

mod activity;
mod candidates;
pub mod elf;
#[cfg(test)]
mod elf_builder;
mod files;
mod freeze;
mod freeze_error;
mod handle;
mod layout;
pub mod limits;
pub mod maps;
mod memory;
pub mod namespace;
mod open_error;
mod ptrace;
mod random;
mod staging;
pub(crate) mod status;
mod symbols;
mod threads;

use std::path::{Path, PathBuf};
use std::time::Duration;

use softdock_process::{
    Address, Candidate, ErrorKind, Identity, MemoryError, MemoryRange, Modules, ProcessMemory,
};

use candidates::Search;
use files::Owner;
use handle::Handle;
use layout::Layout;
use memory::Memory;
use threads::Threads;

pub use activity::Activity;
pub use freeze::Frozen;
pub use freeze_error::FreezeError;
pub use namespace::ScriptView;
pub use open_error::OpenError;
pub use random::random_bits;
pub use staging::{Answer, StageError, Staging, is_staging};

/// A live process. Opening it stops nothing and changes nothing in it.
///
/// What it has mapped is looked at once and remembered; after an `exec`, or when modules may have
/// been loaded, call [`Process::refresh`].
///
/// ```no_run
/// use softdock_live::Process;
/// use softdock_process::{Modules, ProcessMemory};
///
/// let mut process = Process::open(4711)?;
/// if let Some(candidate) = process.candidate(0)? {
///     let at = candidate.at;
///     println!("a runtime may be at {at}: {:#x}", process.read_u64(at)?);
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Process {
    handle: Handle,
    memory: Memory,
    search: Search,
    threads: Threads,
    stale: bool,
}

impl Process {
    /// Opens the process with this id, as our PID namespace numbers it. Our own is allowed.
    ///
    /// # Errors
    /// When there is no such process, when the number is that of a thread, when it has no memory
    /// (a zombie, a thread of the kernel), or when we may not look at it.
    pub fn open(pid: u32) -> Result<Process, OpenError> {
        let handle = Handle::open(pid)?;
        let layout = Layout::open(&handle).map_err(|kind| OpenError::of(pid, kind))?;
        let layout = layout.ok_or_else(|| without_memory(&handle, pid))?;
        let (memory, search) = (Memory::default(), Search::new(layout));
        Ok(Process { handle, memory, search, threads: Threads::default(), stale: false })
    }

    /// Its id, as our PID namespace numbers it.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.handle.pid().as_raw().unsigned_abs()
    }

    /// Forgets what the process had mapped and what was found there. The next question looks anew.
    pub fn refresh(&mut self) {
        self.stale = true;
        self.memory = Memory::default();
    }

    /// The folder through which its files are seen as it sees them, whatever its root and mounts.
    ///
    /// Absolute links below it lead out of it: to ask about a script, use
    /// [`Process::script_visible`].
    #[must_use]
    pub fn root_of_target(&self) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root", self.pid()))
    }

    /// Whether the process could open a script at this path of *its* root.
    ///
    /// # Errors
    /// When its root or its rights cannot be looked at.
    pub fn script_visible(&self, path: &Path) -> Result<ScriptView, ErrorKind> {
        namespace::script_view(&self.handle, path)
    }

    /// Makes a folder in *its* root for files that it shall read, and for its answers.
    ///
    /// # Errors
    /// When there is no place for one that the process could enter, or its answers would have to
    /// come from somebody who cannot give them.
    pub fn stage(&self) -> Result<Staging, StageError> {
        staging::stage(&self.handle)
    }

    /// Opens the folder that an earlier request has left at this path of *its* root, with files of
    /// these names in it, to take it away.
    ///
    /// # Errors
    /// When there is no such folder, or none that we have made.
    pub fn staged(&self, path: &Path, files: &[&str]) -> Result<Staging, ErrorKind> {
        staging::staged(&self.handle, path, files)
    }

    /// Whether its network is ours, so that an address means the same for both; `None` where the
    /// system does not say.
    #[must_use]
    pub fn shares_network(&self) -> Option<bool> {
        namespace::shares_network(&self.handle)
    }

    /// What one of its threads is doing, by the id that the process itself has for it.
    ///
    /// # Errors
    /// When there is no such thread any more, or it cannot be looked at.
    pub fn activity(&mut self, native: u64) -> Result<Activity, ErrorKind> {
        let tid = self.threads.ours(&self.handle, native)?.ok_or(ErrorKind::Gone)?;
        activity::activity(&self.handle, tid)
    }

    /// The time that a thread, as the target numbers it, has had on a processor. Counted when the
    /// scheduler looks at the thread, in a busy loop every few milliseconds.
    ///
    /// # Errors
    /// When there is no such thread any more, or the system does not count.
    pub fn time_on_processor(&mut self, native: u64) -> Result<Duration, ErrorKind> {
        let tid = self.threads.ours(&self.handle, native)?.ok_or(ErrorKind::Gone)?;
        activity::time_on_processor(&self.handle, tid)
    }

    /// Stops all of its threads, until what is returned is dropped.
    ///
    /// This is the only thing that stops it, and nothing does so unasked. Read the memory anew
    /// afterwards: what was read before may have changed in the meantime, now it does not any more.
    /// While the process is held, do nothing but reading and writing its memory.
    ///
    /// ```no_run
    /// # use softdock_live::Process;
    /// # use softdock_process::{Address, ProcessMemory};
    /// # let (mut process, at) = (Process::open(4711)?, Address::new(4096));
    /// let frozen = process.freeze()?;
    /// let seen = process.read_u64(at)?;
    /// process.write(at, &(seen | 1).to_le_bytes())?;
    /// println!("it was held for {:?}", frozen.thaw());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// When a thread is in the hands of another tracer, does not stop in time, or may not be
    /// traced; when new ones start without end; when the process is gone. All threads go on then.
    pub fn freeze(&self) -> Result<Frozen, FreezeError> {
        freeze::freeze(&self.handle)
    }

    /// Reads the mappings again if they were dropped.
    fn look_anew(&mut self) -> Result<(), ErrorKind> {
        if self.stale {
            let layout = Layout::open(&self.handle)?.ok_or(ErrorKind::Gone)?;
            self.search = Search::new(layout);
            self.stale = false;
        }
        Ok(())
    }
}

/// Why a process that is there has nothing mapped.
fn without_memory(handle: &Handle, pid: u32) -> OpenError {
    match handle.stat() {
        Ok(stat) if stat.is_kernel_thread() => OpenError::KernelThread { pid },
        Ok(stat) if stat.is_zombie() && !stat.is_dead() => OpenError::FirstThreadEnded { pid },
        // Or on its way there: memory goes before the last breath.
        Ok(_) => OpenError::Zombie { pid },
        Err(kind) => OpenError::of(pid, kind),
    }
}

impl ProcessMemory for Process {
    fn read(&mut self, at: Address, into: &mut [u8]) -> Result<(), MemoryError> {
        self.memory.read(&self.handle, at, into)
    }

    fn write(&mut self, at: Address, from: &[u8]) -> Result<(), MemoryError> {
        self.memory.write(&self.handle, at, from)
    }
}

impl Modules for Process {
    fn candidate(&mut self, rank: usize) -> Result<Option<&Candidate>, ErrorKind> {
        self.look_anew()?;
        let mut owner = Owner { handle: &self.handle, memory: &mut self.memory };
        self.search.candidate(&mut owner, rank)
    }

    fn read_image(&mut self, at: Address, into: &mut [u8]) -> Result<bool, ErrorKind> {
        self.look_anew()?;
        let mut owner = Owner { handle: &self.handle, memory: &mut self.memory };
        self.search.read_image(&mut owner, at, into)
    }

    fn writable(&mut self, nth: usize) -> Result<Option<MemoryRange>, ErrorKind> {
        self.look_anew()?;
        self.search.writable(nth)
    }
}

impl softdock_process::Threads for Process {
    fn is_thread(&mut self, native: u64) -> Result<bool, ErrorKind> {
        self.threads.has(&self.handle, native)
    }

    fn main_thread(&mut self) -> Result<Option<u64>, ErrorKind> {
        self.threads.first(&self.handle).map(Some)
    }

    fn identity(&mut self) -> Result<Identity, ErrorKind> {
        let pid = self.pid();
        if !self.handle.is_alive()? {
            return Err(ErrorKind::Gone);
        }
        let started = self.handle.started()?;
        Ok(Identity { pid, started })
    }
}

//! The process as an attacher reaches it: the traits of the door. They look and write; they never
//! move the process, and inject no fault.

use softdock_process::{
    Address, Candidate, ErrorKind, Identity, MemoryError, MemoryRange, Modules, ProcessMemory,
    Threads,
};

use crate::System;
use crate::process::Process;

impl Process {
    /// A process that has exited cannot be reached by any call.
    const fn reachable(&self) -> Result<(), ErrorKind> {
        if self.life.gone { Err(ErrorKind::Gone) } else { Ok(()) }
    }

    /// What a read of these bytes would copy, where they lie together and it would not fail.
    #[inline]
    #[must_use]
    pub fn lend(&mut self, at: Address, len: usize) -> Option<&[u8]> {
        self.reachable().ok()?;
        self.memory.lend(at, len)
    }

    fn reachable_at(&self, at: Address, len: usize) -> Result<(), MemoryError> {
        self.reachable().map_err(|kind| MemoryError::untouched(kind, at, len))
    }
}

impl ProcessMemory for Process {
    fn read(&mut self, at: Address, into: &mut [u8]) -> Result<(), MemoryError> {
        self.reachable_at(at, into.len())?;
        self.memory.read(at, into)
    }

    fn write(&mut self, at: Address, from: &[u8]) -> Result<(), MemoryError> {
        self.reachable_at(at, from.len())?;
        self.memory.write(at, from)
    }

    #[inline]
    fn read_u64(&mut self, at: Address) -> Result<u64, MemoryError> {
        self.reachable_at(at, 8)?;
        self.memory.read_u64(at)
    }

    #[inline]
    fn read_u32(&mut self, at: Address) -> Result<u32, MemoryError> {
        self.reachable_at(at, 4)?;
        self.memory.read_u32(at)
    }
}

impl Modules for Process {
    fn candidate(&mut self, rank: usize) -> Result<Option<&Candidate>, ErrorKind> {
        self.reachable()?;
        Ok(self.form.candidates.get(rank))
    }

    fn read_image(&mut self, at: Address, into: &mut [u8]) -> Result<bool, ErrorKind> {
        self.reachable()?;
        let known = self.form.sections.iter().find_map(|section| section.read_file(at, into));
        Ok(known.unwrap_or(false))
    }

    fn writable(&mut self, nth: usize) -> Result<Option<MemoryRange>, ErrorKind> {
        self.reachable()?;
        Ok(self.memory.writable().nth(nth).map(|(start, len)| MemoryRange { start, len }))
    }
}

impl Threads for Process {
    fn is_thread(&mut self, native: u64) -> Result<bool, ErrorKind> {
        let main = self.main_thread()?;
        Ok(main == Some(native) || self.life.threads.iter().any(|thread| thread.native == native))
    }

    fn main_thread(&mut self) -> Result<Option<u64>, ErrorKind> {
        self.reachable()?;
        Ok(match self.form.build.system() {
            System::Linux => Some(self.life.inner_pid),
            System::Windows => None,
        })
    }

    fn identity(&mut self) -> Result<Identity, ErrorKind> {
        self.reachable().map(|()| self.life.identity)
    }
}

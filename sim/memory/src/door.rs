//! The attacher's access: what `process_vm_readv` and `process_vm_writev` would do, and nothing
//! that they would not.

use softdock_process::{Address, ErrorKind, MemoryError, ProcessMemory};

use crate::region::{Backing, Protection, Region};
use crate::space::{AddressSpace, reach};

impl ProcessMemory for AddressSpace {
    fn read(&mut self, at: Address, into: &mut [u8]) -> Result<(), MemoryError> {
        in_range(at, into.len())?;
        let mut done = 0;
        while done < into.len() {
            let here = at.get() + done as u64;
            let Some(region) = self.reachable(here, Protection::ReadOnly) else {
                return Err(cut(at, into.len(), done));
            };
            let len = reach(&region, here, into.len() - done);
            self.copy(&region, here, &mut into[done..done + len]);
            done += len;
        }
        Ok(())
    }

    fn write(&mut self, at: Address, from: &[u8]) -> Result<(), MemoryError> {
        in_range(at, from.len())?;
        let mark = self.journal.mark();
        let mut done = 0;
        while done < from.len() {
            let here = at.get() + done as u64;
            let Some(region) = self.reachable(here, Protection::ReadWrite) else {
                break;
            };
            let len = reach(&region, here, from.len() - done);
            self.put(region, here, &from[done..done + len]);
            done += len;
        }
        self.journal.write(at, done, mark);
        if done == from.len() { Ok(()) } else { Err(cut(at, from.len(), done)) }
    }

    // Typed reads are most of an attach; a copy whose length is known at compile time takes half
    // the time of one whose length is not.
    #[inline]
    fn read_u64(&mut self, at: Address) -> Result<u64, MemoryError> {
        match self.within(at, 8) {
            Some(bytes) => Ok(u64::from_le_bytes(bytes)),
            None => {
                let mut bytes = [0; 8];
                self.read(at, &mut bytes).map(|()| u64::from_le_bytes(bytes))
            }
        }
    }

    #[inline]
    fn read_u32(&mut self, at: Address) -> Result<u32, MemoryError> {
        match self.within(at, 4) {
            Some(bytes) => Ok(u32::from_le_bytes(bytes)),
            None => {
                let mut bytes = [0; 4];
                self.read(at, &mut bytes).map(|()| u32::from_le_bytes(bytes))
            }
        }
    }
}

impl AddressSpace {
    #[inline]
    fn reachable(&mut self, at: u64, least: Protection) -> Option<Region> {
        self.regions.hit(at).filter(|region| region.protection >= least).copied()
    }

    /// `N` bytes that lie within one readable, stored region; `None` asks for the long way.
    #[inline]
    fn within<const N: usize>(&mut self, at: Address, len: u64) -> Option<[u8; N]> {
        let region = self.regions.hit(at.get())?;
        let skip = at.get() - region.start;
        match region.backing {
            Backing::Stored(offset)
                if skip + len <= region.len && region.protection >= Protection::ReadOnly =>
            {
                let from = offset + skip as usize;
                self.store.get(from..from + N)?.try_into().ok()
            }
            _ => None,
        }
    }
}

/// Refuses what cannot be asked of a system: a range that wraps around.
fn in_range(at: Address, len: usize) -> Result<(), MemoryError> {
    match (len as u64).checked_sub(1) {
        Some(last) if at.checked_add(last).is_none() => {
            Err(MemoryError::untouched(ErrorKind::OutOfRange, at, len))
        }
        _ => Ok(()),
    }
}

/// The error of a transfer that met an unreachable byte.
const fn cut(at: Address, wanted: usize, done: usize) -> MemoryError {
    let kind = if done == 0 { ErrorKind::Unmapped } else { ErrorKind::Short };
    MemoryError { kind, at, wanted, done }
}

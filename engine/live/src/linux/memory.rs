//! The memory of a process, through `process_vm_readv` and `process_vm_writev`.
//!
//! Nothing is ever written through `/proc/PID/mem`: it writes through read-only protection
//! without complaint, where `process_vm_writev` says `EFAULT`.

use std::fs::File;
use std::io::{IoSlice, IoSliceMut};
use std::ops::Range;
use std::os::unix::fs::FileExt;

use nix::errno::Errno;
use nix::sys::uio::{RemoteIoVec, process_vm_readv, process_vm_writev};
use softdock_process::{Address, ErrorKind, MemoryError};

use super::handle::Handle;
use super::limits::{INTERRUPTIONS_MAX, TRANSFER_BYTES_MAX};

/// How memory is reached.
#[derive(Debug, Default)]
pub(super) struct Memory {
    /// `/proc/PID/mem`, for reading only, once the direct way was found closed.
    file: Option<File>,
}

impl Memory {
    /// Fills `into` from `at`.
    pub(super) fn read(
        &mut self,
        handle: &Handle,
        at: Address,
        into: &mut [u8],
    ) -> Result<(), MemoryError> {
        transfer(at, into.len(), |base, part| {
            let into = into.get_mut(part).unwrap_or_default();
            self.read_some(handle, base, into)
        })
    }

    /// Writes `from` at `at`.
    pub(super) fn write(
        &mut self,
        handle: &Handle,
        at: Address,
        from: &[u8],
    ) -> Result<(), MemoryError> {
        transfer(at, from.len(), |base, part| {
            let from = from.get(part).unwrap_or_default();
            let remote = [RemoteIoVec { base, len: from.len() }];
            process_vm_writev(handle.pid(), &[IoSlice::new(from)], &remote)
        })
    }

    fn read_some(&mut self, handle: &Handle, base: usize, into: &mut [u8]) -> Result<usize, Errno> {
        if let Some(file) = &self.file {
            return read_file(file, base, into);
        }
        let remote = [RemoteIoVec { base, len: into.len() }];
        let read = process_vm_readv(handle.pid(), &mut [IoSliceMut::new(into)], &remote);
        match read {
            // Folklore: kernels without cross-memory attach exist (python/cpython#134876,
            // Flatcar), and filters of containers forbid this call but not that file
            // (benfred/py-spy#8). Both make the same check of permission.
            Err(errno @ (Errno::ENOSYS | Errno::EPERM)) => {
                let file = handle.open_file("mem").map_err(|_| errno)?;
                let read = read_file(&file, base, into).map_err(|_| errno)?;
                self.file = Some(file);
                Ok(read)
            }
            read => read,
        }
    }
}

/// Reads from `/proc/PID/mem`. It ignores a missing read permission, which harms nobody, and tells
/// of a hole with `EIO` where the direct call says `EFAULT`.
fn read_file(file: &File, base: usize, into: &mut [u8]) -> Result<usize, Errno> {
    // Folklore: offsets are signed; addresses above 2^63 read as `EINVAL` (osandov/drgn#98).
    let offset = u64::try_from(base).ok().filter(|offset| i64::try_from(*offset).is_ok());
    let offset = offset.ok_or(Errno::EFAULT)?;
    match file.read_at(into, offset) {
        // The memory that was opened is gone: the process has ended or run `exec`.
        Ok(0) => Err(Errno::ESRCH),
        Ok(read) => Ok(read),
        Err(error) if error.raw_os_error() == Some(Errno::EIO as i32) => Err(Errno::EFAULT),
        Err(error) => Err(Errno::from_raw(error.raw_os_error().unwrap_or(0))),
    }
}

/// Moves all of `len` bytes or says how many it moved. `step` moves some, from an address and for
/// a part of the buffer.
///
/// A step that moves less than it was asked for has met something, and the system says only how
/// far it came: that is [`ErrorKind::Short`]. It is not tried again there, since the reason could
/// have changed meanwhile, and a second write would be one that nobody planned.
fn transfer(
    at: Address,
    len: usize,
    mut step: impl FnMut(usize, Range<usize>) -> Result<usize, Errno>,
) -> Result<(), MemoryError> {
    let failed = |kind, done| Err(MemoryError { kind, at, wanted: len, done });
    let Some(base) = base_of(at, len) else {
        return failed(ErrorKind::OutOfRange, 0);
    };
    let mut done = 0;
    while done < len {
        let wanted = (len - done).min(TRANSFER_BYTES_MAX);
        match uninterrupted(|| step(base + done, done..done + wanted)) {
            Ok(moved) if moved == wanted => done += moved,
            Ok(0) if done == 0 => return failed(ErrorKind::Unmapped, 0),
            Ok(moved) => return failed(ErrorKind::Short, done + moved),
            Err(errno) if done == 0 => return failed(super::handle::kind_of(errno), 0),
            Err(_) => return failed(ErrorKind::Short, done),
        }
    }
    Ok(())
}

/// The address as the system wants it, if `len` bytes fit behind it.
fn base_of(at: Address, len: usize) -> Option<usize> {
    let last = u64::try_from(len).ok()?.saturating_sub(1);
    at.checked_add(last)?;
    usize::try_from(at.get()).ok()
}

/// Makes a call again that was interrupted before it did anything.
fn uninterrupted(mut call: impl FnMut() -> Result<usize, Errno>) -> Result<usize, Errno> {
    for _ in 0..INTERRUPTIONS_MAX {
        match call() {
            Err(Errno::EINTR) => {}
            result => return result,
        }
    }
    Err(Errno::EINTR)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ours() -> Handle {
        Handle::open(std::process::id()).unwrap()
    }

    fn address_of(bytes: &[u8]) -> Address {
        Address::new(bytes.as_ptr().expose_provenance() as u64)
    }

    #[test]
    fn the_file_reads_what_the_call_reads() {
        let (handle, bytes) = (ours(), *b"a door and a window");
        let at = address_of(&bytes);
        let mut memory = Memory { file: Some(handle.open_file("mem").unwrap()) };
        let mut read = [0; 19];
        assert_eq!(memory.read(&handle, at, &mut read), Ok(()));
        assert_eq!(read, bytes);
        for hole in [Address::new(16), Address::new(u64::MAX - 64), Address::new(1 << 63)] {
            let error = memory.read(&handle, hole, &mut [0; 8]).unwrap_err();
            assert_eq!(error, MemoryError::untouched(ErrorKind::Unmapped, hole, 8));
        }
    }

    #[test]
    fn an_interrupted_call_is_made_again_but_not_for_ever() {
        let mut calls = 0;
        let result = uninterrupted(|| {
            calls += 1;
            if calls < 3 { Err(Errno::EINTR) } else { Ok(8) }
        });
        assert_eq!((result, calls), (Ok(8), 3));
        assert_eq!(uninterrupted(|| Err(Errno::EINTR)), Err(Errno::EINTR));
    }

    #[test]
    fn a_long_transfer_goes_in_parts_and_counts_them_all() {
        let len = TRANSFER_BYTES_MAX + 100;
        let mut parts = Vec::new();
        let result = transfer(Address::new(4096), len, |base, part| {
            parts.push((base, part.len()));
            Ok(part.len().min(TRANSFER_BYTES_MAX - parts.len()))
        });
        assert_eq!(result.unwrap_err().done, TRANSFER_BYTES_MAX - 1);
        let result = transfer(Address::new(4096), len, |_, part| match part.start {
            0 => Ok(part.len()),
            _ => Err(Errno::EFAULT),
        });
        let error = result.unwrap_err();
        assert_eq!((error.kind, error.done), (ErrorKind::Short, TRANSFER_BYTES_MAX));
    }

    #[test]
    fn the_last_byte_of_the_address_space_is_in_range() {
        assert!(base_of(Address::new(u64::MAX), 1).is_some());
        assert!(base_of(Address::new(u64::MAX), 2).is_none());
        assert!(base_of(Address::new(u64::MAX), 0).is_some());
    }
}

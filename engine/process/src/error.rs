//! What can go wrong at the door, in the terms of a real system.

use core::fmt;

use crate::Address;

/// Why the target could not be reached. Each kind names the system errors it stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// Nothing is mapped there, or its protection forbids the access (`EFAULT`).
    Unmapped,
    /// Some bytes were transferred, then the next one was not reachable. Linux reports only the
    /// count, not the reason.
    Short,
    /// The system does not let us touch this process (`EPERM`, `EACCES`).
    Denied,
    /// There is no such process any more (`ESRCH`), or its memory is gone.
    Gone,
    /// The call was interrupted before anything was transferred (`EINTR`).
    Interrupted,
    /// The system has no such call (`ENOSYS`).
    Unsupported,
    /// The range runs past the end of the address space; nothing was asked of the system.
    OutOfRange,
    /// Any other error, by the system's number.
    Other(i32),
}

impl ErrorKind {
    /// One of each kind.
    pub const ALL: [ErrorKind; 8] = [
        ErrorKind::Unmapped,
        ErrorKind::Short,
        ErrorKind::Denied,
        ErrorKind::Gone,
        ErrorKind::Interrupted,
        ErrorKind::Unsupported,
        ErrorKind::OutOfRange,
        ErrorKind::Other(0),
    ];

    /// Its name in scenarios, reports and messages.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            ErrorKind::Unmapped => "unmapped",
            ErrorKind::Short => "short",
            ErrorKind::Denied => "denied",
            ErrorKind::Gone => "gone",
            ErrorKind::Interrupted => "interrupted",
            ErrorKind::Unsupported => "unsupported",
            ErrorKind::OutOfRange => "out-of-range",
            ErrorKind::Other(_) => "other",
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ErrorKind::Other(number) => write!(f, "system error {number}"),
            kind => f.write_str(kind.name()),
        }
    }
}

impl core::error::Error for ErrorKind {}

/// A transfer that did not complete: why, where, how many bytes were wanted, how many were done.
///
/// For a failed write `done` bytes from the start **are in the target**; for a failed read as many
/// bytes of the buffer are valid. `done < wanted` always.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MemoryError {
    /// Why.
    pub kind: ErrorKind,
    /// Where the transfer started.
    pub at: Address,
    /// Bytes wanted.
    pub wanted: usize,
    /// Bytes transferred before it failed.
    pub done: usize,
}

impl MemoryError {
    /// An error that happened before the first byte was transferred.
    #[must_use]
    pub const fn untouched(kind: ErrorKind, at: Address, wanted: usize) -> MemoryError {
        MemoryError { kind, at, wanted, done: 0 }
    }
}

impl fmt::Display for MemoryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let MemoryError { kind, at, wanted, done } = self;
        write!(f, "{kind} at {at}: {done} of {wanted} bytes transferred")
    }
}

impl core::error::Error for MemoryError {}

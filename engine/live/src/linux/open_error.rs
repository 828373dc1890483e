//! Why a process cannot be opened, in words that say what to do.

use core::fmt;

use softdock_process::ErrorKind;

use crate::hints;

/// Why there is no [`super::Process`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OpenError {
    /// The number cannot be a process id: 0, or above the system's limit.
    NotAPid {
        /// The number.
        pid: u32,
        /// The system's limit, where it is known.
        max: Option<u32>,
    },
    /// There is no such process.
    NotFound {
        /// Its number.
        pid: u32,
    },
    /// The number is that of a thread, and not of the first one of its process.
    Thread {
        /// The number.
        tid: u32,
        /// The process that the thread belongs to.
        process: u32,
    },
    /// The process has ended and waits for its parent to take notice.
    Zombie {
        /// Its number.
        pid: u32,
    },
    /// A thread of the kernel, which has no memory of its own.
    KernelThread {
        /// Its number.
        pid: u32,
    },
    /// The process lives, but its first thread has ended, and with it the view of its memory.
    FirstThreadEnded {
        /// Its number.
        pid: u32,
    },
    /// The system does not let us look at it.
    Denied {
        /// Its number.
        pid: u32,
        /// What may be the reason and what to do.
        advice: String,
    },
    /// `/proc` is not mounted, or belongs to another PID namespace than we do.
    ForeignProc,
    /// Any other error.
    System {
        /// The number.
        pid: u32,
        /// The error.
        kind: ErrorKind,
    },
}

impl OpenError {
    /// A stable word for logs and reports.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            OpenError::NotAPid { .. } => "not-a-pid",
            OpenError::NotFound { .. } => "not-found",
            OpenError::Thread { .. } => "thread",
            OpenError::Zombie { .. } => "zombie",
            OpenError::KernelThread { .. } => "kernel-thread",
            OpenError::FirstThreadEnded { .. } => "first-thread-ended",
            OpenError::Denied { .. } => "denied",
            OpenError::ForeignProc => "foreign-proc",
            OpenError::System { .. } => "system",
        }
    }

    /// A number that is not positive, or does not fit a pid.
    pub(super) fn not_a_pid(pid: u32) -> OpenError {
        OpenError::NotAPid { pid, max: pid_max() }
    }

    /// A number that no process has, or can have.
    pub(super) fn absent(pid: u32) -> OpenError {
        match pid_max() {
            Some(max) if pid > max => OpenError::not_a_pid(pid),
            _ => OpenError::NotFound { pid },
        }
    }

    /// A process that has ended: its zombie, if it is still to be seen.
    pub(super) fn dead(pid: u32) -> OpenError {
        match std::path::Path::new(&format!("/proc/{pid}")).exists() {
            true => OpenError::Zombie { pid },
            false => OpenError::NotFound { pid },
        }
    }

    /// A process that we may not look at.
    pub(super) fn denied(pid: u32) -> OpenError {
        let advice = hints::advice(ErrorKind::Denied, pid).unwrap_or_default();
        OpenError::Denied { pid, advice }
    }

    /// An error of one of the files in its folder.
    pub(super) fn of(pid: u32, kind: ErrorKind) -> OpenError {
        match kind {
            ErrorKind::Gone => OpenError::NotFound { pid },
            ErrorKind::Denied => OpenError::denied(pid),
            kind => OpenError::System { pid, kind },
        }
    }
}

fn pid_max() -> Option<u32> {
    std::fs::read_to_string("/proc/sys/kernel/pid_max").ok()?.trim().parse().ok()
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OpenError::NotAPid { pid, max: Some(max) } => {
                write!(f, "{pid} is no process id: they go from 1 to {max} here")
            }
            OpenError::NotAPid { pid, max: None } => write!(f, "{pid} is no process id"),
            OpenError::NotFound { pid } => write!(f, "there is no process {pid}"),
            OpenError::Thread { tid, process } => {
                write!(f, "{tid} is a thread of process {process}; attach to {process}")
            }
            OpenError::Zombie { pid } => {
                write!(f, "process {pid} has ended; its parent has not collected it yet")
            }
            OpenError::KernelThread { pid } => write!(f, "{pid} is a thread of the kernel"),
            OpenError::FirstThreadEnded { pid } => {
                write!(f, "the first thread of process {pid} has ended: its memory is out of reach")
            }
            OpenError::Denied { pid, advice } if advice.is_empty() => {
                write!(f, "the system does not let us look at process {pid}")
            }
            OpenError::Denied { pid, advice } => {
                write!(f, "the system does not let us look at process {pid}: {advice}")
            }
            OpenError::ForeignProc => f.write_str(
                "/proc is not mounted, or not for this PID namespace: mount it anew \
                 (`mount -t proc proc /proc`)",
            ),
            OpenError::System { pid, kind } => write!(f, "process {pid} cannot be opened: {kind}"),
        }
    }
}

impl core::error::Error for OpenError {}

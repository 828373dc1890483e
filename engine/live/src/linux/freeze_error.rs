//! Why a process cannot be frozen, in words that say what to do. Whenever one of these is returned,
//! all threads go on.

use core::fmt;
use std::time::Duration;

use softdock_process::ErrorKind;

use super::limits::{FREEZE_ROUNDS_MAX, THREADS_MAX};

/// Why there is no [`super::Frozen`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FreezeError {
    /// The process is the one that asks.
    Ourselves {
        /// Its number.
        pid: u32,
    },
    /// Another tracer (a debugger, strace) has one of its threads, and a thread has one at most.
    Traced {
        /// The number of the process.
        pid: u32,
        /// The thread, as our PID namespace numbers it.
        thread: u32,
        /// The process of the tracer.
        tracer: u32,
    },
    /// The system does not let us trace it.
    Denied {
        /// The number of the process.
        pid: u32,
        /// The thread, as our PID namespace numbers it.
        thread: u32,
        /// What may be the reason and what to do.
        advice: String,
    },
    /// A thread did not stop in time.
    Unstoppable {
        /// The number of the process.
        pid: u32,
        /// The thread, as our PID namespace numbers it.
        thread: u32,
        /// Its state, as in `D (disk sleep)`.
        state: String,
        /// How long it was given.
        waited: Duration,
    },
    /// Threads came and went faster than they could be stopped.
    Restless {
        /// The number of the process.
        pid: u32,
    },
    /// It has more threads than we hold.
    TooManyThreads {
        /// The number of the process.
        pid: u32,
    },
    /// It is in the middle of an `exec` that takes its time, and cannot be traced meanwhile.
    InExec {
        /// The number of the process.
        pid: u32,
    },
    /// It has ended.
    Gone {
        /// Its number.
        pid: u32,
    },
    /// Any other error.
    System {
        /// The number of the process.
        pid: u32,
        /// What was asked of the system.
        asked: &'static str,
        /// The error.
        kind: ErrorKind,
    },
}

impl FreezeError {
    /// A stable word for logs and reports.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            FreezeError::Ourselves { .. } => "ourselves",
            FreezeError::Traced { .. } => "traced",
            FreezeError::Denied { .. } => "denied",
            FreezeError::Unstoppable { .. } => "unstoppable",
            FreezeError::Restless { .. } => "restless",
            FreezeError::TooManyThreads { .. } => "too-many-threads",
            FreezeError::InExec { .. } => "in-exec",
            FreezeError::Gone { .. } => "gone",
            FreezeError::System { .. } => "system",
        }
    }
}

impl fmt::Display for FreezeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FreezeError::Ourselves { pid } => {
                write!(f, "process {pid} is the one that asks, and cannot hold itself")
            }
            FreezeError::Traced { pid, thread, tracer } => write!(
                f,
                "another tracer (pid {tracer}) holds thread {thread} of process {pid}: detach it, \
                 or go on without a freeze"
            ),
            FreezeError::Denied { pid, thread, advice } => write!(
                f,
                "the system does not let us trace thread {thread} of process {pid}: {advice}; or \
                 go on without a freeze"
            ),
            FreezeError::Unstoppable { pid, thread, state, waited } => write!(
                f,
                "thread {thread} of process {pid} is in state {state} and did not stop within \
                 {waited:?}: try again when it has left that state, or go on without a freeze"
            ),
            FreezeError::Restless { pid } => write!(
                f,
                "threads of process {pid} still came and went after {FREEZE_ROUNDS_MAX} rounds of \
                 stopping them: try again, or go on without a freeze"
            ),
            FreezeError::TooManyThreads { pid } => write!(
                f,
                "process {pid} has more than {THREADS_MAX} threads: go on without a freeze"
            ),
            FreezeError::InExec { pid } => {
                write!(f, "process {pid} is about to become another program: try again")
            }
            FreezeError::Gone { pid } => write!(f, "process {pid} has ended"),
            FreezeError::System { pid, asked, kind } => {
                write!(f, "process {pid} cannot be frozen: {asked}: {kind}")
            }
        }
    }
}

impl core::error::Error for FreezeError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_says_where_what_and_what_to_do() {
        let (pid, thread) = (123, 456);
        let waited = Duration::from_millis(200);
        for (error, says) in [
            (
                FreezeError::Traced { pid, thread, tracer: 78 },
                "(pid 78) holds thread 456 of process 123: detach it",
            ),
            (
                FreezeError::Denied { pid, thread, advice: String::from("run as root") },
                "thread 456 of process 123: run as root; or",
            ),
            (
                FreezeError::Unstoppable {
                    pid,
                    thread,
                    state: String::from("D (disk sleep)"),
                    waited,
                },
                "thread 456 of process 123 is in state D (disk sleep) and did not stop within 200ms: try again",
            ),
            (
                FreezeError::System { pid, asked: "waitid", kind: ErrorKind::Other(22) },
                "waitid: system error 22",
            ),
            (FreezeError::Gone { pid }, "process 123 has ended"),
        ] {
            assert!(error.to_string().contains(says), "{error}");
        }
    }
}

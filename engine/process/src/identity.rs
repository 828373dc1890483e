//! Which process this is: a pid alone is not enough, since pids are reused.

/// The identity of a process, stable while it lives and different for any later one.
///
/// An `exec` keeps it: whoever holds addresses across time must look at the mapped modules again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identity {
    /// The process id as the attacher sees it.
    pub pid: u32,
    /// When the process started, as a number that only grows: on Linux 6.9 and later the serial
    /// number that pidfs gives each process, before that field 22 of `/proc/PID/stat` (ticks since
    /// boot); on Windows the creation time in 100 ns. Comparable within one boot only.
    pub started: u64,
}

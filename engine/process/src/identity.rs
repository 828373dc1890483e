//! Which process this is: a pid alone is not enough, since pids are reused.

/// The identity of a process, stable while it lives and different for any later one.
///
/// An `exec` keeps it: whoever holds addresses across time must look at the mapped modules again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identity {
    /// The process id as the attacher sees it.
    pub pid: u32,
    /// When the process started, in the system's own ticks since boot (Linux: field 22 of
    /// `/proc/PID/stat`; Windows: the creation time in 100 ns).
    pub started: u64,
}

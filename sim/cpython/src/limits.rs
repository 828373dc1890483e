//! Every bound of the fake process, named.

/// Interpreters a process may have at a time.
pub const INTERPRETERS_MAX: usize = 32;

/// Thread states a process may have at a time, over all interpreters.
pub const THREADS_MAX: usize = 4096;

/// Further modules that a process may have mapped.
pub const MODULES_MAX: usize = 16;

/// Bytes in a script path buffer.
pub const CAPACITY_MAX: u64 = 0x10_0000;

/// Bytes in a runtime section: far above the 404,736 of the largest recorded build.
pub const RUNTIME_BYTES_MAX: u64 = 0x400_0000;

/// Bytes the heap may grow to: room for the interpreters and threads above at their usual sizes.
/// Pages that were never written cost nothing.
pub const HEAP_BYTES: u64 = 0x4000_0000;

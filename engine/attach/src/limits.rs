//! Every bound of the engine, in one place, with the reason for its value. Target memory is
//! untrusted: nothing in it may make the engine read, loop or allocate without a bound.

/// Bytes of the table read at first: the largest known table (CPython 3.15).
pub const TABLE_BYTES_KNOWN_MAX: usize = 888;

/// Bytes searched for the `debugger_support` words when the version is unknown. Known tables end
/// by 888; what follows them are live fields of the runtime, searched too so that a second
/// plausible window is noticed and refused. A table that is longer than this, with six words that
/// are nearly right before the true ones, cannot be told from one that ends with them.
pub const TABLE_BYTES_SEARCHED_MAX: usize = 4096;

/// Places looked at for a runtime. A process maps a few hundred files at most in practice; each
/// candidate costs at least one read.
pub const CANDIDATES_MAX: usize = 256;

/// Interpreters walked. CPython numbers them without reuse; hosts with thousands are known
/// (one per request), and a limit too tight refuses a healthy target (python/cpython#151022).
pub const INTERPRETERS_MAX: usize = 65_536;

/// Threads walked in one interpreter. Linux allows 4 Mi threads a system, but a process with more
/// than 64 Ki is not served by a debugger that walks a list.
pub const THREADS_MAX: usize = 65_536;

/// Bounds of the published `sizeof` of a thread state: 304 in 3.13, 832 in 3.14, 888 in 3.15.
pub const THREAD_SIZE: core::ops::RangeInclusive<u64> = 256..=65_536;

/// Bounds of the published `sizeof` of an interpreter state: about 226,000 in 3.14 and 3.15.
pub const INTERPRETER_SIZE: core::ops::RangeInclusive<u64> = 4_096..=16 * 1024 * 1024;

/// Bounds of the script path's capacity in bytes, NUL included. Every known build has
/// [`SCRIPT_PATH_CANONICAL`].
pub const SCRIPT_PATH_SIZE: core::ops::RangeInclusive<u64> = 512..=0x10_0000;

/// Capacities in bytes that are too small to be used, but show what six words are: others beside
/// them are not taken then. Any six words of a real table that could be taken for such have 248 at
/// most; and from 332 on, six others with a capacity of 512 fit the same thread state.
pub const SCRIPT_PATH_SIZE_SHOWN: core::ops::Range<u64> = 320..512;

/// The capacity every released CPython publishes.
pub const SCRIPT_PATH_CANONICAL: u64 = 512;

/// How far the script path may start behind the pending flag, in bytes: 4 in every known build.
pub const SCRIPT_PATH_DISTANCE_MAX: u64 = 0x200;

/// Assignments of meanings to words that flex parsing carries to the live proof. More than this
/// is ambiguous whatever the proof says.
pub const FLEX_ASSIGNMENTS_MAX: usize = 64;

/// Times a layout of flex parsing is tried on live memory before another one may win. Two accesses
/// that go wrong, as many as a sweep of pairs lets go wrong, then drop no true layout.
pub const LOOKS_BEFORE_DROPPING: usize = 3;

/// Looks after a first one, until two in a row agree. One that is wrong and one that fails, in any
/// order, still leave two that agree.
pub const LOOKS_MAX: usize = 4;

/// Words after `thread_state.current_frame` in which an unknown table's `native_thread_id` is
/// looked for: 2 further in 3.14, 5 in 3.15.
pub const INFER_WORDS_MAX: u64 = 16;

/// Bytes of writable memory that the opt-in heuristic scans.
pub const HEURISTIC_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Bytes the heuristic reads at once.
pub const HEURISTIC_CHUNK: usize = 64 * 1024;

/// Candidates the heuristic validates: each costs a few reads.
pub const HEURISTIC_CANDIDATES_MAX: usize = 1024;

/// Bytes of a rejected table kept in the report for a person to look at.
pub const HEADER_DUMP_BYTES: usize = 64;

/// Times clearing the pending flag is tried before it is given up.
pub const DISARM_TRIES: usize = 2;

/// Times the pending flag is looked at while waiting for the target, whatever the host says.
pub const CONFIRM_POLLS_MAX: u32 = 1_000_000;

//! Every bound of this backend, by name. What lies beyond one is left out, never an endless read:
//! the target is untrusted (benfred/py-spy#826 was killed for reading whole binaries).

use std::time::Duration;

/// Bytes of `/proc/PID/maps` that are looked at: twice what the kernel's default limit of 65,530
/// mappings gives with paths of 200 bytes.
pub const MAPS_BYTES_MAX: u64 = 32 << 20;

/// Bytes of `/proc/PID/maps` that are read at a time while its head may be enough: an executable
/// has five lines at most, of some hundred bytes each.
pub const MAPS_HEAD_BYTES: u64 = 640;

/// How often more of the head is read before all is.
pub const MAPS_HEAD_PARTS_MAX: u32 = 3;

/// Data below this size holds no CPython runtime, which takes 300 KiB: an executable that is linked
/// against libpython is not worth opening first.
pub const RUNTIME_BYTES_MIN: u64 = 64 << 10;

/// Bytes of any other file of `/proc` that are looked at; `status` with 65,536 supplementary
/// groups stays below.
pub const PROC_FILE_BYTES_MAX: u64 = 1 << 20;

/// Bytes of a file that a target answers with; the loader of a debugger cuts the longest field of
/// its record at 2,000 characters.
pub const STAGED_BYTES_MAX: u64 = 64 << 10;

/// Program headers of an ELF file that are looked at; linkers make about fifteen.
pub const SEGMENTS_MAX: u64 = 512;

/// Section headers of an ELF file that are looked at; `-ffunction-sections` leaves thousands in an
/// object file, but a linked one has about forty.
pub const SECTIONS_MAX: u64 = 8192;

/// Entries of a dynamic section that are looked at; linkers make about thirty.
pub const DYNAMIC_ENTRIES_MAX: u64 = 1024;

/// Symbols that are compared along one hash chain; a good table has chains of one or two.
pub const CHAIN_STEPS_MAX: u32 = 4096;

/// Bytes of an ELF file read at once where less is needed.
pub const WINDOW_BYTES: usize = 4096;

/// Bytes before the section headers that are read along with them: linkers put the names there.
pub const NAMES_BEFORE_SECTIONS_BYTES: u64 = 2048;

/// Bytes of one mapping that are scanned for a cookie; CPython's own data is about 1 MiB.
pub const SCAN_BYTES_MAX: u64 = 2 << 20;

/// Bytes of all mappings together that are scanned.
pub const SCAN_TOTAL_BYTES_MAX: u64 = 512 << 20;

/// Bytes that a scan reads at once.
pub const SCAN_CHUNK_BYTES: usize = 256 << 10;

/// Candidates that one mapping's scan may give: a target full of cookies must not flood the engine.
pub const SCAN_HITS_MAX: usize = 8;

/// Candidates altogether.
pub const CANDIDATES_MAX: usize = 256;

/// Bytes asked of the system in one transfer; it silently cuts at 2 GiB less a page.
pub const TRANSFER_BYTES_MAX: usize = 1 << 30;

/// How often a call that was interrupted before it did anything is made again.
pub const INTERRUPTIONS_MAX: u32 = 8;

/// Threads of a target that are dealt with: whose ids are translated where it runs in another PID
/// namespace, and which are held in a freeze.
pub const THREADS_MAX: usize = 65_536;

/// How often the threads are listed before a freeze is given up. Two listings are the least, and
/// were enough for 95 of 100 freezes of a process whose fifty threads start and end all the time.
pub const FREEZE_ROUNDS_MAX: u32 = 1000;

/// How often a thread may be refused to a tracer before that is believed.
pub const FREEZE_REFUSALS_MAX: u32 = 8;

/// How long a freeze waits for all threads to stop: two periods of a processor quota of a cgroup,
/// after which a thread that was throttled must have run. Those that have stopped wait as long.
pub const FREEZE_WAIT_MAX: Duration = Duration::from_millis(200);

/// How long a thread is looked at again and again, before the looks become rarer.
pub const FREEZE_SPIN: Duration = Duration::from_micros(200);

/// The pause between two of the rarer looks.
pub const FREEZE_PAUSE: Duration = Duration::from_micros(100);

/// How long a freeze may go without an answer before ended threads are taken out of its way.
pub const FREEZE_STUCK: Duration = Duration::from_millis(5);

/// How often that is done before the freeze is given up; together ten times as long as it may take.
pub const FREEZE_STUCK_MAX: usize = 400;

/// Bytes of the stack of the thread that holds a target; it calls little.
pub const FREEZE_STACK_BYTES: usize = 128 << 10;

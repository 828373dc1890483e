//! What a fake process is to be: plain data, with a healthy 3.14 process as the default. It holds
//! no faults and no damage; those are done to the finished process.

use softdock_process::{Address, FoundBy};

use crate::{Build, Version};

/// A process to be built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcessSpec {
    /// Whose table it has.
    pub build: Build,
    /// Its version where that is not the build's own. Changes the version word and nothing else.
    pub version: Option<Version>,
    /// How it truly differs from the build, in order.
    pub changes: Vec<Change>,
    /// Where its module is loaded.
    pub placement: Placement,
    /// The name of the file that holds the runtime; the build's own when `None`.
    pub module: Option<String>,
    /// How a backend finds the runtime.
    pub found_by: FoundBy,
    /// What the file behind the runtime says.
    pub image: Image,
    /// Other modules that a backend takes for a runtime.
    pub others: Vec<OtherModule>,
    /// The interpreters, oldest first: the first is the main one, with id 0. With none the
    /// process has loaded Python and not initialised it.
    pub interpreters: Vec<InterpreterSpec>,
    /// Who started Python.
    pub host: Host,
    /// How far its life has come.
    pub phase: Phase,
    /// The version of the instrumentation, which is the upper 56 bits of each breaker. A multiple
    /// of 0x100.
    pub instrumentation: u64,
    /// What comes of opening a script.
    pub scripts: Scripts,
    /// Its process id as the attacher sees it.
    pub pid: u32,
    /// Its process id as it sees itself, where that is another one (a container). Linux gives the
    /// main thread this number.
    pub inner_pid: Option<u32>,
    /// When it started, in the system's ticks.
    pub started: u64,
}

impl Default for ProcessSpec {
    /// A healthy 3.14.10 on Linux with one interpreter and one thread.
    fn default() -> ProcessSpec {
        ProcessSpec {
            build: Build::default(),
            version: None,
            changes: Vec::new(),
            placement: Placement::default(),
            module: None,
            found_by: FoundBy::Section,
            image: Image::default(),
            others: Vec::new(),
            interpreters: vec![InterpreterSpec::with_threads(1)],
            host: Host::default(),
            phase: Phase::default(),
            instrumentation: 0x200,
            scripts: Scripts::default(),
            pid: 4242,
            inner_pid: None,
            started: 1_000_000,
        }
    }
}

/// How a build truly differs from the recorded one: it publishes the changed table *and* behaves
/// by it. For a table that lies, change the bytes of the finished process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Another value for a word.
    Set {
        /// The word, `group.field`.
        word: String,
        /// Its value.
        value: u64,
    },
    /// More words, as a later version may have. The fields of the runtime behind the table move
    /// by as much.
    Insert {
        /// The byte position of the first of them.
        at: u64,
        /// Their values.
        words: Vec<u64>,
    },
    /// The named words in this order, at the positions they have together.
    Order(Vec<String>),
    /// Another capacity of the path buffer. The structures around it grow or shrink with it.
    Capacity(u64),
}

/// Where the module is loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Placement {
    /// Where the build's own executable or library usually is.
    #[default]
    Usual,
    /// Where Linux loads a position-independent executable when it does not randomise.
    Pie,
    /// Here. The runtime lies at the usual distance from it.
    Base(Address),
    /// The runtime itself is here, on any 8-byte boundary.
    Runtime(Address),
}

/// What the file behind a mapping says.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum Image {
    /// What was loaded: the table, and everything else as it was before Python started.
    #[default]
    Same,
    /// Nothing: the file cannot be had.
    Unreadable,
    /// Something else at these places, counted from the start of the runtime.
    Differing(Vec<(u64, Vec<u8>)>),
}

/// A module beside the one that runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OtherModule {
    /// The name of its file.
    pub name: String,
    /// How a backend finds it.
    pub found_by: FoundBy,
    /// Where it would have its runtime; by default below the true one, as a library that was
    /// loaded later is.
    pub at: Option<Address>,
    /// What is there.
    pub content: OtherContent,
    /// What its file says.
    pub image: Image,
}

/// What another module holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum OtherContent {
    /// A second copy of the runtime that nobody initialised: its table is whole, since that is
    /// static data, and its list of interpreters is empty.
    ///
    /// Folklore: `ctypes` and some extension modules load such a copy; CPython's own attacher
    /// takes it for the real one and fails (python/cpython#144563).
    #[default]
    DeadCopy,
    /// The cookie and then zeros, as in a buffer of a profiler.
    CookieOnly,
    /// A runtime section from before there was a table: 3.10 to 3.12.
    TooOld,
}

/// An interpreter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InterpreterSpec {
    /// Its threads, oldest first. The first is embedded in the interpreter.
    pub threads: Vec<ThreadSpec>,
    /// `config.remote_debug`: 1 allowed, 0 disabled, anything else garbage.
    pub remote_debugging: i32,
    /// For a sub-interpreter, whether its first thread is inside it right now: only then has it a
    /// `threads_main`. That thread is the main thread of the process unless told otherwise.
    pub executing: bool,
}

impl InterpreterSpec {
    /// An interpreter with this many ordinary threads.
    #[must_use]
    pub fn with_threads(count: usize) -> InterpreterSpec {
        InterpreterSpec {
            threads: vec![ThreadSpec::default(); count],
            remote_debugging: 1,
            executing: false,
        }
    }
}

impl Default for InterpreterSpec {
    /// An idle sub-interpreter.
    fn default() -> InterpreterSpec {
        InterpreterSpec::with_threads(0)
    }
}

/// A thread state.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct ThreadSpec {
    /// The id the operating system gave the thread; the next free one when `None`.
    pub native: Option<u64>,
    /// Event bits of its breaker.
    pub events: u8,
    /// Its pending flag: 1 when somebody's request is under way.
    pub pending: i32,
    /// What is in its path buffer.
    pub path: Vec<u8>,
    /// Its status bits; those of a live thread when `None`.
    pub status: Option<u32>,
}

/// Who started Python.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Host {
    /// The `python` program: the main interpreter has a `threads_main`.
    #[default]
    Python,
    /// A program that embeds Python through `Py_Initialize`: `threads_main` is always 0, which is
    /// why `sys.remote_exec` fails there.
    Embedded,
}

/// How far the life of a process has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Phase {
    /// The main script runs.
    #[default]
    Running,
    /// The main script has ended, threads or exit handlers go on: `threads_main` is 0.
    MainEnded,
    /// The runtime is being torn down: `finalizing` names the thread that does it.
    Finalizing,
}

/// What comes of opening a script in the target.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Scripts {
    /// For a path without a rule of its own.
    pub otherwise: Access,
    /// For these paths, byte by byte as the target sees them.
    pub rules: Vec<(Vec<u8>, Access)>,
}

impl Scripts {
    /// What comes of opening this path.
    #[must_use]
    pub fn access(&self, path: &[u8]) -> Access {
        let rule = self.rules.iter().find(|(known, _)| known == path);
        rule.map_or(self.otherwise, |(_, access)| *access)
    }
}

/// What comes of opening a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Access {
    /// It is read and runs.
    #[default]
    Readable,
    /// The target may not read it, as when the attacher made it for itself only
    /// (python/cpython#134546, #143511).
    Denied,
    /// It is not there, as when the path is of another mount namespace.
    Missing,
}

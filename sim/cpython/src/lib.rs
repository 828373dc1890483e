//! A fake CPython process: bytes in a virtual address space, laid out as a real interpreter lays
//! them out, and the behaviour that a remote attach (PEP 768) meets. It runs no Python.
//!
//! **It must not know the engine that it tests.** The tables of `_Py_DebugOffsets` are told here a
//! second time, as flat lists from recorded interpreters; the layout that the engine knows is told
//! there. A wrong telling in either place makes the two disagree.
//!
//! | file | what |
//! |---|---|
//! | `build`, `tables`, `table` | whose table, its words, and how to change them |
//! | `spec` | what a process is to be |
//! | `form`, `layout` | where everything truly is |
//! | `construct` | from a spec to a process |
//! | `life`, `eval`, `heap` | how it moves |
//! | `truth` | what is true of it, for a judge |
//! | `door` | how an attacher reaches it |
//!
//! # Invariants
//!
//! 1. The process behaves by its true layout. Damage to the published table changes what a reader
//!    believes and nothing else.
//! 2. It moves only when told to; same moves, same bytes.
//! 3. What is true of it ([`Process::threads`], [`Process::place`]) is never read from memory that
//!    a scenario can damage.
//! 4. A spec or a move that is impossible is an error, never a panic.
//!
//! ```
//! use softdock_cpython::{Process, ProcessSpec, ThreadKey};
//! use softdock_process::ProcessMemory;
//!
//! let mut process = Process::new(&ProcessSpec::default())?;
//! let main = process.thread(ThreadKey(0)).unwrap();
//!
//! // What an attacher does: path, flag, breaker.
//! process.write(main.path.at, b"/tmp/hello.py\0")?;
//! process.write(main.pending.at, &1_i32.to_le_bytes())?;
//! process.write(main.breaker.at, &[0x20])?;
//! assert_eq!(process.armed(main.key).as_deref(), Some(&b"/tmp/hello.py"[..]));
//!
//! let poll = process.poll(main.key)?;
//! assert_eq!(process.runs()[poll.run.unwrap()].path, b"/tmp/hello.py");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod build;
mod construct;
mod door;
mod error;
mod eval;
mod form;
mod heap;
mod layout;
mod life;
pub mod limits;
mod process;
mod spec;
mod table;
mod tables;
mod truth;
mod version;

pub use build::{Build, System};
pub use error::{MoveError, SpecError};
pub use eval::event;
pub use life::{STATUS_ENDED, STATUS_RUNNING, STATUS_SECONDARY, STATUS_WAITING};
pub use process::{Bookmark, Process};
pub use spec::{
    Access, Change, Host, Image, InterpreterSpec, OtherContent, OtherModule, Phase, Placement,
    ProcessSpec, Scripts, ThreadSpec,
};
pub use table::{SUPPORT, Table};
pub use truth::{
    LiveInterpreter, LiveThread, Place, Poll, ScriptRun, Span, ThreadKey, Trigger, Verdict,
};
pub use version::Version;

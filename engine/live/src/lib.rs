//! Real processes behind the door of `softdock-process`: how to reach the memory, the mapped files
//! and the threads of a live target. The only crate of the workspace with unsafe code.
//!
//! | module | what it knows |
//! |---|---|
//! | [`linux`] | a process of this Linux machine, through `process_vm_readv` and `/proc` |
//!
//! It knows no Python: it proposes where a runtime may be, and an engine proves or drops that.
//! It decides nothing about what to write, and neither writes nor stops anything unasked.
//!
//! Invariant: no byte of a target's memory, of `/proc` or of a mapped file can make it panic, read
//! without bound or trust a file by its name.

#[cfg(target_os = "linux")]
pub mod hints;
#[cfg(target_os = "linux")]
pub mod linux;

#[cfg(target_os = "linux")]
pub use linux::{
    Activity, Answer, FreezeError, Frozen, OpenError, Process, ScriptView, StageError, Staging,
    is_staging, random_bits,
};

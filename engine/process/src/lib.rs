//! The door to a target process, and nothing else: how to read and write its memory, what it has
//! mapped, which threads it has, and whether it is still the same process.
//!
//! Every backend (a live process, a virtual one, a fault injector around either) implements these
//! traits; every engine is written against them. What a backend must do beyond the signatures is
//! told by [`contract`], as functions that each backend's tests run.
//!
//! This crate knows no operating system, no Python and no file: it holds words, not deeds.

#![deny(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::panic
)]

mod address;
pub mod contract;
mod error;
mod identity;
mod memory;
mod modules;
mod threads;

pub use address::Address;
pub use error::{ErrorKind, MemoryError};
pub use identity::Identity;
pub use memory::ProcessMemory;
pub use modules::{Candidate, FoundBy, MemoryRange, Modules};
pub use threads::Threads;

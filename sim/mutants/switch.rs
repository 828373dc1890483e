//! The switch: which mutant is on. It becomes a module of the engine in the copy that
//! `softdock-mutants build` makes; the engine's own source has no such thing.

use std::sync::atomic::{AtomicU32, Ordering};

static ON: AtomicU32 = AtomicU32::new(0);

/// Whether this mutant is on.
#[inline]
#[must_use]
pub fn is(number: u32) -> bool {
    ON.load(Ordering::Relaxed) == number
}

/// Switches this mutant on, and every other one off; 0 is the engine as it is.
pub fn set(number: u32) {
    ON.store(number, Ordering::Relaxed);
}

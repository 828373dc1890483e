//! The switch: which mutant is on. In the copy that `softdock-mutants build` makes, it becomes a
//! module of the crate that all the others use; the sources themselves have no such thing.

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

//! Proves that no table that a healthy process might publish makes the engine panic, write where it
//! should not, or report a success that it has not seen or that is none. A crash is a table that
//! does, and a false positive: the engine believed a word that the mapped file, or the lists of the
//! process, contradict.

#![no_main]

use libfuzzer_sys::fuzz_target;
use softdock_fuzz::crash::{demand, tell_on_panic};

fuzz_target!(
    init: tell_on_panic(),
    |input: &[u8]| demand(softdock_fuzz::memory::slab(input))
);

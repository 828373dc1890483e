//! Proves that no mapped file makes the live backend panic, read without bound, or see a runtime
//! outside of what is loaded. A crash is a file that does, and that any process could map.

#![no_main]

use libfuzzer_sys::fuzz_target;
use softdock_fuzz::crash::{demand, tell_on_panic};

fuzz_target!(
    init: tell_on_panic(),
    |input: &[u8]| demand(softdock_fuzz::live::elf(input))
);

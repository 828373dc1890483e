//! Proves that any text reads as a scenario or has a mistake with a place, and that what reads is
//! written, read back the same, and built or refused in words. A crash is a text that makes the
//! reader, the writer or the builder panic, or that they do not agree on.

#![no_main]

use libfuzzer_sys::fuzz_target;
use softdock_fuzz::crash::{demand, tell_on_panic};

fuzz_target!(
    init: tell_on_panic(),
    |input: &[u8]| demand(softdock_fuzz::text::check(input))
);

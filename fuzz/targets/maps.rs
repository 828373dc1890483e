//! Proves that no text of `/proc/PID/maps` makes the live backend panic, and that its lines do not
//! depend on each other. A crash is a text that does; a target chooses its paths freely.

#![no_main]

use libfuzzer_sys::fuzz_target;
use softdock_fuzz::crash::{demand, tell_on_panic};

fuzz_target!(
    init: tell_on_panic(),
    |input: &[u8]| demand(softdock_fuzz::live::maps(input))
);

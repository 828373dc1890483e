//! Proves of programs and debuggers nobody thought of that no promise about stepping is broken by
//! one schedule, and that the same schedule comes to the same. A crash is a scenario in which one
//! is.

#![no_main]

use libfuzzer_sys::fuzz_target;
use softdock_fuzz::crash::{demand, tell_on_panic};

fuzz_target!(
    init: tell_on_panic(),
    |input: &[u8]| demand(softdock_fuzz::stepping::check(input))
);

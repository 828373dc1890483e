//! Proves of programs and debuggers nobody thought of what `softdock explore` proves of the
//! committed ones: no schedule breaks a promise about stepping, whichever write goes wrong. A crash
//! is a scenario with the shortest schedule that does.

#![no_main]

use libfuzzer_sys::fuzz_target;
use softdock_fuzz::crash::{demand, tell_on_panic};

fuzz_target!(
    init: tell_on_panic(),
    |input: &[u8]| demand(softdock_fuzz::stepping::explore(input))
);

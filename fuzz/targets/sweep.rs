//! Proves of scenarios nobody wrote what `softdock sweep` proves of the committed ones: no single
//! fault, reported or silent, and no crash breaks a promise. A crash is such a scenario.

#![no_main]

use libfuzzer_sys::fuzz_target;
use softdock_fuzz::crash::{demand, tell_on_panic};

fuzz_target!(
    init: tell_on_panic(),
    |input: &[u8]| demand(softdock_fuzz::sweep::check(input))
);

//! Proves that no course of events breaks a promise: faults at any number of accesses, the attacher
//! killed, the target moving in between; or one lie. A crash is a course in which the engine could
//! have known better; windows of one access, which nobody can see, are excused.

#![no_main]

use libfuzzer_sys::fuzz_target;
use softdock_fuzz::crash::{demand, tell_on_panic};

fuzz_target!(
    init: tell_on_panic(),
    |input: &[u8]| demand(softdock_fuzz::schedule::check(input))
);

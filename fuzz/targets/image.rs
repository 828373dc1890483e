//! Proves the same as `slab` of any change to the memory of a healthy process, by name of the
//! place: the table, the runtime, interpreters and threads; pages taken away or made read-only. A
//! crash is damage that the engine took for a process it may write to.

#![no_main]

use libfuzzer_sys::fuzz_target;
use softdock_fuzz::crash::{demand, tell_on_panic};

fuzz_target!(
    init: tell_on_panic(),
    |input: &[u8]| demand(softdock_fuzz::memory::image(input))
);

//! Proves of scenarios nobody wrote what `softdock sweep` proves of the committed ones: no single
//! fault, reported or silent, and no crash breaks a promise. A crash is such a scenario.

#![no_main]

use libfuzzer_sys::{Corpus, fuzz_target};
use softdock_fuzz::crash::{demand, tell_on_panic};
use softdock_fuzz::sweep::{check, is_new};

fuzz_target!(
    init: tell_on_panic(),
    |input: &[u8]| -> Corpus {
        if !is_new(input) {
            return Corpus::Reject;
        }
        demand(check(input));
        Corpus::Keep
    }
);

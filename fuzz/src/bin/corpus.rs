//! Seeds for the fuzz targets, made of the committed scenarios; and crashes, made into scenarios.
//! `corpus sync`, `corpus triage`.
//!
//! `cargo fuzz build` builds every program of this crate as a target, and links it as one. Then
//! this one is a target for which nothing is wrong.

#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|_input: &[u8]| {});

#[cfg(not(fuzzing))]
fn main() -> std::process::ExitCode {
    softdock_fuzz::corpus::main()
}

//! The command against real interpreters: one trial a situation and a version. Each starts a
//! target, runs `softdock` on it as a user would, and looks at what the target did.
//!
//! Interpreters come from `SOFTDOCK_PYTHON` (paths joined by colons), else from `target/cpython`
//! (which `.ci/cpython` unpacks), else from the `PATH`. Without any, every trial is ignored and
//! says so; with `SOFTDOCK_DEMAND_LIVE=1` that is a failure.
//!
//! Every target is a child of this program, ended by its own handle when its trial ends.

#![cfg_attr(not(target_os = "linux"), allow(unused, reason = "there is nothing to attach to"))]

#[cfg(target_os = "linux")]
mod cache;
#[cfg(target_os = "linux")]
mod cancels;
#[cfg(target_os = "linux")]
mod clients;
#[cfg(target_os = "linux")]
mod command;
#[cfg(target_os = "linux")]
mod dap;
#[cfg(target_os = "linux")]
mod debug;
#[cfg(target_os = "linux")]
mod embedded;
#[cfg(target_os = "linux")]
mod events;
#[cfg(target_os = "linux")]
mod front_ends;
#[cfg(target_os = "linux")]
mod frozen;
#[cfg(target_os = "linux")]
mod in_process;
#[cfg(target_os = "linux")]
mod killed;
#[cfg(target_os = "linux")]
mod places;
#[cfg(target_os = "linux")]
mod predicaments;
#[cfg(target_os = "linux")]
mod pythons;
#[cfg(target_os = "linux")]
mod refusals;
#[cfg(target_os = "linux")]
mod requests;
#[cfg(target_os = "linux")]
mod rivals;
#[cfg(target_os = "linux")]
mod service;
#[cfg(target_os = "linux")]
mod target;
#[cfg(target_os = "linux")]
mod threads;
#[cfg(target_os = "linux")]
mod traced;

#[cfg(target_os = "linux")]
use pythons::Python;

/// A situation, and what it needs beside an interpreter.
#[cfg(target_os = "linux")]
struct Situation {
    name: &'static str,
    possible: fn(&Python) -> bool,
    run: fn(&Python),
}

#[cfg(target_os = "linux")]
const fn always(name: &'static str, run: fn(&Python)) -> Situation {
    Situation { name, possible: |_| true, run }
}

#[cfg(target_os = "linux")]
fn main() {
    use libtest_mimic::{Arguments, Trial};

    let arguments = Arguments::from_args();
    let pythons = pythons::find();
    let mut trials = Vec::new();
    if pythons.is_empty() {
        eprintln!("no CPython 3.14 or later: run .ci/cpython, or set SOFTDOCK_PYTHON to one");
        trials = all()
            .map(|each| Trial::test(each.name, || Err("no interpreter".into())))
            .map(|trial| trial.with_ignored_flag(!demanded()))
            .collect();
    }
    for python in pythons {
        eprintln!("CPython {}: {}", python.version, python.program.display());
        for Situation { name, possible, run } in all() {
            let ignored = !possible(&python);
            let python = python.clone();
            let trial = Trial::test(format!("{}::{name}", python.version), move || {
                run(&python);
                Ok(())
            });
            trials.push(trial.with_ignored_flag(ignored));
        }
    }
    libtest_mimic::run(&arguments, trials).exit();
}

/// Whether what is missing is a failure.
#[cfg(target_os = "linux")]
fn demanded() -> bool {
    std::env::var_os("SOFTDOCK_DEMAND_LIVE").is_some_and(|value| value == "1")
}

#[cfg(target_os = "linux")]
fn all() -> impl Iterator<Item = Situation> {
    let groups: [Vec<Situation>; 16] = [
        threads::situations(),
        requests::situations(),
        events::situations(),
        rivals::situations(),
        refusals::situations(),
        cache::situations(),
        places::situations(),
        embedded::situations(),
        front_ends::situations(),
        frozen::situations(),
        killed::situations(),
        debug::situations(),
        clients::situations(),
        cancels::situations(),
        in_process::situations(),
        predicaments::situations(),
    ];
    groups.into_iter().flatten()
}

#[cfg(not(target_os = "linux"))]
fn main() {
    eprintln!("live processes are not supported on this system yet");
}

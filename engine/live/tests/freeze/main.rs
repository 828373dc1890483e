//! A freeze of real child processes: that all threads stand still, that they go on afterwards
//! whatever happened, and that the target, its parent and its signals notice nothing.
//!
//! This program is its own target and its own second tracer, see `role`. Needs nothing else.

#[cfg(target_os = "linux")]
mod child;
#[cfg(target_os = "linux")]
mod role;
#[cfg(target_os = "linux")]
mod signals;
#[cfg(target_os = "linux")]
mod still;
#[cfg(target_os = "linux")]
mod trouble;

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    use libtest_mimic::{Arguments, run};

    if let Some(ended) = role::play() {
        return ended;
    }
    let trials = [still::trials(), signals::trials(), trouble::trials()];
    run(&Arguments::from_args(), trials.into_iter().flatten().collect()).exit_code()
}

#[cfg(not(target_os = "linux"))]
fn main() {}

//! The live commands on a system whose processes softdock cannot reach yet.

use super::{Exit, attach, debug, inspect, output};

pub(crate) fn attach(_: &attach::Args) -> Exit {
    refuse()
}

pub(crate) fn debug(_: &debug::Args) -> Exit {
    refuse()
}

pub(crate) fn inspect(_: &inspect::Args) -> Exit {
    refuse()
}

fn refuse() -> Exit {
    let system = std::env::consts::OS;
    output::message(&format!(
        "softdock: live processes are not supported on {system} yet; the simulated commands work"
    ));
    Exit::Finding
}

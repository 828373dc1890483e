//! `softdock explain`.

use super::Exit;

/// Say what a name in softdock's output means.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A site, an outcome, a reason, a mode of parsing or an exit code; without it, all are listed.
    pub(crate) name: Option<String>,
}

pub(crate) fn run(_: &Args) -> Exit {
    Exit::Usage
}

//! `softdock schema`: what the lines of telemetry look like, for whoever reads them.

use softdock::report::EventLine;

use super::{Exit, output};

/// Print the JSON Schema of telemetry, as `attach --telemetry` and `debug --telemetry` write it.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

pub(crate) fn run(_: &Args) -> Exit {
    output::result(&serde_json::to_string_pretty(&EventLine::schema()).unwrap_or_default());
    Exit::AsAsked
}

//! The settings of the live commands: environment first, command line over it. The environment is
//! looked at once; what is not understood is told once.

use std::collections::BTreeMap;
use std::ffi::OsString;

use softdock_attach::Config;

use super::{attach, debug, output};

/// What the environment asks for.
pub(crate) fn from_environment() -> Config {
    let variables = snapshot(std::env::vars_os());
    let pairs = variables.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let (config, warnings) = Config::from_variables(pairs);
    for warning in warnings {
        output::message(&format!("softdock: {warning}"));
    }
    config
}

/// In order, so that warnings come in one order.
fn snapshot(variables: impl Iterator<Item = (OsString, OsString)>) -> BTreeMap<String, String> {
    variables
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value)))
        .filter(|(name, _)| name.starts_with("PTVS_"))
        .map(|(name, value)| (name, value.to_string_lossy().into_owned()))
        .collect()
}

/// What the command line asks for on top.
pub(crate) fn for_attach(args: &attach::Args) -> Config {
    Config { confirm: !args.no_wait, ..on_top(&args.whom, &args.manner) }
}

/// The same, for a request that is always waited for.
pub(crate) fn for_debug(args: &debug::Args) -> Config {
    Config { confirm: true, ..on_top(&args.whom, &args.manner) }
}

fn on_top(whom: &attach::Whom, manner: &attach::Manner) -> Config {
    let config = from_environment();
    Config {
        write: config.write && !manner.dry_run,
        thread: whom.thread,
        interpreter: whom.interpreter,
        allow_unproven: config.allow_unproven || manner.allow_unproven,
        freeze: manner.freeze,
        verbose: config.verbose || manner.verbose,
        ..config
    }
}

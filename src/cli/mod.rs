//! The command line: what was typed, and which module it means. One module a subcommand.

mod attach;
mod debug;
mod duration;
mod explain;
mod explore;
mod explored;
mod inspect;
#[cfg(target_os = "linux")]
mod live;
mod new;
mod output;
mod progress;
mod replay;
mod run;
mod schema;
#[cfg(target_os = "linux")]
mod settings;
mod shrink;
mod sweep;
#[cfg(not(target_os = "linux"))]
mod unsupported;

#[cfg(not(target_os = "linux"))]
use unsupported as live;

use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};
use softdock::frontend::FrontEnd;

/// Attach a debugger to a running CPython 3.14+, gently, and prove that it is gentle.
///
/// The live commands look at a process of this machine and ask it to run a script, the way that
/// PEP 768 provides for: a few verified writes, no injected code, no signal, no pause. The
/// simulated ones run the same engine in a virtual world where everything can go wrong.
#[derive(Debug, Parser)]
#[command(name = "softdock", version, max_term_width = 100, after_help = EXIT_CODES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXIT_CODES: &str = "\
Exit codes: 0 as asked; 1 a finding, an unfinished proof, or refused or failed; 2 usage; 3 two runs
of the same differ, 101 a panic: both are bugs of softdock.
Results go to standard output, messages to standard error.";

#[derive(Debug, Subcommand)]
enum Command {
    Run(run::Args),
    Sweep(sweep::Args),
    Merge(sweep::MergeArgs),
    Explore(explore::Args),
    Replay(replay::Args),
    Shrink(shrink::Args),
    Inspect(inspect::Args),
    Attach(attach::Args),
    Debug(debug::Args),
    Explain(explain::Args),
    New(new::Args),
    Schema(schema::Args),
}

/// How results are printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For a person.
    #[default]
    Text,
    /// One object a line, `"format": 1` first; readers ignore fields they do not know.
    Json,
}

/// A front end, by its name.
pub(crate) fn front_end(text: &str) -> Result<FrontEnd, String> {
    let named = FrontEnd::ALL.into_iter().find(|known| known.name() == text);
    named.ok_or_else(|| String::from("expected managed or concord"))
}

/// How a subcommand ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    AsAsked,
    Finding,
    Usage,
    Nondeterministic,
}

/// Something is wrong with what was asked for.
pub(crate) fn usage(message: &str) -> Exit {
    output::message(message);
    Exit::Usage
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(match exit {
            Exit::AsAsked => 0,
            Exit::Finding => 1,
            Exit::Usage => 2,
            Exit::Nondeterministic => 3,
        })
    }
}

pub(crate) fn main() -> ExitCode {
    let exit = match Cli::parse().command {
        Command::Run(args) => run::run(&args),
        Command::Sweep(args) => sweep::sweep(&args),
        Command::Merge(args) => sweep::merge(&args),
        Command::Explore(args) => explore::explore(&args),
        Command::Replay(args) => replay::replay(&args),
        Command::Shrink(args) => shrink::run(&args),
        Command::Inspect(args) => live::inspect(&args),
        Command::Attach(args) => live::attach(&args),
        Command::Debug(args) => live::debug(&args),
        Command::Explain(args) => explain::run(&args),
        Command::New(args) => new::run(&args),
        Command::Schema(args) => schema::run(&args),
    };
    exit.into()
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}

//! `softdock shrink`: the smallest scenario that is still wrong, as a file to commit.

use std::fs;
use std::path::PathBuf;

use softdock::case::Case;
use softdock::scenario::{Mistake, Scenario};
use softdock::shrink::shrink;
use softdock::stepping;

use super::{Exit, output, usage};

/// Find the smallest scenario that breaks the same promise, ready to commit.
///
/// Takes a schedule, as `sweep` and `explore` save their findings, or a scenario. Whatever can be
/// left out is left out: faults, damage, threads, settings. Each part that remains is necessary,
/// and is listed.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  softdock shrink target/softdock/findings/attach-cache-hit-1f0c77a2.schedule
  softdock shrink found.schedule --out scenarios/survive/a-telling-name.ron

Exit codes: 0 it was shrunk; 1 there is nothing to shrink, every promise is kept; 2 usage.")]
pub(crate) struct Args {
    /// A schedule, or a scenario.
    file: PathBuf,

    /// Where the scenario is written, instead of standard output; an existing file is kept.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,

    /// The folder of the scenarios that schedules name.
    #[arg(long, value_name = "FOLDER", default_value = "scenarios")]
    scenarios: PathBuf,
}

pub(crate) fn run(args: &Args) -> Exit {
    let case = match Case::read(&args.file, &args.scenarios) {
        Ok(case) => case,
        Err(mistake) => return usage(&mistake.to_string()),
    };
    let shrunk = match shrunk(&case) {
        Ok(shrunk) => shrunk,
        Err(mistake) => return usage(&mistake.to_string()),
    };
    let Some((text, tried, necessary)) = shrunk else {
        output::message("softdock: every promise is kept: there is nothing to shrink");
        return Exit::Finding;
    };
    match &args.out {
        None => output::result(text.trim_end()),
        Some(path) => match fs::File::create_new(path).and_then(|_| fs::write(path, &text)) {
            Ok(()) => output::message(&format!("softdock: the scenario is {}", path.display())),
            Err(error) => return usage(&format!("softdock: {}: {error}", path.display())),
        },
    }
    let parts = necessary.iter().map(|part| format!("  {part}\n"));
    let parts: String = parts.collect();
    output::message(&format!(
        "softdock: {tried} runs; without any one of these the promise is kept:\n{}",
        parts.trim_end()
    ));
    Exit::AsAsked
}

const SMALL_ALREADY: &str = "it is about a session, which `shrink` cannot make smaller, expected \
                             an attempt to attach or one about stepping: of all findings in a \
                             session `explore` writes the one with the fewest moves";

/// The file of the smallest scenario, how many were tried, and what that one still has.
fn shrunk(case: &Case) -> Result<Option<(String, u64, Vec<String>)>, Mistake> {
    Ok(match &case.scenario {
        Scenario::Attach(attach) => {
            drop(case.stage()?);
            shrink(attach).map(|it| (it.file(&case.name), it.runs, it.necessary))
        }
        Scenario::Stepping(stepping) => {
            drop(case.plan(stepping)?);
            let shrunk = stepping::shrink::shrink(stepping);
            shrunk.map(|it| (it.file(&case.name), it.tried, it.necessary))
        }
        Scenario::Session(_) => return Err(Mistake::whole(&case.path, SMALL_ALREADY)),
    })
}

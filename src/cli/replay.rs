//! `softdock replay`: one run once more, with everything that happened in it.

use std::path::PathBuf;

use softdock::blame::{Blame, blame};
use softdock::case::Case;
use softdock::run::Run;
use softdock::scenario::Mistake;
use softdock::trace::Trace;

use super::{Exit, output, usage};

/// Run a finding once more, access by access.
///
/// Takes a schedule, as `sweep` and `explore` save their findings, or a scenario. It is run twice,
/// each time in a world of its own; two runs that differ in anything are a bug of softdock itself.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  softdock replay target/softdock/findings/attach-cache-hit-1f0c77a2.schedule
  softdock replay scenarios/survive/verify-denied-always.ron

Exit codes: 0 every promise is kept; 1 one is broken; 2 usage; 3 two runs differ.")]
pub(crate) struct Args {
    /// A schedule, or a scenario.
    file: PathBuf,

    /// The folder of the scenarios that schedules name.
    #[arg(long, value_name = "FOLDER", default_value = "scenarios")]
    scenarios: PathBuf,
}

pub(crate) fn replay(args: &Args) -> Exit {
    let runs = Case::read(&args.file, &args.scenarios).and_then(|case| {
        let runs = (once(&case)?, once(&case)?);
        Ok((case, runs))
    });
    let (case, (run, again)) = match runs {
        Ok(runs) => runs,
        Err(mistake) => return usage(&mistake.to_string()),
    };
    output::result(&format!("{}{}", run.trace, run.report.summary()));
    if run != again {
        let message = "the same run came out otherwise the second time: this is a bug of softdock";
        output::message(&format!("softdock: {message}\n{}{}", again.trace, again.report.summary()));
        return Exit::Nondeterministic;
    }
    conclude(&case, &run)
}

fn once(case: &Case) -> Result<Run, Mistake> {
    Ok(case.stage()?.run_with(&case.scenario.faults, Trace::on()))
}

fn conclude(case: &Case, run: &Run) -> Exit {
    for unmet in &run.mismatches {
        output::message(&output::styled(output::WARN, format!("softdock: {unmet}")));
    }
    if run.violations.is_empty() {
        output::result("every promise was kept");
        return Exit::AsAsked;
    }
    for broken in &run.violations {
        let told = format!("  WRONG at access {}: {broken}", broken.access);
        output::result(&output::styled(output::BAD, told));
    }
    let faults = &case.scenario.faults;
    let Ok(mut stage) = case.stage() else { return Exit::Finding };
    if let Blame::Excused(window) = blame(run, |access| stage.run_calmly_with(faults, access)) {
        output::result(&format!("excused, by the window {window}:"));
        output::result(&output::wrapped(window.about()));
        return Exit::AsAsked;
    }
    let path = case.path.display();
    output::result(&format!("  make it small with: softdock shrink {path}"));
    output::result(&format!("  see where it was decided with: softdock explain {path}"));
    Exit::Finding
}

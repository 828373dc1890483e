//! `softdock replay`: one run once more, with everything that happened in it.

use std::fmt::Display;
use std::path::PathBuf;

use softdock::blame::{Blame, blame};
use softdock::case::Case;
use softdock::frontend::FrontEnd;
use softdock::run::Run;
use softdock::scenario::{Attach, Mistake, Scenario, Session, Stepping};
use softdock::session::story::Story;
use softdock::stepping::play::play;
use softdock::trace::Trace;

use super::{Exit, front_end, output, usage};

/// Run a finding once more, access by access.
///
/// Takes a schedule, as `sweep` and `explore` save their findings, or a scenario. It is run twice,
/// each time in a world of its own; two runs that differ in anything are a bug of softdock itself.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  softdock replay target/softdock/findings/attach-cache-hit-1f0c77a2.schedule
  softdock replay scenarios/survive/verify-denied-always.ron

Exit codes: 0 every promise is kept; 1 one is broken, or it came out otherwise than the file says,
as where a fault never strikes; 2 usage; 3 two runs differ.")]
pub(crate) struct Args {
    /// A schedule, or a scenario.
    file: PathBuf,

    /// Who attaches.
    #[arg(long, value_name = "FRONT_END", default_value = "managed", value_parser = front_end)]
    front_end: FrontEnd,

    /// The folder of the scenarios that schedules name.
    #[arg(long, value_name = "FOLDER", default_value = "scenarios")]
    scenarios: PathBuf,
}

pub(crate) fn replay(args: &Args) -> Exit {
    let exit = Case::read(&args.file, &args.scenarios).and_then(|case| match &case.scenario {
        Scenario::Attach(attach) => replay_attempt(&case, attach, args.front_end),
        Scenario::Stepping(stepping) => replay_steps(&case, stepping),
        Scenario::Session(session) => replay_session(&case, session),
    });
    exit.unwrap_or_else(|mistake| usage(&mistake.to_string()))
}

/// A debugger at work, once more.
fn replay_steps(case: &Case, stepping: &Stepping) -> Result<Exit, Mistake> {
    let plan = case.plan(stepping)?;
    let (run, again) = (play(stepping, &plan, true), play(stepping, &plan, true));
    output::result_if_any(&run.trace());
    if run != again {
        output::message(&format!("softdock: {OTHERWISE}\n{}", again.trace()));
        return Ok(Exit::Nondeterministic);
    }
    let exit = judged(&run.mismatches, &run.broken);
    if exit == Exit::Finding {
        advise(case);
    }
    Ok(exit)
}

/// A request for a debugger, once more.
fn replay_session(case: &Case, session: &Session) -> Result<Exit, Mistake> {
    let once = || Ok::<_, Mistake>(case.session(session)?.play(Story::on()));
    let (run, again) = (once()?, once()?);
    output::result(run.story().trim_end());
    if run != again {
        output::message(&format!("softdock: {OTHERWISE}\n{}", again.story()));
        return Ok(Exit::Nondeterministic);
    }
    Ok(judged(&run.mismatches, &run.broken))
}

/// Tells what came out otherwise than expected, and which promises were broken.
fn judged(mismatches: &[String], broken: &[impl Display]) -> Exit {
    let exit = unmet(mismatches);
    if broken.is_empty() {
        output::result("every promise was kept");
        return exit;
    }
    for broken in broken {
        output::result(&output::styled(output::BAD, format!("  WRONG: {broken}")));
    }
    Exit::Finding
}

/// Tells what came out otherwise than the file says, as a fault that never struck: whatever was
/// found by it was not seen again.
fn unmet(mismatches: &[String]) -> Exit {
    for unmet in mismatches {
        output::message(&output::styled(output::WARN, format!("softdock: {unmet}")));
    }
    if mismatches.is_empty() { Exit::AsAsked } else { Exit::Finding }
}

fn replay_attempt(case: &Case, attach: &Attach, by: FrontEnd) -> Result<Exit, Mistake> {
    let (run, again) = (once(case, attach, by)?, once(case, attach, by)?);
    output::result(&format!("{}{}", run.trace, run.report.summary().by(by.tag())));
    if run != again {
        let (trace, summary) = (&again.trace, again.report.summary().by(by.tag()));
        output::message(&format!("softdock: {OTHERWISE}\n{trace}{summary}"));
        return Ok(Exit::Nondeterministic);
    }
    Ok(conclude(case, attach, by, &run))
}

const OTHERWISE: &str =
    "the same run came out otherwise the second time: this is a bug of softdock";

fn once(case: &Case, attach: &Attach, by: FrontEnd) -> Result<Run, Mistake> {
    let mut stage = case.stage()?;
    stage.attach_by(by);
    Ok(stage.run_with(&attach.faults, Trace::on()))
}

fn conclude(case: &Case, attach: &Attach, by: FrontEnd, run: &Run) -> Exit {
    let exit = unmet(&run.mismatches);
    if run.violations.is_empty() {
        output::result("every promise was kept");
        return exit;
    }
    for broken in &run.violations {
        let told = format!("  WRONG at access {}: {broken}", broken.access);
        output::result(&output::styled(output::BAD, told));
    }
    let faults = &attach.faults;
    let Ok(mut stage) = case.stage() else { return Exit::Finding };
    stage.attach_by(by);
    if let Blame::Excused(window) = blame(run, |access| stage.run_calmly_with(faults, access)) {
        output::result(&format!("excused, by the window {window}:"));
        output::result(&output::wrapped(window.about()));
        return exit;
    }
    // The other two know the managed front end only.
    if by == FrontEnd::Managed {
        advise(case);
    }
    Exit::Finding
}

/// What to do with a finding.
fn advise(case: &Case) {
    let path = case.path.display();
    output::result(&format!("  make it small with: softdock shrink {path}"));
    output::result(&format!("  see where it was decided with: softdock explain {path}"));
}

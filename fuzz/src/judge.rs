//! Whether a run is what it should be: by the oracle and by the evidence, who have both judged it
//! already, and, where the target moved by itself, by whether anybody could have known.

use softdock::blame::{Blame, blame};
use softdock::run::{Run, Stage};
use softdock::scenario::Attach;
use softdock::trace::Trace;

use crate::crash::{Crash, attempting};

/// Attempts a scenario in which the target does nothing by itself. One that cannot be built is
/// none.
///
/// # Errors
/// When a promise is broken.
pub fn attempt(scenario: &Attach) -> Result<(), Crash> {
    attempting(Some(scenario));
    let Ok(mut stage) = Stage::new(scenario) else { return Ok(()) };
    let run = stage.run_with(&scenario.faults, Trace::off());
    if run.violations.is_empty() { Ok(()) } else { Err(Crash::of_run(scenario, &run)) }
}

/// Judges a run. `calmly` lets it happen again but for the target's own doing at one access.
///
/// # Errors
/// When a promise is broken and the engine could have known better.
pub fn judge(scenario: &Attach, run: &Run, calmly: impl FnMut(u32) -> Run) -> Result<(), Crash> {
    if run.violations.is_empty() || matches!(blame(run, calmly), Blame::Excused(_)) {
        return Ok(());
    }
    Err(Crash::of_run(scenario, run))
}

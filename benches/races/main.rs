//! Small races, each explored completely by four tools: how long that takes, and whether they come
//! to the same verdict. `cargo run --release -p softdock-races`
//!
//! | race | who runs for softdock |
//! |---|---|
//! | `attach`: an attach in miniature | plain code, written for this |
//! | `patch`: a breakpoint comes and goes while threads run | `softdock_stepping`, as shipped |
//!
//! What is counted differs, since the tools do:
//!
//! | tool | goes through | what it does that the others do not |
//! |---|---|---|
//! | loom | executions, less what its partial-order reduction shows to be alike | weak memory: a load may see an older store |
//! | shuttle | every schedule, one after the other (`check_dfs`) | real threads' worth of library calls: channels, mutexes, async |
//! | stateright | states of a model, each once (one thread, depth first) | liveness, symmetry, a network of actors |
//! | softdock | runs of one thread's own code; a state that was left before ends the run | the real engine, no model and no shims; only one thread of it |
//!
//! Each race is written once for each: with loom's and shuttle's atomics and threads, as a
//! stateright model, and as an engine in a world of moves. All loads and stores are sequentially
//! consistent, and each is one step everywhere; loom and shuttle also count the starting and
//! joining of threads as steps. What shuttle tells of the bug goes to standard error.
//!
//! That takes about ten seconds. With `-- all` two threads meet the breakpoint as well: loom takes
//! seconds for that, and shuttle gives up after some minutes. A tool is named as soon as it is at
//! work.

#![allow(clippy::float_arithmetic, reason = "ratios for a person to read")]

mod attach;
mod patch;

use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

/// What a tool came to.
pub(crate) struct Verdict {
    /// Whether the promise was broken.
    pub(crate) broken: bool,
    /// What it went through: executions, schedules or states.
    pub(crate) steps: u64,
    /// Whether that was everything.
    pub(crate) is_complete: bool,
}

type Explore<R> = fn(R) -> Verdict;

/// A tool, what it counts, and how it explores a race.
pub(crate) type Tool<R> = (&'static str, &'static str, Explore<R>);

/// Calls of a fast tool, of which the median counts.
const ROUNDS: usize = 31;

fn main() {
    // A broken promise is a panic inside loom and shuttle, and not news here.
    std::panic::set_hook(Box::new(|_| {}));
    for (polls, events) in [(1, 1), (2, 1), (2, 2)] {
        println!("attach: {polls} polls of the target, {events} events");
        let race = |bug| attach::Race { polls, events, bug };
        attach::TOOLS.iter().fold(None, |ours, tool| Some(compare(tool, race, ours)));
    }
    let all = std::env::args().any(|argument| argument == "all");
    for threads in 1..=if all { 2 } else { 1 } {
        println!("patch: a breakpoint comes and goes, {threads} threads meet it");
        let race = |bug| patch::Race { threads, bug };
        patch::TOOLS.iter().fold(None, |ours, tool| Some(compare(tool, race, ours)));
    }
}

/// Lets a tool explore the race, and the one with the bug, and prints what came of it beside the
/// time that softdock took. Returns that, or its own.
fn compare<R>(tool: &Tool<R>, race: impl Fn(bool) -> R, ours: Option<Duration>) -> Duration {
    let (name, unit, explore) = tool;
    print!("  {name:<11}");
    // Some take minutes: who is at work is told before.
    let _ = std::io::stdout().flush();
    let (verdict, took) = timed(|| explore(race(false)));
    let found = explore(race(true)).broken;
    let ours = ours.unwrap_or(took);
    println!(
        "{:>12} {unit:<11}{:>12.1} us{:>13.1} x{:>14.0} a second   {}, {}",
        verdict.steps,
        took.as_secs_f64() * 1e6,
        took.as_secs_f64() / ours.as_secs_f64(),
        verdict.steps as f64 / took.as_secs_f64(),
        match (verdict.broken, verdict.is_complete) {
            (true, _) => "BROKEN",
            (false, true) => "kept",
            (false, false) => "kept so far, gave up",
        },
        if found { "bug found" } else { "bug NOT FOUND" },
    );
    ours
}

/// Explores, several times where it takes no time, and returns the median.
fn timed(explore: impl Fn() -> Verdict) -> (Verdict, Duration) {
    let mut times = Vec::new();
    loop {
        let began = Instant::now();
        let verdict = explore();
        times.push(began.elapsed());
        if times.len() == ROUNDS || times.iter().sum::<Duration>() > Duration::from_millis(500) {
            times.sort();
            return (verdict, times[times.len() / 2]);
        }
    }
}

/// Whether this panics: how loom and shuttle tell of a broken promise.
pub(crate) fn panics(explore: impl FnOnce()) -> bool {
    catch_unwind(AssertUnwindSafe(explore)).is_err()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdicts<R: Copy>(tools: &[Tool<R>], race: R) -> Vec<(&'static str, bool)> {
        tools.iter().map(|(name, _, explore)| (*name, explore(race).broken)).collect()
    }

    #[test]
    fn all_tools_come_to_the_same_verdict() {
        for bug in [false, true] {
            let race = patch::Race { threads: 1, bug };
            let same = patch::TOOLS.map(|(name, ..)| (name, bug));
            assert_eq!(verdicts(&patch::TOOLS, race), same, "{race:?}");
            let race = attach::Race { polls: 1, events: 1, bug };
            let same = attach::TOOLS.map(|(name, ..)| (name, bug));
            assert_eq!(verdicts(&attach::TOOLS, race), same, "{race:?}");
        }
    }
}

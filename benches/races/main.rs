//! One small race, explored completely by four tools: how long that takes, and whether they come
//! to the same verdict. `cargo run --release -p softdock-races`
//!
//! The race is an attach in miniature. Three words are shared: a flag, a path, and a breaker. The
//! *attacher* claims the flag, writes the path, sets the flag, sets the breaker, and looks at each
//! before it depends on it. The *target* looks at the breaker again and again; where it is set it
//! clears it, looks at the flag, clears that, and takes the path. *Events* set the breaker as well.
//! The promise: a path that is taken is there. The *bug*: the flag is set before the path is
//! written.
//!
//! What is counted differs, since the tools do:
//!
//! | tool | goes through | what it does that the others do not |
//! |---|---|---|
//! | loom | executions, less what its partial-order reduction shows to be alike | weak memory: a load may see an older store |
//! | shuttle | every schedule, one after the other (`check_dfs`) | real threads' worth of library calls: channels, mutexes, async |
//! | stateright | states of a model, each once (one thread, depth first) | liveness, symmetry, a network of actors |
//! | softdock | runs of the attacher's own code; a state that was left before ends the run | the real engine, no model and no shims; only one thread of it |
//!
//! The program is written once for each: with loom's and shuttle's atomics and threads, as a
//! stateright model, and as an engine in a world of moves. All loads and stores are sequentially
//! consistent, and each is one step everywhere; loom and shuttle also count the starting and
//! joining of threads as steps. What shuttle tells of the bug goes to standard error.

#![allow(clippy::float_arithmetic, reason = "ratios for a person to read")]

mod with_loom;
mod with_shuttle;
mod with_softdock;
mod with_stateright;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

/// How large the race is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Race {
    /// How often the target looks at the breaker.
    pub(crate) polls: u8,
    /// How many events there are.
    pub(crate) events: u8,
    /// Whether the flag is set before the path is written.
    pub(crate) bug: bool,
}

/// What a tool came to.
pub(crate) struct Verdict {
    /// Whether a path was taken that was not there.
    pub(crate) broken: bool,
    /// What it went through: executions, schedules or states.
    pub(crate) steps: u64,
}

type Explore = fn(Race) -> Verdict;

const TOOLS: [(&str, &str, Explore); 4] = [
    ("softdock", "states", with_softdock::explore),
    ("stateright", "states", with_stateright::explore),
    ("shuttle", "schedules", with_shuttle::explore),
    ("loom", "executions", with_loom::explore),
];

/// Calls of a fast tool, of which the median counts.
const ROUNDS: usize = 31;

fn main() {
    // A broken promise is a panic inside loom and shuttle, and not news here.
    std::panic::set_hook(Box::new(|_| {}));
    for (polls, events) in [(1, 1), (2, 1), (2, 2)] {
        println!("{polls} polls of the target, {events} events");
        let race = Race { polls, events, bug: false };
        let mut ours = None;
        for (tool, unit, explore) in TOOLS {
            let (verdict, took) = timed(explore, race);
            let ours = *ours.get_or_insert(took);
            let rate = verdict.steps as f64 / took.as_secs_f64();
            let found = explore(Race { bug: true, ..race }).broken;
            println!(
                "  {tool:<11}{:>12} {unit:<11}{:>12.1} us{:>13.1} x{rate:>14.0} a second   {}, {}",
                verdict.steps,
                took.as_secs_f64() * 1e6,
                took.as_secs_f64() / ours.as_secs_f64(),
                if verdict.broken { "BROKEN" } else { "kept" },
                if found { "bug found" } else { "bug NOT FOUND" },
            );
        }
    }
}

/// Explores, several times where it takes no time, and returns the median.
fn timed(explore: Explore, race: Race) -> (Verdict, Duration) {
    let mut times = Vec::new();
    loop {
        let began = Instant::now();
        let verdict = explore(race);
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

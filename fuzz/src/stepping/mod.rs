//! Targets `stepping` and `stepping_explore`: a program nobody wrote, and a debugger who does what
//! nobody would. One target plays it by one schedule, twice; the other one tries every schedule, as
//! far as a bounded number of states leads. Every judge of `softdock explore` looks on.
//!
//! The first byte of an input says which of two languages its program is told in, and whether a
//! write goes wrong in an exploration. A *listing* is instruction by instruction, and can say every
//! committed scenario: they are the seeds. A *sketch* is statement by statement, blocks within
//! blocks, so that almost any bytes are a program that a compiler could have made. What follows the
//! program is the same for both, the session: threads, commands, faults, and a schedule.

pub mod listing;
pub mod session;
pub mod sketch;

use std::rc::Rc;

use softdock::codec::Coded;
use softdock::scenario::Stepping;
use softdock::stepping::explore::shortest;
use softdock::stepping::plan::Plan;
use softdock::stepping::play::play_within;
use softdock_clr::assemble;

use crate::crash::{Crash, debugging};

/// Transitions of one play: a loop that has not ended by then shows nothing new.
const MOVES_MAX: usize = 600;

/// States of one exploration.
const STATES_MAX: usize = 2_000;

/// A program that is told as a sketch.
const SKETCH: u8 = 1;

/// One of its writes goes wrong, every one and in every way; of an exploration only.
pub const FAULTS: u8 = 2;

/// Plays the scenario once, and once more: the same must come out.
///
/// # Errors
/// When a promise is broken.
pub fn check(input: &[u8]) -> Result<(), Crash> {
    let Some((scenario, plan)) = ready(input) else { return Ok(()) };
    let played = play_within(&scenario, &plan, false, MOVES_MAX);
    if let Some(broken) = played.broken.first() {
        return Err(Crash::of_stepping(broken, scenario));
    }
    if play_within(&scenario, &plan, false, MOVES_MAX) != played {
        return Err(Crash::of_stepping("the same schedule comes to something else", scenario));
    }
    Ok(())
}

/// Tries every schedule of the scenario, the shortest first.
///
/// # Errors
/// When a promise is broken in one of them.
pub fn explore(input: &[u8]) -> Result<(), Crash> {
    let Some((scenario, plan)) = ready(input) else { return Ok(()) };
    let faults = input.first().is_some_and(|mode| mode & FAULTS != 0);
    let found = shortest(&plan, faults, STATES_MAX);
    let Some(found) = found else { return Ok(()) };
    let shown = found.scenario(&scenario, &plan);
    let broken = found.broken.first().map(ToString::to_string).unwrap_or_default();
    Err(Crash::of_stepping(broken, shown))
}

fn ready(input: &[u8]) -> Option<(Stepping, Rc<Plan>)> {
    let scenario = decode(input)?;
    let plan = Rc::new(Plan::new(&scenario).ok()?);
    debugging(&scenario);
    Some((scenario, plan))
}

/// The scenario that these bytes are, if they are one.
#[must_use]
pub fn decode(mut input: &[u8]) -> Option<Stepping> {
    let from = &mut input;
    let text = match u8::take(from) & SKETCH {
        0 => listing::take(from),
        _ => sketch::take(from),
    };
    let program = assemble(&text).ok()?;
    Some(session::take(text, &program, from))
}

/// Bytes that decode to this scenario, but for how its program is written down.
#[must_use]
pub fn encode(scenario: &Stepping) -> Option<Vec<u8>> {
    let program = assemble(&scenario.program).ok()?;
    let mut out = vec![0];
    listing::put(&program, &mut out);
    session::put(scenario, &program, &mut out);
    Some(out)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use softdock::scenario::{self, Scenario};

    use super::*;
    use crate::committed;

    /// Bytes that are as good as any, and always the same.
    fn noise(seed: u64) -> Vec<u8> {
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut byte = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 32) as u8
        };
        (0..300).map(|_| byte()).collect()
    }

    fn with(mode: u8, seed: u64) -> Option<Stepping> {
        decode(&[vec![mode], noise(seed)].concat())
    }

    /// Everything but how the program is written down, and what is for readers.
    fn nameless(scenario: &Stepping) -> (Vec<Vec<u32>>, Vec<Vec<softdock_clr::Clause>>, Plan) {
        let plan = Plan::new(scenario).unwrap_or_else(|wrong| panic!("{wrong:?}"));
        let methods = plan.program.methods();
        let slots = methods.iter().map(|method| method.slots().to_vec()).collect();
        (slots, methods.iter().map(|method| method.clauses().to_vec()).collect(), plan)
    }

    #[test]
    fn every_committed_scenario_is_a_seed() {
        let scenarios = committed::scenarios();
        let stepping = scenarios.iter().filter_map(|(name, it)| Some((name, it.stepping()?)));
        for (name, scenario) in stepping {
            let seed = encode(scenario).unwrap_or_else(|| panic!("{name} has no bytes"));
            let again = decode(&seed).unwrap_or_else(|| panic!("the bytes of {name} are nothing"));
            let (was, is) = (nameless(scenario), nameless(&again));
            assert_eq!((&was.0, &was.1), (&is.0, &is.1), "{name}");
            assert_eq!((&was.2.threads, &was.2.again), (&is.2.threads, &is.2.again), "{name}");
            assert_eq!((&was.2.late, &was.2.bodies), (&is.2.late, &is.2.bodies), "{name}");
            assert_eq!(
                (&was.2.faults, &scenario.choices),
                (&is.2.faults, &again.choices),
                "{name}"
            );
            assert_eq!(scenario.schedule, again.schedule, "{name}");
            assert_eq!(encode(&again), Some(seed), "{name}");
            assert_eq!(check(&encode(&again).unwrap_or_default()), Ok(()), "{name}");
        }
    }

    /// A sketch is never refused, and a listing hardly ever.
    #[test]
    fn noise_is_a_scenario_that_a_file_can_say() {
        let mut refused = [0, 0];
        for (mode, seed) in (0..1_000).flat_map(|seed| [(0, seed), (SKETCH, seed)]) {
            let Some(scenario) = with(mode, seed) else {
                refused[usize::from(mode)] += 1;
                continue;
            };
            assert!(Plan::new(&scenario).is_ok(), "{scenario:?}");
            let scenario = Scenario::Stepping(Box::new(scenario));
            let read = scenario::parse(Path::new("noise.ron"), &scenario::write(&scenario));
            assert_eq!(read.as_ref(), Ok(&scenario));
        }
        assert!(refused[0] < 200 && refused[1] == 0, "{refused:?}");
    }

    #[test]
    fn noise_breaks_no_promise() {
        for (mode, seed) in (0..2_000).flat_map(|seed| [(0, seed), (SKETCH, seed)]) {
            let input = [vec![mode], noise(seed)].concat();
            check(&input).unwrap_or_else(|crash| panic!("{crash}"));
        }
    }
}

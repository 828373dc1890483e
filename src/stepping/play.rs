//! One run of a scenario, by the schedule that it says, and what came out of it.

use std::sync::Arc;

use softdock_clr::Phase;

use super::judge::Violation;
use super::plan::Plan;
use super::told::lines;
use super::trace::Line;
use super::world::{Mover, World};
use crate::scenario::stepping::Stepping;

/// At most so many transitions: a program that has not ended by then does not end.
pub const MOVES_MAX: usize = 10_000;

/// What one run came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Play {
    /// What happened, transition by transition; empty unless wanted.
    pub trace: Vec<Line>,
    /// What the debugger was told, a line for each stop.
    pub told: Vec<String>,
    /// Promises that were broken.
    pub broken: Vec<Violation>,
    /// What came out otherwise than the scenario expects.
    pub mismatches: Vec<String>,
    /// How many transitions were made.
    pub moves: usize,
}

impl Play {
    /// Whether nothing is wrong.
    #[must_use]
    pub const fn is_clean(&self) -> bool {
        self.broken.is_empty() && self.mismatches.is_empty()
    }

    /// What happened, a line for each transition.
    #[must_use]
    pub fn trace(&self) -> String {
        self.trace.iter().map(|line| format!("{line}\n")).collect()
    }
}

/// Runs a scenario once.
#[must_use]
pub fn play(scenario: &Stepping, plan: &Arc<Plan>, traced: bool) -> Play {
    play_within(scenario, plan, traced, MOVES_MAX)
}

/// The same, for so many transitions at most.
#[must_use]
pub fn play_within(scenario: &Stepping, plan: &Arc<Plan>, traced: bool, moves_max: usize) -> Play {
    let mut world = World::new(plan);
    let mut schedule = scenario.schedule.iter();
    let mut choices = scenario.choices.iter();
    let (mut trace, mut moves) = (Vec::new(), 0);
    while let Some(mover) = next(&world, &mut schedule, &mut choices) {
        if moves == moves_max {
            break;
        }
        moves += 1;
        world.advance(mover);
        if traced {
            trace.push(Line::new(moves, &world, mover));
        }
    }
    let told = lines(&plan.program, world.told());
    let mut mismatches = compare("told", &scenario.expect, &told);
    let output: Vec<i32> = world.vm().output().iter().map(|(_, value)| *value).collect();
    mismatches.extend(compare("put out", &scenario.output, &output));
    Play { trace, told, broken: world.broken().to_vec(), mismatches, moves }
}

/// The debugger when it is its turn; then who the schedule names, as long as that one can move;
/// then the first who waits for nothing.
fn next<'s>(
    world: &World,
    schedule: &mut impl Iterator<Item = &'s u64>,
    choices: &mut impl Iterator<Item = &'s usize>,
) -> Option<Mover> {
    let movers: Vec<Mover> = world.movers().collect();
    if let [first @ Mover::Debugger(_), ref others @ ..] = *movers {
        let chosen = if others.is_empty() { None } else { choices.next() };
        return Some(chosen.map_or(first, |choice| Mover::Debugger(*choice)));
    }
    let named = schedule.next().map(|thread| Mover::Thread(*thread));
    let named = named.filter(|mover| movers.contains(mover));
    let is_blocked = |mover: &&Mover| match mover {
        Mover::Thread(thread) => world.vm().phase(*thread) == Phase::Blocked,
        Mover::Debugger(_) => false,
    };
    let free = movers.iter().find(|mover| !is_blocked(mover));
    named.or(free.or(movers.first()).copied())
}

fn compare<T: PartialEq + std::fmt::Debug>(what: &str, expected: &[T], found: &[T]) -> Vec<String> {
    if expected == found {
        return Vec::new();
    }
    let nth = expected.iter().zip(found).take_while(|(a, b)| a == b).count();
    let at = |list: &[T]| list.get(nth).map_or("nothing".into(), |item| format!("{item:?}"));
    let (all, found, expected) = (found, at(found), at(expected));
    vec![format!("{what}, the {}. time: {found}, expected {expected}; in all: {all:?}", nth + 1)]
}

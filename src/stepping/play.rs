//! One run of a scenario, by the schedule that it says, and what came out of it.

use std::rc::Rc;

use softdock_clr::Phase;

use super::judge::Violation;
use super::plan::Plan;
use super::told::lines;
use super::trace::Line;
use super::world::{Mover, World};
use crate::scenario::stepping::Stepping;

/// At most so many transitions: a program that has not ended by then is said not to end.
pub const MOVES_MAX: usize = 10_000;

/// At most so many of them are told: the first half, and the last.
const LINES_MAX: usize = 400;

/// So many lines show how a program without an end begins.
const BEGIN: usize = 10;

/// What one run came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Play {
    /// What happened, transition by transition; empty unless wanted.
    pub trace: Vec<Line>,
    /// What the debugger was told, a line for each stop.
    pub told: Vec<String>,
    /// What the program put out.
    pub output: Vec<i32>,
    /// Promises that were broken.
    pub broken: Vec<Violation>,
    /// What came out otherwise than the scenario expects.
    pub mismatches: Vec<String>,
    /// Whether it came to an end, and was not left.
    pub has_ended: bool,
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
pub fn play(scenario: &Stepping, plan: &Rc<Plan>, traced: bool) -> Play {
    play_within(scenario, plan, traced, MOVES_MAX)
}

/// The same, for so many transitions at most.
#[must_use]
pub fn play_within(scenario: &Stepping, plan: &Rc<Plan>, traced: bool, moves_max: usize) -> Play {
    let mut world = World::new(plan);
    let mut schedule = scenario.schedule.iter();
    let mut choices = scenario.choices.iter();
    let (mut trace, mut moves) = (Vec::new(), 0);
    let mut has_ended = true;
    while let Some(mover) = next(&world, &mut schedule, &mut choices) {
        if moves == moves_max {
            has_ended = false;
            break;
        }
        moves += 1;
        world.advance(mover);
        if traced {
            trace.push(Line::new(moves, &world, mover));
        }
    }
    leave_out_the_middle(&mut trace);
    let told = lines(&plan.program, world.told());
    let output: Vec<i32> = world.vm().output().iter().map(|(_, value)| *value).collect();
    let begin = |len: usize, wanted: usize| if scenario.endless { len.min(wanted) } else { len };
    let begins = &told[..begin(told.len(), scenario.expect.len())];
    let mut mismatches = compare("told", &scenario.expect, begins);
    let begins = &output[..begin(output.len(), scenario.output.len())];
    mismatches.extend(compare("put out", &scenario.output, begins));
    mismatches.extend(compare_end(scenario.endless, has_ended, moves));
    let broken = world.broken().to_vec();
    Play { trace, told, output, broken, mismatches, has_ended, moves }
}

impl Stepping {
    /// Expects what comes out today, which is what is wrong in a finding.
    pub(super) fn expect_what_comes(&mut self, plan: &Rc<Plan>) {
        let played = play(self, plan, false);
        (self.expect, self.output, self.endless) = (played.told, played.output, !played.has_ended);
        if self.endless {
            self.expect.truncate(BEGIN);
            self.output.truncate(BEGIN);
        }
    }
}

fn leave_out_the_middle(trace: &mut Vec<Line>) {
    let half = LINES_MAX / 2;
    if trace.len() > LINES_MAX {
        let middle = half..trace.len() - half;
        let gap = trace[half - 1].gap(middle.len());
        trace.splice(middle, [gap]);
    }
}

fn compare_end(endless: bool, has_ended: bool, moves: usize) -> Option<String> {
    match (endless, has_ended) {
        (true, true) => {
            Some(format!("it ends after {moves} transitions, expected none: `endless`"))
        }
        (false, false) => Some(format!(
            "it has not ended after {moves} transitions: where it never does, say `endless: true`"
        )),
        _ => None,
    }
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
    named.or_else(|| first_free(world))
}

/// Who moves where nobody is named: the first who does not wait in a native call.
pub(super) fn first_free(world: &World) -> Option<Mover> {
    let is_blocked = |mover: &Mover| match mover {
        Mover::Thread(thread) => world.vm().phase(*thread) == Phase::Blocked,
        Mover::Debugger(_) => false,
    };
    world.movers().find(|mover| !is_blocked(mover)).or_else(|| world.movers().next())
}

/// So many of what came after the first difference are told.
const SHOWN: usize = 20;

fn compare<T: PartialEq + std::fmt::Debug>(what: &str, expected: &[T], found: &[T]) -> Vec<String> {
    if expected == found {
        return Vec::new();
    }
    let nth = expected.iter().zip(found).take_while(|(a, b)| a == b).count();
    let at = |list: &[T]| list.get(nth).map_or("nothing".into(), |item| format!("{item:?}"));
    let all = &found[..found.len().min(nth + SHOWN)];
    let more = found.len() - all.len();
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let (found, expected) = (at(found), at(expected));
    let nth = nth + 1;
    vec![format!("{what}, the {nth}. time: {found}, expected {expected}; in all: {all:?}{more}")]
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROUND: &str = "method main args 0 locals 0\nagain: SAFEPOINT\nEMIT #1\nBR again\nend";
    const ONCE: &str = "method main args 0 locals 0\nEMIT #1\nRET_VOID\nend";

    fn played(program: &str, endless: bool, output: &[i32]) -> Play {
        let mut scenario: Stepping =
            ron::from_str(r#"(about: "", program: "", expect: [])"#).unwrap();
        (scenario.program, scenario.endless) = (program.into(), endless);
        scenario.output = output.to_vec();
        let plan = Rc::new(Plan::new(&scenario).unwrap());
        play(&scenario, &plan, true)
    }

    #[test]
    fn a_run_that_is_left_says_so() {
        assert!(played(ONCE, false, &[1]).is_clean());
        assert!(played(ROUND, true, &[1, 1]).is_clean());
        let left = played(ROUND, false, &[1]).mismatches;
        assert!(left.iter().any(|it| it.contains("after 10000 transitions")), "{left:?}");
        let ended = played(ONCE, true, &[1]).mismatches;
        assert!(ended.iter().any(|it| it.starts_with("it ends after ")), "{ended:?}");
        let otherwise = played(ROUND, true, &[1, 2]).mismatches;
        assert!(otherwise[0].starts_with("put out, the 2. time: 1, expected 2"), "{otherwise:?}");
    }

    #[test]
    fn a_long_trace_is_told_by_its_ends() {
        let trace = played(ROUND, true, &[]).trace;
        assert_eq!(trace.len(), LINES_MAX + 1);
        assert_eq!(trace[LINES_MAX / 2].what, "9600 transitions");
        assert_eq!(trace.last().map(|line| line.nth), Some(MOVES_MAX));
    }
}

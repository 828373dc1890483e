//! Every schedule of a scenario: all orders in which its threads can make their transitions, with
//! the debugger doing what it does at each stop. States that were met before are not entered again.
//! What it finds has the shortest schedule there is.

use std::collections::VecDeque;
use std::fmt;
use std::hash::{BuildHasherDefault, Hasher};
use std::rc::Rc;

use serde::{Deserialize, Serialize};

use super::judge::Violation;
use super::plan::Plan;
use super::play::first_free;
use super::recount::{self, Recount, recount};
use super::world::{Mover, World};
use crate::scenario::stepping::{Stepping, WriteFault};
use crate::sweep::counted;

/// At most so many transitions in one schedule: only a program that never ends comes so far.
pub const MOVES_MAX: u32 = 100_000;

/// What an exploration has proved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exploration {
    /// Name of the scenario.
    pub scenario: String,
    /// Different states of program, engine and debugger.
    pub states: u64,
    /// Transitions between them.
    pub transitions: u64,
    /// States in which all threads have ended.
    pub ends: u64,
    /// Transitions in which a promise was broken.
    pub findings: u64,
    /// Whether every state was entered.
    pub complete: bool,
    /// The same counted in another way, where that is not too much.
    pub recount: Option<Recount>,
}

/// The first schedule that breaks a promise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Who moves, transition by transition.
    pub schedule: Vec<Mover>,
    /// What goes wrong with writes to the bytecode.
    pub faults: Vec<WriteFault>,
    /// What is broken.
    pub broken: Vec<Violation>,
}

/// Goes through every schedule, and returns what it found, with the shortest schedule to it. With
/// `faults`, one of the writes to the bytecode goes wrong as well: every one, in every way.
pub fn explore(
    name: &str,
    plan: &Rc<Plan>,
    faults: bool,
    goes_on: &dyn Fn() -> bool,
) -> (Exploration, Option<Found>) {
    let mut exploration = Exploration {
        scenario: name.into(),
        states: 1,
        transitions: 0,
        ends: 0,
        findings: 0,
        complete: true,
        recount: None,
    };
    let start = Box::new(World::forgetful(plan));
    let mut known = States::default();
    known.insert(start.fingerprint());
    let mut open = Stack::default();
    open.push(start, 0);
    while let Some((next, depth)) = open.advance(faults) {
        if exploration.transitions.is_multiple_of(0x1000) && !goes_on() {
            exploration.complete = false;
            break;
        }
        exploration.transitions += 1;
        if !next.broken().is_empty() {
            exploration.findings += 1;
        } else if depth >= MOVES_MAX {
            exploration.complete = false;
        } else if known.insert(next.fingerprint()) {
            exploration.states += 1;
            exploration.ends += u64::from(!open.push(next, depth));
        }
    }
    let found = if exploration.findings > 0 { shortest(plan, faults, usize::MAX) } else { None };
    (exploration, found)
}

/// States on the way, the deepest last.
#[derive(Default)]
struct Stack {
    states: Vec<State>,
    /// The ways out of them that were not gone yet, end to end.
    ways: Vec<Way>,
}

struct State {
    world: Box<World>,
    /// Its first way.
    first: usize,
    depth: u32,
}

/// Who moves next, and what goes wrong with a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Way {
    mover: Mover,
    fault: Option<WriteFault>,
}

impl Stack {
    /// Adds a state; whether there are ways out of it.
    fn push(&mut self, world: Box<World>, depth: u32) -> bool {
        let first = self.ways.len();
        self.ways.extend(ways(&world));
        self.states.push(State { world, first, depth });
        self.ways.len() > first
    }

    /// The next state, deepest first. The last way out of a state takes the state along: only what
    /// is needed again is copied.
    fn advance(&mut self, faults: bool) -> Option<(Box<World>, u32)> {
        while self.states.pop_if(|last| last.first == self.ways.len()).is_some() {}
        let State { world, first, depth } = self.states.last()?;
        let (way, depth) = (self.ways.pop()?, depth + 1);
        if !faults && *first == self.ways.len() {
            let mut next = self.states.pop()?.world;
            next.advance(way.mover);
            return Some((next, depth));
        }
        let next = way.go(world.clone());
        if faults {
            self.ways.extend(way.failing(world, &next));
        }
        Some((next, depth))
    }
}

/// Who can move next.
pub(super) fn ways(from: &World) -> impl Iterator<Item = Way> + '_ {
    from.movers().map(|mover| Way { mover, fault: None })
}

impl Way {
    /// Where it leads from a state.
    pub(super) fn go(self, mut next: Box<World>) -> Box<World> {
        next.fails(self.fault);
        next.advance(self.mover);
        next
    }

    /// Where nothing has gone wrong yet, every way in which one of the writes can that were made
    /// from one state to the next.
    pub(super) fn failing(self, from: &World, to: &World) -> impl Iterator<Item = Way> + use<> {
        let first = from.writes() + 1;
        let last = if to.has_failed() { from.writes() } else { to.writes() };
        let faults = (first..=last).flat_map(WriteFault::every);
        faults.map(move |fault| Way { fault: Some(fault), ..self })
    }
}

/// The first violation within so many states, breadth first: what is found has the shortest
/// schedule there is.
#[must_use]
pub fn shortest(plan: &Rc<Plan>, faults: bool, states: usize) -> Option<Found> {
    let start = Box::new(World::forgetful(plan));
    let mut known = States::default();
    known.insert(start.fingerprint());
    let mut steps: Vec<(Option<usize>, Way)> = Vec::new();
    let mut frontier = VecDeque::from([(None, start)]);
    while let Some((from, world)) = frontier.pop_front() {
        let mut ways: Vec<Way> = ways(&world).collect();
        while let Some(way) = ways.pop() {
            let next = way.go(world.clone());
            if faults {
                ways.extend(way.failing(&world, &next));
            }
            if !next.broken().is_empty() {
                return Some(Found::new(&steps, (from, way), next.broken()));
            }
            if known.len() < states && known.insert(next.fingerprint()) {
                frontier.push_back((Some(steps.len()), next));
                steps.push((from, way));
            }
        }
    }
    None
}

impl Found {
    /// The way to a state, and one transition more.
    fn new(
        steps: &[(Option<usize>, Way)],
        last: (Option<usize>, Way),
        broken: &[Violation],
    ) -> Found {
        let mut ways = vec![last.1];
        let mut from = last.0;
        while let Some((earlier, way)) = from.and_then(|nth| steps.get(nth)) {
            ways.push(*way);
            from = *earlier;
        }
        ways.reverse();
        Found {
            schedule: ways.iter().map(|way| way.mover).collect(),
            faults: ways.iter().filter_map(|way| way.fault).collect(),
            broken: broken.to_vec(),
        }
    }

    /// The scenario in which this happens, and which expects it.
    #[must_use]
    pub fn scenario(&self, scenario: &Stepping, plan: &Rc<Plan>) -> Stepping {
        let faults = [scenario.faults.as_slice(), &self.faults].concat();
        let plan = Rc::new(Plan { faults: faults.clone(), ..Plan::clone(plan) });
        let (mut schedule, mut choices, mut necessary) = (Vec::new(), Vec::new(), 0);
        let mut world = World::new(&plan);
        for mover in &self.schedule {
            let is_first = first_free(&world) == Some(*mover);
            match *mover {
                Mover::Thread(thread) => schedule.push(thread),
                Mover::Debugger(choice) if world.movers().nth(1).is_some() => choices.push(choice),
                Mover::Debugger(_) => {}
            }
            if !is_first {
                necessary = schedule.len();
            }
            world.advance(*mover);
        }
        // Who moves without being named need not be.
        schedule.truncate(necessary);
        let mut scenario = Stepping { schedule, choices, faults, ..scenario.clone() };
        scenario.expect_what_comes(&plan);
        scenario
    }
}

impl Exploration {
    /// The same with a second opinion, where that does not take too long.
    #[must_use]
    pub fn recounted(self, plan: &Rc<Plan>, faults: bool) -> Exploration {
        let is_small = self.complete && self.states <= recount::STATES_MAX;
        Exploration { recount: is_small.then(|| recount(plan, faults)), ..self }
    }

    /// Whether everything was gone through, and nothing is wrong.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.complete && self.findings == 0 && self.agrees()
    }

    /// Whether what was counted again comes to the same.
    #[must_use]
    pub fn agrees(&self) -> bool {
        self.recount.is_none_or(|recount| recount.agrees(self.states))
    }
}

impl fmt::Display for Exploration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Exploration { scenario, states, transitions, ends, findings, .. } = self;
        writeln!(f, "certificate of {scenario}")?;
        writeln!(f, "  gone through    {states} states by {transitions} transitions")?;
        let recount = self.recount.map_or(String::new(), |recount| recount.to_string());
        writeln!(f, "  schedules       {recount}to {ends} ends")?;
        if !self.complete {
            writeln!(f, "  INCOMPLETE")?;
        }
        if !self.agrees() {
            writeln!(f, "  COUNTED OTHERWISE: {:?}", self.recount)?;
        }
        match *findings {
            0 => writeln!(f, "  verdict         no promise was broken"),
            count => writeln!(f, "  verdict         NOT CLEAN: {}", counted(count, "finding")),
        }
    }
}

/// States by their hashes.
#[expect(clippy::disallowed_types, reason = "looked up by hashes, and never gone through")]
type States = std::collections::HashSet<u128, BuildHasherDefault<Itself>>;

/// A hash needs no hashing.
#[derive(Clone, Copy, Debug, Default)]
struct Itself(u64);

impl Hasher for Itself {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _: &[u8]) {}

    fn write_u128(&mut self, hash: u128) {
        self.0 = hash as u64;
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::play::play;
    use super::super::told::lines;
    use super::*;
    use crate::scenario::{self, Scenario};

    fn found(choose: impl Fn(Vec<Mover>) -> Mover) -> (Stepping, Vec<String>, usize) {
        let text = include_str!("../../scenarios/stepping/anything-in-two-threads.ron");
        let Ok(Scenario::Stepping(scenario)) = scenario::parse(Path::new("two.ron"), text) else {
            panic!("a scenario about stepping")
        };
        let plan = Rc::new(Plan::new(&scenario).unwrap());
        let (mut world, mut schedule) = (World::new(&plan), Vec::new());
        while world.movers().next().is_some() {
            let mover = choose(world.movers().collect());
            schedule.push(mover);
            world.advance(mover);
        }
        let moves = schedule.len();
        let found = Found { schedule, faults: Vec::new(), broken: Vec::new() };
        (found.scenario(&scenario, &plan), lines(&plan.program, world.told()), moves)
    }

    /// Whoever runs the file must see what the exploration saw.
    #[test]
    fn the_scenario_of_a_finding_goes_the_same_way() {
        let (last, told, moves) = found(|movers| *movers.last().unwrap());
        let played = play(&last, &Rc::new(Plan::new(&last).unwrap()), false);
        assert_eq!((&played.told, played.moves), (&told, moves));
        assert!(played.is_clean() && !last.schedule.is_empty(), "{:?}", played.mismatches);
        let (first, told, _) = found(|movers| movers[0]);
        assert_eq!((first.schedule.len(), &first.expect), (0, &told), "nobody need be named");
        assert_ne!(first.expect, last.expect, "or else this shows nothing");
    }
}

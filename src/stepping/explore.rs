//! Every schedule of a scenario: all orders in which its threads can make their transitions, with
//! the debugger doing what it does at each stop. States that were met before are not entered again.
//! It goes breadth first, so that what it finds has the shortest schedule there is.

use std::collections::VecDeque;
use std::fmt;
use std::hash::{BuildHasherDefault, Hash, Hasher};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::judge::Violation;
use super::plan::Plan;
use super::world::{Mover, World};
use crate::choice::Digest;
use crate::scenario::stepping::{Stepping, WriteFault};

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
    /// Transitions of the longest way to a new state.
    pub depth: u32,
    /// Transitions in which a promise was broken.
    pub findings: u64,
    /// Whether every state was entered.
    pub complete: bool,
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

/// Where a state was come to from.
#[derive(Clone, Copy, Debug)]
struct Step {
    from: u32,
    mover: Mover,
    fault: Option<WriteFault>,
    depth: u32,
}

/// Goes through every schedule, and returns what it found, with the shortest schedule to it. With
/// `faults`, one of the writes to the bytecode goes wrong as well: every one, in every way.
pub fn explore(
    name: &str,
    plan: &Arc<Plan>,
    faults: bool,
    goes_on: &dyn Fn() -> bool,
) -> (Exploration, Option<Found>) {
    let mut exploration = Exploration {
        scenario: name.into(),
        states: 1,
        transitions: 0,
        ends: 0,
        depth: 0,
        findings: 0,
        complete: true,
    };
    let start = World::new(plan);
    let mut known = States::default();
    known.insert(start.fingerprint());
    let mut steps: Vec<Step> =
        vec![Step { from: 0, mover: Mover::Debugger(0), fault: None, depth: 0 }];
    let mut frontier = VecDeque::from([(0_u32, start)]);
    let mut found: Option<Found> = None;
    while let Some((nth, world)) = frontier.pop_front() {
        if !goes_on() {
            exploration.complete = false;
            break;
        }
        let depth = steps[nth as usize].depth + 1;
        let movers = world.movers();
        exploration.ends += u64::from(movers.is_empty());
        for (mover, fault, next) in movers.into_iter().flat_map(|it| successors(&world, it, faults))
        {
            let step = Step { from: nth, mover, fault, depth };
            exploration.transitions += 1;
            if !next.broken().is_empty() {
                exploration.findings += 1;
                found = found.or_else(|| Some(Found::new(&steps, step, next.broken())));
            } else if depth >= MOVES_MAX {
                exploration.complete = false;
            } else if known.insert(next.fingerprint()) {
                exploration.states += 1;
                exploration.depth = exploration.depth.max(depth);
                frontier.push_back((steps.len() as u32, next));
                steps.push(step);
            }
        }
    }
    (exploration, found)
}

/// Where this mover leads: once as it is, and, where that is wanted and nothing has gone wrong yet,
/// once for every way in which one of its writes to the bytecode can.
fn successors(
    world: &World,
    mover: Mover,
    faults: bool,
) -> Vec<(Mover, Option<WriteFault>, World)> {
    let advanced = |fault: Option<WriteFault>| {
        let mut next = world.clone();
        next.fails(fault);
        next.advance(mover);
        next
    };
    let next = advanced(None);
    let writes = if faults && !world.has_failed() { next.writes() - world.writes() } else { 0 };
    let nth = (1..=writes).map(|nth| world.writes() + nth);
    let ways = nth.flat_map(|nth| {
        [
            WriteFault::Fails(nth),
            WriteFault::FailsFrom(nth),
            WriteFault::LandsAndFails(nth),
            WriteFault::Vanishes(nth),
            WriteFault::LandsHalf(nth),
        ]
    });
    let wrong: Vec<_> = ways.map(|fault| (mover, Some(fault), advanced(Some(fault)))).collect();
    std::iter::once((mover, None, next)).chain(wrong).collect()
}

impl Found {
    /// The way to a state, and one transition more.
    fn new(steps: &[Step], last: Step, broken: &[Violation]) -> Found {
        let mut way = vec![last];
        let mut nth = last.from;
        while steps[nth as usize].depth > 0 {
            way.push(steps[nth as usize]);
            nth = steps[nth as usize].from;
        }
        way.reverse();
        Found {
            schedule: way.iter().map(|step| step.mover).collect(),
            faults: way.iter().filter_map(|step| step.fault).collect(),
            broken: broken.to_vec(),
        }
    }

    /// The scenario in which this happens.
    #[must_use]
    pub fn scenario(&self, scenario: &Stepping, plan: &Arc<Plan>) -> Stepping {
        let faults = [scenario.faults.as_slice(), &self.faults].concat();
        let plan = Arc::new(Plan { faults: faults.clone(), ..Plan::clone(plan) });
        let (mut schedule, mut choices) = (Vec::new(), Vec::new());
        let mut world = World::new(&plan);
        for mover in &self.schedule {
            match *mover {
                Mover::Thread(thread) => schedule.push(thread),
                Mover::Debugger(choice) if world.movers().len() > 1 => choices.push(choice),
                Mover::Debugger(_) => {}
            }
            world.advance(*mover);
        }
        Stepping { schedule, choices, faults, ..scenario.clone() }
    }
}

impl Exploration {
    /// Whether everything was gone through, and nothing is wrong.
    #[must_use]
    pub const fn is_clean(&self) -> bool {
        self.complete && self.findings == 0
    }
}

impl fmt::Display for Exploration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Exploration { scenario, states, transitions, ends, depth, findings, .. } = self;
        writeln!(f, "certificate of {scenario}")?;
        writeln!(f, "  gone through    {states} states by {transitions} transitions")?;
        writeln!(f, "  schedules       of at most {depth} transitions, to {ends} ends")?;
        if !self.complete {
            writeln!(f, "  INCOMPLETE")?;
        }
        match findings {
            0 => writeln!(f, "  verdict         no promise was broken"),
            count => writeln!(f, "  verdict         NOT CLEAN: {count} findings"),
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

/// A value in 128 bits.
pub(super) fn hash(value: &impl Hash) -> u128 {
    let mut words = Words::default();
    value.hash(&mut words);
    words.0.value()
}

#[derive(Default)]
struct Words(Digest);

impl Hasher for Words {
    fn finish(&self) -> u64 {
        self.0.value() as u64
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0.bytes(bytes);
    }

    fn write_u8(&mut self, word: u8) {
        self.0.word(word.into());
    }

    fn write_u32(&mut self, word: u32) {
        self.0.word(word.into());
    }

    fn write_u64(&mut self, word: u64) {
        self.0.word(word);
    }

    fn write_usize(&mut self, word: usize) {
        self.0.word(word as u64);
    }

    fn write_isize(&mut self, word: isize) {
        self.0.word(word as u64);
    }
}

//! A second opinion on what an exploration went through. Schedules are counted by adding up what
//! lies behind each state, and where they are few one by one as well, without telling states apart
//! by their hashes at all: the same number must come out.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::explore::{Way, ways};
use super::plan::Plan;
use super::world::World;

/// Larger explorations are not counted again: it takes as long as they did.
pub(super) const STATES_MAX: u64 = 100_000;

/// More schedules are not gone through one by one.
const SCHEDULES_MAX: u64 = 2_000;

/// What came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recount {
    /// Different states.
    pub states: u64,
    /// Schedules from the beginning to an end; `None` where some never end.
    pub schedules: Option<u128>,
    /// The same, counted one by one.
    pub one_by_one: Option<u64>,
}

impl Recount {
    /// Whether all that was counted comes to the same.
    #[must_use]
    pub fn agrees(&self, states: u64) -> bool {
        let by_one = self.one_by_one.map(u128::from);
        self.states == states && by_one.is_none_or(|by_one| Some(by_one) == self.schedules)
    }
}

impl fmt::Display for Recount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.schedules, self.one_by_one) {
            (None, _) => f.write_str("some without end, "),
            (Some(u128::MAX), _) => f.write_str("more than 3 * 10^38, "),
            (Some(schedules), Some(_)) => write!(f, "{schedules}, gone through one by one, "),
            (Some(schedules), None) => write!(f, "{schedules}, "),
        }
    }
}

/// Counts everything again.
#[must_use]
pub fn recount(plan: &Arc<Plan>, faults: bool) -> Recount {
    let (states, schedules) = add_up(plan, faults);
    let few = schedules.is_some_and(|schedules| schedules <= u128::from(SCHEDULES_MAX));
    let one_by_one = few.then(|| one_by_one(plan, faults));
    Recount { states, schedules, one_by_one }
}

/// A state, and the ways out of it that were not gone yet.
struct Open {
    world: Box<World>,
    ways: Vec<Way>,
}

impl Open {
    fn new(world: Box<World>) -> Open {
        Open { ways: ways(&world).collect(), world }
    }

    /// Where the next way leads.
    fn next(&mut self, faults: bool) -> Option<Box<World>> {
        let way = self.ways.pop()?;
        let next = way.go(self.world.clone());
        if faults {
            self.ways.extend(way.failing(&self.world, &next));
        }
        Some(next)
    }
}

/// A state whose schedules are being added up.
struct Sum {
    open: Open,
    hash: u128,
    schedules: u128,
}

impl Sum {
    fn new(world: Box<World>) -> Sum {
        let hash = world.fingerprint();
        let open = Open::new(world);
        let is_end = open.ways.is_empty();
        Sum { open, hash, schedules: u128::from(is_end) }
    }
}

/// How many states there are, and schedules.
fn add_up(plan: &Arc<Plan>, faults: bool) -> (u64, Option<u128>) {
    // Nothing is known of a state yet whose schedules are being added up.
    let mut known: BTreeMap<u128, Option<u128>> = BTreeMap::new();
    let mut sums = vec![Sum::new(Box::new(World::forgetful(plan)))];
    let mut is_endless = false;
    known.insert(sums[0].hash, None);
    while let Some(last) = sums.last_mut() {
        let Some(next) = last.open.next(faults) else {
            let Some(Sum { hash, schedules, .. }) = sums.pop() else { break };
            known.insert(hash, Some(schedules));
            if let Some(before) = sums.last_mut() {
                before.schedules = before.schedules.saturating_add(schedules);
            }
            continue;
        };
        if !next.broken().is_empty() {
            last.schedules = last.schedules.saturating_add(1);
            continue;
        }
        let next = Sum::new(next);
        match known.get(&next.hash) {
            Some(Some(counted)) => last.schedules = last.schedules.saturating_add(*counted),
            Some(None) => is_endless = true,
            None => {
                known.insert(next.hash, None);
                sums.push(next);
            }
        }
    }
    let schedules = known.get(&World::forgetful(plan).fingerprint()).copied().flatten();
    (known.len() as u64, schedules.filter(|_| !is_endless))
}

/// Every schedule, each on its own.
fn one_by_one(plan: &Arc<Plan>, faults: bool) -> u64 {
    let mut schedules = 0;
    let mut open = vec![Open::new(Box::new(World::forgetful(plan)))];
    while let Some(last) = open.last_mut() {
        match last.next(faults) {
            None => drop(open.pop()),
            Some(next) if !next.broken().is_empty() => schedules += 1,
            Some(next) => {
                let next = Open::new(next);
                schedules += u64::from(next.ways.is_empty());
                open.push(next);
            }
        }
    }
    schedules
}

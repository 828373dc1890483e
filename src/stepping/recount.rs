//! A second opinion on what an exploration went through. Schedules are counted by adding up what
//! lies behind each state, and where they are few one by one as well, without telling states apart
//! by their hashes at all: the same number must come out.

use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;

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
    /// Transitions of the longest one; `None` as before.
    pub longest: Option<u32>,
    /// The same, counted one by one: how many schedules, and the longest.
    pub one_by_one: Option<(u64, u32)>,
}

impl Recount {
    /// Whether all that was counted comes to the same.
    #[must_use]
    pub fn agrees(&self, states: u64) -> bool {
        let added_up = self.schedules.zip(self.longest);
        let by_one = self.one_by_one.map(|(schedules, longest)| (schedules.into(), longest));
        self.states == states && by_one.is_none_or(|by_one| Some(by_one) == added_up)
    }
}

impl fmt::Display for Recount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some((schedules, longest)) = self.schedules.zip(self.longest) else {
            return f.write_str("some without end, ");
        };
        match (schedules, self.one_by_one) {
            (u128::MAX, _) => f.write_str("more than 3 * 10^38")?,
            (_, Some(_)) => write!(f, "{schedules}, gone through one by one")?,
            (_, None) => write!(f, "{schedules}")?,
        }
        write!(f, ", of at most {longest} transitions, ")
    }
}

/// Counts everything again.
#[must_use]
pub fn recount(plan: &Rc<Plan>, faults: bool) -> Recount {
    recount_by(plan, faults, World::fingerprint)
}

/// The same, with states told apart in this way.
fn recount_by(plan: &Rc<Plan>, faults: bool, hash: fn(&World) -> u128) -> Recount {
    let (states, counted) = add_up(plan, faults, hash);
    let few = counted.is_some_and(|counted| counted.schedules <= u128::from(SCHEDULES_MAX));
    let one_by_one = few.then(|| one_by_one(plan, faults));
    let (schedules, longest) =
        counted.map(|Counted { schedules, longest }| (schedules, longest)).unzip();
    Recount { states, schedules, longest, one_by_one }
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

/// The schedules that begin in a state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counted {
    schedules: u128,
    /// Transitions of the longest one.
    longest: u32,
}

impl Counted {
    /// Those that go on with a transition to a state.
    fn add(&mut self, behind: Counted) {
        self.schedules = self.schedules.saturating_add(behind.schedules);
        self.longest = self.longest.max(behind.longest + 1);
    }
}

/// Where nothing follows.
const END: Counted = Counted { schedules: 1, longest: 0 };

/// A state whose schedules are being added up.
struct Sum {
    open: Open,
    hash: u128,
    counted: Counted,
}

impl Sum {
    fn new(world: Box<World>, hash: u128) -> Sum {
        let open = Open::new(world);
        let counted = if open.ways.is_empty() { END } else { Counted::default() };
        Sum { open, hash, counted }
    }
}

/// How many states there are, and schedules: `None` where some never end.
fn add_up(plan: &Rc<Plan>, faults: bool, hash: fn(&World) -> u128) -> (u64, Option<Counted>) {
    // Nothing is known of a state yet whose schedules are being added up.
    let mut known: BTreeMap<u128, Option<Counted>> = BTreeMap::new();
    let start = Box::new(World::forgetful(plan));
    let first = hash(&start);
    known.insert(first, None);
    let mut sums = vec![Sum::new(start, first)];
    let mut is_endless = false;
    while let Some(last) = sums.last_mut() {
        let Some(next) = last.open.next(faults) else {
            let Some(Sum { hash, counted, .. }) = sums.pop() else { break };
            known.insert(hash, Some(counted));
            sums.last_mut().into_iter().for_each(|before| before.counted.add(counted));
            continue;
        };
        if !next.broken().is_empty() {
            last.counted.add(END);
            continue;
        }
        let name = hash(&next);
        match known.get(&name) {
            Some(Some(counted)) => last.counted.add(*counted),
            Some(None) => is_endless = true,
            None => {
                known.insert(name, None);
                sums.push(Sum::new(next, name));
            }
        }
    }
    let counted = known.get(&first).copied().flatten();
    (known.len() as u64, counted.filter(|_| !is_endless))
}

/// Every schedule, each on its own: how many, and the longest.
fn one_by_one(plan: &Rc<Plan>, faults: bool) -> (u64, u32) {
    let (mut schedules, mut longest) = (0, 0);
    let mut open = vec![Open::new(Box::new(World::forgetful(plan)))];
    while let Some(last) = open.last_mut() {
        let Some(next) = last.next(faults) else {
            open.pop();
            continue;
        };
        let is_broken = !next.broken().is_empty();
        let next = Open::new(next);
        if is_broken || next.ways.is_empty() {
            schedules += 1;
            longest = longest.max(open.len() as u32);
        } else {
            open.push(next);
        }
    }
    (schedules, longest)
}

#[cfg(test)]
mod tests {
    use softdock_clr::Digest;

    use super::super::world::Happened;
    use super::*;

    fn plan() -> Rc<Plan> {
        let scenario = ron::from_str(
            r#"(
                about: "two threads, the second of which to count does more",
                program: "
method main args 0 locals 2
        LDC_I4 v0, 1
        EXCHANGEADD_I4 v1, 2, v0
        NOP
        BRFALSE_I4 v1, first
        EMIT v1
first:  RET_VOID
end",
                threads: ["main", "main"],
                expect: [],
            )"#,
        );
        Rc::new(Plan::new(&scenario.unwrap()).unwrap())
    }

    #[test]
    fn what_is_added_up_is_what_there_is_one_by_one() {
        let counted = recount(&plan(), false);
        assert!(counted.one_by_one.is_some());
        assert!(counted.agrees(counted.states));
    }

    /// Without this, the second opinion might be one that cannot differ.
    #[test]
    fn a_hash_that_forgets_something_is_found_out() {
        let places_only = |world: &World| {
            let vm = world.vm();
            let place = |thread| (vm.frame(thread, 0).map(|frame| frame.ip), vm.phase(thread));
            let places: Vec<_> = vm.threads().map(place).collect();
            Digest::of(&(world.happened() == Happened::Other(""), places))
        };
        let counted = recount_by(&plan(), false, places_only);
        assert!(!counted.agrees(counted.states), "{counted:?}");
    }
}

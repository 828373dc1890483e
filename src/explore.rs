//! Every interleaving of what the target may do by itself with the accesses of the engine, and the
//! product of all that with every single fault. In the product a read stops short after one byte,
//! half of them or all but one, where a [`crate::sweep`] tries every byte; the certificate says so.
//!
//! A scenario's `moves` say what may happen; the engine is the real one. States that were left
//! before are not entered again (see [`Exhaustive`]), and the runs that this saves are counted all
//! the same, as ways through the graph of states. Small cases are also gone through one by one:
//! both must come to the same numbers.

use serde::{Deserialize, Serialize};
use std::fmt;

use crate::blame::{Blame, blame};
use crate::choice::{Classes, Exhaustive, Menu, Prefixes, Recorded};
use crate::finding::Finding;
use crate::run::{Run, Stage};
use crate::scenario::Actor;
use crate::sweep::Tally;
use crate::trace::Trace;

/// At most so many interleavings are also gone through one by one.
const ONE_BY_ONE_MAX: u128 = 50_000;

/// What is not tried where faults are.
const BOUND: &str = "reads stop short after 1 byte, half, or all but one";

/// What an exploration has proved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exploration {
    /// Name of the scenario.
    pub scenario: String,
    /// At most so many faults in a run.
    pub faults: u32,
    /// How many different runs there are.
    pub ways: Ways,
    /// Different states of world and engine.
    pub states: u64,
    /// Runs that were cut short at a state that was left before.
    pub cut: u64,
    /// The same, counted by going through every one by itself, where they were few enough.
    pub one_by_one: Option<Ways>,
    /// Whether everything was gone through.
    pub complete: bool,
    /// Moves of the scenario that the target could make in none of the runs: nothing was proved
    /// about them. Empty as long as not everything was gone through.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub impossible: Vec<String>,
    /// What came out of the runs that were not cut.
    pub tally: Tally,
}

/// Different runs, each told from every other by what happens when.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ways {
    /// All of them.
    pub all: u64,
    /// Those that break a promise, whoever is to blame.
    pub broken: u64,
}

/// What is to be explored.
#[derive(Clone, Copy, Debug)]
pub struct Explore<'e> {
    /// Name of the scenario.
    pub name: &'e str,
    /// At most so many faults in a run.
    pub faults: u32,
    /// Whether states that were left before are entered again all the same.
    pub unpruned: bool,
}

impl Explore<'_> {
    /// Goes through everything that may happen in this scenario.
    pub fn run(
        &self,
        stage: &mut Stage<'_>,
        found: &dyn Fn(Finding),
        goes_on: &dyn Fn() -> bool,
    ) -> Exploration {
        let mut exploration = self.explore(stage, !self.unpruned, found, goes_on);
        let is_small = u128::from(exploration.ways.all) <= ONE_BY_ONE_MAX;
        if exploration.complete && is_small && !self.unpruned {
            let again = self.explore(stage, false, &|_| {}, goes_on);
            exploration.one_by_one = again.complete.then_some(again.ways);
            exploration.complete &= again.complete;
        }
        exploration
    }

    fn explore(
        &self,
        stage: &mut Stage<'_>,
        pruned: bool,
        found: &dyn Fn(Finding),
        goes_on: &dyn Fn() -> bool,
    ) -> Exploration {
        let classes = Classes { honest: true, silent: true, ..Classes::default() };
        let menu = Menu::new(classes, Prefixes::Three, &[]);
        let offered = (self.faults > 0).then_some(&menu);
        let mut chooser = Exhaustive::new(self.faults, pruned);
        let mut tally = Tally::default();
        let mut unmade: Vec<&Actor> = stage.scenario().moves.iter().flatten().collect();
        let complete = loop {
            let run = stage.explore(offered, &mut chooser, Trace::off());
            unmade.retain(|actor| !is_made(&run, actor));
            let wrong = !chooser.was_cut() && !run.violations.is_empty();
            if !chooser.was_cut() {
                tally.count(&run);
            }
            if wrong {
                let choices = chooser.choices();
                let calmly =
                    |access| stage.explore_calmly(offered, &mut Recorded::new(&choices), access);
                match blame(&run, calmly) {
                    Blame::Excused(window) => tally.excuse(window),
                    Blame::Ignored => {
                        tally.findings += 1;
                        found(Finding::new(self.name, run));
                    }
                }
            }
            let has_more = chooser.next_run(wrong);
            if !has_more || !goes_on() {
                break !has_more && !chooser.has_diverged();
            }
        };
        let futures = chooser.futures();
        Exploration {
            scenario: self.name.into(),
            faults: self.faults,
            ways: Ways {
                all: u64::try_from(futures.all).unwrap_or(u64::MAX),
                broken: u64::try_from(futures.wrong).unwrap_or(u64::MAX),
            },
            states: chooser.states(),
            cut: chooser.cut(),
            one_by_one: None,
            complete,
            impossible: unmade.iter().filter(|_| complete).map(|it| format!("{it:?}")).collect(),
            tally,
        }
    }
}

/// Whether the target has made this move in this run.
fn is_made(run: &Run, actor: &Actor) -> bool {
    let mut moves = run.moves.iter().enumerate();
    moves.any(|(nth, (_, made))| made == actor && !run.unmade.contains(&nth))
}

impl Exploration {
    /// Whether everything was gone through that the scenario says, and nothing is wrong.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        let all = self.complete && self.impossible.is_empty();
        all && self.agrees() && self.tally.findings == 0
    }

    /// What was left out.
    #[must_use]
    pub fn bounds(&self) -> Vec<String> {
        (self.faults > 0).then(|| BOUND.into()).into_iter().collect()
    }

    /// Whether the two ways of counting agree, where both were gone.
    #[must_use]
    pub fn agrees(&self) -> bool {
        self.one_by_one.is_none_or(|ways| ways == self.ways)
    }
}

impl fmt::Display for Exploration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Exploration { scenario, faults, ways, states, cut, tally, .. } = self;
        let Ways { all, broken } = ways;
        let with = if *faults > 0 { ", each with every single fault" } else { "" };
        writeln!(f, "certificate of {scenario}")?;
        writeln!(f, "  interleavings   {all} in all{with}; {broken} of them break a promise")?;
        write!(f, "  gone through    {} runs over {states} states, {cut} more cut", tally.runs)?;
        match self.one_by_one {
            Some(_) if self.agrees() => writeln!(f, "; one by one: the same numbers")?,
            Some(Ways { all, broken }) => writeln!(f, "; ONE BY ONE {all}, {broken} BROKEN")?,
            None => writeln!(f)?,
        }
        if *faults > 0 {
            writeln!(f, "  bound           {BOUND}")?;
        }
        writeln!(f, "  came out        {}", tally.outcomes())?;
        if !self.complete {
            writeln!(f, "  INCOMPLETE")?;
        }
        if !self.impossible.is_empty() {
            writeln!(f, "  NEVER POSSIBLE  {}", self.impossible.join(", "))?;
        }
        writeln!(f, "  verdict         {}", tally.verdict())
    }
}

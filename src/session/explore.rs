//! Every way in which a session can go, up to a bound that the certificate names: whatever the
//! target does next, its end, the user giving up and an hour of sleep come before, between and
//! after all questions that the steps ask, in every order; and one record is torn, after every
//! byte.
//!
//! States that were left before are not entered again (see [`Exhaustive`]); the runs that this
//! saves are counted all the same, and where they are few, all of them are gone through once more
//! one by one. Both must come to the same numbers.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::judge::Violation;
use super::stage::{Stage, Steps};
use super::story::Story;
use crate::choice::Exhaustive;
use crate::explore::Ways;
use crate::scenario::session::{OutcomeWord, ReasonWord, Session, SiteWord};
use crate::sweep::counted;

/// At most so many records are torn in a run.
const TORN_MAX: u32 = 1;

/// At most so many ways are also gone through one by one.
const ONE_BY_ONE_MAX: u64 = 20_000;

/// What is not tried.
const BOUND: &str = "nobody waits for more than three looks; no sleep is shorter than 1.5 ms; the
                  machine sleeps once, while somebody waits for a target; one record is torn,
                  after any byte, or half way where one gave up, slept or ended before";

/// What an exploration has proved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exploration {
    /// Name of the scenario.
    pub scenario: String,
    /// How many different runs there are.
    pub ways: Ways,
    /// Different states of the world and of what was seen of it.
    pub states: u64,
    /// Runs that were made.
    pub runs: u64,
    /// Runs that were cut short at a state that was left before.
    pub cut: u64,
    /// The same, counted by going through every one by itself, where they were few enough.
    pub one_by_one: Option<Ways>,
    /// Whether everything was gone through.
    pub complete: bool,
    /// How often each outcome came out of the runs that were not cut, in order of its name.
    pub came: Vec<(String, u64)>,
}

/// The first run that was found to break a promise, with the fewest moves of all that were.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The scenario in which it happens, and which expects it.
    pub scenario: Session,
    /// What is broken.
    pub broken: Vec<Violation>,
}

/// Goes through everything that may happen in a session that these steps bring about.
pub fn explore(
    name: &str,
    stage: &mut Stage<'_>,
    steps: &Steps,
    goes_on: &dyn Fn() -> bool,
) -> (Exploration, Option<Found>) {
    let (mut exploration, found) = go(name, stage, steps, true, goes_on);
    if exploration.complete && exploration.ways.all <= ONE_BY_ONE_MAX {
        let (again, _) = go(name, stage, steps, false, goes_on);
        exploration.one_by_one = again.complete.then_some(again.ways);
        exploration.complete &= again.complete;
    }
    (exploration, found)
}

fn go(
    name: &str,
    stage: &mut Stage<'_>,
    steps: &Steps,
    pruned: bool,
    goes_on: &dyn Fn() -> bool,
) -> (Exploration, Option<Found>) {
    let mut chooser = Exhaustive::new(TORN_MAX, pruned);
    let mut runs = 0;
    let mut came: Vec<(String, u64)> = Vec::new();
    let mut found: Option<Found> = None;
    let complete = loop {
        let run = stage.explore(&mut chooser, steps);
        runs += 1;
        let mut is_wrong = false;
        if let Some(run) = run {
            is_wrong = !run.broken.is_empty();
            let reason = run.last.reason.map_or(String::new(), |reason| format!(": {reason}"));
            count(&mut came, format!("{} at {}{reason}", run.last.outcome, run.last.site));
            let moves = run.moves.len();
            if is_wrong && found.as_ref().is_none_or(|it| moves < it.scenario.order.len()) {
                found = Some(Found::new(stage.explored(run.moves), run.broken));
            }
        }
        let has_more = chooser.next_run(is_wrong);
        if !has_more || !goes_on() {
            break !has_more && !chooser.has_diverged();
        }
    };
    let futures = chooser.futures();
    let ways = Ways {
        all: u64::try_from(futures.all).unwrap_or(u64::MAX),
        broken: u64::try_from(futures.wrong).unwrap_or(u64::MAX),
    };
    came.sort();
    let (states, cut) = (chooser.states(), chooser.cut());
    let scenario = name.into();
    (Exploration { scenario, ways, states, runs, cut, one_by_one: None, complete, came }, found)
}

fn count(came: &mut Vec<(String, u64)>, what: String) {
    match came.iter_mut().find(|(known, _)| *known == what) {
        Some((_, count)) => *count += 1,
        None => came.push((what, 1)),
    }
}

impl Found {
    /// What is expected is what comes out today.
    fn new(mut scenario: Session, broken: Vec<Violation>) -> Found {
        if let Ok(mut stage) = Stage::new(&scenario.clone()) {
            let last = stage.play(Story::default()).last;
            let expect = &mut scenario.expect;
            expect.outcome = OutcomeWord(last.outcome);
            expect.site = SiteWord(last.site);
            expect.reason = last.reason.map(ReasonWord);
            expect.files_stay = Some(last.files_stay);
            (expect.code, expect.endpoint, expect.reused) = (None, None, None);
            (expect.waited_micros, expect.left) = (None, None);
        }
        Found { scenario, broken }
    }
}

impl Exploration {
    /// Whether everything was gone through, and nothing is wrong.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.complete && self.agrees() && self.ways.broken == 0
    }

    /// What was left out, in one line each.
    #[must_use]
    pub fn bounds(&self) -> Vec<String> {
        let lines = BOUND.split(';');
        lines.map(|bound| bound.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
    }

    /// Whether the two ways of counting agree, where both were gone.
    #[must_use]
    pub fn agrees(&self) -> bool {
        self.one_by_one.is_none_or(|ways| ways == self.ways)
    }
}

impl fmt::Display for Exploration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Exploration { scenario, ways, states, runs, cut, came, .. } = self;
        let Ways { all, broken } = ways;
        writeln!(f, "certificate of {scenario}")?;
        writeln!(f, "  interleavings   {all} in all; {broken} of them break a promise")?;
        write!(f, "  gone through    {runs} runs over {states} states, {cut} of them cut")?;
        match self.one_by_one {
            Some(_) if self.agrees() => writeln!(f, "; one by one: the same numbers")?,
            Some(Ways { all, broken }) => writeln!(f, "; ONE BY ONE {all}, {broken} BROKEN")?,
            None => writeln!(f)?,
        }
        writeln!(f, "  bound           {BOUND}")?;
        for (nth, (what, count)) in came.iter().enumerate() {
            writeln!(f, "{:<17} {count:>7} {what}", if nth == 0 { "  came out" } else { "" })?;
        }
        if !self.complete {
            writeln!(f, "  INCOMPLETE")?;
        }
        match *broken {
            0 => writeln!(f, "  verdict         no promise was broken"),
            count => writeln!(f, "  verdict         NOT CLEAN: {}", counted(count, "finding")),
        }
    }
}

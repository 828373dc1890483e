//! Tries the bugs of the catalogue on every committed scenario about stepping, by every schedule,
//! and tells in one line each what noticed it.
//!
//! This is no part of `softdock-mutants`: it is built in the copy of the workspace that holds the
//! mutants, as a program of its own. It prints, separated by tabs: the number of the mutant, what
//! noticed it, in which scenario, the transitions of the shortest schedule there, the milliseconds
//! that took, and the promise that was broken, or how else it was told.
//!
//! A mutant is noticed by the first of these that notices anything, in any scenario:
//!
//! | noticed by | how |
//! |---|---|
//! | `promise` | a promise is broken in some schedule, whatever the scenario expects |
//! | `panic` | something panics |
//! | `fault` | a promise is broken once a write of a breakpoint goes wrong |
//! | `endless` | the program comes to no end any more, or to ever new states |
//! | `expectation` | the plain run comes out otherwise than the file says |
//!
//! Scenarios in which the plain run comes out otherwise are gone through first, then those with the
//! fewest states. Schedules are gone through here, and not by `softdock::stepping::explore`: a
//! mutant may panic, or never come to an end, and either is an answer.

use std::any::Any;
use std::cell::Cell;
use std::collections::{BTreeSet, VecDeque};
use std::panic::{self, AssertUnwindSafe};
use std::path::PathBuf;
use std::process::ExitCode;
use std::rc::Rc;
use std::time::Instant;

use softdock::corpus;
use softdock::scenario::Mistake;
use softdock::scenario::stepping::{Stepping, WriteFault};
use softdock::stepping::plan::Plan;
use softdock::stepping::play::{Play, play};
use softdock::stepping::world::{Mover, World};
use softdock_process::mutant;

/// Writes that are let go wrong, from the first on.
const WRITES: u32 = 8;

/// Scenarios in which they are: the smallest ones.
const WITH_FAULTS: usize = 100;

/// A scenario, and what it is without any mutant.
struct Witness {
    name: String,
    scenario: Stepping,
    plan: Rc<Plan>,
    states: usize,
    ends: usize,
    told: Vec<String>,
}

/// What all schedules of a scenario come to.
#[derive(Default)]
struct Explored {
    states: usize,
    ends: usize,
    /// Whether that was all.
    complete: bool,
    /// The first promise that was broken, and after how many transitions.
    broken: Option<(String, usize)>,
}

/// Who noticed a mutant, where, after how many transitions, and how that is told.
struct Noticed {
    by: &'static str,
    scenario: String,
    moves: usize,
    how: String,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [folder, mutants, nth, of, before] = arguments.as_slice() else { return usage() };
    let (Ok(mutants), Ok(nth), Ok(of), Ok(before)) =
        (mutants.parse::<u32>(), nth.parse(), of.parse(), before.parse::<u32>())
    else {
        return usage();
    };
    let witnesses = match witnesses(PathBuf::from(folder).join("stepping")) {
        Ok(witnesses) => witnesses,
        Err(mistake) => {
            eprintln!("{mistake}");
            return ExitCode::FAILURE;
        }
    };
    // A panic is an answer here, not news.
    panic::set_hook(Box::new(|_| {}));
    for number in (1..=mutants).skip(nth).step_by(of) {
        let start = Instant::now();
        mutant::set(before + number);
        let noticed = judge(&witnesses, before + number);
        let (took, nothing) = (start.elapsed().as_millis(), Noticed::nothing());
        let Noticed { by, scenario, moves, how } = noticed.unwrap_or(nothing);
        let how = how.replace(['\n', '\t'], " ");
        println!("{number}\t{by}\t{scenario}\t{moves}\t{took}\t{how}");
    }
    ExitCode::SUCCESS
}

fn usage() -> ExitCode {
    eprintln!("usage: evaluate-stepping SCENARIOS MUTANTS NTH OF BEFORE");
    ExitCode::from(2)
}

/// The scenarios that can tell anything, those with the fewest states first.
fn witnesses(folder: PathBuf) -> Result<Vec<Witness>, Mistake> {
    let mut witnesses = Vec::new();
    for (path, name) in corpus::find(&[folder])? {
        let entry = corpus::load(&path, &name)?;
        let (scenario, plan) = entry.plan()?;
        let run = play(scenario, &plan, false);
        let Explored { states, ends, complete, broken } = explore(&plan, usize::MAX, &Cell::default());
        if !run.is_clean() || !complete || broken.is_some() {
            eprintln!("left out, since it fails without any mutant: {name}");
            continue;
        }
        let (scenario, told) = (scenario.clone(), run.told);
        witnesses.push(Witness { name, scenario, plan, states, ends, told });
    }
    witnesses.sort_by_key(|witness| witness.states);
    Ok(witnesses)
}

/// What notices this mutant, which is on.
fn judge(witnesses: &[Witness], number: u32) -> Option<Noticed> {
    let plays: Vec<_> = witnesses.iter().map(Witness::play).collect();
    let differs: Vec<bool> = witnesses.iter().zip(&plays).map(|(it, play)| it.differs(play)).collect();
    let mut order: Vec<usize> = (0..witnesses.len()).collect();
    order.sort_by_key(|nth| !differs[*nth]);
    let mut endless = None;
    for nth in order {
        match witnesses[nth].ask() {
            Some(noticed) if noticed.by == "endless" => endless = endless.or(Some(noticed)),
            Some(noticed) => return Some(noticed),
            None => {}
        }
    }
    let faults = || witnesses.iter().take(WITH_FAULTS).find_map(|one| one.ask_with_faults(number));
    let otherwise = || {
        let mut told = witnesses.iter().zip(&plays).filter_map(|(witness, play)| {
            let play = play.as_ref().ok()?;
            let how = play.mismatches.first()?.split(',').next()?;
            Some(witness.noticed("expectation", play.moves, how.into()))
        });
        told.next()
    };
    faults().or(endless).or_else(otherwise)
}

impl Noticed {
    fn nothing() -> Noticed {
        Noticed { by: "nothing", scenario: String::new(), moves: 0, how: String::new() }
    }
}

impl Witness {
    fn noticed(&self, by: &'static str, moves: usize, how: String) -> Noticed {
        Noticed { by, scenario: self.name.clone(), moves, how }
    }

    /// The plain run; a panic in it is told by the schedules.
    fn play(&self) -> Result<Play, ()> {
        let run = || play(&self.scenario, &self.plan, false);
        panic::catch_unwind(AssertUnwindSafe(run)).map_err(drop)
    }

    fn differs(&self, play: &Result<Play, ()>) -> bool {
        play.as_ref().map_or(true, |play| !play.is_clean() || play.told != self.told)
    }

    /// Goes through every schedule.
    fn ask(&self) -> Option<Noticed> {
        let depth = Cell::new(0);
        let most = self.states * 4 + 2_000;
        let run = AssertUnwindSafe(|| explore(&self.plan, most, &depth));
        let explored = match panic::catch_unwind(run) {
            Ok(explored) => explored,
            Err(payload) => return Some(self.noticed("panic", depth.get(), message(&*payload))),
        };
        if let Some((how, moves)) = explored.broken {
            return Some(self.noticed("promise", moves, how));
        }
        let ends = explored.ends > 0 || self.ends == 0;
        let how = match (explored.complete, ends) {
            (true, true) => return None,
            (true, false) => "it never ends".into(),
            (false, _) => format!("{} states, not {}", explored.states, self.states),
        };
        Some(self.noticed("endless", depth.get(), how))
    }

    /// The same, with one write going wrong that does no harm without the mutant.
    fn ask_with_faults(&self, number: u32) -> Option<Noticed> {
        for fault in (1..=WRITES).flat_map(WriteFault::every) {
            let mut faults = self.plan.faults.clone();
            faults.push(fault);
            let plan = Rc::new(Plan { faults, ..Plan::clone(&self.plan) });
            let run = || explore(&plan, self.states * 8 + 2_000, &Cell::default());
            let Ok(explored) = panic::catch_unwind(AssertUnwindSafe(run)) else { continue };
            let Some((how, moves)) = explored.broken else { continue };
            mutant::set(0);
            let is_clean = run().broken.is_none();
            mutant::set(number);
            if is_clean {
                return Some(self.noticed("fault", moves, how));
            }
        }
        None
    }
}

/// Every schedule, breadth first, up to the first that breaks a promise. `depth` is how far it has
/// come when something panics.
fn explore(plan: &Rc<Plan>, most: usize, depth: &Cell<usize>) -> Explored {
    let start = World::new(plan);
    let mut known = BTreeSet::from([start.fingerprint()]);
    let mut frontier = VecDeque::from([(0, start)]);
    let mut explored = Explored { states: 1, ..Explored::default() };
    while let Some((moves, world)) = frontier.pop_front() {
        let movers: Vec<Mover> = world.movers().collect();
        explored.ends += usize::from(movers.is_empty());
        depth.set(moves + 1);
        for mover in movers {
            let mut next = world.clone();
            next.advance(mover);
            if let Some(broken) = next.broken().first() {
                let text = format!("{broken:?}");
                let name = text.split('(').next().unwrap_or_default();
                explored.broken = Some((name.into(), moves + 1));
                return explored;
            }
            if known.insert(next.fingerprint()) {
                frontier.push_back((moves + 1, next));
            }
        }
        explored.states = known.len();
        if known.len() > most {
            return explored;
        }
    }
    explored.complete = true;
    explored
}

fn message(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().copied();
    let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("a panic").into()
}

//! A run told access by access: what happened, what the engine had concluded by then, and where the
//! future was decided.
//!
//! At each access the run is asked: of everything that could happen from here on, how much would
//! end as this run did? "Everything" is the quiet future and every one with a single honest or
//! silent fault at this access or a later one, as a sweep tries them, each run by the real engine
//! from the same past. The share is exact. Where it becomes 1 there is no way back: no single fault
//! that may still happen changes the ending.

use softdock_attach::{Outcome, Reason, Report, Site};

use crate::choice::{Recorded, What};
use crate::oracle::Violation;
use crate::run::{Run, Stage};
use crate::scenario::{At, Fault};
use crate::sweep::{PartKind, menu, open_after};
use crate::trace::{Trace, TraceLine};

/// A run, told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Story {
    /// Its lines, in order.
    pub steps: Vec<Step>,
    /// What it came to.
    pub run: Run,
    /// The access after which the share of futures that end like this rises most, from 1.
    pub turned: Option<u32>,
    /// The access after which nothing could change the ending any more, from 1.
    pub decided: Option<u32>,
}

/// A line of the trace, and the futures before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// What happened.
    pub line: TraceLine,
    /// Of the futures that were open before this access, how many end as the run did; `None` for
    /// what the target does by itself.
    pub futures: Option<Futures>,
    /// What the engine concluded from the accesses of this site, told after the last of them.
    pub concluded: Option<String>,
}

/// Futures, counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Futures {
    /// Those that end as the run did.
    pub same: u64,
    /// All of them.
    pub all: u64,
}

impl Futures {
    fn count(&mut self, run: &Run, ending: Ending) {
        self.all += 1;
        self.same += u64::from(Ending::of(run) == ending);
    }
}

/// How a run ends, as far as its futures are compared with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    /// A promise is broken, whichever.
    Broken,
    /// All are kept, and this is what the engine says.
    Kept(Outcome, Site, Option<Reason>),
}

impl Ending {
    fn of(run: &Run) -> Ending {
        if run.violations.iter().any(|broken| !matches!(broken.what, Violation::Unseen(_))) {
            return Ending::Broken;
        }
        Ending::Kept(run.report.outcome, run.report.site, run.report.reason)
    }
}

/// Tells the run of a scenario.
pub fn tell(stage: &mut Stage<'_>) -> Story {
    let faults = &stage.scenario().faults;
    let run = stage.run_with(faults, Trace::on());
    let lines: Vec<TraceLine> = run.trace.lines().collect();
    let struck = struck(faults, &lines);
    let mut ahead: Option<Ahead> = None;
    let mut steps = Vec::new();
    for (nth, line) in lines.iter().enumerate() {
        let futures = line.access.map(|access| {
            let past = past(faults, &struck, access);
            if ahead.as_ref().is_none_or(|ahead| ahead.past != past) {
                ahead = Some(Ahead::of(stage, past, Ending::of(&run)));
            }
            ahead.as_ref().map(|ahead| ahead.from(access))
        });
        let concluded = concludes(&lines, nth).then(|| conclusion(line.site, &run.report));
        let (futures, concluded) = (futures.flatten(), concluded.flatten());
        steps.push(Step { line: line.clone(), futures, concluded });
    }
    let turned = turned(&steps);
    let open = |step: &Step| step.futures.is_some_and(|futures| futures.same < futures.all);
    let decided = steps.iter().rev().find(|step| open(step)).and_then(|step| step.line.access);
    Story { steps, run, turned, decided }
}

/// Whether the engine draws its conclusion from a site after this line: the first time it leaves
/// it, or, once everything is looked at again, the last time.
fn concludes(lines: &[TraceLine], nth: usize) -> bool {
    let site = lines[nth].site;
    let (before, after) = (&lines[..nth], &lines[nth + 1..]);
    if site >= Site::Recheck {
        return after.iter().all(|line| line.site != site);
    }
    let leaves = after.first().is_none_or(|next| next.site != site);
    let earlier = before.iter().rev().skip_while(|line| line.site == site);
    leaves && earlier.clone().all(|line| line.site != site)
}

/// The access after which the share of futures that end so rises most, if it rises at all.
fn turned(steps: &[Step]) -> Option<u32> {
    let shares: Vec<(u32, u64)> = steps
        .iter()
        .filter_map(|step| Some((step.line.access?, step.futures?)))
        .map(|(access, futures)| (access, futures.same * 1_000_000 / futures.all.max(1)))
        .collect();
    let rises = shares.windows(2).filter_map(|pair| match pair {
        [(access, before), (_, after)] if after > before => Some((after - before, *access)),
        _ => None,
    });
    rises.max().map(|(_, access)| access)
}

/// For each fault, the first access that it strikes.
fn struck(faults: &[Fault], lines: &[TraceLine]) -> Vec<Option<u32>> {
    let accesses = lines.iter().filter(|line| line.access.is_some());
    let sites: Vec<Site> = accesses.map(|line| line.site).collect();
    let nth_at = |site: Site, hit: u32| {
        let mut hits = (1..).zip(&sites).filter(|(_, at)| **at == site);
        hits.nth(hit as usize - 1).map(|(access, _)| access)
    };
    let first = |fault: &Fault| match fault.at {
        At::Access(access) => Some(access),
        At::Hit(site, hit) => nth_at(site, hit),
    };
    faults.iter().map(first).collect()
}

/// What has happened before this access.
fn past(faults: &[Fault], struck: &[Option<u32>], access: u32) -> Vec<Fault> {
    let before = |at: &Option<u32>| at.is_some_and(|at| at < access);
    let past = faults.iter().zip(struck).filter(|(_, at)| before(at));
    past.map(|(fault, _)| fault.clone()).collect()
}

/// What may happen after a past: the same at each access until something else has happened.
struct Ahead {
    past: Vec<Fault>,
    quiet: Futures,
    /// Every single fault at each access.
    single: Vec<(u32, Futures)>,
}

impl Ahead {
    /// Lets it all happen.
    fn of(stage: &mut Stage<'_>, past: Vec<Fault>, ending: Ending) -> Ahead {
        let menu = menu(PartKind::Faults(1), &[]);
        let mut quiet = Futures::default();
        quiet.count(&stage.run_with(&past, Trace::off()), ending);
        let mut single = Vec::new();
        for open in open_after(stage, &past, &menu, &Vec::new()) {
            let mut futures = Futures::default();
            for choice in 1..=menu.len(open.shape) {
                let plan = [(open.access, What::Fault, choice)];
                let run = stage.explore_with(&past, &menu, &mut Recorded::new(&plan));
                futures.count(&run, ending);
            }
            single.push((open.access, futures));
        }
        Ahead { past, quiet, single }
    }

    /// What may happen at this access or later.
    fn from(&self, access: u32) -> Futures {
        let later = self.single.iter().filter(|(at, _)| *at >= access);
        later.fold(self.quiet, |sum, (_, futures)| Futures {
            same: sum.same + futures.same,
            all: sum.all + futures.all,
        })
    }
}

/// What the engine took from the accesses of a site, by its own report.
fn conclusion(site: Site, report: &Report) -> Option<String> {
    let stopped = report.site == site && !report.outcome.is_success();
    if stopped {
        let reason = report.reason.map_or("", Reason::name);
        return Some(format!("{}: {reason}", report.outcome.name()));
    }
    if report.site < site && site < Site::UndoPending {
        return None;
    }
    match site {
        Site::Locate => {
            report.runtime.map(|(at, by)| format!("a runtime at {at}, by {}", by.name()))
        }
        Site::ReadSlab => {
            let mode = report.parse_mode.map(|mode| format!(", read in mode {}", mode.name()));
            report.version.map(|version| format!("CPython {version}{}", mode.unwrap_or_default()))
        }
        Site::ProveSlab => {
            report.proof.map(|proof| format!("the layout is proved: {}", proof.name()))
        }
        Site::WalkInterpreters => {
            report.interpreter.map(|found| format!("interpreter {}", found.id))
        }
        Site::Policy => Some("it allows remote debugging".into()),
        Site::WalkThreads | Site::ValidateThread | Site::Heuristic => {
            report.thread.map(|thread| format!("thread {} at {}", thread.id, thread.at))
        }
        Site::Recheck => Some("nothing has moved".into()),
        Site::ClaimPending => Some("the slot is ours".into()),
        Site::VerifyScriptPath => Some("the whole path is there".into()),
        Site::Verify | Site::Confirm => Some(report.outcome.name().into()),
        Site::UndoPending | Site::UndoScriptPath => report
            .undo
            .map(|undo| format!("undo is {}, left is {}", undo.name(), report.left.name())),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::scenario;

    fn told(name: &str) -> Story {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
        let (scenario, _) = scenario::read(&root.join(name)).expect("a scenario");
        let scenario = scenario.into_attach().expect("an attempt to attach");
        tell(&mut Stage::new(&scenario).expect("a process"))
    }

    /// The answer to the last question of a refusal is its end; a fault there would be another.
    #[test]
    fn a_refusal_is_decided_where_it_is_told() {
        let story = told("refuse/policy-disabled.ron");
        assert_eq!(story.decided, Some(story.run.accesses));
        let last = story.steps.last().and_then(|step| step.futures).expect("futures");
        // The quiet one; 10 honest faults, and 3 prefixes of the 4 bytes of the policy.
        assert_eq!((last.same, last.all), (1, 14));
    }

    /// What a fault did cannot be undone by anything later: from the next access on all is told.
    #[test]
    fn what_a_fault_decides_is_told_at_its_access() {
        let story = told("survive/write-pending-lost.ron");
        let lost = story.steps.iter().find(|step| step.line.text.contains("<- fault Lost"));
        assert_eq!(story.turned, lost.and_then(|step| step.line.access));
        let after = story.steps.iter().skip_while(|step| step.line.site < Site::UndoPending);
        let sure = |futures: Futures| futures.same == futures.all;
        assert!(after.filter_map(|step| step.futures).all(sure));
    }
}

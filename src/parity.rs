//! Whether both front ends come to the same: one scenario, attempted by each, judged by the same
//! oracle, compared field by field. What differs is explained by the nature of the second one, or
//! it is a finding.
//!
//! A fault is addressed by site and hit, and strikes that access of the engine. Concord looks
//! twice, so that there are two such accesses: each scenario with faults is attempted by it once
//! with the faults in whichever look makes the access first, and once more with a rehearsal that
//! they leave alone. And it holds the target still, which then does not move by itself. So there
//! may be faults that the attempt that writes is spared:
//! [`World::spared`](crate::world::World::spared).
//!
//! No explanation is taken on trust: the scenario is attempted once more by the *managed* front end
//! without what the other one was spared, and must then come to exactly what Concord came to. Only
//! for [`Nature::LooksDiffer`] there is nothing to compare with, since the managed one looks once;
//! that is a refusal, told as such, with nothing written.
//!
//! It does not know how either front end does what it does.

use softdock_attach::{Outcome, Reason, Report, Site};

use crate::frontend::FrontEnd;
use crate::run::{Run, Stage};
use crate::scenario::FaultKind;
use crate::trace::Trace;

/// One scenario, attempted by both.
#[derive(Clone, Debug)]
pub struct Pair {
    /// What the managed front end came to.
    pub managed: Run,
    /// What Concord came to, with the faults wherever they strike first.
    pub concord: Run,
    /// How they compare.
    pub parity: Parity,
    /// What Concord came to with a rehearsal that no fault struck, and how that compares; `None`
    /// where there is no attempt after a rehearsal, or no fault.
    pub late: Option<(Run, Parity)>,
}

/// How two runs of one scenario compare.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Parity {
    /// Both reports are equal, field by field but for what it cost, and so is what came of it.
    Same,
    /// They differ as the nature of the second front end has it.
    Natural(Nature),
    /// They differ, and nothing explains it: what is how.
    Different(Vec<String>),
}

/// Why the second front end may come to something else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Nature {
    /// The target stood still, and did not do what the scenario says it does meanwhile.
    StoodStill,
    /// A fault struck the rehearsal, which survived it, so that the attempt did not meet it; or it
    /// was to strike the attempt, and the rehearsal ended it all.
    Rehearsed,
    /// A fault struck the rehearsal, which came to another plan than the attempt: nothing was
    /// written.
    LooksDiffer,
}

impl Nature {
    /// All of them.
    pub const ALL: [Nature; 3] = [Nature::StoodStill, Nature::Rehearsed, Nature::LooksDiffer];

    /// Its name in results.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Nature::StoodStill => "stood-still",
            Nature::Rehearsed => "rehearsed",
            Nature::LooksDiffer => "looks-differ",
        }
    }

    /// The same in a sentence.
    #[must_use]
    pub const fn about(self) -> &'static str {
        match self {
            Nature::StoodStill => "the target stood still, and did not move as the scenario says",
            Nature::Rehearsed => {
                "only the rehearsal met the fault, or ended it all before the fault"
            }
            Nature::LooksDiffer => "the rehearsal met the fault and planned otherwise: refused",
        }
    }
}

impl Parity {
    /// Its name in results.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Parity::Same => "same",
            Parity::Natural(nature) => nature.name(),
            Parity::Different(_) => "different",
        }
    }
}

impl Pair {
    /// Attempts a scenario by both. The stage is left to the managed one.
    pub fn new(stage: &mut Stage<'_>, trace: fn() -> Trace) -> Pair {
        stage.attach_by(FrontEnd::Concord);
        let concord = stage.run(trace());
        let late = stage.spare_rehearsal().then(|| stage.run(trace()));
        stage.attach_by(FrontEnd::Managed);
        let managed = stage.run(trace());
        let parity = compare(stage, &managed, &concord);
        let late = late.map(|late| {
            let parity = compare(stage, &managed, &late);
            (late, parity)
        });
        Pair { managed, concord, parity, late }
    }

    /// Whether nothing is wrong: with any run, or between them.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.managed.is_clean() && self.wrongs().next().is_none()
    }

    /// What is wrong about the second front end, beyond what is wrong under the first.
    pub fn wrongs(&self) -> impl Iterator<Item = String> + '_ {
        let second =
            wrongs(&self.concord, &self.parity).map(|wrong| format!("by concord: {wrong}"));
        let late = self.late.iter().flat_map(|(late, parity)| wrongs(late, parity));
        second.chain(late.map(|wrong| format!("by concord, struck after its rehearsal: {wrong}")))
    }

    /// Each run, with its front end; the managed one comes first.
    pub fn runs(&self) -> impl Iterator<Item = (FrontEnd, &Run)> {
        let late = self.late.iter().map(|(late, _)| late);
        let concord = std::iter::once(&self.concord).chain(late);
        std::iter::once((FrontEnd::Managed, &self.managed))
            .chain(concord.map(|run| (FrontEnd::Concord, run)))
    }
}

fn wrongs<'r>(run: &'r Run, parity: &'r Parity) -> impl Iterator<Item = String> + 'r {
    let differences: &[String] = match parity {
        Parity::Different(differences) => differences,
        _ => &[],
    };
    let broken = run.violations.iter().map(ToString::to_string);
    broken.chain(differences.iter().cloned())
}

fn compare(stage: &mut Stage<'_>, managed: &Run, concord: &Run) -> Parity {
    let mut different = differences(managed, concord);
    let unmet = concord.mismatches.iter().filter(|unmet| !managed.mismatches.contains(unmet));
    different.extend(unmet.cloned());
    if different.is_empty() {
        return Parity::Same;
    }
    nature(stage, concord).map_or(Parity::Different(different), Parity::Natural)
}

/// What explains what Concord came to, if anything does.
fn nature(stage: &mut Stage<'_>, concord: &Run) -> Option<Nature> {
    let faults = &stage.scenario().faults;
    let spared: Vec<&FaultKind> = concord.spared.iter().map(|nth| &faults[*nth].kind).collect();
    let is_move = |kind: &&FaultKind| matches!(kind, FaultKind::Move(_));
    if spared.is_empty() {
        return None;
    }
    let without = stage.run_without(&concord.spared);
    if differences(&without, concord).is_empty() {
        let moves = spared.iter().any(is_move);
        return Some(if moves { Nature::StoodStill } else { Nature::Rehearsed });
    }
    let Report { outcome, site, reason, .. } = concord.report;
    let refused = (outcome, site, reason) == (Outcome::Refused, Site::Recheck, Some(Reason::Moved));
    (refused && !spared.iter().all(is_move)).then_some(Nature::LooksDiffer)
}

/// What differs between two runs, told by both.
fn differences(managed: &Run, concord: &Run) -> Vec<String> {
    let ([one, other], mut told) = ([managed, concord].map(words), Vec::new());
    for ((what, managed), (_, concord)) in one.into_iter().zip(other) {
        if managed != concord {
            told.push(format!("{what} is {concord}, and {managed} by managed"));
        }
    }
    // How many thread states were looked at is cost, not outcome.
    let but_cost = |run: &Run| Report { candidates: 0, ..run.report.clone() };
    if told.is_empty() && but_cost(managed) != but_cost(concord) {
        told.push(format!("{:?}, and {:?} by managed", concord.report, managed.report));
    }
    told
}

/// The parts of a report that a person asks for first.
fn words(run: &Run) -> [(&'static str, String); 9] {
    let Run { report, runs, .. } = run;
    let or_none = |word: Option<String>| word.unwrap_or_else(|| String::from("none"));
    [
        ("outcome", report.outcome.name().into()),
        ("site", report.site.name().into()),
        ("reason", or_none(report.reason.map(|reason| reason.name().into()))),
        ("plan", or_none(report.plan.as_ref().map(ToString::to_string))),
        ("thread", or_none(report.thread.map(|thread| format!("{} at {}", thread.id, thread.at)))),
        ("cache", report.cache.name().into()),
        ("undo", or_none(report.undo.map(|undo| undo.name().into()))),
        ("left", report.left.name().into()),
        ("runs", runs.to_string()),
    ]
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::scenario::{self, Attach};

    fn scenario(text: &str) -> Attach {
        let scenario = scenario::parse(Path::new("case.ron"), text).expect("a scenario");
        scenario.into_attach().expect("an attempt")
    }

    fn pair(text: &str) -> Pair {
        Pair::new(&mut Stage::new(&scenario(text)).expect("a process"), Trace::off)
    }

    #[track_caller]
    fn check(faults: &str, expect: &str, parity: &str) {
        let text = format!("Attach(about: \"x\", faults: [{faults}], expect: ({expect}))");
        let pair = pair(&text);
        assert_eq!(pair.parity.name(), parity, "{:?}", pair.parity);
        assert_eq!(pair.is_clean(), parity != "different", "{:?}", pair.managed.mismatches);
    }

    const ARMED: &str = r#"outcome: "armed", site: "verify""#;

    #[test]
    fn without_faults_both_are_the_same() {
        check("", ARMED, "same");
    }

    #[test]
    fn a_fault_that_ends_the_rehearsal_ends_the_attempt() {
        let expect = r#"outcome: "failed", site: "walk-threads", reason: "denied""#;
        check(r#"(site: "walk-threads", kind: Denied)"#, expect, "same");
    }

    #[test]
    fn a_fault_that_strikes_a_write_strikes_it_once() {
        let expect = r#"outcome: "failed", site: "verify", reason: "pending-lost""#;
        check(r#"(site: "write-pending", kind: Lost)"#, expect, "same");
    }

    #[test]
    fn a_target_that_stands_still_does_not_move() {
        let taken = r#"outcome: "consumed", site: "verify", runs: 1"#;
        check(r#"(site: "verify", kind: Move(Poll(4242)))"#, taken, "stood-still");
    }

    #[test]
    fn looks_that_come_to_two_plans_write_nothing() {
        let expect = r#"outcome: "refused", site: "recheck", reason: "moved""#;
        check(r#"(site: "walk-threads", kind: FlipBit(2464))"#, expect, "looks-differ");
    }

    #[test]
    fn a_rehearsal_that_survives_a_fault_is_not_struck_twice() {
        let expect = r#"outcome: "refused", site: "recheck", reason: "process-replaced""#;
        check(r#"(site: "identify", kind: LieAnswer)"#, expect, "rehearsed");
    }

    /// Nothing is spared, and something else comes out: no nature explains that.
    #[test]
    fn what_is_not_explained_is_different() {
        let mut pair = pair(&format!("Attach(about: \"x\", expect: ({ARMED}))"));
        let refused = scenario(
            "Attach(about: \"x\", variables: {\"PTVS_MIXED_MODE\": \"1\"}, \
             expect: (outcome: \"refused\", site: \"gate\", reason: \"mixed-mode\"))",
        );
        let mut stage = Stage::new(&refused).expect("a process");
        pair.concord = stage.run(Trace::off());
        pair.parity = compare(&mut stage, &pair.managed, &pair.concord);
        assert!(!pair.is_clean());
        let wrongs: Vec<String> = pair.wrongs().collect();
        assert_eq!(wrongs[0], "by concord: outcome is refused, and armed by managed");
    }
}

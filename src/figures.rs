//! What is demanded of both front ends, counted exactly over whatever scenarios were attempted:
//! how many, of how many, what is wanted, and whether it holds. Whole numbers only.
//!
//! The scenarios are no sample of the field. They are made of what goes wrong, so that a share of
//! them says nothing about how often anything happens; each that a share counts is told by name.

use serde::Serialize;
use softdock_attach::{Report, Version};
use softdock_process::FoundBy;

use crate::frontend::FrontEnd;
use crate::parity::Pair;
use crate::run::{Run, Stage};

/// One figure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Figure {
    /// Its name.
    pub name: &'static str,
    /// What is counted.
    pub about: &'static str,
    /// How many.
    pub count: usize,
    /// Of how many.
    pub of: usize,
    /// What is wanted.
    pub wanted: &'static str,
    /// Whether it is so.
    pub holds: bool,
    /// The scenarios to look at: those that are against it, or that a small share is made of.
    pub scenarios: Vec<String>,
}

impl Figure {
    /// The share in tenths of a percent, as `98.3 %`; none of nothing.
    #[must_use]
    pub fn share(&self) -> Option<String> {
        let tenths = (self.count * 1000).checked_div(self.of)?;
        Some(format!("{}.{} %", tenths / 10, tenths % 10))
    }
}

/// What was counted so far.
#[derive(Clone, Debug, Default)]
pub struct Census {
    attempts: usize,
    /// Attempts whose folder says that nothing may be done, or no harm, by each front end.
    guarded: usize,
    /// Attempts that did all the same, by front end.
    false_positives: [Vec<String>; 2],
    succeeds: usize,
    fails_by_concord: Vec<String>,
    attaches: usize,
    /// Attaches that an exported symbol led to, by each front end.
    exported: Vec<String>,
    /// Those of them that had, or may have had, another way.
    exported_in_vain: Vec<String>,
    /// Attempts without exactly one conclusion, from which the summary line and the closing event
    /// are made.
    not_concluded: Vec<String>,
    /// The same, and those that touched something before they began, when the first event is sent.
    not_told: Vec<String>,
}

impl Census {
    /// Takes note of a scenario.
    pub fn count(&mut self, name: &str, pair: &Pair, stage: &mut Stage<'_>) {
        let is_guarded = name.starts_with("refuse/") || name.starts_with("survive/");
        self.guarded += usize::from(is_guarded);
        for (front_end, run) in pair.runs() {
            if is_guarded && is_false_positive(name, run) {
                self.false_positives[front_end as usize].push(name.into());
            }
            self.attempts += 1;
            let who = format!("{name} by {}", front_end.name());
            if run.conclusions != 1 {
                self.not_concluded.push(who.clone());
            }
            if !run.has_begun || run.conclusions != 1 {
                self.not_told.push(who.clone());
            }
            if is_attach(&run.report) {
                self.attaches += 1;
                if is_exported(&run.report) {
                    self.count_exported(who, front_end, stage);
                }
            }
        }
        if pair.managed.report.outcome.is_success() {
            self.succeeds += 1;
            if !pair.runs().all(|(_, run)| run.report.outcome.is_success()) {
                self.fails_by_concord.push(name.into());
            }
        }
    }

    /// It must have been allowed, and nothing else may lead to a thread: neither the cache nor the
    /// lists from any other runtime.
    fn count_exported(&mut self, who: String, front_end: FrontEnd, stage: &mut Stage<'_>) {
        stage.attach_by(front_end);
        let without = stage.run_without_exports();
        stage.attach_by(FrontEnd::Managed);
        if !stage.allows_exports() || without.report.outcome.is_success() {
            self.exported_in_vain.push(who.clone());
        }
        self.exported.push(who);
    }

    /// All that is demanded.
    #[must_use]
    pub fn figures(&self) -> Vec<Figure> {
        let [managed, concord] = &self.false_positives;
        vec![
            self.succeeds_by_concord(),
            self.by_export(),
            self.no_false_positives("false-positives-managed", managed),
            self.no_false_positives("false-positives-concord", concord),
            self.all_but(
                "one-summary-line",
                "attempts that conclude exactly once, which the summary line is made of",
                &self.not_concluded,
            ),
            self.all_but(
                "both-events",
                "attempts that begin before they touch anything and conclude exactly once, which the \
                 two events of telemetry are made of",
                &self.not_told,
            ),
        ]
    }

    fn all_but(&self, name: &'static str, about: &'static str, against: &[String]) -> Figure {
        Figure {
            name,
            about,
            count: self.attempts - against.len(),
            of: self.attempts,
            wanted: "all",
            holds: against.is_empty(),
            scenarios: against.to_vec(),
        }
    }

    fn succeeds_by_concord(&self) -> Figure {
        let scenarios = self.fails_by_concord.clone();
        let (of, count) = (self.succeeds, self.succeeds - scenarios.len());
        Figure {
            name: "success-by-concord",
            about: "scenarios that succeed by concord, of those that do by managed",
            count,
            of,
            wanted: "at least 95 %",
            holds: count * 100 >= of * 95,
            scenarios,
        }
    }

    /// A single one is more than 2 % of fifty: of so few, the share says nothing.
    fn by_export(&self) -> Figure {
        let (count, of) = (self.exported.len(), self.attaches);
        let is_rare = count * 100 < of * 2 || of <= 50;
        Figure {
            name: "by-exported-symbol",
            about: "attaches to 3.14 and later that an exported symbol led to",
            count,
            of,
            wanted: "less than 2 %, none that had another way",
            holds: is_rare && self.exported_in_vain.is_empty(),
            scenarios: self.exported.clone(),
        }
    }

    fn no_false_positives(&self, name: &'static str, found: &[String]) -> Figure {
        Figure {
            name,
            about: "false positives in refuse/ and survive/",
            count: found.len(),
            of: self.guarded,
            wanted: "none",
            holds: found.is_empty(),
            scenarios: found.to_vec(),
        }
    }
}

/// By the judge who knows the truth; and where everything must be refused, whatever is done.
fn is_false_positive(name: &str, run: &Run) -> bool {
    let broken = run.violations.iter().any(|broken| broken.what.is_false_positive());
    broken || name.starts_with("refuse/") && run.report.outcome.is_success()
}

fn is_attach(report: &Report) -> bool {
    let is_3_14 = |version: Version| (version.major(), version.minor()) >= (3, 14);
    report.outcome.is_success() && report.version.is_some_and(is_3_14)
}

fn is_exported(report: &Report) -> bool {
    report.runtime.is_some_and(|(_, found_by)| found_by == FoundBy::Symbol)
}

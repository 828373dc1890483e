//! What `explore` keeps of its certificates: one file, in which each scenario that was asked for
//! has an entry, those that were not come to as well.

use serde::Serialize;
use softdock::corpus::Entry as Asked;
use softdock::explore::Exploration;
use softdock::{session, stepping};

/// The number of this format.
const FORMAT: u32 = 1;

/// The file.
#[derive(Serialize)]
pub(crate) struct Explored<'e> {
    format: u32,
    version: &'static str,
    faults: u32,
    unpruned: bool,
    /// Everything was gone through.
    complete: bool,
    scenarios: Vec<Entry<'e>>,
}

/// One scenario.
#[derive(Serialize)]
pub(crate) struct Entry<'e> {
    scenario: &'e str,
    /// The kind of its lines in JSON; none where it was not begun.
    kind: Option<&'static str>,
    #[serde(flatten)]
    told: Told<'e>,
}

/// What is told of it, in a line of JSON as well.
#[derive(Default, Serialize)]
pub(crate) struct Told<'e> {
    /// Everything was gone through, both ways of counting agree, and nothing was found.
    pub(crate) clean: bool,
    pub(crate) complete: bool,
    /// How the numbers were come by.
    pub(crate) counted: Option<&'static str>,
    /// What was left out.
    pub(crate) bounds: Vec<String>,
    pub(crate) certificate: Option<Whole<'e>>,
}

/// A certificate of any kind.
#[derive(Serialize)]
#[serde(untagged)]
pub(crate) enum Whole<'e> {
    Race(&'e Exploration),
    Steps(&'e stepping::explore::Exploration),
    Session(&'e session::explore::Exploration),
}

impl<'e> Entry<'e> {
    pub(crate) const fn new(scenario: &'e str, kind: &'static str, told: Told<'e>) -> Entry<'e> {
        Entry { scenario, kind: Some(kind), told }
    }
}

impl<'e> Explored<'e> {
    /// All that were asked for; those beyond what was begun are incomplete.
    pub(crate) fn new(
        (faults, unpruned): (u32, bool),
        asked: &'e [Asked],
        mut scenarios: Vec<Entry<'e>>,
    ) -> Explored<'e> {
        let not_begun = asked.iter().skip(scenarios.len()).map(|entry| entry.name.as_str());
        let unknown = |scenario| Entry { scenario, kind: None, told: Told::default() };
        scenarios.extend(not_begun.map(unknown));
        let complete = scenarios.iter().all(|entry| entry.told.complete);
        let version = env!("CARGO_PKG_VERSION");
        Explored { format: FORMAT, version, faults, unpruned, complete, scenarios }
    }

    pub(crate) fn is_clean(&self) -> bool {
        self.scenarios.iter().all(|entry| entry.told.clean)
    }
}

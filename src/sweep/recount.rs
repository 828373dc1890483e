//! The second counter: how many faults there must be, by a closed formula over the accesses alone.
//! It shares nothing with the menu that lists them and the loops that try them, so that a fault
//! that was left out, or tried twice, shows.

use super::certificate::{Certificate, Part, PartKind, Totals};

/// What does not add up in a certificate; empty when everything does.
#[must_use]
pub fn recount(certificate: &Certificate) -> Vec<String> {
    let mut wrong = Vec::new();
    for part in &certificate.parts {
        let mut compare = |what: &str, counted: u64, computed: u64| {
            if counted != computed {
                let (scenario, kind) = (&certificate.scenario, part.kind);
                wrong.push(format!("{scenario}, {kind}: {counted} {what}, computed {computed}"));
            }
        };
        let formula = |totals: &Totals| faults(part.kind, totals, certificate.words);
        compare("counted", part.covered, formula(&part.space));
        compare("runs", part.tally.runs, formula(&part.tried));
        let is_first = part.kind == PartKind::Faults(1) || part.kind == PartKind::Lies;
        if is_first && certificate.is_complete() {
            compare("in all", part.covered, formula(&certificate.quiet));
        }
        let outcomes: u64 = part.tally.outcomes.iter().sum();
        compare("outcomes", outcomes, part.tally.runs);
        if let Some(message) = classes(part) {
            wrong.push(format!("{}: {message}", certificate.scenario));
        }
    }
    wrong
}

/// The formulas. An access of `n` bytes can stop short after 1 to n − 1.
fn faults(kind: PartKind, totals: &Totals, values: u64) -> u64 {
    let Totals {
        reads, images, spots, memory_spots, words, writes, write_bytes, questions, ..
    } = *totals;
    match kind {
        // Five kinds, each once or from then on; short reads; for writes short, landed but failed,
        // lost once or from then on, torn.
        PartKind::Faults(_) => {
            10 * (reads + images + writes + questions)
                + (memory_spots - reads)
                + 2 * (write_bytes - writes)
                + 3 * writes
        }
        // Every bit, every word with every value, every answer.
        PartKind::Lies => 8 * spots + values * words + questions,
        // Killed after 0 to n bytes, the target in the middle after 1 to n − 1.
        PartKind::Crashes => (write_bytes + writes) + (write_bytes - writes),
    }
}

/// What is left out may only be members of a class: one fault is always tried in every way, and of
/// a class of two or more, two are run, which are never more than it has.
fn classes(part: &Part) -> Option<String> {
    let Part { kind, covered, tally, .. } = part;
    let adds_up = match kind {
        PartKind::Faults(2..) => tally.runs <= *covered,
        _ => tally.runs == *covered,
    };
    (!adds_up).then(|| format!("{kind}: {} of {covered} were run", tally.runs))
}

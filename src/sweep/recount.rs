//! The second counter: which parts there must be, and how many faults, by closed formulas over the
//! accesses alone. It shares nothing with the menu that lists them and the loops that try them, so
//! that a fault or a whole class that was left out, or tried twice, shows.
//!
//! Single faults, lies and crashes are computed from the quiet run. Pairs are computed from the
//! accesses that came after single faults: they were counted when those were run, and again when
//! pairs were looked for. Triples from those after pairs.

use super::Bound;
use super::certificate::{Certificate, Part, PartKind, Totals};
use super::file::Proof;

/// More bytes in a quiet run leave single faults and crashes.
const BULK_BYTES: u64 = 131_072;

/// What does not add up in a certificate of a sweep so deep, with or without lies; empty when
/// everything does.
#[must_use]
pub fn recount(certificate: &Certificate, depth: u32, lies: bool) -> Vec<String> {
    let mut counter = Counter { certificate, wrong: Vec::new() };
    counter.bounds(depth, lies);
    counter.parts(depth, lies);
    certificate.parts.iter().for_each(|part| counter.part(part));
    if certificate.is_complete() {
        counter.quiet();
        counter.deeper();
    }
    counter.wrong
}

/// What a proof misses as a whole: one of nothing proves nothing.
#[must_use]
pub fn misses(proof: &Proof) -> Vec<String> {
    let mut wrong = Vec::new();
    if proof.certificates.is_empty() {
        wrong.push("no scenario was swept".into());
    }
    let is_ordered = proof.shards.windows(2).all(|pair| pair[0] < pair[1]);
    if !is_ordered || !proof.shards.iter().all(|nth| (1..=proof.of).contains(nth)) {
        wrong.push(format!("shards {:?} of {}", proof.shards, proof.of));
    }
    wrong
}

struct Counter<'c> {
    certificate: &'c Certificate,
    wrong: Vec<String>,
}

impl Counter<'_> {
    fn compare(&mut self, about: &str, what: &str, counted: u64, computed: u64) {
        if counted != computed {
            self.say(&format!("{about}: {counted} {what}, computed {computed}"));
        }
    }

    fn say(&mut self, message: &str) {
        self.wrong.push(format!("{}, {message}", self.certificate.scenario));
    }

    /// Whether what is left out is what must be; of its own lies only the scenario knows.
    fn bounds(&mut self, depth: u32, lies: bool) {
        let Certificate { quiet, bounds, .. } = self.certificate;
        let is_bulk = quiet.read_bytes > BULK_BYTES;
        let mut expected = vec![
            (Bound::LongReads, quiet.spots < quiet.read_bytes + quiet.image_bytes),
            (Bound::Bulk, is_bulk && (depth > 1 || lies)),
            (Bound::Classes, !is_bulk && depth > 1),
        ];
        if !lies {
            expected.push((Bound::OwnLie, false));
        }
        for (bound, holds) in expected {
            if bounds.contains(&bound) != holds {
                let verb = if holds { "missing" } else { "no bound of it" };
                self.say(&format!("bounds: {verb}: {bound}"));
            }
        }
    }

    /// Whether there is every part, and a piece of work for each access in each.
    fn parts(&mut self, depth: u32, lies: bool) {
        let Certificate { quiet, bounds, parts, pieces, share, done, .. } = self.certificate;
        let is_bulk = quiet.read_bytes > BULK_BYTES;
        let mut expected = vec![PartKind::Faults(1)];
        if !is_bulk {
            expected.extend((2..=depth).map(PartKind::Faults));
        }
        if lies && !is_bulk && !bounds.contains(&Bound::OwnLie) {
            expected.push(PartKind::Lies);
        }
        expected.push(PartKind::Crashes);
        if !parts.iter().map(|part| part.kind).eq(expected.iter().copied()) {
            let expected: Vec<String> = expected.iter().map(ToString::to_string).collect();
            self.say(&format!("parts: expected {}", expected.join(", ")));
        }
        self.compare("work", "pieces", *pieces, accesses(quiet) * expected.len() as u64);
        if done > share || share > pieces {
            self.say(&format!("work: {done} done of {share} of {pieces} pieces"));
        }
    }

    /// Whether a part adds up by itself.
    fn part(&mut self, part: &Part) {
        let Part { kind, covered, space, tried, tally, .. } = part;
        let formula = |totals: &Totals| faults(*kind, totals, self.certificate.words);
        let (computed, runs, about) = (formula(space), formula(tried), kind.to_string());
        self.compare(&about, "counted", *covered, computed);
        self.compare(&about, "runs", tally.runs, runs);
        self.compare(&about, "outcomes", tally.outcomes.iter().sum(), tally.runs);
        if let Some(message) = classes(part) {
            self.say(&message);
        }
    }

    /// Whether everything was tried at each access of the quiet run.
    fn quiet(&mut self) {
        let Certificate { quiet, parts, .. } = self.certificate;
        for Part { kind, space, tried, .. } in parts {
            let is_first = !matches!(kind, PartKind::Faults(2..));
            if is_first && (space != quiet || tried != quiet) {
                self.say(&format!("{kind}: not at the accesses of the quiet run"));
            }
        }
    }

    /// Whether further faults were tried at each access that came after one fault less. Each fault
    /// before the last was looked behind once, so often as it was run with one fault less.
    fn deeper(&mut self) {
        for pair in self.certificate.parts.windows(2) {
            let [less, more] = pair else { continue };
            let PartKind::Faults(depth @ 2..) = more.kind else { continue };
            let about = more.kind.to_string();
            self.compare(&about, "accesses after", accesses(&more.space), less.after);
            self.compare(&about, "looks", more.looks, less.looks + less.tally.runs);
            if depth == 2 {
                self.representatives(more);
            }
        }
    }

    /// Whether enough members of classes were run: two of each, and a class has no more than one
    /// access has honest failures, of which a read of `n` bytes has ten and `n` − 1.
    fn representatives(&mut self, pairs: &Part) {
        let Totals { reads, memory_spots, .. } = self.certificate.quiet;
        let longest = 10 + memory_spots.saturating_sub(reads);
        if accesses(&pairs.tried).saturating_mul(longest) < 2 * accesses(&pairs.space) {
            self.say(&format!("{}: only {} were run", pairs.kind, pairs.tally.runs));
        }
    }
}

fn accesses(totals: &Totals) -> u64 {
    let Totals { reads, images, writes, questions, .. } = totals;
    reads + images + writes + questions
}

/// The formulas. An access of `n` bytes can stop short after 1 to n − 1.
fn faults(kind: PartKind, totals: &Totals, values: u64) -> u64 {
    let Totals { reads, spots, memory_spots, words, writes, write_bytes, questions, .. } = *totals;
    match kind {
        // Five kinds, each once or from then on; short reads; for writes short, landed but failed,
        // lost once or from then on, torn.
        PartKind::Faults(_) => {
            10 * accesses(totals)
                + memory_spots.saturating_sub(reads)
                + 2 * write_bytes.saturating_sub(writes)
                + 3 * writes
        }
        // Every bit, every word with every value, every answer.
        PartKind::Lies => 8 * spots + values * words + questions,
        // Killed after 0 to n bytes, the target in the middle after 1 to n − 1.
        PartKind::Crashes => (write_bytes + writes) + write_bytes.saturating_sub(writes),
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

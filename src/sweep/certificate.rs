//! What a sweep has proved: which space, how large, how it was gone through, and the verdict. A
//! value that can be kept, merged with those of other shards, counted again, and read.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::AddAssign;

use serde::{Deserialize, Serialize};
use softdock_attach::Outcome;

use super::Bound;
use crate::blame::Window;
use crate::choice::{Digest, Shape};
use crate::run::Run;

/// A part of the space.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum PartKind {
    /// Exactly so many honest and silent faults in a run.
    Faults(u32),
    /// One lie.
    Lies,
    /// One write in whose middle the target runs, or the attacher dies.
    Crashes,
}

impl fmt::Display for PartKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            PartKind::Faults(1) => "single faults",
            PartKind::Faults(2) => "pairs of faults",
            PartKind::Faults(_) => "triples of faults",
            PartKind::Lies => "single lies",
            PartKind::Crashes => "crashes",
        })
    }
}

/// Accesses that something was done to, summed up: enough to compute by a closed formula how many
/// faults there are for them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Reads of memory.
    pub reads: u64,
    /// Their bytes.
    pub read_bytes: u64,
    /// Reads of a mapped file.
    pub images: u64,
    /// Their bytes.
    pub image_bytes: u64,
    /// Of all bytes read, those that are cases of their own: all of them, but for reads of more
    /// than a page.
    pub spots: u64,
    /// The same of memory alone.
    pub memory_spots: u64,
    /// Words that are, but at least one for each read.
    pub words: u64,
    /// Writes.
    pub writes: u64,
    /// Their bytes.
    pub write_bytes: u64,
    /// Questions to the system.
    pub questions: u64,
}

impl Totals {
    /// One access, so many times.
    #[must_use]
    pub fn of(shape: Shape, times: u64) -> Totals {
        let bytes = |len: usize| len as u64 * times;
        // Of a large read the first kilobyte, and one byte of every further one.
        let spots = |len: usize| match len {
            0..=4096 => bytes(len),
            _ => (1024 + (len as u64 - 1024) / 1024) * times,
        };
        let words = |len: usize| match len {
            0..=7 => times,
            8..=4096 => len as u64 / 8 * times,
            _ => (128 + (len as u64 - 1024) / 1024) * times,
        };
        let none = Totals::default();
        match shape {
            Shape::Read(len) => Totals {
                reads: times,
                read_bytes: bytes(len),
                spots: spots(len),
                memory_spots: spots(len),
                words: words(len),
                ..none
            },
            Shape::Image(len) => Totals {
                images: times,
                image_bytes: bytes(len),
                spots: spots(len),
                words: words(len),
                ..none
            },
            Shape::Write(len) => Totals { writes: times, write_bytes: bytes(len), ..none },
            Shape::Ask => Totals { questions: times, ..none },
        }
    }
}

impl AddAssign for Totals {
    fn add_assign(&mut self, other: Totals) {
        self.reads += other.reads;
        self.read_bytes += other.read_bytes;
        self.images += other.images;
        self.image_bytes += other.image_bytes;
        self.spots += other.spots;
        self.memory_spots += other.memory_spots;
        self.words += other.words;
        self.writes += other.writes;
        self.write_bytes += other.write_bytes;
        self.questions += other.questions;
    }
}

/// So many of something, in words.
#[must_use]
pub fn counted(count: u64, one: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {one}{plural}")
}

/// What came out of many runs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// How many runs.
    pub runs: u64,
    /// How often each outcome came out, in the order of [`Outcome::ALL`].
    pub outcomes: [u64; Outcome::ALL.len()],
    /// Runs in which a promise was broken that nobody could have kept, by window.
    pub excused: BTreeMap<String, u64>,
    /// Runs in which a promise was broken that the engine could have kept.
    pub findings: u64,
    /// The most accesses in one run.
    pub most_accesses: u32,
    /// The most bytes that the engine asked to be moved in one run.
    pub most_bytes: u64,
    /// The most bytes at once, which is the largest buffer it needs.
    pub largest: u64,
}

impl Tally {
    /// Takes in a run.
    #[inline]
    pub fn count(&mut self, run: &Run) {
        self.runs += 1;
        self.outcomes[run.report.outcome as usize] += 1;
        self.most_accesses = self.most_accesses.max(run.accesses);
        self.most_bytes = self.most_bytes.max(run.bytes);
        self.largest = self.largest.max(run.largest as u64);
    }

    /// How often each outcome came out, in words.
    #[must_use]
    pub fn outcomes(&self) -> String {
        let came = Outcome::ALL.iter().zip(self.outcomes).filter(|(_, count)| *count > 0);
        let came: Vec<String> =
            came.map(|(outcome, count)| format!("{} {count}", outcome.name())).collect();
        came.join(", ")
    }

    /// What it comes to, in words.
    #[must_use]
    pub fn verdict(&self) -> String {
        let mut verdict = match self.findings {
            0 => "no promise was broken".to_owned(),
            count => format!("NOT CLEAN: {}", counted(count, "finding")),
        };
        if !self.excused.is_empty() {
            verdict.push_str(" that anybody could have kept");
        }
        verdict + &self.excuses()
    }

    /// What was excused, each window by its name, in words that go on from others.
    #[must_use]
    pub fn excuses(&self) -> String {
        let each = self.excused.iter();
        each.map(|(window, count)| format!("; {count} excused ({window})")).collect()
    }

    /// Takes note of an excused run.
    pub fn excuse(&mut self, window: Window) {
        *self.excused.entry(window.name().into()).or_default() += 1;
    }
}

impl AddAssign<&Tally> for Tally {
    fn add_assign(&mut self, other: &Tally) {
        self.runs += other.runs;
        for (sum, more) in self.outcomes.iter_mut().zip(other.outcomes) {
            *sum += more;
        }
        for (window, count) in &other.excused {
            *self.excused.entry(window.clone()).or_default() += count;
        }
        self.findings += other.findings;
        self.most_accesses = self.most_accesses.max(other.most_accesses);
        self.most_bytes = self.most_bytes.max(other.most_bytes);
        self.largest = self.largest.max(other.largest);
    }
}

/// One part of a certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// What was tried.
    pub kind: PartKind,
    /// How many runs there are in this part of the space, counted while going through it.
    pub covered: u64,
    /// The accesses that this space is made of: the closed formula of it gives `covered`.
    pub space: Totals,
    /// The accesses that faults were really tried at; fewer, where one class member stands for
    /// all. The closed formula of it gives `tally.runs`.
    pub tried: Totals,
    /// Further runs, only to see what comes after a fault.
    pub looks: u64,
    /// The accesses that came after the last fault and at which a further one could strike, of all
    /// runs of this space: it makes the space of one fault more, which finds them by itself.
    pub after: u64,
    /// What came out.
    pub tally: Tally,
}

impl Part {
    /// Nothing yet.
    #[must_use]
    pub fn new(kind: PartKind) -> Part {
        let (space, tried, tally) = (Totals::default(), Totals::default(), Tally::default());
        Part { kind, covered: 0, space, tried, looks: 0, after: 0, tally }
    }

    /// All faults at such an access are tried, which stands for `weight` times as many.
    pub(crate) fn add(&mut self, shape: Shape, weight: u64, faults: u64) {
        self.covered += weight * faults;
        self.space += Totals::of(shape, weight);
        self.tried += Totals::of(shape, 1);
    }

    /// Takes in the same part of another shard or access.
    pub fn merge(&mut self, other: &Part) {
        self.covered += other.covered;
        self.space += other.space;
        self.tried += other.tried;
        self.looks += other.looks;
        self.after += other.after;
        self.tally += &other.tally;
    }
}

/// What tells apart what was swept, in 32 hexadecimal digits. Not against an adversary.
pub(super) fn digest(bytes: &[u8]) -> String {
    let mut digest = Digest::default();
    digest.bytes(bytes);
    format!("{:032x}", digest.value())
}

/// What has been proved of one scenario.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Certificate {
    /// Name of the scenario.
    pub scenario: String,
    /// A [`digest`] of what it says: under the same name there may be another one tomorrow.
    pub digest: String,
    /// The accesses of the quiet run at which something can go wrong.
    pub quiet: Totals,
    /// How many values a lie puts in the place of a word.
    pub words: u64,
    /// What is left out.
    pub bounds: Vec<Bound>,
    /// How many pieces of work there are, each the faults at one access of the quiet run.
    pub pieces: u64,
    /// How many of them these shards were to do: all, unless one of several is missing.
    pub share: u64,
    /// How many of them are done: all of the share, unless it was interrupted.
    pub done: u64,
    /// What was tried.
    pub parts: Vec<Part>,
}

impl Certificate {
    /// Whether everything was gone through.
    #[must_use]
    pub const fn is_complete(&self) -> bool {
        self.pieces == self.done
    }

    /// Whether everything was gone through that these shards were to.
    #[must_use]
    pub const fn did_its_share(&self) -> bool {
        self.share == self.done
    }

    /// How many cases there are in all parts.
    #[must_use]
    pub fn covered(&self) -> u64 {
        self.parts.iter().map(|part| part.covered).sum()
    }

    /// All parts together.
    #[must_use]
    pub fn tally(&self) -> Tally {
        self.parts.iter().fold(Tally::default(), |mut sum, part| {
            sum += &part.tally;
            sum
        })
    }

    /// Whether both are of the same space.
    #[must_use]
    pub fn is_of_the_same(&self, other: &Certificate) -> bool {
        let kinds = |certificate: &Certificate| -> Vec<PartKind> {
            certificate.parts.iter().map(|part| part.kind).collect()
        };
        self.digest == other.digest
            && self.quiet == other.quiet
            && self.words == other.words
            && self.bounds == other.bounds
            && self.pieces == other.pieces
            && kinds(self) == kinds(other)
    }

    /// Takes in another shard of the same sweep.
    pub fn merge(&mut self, other: &Certificate) {
        self.share += other.share;
        self.done += other.done;
        for (part, more) in self.parts.iter_mut().zip(&other.parts) {
            part.merge(more);
        }
    }
}

impl fmt::Display for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Totals {
            reads, read_bytes, images, image_bytes, writes, write_bytes, questions, ..
        } = self.quiet;
        writeln!(f, "certificate of {}", self.scenario)?;
        writeln!(
            f,
            "  the quiet run   {} accesses: {reads} reads of {read_bytes} bytes, {images} of \
             {image_bytes} bytes of the mapped file, {writes} writes of {write_bytes} bytes, \
             {questions} questions",
            reads + images + writes + questions,
        )?;
        for bound in &self.bounds {
            writeln!(f, "  bound           {bound}")?;
        }
        for part in &self.parts {
            part.fmt(f)?;
        }
        let tally = self.tally();
        writeln!(
            f,
            "  at most         {} accesses, {} bytes moved, {} bytes in one buffer, in any run",
            tally.most_accesses, tally.most_bytes, tally.largest
        )?;
        if !self.is_complete() {
            writeln!(f, "  INCOMPLETE      {} of {} pieces of work done", self.done, self.pieces)?;
        }
        writeln!(f, "  verdict         {}", tally.verdict())
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Part { kind, covered, tally, looks, .. } = self;
        write!(f, "  {:<15} {covered} in all", kind.to_string())?;
        if tally.runs != *covered {
            write!(f, ", {} run; the others are in classes of failures", tally.runs)?;
        }
        if *looks > 0 {
            write!(f, ", {looks} runs to see what follows")?;
        }
        writeln!(f, "\n  {:<15} {}", "", tally.outcomes())
    }
}

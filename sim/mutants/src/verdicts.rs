//! What an evaluating program told of a list of mutants, one line for each: who noticed it, where
//! and how. Whether that is what the list says is asked here; what else there is to tell of a list
//! is told by `score` and `catalogue`.

use std::collections::BTreeMap;
use std::fmt;

use crate::list::{CANARY_ALIVE, Entry};

/// What goes wrong beyond what a scenario says. It may notice what no scenario can.
pub(crate) const SWEEP: &str = "sweep";

/// What a person wrote down for one scenario. All others know no scenario, and judge them all.
pub(crate) const EXPECTATION: &str = "expectation";

/// What was told of one mutant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// Who noticed it; `None` where nobody did.
    pub(crate) by: Option<&'static str>,
    pub(crate) scenario: String,
    /// How small what shows it is: lines of a scenario, or transitions of a schedule; 0 where that
    /// is not known.
    pub(crate) size: usize,
    pub(crate) milliseconds: u64,
    /// The promise that was broken, or how else it was told.
    pub(crate) how: String,
}

/// Reads lines that tell number, witness, scenario, size, milliseconds and how, in any order.
pub(crate) fn read(
    told: &str,
    witnesses: &[&'static str],
    mutants: usize,
) -> Result<Vec<Verdict>, String> {
    let mut verdicts = BTreeMap::new();
    for line in told.lines() {
        let (number, verdict) = verdict(line, witnesses).ok_or(format!("this was told: {line}"))?;
        verdicts.insert(number, verdict);
    }
    if verdicts.keys().copied().ne(1..=mutants) {
        return Err(format!("{} of {mutants} mutants were told of", verdicts.len()));
    }
    Ok(verdicts.into_values().collect())
}

fn verdict(line: &str, witnesses: &[&'static str]) -> Option<(usize, Verdict)> {
    let mut parts = line.splitn(6, '\t');
    let (number, by) = (parts.next()?.parse().ok()?, parts.next()?);
    let by = match witnesses.iter().find(|known| **known == by) {
        None if by != "nothing" => return None,
        by => by.copied(),
    };
    let scenario = parts.next()?.into();
    let (size, milliseconds) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    let how = parts.next()?.into();
    Some((number, Verdict { by, scenario, size, milliseconds, how }))
}

/// A list, and what became of it.
#[derive(Clone, Copy)]
pub(crate) struct Verdicts<'v> {
    pub(crate) list: &'v [Entry],
    /// The folder that the list names its files from, with a `/` behind it.
    pub(crate) folder: &'v str,
    /// The line of each mutant in its file.
    pub(crate) lines: &'v [usize],
    pub(crate) told: &'v [Verdict],
}

impl<'v> Verdicts<'v> {
    pub(crate) fn all(&self) -> impl Iterator<Item = (&'v Entry, &'v Verdict)> {
        self.list.iter().zip(self.told)
    }

    pub(crate) fn counted(&self) -> impl Iterator<Item = (&'v Entry, &'v Verdict)> {
        self.all().filter(|(entry, _)| !entry.is_canary())
    }

    /// How wide a column of a table must be.
    pub(crate) fn width(&self, of: fn((&Entry, &Verdict)) -> usize) -> usize {
        self.all().map(of).max().unwrap_or(0)
    }

    /// Whether the mutants that must be noticed are, and the one that must not is not.
    pub(crate) fn reports(&self) -> bool {
        let mut canaries = self.all().filter(|(entry, _)| entry.is_canary());
        canaries.all(|(entry, verdict)| verdict.by.is_none() == (entry.name == CANARY_ALIVE))
    }

    /// The mutants of which the list says something else.
    pub(crate) fn surprises(&self) -> Vec<String> {
        let surprise = |(entry, verdict): (&Entry, &Verdict)| {
            let name = &entry.name;
            match (&entry.survives, verdict.by) {
                (None, None) => Some(format!("`{name}` was not noticed")),
                (Some(_), Some(by)) if by != SWEEP => {
                    Some(format!("`{name}` is noticed by now: take its `survives` out of the list"))
                }
                _ => None,
            }
        };
        self.counted().filter_map(surprise).collect()
    }

    /// How many were noticed, and by whom.
    pub(crate) fn write_sum(
        &self,
        f: &mut fmt::Formatter<'_>,
        witnesses: &[&'static str],
    ) -> fmt::Result {
        let noticed = self.counted().filter(|(_, verdict)| verdict.by.is_some()).count();
        write!(f, "{} mutants: {noticed} noticed (", self.counted().count())?;
        for (nth, witness) in witnesses.iter().enumerate() {
            let count = self.counted().filter(|(_, verdict)| verdict.by == Some(witness)).count();
            write!(f, "{}{witness} {count}", if nth == 0 { "" } else { ", " })?;
        }
        writeln!(f, ")")
    }

    /// Those that were not, and what the list says of that.
    pub(crate) fn write_survivors(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for ((entry, verdict), line) in self.all().zip(self.lines) {
            if verdict.by.is_some() || entry.is_canary() {
                continue;
            }
            let Entry { name, file, why, survives, .. } = entry;
            writeln!(f, "\nnot noticed: {name}\n  {}{file}:{line}\n  {why}", self.folder)?;
            if let Some(reason) = survives {
                writeln!(f, "  known: {reason}")?;
            }
        }
        Ok(())
    }
}

/// What lies in the middle of a list of sizes.
pub(crate) fn median(sizes: impl Iterator<Item = usize>) -> usize {
    let mut sizes: Vec<usize> = sizes.collect();
    sizes.sort_unstable();
    sizes.get(sizes.len() / 2).copied().unwrap_or_default()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    const WITNESSES: [&str; 3] = ["oracle", SWEEP, EXPECTATION];

    const TOLD: &str = "2\toracle\tattach/a\t12\t3\tfalse positive\n1\tnothing\t\t0\t7\t\n";

    pub(crate) fn entry(name: &str, survives: Option<&str>) -> Entry {
        let text = |text: &str| text.to_owned();
        Entry {
            entry: None,
            name: text(name),
            file: text("a.rs"),
            find: text("a"),
            after: None,
            becomes: text("b"),
            why: text("a test"),
            field: None,
            statement: false,
            also: Vec::new(),
            survives: survives.map(text),
        }
    }

    fn of<'v>(list: &'v [Entry], told: &'v [Verdict]) -> Verdicts<'v> {
        Verdicts { list, folder: "", lines: &[1, 2], told }
    }

    #[test]
    fn every_mutant_needs_a_line() {
        let told = read(TOLD, &WITNESSES, 2).expect("two lines");
        assert_eq!((told[1].by, told[1].size, told[0].milliseconds), (Some("oracle"), 12, 7));
        assert!(read(TOLD, &WITNESSES, 3).is_err());
        assert!(read("2\tnothing\t\t0\t0\t\n", &WITNESSES, 1).is_err());
        assert!(read("1\tnobody\t\t0\t0\t\n", &WITNESSES, 1).is_err());
    }

    #[test]
    fn what_the_list_does_not_say_is_a_surprise() {
        let told = read(TOLD, &WITNESSES, 2).expect("two lines");
        let surprises =
            |one, other| of(&[entry("one", one), entry("other", other)], &told).surprises().len();
        assert_eq!(surprises(Some("nobody looks there"), None), 0);
        assert_eq!(surprises(None, None), 1);
        assert_eq!(surprises(None, Some("nobody looks there")), 2);
        let swept = "1\tsweep\tattach/a\t12\t0\tfalse positive\n";
        let swept = read(swept, &WITNESSES, 1).expect("a line");
        assert!(of(&[entry("one", Some("nobody looks there"))], &swept).surprises().is_empty());
    }

    #[test]
    fn a_canary_that_does_otherwise_means_that_nothing_is_reported() {
        let told = read(TOLD, &WITNESSES, 2).expect("two lines");
        let reports = |one, other| of(&[entry(one, None), entry(other, None)], &told).reports();
        assert!(reports(CANARY_ALIVE, "canary-panics-at-once"));
        assert!(!reports("canary-panics-at-once", CANARY_ALIVE));
    }
}

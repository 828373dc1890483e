//! What became of the catalogue: a line for each bug that was brought back, by which promise it was
//! noticed and after how many transitions; then the sum, and what nothing here can have.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::list::{CANARY_ALIVE, Catalogue, Entry};

/// Who can notice a mutant. The first three know no scenario; `endless` is a program that comes to
/// no end any more, and `expectation` what a person wrote down for one scenario.
const WITNESSES: [&str; 5] = [PROMISE, "panic", "fault", "endless", "expectation"];

/// What must hold in every schedule of every scenario.
const PROMISE: &str = "promise";

/// What was told of one mutant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// Who noticed it; `None` where nobody did.
    by: Option<&'static str>,
    /// The promise that was broken, or how else it was told.
    how: String,
    scenario: String,
    /// Transitions of the shortest schedule in that scenario.
    moves: usize,
    milliseconds: u64,
}

/// Reads what the evaluating program told: one line for each mutant, in any order.
pub(crate) fn read(told: &str, mutants: usize) -> Result<Vec<Verdict>, String> {
    let mut verdicts = BTreeMap::new();
    for line in told.lines() {
        let (number, verdict) = verdict(line).ok_or(format!("this was told: {line}"))?;
        verdicts.insert(number, verdict);
    }
    if verdicts.keys().copied().ne(1..=mutants) {
        return Err(format!("{} of {mutants} mutants were told of", verdicts.len()));
    }
    Ok(verdicts.into_values().collect())
}

fn verdict(line: &str) -> Option<(usize, Verdict)> {
    let mut parts = line.splitn(6, '\t');
    let (number, by) = (parts.next()?.parse().ok()?, parts.next()?);
    let by = match WITNESSES.into_iter().find(|known| *known == by) {
        None if by != "nothing" => return None,
        by => by,
    };
    let scenario = parts.next()?.into();
    let (moves, milliseconds) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    Some((number, Verdict { by, how: parts.next()?.into(), scenario, moves, milliseconds }))
}

/// The catalogue, and what became of it.
pub(crate) struct Table<'s> {
    pub(crate) catalogue: &'s Catalogue,
    pub(crate) lines: &'s [usize],
    pub(crate) verdicts: &'s [Verdict],
}

impl Table<'_> {
    fn all(&self) -> impl Iterator<Item = (&Entry, &Verdict)> {
        self.catalogue.mutants.iter().zip(self.verdicts)
    }

    fn counted(&self) -> impl Iterator<Item = (&Entry, &Verdict)> {
        self.all().filter(|(entry, _)| !entry.is_canary())
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
                (Some(_), Some(_)) => {
                    Some(format!("`{name}` is noticed by now: take its `survives` out of the list"))
                }
                _ => None,
            }
        };
        self.counted().filter_map(surprise).collect()
    }

    fn write_sums(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let noticed = self.counted().filter(|(_, verdict)| verdict.by.is_some()).count();
        write!(f, "{} mutants: {noticed} noticed (", self.counted().count())?;
        for (nth, witness) in WITNESSES.into_iter().enumerate() {
            let count = self.counted().filter(|(_, verdict)| verdict.by == Some(witness)).count();
            write!(f, "{}{witness} {count}", if nth == 0 { "" } else { ", " })?;
        }
        writeln!(f, ")")?;
        let numbers = |noticed: bool| {
            let wanted =
                self.counted().filter(move |(_, verdict)| verdict.by.is_some() || !noticed);
            wanted.filter_map(|(entry, _)| entry.entry.as_deref()).collect::<BTreeSet<_>>().len()
        };
        let (noticed, tried) = (numbers(true), numbers(false));
        let left = self.catalogue.inexpressible.len();
        write!(f, "{} bugs in the catalogue: {tried} brought back, ", tried + left)?;
        writeln!(f, "{noticed} of them noticed; {left} cannot be")?;
        let shortest = self.counted().filter(|(_, verdict)| verdict.by == Some(PROMISE));
        let mut moves: Vec<usize> = shortest.map(|(_, verdict)| verdict.moves).collect();
        moves.sort_unstable();
        let median = moves.get(moves.len() / 2).copied().unwrap_or_default();
        let longest = moves.last().copied().unwrap_or_default();
        writeln!(f, "a promise is broken after {median} transitions (median), at most {longest}")
    }

    fn write_survivors(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for ((entry, verdict), line) in self.all().zip(self.lines) {
            if verdict.by.is_some() || entry.is_canary() {
                continue;
            }
            let Entry { name, file, why, survives, .. } = entry;
            writeln!(f, "\nnot noticed: {name}\n  {file}:{line}\n  {why}")?;
            if let Some(reason) = survives {
                writeln!(f, "  known: {reason}")?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for Table<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = |of: fn((&Entry, &Verdict)) -> usize| self.all().map(of).max().unwrap_or(0);
        let numbers = width(|(entry, _)| entry.entry.as_deref().map_or(0, str::len));
        let names = width(|(entry, _)| entry.name.len());
        let ways = width(|(_, verdict)| verdict.how.len());
        let scenarios = width(|(_, verdict)| verdict.scenario.len());
        writeln!(f, "bug, mutant, noticed by, promise, transitions, in scenario, time")?;
        for (entry, verdict) in self.all() {
            let (number, name) = (entry.entry.as_deref().unwrap_or(""), &entry.name);
            let by = verdict.by.unwrap_or("NOTHING");
            let Verdict { how, scenario, moves, milliseconds, .. } = verdict;
            writeln!(
                f,
                "{number:numbers$}  {name:names$}  {by:11}  {how:ways$}  {moves:>5}  \
                 {scenario:scenarios$}  {milliseconds:>5} ms"
            )?;
        }
        writeln!(f)?;
        self.write_sums(f)?;
        self.write_survivors(f)?;
        for one in &self.catalogue.inexpressible {
            writeln!(f, "\ncannot be had here: {}\n  {}\n  {}", one.entry, one.what, one.why)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::list::Inexpressible;

    fn entry(number: &str, survives: Option<&str>) -> Entry {
        let text = |text: &str| text.to_owned();
        Entry {
            entry: Some(text(number)),
            name: text(number),
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

    fn catalogue(mutants: Vec<Entry>) -> Catalogue {
        let text = |text: &str| text.to_owned();
        let one = Inexpressible { entry: text("C3"), what: text("what"), why: text("why") };
        Catalogue { scaffold: Vec::new(), mutants, inexpressible: vec![one] }
    }

    const TOLD: &str = "2\tpromise\tstepping/a\t12\t3\tLost\n1\tnothing\t\t0\t7\t\n";

    #[test]
    fn every_mutant_needs_a_line() {
        let verdicts = read(TOLD, 2).expect("two lines");
        assert_eq!((verdicts[1].by, verdicts[1].moves), (Some("promise"), 12));
        assert!(read(TOLD, 3).is_err());
        assert!(read("1\tnobody\t\t0\t0\t\n", 1).is_err());
    }

    #[test]
    fn what_the_list_does_not_say_is_a_surprise() {
        let verdicts = read(TOLD, 2).expect("two lines");
        let surprises = |one, other| {
            let catalogue = catalogue(vec![entry("A1", one), entry("A2", other)]);
            let table = Table { catalogue: &catalogue, lines: &[1, 2], verdicts: &verdicts };
            table.surprises().len()
        };
        assert_eq!(surprises(Some("nobody looks there"), None), 0);
        assert_eq!(surprises(None, None), 1);
        assert_eq!(surprises(None, Some("nobody looks there")), 2);
    }

    #[test]
    fn several_mutants_of_one_bug_count_once() {
        let verdicts = read(TOLD, 2).expect("two lines");
        let catalogue = catalogue(vec![entry("A1", None), entry("A1", None)]);
        let table = Table { catalogue: &catalogue, lines: &[1, 2], verdicts: &verdicts };
        let told = table.to_string();
        assert!(
            told.contains("2 bugs in the catalogue: 1 brought back, 1 of them noticed; 1 cannot")
        );
        assert!(told.contains("cannot be had here: C3"));
    }
}

//! What became of the mutants: a line for each, the sum, and whether that is what the list says.

use std::collections::BTreeMap;
use std::fmt;

use crate::ENGINE;
use crate::list::{CANARY_ALIVE, Entry};

/// Who can notice a mutant, in the order in which they are asked.
const WITNESSES: [&str; 5] = ["oracle", "panic", "evidence", SWEEP, EXPECTATION];

/// What goes wrong beyond what a scenario says. It may notice what no scenario can.
const SWEEP: &str = "sweep";

/// What a person wrote down for one scenario. All others know no scenario, and judge them all.
const EXPECTATION: &str = "expectation";

/// So many bugs seen in the field must be noticed by somebody who expects nothing.
pub(crate) const FIELD_MIN: usize = 25;

/// What was told of one mutant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// Who noticed it; `None` where nobody did.
    by: Option<&'static str>,
    scenario: String,
    /// Lines of the smallest scenario that breaks the same promise; 0 where none is broken.
    small: usize,
    how: String,
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
    let mut parts = line.splitn(5, '\t');
    let (number, by) = (parts.next()?.parse().ok()?, parts.next()?);
    let by = match WITNESSES.into_iter().find(|known| *known == by) {
        None if by != "nothing" => return None,
        by => by,
    };
    let (scenario, small) = (parts.next()?.into(), parts.next()?.parse().ok()?);
    Some((number, Verdict { by, scenario, small, how: parts.next()?.into() }))
}

/// The list, and what became of it.
pub(crate) struct Score<'s> {
    pub(crate) list: &'s [Entry],
    pub(crate) lines: &'s [usize],
    pub(crate) verdicts: &'s [Verdict],
}

impl Score<'_> {
    fn all(&self) -> impl Iterator<Item = (&Entry, &Verdict)> {
        self.list.iter().zip(self.verdicts)
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
                (Some(_), Some(by)) if by != SWEEP => {
                    Some(format!("`{name}` is noticed by now: take its `survives` out of the list"))
                }
                _ => None,
            }
        };
        self.counted().filter_map(surprise).collect()
    }

    /// The bugs seen in the field that are noticed whatever a scenario expects.
    fn judged(&self) -> impl Iterator<Item = (&str, &Entry, &Verdict)> {
        let judged = self
            .counted()
            .filter_map(|(entry, verdict)| Some((entry.field.as_deref()?, entry, verdict)));
        judged.filter(|(.., verdict)| verdict.by.is_some_and(|by| by != EXPECTATION))
    }

    /// What is to be told where too few bugs seen in the field are noticed so.
    pub(crate) fn too_few(&self, wanted: usize) -> Option<String> {
        let found = self.judged().count();
        (found < wanted).then(|| {
            format!("{found} bugs seen in the field are noticed by a judge: {wanted} are demanded")
        })
    }

    /// The bugs seen in the field in a table of their own.
    fn write_judged(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows: Vec<_> = self.judged().collect();
        let width = |of: fn(&(&str, &Entry, &Verdict)) -> usize| {
            rows.iter().map(of).max().unwrap_or_default()
        };
        let (field_width, name_width) =
            (width(|(field, ..)| field.len()), width(|(_, entry, _)| entry.name.len()));
        for (field, entry, verdict) in &rows {
            let (name, by) = (&entry.name, verdict.by.unwrap_or_default());
            let scenario = &verdict.scenario;
            writeln!(f, "{field:field_width$}  {name:name_width$}  {by:8}  {scenario}")?;
        }
        writeln!(f, "{} bugs seen in the field are noticed without any expectation", rows.len())?;
        let small = rows.iter().map(|(.., verdict)| verdict.small).filter(|lines| *lines > 0);
        let mut small: Vec<usize> = small.collect();
        small.sort_unstable();
        let median = small.get(small.len() / 2).copied().unwrap_or_default();
        writeln!(f, "made small, they are scenarios of {median} lines (median)\n")
    }

    fn write_sums(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let noticed = self.counted().filter(|(_, verdict)| verdict.by.is_some()).count();
        write!(f, "{} mutants: {noticed} noticed (", self.counted().count())?;
        for (nth, witness) in WITNESSES.into_iter().enumerate() {
            let count = self.counted().filter(|(_, verdict)| verdict.by == Some(witness)).count();
            write!(f, "{}{witness} {count}", if nth == 0 { "" } else { ", " })?;
        }
        writeln!(f, ")")?;
        let field = || self.counted().filter(|(entry, _)| entry.field.is_some());
        let noticed = field().filter(|(_, verdict)| verdict.by.is_some()).count();
        writeln!(
            f,
            "of {} bugs seen in the field, brought back, {noticed} noticed",
            field().count()
        )
    }

    fn write_survivors(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for ((entry, verdict), line) in self.all().zip(self.lines) {
            if verdict.by.is_some() || entry.is_canary() {
                continue;
            }
            let Entry { name, file, why, survives, .. } = entry;
            writeln!(f, "\nnot noticed: {name}\n  {ENGINE}/{file}:{line}\n  {why}")?;
            if let Some(reason) = survives {
                writeln!(f, "  known: {reason}")?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for Score<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = |of: fn((&Entry, &Verdict)) -> usize| self.all().map(of).max().unwrap_or(0);
        let name_width = width(|(entry, _)| entry.name.len());
        let scenario_width = width(|(_, verdict)| verdict.scenario.len());
        for ((entry, verdict), number) in self.all().zip(1..) {
            let (name, by) = (&entry.name, verdict.by.unwrap_or("NOTHING"));
            let Verdict { scenario, how, .. } = verdict;
            let line = format!(
                "{number:>4}  {name:name_width$}  {by:11}  {scenario:scenario_width$}  {how}"
            );
            writeln!(f, "{}", line.trim_end())?;
        }
        writeln!(f, "\nfield bug, mutant, found by, in scenario")?;
        self.write_judged(f)?;
        self.write_sums(f)?;
        self.write_survivors(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &str, survives: Option<&str>) -> Entry {
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

    const TOLD: &str = "2\toracle\tattach/a\t12\tfalse positive\n1\tnothing\t\t0\t\n";

    #[test]
    fn every_mutant_needs_a_line() {
        assert_eq!(read(TOLD, 2).expect("two lines")[1].by, Some("oracle"));
        assert!(read(TOLD, 3).is_err());
        assert!(read("2\tnothing\t\t0\t\n", 1).is_err());
        assert!(read("1\tnobody\t\t0\t\n", 1).is_err());
    }

    #[test]
    fn what_the_list_does_not_say_is_a_surprise() {
        let verdicts = read(TOLD, 2).expect("two lines");
        let surprises = |one, other| {
            let list = [entry("one", one), entry("other", other)];
            Score { list: &list, lines: &[1, 2], verdicts: &verdicts }.surprises().len()
        };
        assert_eq!(surprises(Some("nobody looks there"), None), 0);
        assert_eq!(surprises(None, None), 1);
        assert_eq!(surprises(None, Some("nobody looks there")), 2);
        let swept = read("1\tsweep\tattach/a\t12\tfalse positive\n", 1).expect("a line");
        let list = [entry("one", Some("nobody looks there"))];
        let score = Score { list: &list, lines: &[1], verdicts: &swept };
        assert!(score.surprises().is_empty());
    }

    #[test]
    fn a_bug_of_the_field_counts_where_nobody_expected_it() {
        let told = "1\toracle\tattach/a\t12\tfalse positive\n2\texpectation\tattach/b\t0\tfailed\n";
        let verdicts = read(told, 2).expect("two lines");
        let field = |name| Entry { field: Some("x/y#1".into()), ..entry(name, None) };
        let list = [field("one"), field("other")];
        let score = Score { list: &list, lines: &[1, 2], verdicts: &verdicts };
        assert_eq!(score.too_few(1), None);
        assert!(score.too_few(2).expect("one is too few").starts_with("1 bugs"));
        assert!(score.to_string().contains("x/y#1  one  oracle    attach/a\n1 bugs"));
    }

    #[test]
    fn a_canary_that_does_otherwise_means_that_nothing_is_reported() {
        let verdicts = read(TOLD, 2).expect("two lines");
        let reports = |one, other| {
            let list = [entry(one, None), entry(other, None)];
            Score { list: &list, lines: &[1, 2], verdicts: &verdicts }.reports()
        };
        assert!(reports(CANARY_ALIVE, "canary-panics-at-once"));
        assert!(!reports("canary-panics-at-once", CANARY_ALIVE));
    }
}

//! What became of the mutants of the attach engine: a line for each, the bugs seen in the field in
//! a table of their own, and the sums.

use std::fmt;

use crate::list::Entry;
use crate::verdicts::{EXPECTATION, SWEEP, Verdict, Verdicts, median};

/// Who can notice a mutant, in the order in which they are asked.
pub(crate) const WITNESSES: [&str; 5] = ["oracle", "panic", "evidence", SWEEP, EXPECTATION];

/// So many bugs seen in the field must be noticed by somebody who expects nothing.
pub(crate) const FIELD_MIN: usize = 25;

/// The list, and what became of it. The size of what shows a mutant is told in lines of the
/// smallest scenario that breaks the same promise.
pub(crate) struct Score<'s>(pub(crate) Verdicts<'s>);

impl Score<'_> {
    /// The bugs seen in the field that are noticed whatever a scenario expects.
    fn judged(&self) -> impl Iterator<Item = (&str, &Entry, &Verdict)> {
        let judged = self
            .0
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
        let small = rows.iter().map(|(.., verdict)| verdict.size).filter(|lines| *lines > 0);
        writeln!(f, "made small, they are scenarios of {} lines (median)\n", median(small))
    }

    fn write_field(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let field = || self.0.counted().filter(|(entry, _)| entry.field.is_some());
        let noticed = field().filter(|(_, verdict)| verdict.by.is_some()).count();
        writeln!(
            f,
            "of {} bugs seen in the field, brought back, {noticed} noticed",
            field().count()
        )
    }
}

impl fmt::Display for Score<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name_width = self.0.width(|(entry, _)| entry.name.len());
        let scenario_width = self.0.width(|(_, verdict)| verdict.scenario.len());
        for ((entry, verdict), number) in self.0.all().zip(1..) {
            let (name, by) = (&entry.name, verdict.by.unwrap_or("NOTHING"));
            let Verdict { scenario, how, .. } = verdict;
            let line = format!(
                "{number:>4}  {name:name_width$}  {by:11}  {scenario:scenario_width$}  {how}"
            );
            writeln!(f, "{}", line.trim_end())?;
        }
        writeln!(f, "\nfield bug, mutant, found by, in scenario")?;
        self.write_judged(f)?;
        self.0.write_sum(f, &WITNESSES)?;
        self.write_field(f)?;
        self.0.write_survivors(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verdicts::read;
    use crate::verdicts::tests::entry;

    #[test]
    fn a_bug_of_the_field_counts_where_nobody_expected_it() {
        let told = "1\toracle\tattach/a\t12\t0\tfalse positive\n\
                    2\texpectation\tattach/b\t0\t0\tfailed\n";
        let told = read(told, &WITNESSES, 2).expect("two lines");
        let field = |name| Entry { field: Some("x/y#1".into()), ..entry(name, None) };
        let list = [field("one"), field("other")];
        let score = Score(Verdicts { list: &list, folder: "", lines: &[1, 2], told: &told });
        assert_eq!(score.too_few(1), None);
        assert!(score.too_few(2).expect("one is too few").starts_with("1 bugs"));
        assert!(score.to_string().contains("x/y#1  one  oracle    attach/a\n1 bugs"));
    }
}

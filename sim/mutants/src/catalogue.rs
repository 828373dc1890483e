//! What became of the catalogue: a line for each bug that was brought back, by which promise it was
//! noticed and after how many transitions; then the sum, and what nothing here can have.

use std::collections::BTreeSet;
use std::fmt;

use crate::list::Catalogue;
use crate::verdicts::{EXPECTATION, Verdict, Verdicts, median};

/// Who can notice a mutant. The first three know no scenario, and `endless` is a program that comes
/// to no end any more.
pub(crate) const WITNESSES: [&str; 5] = [PROMISE, "panic", "fault", "endless", EXPECTATION];

/// What must hold in every schedule of every scenario.
const PROMISE: &str = "promise";

/// The catalogue, and what became of it. The size of what shows a mutant is told in transitions of
/// the shortest schedule.
pub(crate) struct Table<'s> {
    pub(crate) catalogue: &'s Catalogue,
    pub(crate) verdicts: Verdicts<'s>,
}

impl Table<'_> {
    fn write_bugs(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let numbers = |noticed: bool| {
            let counted = self.verdicts.counted();
            let wanted = counted.filter(move |(_, verdict)| verdict.by.is_some() || !noticed);
            wanted.filter_map(|(entry, _)| entry.entry.as_deref()).collect::<BTreeSet<_>>().len()
        };
        let (noticed, tried) = (numbers(true), numbers(false));
        let left = self.catalogue.inexpressible.len();
        write!(f, "{} bugs in the catalogue: {tried} brought back, ", tried + left)?;
        writeln!(f, "{noticed} of them noticed; {left} cannot be")
    }

    fn write_moves(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let moves = || {
            let broken = self.verdicts.counted().filter(|(_, verdict)| verdict.by == Some(PROMISE));
            broken.map(|(_, verdict)| verdict.size)
        };
        let (median, longest) = (median(moves()), moves().max().unwrap_or_default());
        writeln!(f, "a promise is broken after {median} transitions (median), at most {longest}")
    }
}

impl fmt::Display for Table<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let numbers = self.verdicts.width(|(entry, _)| entry.entry.as_deref().map_or(0, str::len));
        let names = self.verdicts.width(|(entry, _)| entry.name.len());
        let ways = self.verdicts.width(|(_, verdict)| verdict.how.len());
        let scenarios = self.verdicts.width(|(_, verdict)| verdict.scenario.len());
        writeln!(f, "bug, mutant, noticed by, promise, transitions, in scenario, time")?;
        for (entry, verdict) in self.verdicts.all() {
            let (number, name) = (entry.entry.as_deref().unwrap_or(""), &entry.name);
            let by = verdict.by.unwrap_or("NOTHING");
            let Verdict { how, scenario, size, milliseconds, .. } = verdict;
            writeln!(
                f,
                "{number:numbers$}  {name:names$}  {by:11}  {how:ways$}  {size:>5}  \
                 {scenario:scenarios$}  {milliseconds:>5} ms"
            )?;
        }
        writeln!(f)?;
        self.verdicts.write_sum(f, &WITNESSES)?;
        self.write_bugs(f)?;
        self.write_moves(f)?;
        self.verdicts.write_survivors(f)?;
        for one in &self.catalogue.inexpressible {
            writeln!(f, "\ncannot be had here: {}\n  {}\n  {}", one.entry, one.what, one.why)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::list::{Entry, Inexpressible};
    use crate::verdicts::read;
    use crate::verdicts::tests::entry;

    #[test]
    fn several_mutants_of_one_bug_count_once() {
        let told = "2\tpromise\tstepping/a\t12\t3\tLost\n1\tnothing\t\t0\t7\t\n";
        let told = read(told, &WITNESSES, 2).expect("two lines");
        let numbered = |name| Entry { entry: Some("A1".into()), ..entry(name, None) };
        let text = |text: &str| text.to_owned();
        let one = Inexpressible { entry: text("C3"), what: text("what"), why: text("why") };
        let mutants = vec![numbered("one"), numbered("other")];
        let catalogue = Catalogue { scaffold: Vec::new(), mutants, inexpressible: vec![one] };
        let list = &catalogue.mutants;
        let verdicts = Verdicts { list, folder: "", lines: &[1, 2], told: &told };
        let told = Table { catalogue: &catalogue, verdicts }.to_string();
        assert!(
            told.contains("2 bugs in the catalogue: 1 brought back, 1 of them noticed; 1 cannot")
        );
        assert!(told.contains("cannot be had here: C3"));
    }
}

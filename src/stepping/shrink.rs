//! The smallest scenario that still breaks the same promise, by the shortest schedule: whatever can
//! be left out is left out, line by line of the program and command by command.

use std::mem::{Discriminant, discriminant};
use std::rc::Rc;

use super::explore::{Found, shortest};
use super::judge::Violation;
use super::plan::Plan;
use crate::scenario::{self, Scenario, Stepping};

/// At most so many states are entered for one thing that is left out: what is small enough to be
/// understood has fewer.
const STATES_MAX: usize = 20_000;

/// What is left of a scenario.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shrunk {
    /// The scenario. It expects what comes out, which is what is wrong.
    pub scenario: Stepping,
    /// The promise that it breaks.
    pub broken: Violation,
    /// What it still has, each of which is necessary.
    pub necessary: Vec<String>,
    /// How many scenarios were explored.
    pub tried: u64,
}

impl Shrunk {
    /// The file.
    #[must_use]
    pub fn file(&self, found_in: &str) -> String {
        let Shrunk { scenario, broken, .. } = self;
        let scenario = Scenario::Stepping(Box::new(scenario.clone()));
        scenario::write_wrong(&scenario, &broken.to_string(), found_in)
    }
}

/// Shrinks a scenario that breaks a promise, by its own schedule or by another; `None` where it
/// breaks none.
#[must_use]
pub fn shrink(scenario: &Stepping) -> Option<Shrunk> {
    let (found, start) = wrong(scenario, None)?;
    let broken = *found.broken.first()?;
    let promise = discriminant(&broken);
    let (mut scenario, tried) =
        smallest(start, &|smaller| wrong(smaller, Some(promise)).map(|(_, scenario)| scenario));
    let necessary = parts(&scenario).into_iter().map(|part| part.name).collect();
    let plan = Rc::new(Plan::new(&scenario).ok()?);
    scenario.expect_what_comes(&plan);
    Some(Shrunk { scenario, broken, necessary, tried })
}

/// Leaves out one part after the other, as long as what is left is still as wrong; and how often
/// that was looked for.
fn smallest(
    mut scenario: Stepping,
    still_wrong: &dyn Fn(&Stepping) -> Option<Stepping>,
) -> (Stepping, u64) {
    let mut tried = 1;
    loop {
        let before = scenario.clone();
        let mut nth = 0;
        while let Some(part) = parts(&scenario).get(nth) {
            tried += 1;
            match still_wrong(&part.without) {
                Some(smaller) => scenario = smaller,
                None => nth += 1,
            }
        }
        if scenario == before {
            return (scenario, tried);
        }
    }
}

/// How a scenario breaks a promise, this one or any, and the scenario by that schedule.
fn wrong(
    scenario: &Stepping,
    promise: Option<Discriminant<Violation>>,
) -> Option<(Found, Stepping)> {
    let plan = Rc::new(Plan::new(scenario).ok()?);
    let found = shortest(&plan, false, STATES_MAX)?;
    let first = discriminant(found.broken.first()?);
    let scenario = found.scenario(scenario, &plan);
    promise.is_none_or(|wanted| wanted == first).then_some((found, scenario))
}

/// Something that a scenario has, and the scenario without it.
struct Part {
    name: String,
    without: Stepping,
}

/// Everything that could be left out. Schedule and choices follow from the rest.
fn parts(scenario: &Stepping) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut part = |name: String, leave: &dyn Fn(&mut Stepping)| {
        let mut without = Stepping { expect: Vec::new(), output: Vec::new(), ..scenario.clone() };
        without.schedule.clear();
        without.choices.clear();
        leave(&mut without);
        parts.push(Part { name, without });
    };
    for (nth, fault) in scenario.faults.iter().enumerate() {
        part(format!("{fault:?}"), &|it| {
            it.faults.remove(nth);
        });
    }
    for nth in (1..scenario.threads.len()).rev() {
        part(format!("thread {}", nth + 1), &|it| {
            it.threads.remove(nth);
        });
    }
    for nth in 0..scenario.again.len() {
        part("a thread that comes again".into(), &|it| {
            it.again.remove(nth);
        });
    }
    for (nth, name) in scenario.late.iter().enumerate() {
        part(format!("{name} comes late"), &|it| {
            it.late.remove(nth);
        });
    }
    for (nth, (name, _)) in scenario.bodies.iter().enumerate() {
        part(format!("another body of {name}"), &|it| {
            it.bodies.remove(nth);
        });
    }
    for (nth, command) in scenario.debugger.iter().enumerate().rev() {
        part(format!("{command:?}"), &|it| {
            it.debugger.remove(nth);
        });
    }
    let lines: Vec<&str> = scenario.program.lines().filter(|it| !it.trim().is_empty()).collect();
    for nth in 0..lines.len() {
        let text: Vec<&str> =
            lines.iter().enumerate().filter(|it| it.0 != nth).map(|it| *it.1).collect();
        part(lines[nth].trim().into(), &|it| it.program = text.join("\n"));
    }
    for whole in methods(&lines) {
        let name = lines[whole.start].trim().to_owned();
        let text = [&lines[..whole.start], &lines[whole.end..]].concat().join("\n");
        part(name, &|it| it.program.clone_from(&text));
    }
    parts
}

/// The lines of each method.
fn methods(lines: &[&str]) -> Vec<std::ops::Range<usize>> {
    let is = |line: &str, word: &str| line.split_whitespace().next() == Some(word);
    let starts = (0..lines.len()).filter(|nth| is(lines[*nth], "method"));
    let whole = starts.filter_map(|start| {
        let end = (start..lines.len()).find(|nth| is(lines[*nth], "end"))?;
        Some(start..end + 1)
    });
    whole.collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::play::play;
    use super::*;
    use crate::scenario::stepping::{Command, How};

    const NOISY: &str = r#"Stepping(
        about: "much that has nothing to do with it",
        program: "
            method main args 0 locals 2
                    DEBUG_METHOD_ENTER seq
            seq:    DEBUG_SEQ_POINT
                    LDC_I4 v0, 7
                    CALL v1, v0, f
                    EMIT v1
                    RET_VOID
            end
            method g args 0 locals 1
                    RET v0
            end
            method f args 0 locals 1
                    DEBUG_METHOD_ENTER seq
            seq:    DEBUG_SEQ_POINT
                    RET v0
            end",
        threads: ["main", "g"],
        debugger: [Break("main:6"), Go, Step(In), Break("g:0"), Go, Delete(1), Go],
        faults: [Fails(9)],
        schedule: [2, 2, 2],
        expect: [],
    )"#;

    /// What must remain is told by what a step into a call says.
    #[test]
    fn what_has_nothing_to_do_with_it_is_left_out() {
        let noisy = scenario::parse(Path::new("noisy.ron"), NOISY);
        let Ok(Scenario::Stepping(noisy)) = noisy else { panic!("a scenario") };
        let steps_in = |scenario: &Stepping| {
            let plan = Rc::new(Plan::new(scenario).ok()?);
            let told = play(scenario, &plan, false).told;
            told.iter().any(|it| it.starts_with("step 1 call")).then(|| scenario.clone())
        };
        let (smallest, _) = smallest(*noisy, &steps_in);
        let commands = [Command::Break("main:6".into()), Command::Go, Command::Step(How::In)];
        assert_eq!(smallest.debugger, commands);
        assert_eq!((smallest.threads.len(), smallest.faults.len()), (1, 0));
        assert_eq!(smallest.program.lines().count(), 12, "{}", smallest.program);
    }
}

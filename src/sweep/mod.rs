//! The fault space of a scenario: every fault at every access, and every pair; each run is the real
//! engine, judged by the oracle. What was gone through is told by a [`Certificate`], and what was
//! left out by its [`Bound`]s.
//!
//! A quiet run says which accesses there are. A run with a fault in it says which accesses come
//! after that fault, and so on: nothing is guessed, and runs are only ever cut by depth.
//!
//! One reduction, at depth 2 and more: neighbouring honest failures that change nothing in the
//! target (a read that stops short after so many bytes, an access that is refused for one reason or
//! another) and are followed by the same accesses with the same answers and the same report, but
//! for its reason, form a class, of which only the first and the last get a further fault. The last
//! fault of a run is always tried in every way and at every byte.
//!
//! Members of a class are not the same to an engine that looks twice and compares: after `Denied`
//! it believes a second `Denied`, after `Gone` a second `Gone`. They come to the same endings, each
//! as often, since the further fault is tried in every way; a test looks at some between the ends.

mod bound;
mod certificate;
mod file;
mod recount;
mod work;

use softdock_attach::Report;

pub use bound::Bound;
pub use certificate::{Certificate, Part, PartKind, Tally, Totals, counted};
pub use file::{Proof, save_whole};
pub use recount::{misses, recount};
pub use work::{Job, Sweep, Watcher};

use crate::blame::{Blame, blame};
use crate::choice::{Chooser, Classes, Digest, Menu, Open, Prefixes, Recorded, Shape, What};
use crate::finding::Finding;
use crate::run::{Run, Stage};
use crate::scenario::{Fault, FaultKind};
use crate::world::Moment;

/// Choices, as [`Recorded`] takes them.
pub(crate) type Plan = Vec<(u32, What, u32)>;

/// The most faults in one run.
pub const DEPTH_MAX: u32 = 3;

/// The menu of each part of a sweep.
pub(crate) fn menu(kind: PartKind, pointers: &[u64]) -> Menu {
    let classes = match kind {
        PartKind::Faults(_) => Classes { honest: true, silent: true, ..Classes::default() },
        PartKind::Lies => Classes { lies: true, ..Classes::default() },
        PartKind::Crashes => Classes { crashes: true, ..Classes::default() },
    };
    Menu::new(classes, Prefixes::Every, pointers)
}

/// A run that also takes note of what was open, and of everything after its last choice.
pub(crate) struct Noted<'r> {
    plan: Recorded<'r>,
    /// The access of the last choice.
    last: u32,
    access: u32,
    open: Vec<Open>,
    after: Digest,
}

impl<'r> Noted<'r> {
    fn new(plan: &'r [(u32, What, u32)]) -> Noted<'r> {
        let last = plan.last().map_or(0, |(access, ..)| *access);
        let (open, after) = (Vec::with_capacity(64), Digest::default());
        Noted { plan: Recorded::new(plan), last, access: 0, open, after }
    }
}

impl Chooser for Noted<'_> {
    fn choose(&mut self, open: Open, options: u32) -> u32 {
        if open.what == What::Fault && open.access > self.last {
            self.open.push(open);
        }
        self.plan.choose(open, options)
    }

    fn observe(&mut self, bytes: &[u8]) {
        if self.access > self.last {
            self.after.bytes(bytes);
        }
    }

    fn arrive(&mut self, _: impl FnOnce() -> u128) -> bool {
        self.access += 1;
        true
    }
}

/// What is open in a run with these faults and this plan, after its last choice.
pub(crate) fn open_after(
    stage: &mut Stage<'_>,
    faults: &[Fault],
    menu: &Menu,
    plan: &Plan,
) -> Vec<Open> {
    let mut noted = Noted::new(plan);
    stage.explore_with(faults, menu, &mut noted);
    noted.open
}

/// Goes through all the faults at one access, and below them as deep as is wanted.
pub(crate) struct Sweeper<'a, 's> {
    /// Name of the scenario.
    pub(crate) name: &'a str,
    pub(crate) stage: &'a mut Stage<'s>,
    pub(crate) menu: &'a Menu,
    pub(crate) part: &'a mut Part,
    /// Hears of each violation that nothing excuses.
    pub(crate) found: &'a dyn Fn(Finding),
    /// Whether to go on.
    pub(crate) goes_on: &'a dyn Fn() -> bool,
}

/// Failures that cannot be told apart by what follows.
struct Class {
    is_harmless: bool,
    first: Plan,
    last: Plan,
    len: u64,
    open: Vec<Open>,
    after: u128,
    /// Without its reason.
    report: Report,
}

impl<'s> Sweeper<'_, 's> {
    /// Every fault at this access after `plan`, each with so many more after it. This stands for
    /// `weight` such plans.
    pub(crate) fn sweep(&mut self, plan: &mut Plan, open: Open, deeper: u32, weight: u64) {
        if deeper == 0 {
            return self.run_each(plan, open, weight);
        }
        for class in self.classes(plan, open) {
            self.descend(class, deeper, weight);
        }
    }

    /// The faults at this access after `plan`, neighbours together where they are followed by the
    /// same.
    fn classes(&mut self, plan: &mut Plan, open: Open) -> Vec<Class> {
        let mut classes: Vec<Class> = Vec::new();
        let from = self.up_to(plan, open);
        for choice in 1..=self.menu.len(open.shape) {
            if !(self.goes_on)() {
                break;
            }
            plan.push((open.access, What::Fault, choice));
            let next = self.look(&from, plan, open, choice);
            plan.pop();
            match classes.last_mut() {
                Some(same) if same.is_as(&next) => same.take_in(next),
                _ => classes.push(next),
            }
        }
        classes
    }

    fn run_each(&mut self, plan: &mut Plan, open: Open, weight: u64) {
        let choices = self.menu.len(open.shape);
        self.part.add(open.shape, weight, u64::from(choices));
        let mut from = self.up_to(plan, open);
        for choice in 1..=choices {
            if !(self.goes_on)() {
                return;
            }
            plan.push((open.access, What::Fault, choice));
            let run = self.stage.go_on(&from, self.menu, &mut Recorded::new(plan));
            self.part.tally.count(&run);
            self.part.after += weight * u64::from(run.open - from.past.open() - 1);
            let is_broken = !run.violations.is_empty();
            if is_broken {
                self.judge(plan, run);
            }
            plan.pop();
            if is_broken {
                // Judging makes runs of its own.
                from = self.up_to(plan, open);
            }
        }
    }

    /// The run of this plan up to an access that it is known to come to.
    fn up_to(&mut self, plan: &Plan, open: Open) -> Moment<'s> {
        let moment = self.stage.up_to(self.menu, plan, open.access);
        moment.expect("the same choices lead to the same accesses")
    }

    /// What comes after this plan, whose last choice is made at that moment.
    fn look(&mut self, from: &Moment<'s>, plan: &Plan, open: Open, choice: u32) -> Class {
        let kind = self.menu.get(open.shape, choice);
        let is_harmless = kind.is_some_and(|(kind, _)| is_harmless(&kind, open.shape));
        let mut noted = Noted { access: open.access - 1, ..Noted::new(plan) };
        let run = self.stage.go_on(from, self.menu, &mut noted);
        self.part.looks += 1;
        Class {
            is_harmless,
            first: plan.clone(),
            last: plan.clone(),
            len: 1,
            open: noted.open,
            after: noted.after.value(),
            report: Report { reason: None, ..run.report },
        }
    }

    /// The faults after each representative of a class. The first stands for all of them, the last
    /// for none.
    fn descend(&mut self, class: Class, deeper: u32, weight: u64) {
        let Class { mut first, mut last, len, open, .. } = class;
        for open in &open {
            self.sweep(&mut first, *open, deeper - 1, weight * len);
            if len > 1 {
                self.sweep(&mut last, *open, deeper - 1, 0);
            }
        }
    }

    fn judge(&mut self, plan: &Plan, run: Run) {
        let calmly =
            |access| self.stage.explore_calmly(Some(self.menu), &mut Recorded::new(plan), access);
        match blame(&run, calmly) {
            Blame::Excused(window) => self.part.tally.excuse(window),
            Blame::Ignored => {
                self.part.tally.findings += 1;
                (self.found)(Finding::new(self.name, run));
            }
        }
    }
}

impl Class {
    /// Whether the two are neighbouring failures that are followed by the same.
    fn is_as(&self, next: &Class) -> bool {
        self.is_harmless
            && next.is_harmless
            && self.after == next.after
            && self.open == next.open
            && self.report == next.report
    }

    fn take_in(&mut self, next: Class) {
        self.last = next.last;
        self.len += 1;
    }
}

/// Whether the access fails honestly, and nothing has changed in the target.
fn is_harmless(kind: &FaultKind, shape: Shape) -> bool {
    match kind {
        FaultKind::Unmapped | FaultKind::Denied | FaultKind::Gone => true,
        FaultKind::Interrupted | FaultKind::Unsupported => true,
        FaultKind::Short(_) => matches!(shape, Shape::Read(_)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::frontend::FrontEnd;
    use crate::scenario::{self, Attach};
    use crate::trace::Trace;

    fn healthy() -> Attach {
        let text = r#"Attach(about: "x", process: (threads: 2),
            expect: (outcome: "armed", site: "verify"))"#;
        let read = scenario::parse(std::path::Path::new("x.ron"), text).expect("a scenario");
        read.into_attach().expect("an attempt to attach")
    }

    /// What a second fault at this access comes to, in every way there is: how often each ending.
    fn endings(
        stage: &mut Stage<'_>,
        menu: &Menu,
        first: (u32, What, u32),
        second: Open,
    ) -> BTreeMap<String, u32> {
        let mut endings = BTreeMap::new();
        let from = stage.up_to(menu, &[first], second.access).expect("the access");
        for choice in 1..=menu.len(second.shape) {
            let plan = [first, (second.access, What::Fault, choice)];
            let run = stage.go_on(&from, menu, &mut Recorded::new(&plan));
            let Report { outcome, site, undo, left, .. } = run.report;
            let ending = format!("{outcome:?} {site:?} {undo:?} {left:?} {:?}", run.violations);
            *endings.entry(ending).or_default() += 1;
        }
        endings
    }

    /// What a sweep finds in either look can be said by a schedule, and comes out again.
    #[test]
    fn what_happens_in_either_look_happens_again() {
        let scenario = healthy();
        let mut stage = Stage::new(&scenario).expect("a process");
        stage.attach_by(FrontEnd::Concord);
        let menu = menu(PartKind::Faults(1), &[]);
        let open = open_after(&mut stage, &[], &menu, &Plan::new());
        assert!(open.len() > 36, "{} accesses in two looks", open.len());
        for open in open {
            for choice in (1..=menu.len(open.shape)).step_by(7) {
                let plan = [(open.access, What::Fault, choice)];
                let run = stage.explore_with(&[], &menu, &mut Recorded::new(&plan));
                let again = stage.run_with(&run.happened, Trace::off());
                assert_eq!(again.report, run.report, "{plan:?}, told as {:?}", run.happened);
            }
        }
    }

    /// Only the first and the last of a class get a second fault. Those between must come to the
    /// same endings, each as often, as one of these two: tried with four of them, at the two
    /// accesses that follow, where engines compare what they see, and at one in five of the others.
    #[test]
    fn two_of_a_class_stand_for_those_between() {
        let scenario = healthy();
        let mut stage = Stage::new(&scenario).expect("a process");
        let menu = menu(PartKind::Faults(2), &[]);
        let mut part = Part::new(PartKind::Faults(2));
        let mut compared = 0;
        for open in open_after(&mut stage, &[], &menu, &Plan::new()) {
            let (found, goes_on) = (|_| (), || true);
            let (stage, menu, part) = (&mut stage, &menu, &mut part);
            let mut sweeper =
                Sweeper { name: "x", stage, menu, part, found: &found, goes_on: &goes_on };
            let classes = sweeper.classes(&mut Plan::new(), open);
            for class in classes.iter().filter(|class| class.len > 2) {
                let near = |second: &&Open| {
                    second.access <= open.access + 2
                        || (second.access + open.access).is_multiple_of(5)
                };
                for second in class.open.iter().filter(near) {
                    compare(sweeper.stage, menu, class, *second);
                    compared += 1;
                }
            }
        }
        assert!(compared > 50, "{compared} compared");
    }

    fn compare(stage: &mut Stage<'_>, menu: &Menu, class: &Class, second: Open) {
        let (access, what, first) = class.first[0];
        let known = [class.first[0], class.last[0]].map(|it| endings(stage, menu, it, second));
        for part in 1..5 {
            let inner = (access, what, first + class.len as u32 * part / 5);
            let it = endings(stage, menu, inner, second);
            let second = second.access;
            assert!(known.contains(&it), "{inner:?} and a fault at {second}: {it:?}");
        }
    }
}

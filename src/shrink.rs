//! The smallest scenario that still breaks the promise: what is left out one part at a time, as
//! long as the same promise is broken and the engine is as much to blame as before. What remains is
//! necessary, each part of it: without it the promise is kept.
//!
//! Faults go first and by halves, since a search leaves hundreds; they need no new process. Then
//! everything else, from the process to the last setting, and of every value each byte that is not
//! 0: where the promise is broken with 0 as well, it is 0.

use std::iter::successors;
use std::mem::{Discriminant, discriminant};

use crate::blame::{Blame, blame};
use crate::oracle::Violation;
use crate::run::{Run, Stage};
use crate::scenario::names::{OutcomeName, ReasonName, SiteName};
use crate::scenario::{
    self, Attach, DEFAULT_SCRIPT, Damage, Expect, Fault, FaultKind, Place, Process, Scenario,
    Settings,
};
use crate::trace::Trace;

/// What is left of a scenario.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shrunk {
    /// The scenario. It expects what came out, which is what is wrong.
    pub scenario: Attach,
    /// The promise that it breaks.
    pub broken: Violation,
    /// Its parts, each of which is necessary.
    pub necessary: Vec<String>,
    /// Runs that were made.
    pub runs: u64,
}

impl Shrunk {
    /// The file.
    #[must_use]
    pub fn file(&self, found_in: &str) -> String {
        let Shrunk { scenario, broken, .. } = self;
        let scenario = Scenario::Attach(Box::new(scenario.clone()));
        scenario::write_wrong(&scenario, &broken.to_string(), found_in)
    }
}

/// A broken promise, as far as a smaller scenario must break the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Wrong {
    promise: Discriminant<Violation>,
    blame: Blame,
}

/// Shrinks a scenario that breaks a promise; `None` where it breaks none.
#[must_use]
pub fn shrink(scenario: &Attach) -> Option<Shrunk> {
    let mut scenario = Attach { moves: Vec::new(), ..scenario.clone() };
    let mut stage = Stage::new(&scenario).ok()?;
    let wrong = wrong(&mut stage, &scenario.faults)?;
    let mut runs = 1;
    let faults = fewer_faults(&mut stage, &scenario.faults, wrong, &mut runs);
    drop(stage);
    scenario.faults = faults;
    let necessary = loop {
        let parts = parts(&scenario);
        runs += parts.len() as u64;
        match parts.iter().find(|(_, without)| is_wrong(without, wrong)) {
            Some((_, smaller)) => scenario = smaller.clone(),
            None => break parts.into_iter().map(|(name, _)| name).collect(),
        }
    };
    let mut stage = Stage::new(&scenario).ok()?;
    let run = stage.run_with(&scenario.faults, Trace::off());
    let broken = run.violations.first()?.what.clone();
    scenario.about = format!("found by a search: {}", run.violations.first()?.what);
    expect(&mut scenario, &run);
    Some(Shrunk { scenario, broken, necessary, runs })
}

/// What these faults make wrong.
fn wrong(stage: &mut Stage<'_>, faults: &[Fault]) -> Option<Wrong> {
    let run = stage.run_with(faults, Trace::off());
    let promise = discriminant(&run.violations.first()?.what);
    let blame = blame(&run, |access| stage.run_calmly_with(faults, access));
    Some(Wrong { promise, blame })
}

fn is_wrong(scenario: &Attach, as_before: Wrong) -> bool {
    let Ok(mut stage) = Stage::new(scenario) else { return false };
    wrong(&mut stage, &scenario.faults) == Some(as_before)
}

/// Leaves out ever smaller runs of neighbouring faults, until no single one can go (Zeller's
/// `ddmin`, without its second half: complements alone are enough).
fn fewer_faults(
    stage: &mut Stage<'_>,
    faults: &[Fault],
    as_before: Wrong,
    runs: &mut u64,
) -> Vec<Fault> {
    let mut faults = faults.to_vec();
    let mut size = faults.len().div_ceil(2);
    while size > 0 && !faults.is_empty() {
        let mut start = 0;
        while start < faults.len() {
            let end = (start + size).min(faults.len());
            let without = [&faults[..start], &faults[end..]].concat();
            *runs += 1;
            if wrong(stage, &without) == Some(as_before) {
                faults = without;
            } else {
                start = end;
            }
        }
        size = if size == 1 { 0 } else { size.div_ceil(2) };
    }
    faults
}

/// Every part of a scenario by name, each with the scenario without it.
fn parts(of: &Attach) -> Vec<(String, Attach)> {
    let mut parts = Vec::new();
    let mut part = |name: String, without: Attach| {
        if without != *of {
            parts.push((name, without));
        }
    };
    let with = |change: &dyn Fn(&mut Attach)| {
        let mut changed = of.clone();
        change(&mut changed);
        changed
    };
    part("cache".into(), with(&|it| it.cache = None));
    part("source".into(), with(&|it| it.source = None));
    part("script".into(), with(&|it| it.script = DEFAULT_SCRIPT.into()));
    for name in of.variables.keys() {
        part(format!("variable {name}"), with(&|it| drop(it.variables.remove(name))));
    }
    for (nth, damage) in of.damage.iter().enumerate() {
        part(format!("damage {damage:?}"), with(&|it| drop(it.damage.remove(nth))));
        for smaller in less_damage(damage) {
            part(format!("the size of {damage:?}"), with(&|it| it.damage[nth] = smaller.clone()));
        }
        for (bytes, plainer) in plainer_damage(damage) {
            let name = format!("{bytes} of {damage:?}");
            part(name, with(&|it| it.damage[nth] = plainer.clone()));
        }
    }
    for (nth, fault) in of.faults.iter().enumerate() {
        let name = format!("{:?} at {}", fault.kind, fault.at);
        part(format!("fault {name}"), with(&|it| drop(it.faults.remove(nth))));
        part(format!("that {name} lasts"), with(&|it| it.faults[nth].sticky = false));
        for smaller in less_of(&fault.kind) {
            part(format!("the size of {name}"), with(&|it| it.faults[nth].kind = smaller.clone()));
        }
        for (bytes, plainer) in plainer_kind(&fault.kind) {
            let name = format!("{bytes} of {name}");
            part(name, with(&|it| it.faults[nth].kind = plainer.clone()));
        }
    }
    for (nth, actor) in of.waits.iter().enumerate() {
        part(format!("wait {actor:?}"), with(&|it| drop(it.waits.remove(nth))));
    }
    for (name, config) in config_parts(&of.config) {
        part(name, with(&|it| it.config = config.clone()));
    }
    for (name, process) in process_parts(&of.process) {
        part(name, with(&|it| it.process = process.clone()));
    }
    parts
}

/// Each field that has not its default, and the struct without it.
macro_rules! without_fields {
    ($of:expr, $usual:expr, $name:literal: $($field:ident),*) => {{
        let (of, usual) = ($of, $usual);
        let mut parts = Vec::new();
        $(if of.$field != usual.$field {
            let mut without = of.clone();
            without.$field = usual.$field.clone();
            parts.push((concat!($name, ".", stringify!($field)).to_owned(), without));
        })*
        parts
    }};
}

/// The same for the settings alone.
fn config_parts(of: &Settings) -> Vec<(String, Settings)> {
    without_fields!(of, Settings::default(), "config":
        thread, interpreter, dry_run, allow_unproven, confirm, forced_thread, cancel, freeze)
}

/// The same for the process alone.
fn process_parts(of: &Process) -> Vec<(String, Process)> {
    let mut parts = without_fields!(of, Process::default(), "process":
        build, version, placement, module, found_by, image, threads, remote_debugging,
        uninitialised, host, phase, script, inner_pid);
    macro_rules! lists {
        ($($field:ident),*) => {$(
            for nth in 0..of.$field.len() {
                let mut without = of.clone();
                without.$field.remove(nth);
                parts.push((format!("process.{} {}", stringify!($field), nth + 1), without));
            }
        )*};
    }
    lists!(changes, others, thread, sub_interpreters);
    if let Some(threads) = of.threads.filter(|threads| *threads > 1) {
        let fewer = Process { threads: Some(threads - 1), ..of.clone() };
        parts.push((format!("the number of {threads} threads"), fewer));
    }
    parts
}

/// The same damage, done to fewer bytes.
fn less_damage(damage: &Damage) -> Vec<Damage> {
    match damage {
        Damage::Bytes(place, bytes) => shorter(bytes.len())
            .map(|len| Damage::Bytes(place.clone(), bytes[..len].into()))
            .collect(),
        Damage::Fill(place, len, byte) => {
            let len = usize::try_from(*len).unwrap_or(usize::MAX);
            shorter(len).map(|len| Damage::Fill(place.clone(), len as u64, *byte)).collect()
        }
        _ => Vec::new(),
    }
}

/// The same fault, with a smaller count.
fn less_of(kind: &FaultKind) -> Vec<FaultKind> {
    let smaller = |count: usize, make: fn(usize) -> FaultKind| {
        std::iter::once(0).chain(shorter(count)).map(make).filter(|other| other != kind).collect()
    };
    match kind {
        FaultKind::Short(done) => smaller(*done, FaultKind::Short),
        FaultKind::Torn(done) => smaller(*done, FaultKind::Torn),
        FaultKind::Killed(done) => smaller(*done, FaultKind::Killed),
        FaultKind::Split(done) => smaller(*done, FaultKind::Split),
        _ => Vec::new(),
    }
}

/// The same damage with zeros in it, and where they are.
fn plainer_damage(damage: &Damage) -> Vec<(String, Damage)> {
    let place = |place: &Place| place.clone();
    match damage {
        Damage::Bytes(at, bytes) => {
            plainer(bytes).map(|(name, bytes)| (name, Damage::Bytes(place(at), bytes))).collect()
        }
        Damage::Word(at, value) => plainer(&value.to_le_bytes())
            .map(|(name, bytes)| (name, Damage::Word(place(at), word(&bytes))))
            .collect(),
        Damage::Half(at, value) => plainer(&value.to_le_bytes())
            .map(|(name, bytes)| (name, Damage::Half(place(at), word(&bytes) as u32)))
            .collect(),
        _ => Vec::new(),
    }
}

/// The same lie with zeros in it, and where they are.
fn plainer_kind(kind: &FaultKind) -> Vec<(String, FaultKind)> {
    let FaultKind::LieWord(at, value) = kind else { return Vec::new() };
    plainer(&value.to_le_bytes())
        .map(|(name, bytes)| (name, FaultKind::LieWord(*at, word(&bytes))))
        .collect()
}

/// These bytes with zeros in ever smaller runs of neighbours, the last of which are single ones.
fn plainer(bytes: &[u8]) -> impl Iterator<Item = (String, Vec<u8>)> {
    let len = bytes.len();
    let sizes = successors(Some(len), |size| (*size > 1).then(|| size.div_ceil(2)));
    let runs = sizes.flat_map(move |size| {
        (0..len).step_by(size).map(move |start| start..len.min(start + size))
    });
    runs.filter(|run| bytes[run.clone()].iter().any(|byte| *byte != 0)).map(|run| {
        let mut plainer = bytes.to_vec();
        plainer[run.clone()].fill(0);
        let name = match run.len() {
            1 => format!("byte {}", run.start),
            _ => format!("bytes {} to {}", run.start, run.end - 1),
        };
        (name, plainer)
    })
}

/// The little-endian word that begins with these bytes.
fn word(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte))
}

/// Half of it, and one less.
fn shorter(len: usize) -> impl Iterator<Item = usize> {
    let half = (len > 2).then_some(len / 2);
    half.into_iter().chain(len.checked_sub(1)).filter(|len| *len > 0)
}

/// Expects what came out.
fn expect(scenario: &mut Attach, run: &Run) {
    let expect = &mut scenario.expect;
    *expect = Expect {
        outcome: OutcomeName(run.report.outcome),
        site: SiteName(run.report.site),
        reason: run.report.reason.map(|reason| ReasonName(reason.name())),
        parse_mode: None,
        proof: None,
        thread: None,
        interpreter: None,
        cache: None,
        undo: None,
        left: None,
        runs: None,
    };
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use softdock_attach::Site;

    use super::*;
    use crate::scenario::{Actor, At};

    /// A thread that ends in the one window nobody can close from outside, among so much else.
    fn broken(noise: usize) -> Attach {
        let text = r#"Attach(
            about: "a crowd",
            process: (threads: 5, sub_interpreters: [(threads: 2)], version: "3.14.2"),
            damage: [Word(ThreadField(4244, EvalBreaker), 7)],
            config: (thread: Native(4243), confirm: true),
            waits: [Poll(4242)],
            expect: (outcome: "armed", site: "verify"),
        )"#;
        let parsed = scenario::parse(Path::new("crowd.ron"), text).expect("a scenario");
        let mut scenario = parsed.into_attach().expect("an attempt to attach");
        let fault = |at, kind| Fault { at, sticky: false, kind };
        let ends = FaultKind::Move(Actor::ExitThreadAndReuse(4243));
        let raised = |nth| FaultKind::Move(Actor::Raise(4244, 1_u8 << (nth % 5)));
        scenario.faults = (0..noise)
            .map(|nth| fault(At::Access(1 + nth as u32 % 15), raised(nth)))
            .chain([fault(At::Hit(Site::WriteScriptPath, 1), ends)])
            .collect();
        scenario.faults.rotate_right(noise / 3);
        scenario
    }

    #[test]
    fn only_what_is_necessary_remains() {
        let shrunk = shrink(&broken(199)).expect("a broken promise");
        let [fault] = shrunk.scenario.faults.as_slice() else { panic!("one fault") };
        assert_eq!(fault.at, At::Hit(Site::WriteScriptPath, 1));
        assert_eq!(shrunk.scenario.process, Process { threads: Some(2), ..Process::default() });
        assert_eq!(shrunk.scenario.damage, []);
        assert!(!shrunk.scenario.config.confirm);
        assert_eq!(shrunk.necessary.len(), 4, "{:?}", shrunk.necessary);
        let text = scenario::write(&Scenario::Attach(Box::new(shrunk.scenario)));
        assert!(text.lines().count() <= 20, "{text}");
    }

    #[test]
    fn every_part_that_remains_is_necessary() {
        let shrunk = shrink(&broken(20)).expect("a broken promise").scenario;
        let mut stage = Stage::new(&shrunk).expect("a process");
        let as_before = wrong(&mut stage, &shrunk.faults).expect("still broken");
        for (name, without) in parts(&shrunk) {
            assert!(!is_wrong(&without, as_before), "{name} is not necessary");
        }
    }

    /// Half of the lie is behind the word that is read.
    #[test]
    fn of_a_value_only_the_bytes_remain_that_matter() {
        let text = r#"Attach(
            about: "a policy that forbids reads as one that allows, twice",
            process: (remote_debugging: 0),
            faults: [
                (site: "policy", hit: 1, kind: LieWord(0, 8589934593)),
                (site: "policy", hit: 2, kind: LieWord(0, 8589934593)),
            ],
            expect: (outcome: "armed", site: "verify"),
        )"#;
        let parsed = scenario::parse(Path::new("lies.ron"), text).expect("a scenario");
        let scenario = parsed.into_attach().expect("an attempt to attach");
        let shrunk = shrink(&scenario).expect("a broken promise").scenario;
        let kinds: Vec<_> = shrunk.faults.iter().map(|fault| &fault.kind).collect();
        assert_eq!(kinds, [&FaultKind::LieWord(0, 1); 2]);
    }

    #[test]
    fn where_nothing_is_wrong_there_is_nothing_to_shrink() {
        let quiet = Attach { faults: Vec::new(), ..broken(0) };
        assert_eq!(shrink(&quiet), None);
    }
}

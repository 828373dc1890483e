//! Tries mutants on every committed scenario, and tells in one line each what noticed it.
//!
//! This is no part of `softdock-mutants`: it is built in the copy of the workspace whose engine
//! holds the mutants, as a program of its own. It prints, separated by tabs: the number of the
//! mutant, what noticed it, in which scenario, the lines of the smallest scenario that is still
//! wrong, milliseconds, and how that was told.
//!
//! A mutant is noticed by the first of these that notices anything, in any scenario:
//!
//! | noticed by | how |
//! |---|---|
//! | `oracle` | a promise is broken, whatever the scenario expects |
//! | `panic` | the engine panics |
//! | `evidence` | success is told, and not everything was seen that it must rest on |
//! | `sweep` | a promise is broken once one thing more goes wrong than the scenario says |
//! | `expectation` | it comes out otherwise than the file says |
//!
//! Only scenarios on which the engine itself comes out well can tell anything.

use std::any::Any;
use std::panic::{self, AssertUnwindSafe};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Mutex;
use std::time::Instant;

use softdock::corpus::{self, Entry};
use softdock::finding::Finding;
use softdock::frontend::FrontEnd;
use softdock::oracle::Violation;
use softdock::scenario::Mistake;
use softdock::shrink::shrink;
use softdock::sweep::{Job, Sweep, Watcher};
use softdock::trace::Trace;
use softdock_process::mutant;

/// What a scenario says of the mutant that is on.
enum Seen {
    Nothing,
    /// Noticed, whatever is expected: by whom, and how that is told.
    Noticed(&'static str, String),
    Otherwise(String),
}

/// What is told of a mutant.
#[derive(Default)]
struct Noticed {
    by: &'static str,
    scenario: String,
    /// Lines of the smallest scenario that breaks the same promise; 0 where none is broken.
    lines: usize,
    how: String,
}

/// The scenarios that can tell anything.
struct Witnesses {
    /// The one that noticed the last mutant comes first.
    entries: Vec<Entry>,
    /// Whether they are swept as well.
    sweep: bool,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [folder, mutants, nth, of, way] = arguments.as_slice() else { return usage() };
    let (Ok(mutants), Ok(nth), Ok(of)) = (mutants.parse::<u32>(), nth.parse(), of.parse()) else {
        return usage();
    };
    let mut witnesses = match Witnesses::new(folder.into(), way == "sweep") {
        Ok(witnesses) => witnesses,
        Err(mistake) => {
            eprintln!("{mistake}");
            return ExitCode::FAILURE;
        }
    };
    // A panic is an answer here, not news.
    panic::set_hook(Box::new(|_| {}));
    for number in (1..=mutants).skip(nth).step_by(of) {
        let start = Instant::now();
        let Noticed { by, scenario, lines, how } = witnesses.judge(number);
        let (took, how) = (start.elapsed().as_millis(), how.replace('\n', " "));
        println!("{number}\t{by}\t{scenario}\t{lines}\t{took}\t{how}");
    }
    ExitCode::SUCCESS
}

fn usage() -> ExitCode {
    eprintln!("usage: evaluate-mutants SCENARIOS MUTANTS NTH OF quick|sweep");
    ExitCode::from(2)
}

impl Witnesses {
    fn new(folder: PathBuf, sweep: bool) -> Result<Witnesses, Mistake> {
        let mut entries = Vec::new();
        for (path, name) in corpus::find(&[folder])? {
            let entry = corpus::load(&path, &name)?;
            if entry.scenario.attach().is_none() {
                continue;
            }
            match look(&entry) {
                Seen::Nothing => entries.push(entry),
                _ => eprintln!("left out, since it fails without any mutant: {name}"),
            }
        }
        Ok(Witnesses { entries, sweep })
    }

    /// What notices this mutant.
    fn judge(&mut self, number: u32) -> Noticed {
        mutant::set(number);
        let mut otherwise = None;
        for rank in 0..self.entries.len() {
            match look(&self.entries[rank]) {
                Seen::Noticed(by, how) => return self.told(by, rank, &how),
                Seen::Otherwise(how) => otherwise = otherwise.or(Some((rank, how))),
                Seen::Nothing => {}
            }
        }
        if self.sweep {
            for rank in 0..self.entries.len() {
                if let Some(how) = sweep_kills(&self.entries[rank], number) {
                    return self.told("sweep", rank, &how);
                }
            }
        }
        match otherwise {
            Some((rank, how)) => self.told("expectation", rank, &how),
            None => Noticed { by: "nothing", ..Noticed::default() },
        }
    }

    fn told(&mut self, by: &'static str, rank: usize, how: &str) -> Noticed {
        self.entries[..=rank].rotate_right(1);
        let (scenario, lines) = (self.entries[0].name.clone(), small(&self.entries[0]));
        Noticed { by, scenario, lines, how: how.into() }
    }
}

/// Lines of the smallest scenario that breaks the same promise; 0 where none is broken.
fn small(entry: &Entry) -> usize {
    let Some(scenario) = entry.scenario.attach() else { return 0 };
    let shrunk = panic::catch_unwind(AssertUnwindSafe(|| shrink(scenario))).ok().flatten();
    shrunk.map_or(0, |shrunk| shrunk.file(&entry.name).lines().count())
}

/// Runs a scenario, and asks both judges.
fn look(entry: &Entry) -> Seen {
    panic::catch_unwind(AssertUnwindSafe(|| ask(entry)))
        .unwrap_or_else(|payload| Seen::Noticed("panic", message(&*payload)))
}

fn ask(entry: &Entry) -> Seen {
    let mut stage = match entry.stage() {
        Ok(stage) => stage,
        Err(mistake) => return Seen::Otherwise(mistake.message),
    };
    let run = stage.run(Trace::off());
    let (unseen, broken): (Vec<_>, Vec<_>) =
        run.violations.iter().partition(|broken| matches!(broken.what, Violation::Unseen(_)));
    match (broken.first(), unseen.first()) {
        (Some(broken), _) => Seen::Noticed("oracle", broken.to_string()),
        (None, Some(unseen)) => Seen::Noticed("evidence", unseen.to_string()),
        (None, None) => run.mismatches.into_iter().next().map_or(Seen::Nothing, Seen::Otherwise),
    }
}

fn message(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().copied();
    let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("a panic").into()
}

/// Whether a promise is broken with this mutant, and kept without it, once one thing more goes
/// wrong than the scenario says: every fault of the menu, at every access.
fn sweep_kills(entry: &Entry, number: u32) -> Option<String> {
    let finding = first_finding(entry)?;
    mutant::set(0);
    let clean = first_finding(entry).is_none();
    mutant::set(number);
    let faults = finding.schedule.to_string();
    clean.then(|| format!("{} by {}", finding.broken.join("; "), faults.trim()))
}

fn first_finding(entry: &Entry) -> Option<Finding> {
    let scenario = entry.scenario.attach()?;
    let sweep =
        Sweep { depth: 1, lies: false, workers: 1, shard: (0, 1), front_end: FrontEnd::Managed };
    let first = First(Mutex::new(None));
    let _ = sweep.plan(&[Job { name: &entry.name, scenario }]).run(&first);
    first.0.into_inner().ok().flatten()
}

/// Keeps the first finding of a sweep, and ends it there.
struct First(Mutex<Option<Finding>>);

impl Watcher for First {
    fn did(&self, _: u64) {}

    fn found(&self, finding: Finding) {
        if let Ok(mut first) = self.0.lock() {
            first.get_or_insert(finding);
        }
    }

    fn goes_on(&self) -> bool {
        self.0.lock().is_ok_and(|first| first.is_none())
    }
}

//! What completeness costs: attaches a second in sweeps, how sweeps grow with the process, and how
//! fast a finding is made small. Nothing fails here.
//!
//! `cargo bench --bench sweep` takes a minute; with `-- all` it also sweeps all committed scenarios
//! at depth 2, which takes minutes.

#![allow(clippy::float_arithmetic, reason = "ratios for a person to read")]

use std::path::Path;
use std::time::{Duration, Instant};

use softdock::corpus::{self, Entry};
use softdock::finding::Finding;
use softdock::frontend::FrontEnd;
use softdock::run::Stage;
use softdock::scenario::{self, Actor, At, Attach, Fault, FaultKind};
use softdock::shrink::shrink;
use softdock::sweep::{Certificate, Job, Sweep, Watcher};
use softdock_attach::Site;

/// Calls of what is fast, of which the median counts.
const ROUNDS: usize = 31;

const ONE_CORE: Sweep =
    Sweep { depth: 2, lies: false, workers: 1, shard: (0, 1), front_end: FrontEnd::Managed };

fn main() {
    one_scenario();
    growth();
    shrinking();
    let all = std::env::args().any(|argument| argument == "all");
    every_scenario(1, 1);
    if all {
        every_scenario(2, 2);
    }
}

fn scenario(text: &str) -> Attach {
    let read = scenario::parse(Path::new("bench.ron"), text).expect("a scenario");
    read.into_attach().expect("an attempt to attach")
}

/// A process with so many threads and sub-interpreters, whose main thread is asked.
fn process(threads: usize, subs: usize) -> Attach {
    let subs = vec!["(threads: 1)"; subs].join(", ");
    scenario(&format!(
        "Attach(about: \"x\", process: (threads: {threads}, sub_interpreters: [{subs}]), \
         expect: (outcome: \"armed\", site: \"verify\"))"
    ))
}

/// Nothing is found here; nobody wants to know how it goes.
struct Nobody;

impl Watcher for Nobody {
    fn did(&self, _: u64) {}

    fn found(&self, finding: Finding) {
        panic!("{}", finding.schedule);
    }

    fn goes_on(&self) -> bool {
        true
    }
}

fn sweep(sweep: Sweep, jobs: &[Job<'_>]) -> (Vec<Certificate>, Duration) {
    let began = Instant::now();
    let certificates = sweep.plan(jobs).run(&Nobody);
    (certificates, began.elapsed())
}

/// Cases that were covered, and attaches that were made for it.
fn counted(certificates: &[Certificate]) -> (u64, u64) {
    let parts = || certificates.iter().flat_map(|certificate| &certificate.parts);
    (parts().map(|part| part.covered).sum(), parts().map(|part| part.tally.runs + part.looks).sum())
}

fn one_scenario() {
    let scenario = process(2, 0);
    let (certificates, took) = sweep(ONE_CORE, &[Job { name: "x", scenario: &scenario }]);
    let (cases, attaches) = counted(&certificates);
    let seconds = took.as_secs_f64();
    println!("pairs of faults of one healthy scenario, one core, both judges:");
    println!("  {cases} cases by {attaches} attaches");
    println!("  {:.2} M attaches a second", attaches as f64 / seconds / 1e6);
    println!("  {:.1} M cases a second", cases as f64 / seconds / 1e6);
}

/// How a sweep grows with what there is to look at.
fn growth() {
    println!("\n| threads | interpreters | accesses | single faults | pairs | attaches | time |");
    println!("|---:|---:|---:|---:|---:|---:|---:|");
    let mut first = None;
    for (threads, subs) in [(1, 0), (2, 0), (3, 0), (5, 0), (1, 1), (1, 2), (5, 2)] {
        let scenario = process(threads, subs);
        let (certificates, took) = sweep(ONE_CORE, &[Job { name: "x", scenario: &scenario }]);
        let (_, attaches) = counted(&certificates);
        let parts = &certificates[0].parts;
        let first = *first.get_or_insert(took);
        println!(
            "| {threads} | {} | {} | {} | {} | {attaches} | {:.2} x |",
            subs + 1,
            accesses(&scenario),
            parts[0].covered,
            parts[1].covered,
            took.as_secs_f64() / first.as_secs_f64()
        );
    }
}

fn accesses(scenario: &Attach) -> u32 {
    let mut stage = Stage::new(scenario).unwrap_or_else(|error| panic!("{}", error.message));
    stage.run(softdock::trace::Trace::off()).accesses
}

/// 200 faults, one of which breaks a promise: a thread ends right before it is written to.
fn shrinking() {
    let mut crowd = process(5, 1);
    let fault = |at, kind| Fault { at, sticky: false, kind };
    crowd.faults = (0..199)
        .map(|nth| fault(At::Access(1 + nth % 15), FaultKind::Move(Actor::Raise(4244, 1))))
        .collect();
    let ends = FaultKind::Move(Actor::ExitThreadAndReuse(4243));
    crowd.faults.insert(67, fault(At::Hit(Site::WriteScriptPath, 1), ends));
    crowd.config.thread = scenario::Thread::Native(4243);
    let mut rounds: Vec<(Duration, u64)> = (0..ROUNDS)
        .map(|_| {
            let began = Instant::now();
            let shrunk = shrink(&crowd).expect("a broken promise");
            (began.elapsed(), shrunk.runs)
        })
        .collect();
    rounds.sort();
    let (took, runs) = rounds[ROUNDS / 2];
    println!("\nshrinking 200 faults to the one that matters:");
    println!("  {:.2} ms, {runs} attaches", took.as_secs_f64() * 1e3);
}

fn every_scenario(depth: u32, workers: usize) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let files = corpus::find(&[root]).expect("the scenarios");
    let entries: Vec<Entry> = files
        .iter()
        .map(|(path, name)| corpus::load(path, name).expect("a scenario that reads"))
        .collect();
    let job = |entry: &'static Entry| {
        entry.scenario.attach().map(|scenario| Job { name: &entry.name, scenario })
    };
    let entries: &'static [Entry] = entries.leak();
    let jobs: Vec<Job<'_>> = entries.iter().filter_map(job).collect();
    let (certificates, took) = sweep(Sweep { depth, workers, ..ONE_CORE }, &jobs);
    let (cases, attaches) = counted(&certificates);
    println!("\nall {} committed scenarios, depth {depth}, {workers} workers:", jobs.len());
    println!("  {cases} cases by {attaches} attaches in {:.1} s", took.as_secs_f64());
}

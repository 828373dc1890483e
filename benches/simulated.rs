//! What a virtual attach costs: the figures of the simulator, as medians of interleaved rounds and
//! ratios between them. A benchmark, not a test: nothing fails here.

#![allow(clippy::float_arithmetic, reason = "ratios for a person to read")]

use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};

use softdock::corpus;
use softdock::run::Stage;
use softdock::scenario::{Attach, Scenario};
use softdock::session::story::Story;
use softdock::stepping::play::play;
use softdock::trace::Trace;

const CLEAN: &str = r#"(
    about: "one clean attach of a two-thread process",
    process: (threads: 2),
    expect: (outcome: "armed", site: "verify"),
)"#;

/// Rounds of each measurement.
const ROUNDS: usize = 31;

/// Runs a round.
const RUNS: u32 = 2_000;

fn main() {
    let scenario: Attach = ron::Options::default()
        .with_default_extension(ron::extensions::Extensions::IMPLICIT_SOME)
        .from_str(CLEAN)
        .expect("a scenario");
    let mut stage = Stage::new(&scenario).unwrap_or_else(|error| panic!("{}", error.message));
    let (mut off, mut on) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        off.push(time(|| drop(black_box(stage.run(Trace::off())))));
        on.push(time(|| drop(black_box(stage.run(Trace::on())))));
    }
    let (off, on) = (median(off), median(on));
    println!("clean attach, two threads, oracle on, restore included, one core:");
    println!("  trace off   {:>8} ns a run", off.as_nanos() / u128::from(RUNS));
    println!("  trace on    {:>8.2} x that", on.as_secs_f64() / off.as_secs_f64());
    all_scenarios();
}

fn all_scenarios() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let mut rounds = Vec::new();
    let mut count = 0;
    for _ in 0..ROUNDS {
        let began = Instant::now();
        let files = corpus::find(std::slice::from_ref(&root)).expect("the scenarios");
        for (path, name) in &files {
            let entry = corpus::load(path, name).expect("a scenario that reads");
            match &entry.scenario {
                Scenario::Attach(_) => {
                    black_box(entry.run(Trace::off()).expect("a process that can be built"));
                }
                Scenario::Stepping(stepping) => {
                    let (_, plan) = entry.plan().expect("a program that assembles");
                    black_box(play(stepping, &plan, false));
                }
                Scenario::Session(_) => {
                    let mut stage = entry.session().expect("a process that can be built");
                    black_box(stage.play(Story::default()));
                }
            }
        }
        count = files.len();
        rounds.push(began.elapsed());
    }
    let took = median(rounds);
    println!("all {count} committed scenarios, read, built, run and judged:");
    println!("  {:>8.1} ms", took.as_secs_f64() * 1e3);
}

fn time(mut run: impl FnMut()) -> Duration {
    let began = Instant::now();
    for _ in 0..RUNS {
        run();
    }
    began.elapsed()
}

fn median(mut rounds: Vec<Duration>) -> Duration {
    rounds.sort();
    rounds[rounds.len() / 2]
}

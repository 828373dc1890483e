//! What a proof about stepping costs: transitions a second on one core, with the real engine and
//! all promises checked at each of them, as medians. A benchmark, not a test: nothing fails here.

#![allow(clippy::float_arithmetic, reason = "ratios for a person to read")]

use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, Instant};

use softdock::corpus;
use softdock::scenario::{self, Scenario};
use softdock::stepping::explore::{Exploration, explore};
use softdock::stepping::plan::Plan;

const TWELVE_SLOTS: &str = r#"Stepping(
    about: "three threads come to two breakpoints",
    program: "
        method main args 0 locals 1
                DEBUG_METHOD_ENTER seq
        seq:    DEBUG_SEQ_POINT
                LDC_I4 v0, 7
                EMIT v0
                RET v0
        end",
    threads: ["main", "main", "main"],
    debugger: [Break("main:3"), Break("main:6"), Go],
    expect: [],
)"#;

const LOOPS: &str = r#"Stepping(
    about: "three threads come to two breakpoints in a loop, six times each",
    program: "
        method main args 0 locals 1
                DEBUG_METHOD_ENTER seq
        seq:    DEBUG_SEQ_POINT
                LDC_I4 v0, 6
        loop:   SAFEPOINT
                EMIT v0
                ADD_I4_IMM v0, v0, -1
                BRTRUE_I4 v0, loop
                RET_VOID
        end",
    threads: ["main", "main", "main"],
    debugger: [Break("main:7"), Break("main:15"), Go],
    expect: [],
)"#;

/// Rounds of each measurement, of which the median counts.
const ROUNDS: usize = 11;

fn main() {
    for (text, times) in [(TWELVE_SLOTS, 100), (LOOPS, 1)] {
        let (about, plan) = plan(text);
        let (exploration, took) = median(|| {
            (1..times).for_each(|_| drop(explore("bench", &plan, false, &|| true)));
            explore("bench", &plan, false, &|| true).0
        });
        let Exploration { states, transitions, .. } = exploration;
        let took = took / times;
        let rate = transitions as f64 / took.as_secs_f64();
        println!("{about}:");
        println!("  {states} states by {transitions} transitions, {:.2} M a second", rate / 1e6);
    }
    every_scenario();
}

fn plan(text: &str) -> (String, Rc<Plan>) {
    match scenario::parse(Path::new("bench.ron"), text) {
        Ok(Scenario::Stepping(stepping)) => {
            let plan = Plan::new(&stepping).expect("a program that assembles");
            (stepping.about, Rc::new(plan))
        }
        _ => panic!("no scenario about stepping"),
    }
}

/// All committed ones: read, assembled, every schedule gone through and judged.
fn every_scenario() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("scenarios/stepping");
    let (explorations, took) = median(|| {
        let files = corpus::find(std::slice::from_ref(&folder)).expect("the scenarios");
        let explorations = files.iter().map(|(path, name)| {
            let entry = corpus::load(path, name).expect("a scenario that reads");
            let (_, plan) = entry.plan().expect("a program that assembles");
            explore(name, &plan, false, &|| true).0
        });
        explorations.collect::<Vec<_>>()
    });
    let states: u64 = explorations.iter().map(|it| it.states).sum();
    let transitions: u64 = explorations.iter().map(|it| it.transitions).sum();
    println!("all {} committed scenarios about stepping:", explorations.len());
    println!("  {states} states by {transitions} transitions, {:.1} ms", took.as_secs_f64() * 1e3);
}

fn median<T>(mut run: impl FnMut() -> T) -> (T, Duration) {
    let mut rounds = Vec::new();
    loop {
        let began = Instant::now();
        let result = run();
        rounds.push(began.elapsed());
        if rounds.len() == ROUNDS {
            rounds.sort();
            return (result, rounds[ROUNDS / 2]);
        }
    }
}

//! Target `sweep`: the input is a scenario nobody wrote, and each execution is the whole sweep of
//! its single faults: every reported one, every silent one and every crash at every access and
//! every byte, each the real engine, judged. Scenarios that would take much longer than others are
//! left out.
//!
//! With `SOFTDOCK_FUZZ_RATE` in the environment, the attaches made and their rate are told at the
//! end.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use softdock::choice::{Chooser, Classes, Digest, Menu, Open, Prefixes, Recorded, What};
use softdock::codec::{decode, encode};
use softdock::readable::is_readable;
use softdock::run::Stage;
use softdock::scenario::process::Image;
use softdock::scenario::{Actor, Attach, FaultKind};
use softdock::trace::Trace;

use crate::crash::{Crash, attempting};
use crate::judge::judge;

/// Bytes of an input.
const INPUT_MAX: usize = 4096;

/// Threads of one interpreter, and interpreters, of a process that is swept.
const THREADS_MAX: usize = 8;

/// Attaches that one execution may cost, and bytes that one of them may read.
const ATTACHES_MAX: u64 = 30_000;
const BYTES_MAX: u64 = 64 * 1024;

/// Whether this is the first input of this process that tells of its scenario. Most of what a
/// fuzzer changes is nothing that a sweep could notice, and each sweep takes milliseconds.
#[must_use]
pub fn is_new(input: &[u8]) -> bool {
    let mut digest = Digest::default();
    digest.bytes(&essence(&decode(input)));
    SEEN.with_borrow_mut(|seen| seen.insert(digest.value()))
}

/// The shortest input that is swept the same: without what is said to people, what a plain run
/// must come to, and moves that only an exploration makes.
#[must_use]
pub fn essence(scenario: &Attach) -> Vec<u8> {
    let Attach { about, source, moves, expect, .. } = decode(&[]);
    encode(&Attach { about, source, moves, expect, ..scenario.clone() })
}

/// Checks one input.
///
/// # Errors
/// When a promise is broken and the engine could have known better.
pub fn check(input: &[u8]) -> Result<(), Crash> {
    if input.len() > INPUT_MAX {
        return Ok(());
    }
    let scenario = decode(input);
    if !is_small(&scenario) || !is_fair(&scenario) {
        return Ok(());
    }
    attempting(Some(&scenario));
    let Ok(mut stage) = Stage::new(&scenario) else { return Ok(()) };
    if !is_readable(&scenario, stage.process().table()) {
        return Ok(());
    }
    let began = Instant::now();
    stage.settle();
    let mut attaches = 0;
    let result = every_fault(&scenario, &mut stage, &mut attaches);
    RATE.with_borrow_mut(|rate| rate.add(attaches, began.elapsed()));
    result
}

/// Every single fault, after a quiet run that says what there is to strike.
fn every_fault<'s>(
    scenario: &Attach,
    stage: &mut Stage<'s>,
    attaches: &mut u64,
) -> Result<(), Crash> {
    let classes = Classes { honest: true, silent: true, crashes: true, lies: false };
    let menu = Menu::new(classes, Prefixes::Every, &[]);
    let mut quiet = Noted::default();
    let run = stage.explore(Some(&menu), &mut quiet, Trace::off());
    *attaches += 1;
    if !scenario.damage.is_empty() && !run.violations.is_empty() {
        // Damage alone can be a lie that nobody sees through; `image` looks at what is to be.
        return Ok(());
    }
    judge(scenario, &run, |at| stage.explore_calmly(Some(&menu), &mut Recorded::new(&[]), at))?;
    let cost: u64 = quiet.open.iter().map(|open| u64::from(menu.len(open.shape))).sum();
    if cost > ATTACHES_MAX || run.bytes > BYTES_MAX {
        return Ok(());
    }
    for open in &quiet.open {
        let up_to = |stage: &mut Stage<'s>| {
            let moment = stage.up_to(&menu, &[], open.access);
            moment.expect("the same choices lead to the same accesses")
        };
        let mut from = up_to(stage);
        for choice in 1..=menu.len(open.shape) {
            let plan = [(open.access, What::Fault, choice)];
            let run = stage.go_on(&from, &menu, &mut Recorded::new(&plan));
            *attaches += 1;
            if run.violations.is_empty() {
                continue;
            }
            let again = |at| stage.explore_calmly(Some(&menu), &mut Recorded::new(&plan), at);
            judge(scenario, &run, again)?;
            // Judging makes runs of its own.
            from = up_to(stage);
        }
    }
    Ok(())
}

/// Whether a sweep of it is a matter of milliseconds.
fn is_small(scenario: &Attach) -> bool {
    let process = &scenario.process;
    let subs = &process.sub_interpreters;
    process.threads.is_none_or(|threads| threads <= THREADS_MAX)
        && subs.len() <= THREADS_MAX
        && subs.iter().all(|sub| sub.threads <= THREADS_MAX)
}

/// Whether the engine can be blamed for what comes of it: not where the target lies more than once
/// and the lies bear each other out, nor where damaged memory was to be written to all the same.
fn is_fair(scenario: &Attach) -> bool {
    let Attach { process, damage, config, variables, .. } = scenario;
    let files_lie = matches!(process.image, Image::Differing(_));
    let consents = config.allow_unproven || variables.values().any(|value| value == "1");
    let lies = scenario.lies() || !damage.is_empty() && (files_lie || consents);
    !lies && !has_twin(scenario)
}

/// Whether somebody else asks for the very same script meanwhile, maybe in the same thread. The
/// oracle does not tell that request from one of ours that was left behind.
fn has_twin(scenario: &Attach) -> bool {
    let since = scenario.cache.iter().flat_map(|cache| &cache.since);
    let moves = scenario.faults.iter().filter_map(|fault| match &fault.kind {
        FaultKind::Move(actor) => Some(actor),
        _ => None,
    });
    let mut actors = since.chain(moves).chain(&scenario.waits);
    let script = &scenario.script;
    actors.any(|actor| matches!(actor, Actor::OtherDebugger(_, path) if path == script))
}

/// A quiet run that takes note of what could go wrong.
#[derive(Default)]
struct Noted {
    open: Vec<Open>,
}

impl Chooser for Noted {
    fn choose(&mut self, open: Open, _: u32) -> u32 {
        if open.what == What::Fault {
            self.open.push(open);
        }
        0
    }
}

thread_local! {
    /// The scenarios that were told of.
    static SEEN: RefCell<BTreeSet<u128>> = RefCell::default();
    static RATE: RefCell<Rate> = const { RefCell::new(Rate { attaches: 0, took: Duration::ZERO }) };
}

/// How much was done, told when the fuzzer ends.
struct Rate {
    attaches: u64,
    took: Duration,
}

impl Rate {
    fn add(&mut self, attaches: u64, took: Duration) {
        self.attaches += attaches;
        self.took += took;
    }
}

impl Drop for Rate {
    fn drop(&mut self) {
        let millis = u64::try_from(self.took.as_millis()).unwrap_or(u64::MAX).max(1);
        if std::env::var_os("SOFTDOCK_FUZZ_RATE").is_some() {
            eprintln!(
                "sweep: {} attaches in {millis} ms, {} a second",
                self.attaches,
                self.attaches * 1000 / millis
            );
        }
    }
}

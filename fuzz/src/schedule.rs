//! Target `schedule`: everything that a committed scenario leaves open is chosen by bytes. Any
//! number of faults may strike, reported or not, the attacher may be killed in the middle of a
//! write, and the target may make its moves at any time. Lies come singly and with nothing else:
//! two of them can fool anybody.
//!
//! The first byte of an input is the scenario, the second the menu, the rest the choices.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::OnceLock;

use softdock::choice::{Bytes, Chooser, Classes, Menu, Open, Prefixes, What};
use softdock::run::Stage;
use softdock::scenario::Attach;
use softdock::trace::Trace;

use crate::crash::{Crash, attempting};
use crate::judge::judge;

/// Scenarios that the bytes play with: each way to attach, each move that a target can make.
macro_rules! plays {
    ($($name:literal),* $(,)?) => {
        /// Their names and texts.
        pub const PLAYS: &[(&str, &str)] =
            &[$(($name, include_str!(concat!("../../scenarios/", $name, ".ron")))),*];
    };
}

plays! {
    "attach/one-thread", "attach/two-threads", "attach/cache-hit", "attach/cancel-own-request",
    "attach/cpython-3-15", "attach/cpython-3-14-free-threaded", "attach/dead-second-copy",
    "attach/any-picks-the-one-that-runs", "attach/longer-path-left-behind",
    "attach/sub-interpreter-by-id", "attach/stopped-and-then-awaited", "attach/windows-3-14",
    "attach/taken-while-checking-signals", "attach/extended-unknown-minor-by-consent",
    "race/cancel-and-poll", "race/events-come-and-are-withdrawn", "race/exec",
    "race/fork-and-poll", "race/frozen-thread-exits-and-memory-is-reused",
    "race/main-thread-polls", "race/neighbours-come-and-go", "race/other-debugger-and-poll",
    "race/other-debugger-with-a-longer-path", "race/pid-reused", "race/remembered-thread-exits",
    "race/sub-interpreter-destroyed", "race/thread-exits-and-another-gets-its-block",
    "race/thread-exits-and-memory-is-reused", "race/signals-are-checked", "race/process-exits",
}

/// Checks one input.
///
/// # Errors
/// When a promise is broken and the engine could have known better.
pub fn check(input: &[u8]) -> Result<(), Crash> {
    let [play, mode, choices @ ..] = input else { return Ok(()) };
    let scenario = &scenarios()[usize::from(*play) % PLAYS.len()];
    attempting(Some(scenario));
    STAGES.with_borrow_mut(|stages| {
        let stage = stages.entry(*play).or_insert_with(|| {
            Stage::new(scenario).unwrap_or_else(|error| panic!("{}", error.message))
        });
        // A scenario that lies itself gets no lie of ours.
        if *mode & 1 == 1 && !scenario.lies() {
            one_lie(scenario, stage, choices)
        } else {
            anything_else(scenario, stage, choices)
        }
    })
}

thread_local! {
    static STAGES: RefCell<BTreeMap<u8, Stage<'static>>> = const { RefCell::new(BTreeMap::new()) };
}

/// The scenarios, read once.
fn scenarios() -> &'static [Attach] {
    static READ: OnceLock<Vec<Attach>> = OnceLock::new();
    READ.get_or_init(|| {
        let read = |(name, text): &(&str, &str)| {
            let read = softdock::scenario::parse(name.as_ref(), text)
                .unwrap_or_else(|mistake| panic!("{mistake}"));
            read.into_attach().expect("a play is an attempt to attach")
        };
        PLAYS.iter().map(read).collect()
    })
}

fn anything_else(scenario: &Attach, stage: &mut Stage<'_>, choices: &[u8]) -> Result<(), Crash> {
    let classes = Classes { honest: true, silent: true, crashes: true, lies: false };
    let menu = Menu::new(classes, Prefixes::Every, &[]);
    let run = stage.explore(Some(&menu), &mut Bytes::new(choices), Trace::off());
    // By what happened, not by the bytes: a moment in which the target may not move takes none of
    // them, and all that follow would mean something else.
    let faults = [&scenario.faults[..], &run.happened].concat();
    judge(scenario, &run, |at| stage.run_calmly_with(&faults, at))
}

fn one_lie(scenario: &Attach, stage: &mut Stage<'_>, choices: &[u8]) -> Result<(), Crash> {
    let classes = Classes { lies: true, ..Classes::default() };
    let menu = Menu::new(classes, Prefixes::Every, &[]);
    let once = || Once { bytes: Bytes::new(choices), done: false };
    let run = stage.explore(Some(&menu), &mut once(), Trace::off());
    let again = |at| stage.explore_calmly(Some(&menu), &mut once(), at);
    judge(scenario, &run, again)
}

/// One fault, and no move.
struct Once<'b> {
    bytes: Bytes<'b>,
    done: bool,
}

impl Chooser for Once<'_> {
    fn choose(&mut self, open: Open, options: u32) -> u32 {
        if self.done || open.what == What::Mover {
            return 0;
        }
        let choice = self.bytes.choose(open, options);
        self.done = choice != 0;
        choice
    }
}

//! Builds with more words in their table, among them six that look like those that tell where to
//! write: whatever the engine makes of them, the oracle must find nothing to say against it. The
//! first such builds were found by a fuzzer; here they are made up by the thousand.

use proptest::prelude::*;
use proptest::sample::select;
use softdock::choice::Quiet;
use softdock::evidence::Evidence;
use softdock::readable::is_readable;
use softdock::run::Stage;
use softdock::scenario::names::WordName;
use softdock::scenario::process::{Change, Image};
use softdock::scenario::{Attach, Damage, Place};
use softdock::trace::Trace;
use softdock::world::{Past, Plot, World};
use softdock_attach::Config;
use softdock_cpython::{Process, SUPPORT};

use crate::properties::{cases, keeps_its_promises, scenario};

/// Random builds tried; each costs some ten microseconds.
const CASES: u32 = 20_000;

/// The six words of CPython 3.14.10 on Linux, and where its table has them.
const TRUE: [u64; 6] = [24, 304, 8076, 0, 4, 512];
const PLACE: u64 = 712;

/// Six words that are like the true ones, with others among and behind them.
fn window() -> impl Strategy<Value = Vec<u64>> {
    let near =
        |nth: usize, others: &'static [u64]| prop_oneof![2 => Just(TRUE[nth]), 1 => select(others)];
    let six = [
        near(0, &[8, 16, 32, 40]),
        near(1, &[168, 200, 292, 300, 308, 312, 316, 560, 816]),
        near(2, &[7280, 7352, 8052, 8068, 8072, 8080, 8084]),
        near(3, &[4, 8]),
        near(4, &[5, 8, 12]),
        near(5, &[500, 508, 513, 640, 768, 1024]),
    ];
    let other = (0..=8_usize, select(&[0_u64, 4, 8, 9, 24, 304, 512][..]));
    (six, prop::collection::vec(other, 0..7)).prop_map(|(six, others)| {
        let mut words = six.to_vec();
        for (at, other) in others {
            words.insert(at.min(words.len()), other);
        }
        words
    })
}

fn change() -> impl Strategy<Value = Change> {
    let before = (80..90_u64).prop_map(|nth| nth * 8);
    let place = prop_oneof![3 => Just(PLACE), 1 => Just(PLACE + 48), 1 => before];
    let word = select(&SUPPORT[..]).prop_map(WordName);
    let other = ["thread_state.size", "thread_state.datastack_chunk", "interpreter_state.size"];
    let any_word = prop_oneof![word.clone(), select(other.to_vec()).prop_map(WordName)];
    let value = select(&[8_u64, 32, 280, 288, 320, 848, 1024, 8052, 8092][..]);
    prop_oneof![
        6 => (place, window()).prop_map(|(at, words)| Change::Insert(at, words)),
        2 => (word.clone(), word).prop_map(|(a, b)| Change::Order(vec![a, b])),
        2 => select(&[448_u64, 500, 508, 513, 600, 640, 768, 1024][..]).prop_map(Change::Capacity),
        1 => (any_word, value).prop_map(|(word, value)| Change::Set(word, value)),
    ]
}

/// A build, and sometimes a word of its interpreter that could be taken for the policy.
fn process() -> impl Strategy<Value = Attach> {
    let version = select(&["", "version: \"3.14.0a7\", ", "version: \"3.16.0\", "][..]);
    let policy = select(&["", "remote_debugging: 0, "][..]);
    let subs = select(&["", "sub_interpreters: [(threads: 1)], "][..]);
    let base = (version, policy, 1..4_usize, subs).prop_map(|(version, policy, threads, subs)| {
        scenario(&format!("{version}{policy}{subs}threads: {threads}"))
    });
    let false_policy = (select(&[7280_u64, 7352, 8052, 8068, 8072, 8080, 8084][..]), 0..2_u32);
    let changes = prop::collection::vec(change(), 1..4);
    (base, changes, prop::option::of(false_policy), any::<bool>()).prop_map(
        |(mut attach, changes, false_policy, has_file): (Attach, _, _, _)| {
            attach.process.changes = changes;
            // Where the interpreter is depends on how long the table has become.
            let process = Process::new(&attach.process.spec()).ok();
            let main = process.and_then(|process| process.interpreter(0));
            let damage = false_policy.zip(main).map(|((offset, says), main)| {
                Damage::Half(Place::Address(main.at.get() + offset), says)
            });
            attach.damage = damage.into_iter().collect();
            if !has_file {
                attach.process.image = Image::Unreadable;
            }
            attach
        },
    )
}

/// Words behind all the bytes that are searched are seen by nobody: one goes by six before them
/// that are nearly right. Found by the fuzzer of sweeps.
#[test]
fn a_table_whose_words_nobody_looks_at_is_no_readable_one() {
    for (between, is_known) in [(400, true), (420, false)] {
        let words = "0, ".repeat(between);
        let changes = format!("Insert(712, [24, 308, 8076, 0, 4, 512, {words}])");
        let attach = scenario(&format!("version: \"3.16.0\", changes: [{changes}]"));
        let mut stage = Stage::new(&attach).expect("a process");
        let run = stage.run(Trace::off());
        assert_eq!(is_readable(&attach, stage.process().table()), is_known);
        assert_eq!(run.violations.is_empty(), is_known, "{}", run.report.summary());
    }
}

/// A list of threads by a guess would tell of scripts that are not pending, and hide those that
/// are.
#[test]
fn nobody_lists_threads_by_a_guess() {
    for (guesses, listed) in [("", 1), ("Insert(712, [24, 308, 8076, 0, 4, 512])", 0)] {
        let attach = scenario(&format!("version: \"3.16.0\", changes: [{guesses}]"));
        let mut process = Process::new(&attach.process.spec()).expect("a process");
        let (plot, mut quiet, mut evidence) = (Plot::default(), Quiet, Evidence::default());
        let mut past = Past::none(b"/tmp/attach.py", &plot, &process);
        let trace = Trace::off();
        let mut world = World::new(&mut process, plot, &mut past, &mut quiet, trace, &mut evidence);
        let survey = softdock_attach::survey(&mut world, &Config::default(), b"/tmp/attach.py");
        assert_eq!(survey.interpreters.len(), listed, "{}", survey.report.summary());
    }
}

proptest! {
    #![proptest_config(cases(CASES, 0x50f7_d0c7))]

    #[test]
    fn no_second_window_makes_a_false_positive(attach in process()) {
        let Ok(mut stage) = Stage::new(&attach) else { return Ok(()) };
        if !is_readable(&attach, stage.process().table()) {
            return Ok(());
        }
        keeps_its_promises(&mut stage)?;
    }
}

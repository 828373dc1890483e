//! Random damage to the memory of a process whose mapped file is intact: whatever the engine makes
//! of it, the oracle must find nothing to say against it, and nothing may panic or run away. Which
//! damage is refused where is told by the scenarios; here only the promise is held, on many.

use proptest::prelude::*;
use softdock::run::Stage;
use softdock::scenario::names::WordName;
use softdock::scenario::place::{InterpreterField, ThreadField};
use softdock::scenario::{Attach, Damage, Place};
use softdock_cpython::SUPPORT;

use crate::properties::{cases, keeps_its_promises, scenario};

/// Random processes tried; each costs some ten microseconds.
const CASES: u32 = 4_000;

/// A healthy process of a released build, with threads and sub-interpreters.
fn process() -> impl Strategy<Value = Attach> {
    const BUILDS: &[&str] =
        &["3.14.10-linux", "3.15.2-linux", "3.14.6-windows", "3.15.0rc1t-windows"];
    (prop::sample::select(BUILDS), 1..4_usize, 0..2_usize).prop_map(|(build, threads, subs)| {
        let subs = "(threads: 1), ".repeat(subs);
        scenario(&format!("build: \"{build}\", threads: {threads}, sub_interpreters: [{subs}]"))
    })
}

/// A place that the engine looks at.
fn place() -> impl Strategy<Value = Place> {
    let interpreter = prop::sample::select(vec![
        InterpreterField::Id,
        InterpreterField::Next,
        InterpreterField::ThreadsHead,
        InterpreterField::ThreadsMain,
        InterpreterField::RemoteDebuggingEnabled,
    ]);
    let thread = prop::sample::select(vec![
        ThreadField::Prev,
        ThreadField::Next,
        ThreadField::Interp,
        ThreadField::NativeThreadId,
        ThreadField::Status,
        ThreadField::EvalBreaker,
        ThreadField::PendingCall,
        ThreadField::ScriptPath,
    ]);
    prop_oneof![
        2 => prop::sample::select(&SUPPORT[..]).prop_map(|word| Place::Slab(WordName(word))),
        4 => (0..128_u64).prop_map(|word| Place::Runtime(word * 8)),
        2 => interpreter.prop_map(|field| Place::InterpreterField(0, field)),
        2 => thread.prop_map(|field| Place::ThreadField(4242, field)),
    ]
}

/// Values that break readers: small, huge, offsets of real fields, addresses of real things.
fn value() -> impl Strategy<Value = u64> {
    prop_oneof![
        0..1024_u64,
        (0..256_u64).prop_map(|word| word * 4),
        any::<u64>(),
        any::<u32>().prop_map(u64::from),
        prop::sample::select(vec![0xbb_6a40_u64, 0xbe_d8e0, 0x2000_0008, 0xba_07c0, 1 << 47]),
    ]
}

proptest! {
    #![proptest_config(cases(CASES, 0x50f7_d0c4))]

    #[test]
    fn no_damage_to_memory_makes_a_false_positive(
        mut attach in process(),
        damage in prop::collection::vec((place(), value()).prop_map(|(p, v)| Damage::Word(p, v)), 1..4),
    ) {
        attach.damage = damage;
        let Ok(mut stage) = Stage::new(&attach) else { return Ok(()) };
        keeps_its_promises(&mut stage)?;
    }
}

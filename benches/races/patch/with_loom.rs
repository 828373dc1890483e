//! The breakpoint with loom's atomics, mutex and threads.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

use loom::sync::Mutex;
use loom::sync::atomic::AtomicU32;

use super::{BREAKPOINT, NOP, PATCHED, PROGRAM, Race, WAY};
use crate::{Verdict, panics};

struct Shared {
    words: [AtomicU32; 2],
    /// What the breakpoint has replaced.
    table: Mutex<Option<u32>>,
}

pub(crate) fn explore(race: Race) -> Verdict {
    let executions = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&executions);
    let broken = panics(move || {
        let mut model = loom::model::Builder::new();
        model.max_branches = 10_000;
        model.check(move || {
            counted.fetch_add(1, SeqCst);
            run(race);
        });
    });
    Verdict { broken, steps: executions.load(SeqCst), is_complete: true }
}

fn run(race: Race) {
    let words = PROGRAM.map(AtomicU32::new);
    let shared = loom::sync::Arc::new(Shared { words, table: Mutex::new(None) });
    let threads: Vec<_> = (0..race.threads)
        .map(|_| {
            let shared = shared.clone();
            loom::thread::spawn(move || interpret(&shared))
        })
        .collect();
    // On the first thread: as the last one that starts it is explored too little, and one other
    // thread does not come to the bug.
    set(&shared, race.bug);
    remove(&shared);
    assert!(threads.into_iter().all(|thread| thread.join().is_ok()));
}

fn set(shared: &Shared, bug: bool) {
    let early = (!bug).then(|| lock(&shared.table));
    let word = &shared.words[PATCHED];
    let original = word.load(SeqCst);
    word.store(BREAKPOINT, SeqCst);
    assert_eq!(word.load(SeqCst), BREAKPOINT, "the debugger alone writes");
    let mut table = early.unwrap_or_else(|| lock(&shared.table));
    *table = Some(original);
}

fn remove(shared: &Shared) {
    let mut table = lock(&shared.table);
    let word = &shared.words[PATCHED];
    let original = table.expect("it was set");
    word.store(original, SeqCst);
    assert_eq!(word.load(SeqCst), original, "the debugger alone writes");
    *table = None;
}

fn interpret(shared: &Shared) {
    for at in WAY {
        let word = &shared.words[at];
        let executed = loop {
            match word.load(SeqCst) {
                BREAKPOINT => {}
                opcode => break opcode,
            }
            if let Some(opcode) = instead(shared, word) {
                break opcode;
            }
        };
        assert_eq!(executed, PROGRAM[at], "another opcode than the program's");
    }
}

/// What is executed in the place of the breakpoint that was fetched here, unless it is gone.
fn instead(shared: &Shared, word: &AtomicU32) -> Option<u32> {
    let table = lock(&shared.table);
    table.or_else(|| (word.load(SeqCst) == BREAKPOINT).then_some(NOP))
}

fn lock<T>(mutex: &Mutex<T>) -> loom::sync::MutexGuard<'_, T> {
    mutex.lock().expect("nobody panics with the lock")
}

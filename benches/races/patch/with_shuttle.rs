//! The breakpoint with shuttle's atomics, mutex and threads.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

use shuttle::sync::Mutex;
use shuttle::sync::atomic::AtomicU32;

use super::{BREAKPOINT, NOP, PATCHED, PROGRAM, Race, WAY};
use crate::{Verdict, panics};

/// It gives up after so many: with two threads there are more.
const SCHEDULES_MAX: u64 = 30_000_000;

struct Shared {
    words: [AtomicU32; 2],
    /// What the breakpoint has replaced.
    table: Mutex<Option<u32>>,
}

pub(crate) fn explore(race: Race) -> Verdict {
    let schedules = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&schedules);
    let broken = panics(move || {
        let every = move || {
            counted.fetch_add(1, SeqCst);
            run(race);
        };
        shuttle::check_dfs(every, Some(SCHEDULES_MAX as usize));
    });
    let steps = schedules.load(SeqCst);
    Verdict { broken, steps, is_complete: steps < SCHEDULES_MAX }
}

fn run(race: Race) {
    let words = PROGRAM.map(AtomicU32::new);
    let shared = Arc::new(Shared { words, table: Mutex::new(None) });
    let mut threads: Vec<_> = (0..race.threads)
        .map(|_| {
            let shared = shared.clone();
            shuttle::thread::spawn(move || interpret(&shared))
        })
        .collect();
    // The last to start, since who starts first runs first: else a search that goes depth first
    // comes to the bug after everything else.
    threads.push(shuttle::thread::spawn(move || {
        set(&shared, race.bug);
        remove(&shared);
    }));
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

fn lock<T>(mutex: &Mutex<T>) -> shuttle::sync::MutexGuard<'_, T> {
    mutex.lock().expect("nobody panics with the lock")
}

//! Random lives of a process: whatever it does, its lists are consistent, and all can be undone.

mod picture;

use picture::picture;
use softdock_cpython::{Build, InterpreterSpec, Process, ProcessSpec, ThreadKey, ThreadSpec};
use softdock_process::{Address, Threads};

/// Any sequence of moves: no panic, the lists in memory always tell the truth, and the way back
/// leads to the same bytes, the same truth and the same fingerprint.
#[test]
fn random_lives_are_consistent_and_can_be_undone() {
    for seed in 0..60 {
        let mut draw = generator(seed);
        let build = Build::ALL[draw(9) as usize];
        let interpreters = vec![InterpreterSpec::with_threads(2), InterpreterSpec::default()];
        let spec = ProcessSpec { build, interpreters, ..ProcessSpec::default() };
        let mut process = Process::new(&spec).unwrap();
        let start = (picture(&process), process.threads().collect::<Vec<_>>());
        let lives: Vec<_> = [seed, seed, seed + 1_000].map(generator).into();
        let mut ends = Vec::new();
        for mut draw in lives {
            for _ in 0..40 {
                move_somehow(&mut process, &mut draw);
                check_lists(&mut process);
            }
            ends.push((process.fingerprint(), picture(&process)));
            process.restore();
            assert_eq!(process.fingerprint(), 0);
            assert_eq!((picture(&process), process.threads().collect()), start, "seed {seed}");
            assert!(process.runs().is_empty());
        }
        assert_eq!(ends[0], ends[1], "same moves, same bytes");
        assert_ne!(ends[0].0, ends[2].0);
    }
}

fn generator(seed: u64) -> impl FnMut(u64) -> u64 {
    let mut state = seed.wrapping_mul(2).wrapping_add(1);
    move |bound| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % bound
    }
}

fn move_somehow(process: &mut Process, draw: &mut impl FnMut(u64) -> u64) {
    let key = ThreadKey(draw(8) as u32);
    let id = draw(4) as i64;
    let freed = process.freed().last().unwrap_or(Address::NULL);
    // Refusals are part of life: only panics and wrong states count here.
    let _ = match draw(13) {
        0 => process.start_thread(id, &ThreadSpec::default()).map(drop),
        1 => process.exit_thread(key),
        2 => process.create_interpreter(&InterpreterSpec::with_threads(1)).map(drop),
        3 => process.destroy_interpreter(id),
        4 => process.arm(key, b"/tmp/x.py"),
        5 => process.poll(key).map(drop),
        6 => process.check_signals(key).map(drop),
        7 => process.raise(key, draw(256) as u8),
        8 => process.withdraw(key, draw(256) as u8),
        9 => process.reuse(freed),
        10 => process.bump_instrumentation(),
        11 if draw(10) == 0 => process.finalise(),
        _ => process.will_raise(key, draw(16) as u8),
    };
}

fn check_lists(process: &mut Process) {
    let head = process.field_at(process.runtime(), "runtime_state.interpreters_head").unwrap();
    let known: Vec<_> = process.interpreters().collect();
    let mut at = process.memory().peek_u64(head).unwrap();
    for live in known {
        assert_eq!(at, live.at.get());
        let threads: Vec<_> =
            process.threads().filter(|thread| thread.interpreter == live.id).collect();
        let mut thread = interpreter_word(process, live.at, "interpreter_state.threads_head");
        for known in threads {
            assert_eq!(thread, known.at.get());
            assert_eq!(process.is_thread(known.native), Ok(true));
            thread = interpreter_word(process, known.at, "thread_state.next");
        }
        assert_eq!(thread, 0);
        at = interpreter_word(process, live.at, "interpreter_state.next");
    }
    assert_eq!(at, 0);
}

fn interpreter_word(process: &Process, at: Address, word: &str) -> u64 {
    process.memory().peek_u64(process.field_at(at, word).unwrap()).unwrap()
}

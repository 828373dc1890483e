//! While a process is frozen nothing of it moves; afterwards all of it goes on.

use std::time::{Duration, Instant};

use libtest_mimic::{Failed, Trial};
use softdock_live::{FreezeError, Process};

use crate::child::{Running, Target, eventually};

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        Trial::test("a_busy_thread_stands_still", a_busy_thread),
        Trial::test("fifty_threads_stand_still", fifty_threads),
        Trial::test("threads_that_start_and_end_stand_still", a_storm),
        Trial::test("memory_can_be_written_meanwhile", memory_can_be_written),
        Trial::test("a_panic_lets_it_go_on", a_panic),
        Trial::test("another_thread_may_let_it_go_on", another_thread_may_let_go),
        Trial::test("a_sleep_is_neither_shorter_nor_longer", a_sleep),
        Trial::test("a_target_in_the_middle_of_exec_lives_on", an_exec),
    ]
}

fn a_busy_thread() -> Result<(), Failed> {
    let mut target = Target::start("busy", &[]);
    for _ in 0..20 {
        target.expect_going(1);
        let frozen = target.freeze();
        assert_eq!((frozen.threads(), target.states().as_str()), (2, "tt"));
        target.expect_still();
        assert!(frozen.thaw() >= Duration::from_millis(20));
        assert!(!target.is_traced());
    }
    target.expect_going(1);
    Ok(())
}

fn fifty_threads() -> Result<(), Failed> {
    let mut target = Target::start("counters", &[50]);
    target.expect_going(50);
    let frozen = target.freeze();
    assert_eq!((frozen.threads(), target.states()), (51, "t".repeat(51)));
    target.expect_still();
    drop(frozen);
    target.expect_going(50);
    Ok(())
}

fn a_storm() -> Result<(), Failed> {
    let mut target = Target::start("storm", &[]);
    for _ in 0..100 {
        target.expect_going(1);
        let frozen = target.freeze();
        let states = target.states();
        assert_eq!(states, "t".repeat(frozen.threads()));
        let before = target.counted();
        std::thread::sleep(Duration::from_millis(1));
        assert_eq!(target.counted(), before);
    }
    target.expect_going(1);
    assert!(!target.is_traced());
    Ok(())
}

fn memory_can_be_written() -> Result<(), Failed> {
    let mut target = Target::start("counters", &[3]);
    let frozen = target.freeze();
    target.set(1, 1 << 40);
    assert_eq!(target.counted()[1], 1 << 40);
    drop(frozen);
    eventually(|| target.counted()[1] > 1 << 40);
    Ok(())
}

fn a_panic() -> Result<(), Failed> {
    let mut target = Target::start("counters", &[3]);
    let process = &target.process;
    let ended = std::panic::catch_unwind(|| {
        let _frozen = process.freeze().unwrap();
        std::panic::resume_unwind(Box::new("without a word on the screen"));
    });
    assert!(ended.is_err());
    target.expect_going(3);
    Ok(())
}

fn another_thread_may_let_go() -> Result<(), Failed> {
    let mut target = Target::start("counters", &[3]);
    let frozen = target.freeze();
    target.expect_still();
    std::thread::spawn(move || drop(frozen)).join().unwrap();
    target.expect_going(3);
    Ok(())
}

fn a_sleep() -> Result<(), Failed> {
    let began = Instant::now();
    let mut target = Target::start("sleep", &[900]);
    while began.elapsed() < Duration::from_millis(700) {
        drop(target.freeze());
        std::thread::sleep(Duration::from_millis(2));
    }
    let told = target.running.line();
    let (result, micros) = told.split_once(' ').unwrap();
    assert_eq!(result, "0", "not interrupted");
    // Begun anew after the last freeze it would have been 1600 ms.
    assert!((900_000..1_400_000).contains(&micros.parse::<u32>()?), "{told}");
    Ok(())
}

/// The worst there is for a tracer, see `reap_ended_threads`.
fn an_exec() -> Result<(), Failed> {
    let mut target = Running::start("exec", &[0]);
    target.line();
    // Between two programs there is a moment without memory.
    let process = std::iter::repeat_with(|| Process::open(target.pid())).find_map(Result::ok);
    let process = process.ok_or("a process")?;
    let mut held = 0;
    for _ in 0..600 {
        match process.freeze() {
            Ok(_) => held += 1,
            // One that waits for the others to end is in state D; a busy machine may be in the way.
            Err(FreezeError::Unstoppable { .. } | FreezeError::Restless { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        std::thread::sleep(Duration::from_micros(300));
    }
    assert!(held > 10, "{held}");
    let generation = || {
        let text = std::fs::read_to_string(format!("/proc/{}/cmdline", target.pid()));
        let text = text.unwrap_or_default();
        text.split('\0').nth(1).and_then(|text| text.parse::<u32>().ok())
    };
    let before = generation().unwrap_or(0);
    eventually(|| generation().is_some_and(|now| now > before + 3));
    Ok(())
}

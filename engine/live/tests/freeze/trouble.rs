//! What stands in the way of a freeze: each has its error, and whatever it is, all goes on.

use std::time::{Duration, Instant};

use libtest_mimic::{Failed, Trial};
use softdock_live::{FreezeError, Process};
use softdock_process::{Address, ErrorKind, ProcessMemory};

use crate::child::{Running, Target, eventually};

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        Trial::test("another_tracer_is_named", another_tracer),
        Trial::test("a_killed_tracer_lets_go", a_killed_tracer),
        Trial::test("a_thread_in_a_deep_sleep_is_named", a_deep_sleep),
        Trial::test("a_process_that_ends_meanwhile_is_gone", a_process_that_ends),
        Trial::test("a_process_that_has_ended_is_gone", a_process_that_has_ended),
        Trial::test("a_first_thread_that_ends_is_not_waited_for", a_first_thread_that_ends),
        Trial::test("we_do_not_freeze_ourselves", ourselves),
    ]
}

fn another_tracer() -> Result<(), Failed> {
    let mut target = Target::start("counters", &[5]);
    let pid = target.running.pid();
    let mut tracer = Running::start("hold", &[pid]);
    assert_eq!(tracer.line(), "6");
    target.expect_still();
    let error = target.process.freeze().unwrap_err();
    let expected = FreezeError::Traced { pid, thread: pid, tracer: tracer.pid() };
    assert_eq!(error, expected);
    let says = format!("another tracer (pid {}) holds thread {pid}", tracer.pid());
    assert!(error.to_string().starts_with(&says), "{error}");
    target.expect_still();
    tracer.let_end();
    target.expect_going(5);
    tracer.child.wait()?;
    drop(target.freeze());
    Ok(())
}

fn a_killed_tracer() -> Result<(), Failed> {
    let mut target = Target::start("counters", &[5]);
    let mut tracer = Running::start("hold", &[target.running.pid()]);
    assert_eq!(tracer.line(), "6");
    target.expect_still();
    tracer.child.kill()?;
    target.expect_going(5);
    Ok(())
}

/// It cannot be stopped; the others go on, and so does it when it wakes.
fn a_deep_sleep() -> Result<(), Failed> {
    let mut target = Target::start("vfork", &[]);
    // For a moment any thread is in that state, which waits for a page from the disk.
    let sleeps_deep = || {
        std::thread::sleep(Duration::from_millis(5));
        target.states().contains('D')
    };
    eventually(|| (0..20).all(|_| sleeps_deep()));
    // Twice in a row: the first tracer must not be in the way of the second.
    for _ in 0..2 {
        let began = Instant::now();
        let error = target.process.freeze().unwrap_err();
        let took = began.elapsed();
        let FreezeError::Unstoppable { pid, state, waited, .. } = &error else {
            return Err(error.into());
        };
        assert_eq!((*pid, state.as_str()), (target.running.pid(), "D (disk sleep)"));
        assert!(*waited <= took && took < Duration::from_millis(1000), "{took:?}");
    }
    eventually(|| !target.is_traced());
    assert!(target.states().contains('D'), "it still sleeps");
    target.expect_going(1);
    target.expect_going(2);
    drop(target.freeze());
    target.expect_going(2);
    Ok(())
}

/// Its parent hears how it ended, whatever moment we met.
fn a_process_that_ends() -> Result<(), Failed> {
    let (mut met, mut gone) = (0, 0);
    for nth in 0..150 {
        let mut running = Running::start("brief", &[nth * 20]);
        let Ok(process) = Process::open(running.pid()) else { continue };
        loop {
            match process.freeze() {
                Ok(_) => met += 1,
                Err(FreezeError::Gone { .. }) => break,
                // On a busy machine.
                Err(FreezeError::Unstoppable { .. } | FreezeError::Restless { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        gone += 1;
        assert_eq!(running.child.wait()?.code(), Some(7));
    }
    assert!(met > 100 && gone > 100, "{met} {gone}");
    Ok(())
}

fn a_process_that_has_ended() -> Result<(), Failed> {
    let mut target = Target::start("busy", &[]);
    let pid = target.running.pid();
    target.running.child.kill()?;
    target.running.child.wait()?;
    assert_eq!(target.process.freeze().unwrap_err(), FreezeError::Gone { pid });
    let error = target.process.read(Address::new(4096), &mut [0; 8]).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Gone);
    Ok(())
}

/// It stays listed, as a corpse that nobody can trace.
fn a_first_thread_that_ends() -> Result<(), Failed> {
    let mut target = Target::start("first-ends", &[]);
    let before = target.freeze();
    assert_eq!(before.threads(), 2);
    target.running.let_end();
    drop(before);
    eventually(|| target.states().contains('Z'));
    for _ in 0..20 {
        let frozen = target.freeze();
        assert_eq!(frozen.threads(), 1);
        assert_eq!(target.states(), "Zt");
        drop(frozen);
    }
    eventually(|| !target.is_traced());
    Ok(())
}

fn ourselves() -> Result<(), Failed> {
    let pid = std::process::id();
    let error = Process::open(pid)?.freeze().unwrap_err();
    assert_eq!(error, FreezeError::Ourselves { pid });
    Ok(())
}

//! Signals and stops of others: none is lost, none is made up, and nobody but the target hears.

use std::time::Duration;

use libtest_mimic::{Failed, Trial};
use nix::sys::signal::Signal;
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use nix::unistd::Pid;

use crate::child::{Running, Target, eventually};
use crate::role::{QUEUED, QUEUED_SUM, USR1};

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        Trial::test("queued_signals_all_arrive", queued_signals),
        Trial::test("queued_signals_arrive_though_tracers_are_killed", tracers_are_killed),
        Trial::test("one_signal_at_a_time_arrives", one_at_a_time),
        Trial::test("a_stopped_target_stays_stopped", a_stopped_target),
        Trial::test("a_stop_meanwhile_takes_hold_afterwards", a_stop_meanwhile),
        Trial::test("a_continue_meanwhile_takes_hold_afterwards", a_continue_meanwhile),
        Trial::test("a_kill_meanwhile_kills", a_kill_meanwhile),
        Trial::test("the_parent_hears_nothing", the_parent_hears_nothing),
    ]
}

const SENT: u32 = 1000;

/// Freezes all the time while another process sends, and demands that each signal arrives, once.
fn queued_signals() -> Result<(), Failed> {
    let mut target = Target::start("signals", &[]);
    let mut sender = Running::start("send", &[target.running.pid(), SENT]);
    let mut freezes = 0;
    while sender.child.try_wait()?.is_none() {
        drop(target.freeze());
        freezes += 1;
        std::thread::sleep(Duration::from_micros(100));
    }
    assert!(freezes > 10, "{freezes}");
    expect_all(&mut target);
    Ok(())
}

#[track_caller]
fn expect_all(target: &mut Target) {
    eventually(|| target.counted()[QUEUED] >= u64::from(SENT));
    std::thread::sleep(Duration::from_millis(10));
    let counted = target.counted();
    let sum = u64::from(SENT) * u64::from(SENT + 1) / 2;
    assert_eq!((counted[QUEUED], counted[QUEUED_SUM]), (u64::from(SENT), sum));
}

fn tracers_are_killed() -> Result<(), Failed> {
    let mut target = Target::start("signals", &[]);
    let mut sender = Running::start("send", &[target.running.pid(), SENT]);
    let mut killed = 0;
    while sender.child.try_wait()?.is_none() {
        let mut tracer = Running::start("freeze", &[target.running.pid()]);
        assert_eq!(tracer.line(), "ready");
        std::thread::sleep(Duration::from_micros(300 + killed % 7 * 50));
        drop(tracer);
        killed += 1;
    }
    assert!(killed > 10, "{killed}");
    expect_all(&mut target);
    Ok(())
}

fn one_at_a_time() -> Result<(), Failed> {
    let mut target = Target::start("signals", &[]);
    for sent in 0..200 {
        // Before, within and after a freeze.
        let frozen = (sent % 3 != 0).then(|| target.freeze());
        target.running.signal(Signal::SIGUSR1);
        if sent % 3 == 1 {
            target.expect_unmoved();
        }
        drop(frozen);
        drop(target.freeze());
        eventually(|| target.counted()[USR1] == sent + 1);
    }
    Ok(())
}

impl Target {
    #[track_caller]
    fn expect_unmoved(&mut self) {
        let before = self.counted();
        std::thread::sleep(Duration::from_micros(200));
        assert_eq!(self.counted(), before);
    }

    fn is_stopped(&self) -> bool {
        self.states().chars().all(|state| state == 'T')
    }
}

fn a_stopped_target() -> Result<(), Failed> {
    let mut target = Target::start("counters", &[5]);
    target.expect_going(5);
    target.running.signal(Signal::SIGSTOP);
    eventually(|| target.is_stopped());
    for _ in 0..20 {
        let frozen = target.freeze();
        assert_eq!(target.states(), "tttttt");
        drop(frozen);
        eventually(|| target.is_stopped());
        assert!(!target.is_traced());
    }
    target.expect_still();
    target.running.signal(Signal::SIGCONT);
    target.expect_going(5);
    Ok(())
}

fn a_stop_meanwhile() -> Result<(), Failed> {
    let mut target = Target::start("counters", &[5]);
    let frozen = target.freeze();
    target.running.signal(Signal::SIGSTOP);
    assert_eq!(target.states(), "tttttt");
    drop(frozen);
    eventually(|| target.is_stopped());
    target.expect_still();
    target.running.signal(Signal::SIGCONT);
    target.expect_going(5);
    Ok(())
}

fn a_continue_meanwhile() -> Result<(), Failed> {
    let mut target = Target::start("counters", &[5]);
    target.running.signal(Signal::SIGSTOP);
    eventually(|| target.is_stopped());
    let frozen = target.freeze();
    target.running.signal(Signal::SIGCONT);
    target.expect_still();
    assert_eq!(target.states(), "tttttt");
    drop(frozen);
    target.expect_going(5);
    Ok(())
}

fn a_kill_meanwhile() -> Result<(), Failed> {
    use std::os::unix::process::ExitStatusExt;

    let mut target = Target::start("counters", &[5]);
    let frozen = target.freeze();
    target.running.signal(Signal::SIGKILL);
    eventually(|| target.states().chars().all(|state| state == 'Z'));
    drop(frozen);
    let ended = target.running.child.wait()?;
    assert_eq!(ended.signal(), Some(Signal::SIGKILL as i32));
    Ok(())
}

/// The trial is the parent; the tracer is another process, so that the two are not mixed up.
fn the_parent_hears_nothing() -> Result<(), Failed> {
    let mut target = Target::start("counters", &[5]);
    let mut tracer = Running::start("hold", &[target.running.pid()]);
    assert_eq!(tracer.line(), "6");
    let expect_nothing = |target: &Target| {
        let all = WaitPidFlag::WSTOPPED | WaitPidFlag::WCONTINUED | WaitPidFlag::WEXITED;
        let pid = Pid::from_raw(target.running.pid().cast_signed());
        assert_eq!(waitid(Id::Pid(pid), all | WaitPidFlag::WNOHANG), Ok(WaitStatus::StillAlive));
    };
    expect_nothing(&target);
    tracer.let_end();
    assert!(tracer.child.wait()?.success());
    target.expect_going(5);
    expect_nothing(&target);
    Ok(())
}

//! A command that is traced from its first instruction on, so that it can be ended at a certain
//! write to its target: right before the system makes it, or right after.

use std::io::Write;
use std::process::{Child, Command, Stdio};

use nix::errno::Errno;
use nix::libc::SYS_process_vm_writev;
use nix::sys::ptrace::{self, Options};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

/// Which side of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Before,
    After,
}

/// A moment in the life of a command: one of its writes, counted from 1, and a side of it.
pub(crate) type Moment = (usize, Side);

/// The writes that ask a thread to run a script; those that take it back come after them.
pub(crate) const ASKING: usize = 4;

/// Runs the command to this moment, and kills it there. If that comes after the request has been
/// made, it is interrupted then, as by Ctrl-C. The thread that calls this is its tracer.
#[track_caller]
pub(crate) fn kill_at(command: &Command, moment: Moment) {
    let (mut child, pid) = start(command);
    let mut now = (0, Side::After);
    while now != moment {
        let (nr, side) = next_syscall(pid);
        if nr == SYS_process_vm_writev {
            now = (now.0 + usize::from(side == Side::Before), side);
            if now == (ASKING, Side::After) && moment.0 > ASKING {
                kill(pid, Signal::SIGINT).unwrap();
            }
        }
    }
    child.kill().unwrap();
    // A call that has not begun yet does not begin any more.
    let ended = waitpid(pid, Some(WaitPidFlag::__WALL)).unwrap();
    assert_eq!(ended, WaitStatus::Signaled(pid, Signal::SIGKILL, false));
}

/// A shell waits until it is traced, and becomes the command then.
#[track_caller]
fn start(command: &Command) -> (Child, Pid) {
    let mut shell = Command::new("sh");
    shell.args(["-c", "read go; exec \"$@\"", "sh"]);
    shell.arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    shell.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = shell.spawn().unwrap();
    let pid = Pid::from_raw(child.id().cast_signed());
    ptrace::seize(pid, Options::PTRACE_O_TRACESYSGOOD | Options::PTRACE_O_EXITKILL).unwrap();
    ptrace::interrupt(pid).unwrap();
    let stopped = waitpid(pid, Some(WaitPidFlag::__WALL)).unwrap();
    assert!(matches!(stopped, WaitStatus::PtraceEvent(..)), "{stopped:?}");
    child.stdin.take().unwrap().write_all(b"\n").unwrap();
    (child, pid)
}

/// Lets it go on to where it enters or leaves the next system call; which one, and which of both.
#[track_caller]
fn next_syscall(pid: Pid) -> (i64, Side) {
    let mut signal = None;
    loop {
        ptrace::syscall(pid, signal).unwrap();
        signal = match waitpid(pid, Some(WaitPidFlag::__WALL)).unwrap() {
            WaitStatus::PtraceSyscall(_) => break,
            WaitStatus::Stopped(_, signal) => Some(signal),
            WaitStatus::PtraceEvent(..) => None,
            ended => panic!("it ended before it came to that moment: {ended:?}"),
        };
    }
    let registers = ptrace::getregs(pid).unwrap();
    // So the kernel marks a call that has no result yet.
    let is_entry = registers.rax.cast_signed() == -i64::from(Errno::ENOSYS as i32);
    let side = if is_entry { Side::Before } else { Side::After };
    (registers.orig_rax.cast_signed(), side)
}

//! The requests to the tracing interface of the kernel that a freeze needs, and looking at what
//! became of them. All are about one thread, and only the thread that seized it may make them.
//! What they add up to is told in `freeze`.

use nix::errno::Errno;
use nix::libc::{self, c_int};
use nix::sys::ptrace::{self, Options};
use nix::unistd::Pid;

/// What a thread that we trace is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    /// Not stopped yet.
    Running,
    /// Stopped for us.
    Stopped {
        /// The signal that it was about to receive; 0 is none.
        signal: c_int,
    },
    /// It has ended.
    Ended,
}

/// Becomes the tracer of a running thread, which goes on running.
pub(super) fn seize(thread: Pid) -> Result<(), Errno> {
    ptrace::seize(thread, Options::empty())
}

/// Asks a thread to stop as soon as it can.
pub(super) fn interrupt(thread: Pid) -> Result<(), Errno> {
    ptrace::interrupt(thread)
}

/// Lets a stopped thread go on, untraced. One that its owner has stopped (`SIGSTOP`, Ctrl-Z) stays
/// so: the kernel remembers that for the process.
pub(super) fn detach(thread: Pid, signal: c_int) -> Result<(), Errno> {
    let signal =
        core::ptr::without_provenance_mut::<libc::c_void>(usize::try_from(signal).unwrap_or(0));
    let nothing = core::ptr::null_mut::<libc::c_void>();
    // SAFETY: this request takes two numbers in the place of pointers and touches no memory of
    // ours. (`nix` has it too, but knows no real-time signals.)
    let result = unsafe { libc::ptrace(libc::PTRACE_DETACH, thread.as_raw(), nothing, signal) };
    Errno::result(result).map(drop)
}

/// Looks at a thread without waiting and without changing anything; `ECHILD` if we do not trace it.
///
/// Folklore: a plain wait takes the signal of a stop away, and it is lost if the tracer dies before
/// it has given it back. With `WNOWAIT` it stays where it is, and the kernel delivers it then.
pub(super) fn look(thread: Pid) -> Result<Seen, Errno> {
    // Not a child of another thread of ours: it is waitable too, but not traced.
    wait(thread, libc::WNOWAIT | libc::__WNOTHREAD)
}

/// Takes notice of the end of a thread that any thread of ours traces, so that it is gone.
///
/// Folklore: a wait for ends only is told of the stops of a traced thread as well, and takes them.
pub(super) fn reap(thread: Pid) {
    if wait(thread, libc::WNOWAIT) == Ok(Seen::Ended) {
        let _ = wait(thread, 0);
    }
}

fn wait(thread: Pid, flags: c_int) -> Result<Seen, Errno> {
    let id = libc::id_t::try_from(thread.as_raw()).map_err(|_| Errno::EINVAL)?;
    let flags = flags | libc::WEXITED | libc::WSTOPPED | libc::WNOHANG | libc::__WALL;
    // SAFETY: all bytes of this plain struct of C may be zero, which says that nothing happened.
    let mut told: libc::siginfo_t = unsafe { core::mem::zeroed() };
    // SAFETY: `told` is ours, and of the type that the call fills.
    Errno::result(unsafe { libc::waitid(libc::P_PID, id, &raw mut told, flags) })?;
    // SAFETY: the call has filled these two, or they are still zero.
    let (who, status) = unsafe { (told.si_pid(), told.si_status()) };
    Ok(match told.si_code {
        _ if who == 0 => Seen::Running,
        libc::CLD_EXITED | libc::CLD_KILLED | libc::CLD_DUMPED => Seen::Ended,
        // The low byte of an event is a signal too, but one that nobody sent.
        _ => Seen::Stopped { signal: if status >> 8 == 0 { status } else { 0 } },
    })
}

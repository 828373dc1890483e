//! What a thread is doing, or waits for: as much of it as the system tells. It stops nothing.
//!
//! The question behind it is why a thread has not run a script yet: CPython looks for one between
//! two bytecode instructions, and a thread that is inside a call does not come to the next.

use core::fmt;
use std::ffi::OsStr;
use std::time::Duration;

use nix::fcntl::readlinkat;
use nix::libc;
use softdock_process::ErrorKind;

use super::handle::Handle;
use super::status;

/// What a thread is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Activity {
    /// Whether it runs, or would if it had a processor.
    pub running: bool,
    /// Whether somebody has stopped it: a debugger, or a signal.
    pub stopped: bool,
    /// The system call that it is in; none where the system does not say.
    pub call: Option<Call>,
    /// Where in the kernel it sleeps; none where the system does not say.
    pub place: Option<String>,
}

/// A system call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// Its number.
    pub number: i64,
    /// Its name, if it is one that threads wait in.
    pub name: Option<&'static str>,
    /// The open file that it is about, and what that is.
    pub file: Option<(u64, String)>,
}

/// What such calls have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Waits {
    /// For input or output; the first argument is the open file.
    File,
    /// For one of several files.
    Events,
    /// For another thread.
    Lock,
    /// For time to pass.
    Time,
    /// For another process.
    Process,
    /// For a signal.
    Signal,
}

/// The calls that threads of Python wait in.
const CALLS: &[(i64, &str, Waits)] = &[
    (libc::SYS_read, "read", Waits::File),
    (libc::SYS_readv, "readv", Waits::File),
    (libc::SYS_pread64, "pread64", Waits::File),
    (libc::SYS_write, "write", Waits::File),
    (libc::SYS_writev, "writev", Waits::File),
    (libc::SYS_recvfrom, "recvfrom", Waits::File),
    (libc::SYS_recvmsg, "recvmsg", Waits::File),
    (libc::SYS_sendto, "sendto", Waits::File),
    (libc::SYS_sendmsg, "sendmsg", Waits::File),
    (libc::SYS_accept, "accept", Waits::File),
    (libc::SYS_accept4, "accept4", Waits::File),
    (libc::SYS_connect, "connect", Waits::File),
    (libc::SYS_ioctl, "ioctl", Waits::File),
    (libc::SYS_flock, "flock", Waits::File),
    (libc::SYS_fcntl, "fcntl", Waits::File),
    (libc::SYS_fsync, "fsync", Waits::File),
    (libc::SYS_ppoll, "ppoll", Waits::Events),
    (libc::SYS_pselect6, "pselect6", Waits::Events),
    (libc::SYS_epoll_pwait, "epoll_pwait", Waits::Events),
    (libc::SYS_futex, "futex", Waits::Lock),
    (libc::SYS_nanosleep, "nanosleep", Waits::Time),
    (libc::SYS_clock_nanosleep, "clock_nanosleep", Waits::Time),
    (libc::SYS_wait4, "wait4", Waits::Process),
    (libc::SYS_waitid, "waitid", Waits::Process),
    (libc::SYS_rt_sigtimedwait, "rt_sigtimedwait", Waits::Signal),
    (libc::SYS_rt_sigsuspend, "rt_sigsuspend", Waits::Signal),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_poll, "poll", Waits::Events),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_select, "select", Waits::Events),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_epoll_wait, "epoll_wait", Waits::Events),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_pause, "pause", Waits::Signal),
];

/// Looks at a thread, by our number of it.
pub(super) fn activity(handle: &Handle, tid: u32) -> Result<Activity, ErrorKind> {
    let status = handle.text(&format!("task/{tid}/status"))?;
    let state = status::line(&status, "State").unwrap_or_default();
    let call = handle.text(&format!("task/{tid}/syscall")).ok();
    let call = call.and_then(|text| parse_call(&text)).map(|(number, first)| {
        let known = known(number);
        let is_about_a_file = known.is_some_and(|(_, _, waits)| *waits == Waits::File);
        let file = is_about_a_file.then(|| file(handle, first)).flatten();
        Call { number, name: known.map(|(_, name, _)| *name), file }
    });
    let place = handle.text(&format!("task/{tid}/wchan")).ok();
    Ok(Activity {
        running: state.starts_with('R'),
        stopped: state.starts_with(['T', 't']),
        call,
        place: place.and_then(|text| parse_place(&text)),
    })
}

/// The time that a thread has had on a processor, by our number of it. Counted when the scheduler
/// looks at it, in a busy loop every 4 ms, and not by the moment.
pub(super) fn time_on_processor(handle: &Handle, tid: u32) -> Result<Duration, ErrorKind> {
    let text = handle.text(&format!("task/{tid}/schedstat"))?;
    let text = core::str::from_utf8(&text).ok();
    let nanos = text.and_then(|text| text.split_ascii_whitespace().next()?.parse().ok());
    nanos.map(Duration::from_nanos).ok_or(ErrorKind::Unsupported)
}

fn known(number: i64) -> Option<&'static (i64, &'static str, Waits)> {
    CALLS.iter().find(|(each, _, _)| *each == number)
}

/// The number and the first argument of the call that `syscall` tells of. Other than a line of
/// numbers it can hold `running`, and a number of -1 when the thread sleeps outside of any call.
fn parse_call(text: &[u8]) -> Option<(i64, u64)> {
    let mut words = core::str::from_utf8(text).ok()?.split_ascii_whitespace();
    let number: i64 = words.next()?.parse().ok()?;
    let first = words.next()?.strip_prefix("0x")?;
    let first = u64::from_str_radix(first, 16).ok()?;
    (number >= 0).then_some((number, first))
}

/// The name of a place in the kernel; `0` stands for none.
fn parse_place(text: &[u8]) -> Option<String> {
    let name = core::str::from_utf8(text).ok()?.trim();
    let is_name = !name.is_empty() && name != "0" && name.bytes().all(|c| c.is_ascii_graphic());
    is_name.then(|| name.to_owned())
}

/// What an open file is, as the link of its descriptor says.
fn file(handle: &Handle, descriptor: u64) -> Option<(u64, String)> {
    let link = readlinkat(handle.dir(), format!("fd/{descriptor}").as_str()).ok()?;
    let link: &OsStr = &link;
    Some((descriptor, link.to_string_lossy().into_owned()))
}

impl Activity {
    /// What would let it look for a script, in words for a person.
    #[must_use]
    pub fn remedy(&self) -> &'static str {
        let waits = self.call.as_ref().and_then(|call| known(call.number));
        match waits.map(|(_, _, waits)| *waits) {
            _ if self.stopped => "it is stopped: let it go on (kill -CONT, or end its debugger)",
            Some(Waits::File) => "it goes on when there is something to read, or room to write",
            Some(Waits::Events) => {
                "it goes on with the next event, such as a request to the service; stopping and \
                 continuing it (kill -STOP, then kill -CONT) makes an epoll return at once"
            }
            Some(Waits::Lock) => "it waits for another thread, which may be the one to ask",
            Some(Waits::Time) => "it goes on by itself when its sleep ends",
            Some(Waits::Process) => "it goes on when a child process ends",
            Some(Waits::Signal) => "it goes on with a signal",
            None if self.running => {
                "it computes outside of the interpreter's loop, in a C function"
            }
            None => "it goes on when its call returns",
        }
    }
}

impl fmt::Display for Activity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.call {
            _ if self.stopped => return f.write_str("is stopped"),
            None if self.running => return f.write_str("is running"),
            None => f.write_str("is waiting")?,
            Some(Call { name: Some(name), .. }) => write!(f, "is in {name}")?,
            Some(Call { number, .. }) => write!(f, "is in system call {number}")?,
        }
        if let Some((descriptor, what)) = self.call.as_ref().and_then(|call| call.file.as_ref()) {
            write!(f, " of file {descriptor} ({what})")?;
        }
        match &self.place {
            Some(place) => write!(f, ", at {place}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn calls_are_read() {
        let read = b"0 0x3 0x7ffd0 0x400 0x0 0x0 0x0 0x7ffc 0x7f11\n";
        assert_eq!(parse_call(read), Some((0, 3)));
        assert_eq!(parse_call(b"232 0xffffffffffffffff 0x1 0x1\n"), Some((232, u64::MAX)));
        for other in [&b"running\n"[..], b"-1 0x7ffc 0x7f11\n", b"", b"0\n", b"0 3\n", b"\xff 0x1"]
        {
            assert_eq!(parse_call(other), None);
        }
    }

    #[test]
    fn places_are_read() {
        assert_eq!(parse_place(b"pipe_read").as_deref(), Some("pipe_read"));
        for none in [&b"0"[..], b"", b"\n", b"a b", b"\xff"] {
            assert_eq!(parse_place(none), None);
        }
    }

    #[test]
    fn a_thread_says_in_words_what_it_is_in() {
        let file = Some((0, String::from("pipe:[7]")));
        let call = Some(Call { number: libc::SYS_read, name: Some("read"), file });
        let place = Some(String::from("pipe_read"));
        let mut thread = Activity { running: false, stopped: false, call, place };
        assert_eq!(thread.to_string(), "is in read of file 0 (pipe:[7]), at pipe_read");
        assert!(thread.remedy().contains("something to read"));
        thread.call = Some(Call { number: 9999, name: None, file: None });
        thread.place = None;
        assert_eq!(thread.to_string(), "is in system call 9999");
        thread.call = None;
        assert_eq!(thread.to_string(), "is waiting");
        thread.running = true;
        assert_eq!(thread.to_string(), "is running");
        assert!(thread.remedy().contains("C function"));
        thread.stopped = true;
        assert_eq!(thread.to_string(), "is stopped");
        assert!(thread.remedy().contains("-CONT"));
    }

    /// A child that reads from a pipe which stays empty, once it has read its libraries.
    #[test]
    fn a_blocked_process_is_seen_in_its_call() {
        let (input, output) = (Stdio::piped(), Stdio::null());
        let mut child = Command::new("cat").stdin(input).stdout(output).spawn().unwrap();
        let handle = Handle::open(child.id()).unwrap();
        let began = Instant::now();
        let mut seen = None;
        while seen.is_none() && began.elapsed() < Duration::from_secs(20) {
            let text = activity(&handle, child.id()).unwrap().to_string();
            seen = Some(text).filter(|text| text.starts_with("is in read of file 0 (pipe:["));
            std::thread::yield_now();
        }
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(seen.is_some(), "it never read");
        assert_eq!(activity(&handle, child.id()), Err(ErrorKind::Gone));
    }
}

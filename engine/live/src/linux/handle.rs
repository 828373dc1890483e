//! A process held so that its number cannot come to mean another one: a descriptor of the process
//! itself, and one of its folder in `/proc`.
//!
//! Folklore: pids are reused. Whatever is opened through the folder fails with `ESRCH` once the
//! process is gone, even if the pid lives on; the pidfd says in one cheap call whether it is. Only
//! `process_vm_readv` and `process_vm_writev` go by number, so [`Handle::is_alive`] after the last
//! access proves that all of them met the right process.

use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, FromRawFd, OwnedFd, RawFd};
use std::sync::OnceLock;

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, OFlag, openat};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::stat::{Mode, fstat};
use nix::sys::statfs::{FsType, fstatfs};
use nix::unistd::Pid;
use softdock_process::ErrorKind;

use super::limits::PROC_FILE_BYTES_MAX;
use super::open_error::OpenError;
use super::status::{self, Stat};

/// See the head of this file.
#[derive(Debug)]
pub(super) struct Handle {
    pid: Pid,
    /// `/proc/PID`.
    dir: OwnedFd,
    /// Missing on kernels before 5.3 and where a filter forbids it.
    pidfd: Option<OwnedFd>,
    /// When it started: costly to ask, and it never changes.
    started: Option<u64>,
}

impl Handle {
    /// Takes hold of the process with this number.
    pub(super) fn open(number: u32) -> Result<Handle, OpenError> {
        let pid = i32::try_from(number).ok().filter(|pid| *pid > 0).map(Pid::from_raw);
        let pid = pid.ok_or_else(|| OpenError::not_a_pid(number))?;
        if !proc_is_ours() {
            return Err(OpenError::ForeignProc);
        }
        match pidfd_open(pid) {
            Ok(pidfd) => Handle::enter(pid, Some(pidfd)),
            Err(Errno::ESRCH) => Err(OpenError::absent(number)),
            Err(_) => Handle::enter(pid, None),
        }
    }

    /// Opens the folder of a process whose pidfd may be missing, either because the system has
    /// none to give or because the number is that of a thread.
    fn enter(pid: Pid, pidfd: Option<OwnedFd>) -> Result<Handle, OpenError> {
        let number = pid.as_raw().unsigned_abs();
        let path = format!("/proc/{number}");
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let dir = openat(AT_FDCWD, path.as_str(), flags, Mode::empty());
        let dir = dir.map_err(|errno| match errno {
            // With `hidepid` set, the folder of a live process is hidden.
            Errno::ENOENT if pidfd.is_some() => OpenError::denied(number),
            Errno::ENOENT => OpenError::absent(number),
            errno => OpenError::of(number, kind_of(errno)),
        })?;
        let mut handle = Handle { pid, dir, pidfd, started: None };
        if handle.pidfd.is_some() {
            // Whether it is a zombie is told by its mappings, which are asked for next anyway.
            return Ok(handle);
        }
        handle.refuse_a_thread()?;
        match handle.is_alive() {
            Ok(true) => Ok(handle),
            Ok(false) => Err(OpenError::dead(number)),
            Err(kind) => Err(OpenError::of(number, kind)),
        }
    }

    /// Folklore: `/proc/TID` exists for every thread, though no listing shows it, and all of its
    /// files are those of the process: a request to a thread would reach the first one.
    fn refuse_a_thread(&self) -> Result<(), OpenError> {
        let tid = self.pid.as_raw().unsigned_abs();
        let status = self.text("status").map_err(|kind| OpenError::of(tid, kind))?;
        match status::process_of_thread(&status) {
            Some(process) if process != tid => Err(OpenError::Thread { tid, process }),
            _ => Ok(()),
        }
    }

    /// Its number.
    pub(super) fn pid(&self) -> Pid {
        self.pid
    }

    /// Its folder in `/proc`.
    pub(super) fn dir(&self) -> &OwnedFd {
        &self.dir
    }

    /// Whether the process that was opened is still there, and not only its zombie.
    pub(super) fn is_alive(&mut self) -> Result<bool, ErrorKind> {
        match &self.pidfd {
            Some(pidfd) => has_not_ended(pidfd),
            None => match self.stat() {
                Ok(stat) => Ok(!stat.is_dead()),
                Err(ErrorKind::Gone) => Ok(false),
                Err(kind) => Err(kind),
            },
        }
    }

    /// A number that only later processes exceed: the inode that Linux 6.9 and later give each
    /// pidfd, counting processes up since boot; on older ones the start time in ticks since boot.
    ///
    /// Reading `/proc/PID/stat` for the start time costs as much as all reads of memory together,
    /// and two processes can start in one tick.
    pub(super) fn started(&mut self) -> Result<u64, ErrorKind> {
        if let Some(started) = self.started {
            return Ok(started);
        }
        let started = match self.pidfd.as_ref().and_then(serial_number) {
            Some(serial) => serial,
            None => self.stat()?.started,
        };
        self.started = Some(started);
        Ok(started)
    }

    /// What `stat` says now.
    pub(super) fn stat(&self) -> Result<Stat, ErrorKind> {
        Stat::parse(&self.text("stat")?).ok_or(ErrorKind::Gone)
    }

    /// Opens a file of the folder for reading.
    pub(super) fn open_file(&self, name: &str) -> Result<File, ErrorKind> {
        let flags = OFlag::O_RDONLY | OFlag::O_CLOEXEC;
        match openat(&self.dir, name, flags, Mode::empty()) {
            Ok(file) => Ok(File::from(file)),
            Err(Errno::ENOENT) => Err(ErrorKind::Gone),
            Err(errno) => Err(kind_of(errno)),
        }
    }

    /// The whole of a small file of the folder.
    pub(super) fn text(&self, name: &str) -> Result<Vec<u8>, ErrorKind> {
        let mut text = Vec::with_capacity(4096);
        // `File` itself would first ask for a size, which files of `/proc` do not have.
        let read = self.open_file(name)?.take(PROC_FILE_BYTES_MAX).read_to_end(&mut text);
        read.map(|_| text).map_err(|error| kind_of_io(&error))
    }
}

/// The inode of a pidfd, where they have inodes of their own: before Linux 6.9 all of them shared
/// one, which says nothing.
fn serial_number(pidfd: &OwnedFd) -> Option<u64> {
    const PID_FS_MAGIC: FsType = FsType(0x5049_4446);
    static HAVE_PIDFS: OnceLock<bool> = OnceLock::new();
    let have = HAVE_PIDFS.get_or_init(|| {
        fstatfs(pidfd).is_ok_and(|system| system.filesystem_type() == PID_FS_MAGIC)
    });
    have.then(|| fstat(pidfd).ok().map(|stat| stat.st_ino)).flatten()
}

/// A descriptor that stands for the process, whatever becomes of its number.
fn pidfd_open(pid: Pid) -> Result<OwnedFd, Errno> {
    // SAFETY: the call takes two numbers and no pointer, so it can break no memory of ours.
    let result = unsafe { nix::libc::syscall(nix::libc::SYS_pidfd_open, pid.as_raw(), 0) };
    let fd = RawFd::try_from(Errno::result(result)?).map_err(|_| Errno::EBADF)?;
    // SAFETY: the kernel has just made this descriptor for us (close-on-exec), so it is open, and
    // nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// A pidfd becomes readable when the last thread of its process has ended.
fn has_not_ended(pidfd: &OwnedFd) -> Result<bool, ErrorKind> {
    let mut fds = [PollFd::new(pidfd.as_fd(), PollFlags::POLLIN)];
    match poll(&mut fds, PollTimeout::ZERO) {
        Ok(ready) => Ok(ready == 0),
        Err(errno) => Err(kind_of(errno)),
    }
}

/// Whether `/proc` numbers processes as we do.
///
/// Folklore: in a new PID namespace `/proc` stays that of the old one until it is mounted again.
/// `/proc/PID/maps` would then tell of one process and `process_vm_readv` read another.
fn proc_is_ours() -> bool {
    static OURS: OnceLock<bool> = OnceLock::new();
    *OURS.get_or_init(|| {
        let own = std::process::id().to_string();
        std::fs::read_link("/proc/self").is_ok_and(|link| link.as_os_str() == own.as_str())
    })
}

/// What an error of the system means at the door.
pub(super) fn kind_of(errno: Errno) -> ErrorKind {
    match errno {
        Errno::EFAULT => ErrorKind::Unmapped,
        Errno::EPERM | Errno::EACCES => ErrorKind::Denied,
        Errno::ESRCH => ErrorKind::Gone,
        Errno::EINTR => ErrorKind::Interrupted,
        Errno::ENOSYS => ErrorKind::Unsupported,
        other => ErrorKind::Other(other as i32),
    }
}

/// The same for an error of the standard library.
pub(super) fn kind_of_io(error: &std::io::Error) -> ErrorKind {
    kind_of(Errno::from_raw(error.raw_os_error().unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use std::process::{Child, Command, Stdio};

    use super::*;

    fn sleeper() -> Child {
        Command::new("sleep").arg("60").stdin(Stdio::null()).spawn().unwrap()
    }

    /// Both ways to know a process must see the same life.
    #[test]
    fn life_and_death_are_seen_with_and_without_a_pidfd() {
        let mut child = sleeper();
        let pid = Pid::from_raw(i32::try_from(child.id()).unwrap());
        let mut with = Handle::open(child.id()).unwrap();
        let mut without = Handle::enter(pid, None).unwrap();
        assert_eq!(with.is_alive(), Ok(true));
        assert_eq!(without.is_alive(), Ok(true));
        let (serial, ticks) = (with.started().unwrap(), without.started().unwrap());
        assert!(serial > 0 && ticks > 0, "two ways of counting, each the same every time");
        assert_eq!((with.started(), without.started()), (Ok(serial), Ok(ticks)));
        child.kill().unwrap();
        while with.is_alive() == Ok(true) {
            std::thread::yield_now();
        }
        assert_eq!(without.is_alive(), Ok(false), "a zombie");
        assert!(matches!(Handle::enter(pid, None), Err(OpenError::Zombie { .. })));
        child.wait().unwrap();
        assert_eq!(with.is_alive(), Ok(false));
        assert_eq!(without.is_alive(), Ok(false));
        assert_eq!(with.text("status"), Err(ErrorKind::Gone));
    }

    #[test]
    fn a_thread_is_no_process() {
        let (sender, receiver) = std::sync::mpsc::channel::<()>();
        let (tell, told) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            tell.send(nix::unistd::gettid().as_raw().unsigned_abs()).unwrap();
            receiver.recv().unwrap();
        });
        let tid = told.recv().unwrap();
        let refused = Handle::open(tid).unwrap_err();
        sender.send(()).unwrap();
        thread.join().unwrap();
        assert_eq!(refused, OpenError::Thread { tid, process: std::process::id() });
    }
}

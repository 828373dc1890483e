//! The threads of a process by the ids that it sees itself: those of its own PID namespace, which
//! CPython stores and which are not ours when the target runs in a container (seen: 1 and 2 where
//! we see 5070 and 5071; bloomberg/memray#846 crashed a target that way).

use std::collections::BTreeMap;

use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag};
use nix::sys::stat::Mode;
use nix::unistd::{AccessFlags, faccessat};
use softdock_process::ErrorKind;

use super::handle::{Handle, kind_of};
use super::limits::THREADS_MAX;
use super::namespace;
use super::status;

/// How the target numbers threads, as far as we have asked.
#[derive(Debug, Default)]
pub(super) struct Threads {
    /// Whether the target numbers them as we do; a process cannot change this.
    numbered_as_here: Option<bool>,
    /// From the target's ids to ours, where they differ. A hint: each use is proven.
    translated: BTreeMap<u64, u32>,
}

impl Threads {
    /// Whether a live thread has this id in the target's namespace.
    pub(super) fn has(&mut self, handle: &Handle, native: u64) -> Result<bool, ErrorKind> {
        self.ours(handle, native).map(|ours| ours.is_some())
    }

    /// The id that we have for a live thread; none if there is no such thread.
    pub(super) fn ours(&mut self, handle: &Handle, native: u64) -> Result<Option<u32>, ErrorKind> {
        let Some(tid) = u32::try_from(native).ok().filter(|tid| *tid > 0) else {
            return Ok(None);
        };
        if self.same_namespace(handle)? {
            return exists(handle, tid).map(|exists| exists.then_some(tid));
        }
        if let Some(ours) = self.translated.get(&native)
            && ids(handle, *ours)?.last() == Some(&tid)
        {
            return Ok(Some(*ours));
        }
        self.translate(handle)?;
        Ok(self.translated.get(&native).copied())
    }

    /// The id of the first thread in the target's namespace.
    pub(super) fn first(&mut self, handle: &Handle) -> Result<u64, ErrorKind> {
        let pid = handle.pid().as_raw().unsigned_abs();
        if self.same_namespace(handle)? {
            return exists(handle, pid)?.then_some(u64::from(pid)).ok_or(ErrorKind::Gone);
        }
        ids(handle, pid)?.last().copied().map(u64::from).ok_or(ErrorKind::Gone)
    }

    fn same_namespace(&mut self, handle: &Handle) -> Result<bool, ErrorKind> {
        if let Some(same) = self.numbered_as_here {
            return Ok(same);
        }
        let same = match namespace::shares_pid_namespace(handle) {
            Some(same) => same,
            // Folklore: the links of namespaces may be missing (benfred/py-spy#351).
            None => status::namespace_ids(&handle.text("status")?).len() <= 1,
        };
        self.numbered_as_here = Some(same);
        Ok(same)
    }

    /// Asks every thread for its id there.
    fn translate(&mut self, handle: &Handle) -> Result<(), ErrorKind> {
        self.translated.clear();
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let mut tasks = Dir::openat(handle.dir(), "task", flags, Mode::empty()).map_err(gone)?;
        for entry in tasks.iter().take(THREADS_MAX) {
            let entry = entry.map_err(gone)?;
            let name = entry.file_name().to_str().ok();
            let Some(ours) = name.and_then(|name| name.parse().ok()) else {
                continue;
            };
            if let Some(theirs) = ids(handle, ours)?.last() {
                self.translated.insert(u64::from(*theirs), ours);
            }
        }
        Ok(())
    }
}

/// Whether the process has this thread, by our numbers.
fn exists(handle: &Handle, tid: u32) -> Result<bool, ErrorKind> {
    let name = format!("task/{tid}");
    match faccessat(handle.dir(), name.as_str(), AccessFlags::F_OK, AtFlags::empty()) {
        Ok(()) => Ok(true),
        // The folder of a process that is gone has no such name either.
        Err(Errno::ENOENT) => handle.open_file("stat").map(|_| false),
        Err(errno) => Err(kind_of(errno)),
    }
}

/// The ids of one of its threads, by our number; none if it has ended.
fn ids(handle: &Handle, tid: u32) -> Result<Vec<u32>, ErrorKind> {
    match handle.text(&format!("task/{tid}/status")) {
        Ok(status) => Ok(status::namespace_ids(&status)),
        Err(ErrorKind::Gone) => Ok(Vec::new()),
        Err(kind) => Err(kind),
    }
}

fn gone(errno: Errno) -> ErrorKind {
    if errno == Errno::ENOENT { ErrorKind::Gone } else { kind_of(errno) }
}

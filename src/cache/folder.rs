//! Where the files of the cache are: a folder that only we can enter, in `$XDG_RUNTIME_DIR`, else
//! one with our number in the folder for temporary files.
//!
//! ```text
//! $XDG_RUNTIME_DIR/softdock/     or /tmp/softdock-cache-1000/: ours, 0700
//!     14446                      ours, 0600: what is remembered of process 14446
//!     new-15001                  the same, while process 15001 writes it
//! ```
//!
//! In `/tmp` anybody can take a name first. So nothing is followed through a link, and what is not
//! ours alone is not used; neither is it mended, or removed: it is somebody's. All goes through a
//! descriptor of the folder, which stays the one that was looked at.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, OFlag, openat, renameat};
use nix::sys::stat::{FileStat, Mode, SFlag, fstat, mkdirat};
use nix::unistd::{UnlinkatFlags, geteuid, unlinkat};
use softdock_attach::{CacheUse, CachedThread, Report};
use softdock_process::Identity;

use super::{BYTES_MAX, Miss, read, text};

/// Files looked at when dead ones are removed. More than one for each process that is debugged are
/// not made, so that this is enough; if it is not, the rest has its turn later.
const SWEPT_MAX: usize = 256;

const FOLDER: OFlag =
    OFlag::O_RDONLY.union(OFlag::O_DIRECTORY).union(OFlag::O_NOFOLLOW).union(OFlag::O_CLOEXEC);

/// The folder, held open.
#[derive(Debug)]
pub struct Folder {
    folder: OwnedFd,
    path: PathBuf,
    /// Which start of the machine this is.
    boot: String,
}

impl Folder {
    /// Opens the folder of this user, and makes it if there is none. Without one there is no cache,
    /// and an attach is not worth less.
    #[must_use]
    pub fn open() -> Option<Folder> {
        let runtime = std::env::var_os("XDG_RUNTIME_DIR");
        let runtime = runtime.as_deref().map(Path::new).filter(|path| path.is_absolute());
        let private = runtime.and_then(|runtime| Folder::below(runtime, "softdock"));
        let name = format!("softdock-cache-{}", geteuid());
        private.or_else(|| Folder::below(&std::env::temp_dir(), &name))
    }

    fn below(parent: &Path, name: &str) -> Option<Folder> {
        let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
        // The parent itself may be behind a link, as /tmp is on some systems.
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let opened = openat(AT_FDCWD, parent, flags, Mode::empty()).ok()?;
        if !keeps_what_is_ours(&fstat(&opened).ok()?) {
            return None;
        }
        match mkdirat(&opened, name, Mode::S_IRWXU) {
            Ok(()) | Err(Errno::EEXIST) => {}
            Err(_) => return None,
        }
        let folder = openat(&opened, name, FOLDER, Mode::empty()).ok()?;
        let stat = fstat(&folder).ok()?;
        let path = parent.join(name);
        is_ours_alone(&stat).then(|| Folder { folder, path, boot: boot.trim().to_owned() })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What is remembered of a process.
    ///
    /// # Errors
    /// When that is nothing, or nothing that could be used.
    pub fn recall(&self, process: Identity) -> Result<CachedThread, Miss> {
        // A pipe must not make us wait.
        let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
        let opened = openat(&self.folder, name(process).as_str(), flags, Mode::empty());
        let opened = opened.map_err(|errno| match errno {
            Errno::ENOENT => Miss::None,
            Errno::ELOOP => Miss::NotOurs,
            _ => Miss::Unreadable,
        })?;
        let stat = fstat(&opened).map_err(|_| Miss::Unreadable)?;
        if !is_plain(&stat) || !is_ours_alone(&stat) || stat.st_nlink != 1 {
            return Err(Miss::NotOurs);
        }
        let mut bytes = Vec::with_capacity(BYTES_MAX);
        // One more than there can be: a file that is too long is seen to be.
        let most = u64::try_from(BYTES_MAX).unwrap_or(0) + 1;
        let read_all = File::from(opened).take(most).read_to_end(&mut bytes);
        read_all.map_err(|_| Miss::Unreadable)?;
        read(&bytes, &self.boot, process)
    }

    /// Keeps what an attempt found, and forgets what it found to be wrong. What cannot be written
    /// is not remembered.
    pub fn remember(&self, report: &Report) {
        let Some(process) = report.process.filter(|_| report.cache != CacheUse::Off) else {
            return;
        };
        match text(&self.boot, report) {
            // It says so already.
            Some(_) if report.cache == CacheUse::Hit => {}
            Some(text) => {
                self.sweep();
                self.put(&name(process), text.as_bytes());
            }
            None if report.cache == CacheUse::Stale => self.forget(&name(process)),
            None => {}
        }
    }

    /// Under its name there is all of it, or what was there before.
    fn put(&self, name: &str, content: &[u8]) {
        let unfinished = format!("{UNFINISHED}{}", std::process::id());
        // Of an earlier process of our number, which was killed at this.
        self.forget(&unfinished);
        let written = write_new(&self.folder, &unfinished, content);
        let renamed =
            written.and_then(|()| Ok(renameat(&self.folder, &*unfinished, &self.folder, name)?));
        if renamed.is_err() {
            self.forget(&unfinished);
        }
    }

    fn forget(&self, name: &str) {
        let _ = unlinkat(&self.folder, name, UnlinkatFlags::NoRemoveDir);
    }

    /// Removes what is of processes that are not there any more. One that only hides from us loses
    /// its entry as well, which costs a miss.
    fn sweep(&self) {
        // By its path: whatever that leads to by now, names are removed in the folder that we hold.
        let Ok(entries) = std::fs::read_dir(&self.path) else { return };
        for entry in entries.take(SWEPT_MAX).flatten() {
            let name = entry.file_name();
            if of_process(&name).is_some_and(|pid| !Path::new("/proc").join(pid).exists())
                && let Some(name) = name.to_str()
            {
                self.forget(name);
            }
        }
    }
}

/// How the names of files begin that are being written.
const UNFINISHED: &str = "new-";

fn name(process: Identity) -> String {
    process.pid.to_string()
}

/// The number of the process that a file is there for; `None` for names that we do not give.
fn of_process(name: &OsStr) -> Option<&str> {
    let name = name.to_str()?;
    let pid = name.strip_prefix(UNFINISHED).unwrap_or(name);
    pid.bytes().all(|byte| byte.is_ascii_digit()).then_some(pid).filter(|pid| !pid.is_empty())
}

fn write_new(folder: &OwnedFd, name: &str, content: &[u8]) -> std::io::Result<()> {
    let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_CLOEXEC;
    let opened = openat(folder, name, flags, Mode::S_IRUSR | Mode::S_IWUSR)?;
    // Not forced to the disk: what a crash of the machine leaves is of another boot.
    File::from(opened).write_all(content)
}

/// Whether others can neither read nor change it.
fn is_ours_alone(stat: &FileStat) -> bool {
    let others = (Mode::S_IRWXG | Mode::S_IRWXO).bits();
    stat.st_uid == geteuid().as_raw() && stat.st_mode & others == 0
}

fn is_plain(stat: &FileStat) -> bool {
    SFlag::from_bits_truncate(stat.st_mode & SFlag::S_IFMT.bits()) == SFlag::S_IFREG
}

/// Whether nobody can take away what we put into this folder: it is ours or the system's, and those
/// who may write there too can take away their own only.
fn keeps_what_is_ours(stat: &FileStat) -> bool {
    let is_open = stat.st_mode & (Mode::S_IWGRP | Mode::S_IWOTH).bits() != 0;
    let is_sticky = stat.st_mode & Mode::S_ISVTX.bits() != 0;
    let is_trusted = [0, geteuid().as_raw()].contains(&stat.st_uid);
    is_trusted && (!is_open || is_sticky)
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
    use std::sync::atomic::{AtomicU32, Ordering};

    use nix::unistd::mkfifo;

    use super::super::tests::{thread, written};
    use super::*;

    /// A folder of a test's own, removed at its end.
    struct Place(PathBuf);

    impl Place {
        fn new() -> Place {
            static NEXT: AtomicU32 = AtomicU32::new(0);
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            let name = format!("softdock-cache-test-{}-{number}", std::process::id());
            let path = std::env::temp_dir().join(name);
            fs::create_dir(&path).unwrap();
            fs::set_permissions(&path, Permissions::from_mode(0o700)).unwrap();
            Place(path)
        }

        fn open(&self) -> Option<Folder> {
            Folder::below(&self.0, "softdock")
        }
    }

    impl Drop for Place {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn set_mode(path: &Path, mode: u32) {
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }

    /// A folder that remembers our own process, which is there.
    fn remembering(place: &Place) -> (Folder, CachedThread, PathBuf) {
        let folder = place.open().unwrap();
        let process = Identity { pid: std::process::id(), started: 5 };
        let thread = CachedThread { process, ..thread() };
        let text = written(thread).replace(super::super::tests::BOOT, &folder.boot);
        let text = super::super::tests::with_its_sum(&text);
        folder.put(&name(process), text.as_bytes());
        let file = folder.path().join(name(process));
        assert_eq!(folder.recall(process), Ok(thread));
        (folder, thread, file)
    }

    #[test]
    fn folder_and_file_are_ours_alone() {
        let place = Place::new();
        let (folder, _, file) = remembering(&place);
        let mode = |path: &Path| fs::symlink_metadata(path).unwrap().mode() & 0o7777;
        assert_eq!([folder.path(), &file].map(mode), [0o700, 0o600]);
        let names = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name());
        assert_eq!(names.collect::<Vec<_>>(), [file.file_name().unwrap()], "nothing unfinished");
    }

    #[test]
    fn a_folder_that_others_can_enter_is_not_used() {
        let place = Place::new();
        let path = place.open().unwrap().path().to_path_buf();
        for (mode, is_used) in [(0o700, true), (0o710, false), (0o705, false), (0o777, false)] {
            set_mode(&path, mode);
            assert_eq!(place.open().is_some(), is_used, "{mode:o}");
        }
        fs::remove_dir(&path).unwrap();
        let elsewhere = place.0.join("elsewhere");
        fs::create_dir(&elsewhere).unwrap();
        set_mode(&elsewhere, 0o700);
        symlink(&elsewhere, &path).unwrap();
        assert!(place.open().is_none(), "a link, though to a good folder");
        fs::remove_file(&path).unwrap();
        fs::write(&path, "").unwrap();
        assert!(place.open().is_none(), "a file");
    }

    #[test]
    fn a_parent_that_others_can_change_is_not_used() {
        let place = Place::new();
        for (mode, is_used) in [(0o777, false), (0o770, false), (0o1777, true), (0o755, true)] {
            set_mode(&place.0, mode);
            assert_eq!(place.open().is_some(), is_used, "{mode:o}");
        }
        let stat = |uid| {
            let mut stat = fstat(File::open(&place.0).unwrap()).unwrap();
            (stat.st_uid, stat.st_mode) = (uid, 0o40_700);
            stat
        };
        let ours = geteuid().as_raw();
        assert!([0, ours].into_iter().all(|uid| keeps_what_is_ours(&stat(uid))));
        assert!(!keeps_what_is_ours(&stat(4711)));
        assert!(is_ours_alone(&stat(ours)) && !is_ours_alone(&stat(4711)));
    }

    #[test]
    fn a_file_that_is_not_plainly_ours_is_a_miss() {
        let place = Place::new();
        let (folder, CachedThread { process, .. }, file) = remembering(&place);
        for mode in [0o640, 0o604, 0o620, 0o666] {
            set_mode(&file, mode);
            assert_eq!(folder.recall(process), Err(Miss::NotOurs), "{mode:o}");
        }
        set_mode(&file, 0o600);
        let other = folder.path().join("other");
        fs::hard_link(&file, &other).unwrap();
        assert_eq!(folder.recall(process), Err(Miss::NotOurs), "it has a second name");
        fs::remove_file(&file).unwrap();
        symlink(&other, &file).unwrap();
        assert_eq!(folder.recall(process), Err(Miss::NotOurs), "a link");
        fs::remove_file(&file).unwrap();
        fs::create_dir(&file).unwrap();
        assert_eq!(folder.recall(process), Err(Miss::NotOurs), "a folder");
        fs::remove_dir(&file).unwrap();
        mkfifo(&file, Mode::S_IRUSR | Mode::S_IWUSR).unwrap();
        assert_eq!(folder.recall(process), Err(Miss::NotOurs), "a pipe");
        fs::remove_file(&file).unwrap();
        assert_eq!(folder.recall(process), Err(Miss::None));
    }

    /// As a crash would leave it, or somebody who adds to it.
    #[test]
    fn a_file_of_any_other_length_is_a_miss() {
        let place = Place::new();
        let (folder, CachedThread { process, .. }, file) = remembering(&place);
        let good = fs::read(&file).unwrap();
        for len in [0, 1, good.len() - 1, good.len() + 1, BYTES_MAX, BYTES_MAX + 1, 1 << 20] {
            let mut bytes = good.clone();
            bytes.resize(len, b'\n');
            fs::write(&file, &bytes).unwrap();
            assert_eq!(folder.recall(process), Err(Miss::Damaged), "{len} bytes");
        }
        fs::write(&file, &good).unwrap();
        assert!(folder.recall(process).is_ok());
    }

    #[test]
    fn what_is_of_the_dead_is_swept_and_nothing_else() {
        let place = Place::new();
        let (folder, _, file) = remembering(&place);
        // No system has a process of this number: it is beyond what pids can be.
        for name in ["4294967295", "new-4294967295", "notes", "new-", "-1"] {
            fs::write(folder.path().join(name), "").unwrap();
        }
        folder.sweep();
        let names = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name());
        let mut names: Vec<_> = names.collect();
        names.sort();
        let ours = file.file_name().unwrap();
        assert_eq!(names, [OsStr::new("-1"), ours, OsStr::new("new-"), OsStr::new("notes")]);
    }

    #[test]
    fn an_unfinished_file_in_the_way_is_replaced() {
        let place = Place::new();
        let (folder, CachedThread { process, .. }, file) = remembering(&place);
        let victim = place.0.join("victim");
        fs::write(&victim, "as it was").unwrap();
        let unfinished = folder.path().join(format!("{UNFINISHED}{}", std::process::id()));
        symlink(&victim, &unfinished).unwrap();
        folder.put(&name(process), b"new");
        assert_eq!(fs::read(&file).unwrap(), b"new");
        assert_eq!(fs::read(&victim).unwrap(), b"as it was");
    }
}

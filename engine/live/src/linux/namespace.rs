//! What the target sees of the world: which PID namespace numbers it, and whether it could open a
//! script at a path. Nothing here enters a namespace: a program with threads cannot
//! (benfred/py-spy#199), and `/proc/PID/root` does as well.

use core::fmt;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags, OFlag, OpenHow, ResolveFlag, openat, openat2};
use nix::sys::stat::{FileStat, Mode, SFlag, fstat, fstatat};
use softdock_process::ErrorKind;

use super::handle::{Handle, kind_of};
use super::status::Credentials;

/// Whether the target's PID namespace is ours; `None` where the system does not say.
pub(super) fn shares_pid_namespace(handle: &Handle) -> Option<bool> {
    static OURS: OnceLock<Option<(u64, u64)>> = OnceLock::new();
    let identity = |stat: FileStat| (stat.st_dev, stat.st_ino);
    let ours = *OURS.get_or_init(|| {
        fstatat(AT_FDCWD, "/proc/self/ns/pid", AtFlags::empty()).ok().map(identity)
    });
    let theirs = fstatat(handle.dir(), "ns/pid", AtFlags::empty()).ok().map(identity);
    Some(ours? == theirs?)
}

/// Whether the target's network is ours; `None` where the system does not say.
pub(super) fn shares_network(handle: &Handle) -> Option<bool> {
    let identity = |stat: FileStat| (stat.st_dev, stat.st_ino);
    let ours = fstatat(AT_FDCWD, "/proc/self/ns/net", AtFlags::empty()).ok().map(identity);
    let theirs = fstatat(handle.dir(), "ns/net", AtFlags::empty()).ok().map(identity);
    Some(ours? == theirs?)
}

/// What the target would meet on opening a script.
///
/// Only what mode bits, owners and capabilities say: access lists, security modules and user
/// namespaces can still forbid it. Folklore: the target drops a request whose script it cannot
/// open, without a word (python/cpython#134546, #143511).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ScriptView {
    /// A regular file that it may read.
    Readable,
    /// The path is relative: the target would look in its own working directory.
    Relative,
    /// Nothing has this path in its root.
    Missing,
    /// Something has it, but no regular file.
    NotAFile,
    /// A regular file that its user may not read.
    Unreadable {
        /// The user that the target opens files as.
        uid: u32,
    },
    /// A folder on the way that its user may not search.
    FolderClosed {
        /// The user that the target opens files as.
        uid: u32,
        /// The folder, as the target names it.
        folder: PathBuf,
    },
}

impl fmt::Display for ScriptView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ScriptView::Readable => f.write_str("the target can read the script"),
            ScriptView::Relative => f.write_str(
                "the path is relative, and the target would look in its own working directory",
            ),
            ScriptView::Missing => f.write_str(
                "the target sees no such file: it may have another root or other mounts",
            ),
            ScriptView::NotAFile => f.write_str("the path is no regular file in the target's root"),
            ScriptView::Unreadable { uid } => {
                write!(f, "the target runs as user {uid}, who may not read the script")
            }
            ScriptView::FolderClosed { uid, folder } => write!(
                f,
                "the target runs as user {uid}, who may not enter the folder {}",
                folder.display()
            ),
        }
    }
}

/// Looks at `path` as the target would.
pub(super) fn script_view(handle: &Handle, path: &Path) -> Result<ScriptView, ErrorKind> {
    if !path.is_absolute() {
        return Ok(ScriptView::Relative);
    }
    let who = Credentials::parse(&handle.text("status")?).ok_or(ErrorKind::Gone)?;
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let root = openat(handle.dir(), "root", flags, Mode::empty()).map_err(kind_of)?;
    let mut folders: Vec<&Path> = path.ancestors().skip(1).collect();
    folders.reverse();
    for folder in folders {
        match look(&root, folder)? {
            Some(stat) if kind_bits(&stat) != SFlag::S_IFDIR => return Ok(ScriptView::Missing),
            Some(stat) if !may(&who, SEARCH, &stat) => {
                let folder = folder.to_path_buf();
                return Ok(ScriptView::FolderClosed { uid: who.uid, folder });
            }
            Some(_) => {}
            None => return Ok(ScriptView::Missing),
        }
    }
    Ok(match look(&root, path)? {
        None => ScriptView::Missing,
        Some(stat) if kind_bits(&stat) != SFlag::S_IFREG => ScriptView::NotAFile,
        Some(stat) if !may(&who, READ, &stat) => ScriptView::Unreadable { uid: who.uid },
        Some(_) => ScriptView::Readable,
    })
}

const READ: u32 = 4;
const SEARCH: u32 = 1;

fn may(who: &Credentials, wanted: u32, stat: &FileStat) -> bool {
    who.may(wanted, stat.st_mode, stat.st_uid, stat.st_gid)
}

fn kind_bits(stat: &FileStat) -> SFlag {
    SFlag::from_bits_truncate(stat.st_mode & SFlag::S_IFMT.bits())
}

/// What has this absolute path below `root`, following links as a process there would: an absolute
/// link starts again at *that* root, which a path like `/proc/PID/root/…` gets wrong.
fn look(root: &OwnedFd, path: &Path) -> Result<Option<FileStat>, ErrorKind> {
    let flags = OFlag::O_PATH | OFlag::O_CLOEXEC;
    let how = OpenHow::new().flags(flags).resolve(ResolveFlag::RESOLVE_IN_ROOT);
    let found = match openat2(root, path, how) {
        // Linux before 5.6, and filters that do not know the call.
        Err(Errno::ENOSYS | Errno::EPERM) => {
            let below = path.as_os_str().as_bytes().strip_prefix(b"/").unwrap_or_default();
            let below: &[u8] = if below.is_empty() { b"." } else { below };
            openat(root, below, flags, Mode::empty())
        }
        found => found,
    };
    match found {
        Ok(found) => fstat(found).map(Some).map_err(kind_of),
        Err(Errno::ENOENT | Errno::ENOTDIR | Errno::ELOOP | Errno::ENAMETOOLONG) => Ok(None),
        Err(errno) => Err(kind_of(errno)),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    /// Our own process is a target as good as any, and sees what we see.
    fn view(path: &Path) -> ScriptView {
        script_view(&Handle::open(std::process::id()).unwrap(), path).unwrap()
    }

    #[test]
    fn our_own_network_is_ours() {
        assert_eq!(shares_network(&Handle::open(std::process::id()).unwrap()), Some(true));
    }

    #[test]
    fn a_script_is_seen_as_the_target_sees_it() {
        let folder = std::env::temp_dir().join(format!("softdock-view-{}", std::process::id()));
        let script = folder.join("a.py");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(&script, "1").unwrap();
        symlink(&script, folder.join("link.py")).unwrap();
        assert_eq!(view(&script), ScriptView::Readable);
        assert_eq!(view(&folder.join("link.py")), ScriptView::Readable, "an absolute link");
        assert_eq!(view(&folder), ScriptView::NotAFile);
        assert_eq!(view(&folder.join("none.py")), ScriptView::Missing);
        assert_eq!(view(&script.join("below")), ScriptView::Missing);
        assert_eq!(view(Path::new("a.py")), ScriptView::Relative);
        assert_eq!(view(Path::new("/")), ScriptView::NotAFile);
        let root = nix::unistd::geteuid().is_root();
        std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o000)).unwrap();
        assert_eq!(matches!(view(&script), ScriptView::Unreadable { .. }), !root);
        std::fs::remove_dir_all(&folder).unwrap();
    }
}

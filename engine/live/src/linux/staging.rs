//! A folder in the target's root that holds what the target shall read, and one in it where the
//! target may answer.
//!
//! ```text
//! /tmp/softdock-0f8fad5bd9cb469f/     ours, 0755: nobody else can change what the target runs
//!     stub.py, loader.py, …           ours, 0644: the target's user can read them
//!     answers/                        the target's, 0700: nobody else can answer in its place
//! ```
//!
//! All of it goes through descriptors of the target's own root, so that it works for a target in
//! another root or with other mounts, and no link leads out of there. It is never `/tmp` itself in
//! which a file lies: there, a name can be taken by anybody first.

use core::fmt;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat, openat2, renameat};
use nix::sys::stat::{FileStat, Mode, SFlag, fchmod, fstat, mkdirat};
use nix::unistd::{Gid, Uid, UnlinkatFlags, fchown, geteuid, unlinkat};
use softdock_process::ErrorKind;

use super::handle::{Handle, kind_of};
use super::limits::STAGED_BYTES_MAX;
use super::namespace::{self, ScriptView};
use super::random::random_bits;
use super::status::Credentials;

/// Where a folder of ours may be, the best first: in memory or not, each is meant for files that
/// nobody misses.
const PARENTS: [&str; 3] = ["tmp", "var/tmp", "dev/shm"];

/// The folder for answers, in ours.
const ANSWERS: &str = "answers";

const FOLDER: OFlag =
    OFlag::O_RDONLY.union(OFlag::O_DIRECTORY).union(OFlag::O_NOFOLLOW).union(OFlag::O_CLOEXEC);

/// Why there is no such folder.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StageError {
    /// The target's root or its rights cannot be looked at.
    Target(ErrorKind),
    /// No folder could be made, for the reason that the last attempt gives.
    NoPlace {
        /// The last folder that was tried, as the target names it.
        parent: PathBuf,
        /// Why not there.
        kind: ErrorKind,
    },
    /// The folder for answers cannot be given to the target's user.
    NotGiven {
        /// The user that the target opens files as.
        uid: u32,
    },
    /// A file could not be written.
    Write(ErrorKind),
}

impl fmt::Display for StageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StageError::Target(kind) => write!(f, "the target's root cannot be looked at: {kind}"),
            StageError::NoPlace { parent, kind } => write!(
                f,
                "no folder for files can be made in the target's root; the last that was tried is \
                 {}: {kind}",
                parent.display()
            ),
            StageError::NotGiven { uid } => {
                write!(f, "the target runs as user {uid}, to whom no folder can be given")
            }
            StageError::Write(kind) => write!(f, "a file cannot be written: {kind}"),
        }
    }
}

impl std::error::Error for StageError {}

/// An answer of the target, as far as there is one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// There is no file of this name.
    None,
    /// There is one, but it belongs to another user.
    Owner {
        /// Who.
        uid: u32,
    },
    /// There is something, but no regular file, or one that is too large.
    Kind,
    /// What is in the file.
    Bytes(Vec<u8>),
}

/// A folder of ours in the root of a target. It stays when this is dropped: the target may have
/// been asked to read from it.
#[derive(Debug)]
pub struct Staging {
    parent: OwnedFd,
    name: String,
    folder: OwnedFd,
    answers: OwnedFd,
    /// Whom answers must come from.
    uid: u32,
    /// As the target names it.
    path: PathBuf,
    files: Vec<String>,
}

/// Makes the folder.
pub(super) fn stage(handle: &Handle) -> Result<Staging, StageError> {
    let who = credentials(handle).map_err(StageError::Target)?;
    let root = open_root(handle).map_err(StageError::Target)?;
    let name = fresh_name().map_err(StageError::Write)?;
    let mut last = StageError::Target(ErrorKind::Gone);
    for parent in PARENTS {
        match stage_below(handle, &root, parent, &name, who.uid) {
            Ok(staging) => return Ok(staging),
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn credentials(handle: &Handle) -> Result<Credentials, ErrorKind> {
    Credentials::parse(&handle.text("status")?).ok_or(ErrorKind::Gone)
}

fn open_root(handle: &Handle) -> Result<OwnedFd, ErrorKind> {
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    openat(handle.dir(), "root", flags, Mode::empty()).map_err(kind_of)
}

const NAME_PREFIX: &str = "softdock-";

fn fresh_name() -> Result<String, ErrorKind> {
    Ok(format!("{NAME_PREFIX}{:016x}", random_bits()? >> 64))
}

/// Whether folders of ours are made at such a path of a target: the place and the name.
#[must_use]
pub fn is_staging(path: &Path) -> bool {
    place(path).is_some()
}

/// The parent, as it is opened, and the name in it.
fn place(path: &Path) -> Option<(&'static str, &str)> {
    let name = path.file_name()?.to_str()?;
    let digits = name.strip_prefix(NAME_PREFIX)?;
    let is_digit = |byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    let is_ours = digits.len() == 16 && digits.bytes().all(is_digit);
    let is_there = |parent: &&str| path.parent() == Some(&Path::new("/").join(parent));
    PARENTS.into_iter().find(is_there).filter(|_| is_ours).map(|parent| (parent, name))
}

/// Opens the folder that an earlier request has left at this path, with these files.
///
/// The path may come from a target, which could name anything: it is a folder only where ours are,
/// with a name like ours, that nobody but us can have made.
pub(super) fn staged(handle: &Handle, path: &Path, files: &[&str]) -> Result<Staging, ErrorKind> {
    let (parent, name) = place(path).ok_or(ErrorKind::Denied)?;
    let parent = open_parent(&open_root(handle)?, parent)?;
    let folder = openat(&parent, name, FOLDER, Mode::empty()).map_err(kind_of)?;
    if fstat(&folder).map_err(kind_of)?.st_uid != geteuid().as_raw() {
        return Err(ErrorKind::Denied);
    }
    Ok(Staging {
        answers: openat(&folder, ANSWERS, FOLDER, Mode::empty()).map_err(kind_of)?,
        uid: credentials(handle)?.uid,
        parent,
        name: name.to_owned(),
        folder,
        path: path.to_path_buf(),
        files: files.iter().flat_map(|file| [unfinished(file), (*file).to_owned()]).collect(),
    })
}

/// What a file is called while it is being written.
fn unfinished(name: &str) -> String {
    format!("{name}.new")
}

fn stage_below(
    handle: &Handle,
    root: &OwnedFd,
    parent: &str,
    name: &str,
    uid: u32,
) -> Result<Staging, StageError> {
    let below = Path::new("/").join(parent);
    let path = below.join(name);
    let no_place = |kind| StageError::NoPlace { parent: below.clone(), kind };
    let failed = |errno| no_place(kind_of(errno));
    let parent = open_parent(root, parent).map_err(no_place)?;
    let folder = make_private(&parent, name).map_err(failed)?;
    let made = make_answers(&folder, uid).and_then(|answers| {
        fchmod(&folder, Mode::from_bits_truncate(0o755)).map_err(failed)?;
        // It is no script; that it is looked at at all says that the way to it is open.
        match namespace::script_view(handle, &path) {
            Ok(ScriptView::NotAFile) => Ok(answers),
            Ok(_) => Err(no_place(ErrorKind::Denied)),
            Err(kind) => Err(no_place(kind)),
        }
    });
    let name = name.to_owned();
    match made {
        Ok(answers) => Ok(Staging { parent, name, folder, answers, uid, path, files: Vec::new() }),
        Err(error) => {
            let _ = unlinkat(&folder, ANSWERS, UnlinkatFlags::RemoveDir);
            let _ = unlinkat(&parent, name.as_str(), UnlinkatFlags::RemoveDir);
            Err(error)
        }
    }
}

/// Opens a folder in which others may write only if they cannot take away what is not theirs.
fn open_parent(root: &OwnedFd, parent: &str) -> Result<OwnedFd, ErrorKind> {
    let how = OpenHow::new()
        .flags(OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC)
        .resolve(ResolveFlag::RESOLVE_IN_ROOT);
    let opened = match openat2(root, parent, how) {
        // Linux before 5.6, and filters that do not know the call.
        Err(Errno::ENOSYS | Errno::EPERM) => openat(root, parent, FOLDER, Mode::empty()),
        opened => opened,
    };
    let opened = opened.map_err(kind_of)?;
    let mode = fstat(&opened).map_err(kind_of)?.st_mode;
    let is_open_to_all = mode & (Mode::S_IWOTH | Mode::S_IWGRP).bits() != 0;
    let is_sticky = mode & Mode::S_ISVTX.bits() != 0;
    if is_open_to_all && !is_sticky { Err(ErrorKind::Denied) } else { Ok(opened) }
}

/// Makes a folder that nobody else can enter yet, and proves that it is the one that is opened.
fn make_private(parent: &OwnedFd, name: &str) -> Result<OwnedFd, Errno> {
    mkdirat(parent, name, Mode::S_IRWXU)?;
    let folder = openat(parent, name, FOLDER, Mode::empty())?;
    let stat = fstat(&folder)?;
    let others = (Mode::S_IRWXG | Mode::S_IRWXO).bits();
    if stat.st_uid != geteuid().as_raw() || stat.st_mode & others != 0 {
        return Err(Errno::EPERM);
    }
    Ok(folder)
}

/// Makes the folder for answers, and gives it to the target's user.
fn make_answers(folder: &OwnedFd, uid: u32) -> Result<OwnedFd, StageError> {
    let made = make_private(folder, ANSWERS).map_err(|errno| StageError::Write(kind_of(errno)));
    let answers = made?;
    if uid != geteuid().as_raw() {
        fchown(&answers, Some(Uid::from_raw(uid)), None::<Gid>)
            .map_err(|_| StageError::NotGiven { uid })?;
    }
    Ok(answers)
}

impl Staging {
    /// The folder, as the target names it.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The folder in which the target may write, as it names it.
    #[must_use]
    pub fn answers(&self) -> PathBuf {
        self.path.join(ANSWERS)
    }

    /// Puts a file there, all of it or nothing; returns how the target names it.
    ///
    /// # Errors
    /// When the system does not write it.
    pub fn put(&mut self, name: &str, content: &[u8]) -> Result<PathBuf, StageError> {
        let unfinished = unfinished(name);
        self.files.extend([unfinished.clone(), name.to_owned()]);
        write_whole(&self.folder, &unfinished, content)
            .and_then(|()| {
                renameat(&self.folder, unfinished.as_str(), &self.folder, name).map_err(kind_of)
            })
            .map_err(StageError::Write)?;
        Ok(self.path.join(name))
    }

    /// Reads what the target wrote to a file of this name, if it did.
    ///
    /// # Errors
    /// When the system does not read it.
    pub fn answer(&self, name: &str) -> Result<Answer, ErrorKind> {
        // A pipe must not make us wait, and a link must not lead us anywhere.
        let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
        let opened = match openat(&self.answers, name, flags, Mode::empty()) {
            Ok(opened) => opened,
            Err(Errno::ENOENT) => return Ok(Answer::None),
            Err(Errno::ELOOP) => return Ok(Answer::Kind),
            Err(errno) => return Err(kind_of(errno)),
        };
        let stat = fstat(&opened).map_err(kind_of)?;
        if !is_small_file(&stat) {
            return Ok(Answer::Kind);
        }
        if stat.st_uid != self.uid {
            return Ok(Answer::Owner { uid: stat.st_uid });
        }
        let mut bytes = Vec::new();
        let read = File::from(opened).take(STAGED_BYTES_MAX).read_to_end(&mut bytes);
        read.map_err(|error| super::handle::kind_of_io(&error))?;
        Ok(Answer::Bytes(bytes))
    }

    /// Takes all of it away again: what was put there, and what the target left of these names.
    /// Returns whether the folder is gone.
    ///
    /// A name that is in nobody's list keeps its folder there, which harms nobody.
    pub fn remove(&mut self, answers: &[&str]) -> bool {
        for name in answers {
            let _ = unlinkat(&self.answers, *name, UnlinkatFlags::NoRemoveDir);
        }
        for name in &self.files {
            let _ = unlinkat(&self.folder, name.as_str(), UnlinkatFlags::NoRemoveDir);
        }
        let _ = unlinkat(&self.folder, ANSWERS, UnlinkatFlags::RemoveDir);
        unlinkat(&self.parent, self.name.as_str(), UnlinkatFlags::RemoveDir).is_ok()
    }
}

/// Writes a new file that everybody can read. Who reads it runs on this very machine, so that no
/// disk is waited for.
fn write_whole(folder: &OwnedFd, name: &str, content: &[u8]) -> Result<(), ErrorKind> {
    let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW;
    let mode = Mode::from_bits_truncate(0o644);
    let opened = openat(folder, name, flags | OFlag::O_CLOEXEC, mode).map_err(kind_of)?;
    // The mode above is cut by our umask.
    fchmod(opened.as_fd(), mode).map_err(kind_of)?;
    let mut file = File::from(opened);
    file.write_all(content).map_err(|error| super::handle::kind_of_io(&error))
}

fn is_small_file(stat: &FileStat) -> bool {
    let kind = SFlag::from_bits_truncate(stat.st_mode & SFlag::S_IFMT.bits());
    kind == SFlag::S_IFREG && u64::try_from(stat.st_size).is_ok_and(|size| size <= STAGED_BYTES_MAX)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

    use super::*;

    /// Our own process is a target as good as any.
    fn ours() -> Staging {
        stage(&Handle::open(std::process::id()).unwrap()).unwrap()
    }

    #[test]
    fn the_folder_is_ours_and_the_answers_are_the_targets() {
        let mut staging = ours();
        let file = staging.put("a.py", b"text").unwrap();
        assert_eq!(std::fs::read(&file).unwrap(), b"text");
        let mode = |path: &Path| std::fs::metadata(path).unwrap().mode() & 0o7777;
        let modes = [staging.path(), &staging.answers(), &file].map(mode);
        assert_eq!(modes, [0o755, 0o700, 0o644]);
        let (path, answers) = (staging.path().to_path_buf(), staging.answers());
        std::fs::write(answers.join("record"), "x").unwrap();
        assert!(staging.remove(&["record"]));
        assert!(!path.exists(), "nothing stays");
    }

    /// As one that was killed has left it, half a file included.
    #[test]
    fn a_folder_that_was_left_is_found_again() {
        let handle = Handle::open(std::process::id()).unwrap();
        let mut left = stage(&handle).unwrap();
        left.put("a.py", b"text").unwrap();
        let path = left.path().to_path_buf();
        std::fs::write(path.join("b.py.new"), "half a").unwrap();
        drop(left);
        let again = || staged(&handle, &path, &["a.py", "b.py"]).unwrap();
        std::fs::write(path.join("c.py"), "of somebody else").unwrap();
        assert!(!again().remove(&[]));
        assert!(path.join("c.py").exists());
        std::fs::remove_file(path.join("c.py")).unwrap();
        std::fs::create_dir(path.join(ANSWERS)).unwrap();
        assert!(again().remove(&[]));
        assert!(!path.exists());
    }

    /// The path is the target's word for it.
    #[test]
    fn a_folder_that_is_not_ours_is_not_taken_for_one() {
        let handle = Handle::open(std::process::id()).unwrap();
        let mut left = stage(&handle).unwrap();
        let (path, name) = (left.path().to_path_buf(), left.name.clone());
        let folder = std::env::temp_dir().join(format!("softdock-other-{}", std::process::id()));
        std::fs::create_dir(&folder).unwrap();
        symlink(&path, folder.join(&name)).unwrap();
        let refused = |path: &Path| staged(&handle, path, &[]).unwrap_err();
        assert_eq!(refused(&folder), ErrorKind::Denied, "a name of another form");
        assert_eq!(refused(&folder.join(&name)), ErrorKind::Denied, "another place");
        assert_eq!(refused(&path.join("..").join(&name)), ErrorKind::Denied, "a way round");
        let link = path.with_file_name("softdock-0123456789abcdef");
        symlink(&path, &link).unwrap();
        assert!(staged(&handle, &link, &[]).is_err(), "a link");
        std::fs::remove_file(&link).unwrap();
        std::fs::remove_dir_all(&folder).unwrap();
        assert!(left.remove(&[]));
    }

    /// Half a file is never seen by its name.
    #[test]
    fn a_file_is_put_once_and_whole() {
        let mut staging = ours();
        staging.put("a.py", b"one").unwrap();
        std::fs::write(staging.path().join("b.py.new"), "in the way").unwrap();
        assert!(staging.put("b.py", b"two").is_err());
        assert!(!staging.path().join("b.py").exists());
        staging.put("a.py", b"three").unwrap();
        assert_eq!(std::fs::read(staging.path().join("a.py")).unwrap(), b"three");
        assert!(staging.remove(&[]));
    }

    #[test]
    fn an_answer_is_read_as_it_is() {
        let mut staging = ours();
        let file = staging.answers().join("record");
        assert_eq!(staging.answer("record"), Ok(Answer::None));
        std::fs::write(&file, "text").unwrap();
        assert_eq!(staging.answer("record"), Ok(Answer::Bytes(b"text".to_vec())));
        let size = usize::try_from(STAGED_BYTES_MAX).unwrap();
        std::fs::write(&file, vec![b' '; size + 1]).unwrap();
        assert_eq!(staging.answer("record"), Ok(Answer::Kind), "too large");
        std::fs::remove_file(&file).unwrap();
        symlink("/etc/passwd", &file).unwrap();
        assert_eq!(staging.answer("record"), Ok(Answer::Kind), "a link");
        std::fs::remove_file(&file).unwrap();
        std::fs::create_dir(&file).unwrap();
        assert_eq!(staging.answer("record"), Ok(Answer::Kind), "a folder");
        std::fs::remove_dir(&file).unwrap();
        assert!(staging.remove(&[]));
    }

    #[test]
    fn an_answer_of_another_user_is_not_read() {
        let mut staging = ours();
        std::fs::write(staging.answers().join("record"), "text").unwrap();
        let uid = staging.uid;
        staging.uid = uid + 1;
        assert_eq!(staging.answer("record"), Ok(Answer::Owner { uid }));
        assert!(staging.remove(&["record"]));
    }

    #[test]
    fn a_folder_that_anybody_may_change_is_no_parent() {
        let folder = std::env::temp_dir().join(format!("softdock-parent-{}", std::process::id()));
        std::fs::create_dir(&folder).unwrap();
        let root = OwnedFd::from(File::open(&folder).unwrap());
        std::fs::create_dir(folder.join("p")).unwrap();
        let open_with = |mode| {
            let mode = std::fs::Permissions::from_mode(mode);
            std::fs::set_permissions(folder.join("p"), mode).unwrap();
            open_parent(&root, "p").map(|_| ())
        };
        let results = [0o777, 0o775, 0o1777, 0o755].map(open_with);
        assert_eq!(results, [Err(ErrorKind::Denied), Err(ErrorKind::Denied), Ok(()), Ok(())]);
        assert_eq!(open_parent(&root, "q").map(|_| ()), Err(kind_of(Errno::ENOENT)));
        // A link leads to where it would lead the target, and not out of its root.
        symlink("/p", folder.join("link")).unwrap();
        assert!(open_parent(&root, "link").is_ok());
        symlink("/etc", folder.join("out")).unwrap();
        assert!(open_parent(&root, "out").is_err());
        std::fs::remove_dir_all(&folder).unwrap();
    }
}

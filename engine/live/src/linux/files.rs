//! Opening the file behind a mapping, and being certain that it is that one.
//!
//! A path is only a rumour: the file may be replaced (python/cpython#151029), live in another
//! mount namespace (benfred/py-spy#49), in a chroot, or nowhere any more (benfred/py-spy#109).
//! So each way to it is followed by a proof.

use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags, OFlag, OpenHow, ResolveFlag, openat, openat2};
use nix::sys::stat::{FileStat, Mode, SFlag, fstat, fstatat, major, minor};
use softdock_process::Address;

use super::elf;
use super::handle::Handle;
use super::maps::{FileId, Mapping};
use super::memory::Memory;

/// Bytes of the start of a file that are compared where the numbers of its device cannot be.
const START_BYTES: usize = 4096;

/// The process whose files are opened.
pub(super) struct Owner<'p> {
    pub(super) handle: &'p Handle,
    pub(super) memory: &'p mut Memory,
}

impl Owner<'_> {
    /// Opens the file that is mapped as `id`, printed at `path`; `None` where no file can be
    /// proven to be it. `mappings` are those of this file.
    ///
    /// In the order of cost: the path; the mapping's own link, which needs a capability but works
    /// for deleted files and any namespace; the path in the target's root; the executable's link.
    ///
    /// Folklore: the kernel prints paths relative to the *reader's* root. For a target in a chroot
    /// the printed path is right as it stands, and wrong under `/proc/PID/root`; for one in
    /// another mount namespace it is the other way round.
    pub(super) fn open(&mut self, path: &[u8], id: FileId, mappings: &[&Mapping]) -> Option<File> {
        let mut doubtful = Vec::new();
        match open_path(path) {
            Some(file) if is_file(&file, id) => return Some(file),
            other => doubtful.extend(other),
        }
        if let Some(file) = self.open_link(mappings.first()?, id) {
            return Some(file);
        }
        match self.open_in_root(path) {
            Some(file) if is_file(&file, id) => return Some(file),
            other => doubtful.extend(other),
        }
        self.open_executable(id).or_else(|| {
            doubtful.into_iter().find(|file| self.same_build(file, mappings) == Some(true))
        })
    }

    /// Opens `map_files/START-END`, which is the mapped file itself.
    ///
    /// Folklore: on overlayfs and btrfs the device that `maps` prints is not the one that `stat`
    /// gives, so only the inode is compared; the link cannot lead elsewhere, but the mapping may
    /// have changed since the text was read. A device would be opened anew, with whatever that
    /// sets off, so the kind of file is asked before.
    fn open_link(&self, mapping: &Mapping, id: FileId) -> Option<File> {
        let name = format!("map_files/{:x}-{:x}", mapping.start, mapping.end);
        let stat = fstatat(self.handle.dir(), name.as_str(), AtFlags::empty()).ok()?;
        (is_regular(&stat) && stat.st_ino == id.inode).then_some(())?;
        self.handle.open_file(&name).ok()
    }

    /// Opens the path in the target's own root, from which no link leads out.
    fn open_in_root(&self, path: &[u8]) -> Option<File> {
        is_harmless(path).then_some(())?;
        let flags = OFlag::O_PATH | OFlag::O_CLOEXEC;
        let root = openat(self.handle.dir(), "root", flags, Mode::empty()).ok()?;
        let resolve = ResolveFlag::RESOLVE_IN_ROOT | ResolveFlag::RESOLVE_NO_SYMLINKS;
        open_unlinked(&root, path.strip_prefix(b"/")?, resolve).map(File::from)
    }

    /// Opens the executable, which stays there when its name is gone.
    fn open_executable(&self, id: FileId) -> Option<File> {
        let stat = fstatat(self.handle.dir(), "exe", AtFlags::empty()).ok()?;
        is_same(&stat, id).then_some(())?;
        self.handle.open_file("exe").ok().filter(|file| is_file(file, id))
    }

    /// Whether the file starts as the mapped one does, build id included: the same build, though
    /// its device is numbered otherwise (btrfs gives each subvolume a number that `maps` does not
    /// print; overlayfs did likewise before Linux 6.9).
    fn same_build(&mut self, file: &File, mappings: &[&Mapping]) -> Option<bool> {
        let first = mappings.iter().find(|mapping| mapping.offset == 0)?;
        let (mut mapped, mut stored) = ([0; START_BYTES], [0; START_BYTES]);
        self.memory.read(self.handle, Address::new(first.start), &mut mapped).ok()?;
        let read = elf::ReadAt::read_at(file, 0, &mut stored)?;
        Some(read == START_BYTES && mapped == stored && elf::build_id(&stored).is_some())
    }
}

/// Opens a printed path as it stands.
fn open_path(path: &[u8]) -> Option<File> {
    (path.starts_with(b"/") && is_harmless(path)).then_some(())?;
    open_unlinked(AT_FDCWD, path, ResolveFlag::RESOLVE_NO_SYMLINKS).map(File::from)
}

/// Whether opening a file of this name sets nothing off, whatever it turns out to be. A target in a
/// mount namespace of its own can map a file that *it* calls `/dev/watchdog`.
fn is_harmless(path: &[u8]) -> bool {
    let devices = path.starts_with(b"/dev/") && !path.starts_with(b"/dev/shm/");
    !(devices || path.starts_with(b"/proc/") || path.starts_with(b"/sys/"))
}

/// Opens a path in which nothing is a symbolic link, as the kernel prints them, so that a target
/// cannot lead us to a device by swapping a folder for a link. Never waits, as on a named pipe.
fn open_unlinked(from: impl AsFd, path: &[u8], resolve: ResolveFlag) -> Option<OwnedFd> {
    let flags = OFlag::O_RDONLY | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
    let how = OpenHow::new().flags(flags).resolve(resolve);
    match openat2(&from, path, how) {
        // Linux before 5.6, and filters that do not know the call: at least the last part of the
        // path is held to be no link.
        Err(Errno::ENOSYS | Errno::EPERM) => {
            openat(&from, path, flags | OFlag::O_NOFOLLOW, Mode::empty()).ok()
        }
        opened => opened.ok(),
    }
}

fn is_file(file: &File, id: FileId) -> bool {
    fstat(file).is_ok_and(|stat| is_same(&stat, id))
}

fn is_same(stat: &FileStat, id: FileId) -> bool {
    let device = (major(stat.st_dev), minor(stat.st_dev));
    is_regular(stat)
        && stat.st_ino == id.inode
        && device == (u64::from(id.major), u64::from(id.minor))
}

fn is_regular(stat: &FileStat) -> bool {
    SFlag::from_bits_truncate(stat.st_mode & SFlag::S_IFMT.bits()) == SFlag::S_IFREG
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::symlink;

    use super::super::layout::Layout;
    use super::*;

    /// Our own executable, as our own mappings tell of it.
    fn ours(handle: &Handle) -> (Vec<u8>, Mapping) {
        let mut layout = Layout::open(handle).unwrap().unwrap();
        layout.complete().unwrap();
        let exe = std::env::current_exe().unwrap();
        let own = |each: &&Mapping| *layout.path(each) == *exe.as_os_str().as_bytes();
        let mapping = layout.mappings().iter().find(own).unwrap();
        (layout.path(mapping).into_owned(), mapping.clone())
    }

    /// Each alone, since the first that works hides the others.
    #[test]
    fn every_way_leads_to_the_mapped_file_or_nowhere() {
        let handle = Handle::open(std::process::id()).unwrap();
        let (path, mapping) = ours(&handle);
        let (id, mut memory) = (mapping.file, Memory::default());
        let owner = Owner { handle: &handle, memory: &mut memory };
        let other = FileId { inode: id.inode ^ 1, ..id };
        assert!(open_path(&path).is_some_and(|file| is_file(&file, id)));
        assert!(owner.open_in_root(&path).is_some_and(|file| is_file(&file, id)));
        assert!(owner.open_executable(id).is_some_and(|file| is_file(&file, id)));
        assert!(owner.open_executable(other).is_none());
        assert!(owner.open_link(&mapping, other).is_none());
        if nix::unistd::geteuid().is_root() {
            assert!(owner.open_link(&mapping, id).is_some_and(|file| is_file(&file, id)));
        }
    }

    #[test]
    fn links_devices_and_relative_paths_are_not_opened() {
        let folder = std::env::temp_dir().canonicalize().unwrap();
        let folder = folder.join(format!("softdock-files-{}", std::process::id()));
        std::fs::create_dir_all(folder.join("real")).unwrap();
        std::fs::write(folder.join("real/file"), "x").unwrap();
        symlink(folder.join("real"), folder.join("link")).unwrap();
        let open = |path: &std::path::Path| open_path(path.as_os_str().as_bytes());
        assert!(open(&folder.join("real/file")).is_some());
        assert!(open(&folder.join("link/file")).is_none(), "a folder swapped for a link");
        std::fs::remove_dir_all(&folder).unwrap();
        for path in ["/dev/zero", "/proc/self/maps", "/sys/kernel/mm", "file", "", "/nul\0"] {
            assert!(open_path(path.as_bytes()).is_none(), "{path}");
        }
    }
}

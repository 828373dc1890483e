//! Tests of the search on our own process: the files are real ones in a temporary folder, the
//! memory is buffers of ours, and the text of the mappings is made up to tie the two together.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use super::super::elf::Segment;
use super::super::elf_builder::{RUNTIME, Told, build, with_segments};
use super::super::handle::Handle;
use super::super::memory::Memory;
use super::*;

const FILE_BYTES: usize = 0x1000;

/// Words from one mapping to the next, with a gap as large as a mapping.
const STRIDE: usize = 2 * FILE_BYTES / 8;

/// Mappings that a made-up process can have.
const MAPPINGS_MAX: usize = 16;

/// A made-up process. Its mappings lie in one buffer, so that they are told in the order of their
/// addresses, as the kernel tells them.
struct World {
    folder: PathBuf,
    text: Vec<u8>,
    buffer: Box<[u64]>,
    mappings: usize,
    handle: Handle,
    memory: Memory,
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

impl World {
    fn new() -> World {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("softdock-search-{}-{count}", std::process::id());
        let folder = std::env::temp_dir().canonicalize().unwrap().join(name);
        std::fs::create_dir_all(&folder).unwrap();
        World {
            folder,
            text: Vec::new(),
            buffer: vec![0; MAPPINGS_MAX * STRIDE].into_boxed_slice(),
            mappings: 0,
            handle: Handle::open(std::process::id()).unwrap(),
            memory: Memory::default(),
        }
    }

    /// A file, and a mapping with these rights that shows it from `offset` on: the memory holds
    /// what the file does.
    fn map(&mut self, name: &str, bytes: &[u8], rights: &str, offset: usize) -> u64 {
        let path = self.folder.join(name);
        std::fs::write(&path, bytes).unwrap();
        self.show(&path, bytes, rights, offset, "")
    }

    fn show(
        &mut self,
        path: &Path,
        bytes: &[u8],
        rights: &str,
        offset: usize,
        suffix: &str,
    ) -> u64 {
        use std::os::unix::fs::MetadataExt;
        let meta = std::fs::metadata(path).unwrap();
        let (major, minor) = (nix::sys::stat::major(meta.dev()), nix::sys::stat::minor(meta.dev()));
        let id = format!("{major:x}:{minor:x} {}", meta.ino());
        self.show_as(&id, path, bytes, rights, offset, suffix)
    }

    /// The same with these numbers of device and inode.
    fn show_as(
        &mut self,
        id: &str,
        path: &Path,
        bytes: &[u8],
        rights: &str,
        offset: usize,
        suffix: &str,
    ) -> u64 {
        let shown = &bytes[offset.min(bytes.len())..];
        self.push(shown, &format!("{rights} {offset:x} {id} {}{suffix}", path.display()))
    }

    /// A mapping of these bytes, padded with zeros; returns its address.
    fn push(&mut self, bytes: &[u8], rest: &str) -> u64 {
        let first = self.mappings * STRIDE;
        let words = &mut self.buffer[first..first + FILE_BYTES / 8];
        for (word, part) in words.iter_mut().zip(bytes.chunks(8)) {
            let mut whole = [0; 8];
            whole[..part.len()].copy_from_slice(part);
            *word = u64::from_ne_bytes(whole);
        }
        let start = words.as_ptr().expose_provenance() as u64;
        self.mappings += 1;
        let line = format!("{start:x}-{:x} {rest}\n", start + FILE_BYTES as u64);
        self.text.extend_from_slice(line.as_bytes());
        start
    }

    fn search(&self) -> Search {
        Search::new(Layout::of_text(self.text.clone()))
    }

    /// Every candidate, as address, way and name.
    fn candidates(&mut self) -> Vec<(u64, FoundBy, String)> {
        let mut search = self.search();
        let mut all = Vec::new();
        let mut owner = Owner { handle: &self.handle, memory: &mut self.memory };
        while let Some(found) = search.candidate(&mut owner, all.len()).unwrap() {
            all.push((found.at.get(), found.found_by, found.module.to_string()));
        }
        all
    }
}

fn python() -> Vec<u8> {
    build(Told::Section, 0x40_0000)
}

fn found(at: u64, found_by: FoundBy, name: &str) -> (u64, FoundBy, String) {
    (at, found_by, String::from(name))
}

#[test]
fn any_name_will_do() {
    let mut world = World::new();
    let at = world.map("myapp", &python(), "rw-p", 0);
    assert_eq!(world.candidates(), [found(at + RUNTIME, FoundBy::Section, "myapp")]);
}

#[test]
fn decoys_do_not_stop_the_search() {
    let mut world = World::new();
    let mut hostile = python();
    hostile[40..48].copy_from_slice(&(1_u64 << 47).to_le_bytes());
    world.map("libpython_x", &hostile[..0x700], "rw-p", 0);
    world.map("x_python_data", &[0; 0x1000], "rw-p", 0);
    world.map("python_no_data", &python(), "r--p", 0);
    world.map("python_shared", &python(), "rw-s", 0);
    let at = world.map("app", &python(), "rw-p", 0);
    let all = world.candidates();
    assert_eq!(all[0], found(at + RUNTIME, FoundBy::Section, "app"));
    assert_eq!(all.len(), 1, "{all:?}");
}

/// py-spy#865 and PR 765: the lowest mapping is not the one at offset 0.
#[test]
fn a_slice_mapped_again_leads_nowhere() {
    let mut world = World::new();
    let bytes = python();
    world.map("python3.14", &bytes, "r-xp", 0x400);
    let path = world.folder.join("python3.14");
    let data = world.show(&path, &bytes, "rw-p", 0x400, "");
    world.show(&path, &bytes, "rw-p", 0xa00, "");
    let at = data + RUNTIME - 0x400;
    assert_eq!(world.candidates(), [found(at, FoundBy::Section, "python3.14")]);
}

#[test]
fn sections_come_before_symbols_and_those_before_scans() {
    let mut world = World::new();
    let scanned = world.map("libpython3.14.so", &build(Told::Nothing, 0x10_0000), "rw-p", 0);
    let symbol = world.map("python3.14", &build(Told::GnuHash, 0x20_0000), "rw-p", 0);
    let section = world.map("app", &python(), "rw-p", 0);
    assert_eq!(
        world.candidates(),
        [
            found(section + RUNTIME, FoundBy::Section, "app"),
            found(symbol + RUNTIME, FoundBy::Symbol, "python3.14"),
            found(scanned + RUNTIME, FoundBy::Scan, "libpython3.14.so"),
        ]
    );
}

/// CPython 3.10 to 3.12: the engine wants to say "too old".
#[test]
fn a_runtime_without_cookie_comes_last() {
    let mut world = World::new();
    let mut old = python();
    old[usize::try_from(RUNTIME).unwrap()] = b'X';
    let bare = world.map("libpython3.12.so", &old, "rw-p", 0);
    let scanned = world.map("app.so", &build(Told::Nothing, 0), "rw-p", 0);
    let all = world.candidates();
    assert_eq!(all[0], found(scanned + RUNTIME, FoundBy::Scan, "app.so"));
    assert_eq!(all[1], found(bare + RUNTIME, FoundBy::Section, "libpython3.12.so"));
    assert_eq!(all.len(), 2);
}

/// cpython#151029: another build has the path now, and the mapped file has no name any more.
#[test]
fn a_replaced_file_is_not_believed_but_its_memory_is_scanned() {
    let mut world = World::new();
    let path = world.folder.join("python3.14");
    std::fs::write(&path, python()).unwrap();
    let at = world.show(&path, &python(), "rw-p", 0, " (deleted)");
    std::fs::write(world.folder.join("new"), build(Told::Nothing, 0)).unwrap();
    std::fs::rename(world.folder.join("new"), &path).unwrap();
    assert_eq!(world.candidates(), [found(at + RUNTIME, FoundBy::Scan, "python3.14")]);
    let mut search = world.search();
    let mut owner = Owner { handle: &world.handle, memory: &mut world.memory };
    let image = search.read_image(&mut owner, Address::new(at + RUNTIME), &mut [0; 8]);
    assert_eq!(image, Ok(false));
}

#[test]
fn a_file_may_really_be_called_deleted() {
    let mut world = World::new();
    let at = world.map("python (deleted)", &python(), "rw-p", 0);
    assert_eq!(world.candidates(), [found(at + RUNTIME, FoundBy::Section, "python")]);
}

#[test]
fn cookies_are_found_behind_the_data_but_not_without_end() {
    let mut world = World::new();
    let zeros = build(Told::Nothing, 0);
    let start = world.map("app", &vec![0; zeros.len()], "rw-p", 0);
    std::fs::write(world.folder.join("app"), &zeros).unwrap();
    let cookies: Vec<u8> = COOKIE.iter().copied().cycle().take(FILE_BYTES).collect();
    let behind = world.push(&cookies, "rw-p 0 0:0 0");
    // Only what touches the data is its zero-initialised part.
    let moved = String::from_utf8(world.text.clone()).unwrap();
    let moved = moved.replace(
        &format!("{start:x}-{:x}", start + FILE_BYTES as u64),
        &format!("{:x}-{behind:x}", behind - 16),
    );
    assert_eq!(world.candidates().len(), 0, "not adjacent");
    world.text = moved.into_bytes();
    let all = world.candidates();
    assert_eq!(all.len(), SCAN_HITS_MAX);
    assert_eq!(all[0], found(behind, FoundBy::Scan, "app"));
}

#[test]
fn the_image_is_what_the_file_holds() {
    let mut world = World::new();
    let bytes = python();
    let at = world.map("python3.14", &bytes, "rw-p", 0) + RUNTIME;
    let anonymous = world.push(b"", "rw-p 0 0:0 0");
    let mut search = world.search();
    let mut owner = Owner { handle: &world.handle, memory: &mut world.memory };
    let mut read = |at, len| {
        let mut into = vec![0; len];
        search.read_image(&mut owner, Address::new(at), &mut into).unwrap().then_some(into)
    };
    assert_eq!(read(at, 8).as_deref(), Some(&b"xdebugpy"[..]));
    let rest = bytes.len() - usize::try_from(RUNTIME).unwrap();
    assert_eq!(read(at, rest).as_deref(), Some(&bytes[bytes.len() - rest..]));
    assert_eq!(read(at, rest + 1), None, "zero-initialised memory has no image");
    assert_eq!(read(anonymous, 8), None);
    assert_eq!(read(u64::MAX, 8), None);
    assert_eq!(read(8, 8), None);
}

#[test]
fn likely_names_are_asked_first() {
    let order: [&[u8]; 8] = [
        b"libpython3.14.so.1.0",
        b"python3.14",
        b"my-python-host",
        b"uwsgi",
        b"libc.so.6",
        b"_datetime.cpython-314-x86_64-linux-gnu.so",
        b"libpython3.so",
        b"",
    ];
    let classes = order.map(likelihood);
    assert_eq!(classes, [0, 1, 2, 3, 4, 4, 2, 3]);
}

#[test]
fn objects_are_in_private_writable_memory() {
    let mut world = World::new();
    let data = world.map("app", &python(), "rw-p", 0);
    world.map("text", &python(), "r-xp", 0);
    world.map("shared", &python(), "rw-s", 0);
    let heap = world.push(b"", "rw-p 0 0:0 0 [heap]");
    world.push(b"", "rw-p 0 0:0 0 [stack]");
    let anonymous = world.push(b"", "rw-p 0 0:0 0");
    let mut search = world.search();
    let starts: Vec<u64> = (0..9)
        .map_while(|nth| search.writable(nth).unwrap())
        .map(|range| range.start.get())
        .collect();
    assert_eq!(starts, [data, heap, anonymous]);
}

/// cpython#144563: which of two copies lives is for the engine to find out.
#[test]
fn two_copies_are_two_candidates() {
    let mut world = World::new();
    let one = world.map("libpython3.14.so.1.0", &python(), "rw-p", 0);
    let two = world.map("libpython3.14.so", &python(), "rw-p", 0);
    let mut all = world.candidates();
    all.sort();
    let mut both = [one, two].map(|start| start + RUNTIME);
    both.sort_unstable();
    assert_eq!(all.iter().map(|found| found.0).collect::<Vec<_>>(), both);
}

/// A file of a page that states a build id.
fn with_build_id() -> Vec<u8> {
    let whole = Segment { offset: 0, address: 0, file_bytes: 0x1000, memory_bytes: 0x1000 };
    let note = Segment { offset: 0x700, address: 0x700, file_bytes: 24, memory_bytes: 24 };
    let mut bytes = with_segments(Told::Section, &[whole, note], RUNTIME);
    bytes[64 + 56] = 4;
    bytes[0x700..0x718].copy_from_slice(b"\x04\0\0\0\x08\0\0\0\x03\0\0\0GNU\0deadbeef");
    bytes.resize(FILE_BYTES, 0);
    bytes
}

/// btrfs and overlayfs: the numbers in `maps` are not those of `stat`.
#[test]
fn the_same_build_is_believed_though_its_device_differs() {
    let mut world = World::new();
    let bytes = with_build_id();
    let path = world.folder.join("python3.14");
    std::fs::write(&path, &bytes).unwrap();
    let at = world.show_as("7f:7f 7", &path, &bytes, "rw-p", 0, "");
    assert_eq!(world.candidates(), [found(at + RUNTIME, FoundBy::Section, "python3.14")]);

    let mut other = bytes;
    other[0x710] ^= 1;
    std::fs::write(&path, &other).unwrap();
    assert_eq!(world.candidates(), [found(at + RUNTIME, FoundBy::Scan, "python3.14")]);

    let without = python();
    let mut world = World::new();
    let path = world.folder.join("python3.14");
    std::fs::write(&path, [&without[..], &[0; 0x1000]].concat()).unwrap();
    let at = world.show_as("7f:7f 7", &path, &without, "rw-p", 0, "");
    let scanned = [found(at + RUNTIME, FoundBy::Scan, "python3.14")];
    assert_eq!(world.candidates(), scanned, "equal so far, but no build id to prove it");
}

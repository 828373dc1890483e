//! What an ELF file says about itself: its loaded segments, and where in them a CPython runtime
//! would be. It reads any source of bytes, trusts none of them, and reads as little as it can.
//!
//! It is no loader and knows no process: see `candidates` for what is mapped where.
//!
//! Files are read with `pread` rather than mapped: a mapped file that is truncated meanwhile kills
//! the reader with a bus error, and page faults cost more than three short reads. CPython's own
//! attacher maps the file and follows its header: a target can kill it with a file called
//! `x_python` whose `e_shoff` is 2^47.

use object::elf::{
    ELFCLASS64, ELFDATA2LSB, ELFMAG, FileHeader64, PT_DYNAMIC, PT_LOAD, ProgramHeader64,
    SHN_LORESERVE, SHN_XINDEX, SHT_NOBITS, SectionHeader64,
};
use object::{LittleEndian, Pod};
use softdock_process::FoundBy;

use super::limits::{NAMES_BEFORE_SECTIONS_BYTES, SECTIONS_MAX, SEGMENTS_MAX, WINDOW_BYTES};
use super::symbols;

const LE: LittleEndian = LittleEndian;

/// A source of bytes at offsets: a file, or a slice in a test.
pub trait ReadAt {
    /// Reads into the front of `into` from `offset`, as many bytes as there are; `None` when it
    /// cannot be read.
    fn read_at(&self, offset: u64, into: &mut [u8]) -> Option<usize>;
}

impl ReadAt for [u8] {
    fn read_at(&self, offset: u64, into: &mut [u8]) -> Option<usize> {
        let rest = self.get(usize::try_from(offset).ok()?..)?;
        let len = rest.len().min(into.len());
        into.get_mut(..len)?.copy_from_slice(rest.get(..len)?);
        Some(len)
    }
}

impl ReadAt for std::fs::File {
    fn read_at(&self, offset: u64, into: &mut [u8]) -> Option<usize> {
        std::os::unix::fs::FileExt::read_at(self, into, offset).ok()
    }
}

/// A part of the file that is loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Where it starts in the file.
    pub offset: u64,
    /// Where it starts in memory, before any bias.
    pub address: u64,
    /// Its bytes in the file.
    pub file_bytes: u64,
    /// Its bytes in memory; what the file lacks is zero.
    pub memory_bytes: u64,
}

/// Where a runtime would be, before any bias.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Runtime {
    /// Its address as linked.
    pub address: u64,
    /// The size that the section or symbol states.
    pub size: u64,
    /// Whether a section or a symbol told so.
    pub found_by: FoundBy,
}

/// A byte of the loaded image, told by the file: `beyond` bytes after the one at `offset`.
///
/// Only zero-initialised data, which the file does not hold, is beyond its segment's last byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// An offset that the file has.
    pub offset: u64,
    /// Bytes further on in memory.
    pub beyond: u64,
}

/// What we know of an ELF file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Image {
    /// Its loaded segments, in the order of its table.
    pub segments: Vec<Segment>,
    /// Where a runtime would be; `None` where the file does not say.
    pub runtime: Option<Runtime>,
}

impl Image {
    /// Where the byte linked at `address` is, by the file's own segments.
    ///
    /// Asked by file offset, the answer needs no load bias: a mapping that shows this offset shows
    /// this byte. So it does not matter which mapping of the file is the lowest
    /// (benfred/py-spy#865: libffi maps one page of the text again, below all others), whether the
    /// file is mapped in part (bloomberg/pystack#336) or twice, or whether the first segment starts
    /// at a page (benfred/py-spy#626 and #433: LLD does not).
    #[must_use]
    pub fn place(&self, address: u64) -> Option<Place> {
        self.segments.iter().find_map(|segment| {
            let within = address.checked_sub(segment.address)?;
            let last = segment.file_bytes.checked_sub(1)?;
            let anchor = within.min(last);
            (within < segment.memory_bytes).then_some(())?;
            Some(Place { offset: segment.offset.checked_add(anchor)?, beyond: within - anchor })
        })
    }

    /// Whether `len` bytes at `offset` of the file are loaded, so that they are what the process
    /// started with. The page that ends a segment also shows bytes of the file that are not.
    #[must_use]
    pub fn loads(&self, offset: u64, len: u64) -> bool {
        self.segments.iter().any(|segment| {
            let within = offset.checked_sub(segment.offset);
            let end = within.and_then(|within| within.checked_add(len));
            end.is_some_and(|end| end <= segment.file_bytes)
        })
    }

    /// Where the byte linked at `address` stands in the file.
    pub(super) fn file_offset(&self, address: u64) -> Option<u64> {
        self.place(address).filter(|place| place.beyond == 0).map(|place| place.offset)
    }
}

/// Reads what we want to know of a file; `None` when it is no 64-bit little-endian ELF file.
///
/// The section is asked first: its table was enough in every build of CPython 3.10 and later that
/// was not stripped of it. Then the dynamic symbols, which need no section table.
#[must_use]
pub fn runtime_in(source: &(impl ReadAt + ?Sized)) -> Option<Image> {
    let mut file = Window::new(source);
    let header: FileHeader64<LittleEndian> = file.pod(0)?;
    let ident = &header.e_ident;
    let ours = ident.magic == ELFMAG && ident.class == ELFCLASS64 && ident.data == ELFDATA2LSB;
    ours.then_some(())?;
    let (segments, dynamic) = segments(&mut file, &header);
    let mut image = Image { segments, runtime: None };
    image.runtime = section(&mut file, &header)
        .or_else(|| symbols::runtime(&mut file, &image, dynamic?))
        .filter(|runtime| image.place(runtime.address).is_some());
    Some(image)
}

/// The loaded segments, and offset and size of the dynamic one.
fn segments<S: ReadAt + ?Sized>(
    file: &mut Window<'_, S>,
    header: &FileHeader64<LittleEndian>,
) -> (Vec<Segment>, Option<(u64, u64)>) {
    let (mut loaded, mut dynamic) = (Vec::new(), None);
    let entry = u64::from(header.e_phentsize.get(LE));
    let count = u64::from(header.e_phnum.get(LE)).min(SEGMENTS_MAX);
    for index in 0..count {
        let at = nth(header.e_phoff.get(LE), index, entry);
        let Some(found) = at.and_then(|at| file.pod::<ProgramHeader64<LittleEndian>>(at)) else {
            break;
        };
        let (offset, file_bytes) = (found.p_offset.get(LE), found.p_filesz.get(LE));
        match found.p_type.get(LE) {
            PT_LOAD => loaded.push(Segment {
                offset,
                address: found.p_vaddr.get(LE),
                file_bytes,
                memory_bytes: found.p_memsz.get(LE),
            }),
            PT_DYNAMIC => dynamic = Some((offset, file_bytes)),
            _ => {}
        }
    }
    (loaded, dynamic)
}

/// The section that CPython puts its runtime into.
fn section<S: ReadAt + ?Sized>(
    file: &mut Window<'_, S>,
    header: &FileHeader64<LittleEndian>,
) -> Option<Runtime> {
    let table = header.e_shoff.get(LE);
    let entry = u64::from(header.e_shentsize.get(LE));
    (table != 0 && entry == size_of::<SectionHeader64<LittleEndian>>() as u64).then_some(())?;
    let count = section_count(file, header, table)?;
    // Linkers write the names right before the table: one read for both.
    let from = table.saturating_sub(NAMES_BEFORE_SECTIONS_BYTES);
    file.load(from, usize::try_from(table - from + count * entry).ok()?)?;
    let sections: Vec<SectionHeader64<LittleEndian>> =
        (0..count).map_while(|index| file.pod(nth(table, index, entry)?)).collect();
    let names = sections.get(names_index(header, &sections)?)?;
    let found = sections.iter().find(|section| {
        section.sh_type.get(LE) != SHT_NOBITS && is_runtime(file, names, section).unwrap_or(false)
    })?;
    let (address, size) = (found.sh_addr.get(LE), found.sh_size.get(LE));
    Some(Runtime { address, size, found_by: FoundBy::Section })
}

/// How many sections there are: in the first one's size where the header's field is too narrow.
fn section_count<S: ReadAt + ?Sized>(
    file: &mut Window<'_, S>,
    header: &FileHeader64<LittleEndian>,
    table: u64,
) -> Option<u64> {
    let count = match header.e_shnum.get(LE) {
        0 => file.pod::<SectionHeader64<LittleEndian>>(table)?.sh_size.get(LE),
        count => u64::from(count),
    };
    (1..=SECTIONS_MAX).contains(&count).then_some(count)
}

/// Which section holds the names: in the first one's link where the header's field is too narrow.
fn names_index(
    header: &FileHeader64<LittleEndian>,
    sections: &[SectionHeader64<LittleEndian>],
) -> Option<usize> {
    match header.e_shstrndx.get(LE) {
        SHN_XINDEX => usize::try_from(sections.first()?.sh_link.get(LE)).ok(),
        index if index.0 < SHN_LORESERVE => Some(usize::from(index.0)),
        _ => None,
    }
}

/// Whether the section is called `.PyRuntime`, or with any other first character, as CPython itself
/// compares.
fn is_runtime<S: ReadAt + ?Sized>(
    file: &mut Window<'_, S>,
    names: &SectionHeader64<LittleEndian>,
    section: &SectionHeader64<LittleEndian>,
) -> Option<bool> {
    const TAIL: &[u8] = b"PyRuntime\0";
    let at = u64::from(section.sh_name.get(LE));
    let end = at.checked_add(TAIL.len() as u64 + 1)?;
    (end <= names.sh_size.get(LE)).then_some(())?;
    let name = file.bytes(names.sh_offset.get(LE).checked_add(at)?, TAIL.len() + 1)?;
    Some(name.get(1..) == Some(TAIL))
}

/// Where entry `index` of a table stands, or `None` past the end of all offsets.
pub(super) fn nth(table: u64, index: u64, entry: u64) -> Option<u64> {
    index.checked_mul(entry)?.checked_add(table)
}

/// The part of a file that was read last: what we look for lies in two or three places, each
/// smaller than a page.
pub(super) struct Window<'s, S: ?Sized> {
    source: &'s S,
    start: u64,
    bytes: Vec<u8>,
}

impl<'s, S: ReadAt + ?Sized> Window<'s, S> {
    fn new(source: &'s S) -> Window<'s, S> {
        Window { source, start: 0, bytes: Vec::new() }
    }

    /// The `len` bytes at `offset`, or `None` where the file has fewer.
    pub(super) fn bytes(&mut self, offset: u64, len: usize) -> Option<&[u8]> {
        if self.held(offset, len).is_none() {
            self.load(offset, len.max(WINDOW_BYTES))?;
        }
        self.held(offset, len)
    }

    fn held(&self, offset: u64, len: usize) -> Option<&[u8]> {
        let from = usize::try_from(offset.checked_sub(self.start)?).ok()?;
        self.bytes.get(from..from.checked_add(len)?)
    }

    /// Reads anew, as much of it as there is. Callers bound `len`.
    fn load(&mut self, start: u64, len: usize) -> Option<()> {
        self.start = start;
        self.bytes.resize(len, 0);
        let read = self.source.read_at(start, &mut self.bytes).unwrap_or(0);
        self.bytes.truncate(read);
        Some(())
    }

    /// The plain structure at `offset`.
    pub(super) fn pod<T: Pod>(&mut self, offset: u64) -> Option<T> {
        let bytes = self.bytes(offset, size_of::<T>())?;
        object::pod::from_bytes::<T>(bytes).ok().map(|(value, _)| *value)
    }
}

/// The build id that a note within `start`, the first bytes of an ELF file, states.
///
/// Two files with the same first page that holds the same build id are the same build, on whatever
/// file systems they are.
#[must_use]
pub fn build_id(start: &[u8]) -> Option<&[u8]> {
    use object::elf::{NT_GNU_BUILD_ID, PT_NOTE};
    let mut file = Window::new(start);
    let header: FileHeader64<LittleEndian> = file.pod(0)?;
    (header.e_ident.magic == ELFMAG).then_some(())?;
    let entry = u64::from(header.e_phentsize.get(LE));
    let count = u64::from(header.e_phnum.get(LE)).min(SEGMENTS_MAX);
    (0..count).find_map(|index| {
        let at = nth(header.e_phoff.get(LE), index, entry)?;
        let note: ProgramHeader64<LittleEndian> = file.pod(at)?;
        (note.p_type.get(LE) == PT_NOTE).then_some(())?;
        let from = usize::try_from(note.p_offset.get(LE)).ok()?;
        let len = usize::try_from(note.p_filesz.get(LE)).ok()?;
        let notes = start.get(from..from.checked_add(len)?)?;
        note_of(notes, NT_GNU_BUILD_ID.0)
    })
}

/// The body of the first GNU note of this type. Each note is three lengths of 4 bytes (name, body,
/// type), then name and body, both padded to 4.
fn note_of(mut notes: &[u8], wanted: u32) -> Option<&[u8]> {
    loop {
        let (name_len, rest) = notes.split_first_chunk::<4>()?;
        let (body_len, rest) = rest.split_first_chunk::<4>()?;
        let (kind, rest) = rest.split_first_chunk::<4>()?;
        let name_len = usize::try_from(u32::from_le_bytes(*name_len)).ok()?;
        let body_len = usize::try_from(u32::from_le_bytes(*body_len)).ok()?;
        let name = rest.get(..name_len)?;
        let rest = rest.get(name_len.checked_next_multiple_of(4)?..)?;
        let body = rest.get(..body_len)?;
        if u32::from_le_bytes(*kind) == wanted && name == b"GNU\0" && !body.is_empty() {
            return Some(body);
        }
        notes = rest.get(body_len.checked_next_multiple_of(4)?..)?;
    }
}

#[cfg(test)]
#[path = "elf_tests.rs"]
mod tests;

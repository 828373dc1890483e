//! Targets `maps` and `elf`: the texts and files by which a live process says what it has mapped.
//! Nothing in them can be trusted, so nothing in them may cause a panic or work without bound.

use std::cell::Cell;

use softdock_live::linux::elf::{ReadAt, build_id, runtime_in};
use softdock_live::linux::limits::{
    CHAIN_STEPS_MAX, DYNAMIC_ENTRIES_MAX, NAMES_BEFORE_SECTIONS_BYTES, SECTIONS_MAX, SEGMENTS_MAX,
    WINDOW_BYTES,
};
use softdock_live::linux::maps::{file_name, parse, without_deleted};

use crate::crash::{Crash, attempting};

/// Reads of an ELF file: each header, name and symbol may need one, and both hash tables may be
/// walked, three reads a step.
const READS_MAX: u64 =
    16 + SEGMENTS_MAX + 2 * SECTIONS_MAX + DYNAMIC_ENTRIES_MAX + 6 * CHAIN_STEPS_MAX as u64;

/// Bytes of the largest of them, the section headers.
const READ_MAX: u64 = 64 * SECTIONS_MAX + NAMES_BEFORE_SECTIONS_BYTES + WINDOW_BYTES as u64;

/// The input is the text of `/proc/PID/maps`.
///
/// # Errors
/// When a mapping is impossible, or the lines of a text do not read as each alone does.
pub fn maps(text: &[u8]) -> Result<(), Crash> {
    attempting(None);
    let wrong = |what| Err(Crash::of_input(what, String::from_utf8_lossy(text)));
    let whole = parse(text);
    for mapping in &whole {
        let path = mapping.path(text);
        if file_name(&path).len() > path.len() || without_deleted(&path).len() > path.len() {
            return wrong("a name is longer than its path");
        }
        if mapping.is_empty() || mapping.end != mapping.start + mapping.len() {
            return wrong("a mapping has no bytes");
        }
        let last = mapping.end - 1;
        let back = mapping.offset_of(last).map(|offset| mapping.address_of(offset));
        if back.is_some_and(|back| back != Some(last)) || mapping.offset_of(mapping.end).is_some() {
            return wrong("offsets and addresses do not answer each other");
        }
    }
    let lines = text.split_inclusive(|byte| *byte == b'\n');
    let each = lines.flat_map(|line| parse(line).into_iter().map(|m| (m.start, m.end, m.file)));
    if !each.eq(whole.iter().map(|m| (m.start, m.end, m.file))) {
        return wrong("a line reads otherwise among others");
    }
    Ok(())
}

/// The input is a mapped file.
///
/// # Errors
/// When too much is read of it, or a runtime is told that is not in it.
pub fn elf(file: &[u8]) -> Result<(), Crash> {
    attempting(None);
    let wrong = |what| Err(Crash::of_input(what, file));
    let source = Counted { file, reads: Cell::new(0), largest: Cell::new(0) };
    let image = runtime_in(&source);
    if source.reads.get() > READS_MAX || source.largest.get() > READ_MAX {
        return wrong("work without bound");
    }
    if build_id(file).is_some_and(|id| id.is_empty() || id.len() > file.len()) {
        return wrong("a build id that is not in the file");
    }
    let Some(image) = image else { return Ok(()) };
    if image.segments.len() as u64 > SEGMENTS_MAX {
        return wrong("segments without bound");
    }
    let Some(runtime) = image.runtime else { return Ok(()) };
    let Some(place) = image.place(runtime.address) else {
        return wrong("a runtime outside all segments");
    };
    if place.beyond == 0 && !image.loads(place.offset, 1) {
        return wrong("a byte that is in the file and is not loaded");
    }
    Ok(())
}

/// A file that counts what is read of it.
struct Counted<'f> {
    file: &'f [u8],
    reads: Cell<u64>,
    largest: Cell<u64>,
}

impl ReadAt for Counted<'_> {
    fn read_at(&self, offset: u64, into: &mut [u8]) -> Option<usize> {
        self.reads.set(self.reads.get() + 1);
        self.largest.set(self.largest.get().max(into.len() as u64));
        self.file.read_at(offset, into)
    }
}

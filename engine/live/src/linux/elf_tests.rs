//! Tests of `elf` and `symbols` on small files made by hand, whole and damaged.

use super::super::elf_builder::{self as builder, RUNTIME, SECTIONS, Told, build, with_segments};
use super::*;

const BASE: u64 = 0x40_0000;

fn image(file: &[u8]) -> Image {
    runtime_in(file).expect("an ELF file")
}

#[track_caller]
fn check(told: Told, found_by: Option<FoundBy>) {
    let found = image(&build(told, BASE)).runtime;
    let address = BASE + RUNTIME;
    assert_eq!(found, found_by.map(|found_by| Runtime { address, size: 0x100, found_by }));
}

#[test]
fn the_runtime_is_told_by_a_section_or_a_symbol() {
    check(Told::Section, Some(FoundBy::Section));
    check(Told::GnuHash, Some(FoundBy::Symbol));
    check(Told::SysvHash, Some(FoundBy::Symbol));
    check(Told::Nothing, None);
}

#[test]
fn a_symbol_that_is_only_used_tells_nothing() {
    check(Told::Undefined, None);
}

#[test]
fn a_section_may_have_any_first_character() {
    let mut file = build(Told::Section, BASE);
    let name = usize::try_from(builder::SECTION_NAMES).unwrap() + 11;
    file[name] = b'_';
    assert!(image(&file).runtime.is_some());
    file[name + 1] = b'p';
    assert!(image(&file).runtime.is_none());
}

#[test]
fn what_is_no_elf_file_is_none() {
    assert_eq!(runtime_in(&[0_u8; 65536][..]), None, "the decoy `x_python_data`");
    assert_eq!(runtime_in(&[][..]), None);
    let mut narrow = build(Told::Section, BASE);
    narrow[4] = 1;
    assert_eq!(runtime_in(&narrow[..]), None, "32 bits");
    let mut swapped = build(Told::Section, BASE);
    swapped[5] = 2;
    assert_eq!(runtime_in(&swapped[..]), None, "big-endian");
}

/// py-spy#403: "section out of bounds"; CPython's own attacher dies of the first of these.
#[test]
fn a_table_outside_the_file_tells_nothing() {
    for offset in [1 << 47, u64::MAX, u64::MAX - 63, 0xb40, 0xb3f] {
        let mut file = build(Told::Section, BASE);
        file[40..48].copy_from_slice(&offset.to_le_bytes());
        assert_eq!(image(&file).runtime, None, "{offset:#x}");
    }
}

/// The header's fields for counts are 16 bits wide; section 0 holds what is larger.
#[test]
fn counts_may_be_in_section_zero() {
    let mut file = build(Told::Section, BASE);
    file[60..62].copy_from_slice(&0_u16.to_le_bytes());
    file[62..64].copy_from_slice(&0xffff_u16.to_le_bytes());
    let zero = usize::try_from(SECTIONS).unwrap();
    file[zero + 32..zero + 40].copy_from_slice(&3_u64.to_le_bytes());
    file[zero + 40..zero + 44].copy_from_slice(&1_u32.to_le_bytes());
    assert!(image(&file).runtime.is_some());
    file[zero + 32..zero + 40].copy_from_slice(&(1_u64 << 60).to_le_bytes());
    assert!(image(&file).runtime.is_none(), "and what is larger than any file is not believed");
}

/// py-spy PR 626 and PR 433: a first segment that does not start at a page, data linked elsewhere
/// than its offset says.
#[test]
fn a_place_needs_no_aligned_segment() {
    let text = Segment { offset: 0, address: 0x1c0, file_bytes: 0x700, memory_bytes: 0x700 };
    let data = Segment { offset: 0x700, address: 0x2700, file_bytes: 0x440, memory_bytes: 0x900 };
    let image = image(&with_segments(Told::Section, &[text, data], 0x2800));
    assert_eq!(image.place(0x2800), Some(Place { offset: 0x800, beyond: 0 }));
    assert_eq!(image.place(0x1bf), None, "below the first segment");
    assert_eq!(image.place(0x2b3f), Some(Place { offset: 0xb3f, beyond: 0 }));
    assert_eq!(image.place(0x2b40), Some(Place { offset: 0xb3f, beyond: 1 }), "zeroed data");
    assert_eq!(image.place(0x3000), None, "past the last");
    assert_eq!(image.runtime.unwrap().address, 0x2800);
}

#[test]
fn a_runtime_outside_every_segment_is_dropped() {
    let text = Segment { offset: 0, address: 0, file_bytes: 0xb40, memory_bytes: 0xb40 };
    assert_eq!(image(&with_segments(Told::Section, &[text], 0x9000)).runtime, None);
}

#[test]
fn only_what_is_loaded_is_image() {
    let image = image(&build(Told::Section, BASE));
    assert!(image.loads(0, 0xb40) && image.loads(0xb3f, 1) && image.loads(0x10, 0));
    assert!(!image.loads(0xb3f, 2) && !image.loads(0xb40, 1) && !image.loads(u64::MAX, 2));
}

/// Whatever byte is damaged, and however: an answer, no panic.
#[test]
fn no_damage_panics() {
    for told in [Told::Section, Told::GnuHash, Told::SysvHash] {
        let whole = build(told, BASE);
        for index in 0..whole.len() {
            for value in [0x00, 0x7f, 0x80, 0xff] {
                let mut file = whole.clone();
                file[index] = value;
                look(&file);
            }
        }
        for cut in 0..whole.len() {
            look(&whole[..cut]);
        }
    }
}

/// Every word of the file as large as it can be: sums must not wrap.
#[test]
fn no_large_word_panics() {
    for told in [Told::Section, Told::GnuHash, Told::SysvHash] {
        let whole = build(told, BASE);
        for index in (0..whole.len() - 8).step_by(4) {
            for value in [u64::MAX, u64::MAX - 15, i64::MAX as u64, u64::from(u32::MAX)] {
                let mut file = whole.clone();
                file[index..index + 8].copy_from_slice(&value.to_le_bytes());
                look(&file);
            }
        }
    }
}

fn look(file: &[u8]) {
    if let Some(image) = runtime_in(file)
        && let Some(runtime) = image.runtime
    {
        assert!(image.place(runtime.address).is_some());
    }
    let _ = build_id(file);
}

/// A source that counts.
struct Counted<'f>(&'f [u8], core::cell::Cell<usize>);

impl ReadAt for Counted<'_> {
    fn read_at(&self, offset: u64, into: &mut [u8]) -> Option<usize> {
        self.1.set(self.1.get() + 1);
        self.0.read_at(offset, into)
    }
}

#[test]
fn few_reads_are_enough() {
    // As linkers lay files out: the tables at the far end.
    let mut file = build(Told::Section, BASE);
    let tail = file.split_off(usize::try_from(builder::SECTION_NAMES).unwrap());
    file.resize(0x10_0000, 0);
    let moved = file.len() as u64 - builder::SECTION_NAMES;
    file.extend_from_slice(&tail);
    file[40..48].copy_from_slice(&(SECTIONS + moved).to_le_bytes());
    let names = usize::try_from(SECTIONS + moved).unwrap() + 64 + 24;
    file[names..names + 8].copy_from_slice(&(builder::SECTION_NAMES + moved).to_le_bytes());
    let counted = Counted(&file, core::cell::Cell::new(0));
    assert!(runtime_in(&counted).unwrap().runtime.is_some());
    assert_eq!(counted.1.get(), 2, "the headers, and the tables at the end");
}

#[test]
fn a_build_id_is_found_among_notes() {
    let note = Segment { offset: 0x400, address: 0, file_bytes: 0x40, memory_bytes: 0x40 };
    let mut file = with_segments(Told::Nothing, &[note], 0);
    file[64] = 4;
    let notes = b"\x05\0\0\0\x01\0\0\0\x01\0\0\0ABCD\0\0\0\0x\0\0\0\
        \x04\0\0\0\x03\0\0\0\x03\0\0\0GNU\0\xaa\xbb\xcc\0";
    file[0x400..0x400 + notes.len()].copy_from_slice(notes);
    assert_eq!(build_id(&file), Some(&b"\xaa\xbb\xcc"[..]));
    file[0x400 + 24 + 4] = 0xff;
    assert_eq!(build_id(&file), None, "longer than the notes");
    assert_eq!(build_id(&build(Told::Section, BASE)), None);
}

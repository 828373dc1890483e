//! Small ELF files for tests, written field by field from the System V ABI. They do not use the
//! structures that the parser uses, so that a wrong telling of those is noticed.

use super::elf::Segment;

/// Where the parts of a built file stand.
pub(super) const DYNAMIC: u64 = 0x400;
pub(super) const SYMBOLS: u64 = 0x500;
pub(super) const NAMES: u64 = 0x580;
pub(super) const HASH: u64 = 0x5c0;
/// The 0x100 bytes of the runtime.
pub(super) const RUNTIME: u64 = 0x800;
pub(super) const SECTION_NAMES: u64 = 0xa00;
pub(super) const SECTIONS: u64 = 0xa40;

/// How the file tells of its runtime.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Told {
    Nothing,
    Section,
    GnuHash,
    SysvHash,
    /// As a symbol that the file uses and another one defines.
    Undefined,
}

/// A file of this kind: one segment `address` above its offsets that holds everything, the runtime
/// included.
pub(super) fn build(told: Told, address: u64) -> Vec<u8> {
    let whole = Segment { offset: 0, address, file_bytes: 0xb40, memory_bytes: 0x2000 };
    with_segments(told, &[whole], address + RUNTIME)
}

/// A file with these loaded segments whose runtime is linked at `runtime`. What its dynamic
/// segment says is linked through the first segment.
pub(super) fn with_segments(told: Told, segments: &[Segment], runtime: u64) -> Vec<u8> {
    let mut file = File { bytes: vec![0; 0xb40] };
    file.header(told == Told::Section, segments.len() + 1);
    for (index, segment) in segments.iter().enumerate() {
        file.program_header(index, 1, *segment);
    }
    let dynamic = Segment { offset: DYNAMIC, address: 0, file_bytes: 0x60, memory_bytes: 0x60 };
    file.program_header(segments.len(), 2, dynamic);
    file.put(RUNTIME, b"xdebugpy");
    match told {
        Told::Nothing => {}
        Told::Section => file.sections(runtime),
        Told::GnuHash | Told::SysvHash | Told::Undefined => {
            file.symbol(told, segments[0].address - segments[0].offset, runtime);
        }
    }
    file.bytes
}

struct File {
    bytes: Vec<u8>,
}

impl File {
    fn put(&mut self, at: u64, bytes: &[u8]) {
        let at = usize::try_from(at).unwrap();
        self.bytes[at..at + bytes.len()].copy_from_slice(bytes);
    }

    fn words(&mut self, at: u64, words: &[u64]) {
        for (index, word) in words.iter().enumerate() {
            self.put(at + 8 * index as u64, &word.to_le_bytes());
        }
    }

    fn halves(&mut self, at: u64, halves: &[u32]) {
        for (index, half) in halves.iter().enumerate() {
            self.put(at + 4 * index as u64, &half.to_le_bytes());
        }
    }

    fn header(&mut self, sections: bool, segments: usize) {
        self.put(0, b"\x7fELF\x02\x01\x01");
        let (table, count) = if sections { (SECTIONS, 3) } else { (0, 0) };
        self.halves(16, &[3 | 62 << 16, 1]);
        self.words(24, &[0, 64, table]);
        self.halves(48, &[0, 64 | 56 << 16]);
        self.halves(56, &[u32::try_from(segments).unwrap() | 64 << 16, count | 1 << 16]);
    }

    fn program_header(&mut self, index: usize, kind: u32, segment: Segment) {
        let at = 64 + 56 * index as u64;
        let Segment { offset, address, file_bytes, memory_bytes } = segment;
        self.halves(at, &[kind, 6]);
        self.words(at + 8, &[offset, address, address, file_bytes, memory_bytes, 0x1000]);
    }

    /// Section 0 is void, 1 holds the names, 2 is the runtime.
    fn sections(&mut self, runtime: u64) {
        self.put(SECTION_NAMES, b"\0.shstrtab\0.PyRuntime\0");
        self.section(1, 1, 3, [0, SECTION_NAMES, 22]);
        self.section(2, 11, 1, [runtime, RUNTIME, 0x100]);
    }

    fn section(&mut self, index: u64, name: u32, kind: u32, place: [u64; 3]) {
        let at = SECTIONS + 64 * index;
        self.halves(at, &[name, kind]);
        self.words(at + 16, &place);
    }

    /// Symbol 0 is void, 1 is another one in the same chain, 2 is the runtime.
    fn symbol(&mut self, told: Told, bias: u64, runtime: u64) {
        let tag = if told == Told::GnuHash { 0x6fff_fef5 } else { 4 };
        let entries = [(6, bias + SYMBOLS), (5, bias + NAMES), (10, 32), (tag, bias + HASH)];
        for (index, (tag, value)) in entries.into_iter().enumerate() {
            self.words(DYNAMIC + 16 * index as u64, &[tag, value]);
        }
        self.put(NAMES, b"\0_PyOther\0_PyRuntime\0");
        let index = if told == Told::Undefined { 0 } else { 7 };
        self.halves(SYMBOLS + 24, &[1, 0x11 | 7 << 16]);
        self.halves(SYMBOLS + 48, &[10, 0x11 | index << 16]);
        self.words(SYMBOLS + 56, &[runtime, 0x100]);
        match told {
            // One bucket, symbols from 1 on, one bloom word; only the last hash ends the chain.
            Told::GnuHash => {
                self.halves(HASH, &[1, 1, 1, 0, !0, !0, 1, 0x1234_5678, 0x88b5_a111 | 1]);
            }
            // One bucket, three symbols: the bucket leads to 1, 1 to 2, 2 to the end.
            _ => self.halves(HASH, &[1, 3, 1, 0, 2, 0]),
        }
    }
}

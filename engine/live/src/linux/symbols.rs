//! The dynamic symbol `_PyRuntime` of an ELF file, by its hash tables: a few short reads whatever
//! the number of symbols, and no section table, which strippers remove.

use object::LittleEndian;
use object::elf::{
    DT_GNU_HASH, DT_HASH, DT_NULL, DT_STRSZ, DT_STRTAB, DT_SYMTAB, Dyn64, GnuHashHeader,
    HashHeader, SHN_UNDEF, Sym64,
};
use softdock_process::FoundBy;

use super::elf::{Image, ReadAt, Runtime, Window, nth};
use super::limits::{CHAIN_STEPS_MAX, DYNAMIC_ENTRIES_MAX};

const LE: LittleEndian = LittleEndian;

/// The symbol that CPython has exported since 3.7, with the NUL that ends it.
const NAME: &[u8] = b"_PyRuntime\0";

/// Looks for it through the dynamic segment, at offset and size.
pub(super) fn runtime<S: ReadAt + ?Sized>(
    file: &mut Window<'_, S>,
    image: &Image,
    dynamic: (u64, u64),
) -> Option<Runtime> {
    let tables = Tables::read(file, image, dynamic)?;
    let found = tables.by_gnu_hash(file).or_else(|| tables.by_hash(file))?;
    let (address, size) = (found.st_value.get(LE), found.st_size.get(LE));
    Some(Runtime { address, size, found_by: FoundBy::Symbol })
}

/// Where the dynamic segment says that its tables are, as offsets in the file.
#[derive(Default)]
struct Tables {
    symbols: Option<u64>,
    names: Option<u64>,
    names_bytes: u64,
    hash: Option<u64>,
    gnu_hash: Option<u64>,
}

impl Tables {
    fn read<S: ReadAt + ?Sized>(
        file: &mut Window<'_, S>,
        image: &Image,
        (offset, bytes): (u64, u64),
    ) -> Option<Tables> {
        const ENTRY: u64 = size_of::<Dyn64<LittleEndian>>() as u64;
        let mut tables = Tables::default();
        for index in 0..(bytes / ENTRY).min(DYNAMIC_ENTRIES_MAX) {
            let entry: Dyn64<LittleEndian> = file.pod(nth(offset, index, ENTRY)?)?;
            let value = entry.d_val.get(LE);
            match entry.d_tag.get(LE) {
                DT_NULL => break,
                DT_SYMTAB => tables.symbols = image.file_offset(value),
                DT_STRTAB => tables.names = image.file_offset(value),
                DT_STRSZ => tables.names_bytes = value,
                DT_HASH => tables.hash = image.file_offset(value),
                DT_GNU_HASH => tables.gnu_hash = image.file_offset(value),
                _ => {}
            }
        }
        Some(tables)
    }

    /// One chain of the table that GNU `ld` and LLD make.
    fn by_gnu_hash<S: ReadAt + ?Sized>(
        &self,
        file: &mut Window<'_, S>,
    ) -> Option<Sym64<LittleEndian>> {
        let table = self.gnu_hash?;
        let header: GnuHashHeader<LittleEndian> = file.pod(table)?;
        let (buckets, first) = (header.bucket_count.get(LE), header.symbol_base.get(LE));
        let bloom_bytes = u64::from(header.bloom_count.get(LE)) * 8;
        let bucket_table = table.checked_add(16)?.checked_add(bloom_bytes)?;
        let chains = nth(bucket_table, u64::from(buckets), 4)?;
        let wanted = gnu_hash(NAME);
        let mut index = word(file, bucket_table, wanted.checked_rem(buckets)?)?;
        for _ in 0..CHAIN_STEPS_MAX {
            let hash = word(file, chains, index.checked_sub(first)?)?;
            if hash | 1 == wanted | 1
                && let Some(found) = self.named(file, index)
            {
                return Some(found);
            }
            (hash & 1 == 0).then_some(())?;
            index = index.checked_add(1)?;
        }
        None
    }

    /// One chain of the older table.
    fn by_hash<S: ReadAt + ?Sized>(&self, file: &mut Window<'_, S>) -> Option<Sym64<LittleEndian>> {
        let table = self.hash?;
        let header: HashHeader<LittleEndian> = file.pod(table)?;
        let buckets = header.bucket_count.get(LE);
        let bucket_table = table.checked_add(8)?;
        let chains = nth(bucket_table, u64::from(buckets), 4)?;
        let mut index = word(file, bucket_table, sysv_hash(NAME).checked_rem(buckets)?)?;
        for _ in 0..CHAIN_STEPS_MAX {
            (index != 0).then_some(())?;
            if let Some(found) = self.named(file, index) {
                return Some(found);
            }
            index = word(file, chains, index)?;
        }
        None
    }

    /// The symbol of this index, if it has our name and is defined here: whoever only uses it
    /// names it too.
    fn named<S: ReadAt + ?Sized>(
        &self,
        file: &mut Window<'_, S>,
        index: u32,
    ) -> Option<Sym64<LittleEndian>> {
        let at = nth(self.symbols?, u64::from(index), size_of::<Sym64<LittleEndian>>() as u64)?;
        let symbol: Sym64<LittleEndian> = file.pod(at)?;
        let name = u64::from(symbol.st_name.get(LE));
        let fits = name.checked_add(NAME.len() as u64)? <= self.names_bytes;
        let defined = symbol.st_shndx.get(LE) != SHN_UNDEF;
        (fits && defined).then_some(())?;
        let text = file.bytes(self.names?.checked_add(name)?, NAME.len())?;
        (text == NAME).then_some(symbol)
    }
}

/// Word `index` of a table of 32-bit words.
fn word<S: ReadAt + ?Sized>(file: &mut Window<'_, S>, table: u64, index: u32) -> Option<u32> {
    let bytes = file.bytes(nth(table, u64::from(index), 4)?, 4)?;
    bytes.first_chunk().map(|bytes| u32::from_le_bytes(*bytes))
}

fn without_nul(name: &[u8]) -> &[u8] {
    name.strip_suffix(b"\0").unwrap_or(name)
}

/// The hash of `DT_GNU_HASH`.
fn gnu_hash(name: &[u8]) -> u32 {
    let step = |hash: u32, byte: &u8| hash.wrapping_mul(33).wrapping_add(u32::from(*byte));
    without_nul(name).iter().fold(5381, step)
}

/// The hash of `DT_HASH`.
fn sysv_hash(name: &[u8]) -> u32 {
    without_nul(name).iter().fold(0, |hash: u32, byte| {
        let hash = hash.wrapping_shl(4).wrapping_add(u32::from(*byte));
        let top = hash & 0xf000_0000;
        (hash ^ (top >> 24)) & !top
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values of the examples in the System V ABI and in the GNU linker's documents.
    #[test]
    fn hashes_match_published_values() {
        assert_eq!(gnu_hash(b""), 0x1505);
        assert_eq!(gnu_hash(b"printf\0"), 0x156b_2bb8);
        assert_eq!(sysv_hash(b"printf\0"), 0x0779_05a6);
        assert_eq!(sysv_hash(b"syscall"), 0x0b09_985c);
    }
}

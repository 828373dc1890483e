//! Whether a reader of a table can know what it means. A build may be made up so that nobody can:
//! searches leave those out. It shares no code with the engine; of its rules it knows which path
//! buffers the engine writes to, and by which it tells what words are.

use softdock_cpython::{Build, SUPPORT, Table};

use crate::scenario::Attach;

/// The smallest path buffer that somebody would write to, in bytes, and the smallest one by which
/// six words in CPython's order are known for what they are.
const CAPACITY_USED: u64 = 512;
const CAPACITY_SHOWN: u64 = 320;

/// Bytes of a table of an unknown version in which somebody looks for them: four times what any
/// known one has, and more.
const BYTES_SEARCHED: u64 = 4096;

/// Whether the engine can be blamed for what it makes of the table that the process of this
/// scenario truly has.
#[must_use]
pub fn is_readable(scenario: &Attach, table: &Table) -> bool {
    is_together(table) && !is_disguised(scenario, table)
}

/// Whether the six words that tell where to write stand together, as in one struct of C, where
/// somebody looks, and say what some reader would take. Of others no reader can know, once six more
/// stand together.
///
/// Folklore: the fuzzer of sweeps put four hundred words between six that were nearly right and the
/// true ones, which no longer were among the bytes that are searched.
fn is_together(table: &Table) -> bool {
    let positions: Vec<_> = SUPPORT.iter().filter_map(|name| table.position(name)).collect();
    let ends = positions.iter().min().zip(positions.iter().max());
    let are_near = ends.is_none_or(|(first, last)| {
        last - first == 8 * (SUPPORT.len() as u64 - 1) && last + 8 <= BYTES_SEARCHED
    });
    let smallest = if positions.is_sorted() { CAPACITY_SHOWN } else { CAPACITY_USED };
    are_near && table.value(SUPPORT[5]).is_none_or(|capacity| capacity >= smallest)
}

/// Whether six words that come to the same as in the recorded build stand in their place, and are
/// not the true ones. A table of a known version that is right in every word is believed.
fn is_disguised(scenario: &Attach, table: &Table) -> bool {
    let build = scenario.process.build.map_or_else(Build::default, |build| build.0);
    let recorded = Table::of(build);
    let minor = |table: &Table| table.version().map(|version| version.to_hex() >> 16);
    let place = recorded.position(SUPPORT[0]).unwrap_or(0);
    let [shown, told] = [table, &recorded].map(|table| comes_to(&table.bytes(), place));
    let true_words = SUPPORT.map(|name| table.value(name).unwrap_or(0).to_le_bytes());
    let is_true = shown == comes_to(true_words.as_flattened(), 0);
    minor(table) == minor(&recorded) && shown == told && !is_true
}

/// What six words in CPython's order come to: where breaker, flag, path and policy are, and how
/// long the path may be.
fn comes_to(table: &[u8], at: u64) -> Option<[u64; 5]> {
    let (words, _) = table.get(at as usize..)?.as_chunks::<8>();
    let [breaker, block, policy, flag, path, size] =
        words.first_chunk().map(|words| words.map(u64::from_le_bytes))?;
    Some([breaker, block.wrapping_add(flag), block.wrapping_add(path), policy, size])
}

//! What one attach may remember for the next: where the thread state was, and enough to notice
//! that it is not there any more. The engine keeps nothing itself; the caller does.
//!
//! An entry is never trusted. It only shortens the way to a candidate, which is then validated
//! like any other: a wrong or forged entry costs a miss.

use softdock_process::{Address, FoundBy, Identity};

use crate::ThreadChoice;
use crate::layout::{ParseMode, Proof};

/// A remembered thread state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CachedThread {
    /// The process it was seen in.
    pub process: Identity,
    /// What was asked for then.
    pub choice: ThreadChoice,
    /// Where the runtime was.
    pub runtime: Address,
    /// How the runtime was found.
    pub found_by: FoundBy,
    /// Digest of the table there: other bytes, another build.
    pub table: TableDigest,
    /// How the table was parsed.
    pub mode: ParseMode,
    /// What was proved about the table.
    pub proof: Proof,
    /// The interpreter's id.
    pub interpreter_id: i64,
    /// Where its state was.
    pub interpreter: Address,
    /// Where the thread state was.
    pub thread: Address,
    /// Its native id as the target numbers it.
    pub native: u64,
    /// Whether nobody but the caller can have changed this since the engine made it. Where others
    /// can, as in a file, what was proved then counts for nothing: the mapped file must prove it
    /// now.
    pub is_own: bool,
}

/// A digest of a table's bytes, to notice another build: two 64-bit lanes, multiplied and rotated,
/// for the even and the odd words. Not cryptographic: whoever can forge the bytes can write the
/// target as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TableDigest(pub u64, pub u64);

impl TableDigest {
    /// The digest of a table, which is whole words.
    #[must_use]
    pub fn of(bytes: &[u8]) -> TableDigest {
        let mut lanes = (0x9e37_79b9_7f4a_7c15_u64, 0xc2b2_ae3d_27d4_eb4f_u64);
        let (words, _) = bytes.as_chunks::<8>();
        let (pairs, last) = words.as_chunks::<2>();
        for [even, odd] in pairs {
            lanes.0 = mix(lanes.0, even, 29);
            lanes.1 = mix(lanes.1, odd, 31);
        }
        lanes.0 = last.iter().fold(lanes.0, |lane, word| mix(lane, word, 29));
        TableDigest(lanes.0, lanes.1)
    }
}

fn mix(lane: u64, word: &[u8; 8], by: u32) -> u64 {
    (lane ^ u64::from_le_bytes(*word)).wrapping_mul(0x8765_4321_9abc_def1).rotate_left(by)
}

/// What became of the caller's cache entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum CacheUse {
    /// It was not to be used.
    #[default]
    Off,
    /// There was none, or it was for another process, thread or interpreter.
    Miss,
    /// It led to the thread state.
    Hit,
    /// It did not hold any more.
    Stale,
}

impl CacheUse {
    /// Its name in scenarios and reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            CacheUse::Off => "off",
            CacheUse::Miss => "miss",
            CacheUse::Hit => "hit",
            CacheUse::Stale => "stale",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_changed_byte_changes_the_digest() {
        let table: Vec<u8> = (0..=255).cycle().take(888).collect();
        let digest = TableDigest::of(&table);
        for at in 0..table.len() {
            let mut other = table.clone();
            other[at] ^= 1;
            assert_ne!(TableDigest::of(&other), digest, "byte {at}");
        }
    }
}

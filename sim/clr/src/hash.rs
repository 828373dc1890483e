//! A 128-bit hash of a state. Not cryptographic: it tells states of one exploration apart.

use core::hash::{Hash, Hasher};

/// A number that names things for people and judges, and changes nothing: no hash sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ghost(pub(crate) u64);

impl Hash for Ghost {
    fn hash<H: Hasher>(&self, _: &mut H) {}
}

/// Two 64-bit hashes of the same words, each with its own start and its own multiplier.
#[derive(Clone, Copy, Debug)]
pub struct Digest {
    low: u64,
    high: u64,
}

impl Digest {
    /// The hash of a value.
    #[must_use]
    pub fn of(value: &impl Hash) -> u128 {
        let mut digest = Digest { low: 0x243f_6a88_85a3_08d3, high: 0x1319_8a2e_0370_7344 };
        value.hash(&mut digest);
        (u128::from(digest.high) << 64) | u128::from(digest.low)
    }

    fn mix(&mut self, low: u64, high: u64) {
        self.low = fold(self.low ^ low, 0xa076_1d64_78bd_642f);
        self.high = fold(self.high.wrapping_add(high), 0xe703_7ed1_a0b4_28db);
    }
}

/// Multiplies, and folds the two halves of the product into one, as wyhash does.
const fn fold(word: u64, by: u64) -> u64 {
    let product = word as u128 * by as u128;
    product as u64 ^ (product >> 64) as u64
}

impl Hasher for Digest {
    fn finish(&self) -> u64 {
        self.low
    }

    /// Slices of numbers come as bytes, after their length: eight of them are a word.
    fn write(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks();
        words.iter().for_each(|word| self.write_u64(u64::from_le_bytes(*word)));
        rest.iter().for_each(|byte| self.write_u64(u64::from(*byte)));
    }

    fn write_u64(&mut self, word: u64) {
        self.mix(word, word);
    }

    fn write_u8(&mut self, word: u8) {
        self.write_u64(word.into());
    }

    fn write_u32(&mut self, word: u32) {
        self.write_u64(word.into());
    }

    /// Only hashes are that long: each half goes where it came from.
    fn write_u128(&mut self, hash: u128) {
        self.mix(hash as u64, (hash >> 64) as u64);
    }

    fn write_i32(&mut self, word: i32) {
        self.write_u64(word.cast_unsigned().into());
    }

    fn write_usize(&mut self, word: usize) {
        self.write_u64(word as u64);
    }

    fn write_isize(&mut self, word: isize) {
        self.write_u64(word.cast_unsigned() as u64);
    }
}

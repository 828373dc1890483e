//! A 128-bit hash of a state. Not cryptographic: it tells states of one exploration apart.

use core::hash::{Hash, Hasher};

/// A number that names things for people and judges, and changes nothing: no hash sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ghost(pub(crate) u64);

impl Hash for Ghost {
    fn hash<H: Hasher>(&self, _: &mut H) {}
}

/// Two 64-bit hashes of the same words, each with its own start.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Digest {
    low: u64,
    high: u64,
}

impl Digest {
    pub(crate) const fn new() -> Digest {
        Digest { low: 0x243f_6a88_85a3_08d3, high: 0x1319_8a2e_0370_7344 }
    }

    pub(crate) const fn value(self) -> u128 {
        ((self.high as u128) << 64) | self.low as u128
    }
}

/// Mixes one word (the finaliser of SplitMix64).
const fn scramble(word: u64) -> u64 {
    let word = word.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

impl Hasher for Digest {
    fn finish(&self) -> u64 {
        self.low
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u64(u64::from(*byte)));
    }

    fn write_u64(&mut self, word: u64) {
        self.low = scramble(self.low ^ word);
        self.high = scramble(self.high.rotate_left(32).wrapping_add(word));
    }

    fn write_u8(&mut self, word: u8) {
        self.write_u64(word.into());
    }

    fn write_u32(&mut self, word: u32) {
        self.write_u64(word.into());
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

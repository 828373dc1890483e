//! What a page reads as before anything was written to it. Not a source of randomness: the same
//! address always reads the same.

use crate::fingerprint::scramble;

/// The content of pages that were never written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fill {
    /// Zeros, as the system gives them out.
    Zero,
    /// Noise that depends on the address and on this number. Every byte has its top bit set, so
    /// that no word of it passes for a null, a flag, a small number, the end of a string, or a
    /// user-space pointer: a read at a wrong offset is seen.
    Noise(u64),
}

impl Fill {
    /// The aligned 8-byte word at `at`.
    #[must_use]
    pub const fn word(self, at: u64) -> u64 {
        match self {
            Fill::Zero => 0,
            Fill::Noise(seed) => scramble(at ^ seed) | 0x8080_8080_8080_8080,
        }
    }

    /// The bytes from `at`.
    pub fn read(self, at: u64, into: &mut [u8]) {
        if at.is_multiple_of(8) && into.len().is_multiple_of(8) {
            // Whole pages, when a page is written for the first time.
            let (words, _) = into.as_chunks_mut::<8>();
            for (word, nth) in words.iter_mut().zip(0..) {
                *word = self.word(at.wrapping_add(nth * 8)).to_le_bytes();
            }
            return;
        }
        let mut at = at;
        let mut rest = into;
        while !rest.is_empty() {
            let skip = (at % 8) as usize;
            let (head, tail) = rest.split_at_mut(rest.len().min(8 - skip));
            let word = self.word(at - skip as u64).to_le_bytes();
            head.copy_from_slice(&word[skip..skip + head.len()]);
            at = at.wrapping_add(head.len() as u64);
            rest = tail;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_is_the_same_however_it_is_cut() {
        let fill = Fill::Noise(3);
        let mut whole = [0; 40];
        fill.read(0x1003, &mut whole);
        for cut in 0..40 {
            let mut parts = [0; 40];
            let (left, right) = parts.split_at_mut(cut);
            fill.read(0x1003, left);
            fill.read(0x1003 + cut as u64, right);
            assert_eq!(parts, whole, "cut at {cut}");
        }
    }

    #[test]
    fn noise_is_never_plausible() {
        let mut bytes = [0; 4096];
        Fill::Noise(0).read(0x40_0000, &mut bytes);
        assert!(bytes.iter().all(|byte| byte & 0x80 != 0));
    }
}

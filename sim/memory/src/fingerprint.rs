//! A 128-bit fingerprint of how memory differs from its checkpoint, kept up to date word by word.
//! Not cryptographic: it tells states of one exploration apart, nobody attacks it.

/// Mixes one word (the finaliser of SplitMix64).
pub(crate) const fn scramble(word: u64) -> u64 {
    let word = word.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

/// Mixes a place and what is there into 128 bits.
pub(crate) const fn pair(place: u64, content: u64) -> u128 {
    let placed = scramble(place);
    let low = scramble(placed ^ content);
    let high = scramble(placed.rotate_left(32).wrapping_add(content));
    ((high as u128) << 64) | low as u128
}

/// The fingerprint, in two parts: content is a sum that forgets order, layout a chain that keeps
/// it (a page that was written, unmapped and mapped anew is not the page that was written last).
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Fingerprint {
    content: u128,
    layout: u128,
}

impl Fingerprint {
    /// Adds words that appear, or takes away words that vanish: both are the same operation.
    pub(crate) fn toggle(&mut self, at: u64, word: u64) {
        self.content ^= pair(at, word);
    }

    /// Takes note of a change of layout.
    pub(crate) fn chain(&mut self, start: u64, len: u64, operation: u64) {
        let before = self.layout ^ self.content.rotate_left(1);
        let low = pair(start ^ before as u64, len);
        self.layout = low ^ pair((before >> 64) as u64, operation);
    }

    pub(crate) const fn value(self) -> u128 {
        self.content ^ self.layout
    }
}

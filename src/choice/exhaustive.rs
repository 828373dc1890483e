//! Every list of choices there is, one run after the other: depth first along a vector of
//! decisions, after Stateright, loom and TigerBeetle's `exhaustigen`; but without threads, shims or
//! a model, since the real engine is the only code that runs and its world moves inside each of its
//! accesses.
//!
//! A run that comes to a state which was left before is cut short. The state is the world's and
//! the engine's; the engine's is a function of what it has seen, so that a hash of everything it
//! was shown stands for it. That holds as long as the engine has no other input, which the lints
//! and the layers test see to; small cases are explored with and without, and must agree. 128 bits:
//! among 10⁹ states the chance that two share a hash is below 10⁻²⁰.

use std::hash::{BuildHasherDefault, Hasher};

use super::{Chooser, Open, What};

/// A hash of a sequence of bytes or words, in 128 bits. Not against an adversary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Digest(u64, u64);

impl Default for Digest {
    fn default() -> Digest {
        Digest(0x243f_6a88_85a3_08d3, 0x1319_8a2e_0370_7344)
    }
}

impl Digest {
    /// Takes in one word.
    #[inline]
    pub fn word(&mut self, word: u64) {
        let folded = |a: u64, b: u64| {
            let product = u128::from(a) * u128::from(b);
            product as u64 ^ (product >> 64) as u64
        };
        let (a, b) = (self.0 ^ word, self.1.rotate_left(23) ^ word);
        self.0 = folded(a, 0x9e37_79b9_7f4a_7c15).wrapping_add(self.1);
        self.1 = folded(b, 0xd6e8_feb8_6659_fd93).wrapping_add(a.rotate_left(31));
    }

    /// Takes in bytes, and how many they are.
    #[inline]
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.word(bytes.len() as u64);
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            self.word(u64::from_le_bytes(*word));
        }
        if !rest.is_empty() {
            self.word(rest.iter().rev().fold(0, |word, byte| (word << 8) | u64::from(*byte)));
        }
    }

    /// The hash.
    #[must_use]
    pub const fn value(self) -> u128 {
        (self.0 as u128) << 64 | self.1 as u128
    }
}

/// States that were left before.
#[expect(clippy::disallowed_types, reason = "looked up by hashes, and never gone through")]
type Visited = std::collections::HashSet<u128, BuildHasherDefault<Itself>>;

/// A hash needs no hashing.
#[derive(Clone, Copy, Debug, Default)]
struct Itself(u64);

impl Hasher for Itself {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        let (words, _) = bytes.as_chunks::<8>();
        self.0 = words.first().map_or(0, |word| u64::from_le_bytes(*word));
    }
}

/// A decision on the way: what was chosen, and what else there is.
#[derive(Clone, Copy, Debug)]
struct Decision {
    open: Open,
    choice: u32,
    options: u32,
}

/// Goes through every list of choices.
#[derive(Clone, Debug)]
pub struct Exhaustive {
    way: Vec<Decision>,
    /// How many decisions of `way` this run has come to.
    position: usize,
    faults_max: u32,
    faults: u32,
    seen: Digest,
    visited: Option<Visited>,
    is_over: bool,
    /// Runs that were cut short.
    cut: u64,
    has_diverged: bool,
}

impl Exhaustive {
    /// Every list with at most so many faults. With `pruned` a state that was left before is not
    /// entered again.
    #[must_use]
    pub fn new(faults_max: u32, pruned: bool) -> Exhaustive {
        Exhaustive {
            way: Vec::new(),
            position: 0,
            faults_max,
            faults: 0,
            seen: Digest::default(),
            visited: pruned.then(Visited::default),
            is_over: false,
            cut: 0,
            has_diverged: false,
        }
    }

    /// Prepares the next run; `false` when there is none left.
    pub fn next_run(&mut self) -> bool {
        self.cut += u64::from(self.is_over);
        while let Some(last) = self.way.last_mut() {
            last.choice += 1;
            if last.choice < last.options {
                self.rewind();
                return true;
            }
            self.way.pop();
        }
        false
    }

    fn rewind(&mut self) {
        self.position = 0;
        self.faults = 0;
        self.seen = Digest::default();
        self.is_over = false;
    }

    /// Whether the run under way was cut short: what comes out of it means nothing.
    #[must_use]
    pub const fn was_cut(&self) -> bool {
        self.is_over
    }

    /// Runs that were cut short so far.
    #[must_use]
    pub const fn cut(&self) -> u64 {
        self.cut
    }

    /// Whether a run that made the same choices was asked something else: the engine or the world
    /// is not deterministic, and nothing that was found means anything.
    #[must_use]
    pub const fn has_diverged(&self) -> bool {
        self.has_diverged
    }

    /// Different states so far; 0 where they are not told apart.
    #[must_use]
    pub fn states(&self) -> u64 {
        self.visited.as_ref().map_or(0, |visited| visited.len() as u64)
    }

    /// The choices of the run under way, as [`super::Recorded`] takes them.
    #[must_use]
    pub fn choices(&self) -> Vec<(u32, What, u32)> {
        let made = self.way.iter().filter(|decision| decision.choice != 0);
        made.map(|decision| (decision.open.access, decision.open.what, decision.choice)).collect()
    }
}

impl Chooser for Exhaustive {
    #[inline]
    fn choose(&mut self, open: Open, options: u32) -> u32 {
        if open.what == What::Fault && self.faults == self.faults_max {
            return 0;
        }
        if self.position == self.way.len() {
            self.way.push(Decision { open, choice: 0, options });
        }
        let decision = self.way[self.position];
        self.has_diverged |= (decision.open, decision.options) != (open, options);
        self.position += 1;
        self.faults += u32::from(open.what == What::Fault && decision.choice != 0);
        decision.choice
    }

    #[inline]
    fn observe(&mut self, bytes: &[u8]) {
        if self.visited.is_some() {
            self.seen.bytes(bytes);
        }
    }

    /// On the way that was gone before, states are known because it was gone before.
    #[inline]
    fn arrive(&mut self, world: impl FnOnce() -> u128) -> bool {
        if self.position < self.way.len() || self.is_over {
            return !self.is_over;
        }
        let Some(visited) = &mut self.visited else { return true };
        let mut state = self.seen;
        let world = world();
        state.word(world as u64);
        state.word((world >> 64) as u64);
        state.word(u64::from(self.faults));
        self.is_over = !visited.insert(state.value());
        !self.is_over
    }
}

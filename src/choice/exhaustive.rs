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

/// States by their hashes.
#[expect(clippy::disallowed_types, reason = "looked up by hashes, and never gone through")]
type States = std::collections::HashMap<u128, u32, BuildHasherDefault<Itself>>;

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

    fn write_u128(&mut self, hash: u128) {
        self.0 = hash as u64;
    }
}

/// A decision on the way: what was chosen, and what else there is.
#[derive(Clone, Copy, Debug)]
struct Decision {
    open: Open,
    choice: u32,
    options: u32,
}

/// A state, at the arrival at an access.
#[derive(Clone, Debug, Default)]
struct State {
    /// How many accesses come before it.
    depth: u32,
    /// The states that follow, one for each choice that leads there.
    next: Vec<u32>,
    /// Runs that end before another access, and those of them that go wrong.
    ends: Futures,
}

/// How many runs there are from some state on, each told from every other by its choices.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Futures {
    /// All of them.
    pub all: u128,
    /// Those that go wrong.
    pub wrong: u128,
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
    known: Option<States>,
    /// The graph of states; the first is where every run begins.
    states: Vec<State>,
    /// The states that this run has gone through.
    path: Vec<u32>,
    depth: usize,
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
            known: pruned.then(States::default),
            states: vec![State::default()],
            path: vec![0],
            depth: 0,
            is_over: false,
            cut: 0,
            has_diverged: false,
        }
    }

    /// Ends the run under way, which went wrong or did not, and prepares the next one; `false` when
    /// there is none left.
    pub fn next_run(&mut self, wrong: bool) -> bool {
        if self.is_over {
            self.cut += 1;
        } else {
            // Beyond this run's own depth the path is still that of the run before.
            let last = self.path.get(self.depth).copied().unwrap_or(0);
            let ends = &mut self.states[last as usize].ends;
            ends.all += 1;
            ends.wrong += u128::from(wrong);
        }
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
        self.depth = 0;
        self.is_over = false;
    }

    /// Whether the run under way was cut short: what comes out of it means nothing, since another
    /// run has been in the same state, with the same promises broken on the way.
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

    /// Different states so far; one where they are not told apart.
    #[must_use]
    pub fn states(&self) -> u64 {
        self.states.len() as u64
    }

    /// How many runs there are in all, as if none had been cut: counted as ways through the graph
    /// of states, when everything has been gone through.
    #[must_use]
    pub fn futures(&self) -> Futures {
        let mut order: Vec<usize> = (0..self.states.len()).collect();
        order.sort_by_key(|state| std::cmp::Reverse(self.states[*state].depth));
        let mut futures = vec![Futures::default(); self.states.len()];
        for state in order {
            let State { next, ends, .. } = &self.states[state];
            futures[state] = next.iter().fold(*ends, |sum, next| {
                let more = futures[*next as usize];
                Futures { all: sum.all + more.all, wrong: sum.wrong + more.wrong }
            });
        }
        futures.first().copied().unwrap_or_default()
    }

    /// The choices of the run under way, as [`super::Recorded`] takes them.
    #[must_use]
    pub fn choices(&self) -> Vec<(u32, What, u32)> {
        let made = self.way.iter().filter(|decision| decision.choice != 0);
        made.map(|decision| (decision.open.access, decision.open.what, decision.choice)).collect()
    }

    /// The state that this hash stands for, and whether it is new.
    fn state(&mut self, hash: u128) -> (u32, bool) {
        let Some(known) = &mut self.known else { return (0, false) };
        let next = self.states.len() as u32;
        let state = *known.entry(hash).or_insert(next);
        if state == next {
            self.states.push(State { depth: self.depth as u32, ..State::default() });
        }
        (state, state == next)
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
        if self.known.is_some() {
            self.seen.bytes(bytes);
        }
    }

    /// On the way that was gone before, states are known because it was gone before.
    #[inline]
    fn arrive(&mut self, world: impl FnOnce() -> u128) -> bool {
        self.depth += 1;
        if self.position < self.way.len() || self.is_over || self.known.is_none() {
            return !self.is_over;
        }
        let mut hash = self.seen;
        let world = world();
        hash.word(world as u64);
        hash.word((world >> 64) as u64);
        hash.word(u64::from(self.faults) << 32 | self.depth as u64);
        let (state, is_new) = self.state(hash.value());
        self.path.truncate(self.depth);
        let from = self.path[self.depth - 1] as usize;
        self.states[from].next.push(state);
        self.path.push(state);
        self.is_over = !is_new;
        is_new
    }
}

#[cfg(test)]
mod tests {
    use softdock_attach::Site;

    use super::*;
    use crate::choice::Shape;

    /// Two accesses, two movers that may each move once, in any order, before either access. The
    /// engine sees nothing; only who has moved is the state.
    fn run(chooser: &mut Exhaustive) {
        let mut moved: Vec<u32> = Vec::new();
        for access in 1..=2 {
            let state = moved.iter().fold(0, |sum, mover| sum | 1_u128 << mover);
            if !chooser.arrive(|| state) {
                return;
            }
            loop {
                let ready: Vec<u32> = (1..=2).filter(|mover| !moved.contains(mover)).collect();
                if ready.is_empty() {
                    break;
                }
                let (site, shape, what) = (Site::Verify, Shape::Ask, What::Mover);
                let open = Open { access, site, hit: access, shape, what };
                match chooser.choose(open, ready.len() as u32 + 1) {
                    0 => break,
                    nth => moved.push(ready[nth as usize - 1]),
                }
            }
        }
    }

    fn explore(pruned: bool) -> (u64, Exhaustive) {
        let mut chooser = Exhaustive::new(0, pruned);
        let mut runs = 0;
        loop {
            run(&mut chooser);
            runs += 1;
            if !chooser.next_run(false) {
                return (runs, chooser);
            }
        }
    }

    #[test]
    fn every_list_is_gone_through_once() {
        // Each mover before access 1, before access 2, or never; where both move before the same
        // access, in either order.
        let (runs, chooser) = explore(false);
        assert_eq!((runs, chooser.cut(), chooser.has_diverged()), (9 + 2, 0, false));
    }

    #[test]
    fn what_was_cut_is_counted_all_the_same() {
        let (runs, chooser) = explore(true);
        assert_eq!(chooser.futures(), Futures { all: 11, wrong: 0 });
        // The start; access 1; access 2 after nobody, either, or both have moved.
        assert_eq!(chooser.states(), 1 + 1 + 4);
        assert!(runs - chooser.cut() < 11, "{runs} runs, {} of them cut", chooser.cut());
    }
}

//! Choices by chance: ChaCha, one stream a purpose, bounded draws of our own. The same seed makes
//! the same choices on every machine and with every version of this crate; test vectors hold it.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use super::{Chooser, Open, What};

/// A stream of draws for one purpose: what is drawn from one never moves another.
#[derive(Clone, Debug)]
pub struct Draws(ChaCha8Rng);

impl Draws {
    /// The stream of this name under this seed.
    #[must_use]
    pub fn new(seed: u64, name: &str) -> Draws {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        let mut rng = ChaCha8Rng::from_seed(key);
        let number = |hash: u64, byte| hash.wrapping_mul(257) ^ u64::from(byte);
        rng.set_stream(name.bytes().fold(0, number));
        Draws(rng)
    }

    /// One of so many numbers, from 0; each is equally likely. Of no number at all it is 0.
    ///
    /// By multiplication, and drawn again in the few cases in which that would favour one of them
    /// (Lemire 2019, <https://doi.org/10.1145/3230636>).
    pub fn below(&mut self, bound: u32) -> u32 {
        let Some(rest) = bound.wrapping_neg().checked_rem(bound) else { return 0 };
        loop {
            let product = u64::from(self.0.next_u32()) * u64::from(bound);
            if product as u32 >= rest {
                return (product >> 32) as u32;
            }
        }
    }

    /// Whether something happens that happens once in so many times.
    pub fn once_in(&mut self, times: u32) -> bool {
        self.below(times) == 0
    }
}

/// Chooses by chance.
#[derive(Clone, Debug)]
pub struct Random {
    movers: Draws,
    faults: Draws,
    rarity: u32,
}

impl Random {
    /// By this seed; something happens once in `rarity` times that it could.
    #[must_use]
    pub fn new(seed: u64, rarity: u32) -> Random {
        let (movers, faults) = (Draws::new(seed, "movers"), Draws::new(seed, "faults"));
        Random { movers, faults, rarity }
    }
}

impl Chooser for Random {
    fn choose(&mut self, open: Open, options: u32) -> u32 {
        let draws = match open.what {
            What::Mover => &mut self.movers,
            What::Fault => &mut self.faults,
        };
        if draws.once_in(self.rarity) { 1 + draws.below(options - 1) } else { 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// If these change, every recorded seed means something else. They were computed from the
    /// definitions of ChaCha8 and of the draw, by another program.
    #[test]
    fn the_streams_are_what_they_were() {
        let draw = |seed, name, bound| {
            let mut draws = Draws::new(seed, name);
            [0; 6].map(|_| draws.below(bound))
        };
        assert_eq!(draw(0, "faults", 1_000), [562, 630, 617, 347, 952, 294]);
        assert_eq!(draw(0, "movers", 1_000), [735, 729, 417, 292, 369, 284]);
        assert_eq!(draw(7, "faults", 3), [2, 1, 2, 1, 2, 0]);
        assert_eq!(
            draw(7, "faults", u32::MAX),
            [3019439102, 2381976589, 3334942293, 2257217127, 3242476303, 513738020]
        );
    }

    #[test]
    fn every_number_below_the_bound_comes_and_none_above() {
        let mut draws = Draws::new(1, "test");
        let mut seen = [0; 5];
        for _ in 0..5_000 {
            seen[draws.below(5) as usize] += 1;
        }
        assert!(seen.iter().all(|count| (900..1_100).contains(count)), "{seen:?}");
        assert_eq!((draws.below(1), draws.below(0)), (0, 0));
    }
}

//! A fuzzer's input as choices. Every input means something, and a longer one never changes what
//! its beginning meant. Most bytes mean that nothing happens: a fault on every access would end
//! every run at once.

use super::{Chooser, Open};

/// Below this a byte lets something happen.
const BUSY: u8 = 16;

/// Takes its choices from bytes; when they have come to their end, nothing happens any more.
#[derive(Clone, Debug)]
pub struct Bytes<'b> {
    rest: &'b [u8],
}

impl<'b> Bytes<'b> {
    /// One that chooses by these bytes.
    #[must_use]
    pub const fn new(bytes: &'b [u8]) -> Bytes<'b> {
        Bytes { rest: bytes }
    }

    fn next(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }
}

impl Chooser for Bytes<'_> {
    /// One byte says whether anything happens, two more what: as far as two bytes go, each option
    /// is as likely as its neighbour.
    fn choose(&mut self, _: Open, options: u32) -> u32 {
        let busy = self.next().is_some_and(|byte| (1..BUSY).contains(&byte));
        let Some((low, high)) = busy.then(|| self.next().zip(self.next())).flatten() else {
            return 0;
        };
        let drawn = u64::from(u16::from_le_bytes([low, high]));
        let choice = (drawn * u64::from(options)) >> 16;
        u32::try_from(choice).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use softdock_attach::Site;

    use super::*;
    use crate::choice::{Shape, What};

    const OPEN: Open =
        Open { access: 1, site: Site::Verify, hit: 1, shape: Shape::Ask, what: What::Fault };

    #[test]
    fn every_input_means_something_and_none_runs_over() {
        let mut chooser = Bytes::new(&[0, 1, 0xff, 0xff, 200, 3, 0, 0x80, 1, 7]);
        let chosen: Vec<u32> = (0..6).map(|_| chooser.choose(OPEN, 10)).collect();
        assert_eq!(chosen, [0, 9, 0, 5, 0, 0]);
    }
}

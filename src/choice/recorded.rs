//! A known list of choices, by the number of the access: what a sweep goes through, and what a
//! finding is replayed from. Whatever is not on the list does not happen.

use super::{Chooser, Open, What};

/// Plays back a list, in the order of accesses.
#[derive(Clone, Debug)]
pub struct Recorded<'r> {
    rest: &'r [(u32, What, u32)],
}

impl<'r> Recorded<'r> {
    /// One that chooses so: the number of the access, from 1, what is open about it, and the
    /// choice.
    #[must_use]
    pub const fn new(list: &'r [(u32, What, u32)]) -> Recorded<'r> {
        Recorded { rest: list }
    }
}

impl Chooser for Recorded<'_> {
    #[inline]
    fn minds(&self, access: u32) -> bool {
        self.rest.iter().any(|(at, ..)| *at == access)
    }

    #[inline]
    fn choose(&mut self, open: Open, options: u32) -> u32 {
        while let [(access, ..), rest @ ..] = self.rest
            && *access < open.access
        {
            self.rest = rest;
        }
        match self.rest {
            [(access, what, choice), rest @ ..]
                if *access == open.access && *what == open.what && *choice < options =>
            {
                self.rest = rest;
                *choice
            }
            _ => 0,
        }
    }
}

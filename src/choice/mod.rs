//! What a run leaves open, and who decides it.
//!
//! A run is a list of choices: which of the target's moves happens before this access, and what
//! goes wrong with it. One trait asks for them, and choice 0 always means that nothing happens, so
//! that a list which has come to its end goes on as a quiet run.
//!
//! | who decides | what for |
//! |---|---|
//! | [`Quiet`] | nothing happens |
//! | [`Recorded`] | a known list: replaying, sweeping |
//! | [`Exhaustive`] | every list there is, one run after the other: exploring |
//! | [`Random`] | a seed, by named ChaCha streams |
//! | [`Bytes`] | a fuzzer's input |
//!
//! It knows nothing of the world that asks, nor of what a choice does: that is [`Menu`] and
//! [`crate::world`].

mod bytes;
mod exhaustive;
mod menu;
mod random;
mod recorded;
mod schedule;

use std::fmt;

use softdock_attach::Site;

pub use bytes::Bytes;
pub use exhaustive::{Digest, Exhaustive, Futures};
pub use menu::{Classes, DENSE, DENSE_MAX, Menu, Prefixes};
pub use random::{Draws, Random};
pub use recorded::Recorded;
pub use schedule::{Schedule, ScheduleError};

/// What the engine is about to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Shape {
    /// Read so many bytes of memory.
    Read(usize),
    /// Write so many.
    Write(usize),
    /// Read so many bytes of a mapped file.
    Image(usize),
    /// Ask the system something.
    Ask,
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Shape::Read(bytes) => write!(f, "a read of {bytes} bytes"),
            Shape::Write(bytes) => write!(f, "a write of {bytes} bytes"),
            Shape::Image(bytes) => write!(f, "a read of {bytes} bytes of the mapped file"),
            Shape::Ask => f.write_str("a question to the system"),
        }
    }
}

/// What is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// Which actor moves before the access: each of them, counted from 1, or none.
    Mover,
    /// What goes wrong with it: a choice of the [`Menu`], or nothing.
    Fault,
}

/// One open question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Open {
    /// The number of the access, from 1.
    pub access: u32,
    /// The step it belongs to.
    pub site: Site,
    /// Its number among those of that step, from 1.
    pub hit: u32,
    /// What it is.
    pub shape: Shape,
    /// What is open about it.
    pub what: What,
}

/// Decides everything that a run leaves open.
pub trait Chooser {
    /// One of so many options, counted from 0, which means that nothing happens. `options` is at
    /// least 2.
    fn choose(&mut self, open: Open, options: u32) -> u32;

    /// Whether it could choose anything but 0 at this access. Where not, nobody needs to count the
    /// options.
    fn minds(&self, _access: u32) -> bool {
        true
    }

    /// Hears what the engine gets to see: its own state is a function of that.
    fn observe(&mut self, _bytes: &[u8]) {}

    /// Hears of each access before anything is asked about it. `world` tells the state of the
    /// world in 128 bits. `false` ends the run: what would follow is known already.
    fn arrive(&mut self, _world: impl FnOnce() -> u128) -> bool {
        true
    }
}

/// Nothing ever happens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quiet;

impl Chooser for Quiet {
    fn choose(&mut self, _: Open, _: u32) -> u32 {
        0
    }
}

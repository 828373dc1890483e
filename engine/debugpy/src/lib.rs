//! A debugpy session in a running Python: what the target is given to run, and what it tells in
//! return. Pure text on both ways; it opens no file, asks no clock and knows no process.
//!
//! | module | what it knows |
//! |---|---|
//! | `loader.py` | what the thread that is asked runs: it starts another one |
//! | `session.py` | what that one runs |
//! | `breakpoint.py` | what a thread runs to stop in its own code |
//! | [`stub`] | the two lines that CPython is asked to run: the settings, and where the loader is |
//! | [`literal`] | text and bytes as Python spells them |
//! | [`record`] | the file in which the target tells how far it is |
//! | [`endpoint`] | hosts, ports, and the names of sessions |
//! | [`client`] | what an editor must be told to connect |
//! | [`advice`] | what to do about an error that the target told |
//!
//! How the stub gets into the target is the business of `softdock-attach`; where the files are, and
//! how long anybody waits, of whoever uses both.

#![deny(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::panic
)]
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        reason = "a failed test may panic"
    )
)]

pub mod advice;
pub mod client;
pub mod endpoint;
pub mod literal;
pub mod record;
pub mod stub;

pub use endpoint::{Endpoint, SessionId};
pub use record::{Record, Sidecar, State};
pub use stub::{Mode, Settings};

/// What the thread that is asked runs. The stub gives it its settings.
pub const LOADER: &str = include_str!("loader.py");

/// The rest of it, which another thread of the target compiles piece by piece.
pub const SESSION: &str = include_str!("session.py");

/// What the loader logs, if it shall, is in a file of this name in the folder of answers.
pub const LOG: &str = "log";

/// What a target runs to stop in its own code, once a client is attached.
pub const BREAKPOINT: &str = include_str!("breakpoint.py");

//! What a caller can ask for and not get. Bugs of this crate panic; these do not.

use core::fmt;

use softdock_memory::{LayoutError, Unmapped};

use crate::ThreadKey;

/// A process that cannot be built.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SpecError {
    /// The table has no word of this name; [`crate::Table::names`] lists those it has.
    UnknownWord(String),
    /// The word is named twice.
    Twice(String),
    /// No word of the table starts at this byte position.
    Position(u64),
    /// The build needs this word, and it has no sensible value.
    Word {
        /// Its name.
        word: &'static str,
        /// What is wrong with its value.
        why: &'static str,
    },
    /// Two fields of one structure overlap, so that no such build can exist.
    Overlap {
        /// The field that starts first.
        first: &'static str,
        /// The field that starts inside it.
        second: &'static str,
    },
    /// The path is longer than the buffer can hold with a NUL at its end, or has a NUL inside.
    Path,
    /// An operating-system thread id that does not fit, or 0.
    NativeId(u64),
    /// A bound was reached.
    TooMany {
        /// Of what.
        what: &'static str,
        /// The bound.
        max: u64,
    },
    /// The module has no free place at its address.
    Place(LayoutError),
    /// The module would lie outside the address space of a user process.
    OutOfReach,
}

impl fmt::Display for SpecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SpecError::UnknownWord(name) => write!(f, "the table has no word `{name}`"),
            SpecError::Twice(name) => write!(f, "`{name}` is named twice"),
            SpecError::Position(at) => write!(f, "no word starts at byte {at} of the table"),
            SpecError::Word { word, why } => write!(f, "`{word}` {why}"),
            SpecError::Overlap { first, second } => write!(f, "`{first}` overlaps `{second}`"),
            SpecError::Path => f.write_str("the path does not fit the buffer of this build"),
            SpecError::NativeId(id) => write!(f, "{id} is no thread id of this system"),
            SpecError::TooMany { what, max } => write!(f, "more than {max} {what}"),
            SpecError::Place(error) => write!(f, "no place for the module: {error}"),
            SpecError::OutOfReach => f.write_str("the module lies outside user space"),
        }
    }
}

impl core::error::Error for SpecError {}

impl From<LayoutError> for SpecError {
    fn from(error: LayoutError) -> SpecError {
        SpecError::Place(error)
    }
}

/// A move that the process cannot make.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MoveError {
    /// It has exited.
    Gone,
    /// It has no such thread now.
    NoThread(ThreadKey),
    /// None of its threads has this native id now.
    NoNative(u64),
    /// It has no such interpreter now.
    NoInterpreter(i64),
    /// No module of this name is loaded.
    NoModule,
    /// There is no freed block at this address.
    NotFree,
    /// It touched memory that is not mapped (a scenario took it away) and is gone now, as after
    /// a segmentation fault.
    Crashed(Unmapped),
    /// What it was asked for cannot exist.
    Spec(SpecError),
}

impl fmt::Display for MoveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MoveError::Gone => f.write_str("the process has exited"),
            MoveError::NoThread(key) => write!(f, "there is no thread {key} now"),
            MoveError::NoNative(native) => write!(f, "there is no thread {native} now"),
            MoveError::NoInterpreter(id) => write!(f, "there is no interpreter {id} now"),
            MoveError::NoModule => f.write_str("no such module is loaded"),
            MoveError::NotFree => f.write_str("there is no freed block"),
            MoveError::Crashed(error) => write!(f, "the process crashed: {error}"),
            MoveError::Spec(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for MoveError {}

impl From<SpecError> for MoveError {
    fn from(error: SpecError) -> MoveError {
        MoveError::Spec(error)
    }
}

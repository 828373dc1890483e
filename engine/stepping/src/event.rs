//! What whoever debugs is told.

use softdock_process::Address;

use crate::ThreadId;

/// Names a breakpoint for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BreakpointId(pub u32);

/// Names a step for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StepperId(pub u32);

/// Something that stops the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Event {
    /// A thread has arrived at a breakpoint, and has not executed the instruction there.
    Breakpoint {
        /// Which.
        id: BreakpointId,
        /// Who.
        thread: ThreadId,
        /// Where.
        at: Address,
    },
    /// A thread has arrived at a breakpoint of the program's own.
    Break {
        /// Who.
        thread: ThreadId,
        /// Where.
        at: Address,
    },
    /// A step has come to its end.
    Step {
        /// Which.
        id: StepperId,
        /// Whose.
        thread: ThreadId,
        /// Where.
        at: Address,
        /// Why there.
        reason: Reason,
    },
}

/// Why a step ends where it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// It has left its range.
    Normal,
    /// It has come into a method that was called.
    Call,
    /// It has come back to the caller.
    Return,
    /// An exception is about to be handled here.
    Handler,
    /// A filter is asked whether it handles an exception.
    Filter,
    /// It cannot go on: a breakpoint that it needs cannot be set.
    Stuck,
}

impl Reason {
    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Reason::Normal => "normal",
            Reason::Call => "call",
            Reason::Return => "return",
            Reason::Handler => "exception-handler",
            Reason::Filter => "exception-filter",
            Reason::Stuck => "stuck",
        }
    }
}

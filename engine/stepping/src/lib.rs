//! Breakpoints and stepping in interpreter bytecode, after the design that CoreCLR adopted for its
//! interpreter: a breakpoint is an opcode, a step is a prediction.
//!
//! The engine is pure. It reads no clock and no environment, uses no global state, never panics on
//! any bytecode, and touches the target only through a [`Debuggee`]. The same code therefore runs
//! in a virtual machine where every write can fail and every schedule can be tried.
//!
//! An interpreter that meets a breakpoint calls [`Debugger::hit`]. What it returns is told to
//! whoever debugs, who may set breakpoints, step, or change the context; then the interpreter calls
//! [`Debugger::resume`], which gives the thread a [`Bypass`]: "the word at this address is a
//! breakpoint; execute that opcode instead". The breakpoint stays in memory all the time, so that
//! no other thread can run past it. That is all an interpreter has to know: whose breakpoint it
//! was, and why, is nobody's business but the engine's.
//!
//! | chapter | what it knows |
//! |---|---|
//! | `debuggee` | what the engine needs of the world around it |
//! | `ops` | the length of every opcode |
//! | `walker` | where an instruction can lead |
//! | `control` | how a breakpoint gets into memory, and out of it |
//! | `patch` | who wants a breakpoint where, and what it replaced |
//! | `breakpoint` | where a breakpoint goes in its method, and why it may not |
//! | `stepper` | one step: what it was asked for, and whether it is done |
//! | `debugger` | commands of whoever debugs |
//! | `notice` | what the interpreter tells |
//! | `arm` | how either is done |
//!
//! # What was decided where real debuggers differ
//!
//! * The context is moved onto an address that has a breakpoint: it is hit. A bypass is for the
//!   place that was reported, and a place that was not reported is not passed over.
//! * A thread is moved in the middle of its step: the step begins anew there. Where the frame that
//!   it began in was thrown away, it has come back to the caller, and ends.
//! * A breakpoint and a step arrive together: one stop, with both reasons.
//! * A breakpoint stops the process in the middle of a step of another thread: the step goes on.
//! * A step into a tail call goes there.
//! * Instructions without a line (the plumbing of `finally` and `catch`) are never stopped at.
//! * A step belongs to an activation: a callee of the same method is another one. Frames are
//!   compared by whose variables they use, since a `finally` has a frame of its own. (CoreCLR
//!   accepts one frame more, and so stops in recursive callees: `stepping/over-recursion`.)
//! * A breakpoint in memory that the engine has not put there is the program's own (`break`). It
//!   stops, and does nothing.
//! * A breakpoint that is set on an instruction which a running thread has fetched already is not
//!   hit by that thread this time.
//! * A step in a frame whose handler runs, be it a `catch`, a filter or a `finally`, is made in
//!   that handler: whoever debugs sees one method.
//! * A step into a method that does not tell that it is entered ends in the first one that is
//!   called from there and does.
//! * A step into a method whose first instructions have no line goes on there as a step into: what
//!   they call may end it.
//! * A step over a tail call has left its frame, which the method that is called uses again.
//! * A call of a frame that is not the newest is half done. A step from there goes to the address
//!   it returns to, which has not been executed yet.

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
        clippy::arithmetic_side_effects,
        clippy::as_conversions,
        clippy::panic,
        reason = "a test that panics has failed, which is what it is for"
    )
)]

mod arm;
mod breakpoint;
mod control;
mod debuggee;
mod debugger;
mod event;
mod notice;
mod ops;
mod patch;
mod stepper;
mod walker;

pub use breakpoint::{Place, Refused};
pub use control::{Bytecode, ExecutionControl, Native, PatchError};
pub use debuggee::{Body, Bypass, Context, Debuggee, Frame, FrameKind, MethodId, ThreadId};
pub use debugger::Debugger;
pub use event::{BreakpointId, Event, Reason, StepperId};
pub use ops::{BREAKPOINT, OPCODES, length, name};
pub use patch::{Owner, Row, Site};
pub use stepper::{Mode, Range};
pub use walker::{Instruction, Undecodable, Walk, decode};

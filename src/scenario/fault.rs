//! What goes wrong, where and when; and what the target does by itself.
//!
//! A fault is addressed by site and hit: the `hit`-th access that the engine makes at that site,
//! counted from 1 over the whole attempt. The classes are told by what a real system does:
//! *honest* faults are reported to the engine, *silent* ones are not, a *lie* is one read that
//! returns something else, and a *move* is the target's own doing between two accesses.

use serde::Deserialize;

use super::names::SiteName;

/// One thing that happens at one access.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// The step whose access is struck.
    pub site: SiteName,
    /// Which of its accesses, from 1.
    #[serde(default = "first")]
    pub hit: u32,
    /// Whether every later access at that site is struck as well.
    #[serde(default)]
    pub sticky: bool,
    /// What happens.
    pub kind: FaultKind,
}

fn first() -> u32 {
    1
}

/// What happens at an access.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub enum FaultKind {
    /// Honest: nothing is mapped there.
    Unmapped,
    /// Honest: the system does not allow it.
    Denied,
    /// Honest: there is no such process any more.
    Gone,
    /// Honest: interrupted before the first byte.
    Interrupted,
    /// Honest: the system has no such call.
    Unsupported,
    /// Honest: this many bytes are transferred, then no more.
    Short(usize),
    /// Honest, and nasty: the write lands, but a failure is reported.
    LandedButFailed,
    /// Silent: the write is reported done, but nothing lands.
    Lost,
    /// Silent: this many bytes land, all are reported done.
    Torn(usize),
    /// A lie: one bit of what is read, counted from the first byte's lowest, is turned.
    FlipBit(usize),
    /// A lie: the 64-bit word at this byte of what is read has another value.
    LieWord(usize, u64),
    /// A lie: a question to the system (is this a thread? which process is this?) is answered
    /// wrongly.
    LieAnswer,
    /// The target moves right before the access.
    Move(Actor),
}

/// What the target, or somebody else, does.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub enum Actor {
    /// The thread of this native id reaches a point where CPython looks at its eval breaker.
    Poll(u64),
    /// The thread reaches a point where CPython checks for signals, which looks at the pending
    /// flag only.
    CheckSignals(u64),
    /// The thread's eval breaker gets these event bits.
    Raise(u64, u8),
    /// A new thread starts in the interpreter of this id.
    StartThread(i64),
    /// The thread exits; its state is freed, and the memory keeps its bytes but the status.
    ExitThread(u64),
    /// The thread exits, and other objects take its memory.
    ExitThreadAndReuse(u64),
    /// A sub-interpreter is destroyed; its memory stays as it was.
    DestroyInterpreter(i64),
    /// A sub-interpreter is created.
    CreateInterpreter,
    /// The main script ends.
    EndMain,
    /// The runtime starts to be torn down.
    Finalize,
    /// Another debugger asks the thread to run this script.
    OtherDebugger(u64, String),
    /// The process exits.
    Exit,
    /// The process becomes another program.
    Exec,
    /// The process ends and another one gets its pid.
    ReusePid,
}

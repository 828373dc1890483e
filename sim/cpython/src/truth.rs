//! What is true of the process right now, for whoever judges an attach. It is read from the
//! world's own books, never from memory that a scenario may have damaged.

use core::fmt;

use softdock_process::Address;

/// Names one thread state for ever: a later one in the same memory has another key. They
/// count from 0, which is the first thread of the main interpreter, in order of creation, and go
/// on across an `exec`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ThreadKey(pub u32);

impl fmt::Display for ThreadKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
    }
}

/// Some bytes of the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Span {
    /// The first of them.
    pub at: Address,
    /// How many; 0 for a field that the build does not have.
    pub len: u64,
}

impl Span {
    /// Whether this byte is one of them.
    #[must_use]
    pub fn contains(&self, at: Address) -> bool {
        self.contains_all(at, 1)
    }

    /// Whether these bytes are all of them or some.
    #[must_use]
    pub fn contains_all(&self, at: Address, len: u64) -> bool {
        at.checked_sub(self.at).is_some_and(|skip| skip.saturating_add(len) <= self.len)
    }
}

/// An interpreter that is in the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LiveInterpreter {
    /// Its id; 0 is the main one.
    pub id: i64,
    /// Where it is.
    pub at: Address,
}

/// A thread state that is in the list of its interpreter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LiveThread {
    /// Its key.
    pub key: ThreadKey,
    /// The id of its interpreter.
    pub interpreter: i64,
    /// Where it is.
    pub at: Address,
    /// Its operating-system thread.
    pub native: u64,
    /// Whether it is part of its interpreter's memory rather than a block of its own.
    pub embedded: bool,
    /// Its eval breaker.
    pub breaker: Span,
    /// Its pending flag.
    pub pending: Span,
    /// Its path buffer.
    pub path: Span,
}

/// What an attacher may write to, and everything else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The event byte of a live thread's breaker. The bytes above it hold the instrumentation
    /// version, which is the target's own.
    Breaker(ThreadKey),
    /// A pending flag of a live thread.
    Pending(ThreadKey),
    /// A path buffer of a live thread.
    Path(ThreadKey),
    /// Anywhere else: no attacher has any business there.
    Elsewhere,
}

/// A script that the target took up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScriptRun {
    /// The interpreter it ran in.
    pub interpreter: i64,
    /// The thread state it ran in.
    pub thread: ThreadKey,
    /// Where that was.
    pub at: Address,
    /// The operating-system thread.
    pub native: u64,
    /// The path, as copied out of the buffer.
    pub path: Vec<u8>,
    /// What made the target look.
    pub trigger: Trigger,
    /// What came of it.
    pub verdict: Verdict,
}

/// What made the target look at its pending flag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// The eval loop, because of an event in the breaker.
    Breaker,
    /// `PyErr_CheckSignals`, which looks without one.
    Signals,
}

/// What came of a script that the target took up. Either way its pending flag is 0 again, which
/// is all that an attacher can see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It was executed.
    Ran,
    /// There is no such file for the target.
    Missing,
    /// The target may not read it.
    Denied,
    /// The import system is gone already.
    Finalizing,
}

/// What one pass of the eval loop over its breaker did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Poll {
    /// The event bits at its start; with none, the handler was not entered.
    pub events: u8,
    /// Whether the thread let go of its interpreter and took it again, on bit 0x20.
    pub detached: bool,
    /// Whether the instrumentation version in the breaker was wrong and was set right.
    pub resynced: bool,
    /// The event whose handler raised and so cut the pass short.
    pub raised: Option<u8>,
    /// The index in [`crate::Process::runs`] of the script it took up.
    pub run: Option<usize>,
}

//! What goes wrong, where and when; and what the target does by itself.
//!
//! A fault is addressed by site and hit (the `hit`-th access that the engine makes at that site,
//! counted from 1 over the whole attempt), which survives most changes of the engine; or by the
//! number of the access alone, which does not. The classes are told by what a real system does:
//! *honest* faults are reported to the engine, *silent* ones are not, a *lie* is one read that
//! returns something else, a *crash* is a write in whose middle the target runs or the attacher
//! dies, and a *move* is the target's own doing between two accesses.

use std::fmt;

use serde::{Deserialize, Serialize};
use softdock_attach::Site;

use super::is_default;
use super::names::SiteName;

/// One thing that happens at one access.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "FaultText", into = "FaultText")]
pub struct Fault {
    /// Which access is struck.
    pub at: At,
    /// Whether every later one is struck as well: at that site, or at any where the address is the
    /// number of an access.
    pub sticky: bool,
    /// What happens.
    pub kind: FaultKind,
}

/// The address of an access.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    /// This access of those at this site, from 1.
    Hit(Site, u32),
    /// This access of all, from 1.
    Access(u32),
}

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            At::Hit(site, hit) => write!(f, "{site} hit {hit}"),
            At::Access(access) => write!(f, "access {access}"),
        }
    }
}

/// A fault as it is written.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct FaultText {
    /// The step whose access is struck.
    #[serde(default, skip_serializing_if = "is_default")]
    pub site: Option<SiteName>,
    /// Which of its accesses, from 1.
    #[serde(default, skip_serializing_if = "is_default")]
    pub hit: Option<u32>,
    /// Instead of a site: the number of the access, from 1.
    #[serde(default, skip_serializing_if = "is_default")]
    pub access: Option<u32>,
    /// Whether every later access there is struck as well.
    #[serde(default, skip_serializing_if = "is_default")]
    pub sticky: bool,
    /// What happens.
    pub kind: FaultKind,
}

impl TryFrom<FaultText> for Fault {
    type Error = &'static str;

    fn try_from(text: FaultText) -> Result<Fault, Self::Error> {
        let FaultText { site, hit, access, sticky, kind } = text;
        let at = match (site, hit, access) {
            (_, Some(0), _) | (_, _, Some(0)) => return Err("accesses are counted from 1"),
            (Some(site), hit, None) => At::Hit(site.0, hit.unwrap_or(1)),
            (None, None, Some(access)) => At::Access(access),
            _ => return Err("a fault needs a `site` (and a `hit`), or else an `access`"),
        };
        Ok(Fault { at, sticky, kind })
    }
}

impl From<Fault> for FaultText {
    fn from(Fault { at, sticky, kind }: Fault) -> FaultText {
        let (site, hit, access) = match at {
            At::Hit(site, hit) => (Some(SiteName(site)), (hit != 1).then_some(hit), None),
            At::Access(access) => (None, None, Some(access)),
        };
        FaultText { site, hit, access, sticky, kind }
    }
}

/// What happens at an access.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
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
    /// This many bytes of the write land and the attacher is killed: whatever it does afterwards
    /// does not happen.
    Killed(usize),
    /// This many bytes of the write land, every thread of the target looks at its eval breaker and
    /// checks for signals, then the rest lands. No fault at all: no system promises that a write
    /// of several bytes is one.
    Split(usize),
    /// The target moves right before the access.
    Move(Actor),
}

impl FaultKind {
    /// Whether one read, or answer, is not the truth. Two of them together can fool anybody.
    #[must_use]
    pub const fn is_lie(&self) -> bool {
        matches!(self, FaultKind::FlipBit(_) | FaultKind::LieWord(..) | FaultKind::LieAnswer)
    }
}

/// What the target, or somebody else, does.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub enum Actor {
    /// The thread of this native id reaches a point where CPython looks at its eval breaker.
    Poll(u64),
    /// The thread reaches a point where CPython checks for signals, which looks at the pending
    /// flag only.
    CheckSignals(u64),
    /// The thread takes up a request and loses its processor in the middle: the flag is lowered,
    /// and the path will be copied when the thread moves next.
    Take(u64),
    /// The thread's eval breaker gets these event bits.
    Raise(u64, u8),
    /// The thread's eval breaker loses these event bits, as when another thread withdraws a wish.
    Withdraw(u64, u8),
    /// The thread takes the interpreter: it executes, and no other does.
    Switch(u64),
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
    /// A module of this file name is unloaded: its memory is gone.
    Unload(String),
    /// The process forks. The child clears its own request (python/cpython PR 132793) and is out
    /// of reach.
    Fork,
    /// Another debugger asks the thread to run this script.
    OtherDebugger(u64, String),
    /// The process exits.
    Exit,
    /// The process becomes another program.
    Exec,
    /// The process ends and another one gets its pid.
    ReusePid,
}

impl Actor {
    /// Whether it changes more than the request fields and event bits of a thread.
    #[must_use]
    pub const fn changes_structure(&self) -> bool {
        !matches!(
            self,
            Actor::Poll(_)
                | Actor::CheckSignals(_)
                | Actor::Take(_)
                | Actor::Raise(..)
                | Actor::Withdraw(..)
                | Actor::Fork
        )
    }

    /// Whether somebody else does it, who can even while the target is stopped.
    #[must_use]
    pub const fn is_from_outside(&self) -> bool {
        matches!(self, Actor::OtherDebugger(..) | Actor::Exit | Actor::ReusePid)
    }
}

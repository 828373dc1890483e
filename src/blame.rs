//! Whose fault is it? A promise was broken while the target moved; could anybody who reads memory
//! have known better?
//!
//! The question has an exact answer. Let the promise be broken by one access, and let the very
//! same run happen with one difference: right before that access (or in its middle) the target does
//! nothing by itself. If the promise is kept then, there is a *legal* target, the one that held
//! still for that moment, which explains everything the engine had seen when it acted: nobody could
//! have known, and the window in which it happened is one access wide. It is excused, counted and
//! listed by its name. If the promise is broken all the same, then its cause lies further back, and
//! the engine had at least one access in which it could have looked: it ignored evidence.
//!
//! One thing is never seen, however often one looks: whether a thread that has lowered the flag of
//! a request has copied its path yet. The target that holds still has, at once.

use std::fmt;

use crate::run::Run;
use crate::scenario::Actor;

/// Whose fault a broken promise is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blame {
    /// No reader could have known.
    Excused(Window),
    /// The engine could have known.
    Ignored,
}

/// A window in which the target can move and nobody can see it: one access wide, between the last
/// look and the write that follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Window {
    /// The thread ends, or its process does, right before a write to it.
    ThreadEnds,
    /// Event bits change between reading the event byte and writing it.
    EventsChange,
    /// Another debugger writes its own request right before one of our writes.
    OtherDebugger,
    /// The target reads in the middle of one of our writes.
    MidWrite,
    /// A thread has lowered the flag of somebody's request, and copies the path after our write.
    CopiedLate,
}

impl Window {
    /// All of them.
    pub const ALL: [Window; 5] = [
        Window::ThreadEnds,
        Window::EventsChange,
        Window::OtherDebugger,
        Window::MidWrite,
        Window::CopiedLate,
    ];

    /// Its name in certificates and messages.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Window::ThreadEnds => "thread-ends",
            Window::EventsChange => "events-change",
            Window::OtherDebugger => "other-debugger",
            Window::MidWrite => "mid-write",
            Window::CopiedLate => "copied-late",
        }
    }

    /// The window of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Window> {
        Window::ALL.into_iter().find(|window| window.name() == name)
    }

    /// What it is, how wide it is, and what would close it.
    #[must_use]
    pub const fn about(self) -> &'static str {
        match self {
            Window::ThreadEnds => {
                "The thread ends, or its interpreter or process does, after it was looked at for \
                 the last time and before one of the writes lands. The bytes land in memory that \
                 is free by then, or somebody else's. One access wide: from the read that ends the \
                 recheck (or reads the last write back) to the next write. Stopping the target \
                 meanwhile (`attach --freeze`) closes it."
            }
            Window::EventsChange => {
                "The target sets or clears an event bit after the event byte was read and before \
                 it is written. A bit that it set is lost: a signal or a collection is noticed \
                 later. One access wide, and the same in CPython's own writer, where it is a whole \
                 word. An atomic read-modify-write inside the target would close it; no system \
                 offers one from outside. `attach --freeze` closes it too."
            }
            Window::OtherDebugger => {
                "Another debugger writes a request into the same thread after the slot was seen \
                 free, or seen claimed, and before our next write. One of the two requests is \
                 lost. One access wide. Two attachers of this kind take turns by a lock; against \
                 others nothing helps, not even stopping the target."
            }
            Window::MidWrite => {
                "The target reads between two bytes of one of our writes, which no system promises \
                 to be one. `attach --freeze` closes it."
            }
            Window::CopiedLate => {
                "A thread has lowered the flag of another debugger's request and loses its \
                 processor before it copies the path: it copies what we write, or as much of that \
                 as has landed. Nothing in memory tells it from a thread that is done; it is as \
                 wide as the thread is kept waiting. softdocks keep their turn until it has run \
                 on; others do not."
            }
        }
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Blames somebody for what went wrong in a run; `calmly` lets the very same happen again, but for
/// the target's own doing at one access. Each broken promise must be excused; the window told is
/// that of the first.
///
/// A report that is not true is never excused: it is made after the last look, and nothing can
/// move between the two.
pub fn blame(run: &Run, mut calmly: impl FnMut(u32) -> Run) -> Blame {
    let mut excuse = None;
    for broken in &run.violations {
        let calm = calmly(broken.access);
        if broken.access > run.accesses || calm.violations.contains(broken) {
            return Blame::Ignored;
        }
        excuse = excuse.or(Some(window(broken.access, run)));
    }
    excuse.map_or(Blame::Ignored, Blame::Excused)
}

/// The window in which the target moved right before this access.
fn window(access: u32, run: &Run) -> Window {
    let moves = run.moves.iter().filter(|(at, _)| *at == access);
    let window = moves.filter_map(|(_, actor)| match actor {
        Actor::OtherDebugger(..) => Some(Window::OtherDebugger),
        Actor::Raise(..)
        | Actor::Withdraw(..)
        | Actor::Poll(_)
        | Actor::CheckSignals(_)
        | Actor::Take(_) => Some(Window::EventsChange),
        Actor::ExitThread(_)
        | Actor::ExitThreadAndReuse(_)
        | Actor::DestroyInterpreter(_)
        | Actor::Finalize
        | Actor::Unload(_)
        | Actor::Exit
        | Actor::Exec
        | Actor::ReusePid => Some(Window::ThreadEnds),
        Actor::StartThread(_)
        | Actor::CreateInterpreter
        | Actor::EndMain
        | Actor::Switch(_)
        | Actor::Fork => None,
    });
    let mut before = run.moves.iter().filter(|(at, _)| *at <= access);
    let is_taking = before.any(|(_, actor)| matches!(actor, Actor::Take(_)));
    let otherwise = if is_taking { Window::CopiedLate } else { Window::MidWrite };
    window.min().unwrap_or(otherwise)
}

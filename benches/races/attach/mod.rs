//! An attach in miniature. Three words are shared: a flag, a path, and a breaker. The *attacher*
//! claims the flag, writes the path, sets the flag, sets the breaker, and looks at each before it
//! depends on it. The *target* looks at the breaker again and again; where it is set it clears it,
//! looks at the flag, clears that, and takes the path. *Events* set the breaker as well. The
//! promise: a path that is taken is there. The *bug*: the flag is set before the path is written.
//!
//! Softdock's attacher is written for this race: an attach of the real engine is a thousand times
//! as large.

mod with_loom;
mod with_shuttle;
mod with_softdock;
mod with_stateright;

use crate::Tool;

/// How large the race is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Race {
    /// How often the target looks at the breaker.
    pub(crate) polls: u8,
    /// How many events there are.
    pub(crate) events: u8,
    /// Whether the flag is set before the path is written.
    pub(crate) bug: bool,
}

pub(crate) const TOOLS: [Tool<Race>; 4] = [
    ("softdock", "states", with_softdock::explore),
    ("stateright", "states", with_stateright::explore),
    ("shuttle", "schedules", with_shuttle::explore),
    ("loom", "executions", with_loom::explore),
];

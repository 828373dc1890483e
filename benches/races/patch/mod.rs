//! A breakpoint comes and goes while threads run. The *debugger* sets a breakpoint in a loop and
//! removes it again: under a lock it reads the word, writes `BREAKPOINT`, reads that back, and
//! enters the original in a table; then it takes the lock once more, writes the original, reads
//! that back, and clears the table. Each *thread* executes three opcodes: one, and two rounds of
//! the loop. Where it fetches `BREAKPOINT` it takes the lock, and executes what the table says;
//! where that says nothing it looks at the word once more: a breakpoint that nobody entered is the
//! program's own and does nothing, and anything else is fetched again. The promise: every thread
//! executes exactly these three opcodes. The *bug*: the lock is not taken before the table is
//! written, so that the breakpoint can be met before the original is in the table.
//!
//! Softdock runs the debugger that it ships: `softdock_stepping`, which also looks the original up.

mod with_loom;
mod with_shuttle;
mod with_softdock;
mod with_stateright;

use crate::Tool;

/// How large the race is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Race {
    /// How many threads run the program.
    pub(crate) threads: usize,
    /// Whether the breakpoint can be met before the original is in the table.
    pub(crate) bug: bool,
}

pub(crate) const TOOLS: [Tool<Race>; 4] = [
    ("softdock", "states", with_softdock::explore),
    ("stateright", "states", with_stateright::explore),
    ("shuttle", "schedules", with_shuttle::explore),
    ("loom", "executions", with_loom::explore),
];

/// The program, as it lies in memory: `DEBUG_SEQ_POINT`, `SAFEPOINT`.
pub(crate) const PROGRAM: [u32; 2] = [351, 56];

/// What every thread executes: the second opcode is a loop of two rounds.
pub(crate) const WAY: [usize; 3] = [0, 1, 1];

/// Which opcode gets the breakpoint.
pub(crate) const PATCHED: usize = 1;

/// The opcode that stops a thread.
pub(crate) const BREAKPOINT: u32 = 317;

/// What is executed in the place of a breakpoint of the program's own.
pub(crate) const NOP: u32 = 352;

//! The grammar of scenarios in which a debugger sets breakpoints and steps: a program in bytecode,
//! its threads, what the debugger does, and what it must be told.

use serde::{Deserialize, Serialize};

use super::is_default;

/// A debugger at work on a program.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Stepping {
    /// What this is about, in one sentence.
    pub about: String,
    /// Where it was seen in the field: `dotnet/runtime#123251`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub source: Option<String>,
    /// The program, in the assembly of `softdock_clr::assemble`.
    pub program: String,
    /// The method that each thread runs; one thread that runs `main` by default.
    #[serde(default = "one_thread", skip_serializing_if = "is_one_thread")]
    pub threads: Vec<String>,
    /// Threads that start when an older one with their number has ended, in this method.
    #[serde(default, skip_serializing_if = "is_default")]
    pub again: Vec<(u64, String)>,
    /// Methods that are compiled when they are called first, and have no body before.
    #[serde(default, skip_serializing_if = "is_default")]
    pub late: Vec<String>,
    /// Methods that have another body, which is written as a method of its own.
    #[serde(default, skip_serializing_if = "is_default")]
    pub bodies: Vec<(String, String)>,
    /// What the debugger does: up to the first `Go` before anything runs, then at each stop.
    #[serde(default, skip_serializing_if = "is_default")]
    pub debugger: Vec<Command>,
    /// Which threads move first, one transition each; then it is always the first that can. An
    /// exploration tries all orders.
    #[serde(default, skip_serializing_if = "is_default")]
    pub schedule: Vec<u64>,
    /// Which of its [`Command::Either`] the debugger takes each time, counted from 0: the first one
    /// by default. An exploration tries all.
    #[serde(default, skip_serializing_if = "is_default")]
    pub choices: Vec<usize>,
    /// What goes wrong when breakpoints are written to memory, or taken out of it.
    #[serde(default, skip_serializing_if = "is_default")]
    pub faults: Vec<WriteFault>,
    /// Whether the program never ends. What it must tell and put out is how that begins.
    #[serde(default, skip_serializing_if = "is_default")]
    pub endless: bool,
    /// What the debugger must be told, in order.
    pub expect: Vec<String>,
    /// What the program must put out, in order.
    #[serde(default, skip_serializing_if = "is_default")]
    pub output: Vec<i32>,
}

fn one_thread() -> Vec<String> {
    vec!["main".into()]
}

fn is_one_thread(threads: &Vec<String>) -> bool {
    *threads == one_thread()
}

/// What a debugger does. The thread meant is the one that was told of first at this stop; before
/// anything runs, thread 1.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub enum Command {
    /// Lets the process run until there is something to tell.
    Go,
    /// Lets it run for so many transitions at most, and then stops it wherever it is.
    Pause(u32),
    /// Sets a breakpoint: `LINE` is a method's first line, `LINE:6` the instruction at slot 6.
    Break(String),
    /// Removes a breakpoint, by its number, counted from 1.
    Delete(u32),
    /// Begins a step.
    Step(How),
    /// Begins a step that does not end within these slots: from the first up to, and without, the
    /// last.
    StepRange(How, u64, u64),
    /// Begins a step in a frame of a thread; 0 is the newest.
    StepFrame(How, u64, usize),
    /// Ends a step before its end, by its number, counted from 1.
    Cancel(u32),
    /// Lets the thread go on at another slot of its method.
    SetIp(u64),
    /// Lets the thread go on in one of its frames, which throws the newer ones away.
    ResumeIn(usize),
    /// Sets a variable of the newest frame.
    SetVariable(u32, i32),
    /// Runs a method on the thread, with these arguments.
    Evaluate(String, Vec<i32>),
    /// Lets go of the process for good.
    Detach,
    /// Does one of these.
    Either(Vec<Command>),
}

impl Command {
    /// As it is written; of an [`Command::Either`] what was chosen.
    #[must_use]
    pub fn told(&self, choice: usize) -> String {
        match self {
            Command::Either(commands) => {
                commands.get(choice).map_or(String::new(), |chosen| format!("{chosen:?}"))
            }
            command => format!("{command:?}"),
        }
    }
}

/// What goes wrong with a write to the bytecode. Writes are counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, Serialize)]
pub enum WriteFault {
    /// It fails, and nothing has changed.
    Fails(u32),
    /// It fails, and so do all that follow.
    FailsFrom(u32),
    /// It lands, and is said to have failed.
    LandsAndFails(u32),
    /// It is said to have been done, and nothing has changed.
    Vanishes(u32),
    /// Only the first byte of the word is written.
    LandsByte(u32),
}

impl WriteFault {
    /// Every way in which this write can go wrong.
    #[must_use]
    pub const fn every(nth: u32) -> [WriteFault; 5] {
        [
            WriteFault::Fails(nth),
            WriteFault::FailsFrom(nth),
            WriteFault::LandsAndFails(nth),
            WriteFault::Vanishes(nth),
            WriteFault::LandsByte(nth),
        ]
    }
}

/// How far a step goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub enum How {
    /// Into methods that are called.
    In,
    /// Past them.
    Over,
    /// Until the method has returned.
    Out,
}

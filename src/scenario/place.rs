//! Places in a fake process, by name, and damage done to them.

use serde::{Deserialize, Serialize};

use super::names::WordName;

/// A place in the process. Fields are those of the true layout, whatever is published.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub enum Place {
    /// A word of the published table.
    Slab(WordName),
    /// A byte of the runtime, counted from its start.
    Runtime(u64),
    /// The runtime's pointer to its newest interpreter.
    InterpretersHead,
    /// The runtime's pointer to the thread that finalizes it.
    FinalizingWord,
    /// The state of the interpreter with this id.
    Interpreter(i64),
    /// A field of an interpreter.
    InterpreterField(i64, InterpreterField),
    /// The state of the thread with this native id, in the oldest interpreter that has it.
    Thread(u64),
    /// A field of a thread.
    ThreadField(u64, ThreadField),
    /// An address.
    Address(u64),
}

/// A field of an interpreter state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[allow(missing_docs, reason = "named after CPython's own fields")]
pub enum InterpreterField {
    Id,
    Next,
    ThreadsHead,
    ThreadsMain,
    RemoteDebuggingEnabled,
}

/// A field of a thread state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[allow(missing_docs, reason = "named after CPython's own fields")]
pub enum ThreadField {
    Prev,
    Next,
    Interp,
    NativeThreadId,
    Status,
    EvalBreaker,
    PendingCall,
    ScriptPath,
}

/// A change to memory that the process itself knows nothing of.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub enum Damage {
    /// A 64-bit word gets this value.
    Word(Place, u64),
    /// A 32-bit word gets this value.
    Half(Place, u32),
    /// A pointer gets the address of another place.
    Point(Place, Place),
    /// Bytes get these values.
    Bytes(Place, Vec<u8>),
    /// So many bytes get one value.
    Fill(Place, u64, u8),
    /// The page that holds the place, and as many more as asked for, are not mapped any more.
    Unmap(Place, u64),
    /// These pages can only be read.
    ReadOnly(Place, u64),
}

//! Scenario files: which process, what is damaged, which faults strike, what must come out.
//!
//! A scenario is plain data in RON. Unknown names are refused while reading, with line, column and
//! what was expected; whatever does not matter to a scenario has a default, so that a field bug
//! fits in twenty lines. `scenarios/README.md` tells every field. This module knows the grammar;
//! what a scenario does is told in [`crate::world`] and [`crate::run`].

pub mod fault;
pub mod names;
pub mod place;
pub mod process;
mod read;
pub mod session;
pub mod stepping;
mod write;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use fault::{Actor, At, Fault, FaultKind};
pub use place::{Damage, Place};
pub use process::Process;
pub(crate) use read::parse_part;
pub use read::{Mistake, parse, read};
pub use session::Session;
pub use stepping::Stepping;
pub use write::{write, write_wrong};

use names::{
    CacheName, LeftName, OutcomeName, ParseModeName, ProofName, ReasonName, SiteName, UndoName,
};

/// One scenario file.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub enum Scenario {
    /// An attempt to attach to a CPython process.
    Attach(Box<Attach>),
    /// A debugger at work in an interpreter's bytecode.
    Stepping(Box<Stepping>),
    /// A request for a debugger in a CPython process.
    Session(Box<Session>),
}

impl Scenario {
    /// The attempt to attach, if it is one.
    #[must_use]
    pub fn attach(&self) -> Option<&Attach> {
        match self {
            Scenario::Attach(attach) => Some(attach),
            Scenario::Stepping(_) | Scenario::Session(_) => None,
        }
    }

    /// The debugger at work, if it is one.
    #[must_use]
    pub fn stepping(&self) -> Option<&Stepping> {
        match self {
            Scenario::Stepping(stepping) => Some(stepping),
            Scenario::Attach(_) | Scenario::Session(_) => None,
        }
    }

    /// The request for a debugger, if it is one.
    #[must_use]
    pub fn session(&self) -> Option<&Session> {
        match self {
            Scenario::Session(session) => Some(session),
            Scenario::Attach(_) | Scenario::Stepping(_) => None,
        }
    }

    /// What it is about, in one sentence.
    #[must_use]
    pub fn about(&self) -> &str {
        match self {
            Scenario::Attach(attach) => &attach.about,
            Scenario::Stepping(stepping) => &stepping.about,
            Scenario::Session(session) => &session.about,
        }
    }

    /// The attempt to attach, if it is one.
    #[must_use]
    pub fn into_attach(self) -> Option<Attach> {
        match self {
            Scenario::Attach(attach) => Some(*attach),
            Scenario::Stepping(_) | Scenario::Session(_) => None,
        }
    }
}

/// An attempt to attach to a CPython process.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Attach {
    /// What this is about, in one sentence.
    pub about: String,
    /// Where it was seen in the field: `python/cpython#144563`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub source: Option<String>,
    /// The process; a healthy 3.14.10 with one thread by default.
    #[serde(default, skip_serializing_if = "is_default")]
    pub process: Process,
    /// What is changed in its memory before the attempt: lies, not behaviour.
    #[serde(default, skip_serializing_if = "is_default")]
    pub damage: Vec<Damage>,
    /// The script to run.
    #[serde(default = "default_script", skip_serializing_if = "is_default_script")]
    pub script: String,
    /// Settings of the attempt.
    #[serde(default, skip_serializing_if = "is_default")]
    pub config: Settings,
    /// Environment variables of the attacher.
    #[serde(default, skip_serializing_if = "is_default")]
    pub variables: BTreeMap<String, String>,
    /// What an earlier attach remembered.
    #[serde(default, skip_serializing_if = "is_default")]
    pub cache: Option<Cache>,
    /// What goes wrong on the way.
    #[serde(default, skip_serializing_if = "is_default")]
    pub faults: Vec<Fault>,
    /// What the target may do by itself while it is attached to: each list in its own order, at
    /// any time. `explore` tries every time; a plain run leaves the target alone.
    #[serde(default, skip_serializing_if = "is_default")]
    pub moves: Vec<Vec<Actor>>,
    /// What the target does each time the engine waits for it; then the deadline passes.
    #[serde(default, skip_serializing_if = "is_default")]
    pub waits: Vec<Actor>,
    /// What must come out.
    pub expect: Expect,
}

impl Attach {
    /// Whether one of its faults is a lie.
    #[must_use]
    pub fn lies(&self) -> bool {
        self.faults.iter().any(|fault| fault.kind.is_lie())
    }
}

/// The script, where a scenario names none.
pub const DEFAULT_SCRIPT: &str = "/tmp/attach.py";

fn default_script() -> String {
    DEFAULT_SCRIPT.into()
}

fn is_default_script(script: &str) -> bool {
    script == DEFAULT_SCRIPT
}

/// Whether nothing needs to be written.
fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// Settings of the attempt, on top of the environment variables.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Which thread shall run the script.
    #[serde(skip_serializing_if = "is_default")]
    pub thread: Thread,
    /// Which interpreter, by its id.
    #[serde(skip_serializing_if = "is_default")]
    pub interpreter: i64,
    /// Do everything up to the first write.
    #[serde(skip_serializing_if = "is_default")]
    pub dry_run: bool,
    /// Write on the structural proof alone.
    #[serde(skip_serializing_if = "is_default")]
    pub allow_unproven: bool,
    /// Wait for the target to take the script.
    #[serde(skip_serializing_if = "is_default")]
    pub confirm: bool,
    /// Use this thread's state instead of looking for one.
    #[serde(skip_serializing_if = "is_default")]
    pub forced_thread: Option<Place>,
    /// Instead of attaching, take back a pending request.
    #[serde(skip_serializing_if = "is_default")]
    pub cancel: bool,
    /// Stop the target while its memory is looked at for the last time and written.
    #[serde(skip_serializing_if = "is_default")]
    pub freeze: bool,
}

/// Which thread shall run the script.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub enum Thread {
    /// The main thread.
    #[default]
    Main,
    /// One that is executing, else the main one.
    Any,
    /// The one of this native id.
    Native(u64),
}

/// What an earlier attach to the same process remembered: it is made by really attaching, before
/// any damage is done, to the process as the scenario describes it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Cache {
    /// The entry is of a process with the same pid that started earlier.
    #[serde(skip_serializing_if = "is_default")]
    pub other_process: bool,
    /// The earlier attach was made with these settings; with those of the attempt by default.
    #[serde(skip_serializing_if = "is_default")]
    pub config: Option<Settings>,
    /// The entry names this interpreter state instead.
    #[serde(skip_serializing_if = "is_default")]
    pub interpreter: Option<Place>,
    /// The entry names this thread state instead.
    #[serde(skip_serializing_if = "is_default")]
    pub thread: Option<Place>,
    /// The entry says that the thread has this native id.
    #[serde(skip_serializing_if = "is_default")]
    pub native: Option<u64>,
    /// Others could have changed the entry, as one that was on disk.
    #[serde(skip_serializing_if = "is_default")]
    pub on_disk: bool,
    /// The entry was made of another table.
    #[serde(skip_serializing_if = "is_default")]
    pub other_table: bool,
    /// What the process did since.
    #[serde(skip_serializing_if = "is_default")]
    pub since: Vec<Actor>,
}

/// What must come out. Only what is given is compared.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Expect {
    /// The verdict.
    pub outcome: OutcomeName,
    /// Where it was reached.
    pub site: SiteName,
    /// Why.
    #[serde(default, skip_serializing_if = "is_default")]
    pub reason: Option<ReasonName>,
    /// Which mode of parsing accepted the table.
    #[serde(default, skip_serializing_if = "is_default")]
    pub parse_mode: Option<ParseModeName>,
    /// How the layout was proved.
    #[serde(default, skip_serializing_if = "is_default")]
    pub proof: Option<ProofName>,
    /// Native id of the thread chosen.
    #[serde(default, skip_serializing_if = "is_default")]
    pub thread: Option<i64>,
    /// Id of the interpreter chosen.
    #[serde(default, skip_serializing_if = "is_default")]
    pub interpreter: Option<i64>,
    /// What became of the cache entry.
    #[serde(default, skip_serializing_if = "is_default")]
    pub cache: Option<CacheName>,
    /// What became of the writes.
    #[serde(default, skip_serializing_if = "is_default")]
    pub undo: Option<UndoName>,
    /// What is left in the target.
    #[serde(default, skip_serializing_if = "is_default")]
    pub left: Option<LeftName>,
    /// How often the target has run the script by the end.
    #[serde(default, skip_serializing_if = "is_default")]
    pub runs: Option<usize>,
}

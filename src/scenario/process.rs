//! The process of a scenario: a thin reading of [`softdock_cpython::ProcessSpec`], with the
//! defaults that make a scenario short.

use serde::{Deserialize, Serialize};
use softdock_cpython as cpython;
use softdock_process::Address;

use super::is_default;
use super::names::{BuildName, FoundByName, VersionText, WordName};

/// The process to attach to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Process {
    /// Whose table it has; `3.14.10-linux` by default.
    #[serde(skip_serializing_if = "is_default")]
    pub build: Option<BuildName>,
    /// The version it publishes, where not the build's own.
    #[serde(skip_serializing_if = "is_default")]
    pub version: Option<VersionText>,
    /// How it truly differs from the build.
    #[serde(skip_serializing_if = "is_default")]
    pub changes: Vec<Change>,
    /// Where the module is loaded.
    #[serde(skip_serializing_if = "is_default")]
    pub placement: Placement,
    /// Name of the file that holds the runtime.
    #[serde(skip_serializing_if = "is_default")]
    pub module: Option<String>,
    /// How a backend finds the runtime.
    #[serde(skip_serializing_if = "is_default")]
    pub found_by: Option<FoundByName>,
    /// What the file behind the runtime says.
    #[serde(skip_serializing_if = "is_default")]
    pub image: Image,
    /// Other modules that look like a runtime.
    #[serde(skip_serializing_if = "is_default")]
    pub others: Vec<Other>,
    /// Threads of the main interpreter; 1 by default. Native ids count from the pid.
    #[serde(skip_serializing_if = "is_default")]
    pub threads: Option<usize>,
    /// What is special about one of them, by its place in the order of creation.
    #[serde(skip_serializing_if = "is_default")]
    pub thread: Vec<(usize, Thread)>,
    /// Sub-interpreters, oldest first; their ids count from 1.
    #[serde(skip_serializing_if = "is_default")]
    pub sub_interpreters: Vec<SubInterpreter>,
    /// `config.remote_debug` of the main interpreter.
    #[serde(skip_serializing_if = "is_default")]
    pub remote_debugging: Option<i32>,
    /// Python was loaded but never initialised.
    #[serde(skip_serializing_if = "is_default")]
    pub uninitialised: bool,
    /// Who started Python.
    #[serde(skip_serializing_if = "is_default")]
    pub host: Host,
    /// How far its life has come.
    #[serde(skip_serializing_if = "is_default")]
    pub phase: Phase,
    /// What comes of opening the script in the target.
    #[serde(skip_serializing_if = "is_default")]
    pub script: Access,
    /// Its process id as it sees itself, where that is another one.
    #[serde(skip_serializing_if = "is_default")]
    pub inner_pid: Option<u32>,
}

/// How a build truly differs from the recorded one: it publishes and behaves by the change.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub enum Change {
    /// Another value for a word of the table.
    Set(WordName, u64),
    /// More words before this byte position, as a later version has.
    Insert(u64, Vec<u64>),
    /// These words in this order.
    Order(Vec<WordName>),
    /// Another capacity of the path buffer, with the structs grown to fit.
    Capacity(u64),
}

/// Where the module is loaded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub enum Placement {
    /// Where the build usually is.
    #[default]
    Usual,
    /// As a position-independent executable.
    Pie,
}

/// What the file behind the runtime says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub enum Image {
    /// What was loaded.
    #[default]
    Same,
    /// Nothing: it cannot be had.
    Unreadable,
    /// Something else, at these bytes counted from the start of the table.
    Differing(Vec<(u64, Vec<u8>)>),
}

/// Another module that looks like a runtime.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Other {
    /// Name of its file.
    pub name: String,
    /// What is there.
    pub content: Content,
    /// How a backend finds it.
    #[serde(default, skip_serializing_if = "is_default")]
    pub found_by: Option<FoundByName>,
    /// Where; below the true runtime by default.
    #[serde(default, skip_serializing_if = "is_default")]
    pub at: Option<u64>,
    /// What its file says.
    #[serde(default, skip_serializing_if = "is_default")]
    pub image: Image,
}

/// What another module holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub enum Content {
    /// A copy of the runtime that nobody initialised.
    DeadCopy,
    /// The cookie, then zeros.
    CookieOnly,
    /// A runtime section from before there was a table.
    TooOld,
}

/// What is special about a thread.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Thread {
    /// Its native id.
    #[serde(skip_serializing_if = "is_default")]
    pub native: Option<u64>,
    /// Event bits of its breaker.
    #[serde(skip_serializing_if = "is_default")]
    pub events: u8,
    /// Its pending flag.
    #[serde(skip_serializing_if = "is_default")]
    pub pending: i32,
    /// What is in its path buffer.
    #[serde(skip_serializing_if = "is_default")]
    pub path: String,
    /// Its status bits.
    #[serde(skip_serializing_if = "is_default")]
    pub status: Option<u32>,
}

/// A sub-interpreter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct SubInterpreter {
    /// Its threads.
    #[serde(skip_serializing_if = "is_default")]
    pub threads: usize,
    /// Whether its first thread is inside it right now.
    #[serde(skip_serializing_if = "is_default")]
    pub executing: bool,
}

/// Who started Python.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub enum Host {
    /// The `python` program.
    #[default]
    Python,
    /// A program that embeds it.
    Embedded,
}

/// How far the life of the process has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub enum Phase {
    /// The main script runs.
    #[default]
    Running,
    /// The main script has ended, threads or exit handlers go on.
    MainEnded,
    /// The runtime is being torn down.
    Finalizing,
}

/// What comes of opening the script in the target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub enum Access {
    /// It runs.
    #[default]
    Readable,
    /// The target may not read it.
    Denied,
    /// It is not there.
    Missing,
}

impl Process {
    /// The process as the simulator builds it.
    #[must_use]
    pub fn spec(&self) -> cpython::ProcessSpec {
        let usual = cpython::ProcessSpec::default();
        cpython::ProcessSpec {
            build: self.build.map_or(usual.build, |name| name.0),
            version: self.version.map(|version| version.0),
            changes: self.changes.iter().map(Change::spec).collect(),
            placement: match self.placement {
                Placement::Usual => cpython::Placement::Usual,
                Placement::Pie => cpython::Placement::Pie,
            },
            module: self.module.clone(),
            found_by: self.found_by.map_or(usual.found_by, |name| name.0),
            image: self.image.spec(),
            others: self.others.iter().map(Other::spec).collect(),
            interpreters: self.interpreters(),
            host: match self.host {
                Host::Python => cpython::Host::Python,
                Host::Embedded => cpython::Host::Embedded,
            },
            phase: match self.phase {
                Phase::Running => cpython::Phase::Running,
                Phase::MainEnded => cpython::Phase::MainEnded,
                Phase::Finalizing => cpython::Phase::Finalizing,
            },
            scripts: cpython::Scripts {
                otherwise: match self.script {
                    Access::Readable => cpython::Access::Readable,
                    Access::Denied => cpython::Access::Denied,
                    Access::Missing => cpython::Access::Missing,
                },
                rules: Vec::new(),
            },
            inner_pid: self.inner_pid,
            ..usual
        }
    }

    fn interpreters(&self) -> Vec<cpython::InterpreterSpec> {
        if self.uninitialised {
            return Vec::new();
        }
        // One too many is as far too many as any other number, and takes no memory.
        let with_threads = |count: usize| {
            cpython::InterpreterSpec::with_threads(count.min(cpython::limits::THREADS_MAX + 1))
        };
        let mut main = with_threads(self.threads.unwrap_or(1));
        main.remote_debugging = self.remote_debugging.unwrap_or(1);
        for (nth, special) in &self.thread {
            if let Some(thread) = main.threads.get_mut(*nth) {
                *thread = special.spec();
            }
        }
        let subs = self.sub_interpreters.iter().take(cpython::limits::INTERPRETERS_MAX + 1);
        let subs = subs.map(|sub| {
            let mut spec = with_threads(sub.threads);
            spec.executing = sub.executing;
            spec
        });
        std::iter::once(main).chain(subs).collect()
    }
}

impl Change {
    fn spec(&self) -> cpython::Change {
        match self {
            Change::Set(word, value) => cpython::Change::Set { word: word.0.into(), value: *value },
            Change::Insert(at, words) => cpython::Change::Insert { at: *at, words: words.clone() },
            Change::Order(words) => {
                cpython::Change::Order(words.iter().map(|word| word.0.into()).collect())
            }
            Change::Capacity(bytes) => cpython::Change::Capacity(*bytes),
        }
    }
}

impl Image {
    fn spec(&self) -> cpython::Image {
        match self {
            Image::Same => cpython::Image::Same,
            Image::Unreadable => cpython::Image::Unreadable,
            Image::Differing(patches) => cpython::Image::Differing(patches.clone()),
        }
    }
}

impl Other {
    fn spec(&self) -> cpython::OtherModule {
        cpython::OtherModule {
            name: self.name.clone(),
            found_by: self.found_by.map_or(softdock_process::FoundBy::Section, |name| name.0),
            at: self.at.map(Address::new),
            content: match self.content {
                Content::DeadCopy => cpython::OtherContent::DeadCopy,
                Content::CookieOnly => cpython::OtherContent::CookieOnly,
                Content::TooOld => cpython::OtherContent::TooOld,
            },
            image: self.image.spec(),
        }
    }
}

impl Thread {
    fn spec(&self) -> cpython::ThreadSpec {
        cpython::ThreadSpec {
            native: self.native,
            events: self.events,
            pending: self.pending,
            path: self.path.clone().into_bytes(),
            status: self.status,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// It comes from a file that anybody may have written.
    #[test]
    fn a_number_of_threads_that_no_memory_holds_is_refused_as_too_many() {
        let sub = SubInterpreter { threads: usize::MAX, executing: false };
        let of =
            |threads, sub_interpreters| Process { threads, sub_interpreters, ..Process::default() };
        for process in [of(Some(usize::MAX), vec![]), of(None, vec![sub, sub])] {
            let refused = cpython::Process::new(&process.spec());
            assert!(matches!(refused, Err(cpython::SpecError::TooMany { what: "threads", .. })));
        }
    }
}

//! What was seen in a target, as data.

use serde::Serialize;
use softdock_attach::{Survey, SurveyedInterpreter, SurveyedThread};

use super::{Attempt, Hex};

/// A target, and what an attach would come to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Inspection {
    /// A dry run of an attach.
    #[serde(flatten)]
    pub attempt: Attempt,
    /// The thread that started the process, as the target numbers it.
    pub main_thread: Option<u64>,
    /// The interpreters, newest first.
    pub interpreters: Vec<Interpreter>,
}

impl Inspection {
    /// Of this survey.
    #[must_use]
    pub fn new(survey: &Survey, main_thread: Option<u64>) -> Inspection {
        Inspection {
            attempt: Attempt::from(&survey.report),
            main_thread,
            interpreters: survey.interpreters.iter().map(Interpreter::from).collect(),
        }
    }
}

/// An interpreter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Interpreter {
    /// Its id; 0 is the main one.
    pub id: i64,
    /// Where its state is.
    pub at: Hex,
    /// Whether it may be debugged; `null` where that could not be read.
    pub remote_debugging: Option<bool>,
    /// Its threads, newest first.
    pub threads: Vec<Thread>,
}

/// A thread of an interpreter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Thread {
    /// Its native id as the target numbers it.
    pub id: Option<u64>,
    /// Where its state is.
    pub at: Hex,
    /// Whether it was executing.
    pub active: bool,
    /// Whether the interpreter names it its main thread.
    pub main: bool,
    /// Whether it could be asked to run a script.
    pub verdict: &'static str,
    /// The script that is pending, lossy where its path is not UTF-8.
    pub pending: Option<String>,
}

impl From<&SurveyedInterpreter> for Interpreter {
    fn from(seen: &SurveyedInterpreter) -> Interpreter {
        Interpreter {
            id: seen.id,
            at: Hex(seen.at),
            remote_debugging: seen.remote_debugging,
            threads: seen.threads.iter().map(Thread::from).collect(),
        }
    }
}

impl From<&SurveyedThread> for Thread {
    fn from(seen: &SurveyedThread) -> Thread {
        let pending = seen.pending.as_deref();
        Thread {
            id: seen.native,
            at: Hex(seen.at),
            active: seen.active,
            main: seen.main,
            verdict: seen.verdict.name(),
            pending: pending.map(|path| String::from_utf8_lossy(path).into_owned()),
        }
    }
}

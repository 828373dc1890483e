//! Looking without touching: everything a person would want to know before attaching.

use softdock_process::Address;

use crate::attempt::{Attempt, Step};
use crate::layout::Layout;
use crate::limits::{INTERPRETERS_MAX, THREADS_MAX};
use crate::validate::{PENDING_CLAIMED, PENDING_SET, State};
use crate::walk::Interpreter;
use crate::{Config, Host, Outcome, Report, ThreadVerdict};

/// What was seen in a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Survey {
    /// What an attach would come to: the report of a dry run.
    pub report: Report,
    /// The interpreters, newest first.
    pub interpreters: Vec<SurveyedInterpreter>,
}

/// An interpreter as seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SurveyedInterpreter {
    /// Its id; 0 is the main one.
    pub id: i64,
    /// Where its state is.
    pub at: Address,
    /// Whether it may be debugged; `None` where that could not be read.
    pub remote_debugging: Option<bool>,
    /// Its threads, newest first.
    pub threads: Vec<SurveyedThread>,
}

/// A thread as seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SurveyedThread {
    /// Where its state is.
    pub at: Address,
    /// Its native id as the target numbers it; `None` where the layout leaves it open.
    pub native: Option<u64>,
    /// Whether it is executing now.
    pub active: bool,
    /// Whether the interpreter names it its main thread.
    pub main: bool,
    /// Whether it could be asked to run a script.
    pub verdict: ThreadVerdict,
    /// The script that is pending, if one is.
    pub pending: Option<Vec<u8>>,
    /// Whether an attacher like this one is about to ask, or was killed when it was.
    pub claimed: bool,
}

/// Looks at a target without writing to it: a dry run, and then all its lists.
///
/// `script` is the path the dry run plans with.
pub fn survey<H: Host>(host: &mut H, config: &Config, script: &[u8]) -> Survey {
    let config = Config { write: false, use_cache: false, ..config.clone() };
    let report =
        crate::attach(host, &config, crate::Request { script, cached: None, planned: None });
    let mut interpreters = Vec::new();
    if let (Some(layout), Some((runtime, _))) = (report.layout, report.runtime) {
        let mut attempt = Attempt::new(host, &config, Report::new());
        // What cannot be read ends the list; the report says what is wrong with the target.
        let _ = attempt.survey(runtime, &layout, &mut interpreters);
        attempt.abandon();
    }
    Survey { report, interpreters }
}

impl<H: Host> Attempt<'_, H> {
    fn survey(
        &mut self,
        runtime: Address,
        layout: &Layout,
        seen: &mut Vec<SurveyedInterpreter>,
    ) -> Step<Outcome> {
        let mut at = self.read_runtime(runtime, layout)?;
        for _ in 0..INTERPRETERS_MAX {
            if at.is_null() || seen.iter().any(|known: &SurveyedInterpreter| known.at == at) {
                break;
            }
            let interpreter = self.read_interpreter(at, layout)?;
            let mut threads = Vec::new();
            let complete = self.survey_threads(&interpreter, layout, &mut threads);
            let remote_debugging = match self.ask_policy(interpreter.found.at, layout) {
                Ok(true) => Some(true),
                Err(stop) if stop.reason == crate::Reason::PolicyDisabled => Some(false),
                _ => None,
            };
            let id = interpreter.found.id;
            seen.push(SurveyedInterpreter { id, at, remote_debugging, threads });
            complete?;
            at = interpreter.next;
        }
        Ok(Outcome::Planned)
    }

    fn survey_threads(
        &mut self,
        interpreter: &Interpreter,
        layout: &Layout,
        seen: &mut Vec<SurveyedThread>,
    ) -> Step<()> {
        let mut at = interpreter.threads_head;
        for _ in 0..THREADS_MAX {
            if at.is_null() || seen.iter().any(|known| known.at == at) {
                break;
            }
            self.read_thread(at, layout)?;
            let verdict = match self.judge(interpreter.found.at, layout) {
                Ok(()) => ThreadVerdict::Ok,
                Err(stop) => match stop.reason {
                    crate::Reason::Thread(verdict) => verdict,
                    _ => return Err(stop),
                },
            };
            let state = self.state(layout);
            seen.push(SurveyedThread {
                at,
                native: state.native(),
                active: state.is_active(),
                main: at == interpreter.threads_main,
                verdict,
                pending: pending_script(&state),
                claimed: state.pending() == Some(PENDING_CLAIMED),
            });
            at = state.next();
        }
        Ok(())
    }
}

fn pending_script(state: &State<'_>) -> Option<Vec<u8>> {
    let path = state.path_buffer()?.split(|byte| *byte == 0).next()?;
    (state.pending() == Some(PENDING_SET)).then(|| path.to_vec())
}

//! What a request for a debugger came to, as data: the shape of the JSON output of `debug`.

use serde::Serialize;
use softdock_attach::{Report, Verdict};
use softdock_debugpy::client::LaunchConfiguration;
use softdock_debugpy::{Mode, SessionId};

use super::Attempt;
use crate::frontend::FrontEnd;

/// The site of everything that comes after the engine has done its part.
pub const SITE: &str = "session";

/// The site of choosing the script that starts a debugger.
pub const LOADER_SITE: &str = "loader";

/// The reason of a debugger that nobody connects to in time.
pub const NO_CLIENT: &str = "no-client";

/// What can be brought about, beside the engine's outcomes.
pub const OUTCOMES: [&str; 3] = ["listening", "connected", "attached"];

/// A debugger in a target, or why there is none.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Session {
    /// `listening`, `connected` or `attached`; else an outcome of the engine.
    pub outcome: &'static str,
    /// The step it was reached at: one of the engine's, or `session`.
    pub site: &'static str,
    /// Why, when there is no debugger.
    pub reason: Option<&'static str>,
    /// The public failure-site code; `None` (the word) for a success.
    pub code: &'static str,
    /// What was found, in words.
    pub detail: Option<String>,
    /// What a person can do about it.
    pub hint: Option<String>,
    /// The name of the session.
    pub session: SessionId,
    /// Who listens: `listen` for the target, `connect` for the client.
    pub mode: &'static str,
    /// The host at which somebody listens.
    pub host: Option<String>,
    /// The port.
    pub port: Option<u16>,
    /// Whether an earlier request had started it.
    pub reused: bool,
    /// The version of debugpy.
    pub debugpy: Option<String>,
    /// Whether a thread was made to stop.
    pub break_injected: bool,
    /// The exception that the target told.
    pub error: Option<TargetError>,
    /// What the thread that was asked is doing, where it has not looked yet.
    pub activity: Option<String>,
    /// An entry for VS Code's `launch.json`.
    pub launch: Option<LaunchConfiguration>,
    /// The connection target for Visual Studio.
    pub visual_studio: Option<String>,
    /// From when the request was armed to the answer.
    pub waited_micros: u64,
    /// What is left in the target.
    pub left: &'static str,
    /// The folder that stays for a request that is left, as the target names it.
    pub folder: Option<String>,
    /// What to try next, where there is no debugger: `legacy`.
    pub fallback: Option<&'static str>,
    /// What the engine did.
    pub attach: Attempt,
}

/// An exception in the target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TargetError {
    /// Its type.
    pub r#type: String,
    /// What it says.
    pub message: String,
}

impl Session {
    /// A session of which nothing is known but what the engine did for it.
    #[must_use]
    pub fn new(session: SessionId, mode: &Mode, attach: Attempt) -> Session {
        Session {
            outcome: attach.outcome,
            site: attach.site,
            reason: attach.reason,
            code: attach.code,
            detail: attach.detail.clone(),
            hint: attach.hint.map(String::from),
            session,
            mode: mode.name(),
            host: None,
            port: None,
            reused: false,
            debugpy: None,
            break_injected: false,
            error: None,
            activity: None,
            launch: None,
            visual_studio: None,
            waited_micros: 0,
            left: attach.left,
            folder: None,
            fallback: attach.fallback,
            attach,
        }
    }

    /// The engine did its part, and still there is no debugger.
    pub fn fail(&mut self, outcome: &'static str, reason: &'static str, detail: String) {
        self.outcome = outcome;
        self.site = SITE;
        self.reason = Some(reason);
        self.code = if reason == NO_CLIENT { "TimeoutAwaitConnect" } else { "ScriptExecution" };
        self.detail = Some(detail);
        self.hint = None;
        self.fallback = Some("legacy");
    }

    /// The one summary line of the attempt that was to bring it about: what the engine did for it,
    /// and what came of that.
    #[must_use]
    pub fn summary(&self, report: &Report, front_end: FrontEnd) -> String {
        let &Session { outcome, site, reason, left, fallback, .. } = self;
        let verdict = Verdict { outcome, site, reason, left, is_success: fallback.is_none() };
        report.summary().by(front_end.tag()).came_to(verdict).to_string()
    }
}

//! The telemetry event of an attempt: flags and names, nothing that tells who or where.

use serde::Serialize;
use softdock_attach::{CacheUse, ParseMode, Reason, Report, Stage, StageResult};

use super::Stopped;

/// The telemetry event of an attempt. It names no path, no process and no address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Telemetry {
    /// What it came to.
    pub outcome: &'static str,
    /// The step it was reached at.
    pub site: &'static str,
    /// Why.
    pub reason: Option<&'static str>,
    /// The public failure-site code.
    pub code: &'static str,
    /// The version that the target publishes.
    pub version: Option<String>,
    /// Whether the build is free-threaded.
    pub free_threaded: Option<bool>,
    /// Which mode of parsing accepted the table; `none` for none.
    pub parse_mode: &'static str,
    /// How the layout was proved.
    pub proof: Option<&'static str>,
    /// Whether the path buffer has the released capacity.
    pub size_canonical: bool,
    /// Whether flex parsing gave the layout.
    pub flex_used: bool,
    /// Whether the remembered thread was used.
    pub cache_used: bool,
    /// Whether open words of the layout were inferred.
    pub inferred: bool,
    /// Whether the lists led to the thread.
    pub walked: bool,
    /// Whether a scan of memory found it.
    pub heuristic_used: bool,
    /// Whether an exported symbol led to the runtime.
    pub export_fallback: bool,
    /// Whether a mixed-mode session was in the way.
    pub mixed_mode_bypass: bool,
    /// Thread states looked at.
    pub candidates: u32,
    /// What became of the writes after a failure.
    pub undo: Option<&'static str>,
    /// What is left in the target.
    pub left: &'static str,
}

impl From<&Report> for Telemetry {
    fn from(report: &Report) -> Telemetry {
        let done = |stage| report.stage(stage) == StageResult::Done;
        Telemetry {
            outcome: report.outcome.name(),
            site: report.site.name(),
            reason: report.reason.map(Reason::name),
            code: report.code(),
            version: report.version.map(|version| version.to_string()),
            free_threaded: report.free_threaded,
            parse_mode: report.parse_mode.map_or("none", ParseMode::name),
            proof: report.proof.map(|proof| proof.name()),
            size_canonical: report.is_size_canonical(),
            flex_used: report.parse_mode == Some(ParseMode::Flex),
            cache_used: report.cache == CacheUse::Hit,
            inferred: done(Stage::Infer),
            walked: done(Stage::Walk),
            heuristic_used: done(Stage::Heuristic),
            export_fallback: done(Stage::Export),
            mixed_mode_bypass: report.reason == Some(Reason::MixedMode),
            candidates: report.candidates,
            undo: report.undo.map(|undo| undo.name()),
            left: report.left.name(),
        }
    }
}

/// An attempt that ended before the engine was asked has an event as well.
impl From<&Stopped> for Telemetry {
    fn from(stopped: &Stopped) -> Telemetry {
        Telemetry {
            outcome: stopped.outcome,
            site: stopped.site,
            reason: Some(stopped.reason),
            code: stopped.code,
            version: None,
            free_threaded: None,
            parse_mode: "none",
            proof: None,
            size_canonical: true,
            flex_used: false,
            cache_used: false,
            inferred: false,
            walked: false,
            heuristic_used: false,
            export_fallback: false,
            mixed_mode_bypass: false,
            candidates: 0,
            undo: None,
            left: stopped.left,
        }
    }
}

//! Telemetry: two events an attempt, one when it begins and one with what it came to. Flags and
//! names, nothing that tells who or where. The schema is made of the types.
//!
//! It sends and writes nothing.

use schemars::{JsonSchema, Schema, json_schema};
use serde::Serialize;
use softdock_attach::{CacheUse, Outcome, ParseMode, Reason, Report, Site, Stage, StageResult};
use softdock_debugpy::Mode;

use super::{FORMAT, Session, Stopped, session};
use crate::frontend::FrontEnd;

/// A line of telemetry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(title = "softdock telemetry")]
pub struct EventLine {
    /// The version of the format, 1. Readers ignore fields they do not know.
    format: u32,
    #[serde(flatten)]
    event: Event,
}

impl EventLine {
    /// The line of an event.
    #[must_use]
    pub const fn new(event: Event) -> EventLine {
        EventLine { format: FORMAT, event }
    }

    /// What such a line looks like, as JSON Schema.
    #[must_use]
    pub fn schema() -> Schema {
        schemars::schema_for!(EventLine)
    }
}

/// An event. Each attempt has one of each kind, in this order, whatever becomes of it: also where
/// it was refused before the target was looked at, timed out, was interrupted, or panicked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(tag = "kind")]
pub enum Event {
    /// An attempt begins; nothing has been looked at yet.
    #[serde(rename = "attach-attempt")]
    Attempt(Head),
    /// What it came to.
    #[serde(rename = "attach-result")]
    Result(Ended),
}

/// What is known of an attempt before it begins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Head {
    /// The same in both events of an attempt, random, and in those of no other.
    pub attempt: String,
    /// What the user asked for.
    #[schemars(schema_with = "commands")]
    pub command: &'static str,
    /// Which front end attaches.
    #[schemars(schema_with = "front_ends")]
    pub front_end: &'static str,
    /// How a debugger and its client come together; `null` where the user's own script is run.
    #[schemars(schema_with = "loader_types")]
    pub loader_type: Option<&'static str>,
    /// Which loader starts the debugger; `null` where none is wanted.
    #[schemars(schema_with = "loaders")]
    pub loader: Option<&'static str>,
}

impl Head {
    /// An attempt to have the user's own script run, or to take a request back.
    #[must_use]
    pub const fn new(attempt: String, command: &'static str, front_end: FrontEnd) -> Head {
        let front_end = front_end.name();
        Head { attempt, command, front_end, loader_type: None, loader: None }
    }

    /// The same for a debugger. The old loader knows neither way to come together.
    #[must_use]
    pub fn for_debugger(self, mode: &Mode, is_legacy: bool) -> Head {
        let (loader_type, loader) =
            if is_legacy { ("legacy", "Legacy") } else { (mode.name(), "New") };
        Head { loader_type: Some(loader_type), loader: Some(loader), ..self }
    }
}

/// An attempt, and what it came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Ended {
    /// Which attempt.
    #[serde(flatten)]
    pub head: Head,
    /// What it came to.
    #[serde(flatten)]
    pub result: Telemetry,
}

/// What an attempt came to. It names no path, no process and no address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Telemetry {
    /// What it came to.
    #[schemars(schema_with = "outcomes")]
    pub outcome: &'static str,
    /// The step it was reached at.
    #[schemars(schema_with = "sites")]
    pub site: &'static str,
    /// Why.
    pub reason: Option<&'static str>,
    /// The public failure-site code; `ScriptExecution` where the script ran, or waits, and the
    /// debugger is not there, and `TimeoutAwaitConnect` where it is and no client comes.
    pub code: &'static str,
    /// The version that the target publishes.
    pub version: Option<String>,
    /// Whether the build is free-threaded.
    pub free_threaded: Option<bool>,
    /// Which mode of parsing accepted the table; `none` for none.
    #[schemars(schema_with = "parse_modes")]
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
    /// The port at which the debugger listens, or that it is connected to.
    pub dyn_port: Option<u16>,
    /// Whether a thread was made to stop for the client.
    pub break_injected: bool,
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
            dyn_port: None,
            break_injected: false,
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
            mixed_mode_bypass: stopped.reason == Reason::MixedMode.name(),
            dyn_port: None,
            break_injected: false,
            candidates: 0,
            undo: None,
            left: stopped.left,
        }
    }
}

impl Telemetry {
    /// What the engine did, and what came of it for whoever wanted a debugger.
    #[must_use]
    pub fn of_session(report: &Report, session: &Session) -> Telemetry {
        Telemetry {
            outcome: session.outcome,
            site: session.site,
            reason: session.reason,
            code: session.code,
            dyn_port: session.port,
            break_injected: session.break_injected,
            left: session.left,
            ..Telemetry::from(report)
        }
    }
}

/// One of these words.
fn one_of<'n>(names: impl IntoIterator<Item = &'n str>) -> Schema {
    let names: Vec<_> = names.into_iter().collect();
    json_schema!({ "type": "string", "enum": names })
}

/// The same, or `null`.
fn perhaps_one_of<'n>(names: impl IntoIterator<Item = &'n str>) -> Schema {
    let names: Vec<_> = names.into_iter().map(Some).chain([None]).collect();
    json_schema!({ "type": ["string", "null"], "enum": names })
}

fn commands(_: &mut schemars::SchemaGenerator) -> Schema {
    one_of(["attach", "cancel", "debug"])
}

fn front_ends(_: &mut schemars::SchemaGenerator) -> Schema {
    one_of(FrontEnd::ALL.map(FrontEnd::name))
}

fn loader_types(_: &mut schemars::SchemaGenerator) -> Schema {
    perhaps_one_of(["legacy", "listen", "connect"])
}

fn loaders(_: &mut schemars::SchemaGenerator) -> Schema {
    perhaps_one_of(["New", "Legacy"])
}

fn outcomes(_: &mut schemars::SchemaGenerator) -> Schema {
    one_of(Outcome::ALL.map(Outcome::name).into_iter().chain(session::OUTCOMES))
}

fn sites(_: &mut schemars::SchemaGenerator) -> Schema {
    let around = ["open", "preflight", "turn", session::SITE, session::LOADER_SITE];
    one_of(Site::ALL.map(Site::name).into_iter().chain(around))
}

fn parse_modes(_: &mut schemars::SchemaGenerator) -> Schema {
    one_of(ParseMode::ALL.map(ParseMode::name).into_iter().chain(["none"]))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::corpus;
    use crate::trace::Trace;

    /// What is told of a scenario, and the flags of it that are up.
    fn flags(name: &str) -> String {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("scenarios/{name}.ron"));
        let entry = corpus::load(&path, name).expect("a scenario");
        let told = Telemetry::from(&entry.run(Trace::off()).expect("an attempt").report);
        let flags = [
            (!told.size_canonical, "another-size"),
            (told.flex_used, "flex"),
            (told.cache_used, "cache"),
            (told.inferred, "inferred"),
            (told.walked, "walked"),
            (told.heuristic_used, "heuristic"),
            (told.export_fallback, "export"),
            (told.mixed_mode_bypass, "mixed-mode"),
            (told.free_threaded == Some(true), "free-threaded"),
        ];
        let up: Vec<_> = flags.into_iter().filter(|(is_up, _)| *is_up).map(|(_, it)| it).collect();
        format!("{} {} {}", told.code, told.parse_mode, up.join(" "))
    }

    #[test]
    fn each_flag_is_up_where_what_it_tells_of_has_happened() {
        for (name, told) in [
            ("attach/two-threads", "None strict walked"),
            ("attach/cpython-3-14-free-threaded", "None strict walked free-threaded"),
            ("attach/cache-hit", "None strict cache"),
            ("attach/cache-stale-table", "None strict walked"),
            ("attach/extended-unknown-minor", "None extended inferred walked"),
            ("attach/flex-reordered-words", "None flex flex walked"),
            ("attach/flex-larger-path-buffer", "None flex another-size flex walked"),
            ("attach/heuristic-finds-the-lost-main-thread", "None strict heuristic"),
            ("attach/exported-symbol-with-consent", "None strict walked export"),
            ("refuse/mixed-mode", "MixedModeBypass none mixed-mode"),
            ("refuse/disabled-by-variable", "FeatureDisabled none "),
        ] {
            assert_eq!(flags(name), told, "{name}");
        }
    }
}

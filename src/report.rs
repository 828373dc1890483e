//! What an attempt came to, as data: the shape of the JSON output, and the telemetry event. Pure
//! conversions from the engine's [`Report`], for live and for simulated attempts alike.
//!
//! One object a line, `"format": 1` first. Names are those of the engine, in kebab-case; addresses
//! are strings in hexadecimal, since readers of JSON round large numbers. A reader must ignore
//! fields it does not know, and take `null` for an answer in any of them.
//!
//! It prints nothing and decides nothing.

pub mod session;
mod survey;
mod telemetry;
pub mod words;

pub use session::{Session, TargetError};
pub use survey::{Inspection, Interpreter, Thread};
pub use telemetry::{Ended, Event, EventLine, Head, Telemetry};

use std::fmt;

use serde::Serialize;
use softdock_attach::{
    Found, LayoutFault, Outcome, ParseMode, Reason, RemoteWritePlan, Report, Site, Stage,
};
use softdock_process::{Address, ErrorKind};

use crate::frontend::FrontEnd;

/// Version of the JSON output; it grows only when a field changes its meaning or goes away.
pub const FORMAT: u32 = 1;

/// One line of JSON output.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Line<T> {
    /// [`FORMAT`].
    pub format: u32,
    /// What this line is about: `attach`, `cancel`, `inspect`, …
    pub kind: &'static str,
    /// The rest.
    #[serde(flatten)]
    pub body: T,
}

impl<T> Line<T> {
    /// A line of this kind.
    pub const fn new(kind: &'static str, body: T) -> Line<T> {
        Line { format: FORMAT, kind, body }
    }
}

/// An attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Attempt {
    /// What it came to.
    pub outcome: &'static str,
    /// The step it was reached at.
    pub site: &'static str,
    /// Why, when the outcome is no plain success.
    pub reason: Option<&'static str>,
    /// The public failure-site code; `None` (the word) for a success.
    pub code: &'static str,
    /// What a person can do about it.
    pub hint: Option<&'static str>,
    /// The system's own words, where an access or a question failed.
    pub detail: Option<String>,
    /// Which process it was.
    pub process: Option<Process>,
    /// Where the runtime is.
    pub runtime: Option<Runtime>,
    /// The version it publishes, as `3.14.2`.
    pub version: Option<String>,
    /// The old version that a file name speaks of, where there is no table.
    pub named_version: Option<String>,
    /// Whether the build is free-threaded.
    pub free_threaded: Option<bool>,
    /// Which mode of parsing accepted the table.
    pub parse_mode: Option<&'static str>,
    /// Why the others did not.
    pub parse_faults: ParseFaults,
    /// How the layout was proved.
    pub proof: Option<&'static str>,
    /// Whether the path buffer has the released capacity, 512 bytes.
    pub size_canonical: bool,
    /// Whether flex parsing gave the layout.
    pub flex_used: bool,
    /// Whether the six words were in another order than CPython's.
    pub reordered: bool,
    /// What became of each stage of the search.
    pub stages: Stages,
    /// What became of the cache entry.
    pub cache: &'static str,
    /// Thread states looked at.
    pub candidates: u32,
    /// The interpreter chosen.
    pub interpreter: Option<Place>,
    /// The thread chosen.
    pub thread: Option<Place>,
    /// What was or would be written.
    pub plan: Option<Plan>,
    /// What became of the writes after a failure.
    pub undo: Option<&'static str>,
    /// What is left in the target.
    pub left: &'static str,
    /// The first bytes of a table that no mode accepted, in hexadecimal.
    pub header: Option<String>,
    /// What a caller should try next: `legacy` when this attempt came to nothing.
    pub fallback: Option<&'static str>,
}

/// An attempt that ended before the engine was asked: it was forbidden, the process could not be
/// opened, could not have read the script, or another softdock was at it. Nothing was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Stopped {
    /// `refused` or `failed`.
    pub outcome: &'static str,
    /// `gate`, `open`, `preflight`, `loader` or `turn`; `plan` where there was nothing to take
    /// back.
    pub site: &'static str,
    /// Why.
    pub reason: &'static str,
    /// The public failure-site code.
    pub code: &'static str,
    /// What was found, in words.
    pub detail: String,
    /// What a person can do about it.
    pub hint: Option<String>,
    /// `nothing`.
    pub left: &'static str,
    /// What a caller should try next.
    pub fallback: &'static str,
}

impl Stopped {
    /// The process could not be opened.
    #[must_use]
    pub fn at_open(reason: &'static str, detail: String) -> Box<Stopped> {
        Box::new(Stopped {
            outcome: Outcome::Failed.name(),
            site: "open",
            reason,
            code: "OpenProcess",
            detail,
            hint: None,
            left: "nothing",
            fallback: "legacy",
        })
    }

    /// Nothing was noted of how it ended: it panicked.
    #[must_use]
    pub fn unexpected() -> Box<Stopped> {
        let reason = Reason::Unexpected.name();
        Box::new(Stopped { code: "Unknown", ..*Stopped::at_open(reason, String::new()) })
    }

    /// The settings say that nothing is to be tried.
    #[must_use]
    pub fn at_gate(reason: Reason) -> Box<Stopped> {
        let site = Site::Gate;
        Box::new(Stopped {
            outcome: Outcome::Refused.name(),
            site: site.name(),
            code: reason.code(site),
            hint: Some(reason.hint().to_owned()),
            ..*Stopped::at_open(reason.name(), String::from("the process was not touched"))
        })
    }

    /// The target could not read the script.
    #[must_use]
    pub fn at_preflight(reason: &'static str, detail: String, hint: String) -> Box<Stopped> {
        Box::new(Stopped {
            outcome: Outcome::Refused.name(),
            site: "preflight",
            code: "ScriptBufferWrite",
            hint: Some(hint),
            ..*Stopped::at_open(reason, detail)
        })
    }

    /// There was nothing to take back.
    #[must_use]
    pub fn nothing_pending(detail: String, hint: Option<String>) -> Box<Stopped> {
        let (site, reason) = (Site::Plan, Reason::NothingPending);
        Box::new(Stopped {
            outcome: Outcome::Refused.name(),
            site: site.name(),
            code: reason.code(site),
            hint,
            ..*Stopped::at_open(reason.name(), detail)
        })
    }

    /// There is no script that starts a debugger.
    #[must_use]
    pub fn at_loader(reason: &'static str, detail: String, hint: String) -> Box<Stopped> {
        Box::new(Stopped {
            site: session::LOADER_SITE,
            code: "LoaderResolve",
            ..*Stopped::at_preflight(reason, detail, hint)
        })
    }

    /// Another softdock was at it.
    #[must_use]
    pub fn at_turn(detail: String) -> Box<Stopped> {
        Box::new(Stopped {
            outcome: Outcome::Refused.name(),
            site: "turn",
            code: "Busy",
            hint: Some(String::from(
                "wait until it is done, or interrupt it: that takes its request back",
            )),
            ..*Stopped::at_open(Reason::Busy.name(), detail)
        })
    }

    /// The one summary line, as the engine's own.
    #[must_use]
    pub fn summary(&self, front_end: FrontEnd) -> String {
        let Stopped { outcome, site, reason, left, fallback, .. } = self;
        let tag = front_end.tag();
        format!(
            "[PTVS][SafeAttach]{tag} outcome={outcome} site={site} reason={reason} parseMode=none \
             cache=off left={left} fallback={fallback}"
        )
    }
}

/// A process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Process {
    /// Its id.
    pub pid: u32,
    /// When it started, in the system's ticks.
    pub started: u64,
}

/// A runtime.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Runtime {
    /// Where it is.
    pub at: Hex,
    /// How it was found.
    pub found_by: &'static str,
}

/// An interpreter or a thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Place {
    /// Its id.
    pub id: i64,
    /// Where its state is.
    pub at: Hex,
}

/// Why each mode of parsing did not accept the table; `null` where it did or was not asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct ParseFaults {
    /// The known version, every word in its place.
    pub strict: Option<&'static str>,
    /// The six words elsewhere.
    pub extended: Option<&'static str>,
    /// One word out of range.
    pub relaxed: Option<&'static str>,
    /// The six words in any order.
    pub flex: Option<&'static str>,
}

/// What one step of an attempt cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Phase {
    /// The step.
    pub site: &'static str,
    /// Accesses to the target's memory.
    pub accesses: u32,
    /// How long it took, in microseconds.
    pub micros: u64,
}

/// What became of each stage of the search for a thread state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Stages {
    /// The caller named it.
    pub forced: String,
    /// The caller remembered it.
    pub cache: String,
    /// Open words of the layout were proved on live threads.
    pub infer: String,
    /// The lists led to it.
    pub walk: String,
    /// A scan of memory found it.
    pub heuristic: String,
    /// A runtime known by an exported symbol led to it.
    pub export: String,
}

/// What was or would be written, in this order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// The script, lossy where its path is not UTF-8.
    pub script: String,
    /// Where its path goes.
    pub path_at: Hex,
    /// The bytes of the path and its NUL, in hexadecimal.
    pub path: String,
    /// Where the pending flag is.
    pub pending_at: Hex,
    /// Where the breaker's event byte is.
    pub breaker_at: Hex,
    /// What the event byte held.
    pub old_breaker: u8,
}

/// An address; prints as `"0x…"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hex(pub Address);

impl Serialize for Hex {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl From<Found> for Place {
    fn from(found: Found) -> Place {
        Place { id: found.id, at: Hex(found.at) }
    }
}

impl From<&RemoteWritePlan> for Plan {
    fn from(plan: &RemoteWritePlan) -> Plan {
        let script = plan.path.strip_suffix(&[0]).unwrap_or(&plan.path);
        Plan {
            script: String::from_utf8_lossy(script).into_owned(),
            path_at: Hex(plan.path_at),
            path: hex(&plan.path),
            pending_at: Hex(plan.pending_at),
            breaker_at: Hex(plan.breaker_at),
            old_breaker: plan.old_breaker,
        }
    }
}

impl From<[Option<LayoutFault>; 4]> for ParseFaults {
    fn from([strict, extended, relaxed, flex]: [Option<LayoutFault>; 4]) -> ParseFaults {
        ParseFaults {
            strict: strict.map(LayoutFault::name),
            extended: extended.map(LayoutFault::name),
            relaxed: relaxed.map(LayoutFault::name),
            flex: flex.map(LayoutFault::name),
        }
    }
}

impl From<&Report> for Stages {
    fn from(report: &Report) -> Stages {
        let of = |stage| report.stage(stage).to_string();
        Stages {
            forced: of(Stage::Forced),
            cache: of(Stage::Cache),
            infer: of(Stage::Infer),
            walk: of(Stage::Walk),
            heuristic: of(Stage::Heuristic),
            export: of(Stage::Export),
        }
    }
}

impl From<&Report> for Attempt {
    fn from(report: &Report) -> Attempt {
        Attempt {
            outcome: report.outcome.name(),
            site: report.site.name(),
            reason: report.reason.map(Reason::name),
            code: report.code(),
            hint: report.reason.map(Reason::hint),
            detail: report.reason.and_then(detail),
            process: report.process.map(|id| Process { pid: id.pid, started: id.started }),
            runtime: report
                .runtime
                .map(|(at, found_by)| Runtime { at: Hex(at), found_by: found_by.name() }),
            version: report.version.map(|version| version.to_string()),
            named_version: report.named_version.map(|(major, minor)| format!("{major}.{minor}")),
            free_threaded: report.free_threaded,
            parse_mode: report.parse_mode.map(ParseMode::name),
            parse_faults: report.parse_faults.into(),
            proof: report.proof.map(|proof| proof.name()),
            size_canonical: report.is_size_canonical(),
            flex_used: report.parse_mode == Some(ParseMode::Flex),
            reordered: report.reordered,
            stages: report.into(),
            cache: report.cache.name(),
            candidates: report.candidates,
            interpreter: report.interpreter.map(Place::from),
            thread: report.thread.map(Place::from),
            plan: report.plan.as_ref().map(Plan::from),
            undo: report.undo.map(|undo| undo.name()),
            left: report.left.name(),
            header: report.header.map(|bytes| hex(&bytes)),
            fallback: fallback(report.outcome),
        }
    }
}

fn fallback(outcome: Outcome) -> Option<&'static str> {
    (!outcome.is_success()).then_some("legacy")
}

/// What the name of a reason leaves out.
fn detail(reason: Reason) -> Option<String> {
    match reason {
        Reason::Memory(ErrorKind::Other(_)) | Reason::Process(ErrorKind::Other(_)) => {
            Some(reason.to_string())
        }
        _ => None,
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// An attempt as lines of `name  value` for a person, without what is not known.
impl fmt::Display for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut row = |name: &str, value: Option<String>| match value {
            Some(value) => writeln!(f, "{name:<12} {value}"),
            None => Ok(()),
        };
        let because = self.reason.map(|reason| format!(": {reason}")).unwrap_or_default();
        row("outcome", Some(format!("{} at {}{because}", self.outcome, self.site)))?;
        row("process", self.process.map(|p| format!("{}, started at tick {}", p.pid, p.started)))?;
        row("runtime", self.runtime.as_ref().map(|r| format!("{} by {}", r.at.0, r.found_by)))?;
        row("version", self.version_text())?;
        row("layout", self.parse_mode.map(|mode| self.layout_text(mode)))?;
        row("not parsed", self.parse_faults.text())?;
        row("table", self.header.clone())?;
        row("stages", Some(self.stages.text()))?;
        row("cache", Some(format!("{}; {} candidates", self.cache, self.candidates)))?;
        row("interpreter", self.interpreter.map(|i| i.to_string()))?;
        row("thread", self.thread.map(|t| t.to_string()))?;
        row("undo", self.undo.map(String::from))?;
        row("left", Some(String::from(self.left)))
    }
}

impl Attempt {
    /// The version with what else is known of the build.
    #[must_use]
    pub fn version_text(&self) -> Option<String> {
        let Some(version) = &self.version else {
            return self.named_version.as_ref().map(|named| format!("{named}, by a file's name"));
        };
        let build = if self.free_threaded == Some(true) { ", free-threaded" } else { "" };
        Some(format!("{version}{build}"))
    }

    fn layout_text(&self, mode: &str) -> String {
        let proof = self.proof.unwrap_or("no");
        let reordered = if self.reordered { ", reordered" } else { "" };
        let size = if self.size_canonical { "" } else { ", path buffer of another size" };
        format!("{mode}, {proof} proof{reordered}{size}")
    }
}

impl ParseFaults {
    fn text(&self) -> Option<String> {
        let modes = ParseMode::ALL.map(ParseMode::name).into_iter();
        let faults = [self.strict, self.extended, self.relaxed, self.flex];
        let known =
            modes.zip(faults).filter_map(|(mode, fault)| Some(format!("{mode} {}", fault?)));
        Some(known.collect::<Vec<_>>().join(", ")).filter(|text| !text.is_empty())
    }
}

impl Stages {
    fn text(&self) -> String {
        let names = Stage::ALL.map(Stage::name).into_iter();
        let results =
            [&self.forced, &self.cache, &self.infer, &self.walk, &self.heuristic, &self.export];
        let pairs = names.zip(results).map(|(name, result)| format!("{name} {result}"));
        pairs.collect::<Vec<_>>().join(", ")
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}", self.id, self.at.0)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::corpus;
    use crate::trace::Trace;

    /// Whoever calls has another way to attach, and goes it.
    #[test]
    fn what_comes_to_nothing_says_why_and_what_to_try_next() {
        let folders = ["attach", "refuse", "survive"]
            .map(|name| Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios").join(name));
        for (path, name) in corpus::find(&folders).expect("scenarios") {
            let entry = corpus::load(&path, &name).expect("a scenario");
            let report = entry.run(Trace::off()).expect("an attempt").report;
            let (attempt, line) = (Attempt::from(&report), report.summary().to_string());
            if report.outcome.is_success() {
                assert_eq!((attempt.fallback, attempt.code), (None, "None"), "{name}");
                assert!(!line.contains("fallback"), "{name}: {line}");
            } else {
                assert_eq!(attempt.fallback, Some("legacy"), "{name}");
                let reason = attempt.reason.expect("a reason");
                assert!(line.contains(&format!(" reason={reason} ")), "{name}: {line}");
                assert!(line.ends_with(" fallback=legacy"), "{name}: {line}");
            }
        }
        let early = Stopped::at_open("not-found", String::new());
        assert_eq!((early.reason, early.fallback), ("not-found", "legacy"));
        assert!(early.summary(FrontEnd::Managed).ends_with(" left=nothing fallback=legacy"));
    }
}

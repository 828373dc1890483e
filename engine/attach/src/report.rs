//! What an attempt came to: one value that says everything, from which the summary line, the
//! telemetry event and every output format are made.

use core::fmt;

use softdock_process::{Address, FoundBy, Identity};

use crate::cache::{CacheUse, CachedThread};
use crate::layout::{Layout, LayoutFault, ParseMode, Proof};
use crate::limits::HEADER_DUMP_BYTES;
use crate::plan::RemoteWritePlan;
use crate::reason::Reason;
use crate::site::Site;
use crate::version::Version;

/// What an attempt came to. A refusal is a success of the engine: it looked and did not touch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Outcome {
    /// The thread will run the script at its next evaluation-breaker poll.
    Armed,
    /// As armed, but the breaker bit did not stay set: the script runs at the thread's next event
    /// of any kind, which may be later.
    ArmedNoBit,
    /// The thread has taken the script.
    Consumed,
    /// A dry run: everything was done up to the first write.
    Planned,
    /// A pending request was taken back.
    Cancelled,
    /// The engine decided not to write, or not to go on.
    Refused,
    /// Something failed under way.
    Failed,
}

impl Outcome {
    /// All outcomes.
    pub const ALL: [Outcome; 7] = [
        Outcome::Armed,
        Outcome::ArmedNoBit,
        Outcome::Consumed,
        Outcome::Planned,
        Outcome::Cancelled,
        Outcome::Refused,
        Outcome::Failed,
    ];

    /// Its name in scenarios, reports and messages.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Outcome::Armed => "armed",
            Outcome::ArmedNoBit => "armed-no-bit",
            Outcome::Consumed => "consumed",
            Outcome::Planned => "planned",
            Outcome::Cancelled => "cancelled",
            Outcome::Refused => "refused",
            Outcome::Failed => "failed",
        }
    }

    /// Whether what was asked for was done.
    #[must_use]
    pub const fn is_success(self) -> bool {
        !matches!(self, Outcome::Refused | Outcome::Failed)
    }
}

/// A stage of the search for a thread state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// The caller named it.
    Forced,
    /// The caller remembered it.
    Cache,
    /// Open words of the layout were proved on live threads first.
    Infer,
    /// The interpreter and thread lists led to it.
    Walk,
    /// A scan of memory found it.
    Heuristic,
    /// A runtime known by an exported symbol led to it.
    Export,
}

impl Stage {
    /// All stages, in the order they are tried.
    pub const ALL: [Stage; 6] =
        [Stage::Forced, Stage::Cache, Stage::Infer, Stage::Walk, Stage::Heuristic, Stage::Export];

    /// Its name in scenarios and reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Stage::Forced => "forced",
            Stage::Cache => "cache",
            Stage::Infer => "infer",
            Stage::Walk => "walk",
            Stage::Heuristic => "heuristic",
            Stage::Export => "export",
        }
    }
}

/// What became of a stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum StageResult {
    /// An earlier stage made it unnecessary, or the attempt ended before it.
    #[default]
    NotReached,
    /// It is switched off, or there was nothing for it to do.
    Off,
    /// It did its part.
    Done,
    /// It had nothing to offer.
    Empty,
    /// It had something, which did not hold.
    Rejected(Reason),
}

impl fmt::Display for StageResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StageResult::NotReached => f.write_str("not-reached"),
            StageResult::Off => f.write_str("off"),
            StageResult::Done => f.write_str("done"),
            StageResult::Empty => f.write_str("empty"),
            StageResult::Rejected(reason) => f.write_str(reason.name()),
        }
    }
}

/// What became of the writes after something failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Undo {
    /// Memory is as it was, but for a breaker bit that CPython clears by itself, and a NUL that
    /// cuts off the path of an earlier request.
    Clean,
    /// The target had taken the request before it could be taken back.
    Late,
    /// It could not be undone: a further access failed, or the thread, or the claim on its slot, is
    /// not there any more.
    Failed,
}

impl Undo {
    /// Its name in scenarios and reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Undo::Clean => "clean",
            Undo::Late => "late",
            Undo::Failed => "failed",
        }
    }
}

/// What the attempt leaves in the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Left {
    /// No request of ours is pending.
    #[default]
    Nothing,
    /// Our request is pending: the script will run.
    Armed,
    /// Another debugger's request is pending where ours was.
    ArmedByOther,
    /// It could not be found out.
    Unknown,
}

impl Left {
    /// Its name in scenarios and reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Left::Nothing => "nothing",
            Left::Armed => "armed",
            Left::ArmedByOther => "armed-by-other",
            Left::Unknown => "unknown",
        }
    }
}

/// An interpreter or thread found in the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// Its id: the interpreter's, or the thread's native id as the target numbers it.
    pub id: i64,
    /// Where its state is.
    pub at: Address,
}

/// What one attempt came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The verdict.
    pub outcome: Outcome,
    /// The step it was reached at.
    pub site: Site,
    /// Why, when the outcome is no plain success.
    pub reason: Option<Reason>,
    /// Which process it was.
    pub process: Option<Identity>,
    /// Where the runtime is, and how it was found.
    pub runtime: Option<(Address, FoundBy)>,
    /// The version it publishes, or none when no table was found.
    pub version: Option<Version>,
    /// The old version a file name speaks of, where there is no table.
    pub named_version: Option<(u8, u8)>,
    /// Whether the build is free-threaded.
    pub free_threaded: Option<bool>,
    /// Which mode of parsing accepted the table.
    pub parse_mode: Option<ParseMode>,
    /// Why each mode, in the order they are tried, did not accept it.
    pub parse_faults: [Option<LayoutFault>; 4],
    /// Whether the six words were in another order than CPython's.
    pub reordered: bool,
    /// How the layout was proved.
    pub proof: Option<Proof>,
    /// The layout in use.
    pub layout: Option<Layout>,
    /// The first bytes of a table that was not accepted, for a person to look at.
    pub header: Option<[u8; HEADER_DUMP_BYTES]>,
    /// The stages of the search, in order.
    pub stages: [StageResult; 6],
    /// What became of the cache entry.
    pub cache: CacheUse,
    /// Thread states looked at.
    pub candidates: u32,
    /// The interpreter chosen.
    pub interpreter: Option<Found>,
    /// The thread chosen.
    pub thread: Option<Found>,
    /// What was or would be written.
    pub plan: Option<RemoteWritePlan>,
    /// What became of the writes after a failure.
    pub undo: Option<Undo>,
    /// What is left in the target.
    pub left: Left,
    /// What the caller may remember for the next attach.
    pub cacheable: Option<CachedThread>,
}

impl Report {
    pub(crate) fn new() -> Report {
        Report {
            outcome: Outcome::Failed,
            site: Site::Gate,
            reason: Some(Reason::Unexpected),
            process: None,
            runtime: None,
            version: None,
            named_version: None,
            free_threaded: None,
            parse_mode: None,
            parse_faults: [None; 4],
            reordered: false,
            proof: None,
            layout: None,
            header: None,
            stages: [StageResult::NotReached; 6],
            cache: CacheUse::Off,
            candidates: 0,
            interpreter: None,
            thread: None,
            plan: None,
            undo: None,
            left: Left::Nothing,
            cacheable: None,
        }
    }

    /// The report as it was before any candidate was looked at.
    pub(crate) fn before_candidates(&self) -> Report {
        let mut fresh = Report::new();
        fresh.process = self.process;
        fresh.cache = self.cache;
        fresh.stages = self.stages;
        fresh
    }

    /// What became of a stage.
    #[must_use]
    pub fn stage(&self, stage: Stage) -> StageResult {
        let mut results = Stage::ALL.into_iter().zip(self.stages);
        results.find(|(known, _)| *known == stage).map_or(StageResult::NotReached, |(_, r)| r)
    }

    pub(crate) fn set_stage(&mut self, stage: Stage, result: StageResult) {
        for (known, slot) in Stage::ALL.into_iter().zip(&mut self.stages) {
            if known == stage {
                *slot = result;
            }
        }
    }

    /// Whether the capacity of the path buffer is the released one, 512 bytes.
    #[must_use]
    pub fn is_size_canonical(&self) -> bool {
        self.layout.is_none_or(|layout| {
            layout.thread.script_path_size == crate::limits::SCRIPT_PATH_CANONICAL
        })
    }

    /// The public failure-site code: `None` for a success.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self.reason {
            Some(reason) if !self.outcome.is_success() => reason.code(self.site),
            _ => "None",
        }
    }

    /// The one summary line of the attempt.
    #[must_use]
    pub fn summary(&self) -> Summary<'_> {
        Summary { report: self, front_end: "", verdict: self.verdict() }
    }

    fn verdict(&self) -> Verdict {
        Verdict {
            outcome: self.outcome.name(),
            site: self.site.name(),
            reason: self.reason.map(Reason::name),
            left: self.left.name(),
            is_success: self.outcome.is_success(),
        }
    }
}

/// What the summary line says it came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// What it came to.
    pub outcome: &'static str,
    /// The step it was reached at.
    pub site: &'static str,
    /// Why.
    pub reason: Option<&'static str>,
    /// What is left in the target.
    pub left: &'static str,
    /// Whether there is nothing else to try.
    pub is_success: bool,
}

/// Displays as the summary line of an attempt, without a line end.
#[derive(Clone, Copy, Debug)]
pub struct Summary<'r> {
    report: &'r Report,
    front_end: &'static str,
    verdict: Verdict,
}

impl<'r> Summary<'r> {
    /// The line as this front end tells it, by a tag of its own: `[Concord]`.
    #[must_use]
    pub const fn by(self, front_end: &'static str) -> Summary<'r> {
        Summary { front_end, ..self }
    }

    /// The same where the script was to bring something about that comes to an end of its own, as
    /// a debugger in the target: then the line tells that one.
    #[must_use]
    pub const fn came_to(self, verdict: Verdict) -> Summary<'r> {
        Summary { verdict, ..self }
    }
}

impl fmt::Display for Summary<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Summary { report, front_end, verdict } = self;
        write!(f, "[PTVS][SafeAttach]{front_end} outcome={}", verdict.outcome)?;
        write!(f, " site={}", verdict.site)?;
        if let Some(reason) = verdict.reason {
            write!(f, " reason={reason}")?;
        }
        if let Some(version) = report.version {
            write!(f, " version={version}")?;
        }
        if report.free_threaded == Some(true) {
            f.write_str(" freeThreaded=true")?;
        }
        write!(f, " parseMode={}", report.parse_mode.map_or("none", ParseMode::name))?;
        if let Some(proof) = report.proof {
            write!(f, " proof={}", proof.name())?;
        }
        write!(f, " cache={}", report.cache.name())?;
        if let Some(thread) = report.thread {
            write!(f, " thread={}@{}", thread.id, thread.at)?;
        }
        if let Some(undo) = report.undo {
            write!(f, " undo={}", undo.name())?;
        }
        write!(f, " left={}", verdict.left)?;
        if !verdict.is_success {
            f.write_str(" fallback=legacy")?;
        }
        Ok(())
    }
}

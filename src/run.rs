//! A run: a scenario is made into a process once, and attempted as often as one likes. Each
//! attempt starts from the same bytes, drives the real engine, and is judged twice: by the oracle,
//! who knows the truth, and by what the scenario expects.

mod damage;
mod expectation;

use std::fmt;

use softdock_attach::{
    CachedThread, Config, Host, Report, Request, Site, TableDigest, ThreadChoice,
};
use softdock_cpython::{MoveError, Process};
use softdock_process::Address;

use crate::choice::{Chooser, Menu, Quiet, Recorded, What};
use crate::evidence::{Consent, Evidence, LogEnd};
use crate::frontend::FrontEnd;
use crate::oracle::Broken;
use crate::scenario::place::{InterpreterField, ThreadField};
use crate::scenario::{Actor, Attach, Cache, Fault, Place, Settings, Thread as ThreadSetting};
use crate::trace::Trace;
use crate::world::{Moment, Past, Plot, Retold, Until, World, key, perform};

/// A scenario that cannot be built, and the text in the file that is most likely why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unbuildable {
    /// A field or value of the file.
    pub token: &'static str,
    /// What is wrong with it.
    pub message: String,
}

impl Unbuildable {
    pub(crate) fn new(token: &'static str, message: impl fmt::Display) -> Unbuildable {
        Unbuildable { token, message: message.to_string() }
    }
}

/// A scenario made into a process, ready to be attempted.
pub struct Stage<'s> {
    scenario: &'s Attach,
    process: Process,
    config: Config,
    cached: Option<CachedThread>,
    /// Scripts that the target had run before any attempt.
    runs_before: usize,
    evidence: Evidence,
    front_end: FrontEnd,
    calm_looks: u32,
    strikes_pages: bool,
}

/// What one attempt came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// The engine's own report.
    pub report: Report,
    /// What happened, access by access.
    pub trace: Trace,
    /// Promises the engine broke.
    pub violations: Vec<Broken>,
    /// What came out otherwise than the scenario expects.
    pub mismatches: Vec<String>,
    /// How often the engine touched the target or asked about it.
    pub accesses: u32,
    /// At how many of them the chooser was, or could have been, asked what goes wrong.
    pub open: u32,
    /// How many bytes it asked to be moved.
    pub bytes: u64,
    /// How many at once at most.
    pub largest: usize,
    /// How many accesses it made at each site, in the order of [`Site::ALL`].
    pub hits: [u32; Site::ALL.len()],
    /// How often the target has taken the script.
    pub runs: usize,
    /// Whether it began with nothing touched before, which is when the first event is sent.
    pub has_begun: bool,
    /// How often it concluded: what the summary line and the last event are made of.
    pub conclusions: u32,
    /// The scenario's faults that the attempt that writes was spared, by their rank.
    pub spared: Vec<usize>,
    /// What happened that the scenario does not say: the chooser let it.
    pub happened: Vec<Fault>,
    /// The target's own moves, each with the access it came right before.
    pub moves: Vec<(u32, Actor)>,
    /// Which of those that the chooser let happen could not be made then, by their rank.
    pub unmade: Vec<usize>,
}

impl Run {
    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.violations.is_empty() && self.mismatches.is_empty()
    }
}

impl<'s> Stage<'s> {
    /// Builds the process of a scenario, lets an earlier attach happen if there is to be a cache
    /// entry, and does the damage.
    ///
    /// # Errors
    /// When no such process can exist, or a place that is named in it does not.
    pub fn new(scenario: &'s Attach) -> Result<Stage<'s>, Unbuildable> {
        let process = Process::new(&scenario.process.spec());
        let mut process = process.map_err(|error| Unbuildable::new("process", error))?;
        let config = config(scenario, &scenario.config, &process)?;
        let cached = match &scenario.cache {
            Some(cache) => {
                let settings = cache.config.as_ref().unwrap_or(&scenario.config);
                let config = self::config(scenario, settings, &process)?;
                remember(cache, &mut process, config)?
            }
            None => None,
        };
        for damage in &scenario.damage {
            damage::inflict(&mut process, damage)?;
        }
        process.checkpoint();
        let (runs_before, evidence) = (process.runs().len(), Evidence::new(&process));
        Ok(Stage {
            scenario,
            process,
            config,
            cached,
            runs_before,
            evidence,
            front_end: FrontEnd::Managed,
            calm_looks: 0,
            strikes_pages: false,
        })
    }

    /// From now on this front end attaches; at first it is the managed one.
    pub fn attach_by(&mut self, front_end: FrontEnd) {
        (self.front_end, self.calm_looks) = (front_end, 0);
    }

    /// From now on the scenario's faults leave the rehearsal alone, and strike the attempt that
    /// follows it. `false` where none follows, or there are no faults.
    pub fn spare_rehearsal(&mut self) -> bool {
        let follows = self.config.write && !self.scenario.config.cancel;
        let is_rehearsed = self.front_end == FrontEnd::Concord && follows;
        self.calm_looks = u32::from(is_rehearsed);
        is_rehearsed && !self.scenario.faults.is_empty()
    }

    /// From now on what goes wrong goes wrong with the pages that the front end reads. Only then it
    /// shows whether kept pages make one wrong reading into many.
    pub fn strike_pages(&mut self) {
        self.strikes_pages = true;
    }

    /// The scenario.
    #[must_use]
    pub const fn scenario(&self) -> &'s Attach {
        self.scenario
    }

    /// The process, as the last attempt left it.
    #[must_use]
    pub const fn process(&self) -> &Process {
        &self.process
    }

    /// Makes every further attempt cheaper, for whoever makes thousands.
    pub fn settle(&mut self) {
        self.process.settle();
    }

    /// Attempts it once, from the start, and compares what came out with what is expected.
    pub fn run(&mut self, trace: Trace) -> Run {
        let plot = Plot { moves: &[], ..self.plot(None) };
        let mut run = self.play(plot, &mut Quiet, trace);
        run.runs = self.runs();
        run.mismatches.extend(expectation::compare(&self.scenario.expect, &run.report, run.runs));
        run
    }

    /// Attempts it once, from the start, with whatever else `chooser` lets happen. What the
    /// scenario expects does not matter then; what must never happen does.
    pub fn explore<C: Chooser>(
        &mut self,
        menu: Option<&Menu>,
        chooser: &mut C,
        trace: Trace,
    ) -> Run {
        let plot = self.plot(menu);
        self.play(plot, chooser, trace)
    }

    /// The same, but for the target's own doing at one access: it does nothing there.
    pub fn explore_calmly<C: Chooser>(
        &mut self,
        menu: Option<&Menu>,
        chooser: &mut C,
        calm_at: u32,
    ) -> Run {
        let plot = Plot { calm_at: Some(calm_at), ..self.plot(menu) };
        self.play(plot, chooser, Trace::off())
    }

    /// Attempts it once with these faults in the place of its own.
    pub fn run_with(&mut self, faults: &[Fault], trace: Trace) -> Run {
        let plot = Plot { faults, moves: &[], ..self.plot(None) };
        self.play(plot, &mut Quiet, trace)
    }

    /// Attempts it once without some of its own faults, by their rank.
    pub fn run_without(&mut self, spared: &[usize]) -> Run {
        let faults = self.scenario.faults.iter().enumerate();
        let left = faults.filter(|(nth, _)| !spared.contains(nth)).map(|(_, fault)| fault.clone());
        let mut run = self.run_with(&left.collect::<Vec<_>>(), Trace::off());
        run.runs = self.runs();
        run
    }

    /// Attempts it once, and considers no runtime that is known by an exported symbol only.
    pub fn run_without_exports(&mut self) -> Run {
        let allowed = std::mem::replace(&mut self.config.allow_export, false);
        let run = self.run(Trace::off());
        self.config.allow_export = allowed;
        run
    }

    /// Whether the settings allow such a runtime.
    #[must_use]
    pub const fn allows_exports(&self) -> bool {
        self.config.allow_export && self.config.allow_export_fallback
    }

    /// How often the target has taken the script.
    fn runs(&self) -> usize {
        let ran = self.process.runs().iter().skip(self.runs_before);
        ran.filter(|run| run.path == self.scenario.script.as_bytes()).count()
    }

    /// The same, but for the target's own doing at one access.
    pub fn run_calmly_with(&mut self, faults: &[Fault], calm_at: u32) -> Run {
        let plot = Plot { faults, moves: &[], calm_at: Some(calm_at), ..self.plot(None) };
        self.play(plot, &mut Quiet, Trace::off())
    }

    /// Attempts it once with these faults in the place of its own, and whatever else `chooser` lets
    /// go wrong.
    pub fn explore_with<C: Chooser>(
        &mut self,
        faults: &[Fault],
        menu: &Menu,
        chooser: &mut C,
    ) -> Run {
        let plot = Plot { faults, moves: &[], ..self.plot(Some(menu)) };
        self.play(plot, chooser, Trace::off())
    }

    /// A run up to an access, with what `choices` let happen before it: [`Stage::go_on`] goes on
    /// from there as often as one likes, as long as nothing else is run on this stage. `None`
    /// where the run ends before.
    pub fn up_to(
        &mut self,
        menu: &Menu,
        choices: &[(u32, What, u32)],
        access: u32,
    ) -> Option<Moment<'s>> {
        let plot = Plot { menu: Some(menu), ..self.plot(None) };
        let mut chooser = Recorded::new(choices);
        self.process.restore();
        let mut past = Past::none(self.scenario.script.as_bytes(), &plot, &self.process);
        self.evidence.go_back(LogEnd::default());
        let Stage { process, evidence, .. } = self;
        let mut world = World::new(process, plot, &mut past, &mut chooser, Trace::off(), evidence);
        let mut until = Until::new(&mut world, access);
        drive(self.scenario, &mut until, &self.config, self.cached, self.front_end);
        until.moment()
    }

    /// The run that goes on from a moment of this stage.
    pub fn go_on<C: Chooser>(&mut self, from: &Moment<'s>, menu: &Menu, chooser: &mut C) -> Run {
        self.process.return_to(&from.process);
        let (plot, mut past) = (self.plot(Some(menu)), from.past.clone());
        self.evidence.go_back(from.log);
        let Stage { process, evidence, .. } = self;
        let mut world = World::new(process, plot, &mut past, chooser, Trace::off(), evidence);
        let mut retold = Retold::new(&mut world, from);
        let report = match &from.progress {
            Some(progress) => {
                let script = self.scenario.script.as_bytes();
                softdock_attach::go_on(&mut retold, &self.config, script, progress)
            }
            None => drive(self.scenario, &mut retold, &self.config, self.cached, self.front_end),
        };
        judged(report, &mut world, &self.config)
    }

    fn play<C: Chooser>(&mut self, plot: Plot<'_>, chooser: &mut C, trace: Trace) -> Run {
        self.process.restore();
        let mut past = Past::none(self.scenario.script.as_bytes(), &plot, &self.process);
        self.evidence.go_back(LogEnd::default());
        let Stage { process, evidence, .. } = self;
        let mut world = World::new(process, plot, &mut past, chooser, trace, evidence);
        let report = drive(self.scenario, &mut world, &self.config, self.cached, self.front_end);
        judged(report, &mut world, &self.config)
    }

    fn plot<'p>(&self, menu: Option<&'p Menu>) -> Plot<'p>
    where
        's: 'p,
    {
        let scenario = self.scenario;
        Plot {
            faults: &scenario.faults,
            waits: &scenario.waits,
            moves: &scenario.moves,
            menu,
            calm_at: None,
            front_end: self.front_end,
            calm_looks: self.calm_looks,
            strikes_pages: self.strikes_pages,
        }
    }
}

/// What an attempt came to, judged: by the oracle, who knows the truth, and where that has nothing
/// to say about a success, by what was seen of it.
fn judged<C: Chooser>(report: Report, world: &mut World<'_, '_, C>, config: &Config) -> Run {
    let (conclusions, accesses) = (world.conclusions(), world.accesses());
    let (bytes, largest) = world.bytes();
    let mismatches = if world.is_told() { unmet(world) } else { Vec::new() };
    let (happened, moves) = world.happened();
    let unmade = world.unmade();
    let World { process, evidence, past, .. } = &mut *world;
    let watch = &past.watch;
    let moved = !moves.is_empty();
    let mut violations = watch.judge(process, &report, conclusions, accesses, moved);
    // Where the target has become another one, what was seen may not be true any more.
    let is_same = !moves.iter().any(|(_, actor)| actor.changes_structure());
    if violations.is_empty() && report.outcome.is_success() && is_same {
        let (consent, end) = (consent(config), accesses + 1);
        violations = watch.judge_evidence(evidence, process, &report, consent, end);
    }
    Run {
        report,
        trace: std::mem::take(&mut world.trace),
        violations,
        mismatches,
        accesses,
        open: world.past.open(),
        bytes,
        largest,
        hits: world.hits(),
        runs: 0,
        has_begun: world.has_begun(),
        conclusions,
        spared: world.spared(),
        happened,
        moves,
        unmade,
    }
}

/// What whoever attaches has agreed to.
fn consent(config: &Config) -> Consent {
    Consent {
        policy: config.allow_unproven,
        link: config.forced_thread.is_some() || config.heuristic,
    }
}

/// Drives the engine.
fn drive<H: Host>(
    scenario: &Attach,
    host: &mut H,
    config: &Config,
    cached: Option<CachedThread>,
    front_end: FrontEnd,
) -> Report {
    let script = scenario.script.as_bytes();
    if scenario.config.cancel {
        front_end.cancel(host, config, Some(script), cached)
    } else {
        front_end.attach(host, config, Request { script, cached, planned: None })
    }
}

/// What the scenario says and could not happen.
fn unmet<C: Chooser>(world: &World<'_, '_, C>) -> Vec<String> {
    let unstruck = world
        .unstruck()
        .map(|(nth, fault)| format!("fault {} at {} never struck", nth + 1, fault.at));
    let vain = world.vain().map(|(nth, Fault { at, kind, .. }, shape)| {
        format!("fault {} at {at} struck {shape}, which {kind:?} cannot change", nth + 1)
    });
    let impossible = world.impossible().map(|error| format!("a move was impossible: {error}"));
    unstruck.chain(vain).chain(impossible).collect()
}

/// The settings: environment variables first, then what the scenario says itself.
fn config(
    scenario: &Attach,
    settings: &Settings,
    process: &Process,
) -> Result<Config, Unbuildable> {
    let variables = scenario.variables.iter().map(|(name, value)| (&**name, &**value));
    let (mut config, warnings) = Config::from_variables(variables);
    if let Some(warning) = warnings.first() {
        return Err(Unbuildable::new("variables", warning));
    }
    let Settings {
        thread,
        interpreter,
        dry_run,
        allow_unproven,
        confirm,
        forced_thread,
        freeze,
        ..
    } = settings;
    config.thread = match thread {
        ThreadSetting::Main => ThreadChoice::Main,
        ThreadSetting::Any => ThreadChoice::Any,
        ThreadSetting::Native(native) => ThreadChoice::Native(*native),
    };
    config.interpreter = *interpreter;
    config.write &= !dry_run;
    config.allow_unproven = *allow_unproven;
    config.confirm = *confirm;
    config.freeze = *freeze;
    if let Some(place) = forced_thread {
        config.forced_thread = Some(address(process, place, "forced_thread")?);
    }
    Ok(config)
}

/// Really attaches, lets the target take the script, and returns what that attach remembered.
fn remember(
    cache: &Cache,
    process: &mut Process,
    config: Config,
) -> Result<Option<CachedThread>, Unbuildable> {
    let unbuildable = |error: &dyn fmt::Display| Unbuildable::new("cache", error);
    let script = b"/tmp/earlier.py";
    let plot = Plot::default();
    let (mut quiet, mut evidence) = (Quiet, Evidence::default());
    let mut past = Past::none(script, &plot, process);
    let mut world = World::new(process, plot, &mut past, &mut quiet, Trace::off(), &mut evidence);
    let config = Config { write: true, ..config };
    let request = Request { script, cached: None, planned: None };
    let report = softdock_attach::attach(&mut world, &config, request);
    if !report.outcome.is_success() {
        return Err(unbuildable(&report.summary()));
    }
    let native = report.thread.map_or(0, |thread| thread.id.cast_unsigned());
    let take = |process: &mut Process| -> Result<(), MoveError> {
        process.poll(key(process, native)?)?;
        cache.since.iter().try_for_each(|actor| perform(process, actor))
    };
    take(process).map_err(|error| unbuildable(&error))?;
    let Some(mut cached) = report.cacheable else { return Ok(None) };
    if cache.other_process {
        cached.process.started -= 1;
    }
    if cache.other_table {
        cached.table = TableDigest::of(b"another table");
    }
    if let Some(place) = &cache.interpreter {
        cached.interpreter = address(process, place, "cache")?;
    }
    if let Some(place) = &cache.thread {
        cached.thread = address(process, place, "cache")?;
    }
    cached.native = cache.native.unwrap_or(cached.native);
    cached.is_own = !cache.on_disk;
    Ok(Some(cached))
}

/// Where a place is, by the true layout.
fn address(process: &Process, place: &Place, token: &'static str) -> Result<Address, Unbuildable> {
    let found = match place {
        Place::Slab(word) => process.word_at(word.0),
        Place::Runtime(offset) => process.runtime().checked_add(*offset),
        Place::InterpretersHead => {
            process.field_at(process.runtime(), "runtime_state.interpreters_head")
        }
        Place::FinalizingWord => process.field_at(process.runtime(), "runtime_state.finalizing"),
        Place::Interpreter(id) => process.interpreter(*id).map(|live| live.at),
        Place::InterpreterField(id, field) => process
            .interpreter(*id)
            .and_then(|live| process.field_at(live.at, interpreter_word(*field))),
        Place::Thread(native) => thread(process, *native).map(|live| live.at),
        Place::ThreadField(native, field) => {
            thread(process, *native).and_then(|live| thread_field(process, live, *field))
        }
        Place::Address(value) => Some(Address::new(*value)),
    };
    found.ok_or_else(|| Unbuildable::new(token, format!("the process has no {place:?}")))
}

fn thread(process: &Process, native: u64) -> Option<softdock_cpython::LiveThread> {
    key(process, native).ok().and_then(|key| process.thread(key))
}

fn interpreter_word(field: InterpreterField) -> &'static str {
    match field {
        InterpreterField::Id => "interpreter_state.id",
        InterpreterField::Next => "interpreter_state.next",
        InterpreterField::ThreadsHead => "interpreter_state.threads_head",
        InterpreterField::ThreadsMain => "interpreter_state.threads_main",
        InterpreterField::RemoteDebuggingEnabled => "debugger_support.remote_debugging_enabled",
    }
}

fn thread_field(
    process: &Process,
    live: softdock_cpython::LiveThread,
    field: ThreadField,
) -> Option<Address> {
    let word = match field {
        ThreadField::Prev => "thread_state.prev",
        ThreadField::Next => "thread_state.next",
        ThreadField::Interp => "thread_state.interp",
        ThreadField::NativeThreadId => "thread_state.native_thread_id",
        ThreadField::Status => "thread_state.status",
        ThreadField::EvalBreaker => return Some(live.breaker.at),
        ThreadField::PendingCall => return Some(live.pending.at),
        ThreadField::ScriptPath => return Some(live.path.at),
    };
    process.field_at(live.at, word)
}

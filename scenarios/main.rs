//! Every scenario file as a trial of its own: it is run three times, must come out as it says and
//! break no promise, and its trace and verdict are held by a snapshot. Some further trials look at
//! the collection as a whole.
//!
//! `cargo test --test scenarios attach/` runs those of one folder; `INSTA_UPDATE=always` accepts
//! what came out.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::fmt::{self, Write as _};
use std::fs;
use std::path::{Path, PathBuf};

use libtest_mimic::{Arguments, Failed, Trial};
use softdock::corpus::{self, Entry};
use softdock::run::Run;
use softdock::scenario::Scenario;
use softdock::session::stage::as_shipped;
use softdock::session::story::Story;
use softdock::session::{self, REASONS};
use softdock::stepping::explore::explore;
use softdock::stepping::play::play;
use softdock::trace::Trace;
use softdock_attach::{ParseMode, Reason, Report, Site, Stage, StageResult};

/// The reason that no scenario can lead to: it is a bug.
const OUT_OF_REACH: [Reason; 1] = [Reason::Unexpected];

/// The public codes of where an attempt failed. Two more are told by live commands only: `Unknown`
/// of a panic, and `LoaderResolve` before the engine is asked.
const CODES: [&str; 20] = [
    "None",
    "FeatureDisabled",
    "MixedModeBypass",
    "OpenProcess",
    "ModuleEnumeration",
    "NotPythonProcess",
    "VersionGate",
    "OffsetsAddressResolution",
    "OffsetsRead",
    "OffsetsParse",
    "PolicyDisabled",
    "ThreadStateDiscovery",
    "ScriptBufferWrite",
    "PendingFlagWrite",
    "EvalBreakerWrite",
    "PostWriteVerify",
    "ScriptExecution",
    "TimeoutAwaitConnect",
    "Busy",
    "Cancelled",
];

fn main() {
    let arguments = Arguments::from_args();
    let mut trials = match corpus::find(&[root().join("scenarios")]) {
        Ok(found) => found.into_iter().map(trial).collect(),
        Err(mistake) => vec![Trial::test("find", move || Err(mistake.to_string().into()))],
    };
    trials.push(Trial::test("every-file-has-an-about", every_file_has_an_about));
    trials.push(Trial::test("every-code-is-reached", every_code_is_reached));
    trials.push(Trial::test("every-reason-is-reached", every_reason_is_reached));
    trials.push(Trial::test("every-site-is-reached", every_site_is_reached));
    trials.push(Trial::test("files-are-short", files_are_short));
    trials.push(Trial::test("names-are-kebab-case", names_are_kebab_case));
    trials.push(Trial::test("no-orphan-snapshots", no_orphan_snapshots));
    trials.push(Trial::test("readme-names-every-field", readme_names_every_field));
    libtest_mimic::run(&arguments, trials).exit();
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn trial((path, name): (PathBuf, String)) -> Trial {
    Trial::test(name.clone(), move || judge(&path, &name))
}

/// One file: the same bytes three times, nothing unexpected, no promise broken, and the same text
/// as last time.
fn judge(path: &Path, name: &str) -> Result<(), Failed> {
    let entry = corpus::load(path, name)?;
    match &entry.scenario {
        Scenario::Attach(_) => {}
        Scenario::Stepping(_) => return judge_steps(&entry),
        Scenario::Session(_) => return judge_session(&entry),
    }
    let mut stage = entry.stage()?;
    let run = stage.run(Trace::on());
    let told = run.trace.to_string();
    let again = stage.run(Trace::on());
    if again != run || again.trace.to_string() != told {
        return Err(format!("the second run differs:\n{told}\n{}", again.trace).into());
    }
    let elsewhere = entry.run(Trace::on())?;
    if elsewhere != run {
        return Err(format!("built anew it differs:\n{told}\n{}", elsewhere.trace).into());
    }
    let untraced = stage.run(Trace::off());
    if (&untraced.report, untraced.accesses) != (&run.report, run.accesses) {
        return Err("tracing makes a difference".into());
    }
    if !run.is_clean() {
        return Err(complaint(&run).into());
    }
    compare_with_snapshot(&entry, &run);
    Ok(())
}

/// A debugger at work: the same twice, nothing unexpected, and no promise broken, whatever the
/// schedule.
fn judge_steps(entry: &Entry) -> Result<(), Failed> {
    let (scenario, plan) = entry.plan()?;
    let run = play(scenario, &plan, true);
    if play(scenario, &plan, true) != run {
        return Err("the second run differs".into());
    }
    if !run.is_clean() {
        let broken = run.broken.iter().map(ToString::to_string);
        let wrong: Vec<String> = broken.chain(run.mismatches.iter().cloned()).collect();
        return Err(format!("{}  WRONG: {}", run.trace(), wrong.join("\n  WRONG: ")).into());
    }
    let (explored, found) = explore(&entry.name, &plan, true, &|| true);
    let explored = explored.recounted(&plan, true);
    if !explored.is_clean() {
        return Err(format!("{explored}{found:?}").into());
    }
    snapshot(entry, &run.trace());
    Ok(())
}

/// A request for a debugger: the same twice, nothing unexpected, and no promise broken in the first
/// so many of its ways. All of them are gone through by `softdock explore`, in CI.
fn judge_session(entry: &Entry) -> Result<(), Failed> {
    let mut stage = entry.session()?;
    let run = stage.play(Story::on());
    if stage.play(Story::on()) != run || entry.session()?.play(Story::on()) != run {
        return Err("the second run differs".into());
    }
    let quiet = stage.play(Story::default());
    if (&quiet.last, quiet.questions) != (&run.last, run.questions) {
        return Err("telling makes a difference".into());
    }
    if !run.is_clean() {
        let wrongs: Vec<String> = run.wrongs().collect();
        return Err(format!("{}  WRONG: {}", run.story(), wrongs.join("\n  WRONG: ")).into());
    }
    let left = Cell::new(SESSIONS_MAX);
    let goes_on = || left.replace(left.get().saturating_sub(1)) > 0;
    let (explored, found) =
        session::explore::explore(&entry.name, &mut stage, &as_shipped, &goes_on);
    if !explored.agrees() || explored.ways.broken > 0 {
        return Err(format!("{explored}{found:?}").into());
    }
    snapshot(entry, &format!("{}\n{}", run.last, run.story()));
    Ok(())
}

/// So many ways of a session take a second.
const SESSIONS_MAX: u32 = 2_000;

fn complaint(run: &Run) -> String {
    let mut text = format!("{}{}\n", run.trace, run.report.summary());
    let violations = run.violations.iter().map(ToString::to_string);
    for wrong in violations.chain(run.mismatches.iter().cloned()) {
        let _ = writeln!(text, "  WRONG: {wrong}");
    }
    text
}

fn compare_with_snapshot(entry: &Entry, run: &Run) {
    snapshot(entry, &format!("{}\n{}", Verdict(run), run.trace));
}

fn snapshot(entry: &Entry, text: &str) {
    let mut settings = insta::Settings::new();
    settings.set_snapshot_path("../snapshots/scenarios");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.set_description(entry.scenario.about());
    settings.set_input_file(&entry.path);
    settings.bind(|| insta::assert_snapshot!(snapshot_name(&entry.name), text));
}

fn snapshot_name(name: &str) -> String {
    name.replace('/', "__")
}

/// What a run came to, one word of the report a line; what there is nothing to say of is left out.
struct Verdict<'r>(&'r Run);

impl fmt::Display for Verdict<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Verdict(Run { report, accesses, runs, .. }) = self;
        writeln!(f, "outcome      {} at {}", report.outcome.name(), report.site)?;
        if let Some(reason) = report.reason {
            writeln!(f, "reason       {}, told as {}", reason.name(), report.code())?;
        }
        table(f, report)?;
        stages(f, report)?;
        found(f, report)?;
        writeln!(f, "left         {}", report.left.name())?;
        writeln!(f, "runs         {runs}")?;
        writeln!(f, "accesses     {accesses}")
    }
}

/// How the table was read.
fn table(f: &mut fmt::Formatter<'_>, report: &Report) -> fmt::Result {
    if let Some(mode) = report.parse_mode {
        let order = if report.reordered { ", reordered" } else { "" };
        let size = if report.is_size_canonical() { "" } else { ", another capacity" };
        writeln!(f, "parse mode   {}{order}{size}", mode.name())?;
    }
    for (mode, fault) in ParseMode::ALL.into_iter().zip(report.parse_faults) {
        if let Some(fault) = fault {
            writeln!(f, "not {:<8} {}", mode.name(), fault.name())?;
        }
    }
    if let Some(proof) = report.proof {
        writeln!(f, "proof        {}", proof.name())?;
    }
    Ok(())
}

/// How the thread was looked for.
fn stages(f: &mut fmt::Formatter<'_>, report: &Report) -> fmt::Result {
    let results = Stage::ALL.into_iter().zip(report.stages);
    let told: Vec<String> = results
        .filter(|(_, result)| *result != StageResult::NotReached)
        .map(|(stage, result)| format!("{} {result}", stage.name()))
        .collect();
    if !told.is_empty() {
        writeln!(f, "stages       {}", told.join(", "))?;
    }
    writeln!(f, "cache        {}", report.cache.name())
}

/// What was found, what would be written, and what became of it.
fn found(f: &mut fmt::Formatter<'_>, report: &Report) -> fmt::Result {
    if let Some(interpreter) = report.interpreter {
        writeln!(f, "interpreter  {} at {}", interpreter.id, interpreter.at)?;
    }
    if let Some(thread) = report.thread {
        writeln!(f, "thread       {} at {}", thread.id, thread.at)?;
    }
    if let Some(plan) = &report.plan {
        let steps = plan.to_string();
        for (nth, step) in steps.lines().enumerate() {
            writeln!(f, "{:<12} {step}", if nth == 0 { "plan" } else { "" })?;
        }
    }
    if let Some(undo) = report.undo {
        writeln!(f, "undo         {}", undo.name())?;
    }
    Ok(())
}

/// All files that can be read; those that cannot have failed in a trial of their own.
fn entries() -> Result<Vec<Entry>, Failed> {
    let found = corpus::find(&[root().join("scenarios")])?;
    Ok(found.iter().filter_map(|(path, name)| corpus::load(path, name).ok()).collect())
}

fn none_of(what: &str, offenders: &[String]) -> Result<(), Failed> {
    if offenders.is_empty() { Ok(()) } else { Err(format!("{what}: {offenders:#?}").into()) }
}

/// One sentence that says what a reader learns, and that no other file says.
fn every_file_has_an_about() -> Result<(), Failed> {
    let mut told = BTreeSet::new();
    let mut offenders = Vec::new();
    for entry in entries()? {
        let about = entry.scenario.about().to_owned();
        if about.len() < 20 || about.ends_with('.') || !told.insert(about) {
            offenders.push(entry.name);
        }
    }
    none_of("without an `about` of their own, one sentence without its full stop", &offenders)
}

/// Every step of the story has been taken, or stopped at, in some scenario.
fn every_site_is_reached() -> Result<(), Failed> {
    let mut reached = [false; Site::ALL.len()];
    for entry in entries()? {
        let Ok(run) = entry.run(Trace::off()) else { continue };
        for (slot, (site, hits)) in reached.iter_mut().zip(Site::ALL.into_iter().zip(run.hits)) {
            *slot |= hits > 0 || run.report.site == site;
        }
    }
    let missed = Site::ALL.iter().zip(reached).filter(|(_, reached)| !reached);
    let missed: Vec<String> = missed.map(|(site, _)| site.name().into()).collect();
    none_of("no scenario reaches these sites", &missed)
}

/// What each scenario comes to: the code, and the reason if there is one.
fn ends() -> Result<Vec<(&'static str, Option<&'static str>)>, Failed> {
    let mut ends = Vec::new();
    for entry in entries()? {
        if let Ok(mut stage) = entry.session() {
            let last = stage.play(Story::default()).last;
            ends.push((last.code, last.reason));
        }
        let Ok(run) = entry.run(Trace::off()) else { continue };
        ends.push((run.report.code(), run.report.reason.map(Reason::name)));
    }
    Ok(ends)
}

/// Every code is what some scenario comes to, and no scenario comes to another one.
fn every_code_is_reached() -> Result<(), Failed> {
    let reached: BTreeSet<_> = ends()?.into_iter().map(|(code, _)| code).collect();
    let known = BTreeSet::from(CODES);
    let odd: Vec<String> =
        known.symmetric_difference(&reached).map(|code| (*code).into()).collect();
    none_of("told by no scenario, or not a code", &odd)
}

/// Every reason that a scenario can lead to is what some scenario expects.
fn every_reason_is_reached() -> Result<(), Failed> {
    let reached: BTreeSet<_> = ends()?.into_iter().filter_map(|(_, reason)| reason).collect();
    let missed = Reason::PLAIN.into_iter().filter(|reason| !OUT_OF_REACH.contains(reason));
    let missed = missed.map(Reason::name).chain(REASONS).filter(|name| !reached.contains(name));
    let missed: Vec<String> = missed.map(Into::into).collect();
    none_of("no scenario ends for these reasons", &missed)
}

/// A field bug fits in twenty lines; with a program in forty.
fn files_are_short() -> Result<(), Failed> {
    let long = |entry: &Entry| {
        let most = if entry.scenario.stepping().is_some() { 40 } else { 20 };
        fs::read_to_string(&entry.path).is_ok_and(|text| text.lines().count() > most)
    };
    let offenders = entries()?.into_iter().filter(long).map(|entry| entry.name);
    none_of("longer than they may be", &offenders.collect::<Vec<_>>())
}

fn names_are_kebab_case() -> Result<(), Failed> {
    let kebab = |part: &str| {
        let legal = part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        legal && !part.is_empty() && !part.starts_with('-') && !part.ends_with('-')
    };
    let found = corpus::find(&[root().join("scenarios")])?.into_iter().map(|(_, name)| name);
    let offenders = found.filter(|name| {
        name.matches('/').count() != 1 || !name.split('/').all(kebab) || name.contains("--")
    });
    none_of("not `folder/kebab-case`", &offenders.collect::<Vec<_>>())
}

/// A snapshot whose scenario is gone would be kept for ever.
fn no_orphan_snapshots() -> Result<(), Failed> {
    let found = corpus::find(&[root().join("scenarios")])?;
    let known: BTreeSet<String> =
        found.iter().map(|(_, name)| format!("{}.snap", snapshot_name(name))).collect();
    let mut orphans = Vec::new();
    for file in fs::read_dir(root().join("snapshots/scenarios"))? {
        let name = file?.file_name().to_string_lossy().into_owned();
        if name.ends_with(".snap") && !known.contains(&name) {
            orphans.push(name);
        }
    }
    none_of("snapshots without a scenario", &orphans)
}

/// The README tells the whole grammar: every field and variant of the types that are read.
fn readme_names_every_field() -> Result<(), Failed> {
    let readme = fs::read_to_string(root().join("scenarios/README.md"))?;
    let mut missing = Vec::new();
    for file in ["fault", "mod", "place", "process", "session", "stepping"] {
        let source = fs::read_to_string(root().join(format!("src/scenario/{file}.rs")))?;
        let words = grammar(&source);
        if words.is_empty() {
            missing.push(format!("anything of {file}.rs: is its source written otherwise now?"));
        }
        missing.extend(words.into_iter().filter(|word| {
            !readme.contains(&format!("`{word}`")) && !readme.contains(&format!("`{word}("))
        }));
    }
    none_of("scenarios/README.md says nothing of", &missing)
}

/// The public fields of structs and the variants of enums that derive `Deserialize`.
fn grammar(source: &str) -> Vec<String> {
    let (mut words, mut derived, mut inside) = (Vec::new(), false, false);
    for line in source.lines() {
        if line.starts_with("#[derive(") {
            derived = line.contains("Deserialize");
        } else if line.starts_with("pub struct") || line.starts_with("pub enum") {
            inside = derived && line.ends_with('{');
        } else if line.starts_with('}') {
            (inside, derived) = (false, false);
        }
        let Some(member) = line.strip_prefix("    ").filter(|_| inside) else { continue };
        let name = member.strip_prefix("pub ").unwrap_or(member);
        let is_member = name.len() < member.len() || name.starts_with(char::is_uppercase);
        let name: String = name.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        if is_member && !name.is_empty() {
            words.push(name);
        }
    }
    words
}

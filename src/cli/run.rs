//! `softdock run`: scenarios in the virtual world, one line each. It runs and tells; what is right
//! is judged by the library.

mod pairs;

use std::path::{Path, PathBuf};

use clap::ValueEnum;
use quick_junit::{NonSuccessKind, TestCase, TestCaseStatus, TestSuite};
use serde::Serialize;
use softdock::corpus::{self, Entry};
use softdock::report::{Attempt, Line};
use softdock::run::Run;
use softdock::scenario::{Mistake, Scenario};
use softdock::session::stage::{self, Last};
use softdock::session::story::Story;
use softdock::stepping::play::{Play, play};
use softdock::trace::Trace;

use self::pairs::Pairs;
use super::{Exit, output, usage};

/// Run scenarios in the virtual world, one line each.
///
/// Nothing else is needed: no Python, no rights, no network. Each scenario is attempted by the
/// real engine and judged by an oracle that knows the truth. A scenario that comes out otherwise
/// than it expects is shown with its trace.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  softdock run                                       everything below scenarios/
  softdock run scenarios/refuse                      one folder
  softdock run scenarios/attach/two-threads.ron --trace
  softdock run --front-end both                      everything, by both front ends, compared")]
pub(crate) struct Args {
    /// Scenario files, or folders of them.
    #[arg(default_value = "scenarios")]
    paths: Vec<PathBuf>,

    /// Show every access of every run.
    #[arg(long)]
    trace: bool,

    /// Who attaches. `both` compares them, and tells at the end what is demanded of both: whatever
    /// differs for no reason, and a figure that does not hold, is a finding.
    #[arg(long, value_name = "FRONT_END", value_enum, default_value_t)]
    front_end: Who,

    /// How results are printed.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// Which front end attaches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Who {
    /// Reads any range; the target runs meanwhile.
    #[default]
    Managed,
    /// Looks twice, page by page, at a target that stands still.
    Concord,
    /// One after the other.
    Both,
}

/// How results are printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Format {
    /// One line a scenario.
    #[default]
    Text,
    /// One object a line, `"format": 1` first; readers ignore fields they do not know.
    Json,
    /// One JUnit report, as test runners and CI systems read it.
    Junit,
}

/// The body of a line of JSON.
#[derive(Serialize)]
struct Told {
    name: String,
    clean: bool,
    violations: Vec<String>,
    mismatches: Vec<String>,
    accesses: u32,
    attempt: Attempt,
}

/// The same of a scenario about stepping.
#[derive(Serialize)]
struct ToldPlay {
    name: String,
    clean: bool,
    wrongs: Vec<String>,
    told: Vec<String>,
    transitions: usize,
}

/// The same of a scenario about a session.
#[derive(Serialize)]
struct ToldSession {
    name: String,
    clean: bool,
    wrongs: Vec<String>,
    questions: u32,
    session: Last,
}

pub(crate) fn run(args: &Args) -> Exit {
    let files = match corpus::find(&args.paths) {
        Ok(files) if !files.is_empty() => files,
        Ok(_) => return usage("softdock: no scenario (*.ron) below these paths"),
        Err(mistake) => return usage(&mistake.to_string()),
    };
    let mut tally = Tally::new(args);
    for (path, name) in &files {
        if let Err(mistake) = one(path, name, args, &mut tally) {
            tally.mistake(name, &mistake);
        }
    }
    tally.conclude()
}

fn one(path: &Path, name: &str, args: &Args, tally: &mut Tally<'_>) -> Result<(), Mistake> {
    let entry = corpus::load(path, name)?;
    match &entry.scenario {
        Scenario::Attach(_) if args.front_end == Who::Managed => {
            tally.count(&entry, &attempt(&entry, args)?);
        }
        Scenario::Attach(_) => {
            let mut stage = entry.stage()?;
            let pair = pairs::attempt(&mut stage, args);
            tally.count_pair(&entry, &pair, &mut stage);
        }
        Scenario::Stepping(_) => tally.count_played(&entry, &played(&entry, args)?),
        Scenario::Session(_) => tally.count_session(&entry, &session(&entry, args)?),
    }
    Ok(())
}

/// As [`attempt`], for a request for a debugger.
fn session(entry: &Entry, args: &Args) -> Result<stage::Run, Mistake> {
    let mut stage = entry.session()?;
    let quiet = stage.play(Story::default());
    let shown = args.trace || !quiet.is_clean();
    Ok(if shown { stage.play(Story::on()) } else { quiet })
}

/// As [`attempt`], for a debugger at work.
fn played(entry: &Entry, args: &Args) -> Result<Play, Mistake> {
    let (scenario, plan) = entry.plan()?;
    let quiet = play(scenario, &plan, false);
    let shown = args.trace || !quiet.is_clean();
    Ok(if shown { play(scenario, &plan, true) } else { quiet })
}

/// Runs it quietly; only a run that is to be shown is run once more with a trace, which is the
/// same run.
fn attempt(entry: &Entry, args: &Args) -> Result<Run, Mistake> {
    let mut stage = entry.stage()?;
    let run = stage.run(Trace::off());
    let shown = args.trace || !run.is_clean();
    Ok(if shown { stage.run(Trace::on()) } else { run })
}

/// What was told so far.
struct Tally<'a> {
    args: &'a Args,
    scenarios: usize,
    findings: usize,
    mistakes: usize,
    pairs: Pairs,
    suite: TestSuite,
}

impl Tally<'_> {
    fn new(args: &Args) -> Tally<'_> {
        let suite = TestSuite::new("scenarios");
        Tally { args, scenarios: 0, findings: 0, mistakes: 0, pairs: Pairs::default(), suite }
    }

    fn count(&mut self, entry: &Entry, run: &Run) {
        self.scenarios += 1;
        self.findings += usize::from(!run.is_clean());
        match self.args.format {
            Format::Text => self.text(entry, run),
            Format::Json => output::json(&Line::new("run", told(entry, run))),
            Format::Junit => {
                let wrongs: Vec<String> = wrongs(run).collect();
                self.case(&entry.name, &wrongs, run.trace.to_string());
            }
        }
    }

    fn count_played(&mut self, entry: &Entry, play: &Play) {
        self.scenarios += 1;
        self.findings += usize::from(!play.is_clean());
        let wrongs: Vec<String> = wrongs_of_play(play).collect();
        let name = &entry.name;
        match self.args.format {
            Format::Text => {
                let stops = play.told.len();
                output::result(&format!("{name:<44} {:<12} {stops} told", "stepped"));
                output::result_if_any(&play.trace());
                tell_wrongs(&wrongs);
            }
            Format::Json => output::json(&Line::new("run", told_play(entry, play, wrongs))),
            Format::Junit => self.case(name, &wrongs, play.trace()),
        }
    }

    fn count_session(&mut self, entry: &Entry, run: &stage::Run) {
        self.scenarios += 1;
        self.findings += usize::from(!run.is_clean());
        let wrongs: Vec<String> = run.wrongs().collect();
        let name = &entry.name;
        match self.args.format {
            Format::Text => {
                let Last { outcome, site, reason, .. } = &run.last;
                let reason = reason.unwrap_or_default();
                output::result(&format!("{name:<44} {outcome:<12} {site:<18} {reason}"));
                output::result_if_any(&run.story());
                tell_wrongs(&wrongs);
            }
            Format::Json => {
                let (name, clean, questions) = (name.clone(), run.is_clean(), run.questions);
                let session = run.last.clone();
                let told = ToldSession { name, clean, wrongs, questions, session };
                output::json(&Line::new("run", told));
            }
            Format::Junit => self.case(name, &wrongs, run.story()),
        }
    }

    fn text(&self, entry: &Entry, run: &Run) {
        let report = &run.report;
        let (name, outcome, site) = (&entry.name, report.outcome.name(), report.site.name());
        let reason = report.reason.map_or("", softdock_attach::Reason::name);
        output::result(&format!("{name:<44} {outcome:<12} {site:<18} {reason}"));
        if self.args.trace || !run.is_clean() {
            output::result(&format!("{}{}", run.trace, report.summary()));
        }
        tell_wrongs(&wrongs(run).collect::<Vec<_>>());
        if !run.is_clean() {
            let path = entry.path.display();
            output::result(&format!("  repeat it with: softdock run {path} --trace\n"));
        }
    }

    /// A case of the JUnit report, with what is wrong and how it came about.
    fn case(&mut self, name: &str, wrongs: &[String], trace: String) {
        let mut status = TestCaseStatus::success();
        if !wrongs.is_empty() {
            status = TestCaseStatus::non_success(NonSuccessKind::Failure);
            status.set_message(wrongs.join("; "));
            status.set_description(trace);
        }
        self.suite.add_test_case(TestCase::new(name, status));
    }

    /// A file that does not read, or a process that cannot be built; the others still run.
    fn mistake(&mut self, name: &str, mistake: &Mistake) {
        self.mistakes += 1;
        output::message(&mistake.to_string());
        if self.args.format == Format::Junit {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
            status.set_message(mistake.message.clone());
            self.suite.add_test_case(TestCase::new(name, status));
        }
    }

    fn conclude(mut self) -> Exit {
        let Tally { scenarios, findings, mistakes, .. } = self;
        let unread = if mistakes > 0 { format!(", {mistakes} unread") } else { String::new() };
        let clean = scenarios - findings;
        let total = format!("{scenarios} scenarios: {clean} as expected, {findings} not{unread}");
        let holds = self.args.front_end != Who::Both || self.conclude_pairs();
        match self.args.format {
            Format::Text => output::result(&total),
            Format::Json => output::message(&total),
            Format::Junit => self.junit(),
        }
        match (mistakes, findings) {
            (0, 0) if holds => Exit::AsAsked,
            (0, _) => Exit::Finding,
            _ => Exit::Usage,
        }
    }

    fn junit(&mut self) {
        let mut report = quick_junit::Report::new("softdock");
        let suite = std::mem::replace(&mut self.suite, TestSuite::new(""));
        report.add_test_suite(suite);
        match report.to_string() {
            Ok(text) => output::result(&text),
            Err(error) => output::message(&format!("softdock: cannot write JUnit: {error}")),
        }
    }
}

fn wrongs_of_play(play: &Play) -> impl Iterator<Item = String> + '_ {
    play.broken.iter().map(ToString::to_string).chain(play.mismatches.iter().cloned())
}

fn told_play(entry: &Entry, play: &Play, wrongs: Vec<String>) -> ToldPlay {
    let (clean, told) = (play.is_clean(), play.told.clone());
    ToldPlay { name: entry.name.clone(), clean, wrongs, told, transitions: play.moves }
}

fn wrongs(run: &Run) -> impl Iterator<Item = String> + '_ {
    let mismatches = run.mismatches.iter().cloned();
    run.violations.iter().map(ToString::to_string).chain(mismatches)
}

fn told(entry: &Entry, run: &Run) -> Told {
    Told {
        name: entry.name.clone(),
        clean: run.is_clean(),
        violations: run.violations.iter().map(ToString::to_string).collect(),
        mismatches: run.mismatches.clone(),
        accesses: run.accesses,
        attempt: Attempt::from(&run.report),
    }
}

fn tell_wrongs(wrongs: &[String]) {
    for wrong in wrongs {
        output::result(&output::styled(output::BAD, format!("  WRONG: {wrong}")));
    }
}

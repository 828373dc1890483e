//! Mutation testing of both engines: is every check in them held by something?
//!
//! `engine/attach/mutants.ron` lists defects that the attach engine does not have. All of them are
//! compiled into one copy of the workspace, where a switch decides which one is on; then every
//! committed scenario is run with each. A mutant that nothing notices is a hole in the scenarios
//! or in the oracle, or a check that the engine does not need.
//!
//! `engine/stepping/mutants.ron` is a catalogue of the bugs that debuggers had, each brought back
//! into the stepping engine, the virtual interpreter or what lies between them; there every
//! schedule of every scenario is tried with each.
//!
//! This crate works on source texts. It uses none of the other crates: what runs the scenarios is
//! `evaluate.rs` and `evaluate_stepping.rs` beside it, built in the copy.

mod catalogue;
mod folded;
mod list;
mod schemata;
mod score;
mod verdicts;
mod workshop;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use catalogue::Table;
use list::{Catalogue, Entry};
use schemata::Schemata;
use score::{FIELD_MIN, Score};
use verdicts::Verdicts;
use workshop::{ATTACH, STEPPING, Workshop};

/// The list of mutants of the attach engine, below the root of the workspace.
const LIST: &str = "engine/attach/mutants.ron";

/// The sources they are about.
const ENGINE: &str = "engine/attach/src";

/// The catalogue of bugs of debuggers; it names files from the root.
const CATALOGUE: &str = "engine/stepping/mutants.ron";

/// Mutation testing of both engines.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    task: Option<Task>,
}

#[derive(Clone, Copy, PartialEq, Eq, Subcommand)]
enum Task {
    /// Look whether every mutant of both lists has its place in the sources.
    Check,
    /// Check, and build a copy of the workspace with all mutants in it.
    Build,
    /// Check, build, and run every scenario with every mutant of the attach engine; this is the
    /// default.
    Run {
        /// Also let one more thing go wrong in each scenario than it says: takes hours.
        #[arg(long)]
        sweep: bool,
    },
    /// Check, build, and try every schedule of the stepping scenarios with every bug of the
    /// catalogue.
    Stepping,
}

fn main() -> ExitCode {
    let task = Arguments::parse().task.unwrap_or(Task::Run { sweep: false });
    perform(task).unwrap_or_else(|mistake| {
        eprintln!("{mistake}");
        ExitCode::from(2)
    })
}

/// The workspace this program was built from, two folders up.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap_or(Path::new(".")).into()
}

/// Both lists, and the sources with their mutants.
struct Lists {
    attach: Vec<Entry>,
    attach_schemata: Schemata,
    stepping: Catalogue,
    stepping_schemata: Schemata,
}

/// Reads both lists; the numbers of the second one go on from those of the first.
fn lists(root: &Path) -> Result<Lists, String> {
    let attach: Vec<Entry> = list::read(&root.join(LIST))?;
    let attach_schemata = Schemata::new(&attach, &[], (root, ENGINE), 0)?;
    let stepping: Catalogue = list::read(&root.join(CATALOGUE))?;
    let (mutants, scaffold) = (&stepping.mutants, &stepping.scaffold);
    let stepping_schemata = Schemata::new(mutants, scaffold, (root, ""), attach.len())?;
    Ok(Lists { attach, attach_schemata, stepping, stepping_schemata })
}

/// Does what is asked for. An error is a mistake of a list, or of the machine.
fn perform(task: Task) -> Result<ExitCode, String> {
    let root = root();
    let lists = lists(&root)?;
    let both = [&lists.attach_schemata, &lists.stepping_schemata];
    for (list, schemata) in [lists.attach.len(), lists.stepping.mutants.len()].iter().zip(both) {
        println!("{list} mutants in {} files", schemata.files.len());
    }
    if task == Task::Check {
        return Ok(ExitCode::SUCCESS);
    }
    let workshop = Workshop::set_up(&root, &both)?;
    match task {
        Task::Stepping => try_stepping(&lists, &workshop),
        Task::Run { sweep } => try_attach(&lists, &workshop, sweep),
        Task::Check | Task::Build => {
            workshop.build(ATTACH)?;
            workshop.build(STEPPING)?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn try_attach(lists: &Lists, workshop: &Workshop, sweep: bool) -> Result<ExitCode, String> {
    workshop.build(ATTACH)?;
    let list = &lists.attach;
    let way = if sweep { "sweep" } else { "quick" };
    let told = workshop.evaluate(ATTACH, list.len(), way);
    let told = told.and_then(|told| verdicts::read(&told, &score::WITNESSES, list.len()));
    let told = match told {
        Ok(told) => told,
        Err(why) => return Ok(silent(&why)),
    };
    let (folder, lines) = (format!("{ENGINE}/"), &lists.attach_schemata.lines);
    let verdicts = Verdicts { list, folder: &folder, lines, told: &told };
    let score = Score(verdicts);
    println!("{score}");
    Ok(conclude(verdicts, score.too_few(FIELD_MIN)))
}

fn try_stepping(lists: &Lists, workshop: &Workshop) -> Result<ExitCode, String> {
    workshop.build(STEPPING)?;
    let (before, mutants) = (lists.attach.len(), lists.stepping.mutants.len());
    let told = workshop.evaluate(STEPPING, mutants, &before.to_string());
    let told = told.and_then(|told| verdicts::read(&told, &catalogue::WITNESSES, mutants));
    let told = match told {
        Ok(told) => told,
        Err(why) => return Ok(silent(&why)),
    };
    let (list, lines) = (&lists.stepping.mutants, &lists.stepping_schemata.lines);
    let verdicts = Verdicts { list, folder: "", lines, told: &told };
    println!("{}", Table { catalogue: &lists.stepping, verdicts });
    Ok(conclude(verdicts, None))
}

/// Whether the machinery can be believed, and nothing came out otherwise than the list says.
fn conclude(verdicts: Verdicts, wanting: Option<String>) -> ExitCode {
    if !verdicts.reports() {
        return silent("a canary did otherwise than it must");
    }
    let mut surprises = verdicts.surprises();
    surprises.extend(wanting);
    surprises.iter().for_each(|surprise| eprintln!("{surprise}"));
    if surprises.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Nothing that was told can be believed.
fn silent(why: &str) -> ExitCode {
    eprintln!("the machinery does not report: {why}");
    ExitCode::FAILURE
}

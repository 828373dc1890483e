//! Mutation testing of the attach engine: is every check in it held by something?
//!
//! `engine/attach/mutants.ron` lists defects that the engine does not have. All of them are
//! compiled into one copy of the engine, where a switch decides which one is on; then every
//! committed scenario is run with each. A mutant that nothing notices is a hole in the scenarios
//! or in the oracle, or a check that the engine does not need.
//!
//! This crate works on the engine's source text. It uses none of the other crates: what runs the
//! scenarios is `evaluate.rs` beside it, built in the copy.

mod folded;
mod list;
mod schemata;
mod score;
mod workshop;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use schemata::Schemata;
use score::{FIELD_MIN, Score};
use workshop::Workshop;

/// The list of mutants, below the root of the workspace.
const LIST: &str = "engine/attach/mutants.ron";

/// The sources they are about.
const ENGINE: &str = "engine/attach/src";

/// Mutation testing of the attach engine.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    task: Option<Task>,
}

#[derive(Clone, Copy, PartialEq, Eq, Subcommand)]
enum Task {
    /// Look whether every mutant of the list has its place in the engine's source.
    Check,
    /// Check, and build a copy of the workspace with all mutants in it.
    Build,
    /// Check, build, and run every scenario with every mutant; this is the default.
    Run {
        /// Also let one thing more go wrong in each scenario than it says: takes hours.
        #[arg(long)]
        sweep: bool,
    },
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

/// Does what is asked for. An error is a mistake of the list, or of the machine.
fn perform(task: Task) -> Result<ExitCode, String> {
    let root = root();
    let list = list::read(&root.join(LIST))?;
    let schemata = Schemata::new(&list, &root.join(ENGINE))?;
    println!("{} mutants in {} files", list.len(), schemata.files.len());
    if task == Task::Check {
        return Ok(ExitCode::SUCCESS);
    }
    let workshop = Workshop::set_up(&root, &schemata)?;
    workshop.build()?;
    let Task::Run { sweep } = task else { return Ok(ExitCode::SUCCESS) };
    let told = workshop.evaluate(list.len(), sweep);
    let verdicts = told.and_then(|told| score::read(&told, list.len()));
    let verdicts = match verdicts {
        Ok(verdicts) => verdicts,
        Err(why) => return Ok(silent(&why)),
    };
    let score = Score { list: &list, lines: &schemata.lines, verdicts: &verdicts };
    println!("{score}");
    if !score.reports() {
        return Ok(silent("a canary did otherwise than it must"));
    }
    let mut surprises = score.surprises();
    surprises.extend(score.too_few(FIELD_MIN));
    surprises.iter().for_each(|surprise| eprintln!("{surprise}"));
    Ok(if surprises.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Nothing that was told can be believed.
fn silent(why: &str) -> ExitCode {
    eprintln!("the machinery does not report: {why}");
    ExitCode::FAILURE
}

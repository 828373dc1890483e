//! `softdock explore`: every interleaving of a scenario's moves with the accesses of the engine,
//! and its certificate.

use std::path::PathBuf;

use serde::Serialize;
use softdock::blame::Window;
use softdock::corpus::{self, Entry};
use softdock::explore::{Exploration, Explore};
use softdock::finding::Finding;
use softdock::report::Line;
use softdock::scenario::{Attach, Mistake, Scenario};
use softdock::sweep::Tally;

use super::progress::Progress;
use super::{Exit, Format, output, usage};

/// Let the target do what it may at every possible moment, and certify what came out.
///
/// The moves that a scenario lists in `moves` are made before, between and after all accesses of
/// the engine, in every possible way. States that were left before are not entered again; small
/// cases are gone through one by one as well, and must come to the same. A promise that was broken
/// although no reader could have known better is excused, counted, and named. With --faults 1 a
/// read stops short after one byte, half of them, or all but one; `sweep` tries every byte.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  softdock explore                                    everything below scenarios/race
  softdock explore scenarios/race/thread-exits.ron    one scenario, its whole certificate
  softdock explore --faults 1                         and all of that with every single fault")]
pub(crate) struct Args {
    /// Scenario files, or folders of them; those without `moves` are left out.
    #[arg(default_value = "scenarios/race")]
    paths: Vec<PathBuf>,

    /// At most so many honest and silent faults in a run besides.
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=1))]
    faults: u32,

    /// Enter states that were left before all the same.
    #[arg(long)]
    unpruned: bool,

    /// Where findings are written.
    #[arg(long, value_name = "FOLDER", default_value = "target/softdock")]
    out: PathBuf,

    /// How results are printed.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// The body of a line of JSON.
#[derive(Serialize)]
struct Told<'e> {
    clean: bool,
    certificate: &'e Exploration,
}

pub(crate) fn explore(args: &Args) -> Exit {
    let entries = match read(&args.paths) {
        Ok(entries) if !entries.is_empty() => entries,
        Ok(_) => return usage("softdock: no scenario with `moves` below these paths"),
        Err(mistake) => return usage(&mistake.to_string()),
    };
    let progress = match Progress::new(entries.len()) {
        Ok(progress) => progress,
        Err(error) => return usage(&format!("softdock: signals cannot be listened to: {error}")),
    };
    let mut explorations = Vec::new();
    for entry in &entries {
        match explore_one(entry, args, &progress) {
            Ok(exploration) => explorations.push(exploration),
            Err(mistake) => return usage(&mistake.to_string()),
        }
        if !progress.goes_on() {
            break;
        }
    }
    progress.finish();
    conclude(&explorations, args)
}

fn read(paths: &[PathBuf]) -> Result<Vec<Entry>, Mistake> {
    let files = corpus::find(paths)?;
    let entries = files.iter().map(|(path, name)| corpus::load(path, name));
    let mut entries = entries.collect::<Result<Vec<_>, _>>()?;
    entries.retain(|entry| !attach(entry).moves.is_empty());
    Ok(entries)
}

fn attach(entry: &Entry) -> &Attach {
    let Scenario::Attach(attach) = &entry.scenario;
    attach
}

fn explore_one(entry: &Entry, args: &Args, progress: &Progress) -> Result<Exploration, Mistake> {
    let mut stage = entry.stage()?;
    let folder = args.out.join("findings");
    let found = |finding: Finding| progress.found(&folder, &finding, attach(entry));
    let explore = Explore { name: &entry.name, faults: args.faults, unpruned: args.unpruned };
    let exploration = explore.run(&mut stage, &found, &|| progress.goes_on());
    progress.did(exploration.tally.runs + exploration.cut);
    Ok(exploration)
}

fn conclude(explorations: &[Exploration], args: &Args) -> Exit {
    let mut total = Tally::default();
    let (mut interleavings, mut bad) = (0, 0);
    for exploration in explorations {
        let is_clean = exploration.is_clean();
        bad += usize::from(!is_clean);
        interleavings += exploration.ways.all;
        total += &exploration.tally;
        match args.format {
            Format::Json => {
                let told = Told { clean: is_clean, certificate: exploration };
                output::json(&Line::new("explore", told));
            }
            Format::Text if explorations.len() == 1 => output::result(&exploration.to_string()),
            Format::Text => output::result(&line(exploration)),
        }
    }
    let scenarios = explorations.len();
    let mut text = format!(
        "{scenarios} scenarios: {interleavings} interleavings by {} runs; {}",
        total.runs,
        total.verdict()
    );
    if args.faults > 0 {
        text.push_str("\n  bound: reads stop short after 1 byte, half, or all but one");
    }
    match args.format {
        Format::Text => output::result(&format!("{text}\n{}", windows(&total))),
        Format::Json => output::message(&text),
    }
    if bad > 0 { Exit::Finding } else { Exit::AsAsked }
}

fn line(exploration: &Exploration) -> String {
    let Exploration { scenario, ways, tally, complete, .. } = exploration;
    let line = output::tallied(scenario, ways.all, tally, *complete);
    match exploration.agrees() {
        true => line,
        false => line + &output::styled(output::BAD, ", COUNTED OTHERWISE one by one"),
    }
}

/// What was excused, and why.
fn windows(total: &Tally) -> String {
    let windows = total.excused.keys().filter_map(|name| Window::from_name(name));
    let told = windows.map(|window| format!("{window}\n{}\n", output::wrapped(window.about())));
    told.collect()
}

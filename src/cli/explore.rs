//! `softdock explore`: every interleaving of a scenario's moves with the accesses of the engine, of
//! its threads with each other where it is about stepping, or of target and user with the looks of
//! the command where it is about a session; and the certificate.

use std::fmt;
use std::path::PathBuf;

use softdock::blame::Window;
use softdock::corpus::{self, Entry};
use softdock::explore::{Exploration, Explore};
use softdock::finding::Finding;
use softdock::frontend::FrontEnd;
use softdock::report::Line;
use softdock::scenario::{self, Mistake, Scenario};
use softdock::session::explore::Found;
use softdock::session::stage::as_shipped;
use softdock::sweep::{Tally, counted, save_whole};
use softdock::{session, stepping};

use super::explored::{Explored, Told, Whole};
use super::progress::Progress;
use super::{Exit, Format, explored, output, usage};

/// Let the target do what it may at every possible moment, and certify what came out.
///
/// The moves that a scenario lists in `moves` are made before, between and after all accesses of
/// the engine, in every possible way. States that were left before are not entered again; small
/// cases are gone through one by one as well, and must come to the same. A promise that was broken
/// although no reader could have known better is excused, counted, and named. With --faults 1 a
/// read stops short after one byte, half of them, or all but one; `sweep` tries every byte.
///
/// Where a scenario is about stepping, its threads run in every possible order, and the debugger
/// does everything that it can choose to. With --faults 1 one of its writes to the bytecode goes
/// wrong.
///
/// Where it is about a session, what the target does, its end, the user giving up and a sleep of
/// the machine come between all looks of the command, and a record is torn after every byte; its
/// certificate names what bounds that.
///
/// All certificates are written to `explore.json`: what each counted and how, what was found, what
/// is a bound. Where an exploration is interrupted, what is incomplete or was not begun is marked
/// as that in it, and the exit code is 1.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  softdock explore                                    all in race, stepping and session
  softdock explore scenarios/race/thread-exits.ron    one scenario, its whole certificate
  softdock explore --faults 1                         and all of that with every single fault")]
pub(crate) struct Args {
    /// Scenario files, or folders of them; attempts to attach without `moves` are left out.
    #[arg(default_values = ["scenarios/race", "scenarios/session", "scenarios/stepping"])]
    paths: Vec<PathBuf>,

    /// At most so many honest and silent faults in a run besides; sessions know none.
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=1))]
    faults: u32,

    /// Enter states that were left before all the same; of attempts to attach only.
    #[arg(long)]
    unpruned: bool,

    /// Where certificates and findings are written.
    #[arg(long, value_name = "FOLDER", default_value = "target/softdock")]
    out: PathBuf,

    /// How results are printed.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

pub(crate) fn explore(args: &Args) -> Exit {
    let entries = match read(&args.paths) {
        Ok(entries) if !entries.is_empty() => entries,
        Ok(_) => {
            return usage("softdock: no scenario with `moves`, or about stepping or a session");
        }
        Err(mistake) => return usage(&mistake.to_string()),
    };
    match idle(args, &entries) {
        Ok(told) => output::message(&told),
        Err(mistake) => return usage(&mistake),
    }
    let progress = match Progress::new(entries.len()) {
        Ok(progress) => progress,
        Err(error) => return usage(&format!("softdock: signals cannot be listened to: {error}")),
    };
    let (mut explorations, mut steppings) = (Vec::new(), Vec::new());
    let mut sessions = Vec::new();
    for entry in &entries {
        let explored = match &entry.scenario {
            Scenario::Attach(_) => {
                explore_one(entry, args, &progress).map(|one| explorations.push(one))
            }
            Scenario::Stepping(_) => {
                explore_steps(entry, args, &progress).map(|one| steppings.push(one))
            }
            Scenario::Session(_) => {
                explore_session(entry, args, &progress).map(|one| sessions.push(one))
            }
        };
        if let Err(mistake) = explored {
            return usage(&mistake.to_string());
        }
        if !progress.goes_on() {
            break;
        }
    }
    progress.finish();
    conclude(&explorations, args);
    conclude(&steppings, args);
    conclude(&sessions, args);
    let begun = [kept(&explorations, args), kept(&steppings, args), kept(&sessions, args)];
    keep(args, &entries, begun.into_iter().flatten().collect())
}

/// Options that these scenarios know nothing of: told where some do, a mistake where all do.
fn idle(args: &Args, entries: &[Entry]) -> Result<String, String> {
    let without = |heeds: fn(&Scenario) -> bool| {
        entries.iter().filter(|entry| !heeds(&entry.scenario)).count()
    };
    let with_faults = |it: &Scenario| !matches!(it, Scenario::Session(_));
    let pruned = |it: &Scenario| matches!(it, Scenario::Attach(_));
    let mut idle = Vec::new();
    idle.extend((args.faults > 0).then(|| ("--faults", without(with_faults))));
    idle.extend(args.unpruned.then(|| ("--unpruned", without(pruned))));
    idle.retain(|(_, count)| *count > 0);
    if let Some((option, _)) = idle.iter().find(|(_, count)| *count == entries.len()) {
        return Err(format!("softdock: {option} changes nothing about such scenarios"));
    }
    let all = counted(entries.len() as u64, "scenario");
    let tell =
        |(option, some)| format!("softdock: {option} changes nothing about {some} of {all}\n");
    Ok(idle.into_iter().map(tell).collect())
}

/// Saves all certificates. Scenarios are begun in their order: what is over was not.
fn keep(args: &Args, entries: &[Entry], begun: Vec<explored::Entry<'_>>) -> Exit {
    let not_begun = entries.len() - begun.len();
    if not_begun > 0 {
        let said = counted(not_begun as u64, "scenario");
        output::message(&format!("softdock: {said} not begun"));
    }
    let explored = Explored::new((args.faults, args.unpruned), entries, begun);
    match save_whole(&args.out, "explore.json", &explored) {
        Ok(path) => output::message(&format!("softdock: certificates are in {}", path.display())),
        Err(error) => return usage(&format!("softdock: {}: {error}", args.out.display())),
    }
    if explored.is_clean() { Exit::AsAsked } else { Exit::Finding }
}

fn read(paths: &[PathBuf]) -> Result<Vec<Entry>, Mistake> {
    let files = corpus::find(paths)?;
    let entries = files.iter().map(|(path, name)| corpus::load(path, name));
    let mut entries = entries.collect::<Result<Vec<_>, _>>()?;
    entries.retain(|entry| entry.scenario.attach().is_none_or(|it| !it.moves.is_empty()));
    Ok(entries)
}

fn explore_one(entry: &Entry, args: &Args, progress: &Progress) -> Result<Exploration, Mistake> {
    let (mut stage, attach) = (entry.stage()?, entry.attach()?);
    let folder = args.out.join("findings");
    let it = (entry.path.as_path(), attach);
    let found = |finding: Finding| progress.found(FrontEnd::Managed, &folder, &finding, it);
    let explore = Explore { name: &entry.name, faults: args.faults, unpruned: args.unpruned };
    let exploration = explore.run(&mut stage, &found, &|| progress.goes_on());
    progress.did(exploration.tally.runs + exploration.cut);
    Ok(exploration)
}

/// Every schedule of a scenario about stepping. What is found is a scenario itself: the same, by
/// the shortest schedule that breaks the promise.
fn explore_steps(
    entry: &Entry,
    args: &Args,
    progress: &Progress,
) -> Result<stepping::explore::Exploration, Mistake> {
    let (scenario, plan) = entry.plan()?;
    let goes_on = || progress.goes_on();
    let (exploration, found) =
        stepping::explore::explore(&entry.name, &plan, args.faults > 0, &goes_on);
    let exploration = exploration.recounted(&plan, args.faults > 0);
    progress.stepped(exploration.transitions);
    if let Some(found) = found {
        let shortest = found.scenario(scenario, &plan);
        let broken: Vec<String> = found.broken.iter().map(ToString::to_string).collect();
        save(entry, args, &Scenario::Stepping(Box::new(shortest)), &broken.join("; "))?;
    }
    Ok(exploration)
}

/// Saves the scenario of a finding.
fn save(entry: &Entry, args: &Args, found: &Scenario, broken: &str) -> Result<(), Mistake> {
    let text = scenario::write_wrong(found, broken, &entry.name);
    let folder = args.out.join("findings");
    let path = folder.join(format!("{}.ron", entry.name.replace('/', "-")));
    let saved = std::fs::create_dir_all(&folder).and_then(|()| std::fs::write(&path, text));
    saved.map_err(|error| Mistake::whole(&path, error))?;
    output::message(&format!("softdock: {broken}; see {}", path.display()));
    Ok(())
}

/// Every way in which a session can go. What is found is a scenario itself, as with steps.
fn explore_session(
    entry: &Entry,
    args: &Args,
    progress: &Progress,
) -> Result<session::explore::Exploration, Mistake> {
    let mut stage = entry.session()?;
    let goes_on = || progress.goes_on();
    let (exploration, found) =
        session::explore::explore(&entry.name, &mut stage, &as_shipped, &goes_on);
    progress.did(exploration.runs);
    if let Some(Found { scenario, broken }) = found {
        let broken: Vec<String> = broken.iter().map(ToString::to_string).collect();
        save(entry, args, &Scenario::Session(Box::new(scenario)), &broken.join("; "))?;
    }
    Ok(exploration)
}

/// What was proved of one scenario.
trait Certificate: fmt::Display {
    /// Its kind of line in JSON.
    const KIND: &'static str;

    fn scenario(&self) -> &str;

    /// What is told of it, and kept.
    fn told(&self, args: &Args) -> Told<'_>;

    /// The gist, where there are many.
    fn line(&self) -> String;

    /// What all of them come to, and what a person should know of it besides.
    fn sum(all: &[Self]) -> (String, String)
    where
        Self: Sized;
}

/// Tells all certificates of a kind. The only one is told whole.
fn conclude<C: Certificate>(all: &[C], args: &Args) {
    if all.is_empty() {
        return;
    }
    for certificate in all {
        match args.format {
            Format::Json => output::json(&Line::new(C::KIND, certificate.told(args))),
            Format::Text if all.len() == 1 => output::result(&certificate.to_string()),
            Format::Text => output::result(&certificate.line()),
        }
    }
    let incomplete = all.iter().filter(|one| !one.told(args).complete).count();
    let (sum, more) = C::sum(all);
    let sum = sum + &output::incomplete(incomplete as u64);
    match args.format {
        Format::Json => output::message(&sum),
        Format::Text => {
            output::result(&sum);
            output::result_if_any(&more);
        }
    }
}

/// The same as it is kept.
fn kept<'e, C: Certificate>(all: &'e [C], args: &Args) -> Vec<explored::Entry<'e>> {
    let entry = |one: &'e C| explored::Entry::new(one.scenario(), C::KIND, one.told(args));
    all.iter().map(entry).collect()
}

impl Certificate for Exploration {
    const KIND: &'static str = "explore";

    fn scenario(&self) -> &str {
        &self.scenario
    }

    fn told(&self, args: &Args) -> Told<'_> {
        let counted = match self.one_by_one {
            _ if args.unpruned => "one by one only",
            Some(_) => "by states and one by one",
            None => "by states only",
        };
        Told {
            clean: self.is_clean(),
            complete: self.complete,
            counted: Some(counted),
            bounds: self.bounds(),
            certificate: Some(Whole::Race(self)),
        }
    }

    fn line(&self) -> String {
        let line = output::tallied(&self.scenario, self.ways.all, &self.tally, self.complete);
        line + &otherwise(self.agrees()) + &impossible(&self.impossible)
    }

    fn sum(all: &[Exploration]) -> (String, String) {
        let mut total = Tally::default();
        all.iter().for_each(|one| total += &one.tally);
        let mut sum = format!(
            "{}: {} by {}; {}",
            counted(all.len() as u64, "scenario"),
            counted(all.iter().map(|one| one.ways.all).sum(), "interleaving"),
            counted(total.runs, "run"),
            total.verdict()
        );
        let bounds = all.first().map_or(Vec::new(), Exploration::bounds);
        bounds.iter().for_each(|bound| sum.push_str(&format!("\n  bound: {bound}")));
        (sum, windows(&total))
    }
}

impl Certificate for session::explore::Exploration {
    const KIND: &'static str = "explore-session";

    fn scenario(&self) -> &str {
        &self.scenario
    }

    fn told(&self, _: &Args) -> Told<'_> {
        let counted = match self.one_by_one {
            Some(_) => "by states and one by one",
            None => "by states only",
        };
        Told {
            clean: self.is_clean(),
            complete: self.complete,
            counted: Some(counted),
            bounds: self.bounds(),
            certificate: Some(Whole::Session(self)),
        }
    }

    fn line(&self) -> String {
        let tally = Tally { findings: self.ways.broken, ..Tally::default() };
        let line = output::tallied(&self.scenario, self.ways.all, &tally, self.complete);
        line + &otherwise(self.agrees())
    }

    fn sum(all: &[Self]) -> (String, String) {
        let sum = format!(
            "{} about sessions: {} by {}; {}",
            counted(all.len() as u64, "scenario"),
            counted(all.iter().map(|one| one.ways.all).sum(), "interleaving"),
            counted(all.iter().map(|one| one.runs).sum(), "run"),
            counted(all.iter().map(|one| one.ways.broken).sum(), "finding")
        );
        (sum, String::new())
    }
}

impl Certificate for stepping::explore::Exploration {
    const KIND: &'static str = "explore-steps";

    fn scenario(&self) -> &str {
        &self.scenario
    }

    fn told(&self, _: &Args) -> Told<'_> {
        let counted = match self.recount.map(|recount| recount.one_by_one) {
            Some(Some(_)) => "by states twice, and one by one",
            Some(None) => "by states twice",
            None => "by states only",
        };
        Told {
            clean: self.is_clean(),
            complete: self.complete,
            counted: Some(counted),
            bounds: Vec::new(),
            certificate: Some(Whole::Steps(self)),
        }
    }

    fn line(&self) -> String {
        let tally = Tally { findings: self.findings, ..Tally::default() };
        output::tallied(&self.scenario, self.states, &tally, self.complete)
    }

    fn sum(all: &[Self]) -> (String, String) {
        let sum = format!(
            "{} about stepping: {} by {}; {}",
            counted(all.len() as u64, "scenario"),
            counted(all.iter().map(|one| one.states).sum(), "state"),
            counted(all.iter().map(|one| one.transitions).sum(), "transition"),
            counted(all.iter().map(|one| one.findings).sum(), "finding")
        );
        (sum, String::new())
    }
}

/// What is added to the line of a certificate that was counted in two ways.
fn otherwise(agrees: bool) -> String {
    match agrees {
        true => String::new(),
        false => output::styled(output::BAD, ", COUNTED OTHERWISE one by one"),
    }
}

/// What is added where the target could never make some moves.
fn impossible(moves: &[String]) -> String {
    match moves {
        [] => String::new(),
        _ => output::styled(output::BAD, format!(", NEVER POSSIBLE: {}", moves.join(", "))),
    }
}

/// What was excused, and why.
fn windows(total: &Tally) -> String {
    let windows = total.excused.keys().filter_map(|name| Window::from_name(name));
    let told = windows.map(|window| format!("{window}\n{}\n", output::wrapped(window.about())));
    told.collect()
}

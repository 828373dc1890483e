//! Explaining one run: its trace with what the engine concluded, and where the future was decided.
//! What that means and how it is counted is in [`softdock::story`].

use std::path::Path;

use softdock::case::Case;
use softdock::scenario::{Attach, Scenario};
use softdock::session::stage;
use softdock::session::story::{Line, Story as Session};
use softdock::stepping::play::play;
use softdock::story::{Futures, Step, Story, tell};

use super::{steps, words};
use crate::cli::output::{self, BAD, FAINT, STRONG, WARN, styled};
use crate::cli::{Exit, usage};

pub(super) fn explain(path: &Path, scenarios: &Path) -> Exit {
    let told = Case::read(path, scenarios).and_then(|case| match &case.scenario {
        Scenario::Attach(attach) => {
            let story = tell(&mut case.stage()?);
            Ok(text(&case.name, attach, &story))
        }
        Scenario::Stepping(stepping) => {
            let plan = case.plan(stepping)?;
            Ok(steps::text(&case.name, stepping, &play(stepping, &plan, true)))
        }
        Scenario::Session(session) => {
            let run = case.session(session)?.play(Session::on());
            Ok(session_text(&case.name, &session.about, &run))
        }
    });
    match told {
        Ok(told) => output::result(told.trim_end()),
        Err(mistake) => return usage(&mistake.to_string()),
    }
    Exit::AsAsked
}

fn text(name: &str, attach: &Attach, story: &Story) -> String {
    let mut text = format!("{}\n{}\n", styled(STRONG, name), output::wrapped(&attach.about));
    text += "\n  same end  what happens\n";
    let mut known = Vec::new();
    for step in &story.steps {
        if !known.contains(&step.line.site) {
            known.push(step.line.site);
            text += &format!("            {}\n", styled(FAINT, gist(step)));
        }
        let share = step.futures.map_or(String::new(), share);
        text += &format!("{share:>10}  {}\n", step.line);
        if let Some(concluded) = &step.concluded {
            text += &format!("{:35}=> {}\n", "", styled(STRONG, concluded));
        }
    }
    text += &format!("{}\n", story.run.report.summary());
    for broken in &story.run.violations {
        text +=
            &format!("{}\n", styled(BAD, format!("  WRONG at access {}: {broken}", broken.access)));
    }
    text + "\n" + &output::wrapped(&decided(story))
}

/// A request for a debugger: the questions, who moved between them, and what the words mean.
fn session_text(name: &str, about: &str, run: &stage::Run) -> String {
    let mut text = format!("{}\n{}\n\n", styled(STRONG, name), output::wrapped(about));
    for line in &run.lines {
        let line = match line {
            Line::Told { .. } => styled(STRONG, line),
            Line::Moved { .. } => styled(WARN, line),
            Line::Again(_) => styled(FAINT, line),
            Line::Asked { .. } => line.to_string(),
        };
        text += &format!("{line}\n");
    }
    text += &format!("\n{}", run.last);
    for broken in &run.broken {
        text += &format!("{}\n", styled(BAD, format!("  WRONG: {broken}")));
    }
    for unmet in &run.mismatches {
        text += &format!("{}\n", styled(WARN, format!("  unmet: {unmet}")));
    }
    let groups = [words::LATE_REASONS, words::REASONS];
    let word = run
        .last
        .reason
        .and_then(|reason| groups.into_iter().find_map(|group| words::meaning(group, reason)));
    let meaning = word.map(|word| format!(" {word}")).unwrap_or_default();
    let about = format!(
        "Each numbered line is a question to the target, its files or the user, at its time on a \
         virtual clock; `*` is a move that came before the next question, `=>` what was told or \
         done.{meaning}"
    );
    text + "\n" + &output::wrapped(&about)
}

/// What the site of this step is for.
fn gist(step: &Step) -> &'static str {
    let name = step.line.site.name();
    let meaning = words::meaning(words::SITES, name).unwrap_or_default();
    meaning.split(". ").next().unwrap_or(meaning).trim_end_matches('.')
}

/// A share with two digits, rounded away from both 0 and all: `100 %` means every single one.
fn share(Futures { same, all }: Futures) -> String {
    match (same, all) {
        (0, _) => "none".into(),
        (same, all) if same == all => "all".into(),
        _ => format!("{} %", (same * 100 / all).clamp(1, 99)),
    }
}

fn decided(story: &Story) -> String {
    let all = story.steps.iter().find_map(|step| step.futures).unwrap_or_default();
    let beginning = format!(
        "\"Same end\" is the share of all futures before an access that end as this run did: the \
         quiet one, and each with one honest or silent fault at this access or a later one, as \
         `softdock sweep` tries them. At first it was {} of {}.",
        all.same, all.all
    );
    let turned = story.turned.map(|access| format!(" It rose most at access {access}."));
    let turned = turned.unwrap_or_default();
    match story.decided {
        Some(access) => format!(
            "{beginning}{turned} It was decided at access {access}: no single fault afterwards \
             would have changed the ending."
        ),
        None => format!("{beginning} It was decided from the beginning."),
    }
}

//! Scenarios attempted by both front ends: a line for each, and at the end what is demanded of
//! both. What counts as the same is for the library to say.

use serde::Serialize;
use softdock::corpus::Entry;
use softdock::figures::{Census, Figure};
use softdock::parity::{Nature, Pair, Parity};
use softdock::report::Line;
use softdock::run::{Run, Stage};
use softdock::trace::Trace;
use softdock_attach::Reason;

use super::super::output;
use super::{Args, Format, Tally, Told, Who, tell_wrongs, told, wrongs};

/// As [`super::attempt`], by both.
pub(super) fn attempt(stage: &mut Stage<'_>, args: &Args) -> Pair {
    let quiet = Pair::new(stage, Trace::off);
    let shown = args.trace || !wrongs_of(&quiet, args.front_end).is_empty();
    if shown { Pair::new(stage, Trace::on) } else { quiet }
}

/// What is wrong, as far as it was asked for.
fn wrongs_of(pair: &Pair, who: Who) -> Vec<String> {
    match (who, &pair.parity) {
        (Who::Both, _) => wrongs(&pair.managed).chain(pair.wrongs()).collect(),
        (_, Parity::Natural(_)) => {
            pair.concord.violations.iter().map(ToString::to_string).collect()
        }
        _ => wrongs(&pair.concord).collect(),
    }
}

/// What was counted of both.
#[derive(Default)]
pub(super) struct Pairs {
    /// With the faults wherever they strike first.
    as_they_come: Kinds,
    /// With a rehearsal that no fault struck.
    after_rehearsal: Kinds,
    census: Census,
}

/// How many scenarios came out how.
#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Kinds {
    scenarios: usize,
    same: usize,
    stood_still: usize,
    rehearsed: usize,
    looks_differ: usize,
}

impl Kinds {
    fn count(&mut self, parity: &Parity) {
        self.scenarios += 1;
        match parity {
            Parity::Same => self.same += 1,
            Parity::Natural(Nature::StoodStill) => self.stood_still += 1,
            Parity::Natural(Nature::Rehearsed) => self.rehearsed += 1,
            Parity::Natural(Nature::LooksDiffer) => self.looks_differ += 1,
            Parity::Different(_) => {}
        }
    }
}

/// The body of a line of JSON.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ToldPair {
    name: String,
    clean: bool,
    parity: &'static str,
    after_rehearsal: Option<&'static str>,
    wrongs: Vec<String>,
    managed: Told,
    concord: Told,
}

/// The body of the last one.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ToldFigures<'p> {
    as_they_come: &'p Kinds,
    after_rehearsal: &'p Kinds,
    figures: &'p [Figure],
}

impl Tally<'_> {
    pub(super) fn count_pair(&mut self, entry: &Entry, pair: &Pair, stage: &mut Stage<'_>) {
        let wrongs = wrongs_of(pair, self.args.front_end);
        self.scenarios += 1;
        self.findings += usize::from(!wrongs.is_empty());
        self.pairs.count(&entry.name, pair, stage);
        match self.args.format {
            Format::Text => self.text_of_pair(entry, pair, &wrongs),
            Format::Json => output::json(&Line::new("parity", told_pair(entry, pair, wrongs))),
            Format::Junit => {
                let traces = format!("{}{}", pair.managed.trace, pair.concord.trace);
                self.case(&entry.name, &wrongs, traces);
            }
        }
    }

    fn text_of_pair(&self, entry: &Entry, pair: &Pair, wrongs: &[String]) {
        let (Pair { managed, concord, parity, .. }, name) = (pair, &entry.name);
        let is_both = self.args.front_end == Who::Both;
        let line = match parity {
            _ if !is_both => format!("{} {}", words(concord), natural(parity)),
            Parity::Same => format!("{} same", words(managed)),
            _ => {
                let other = words(concord);
                let other = other.split_whitespace().collect::<Vec<_>>().join(" ");
                format!("{} {}: {other}", words(managed), parity.name())
            }
        };
        output::result(format!("{name:<44} {line}").trim_end());
        if self.args.trace || !wrongs.is_empty() {
            for (front_end, run) in pair.runs().skip(usize::from(!is_both)) {
                let summary = run.report.summary().by(front_end.tag());
                output::result(&format!("{}{summary}", run.trace));
            }
        }
        tell_wrongs(wrongs);
        if !wrongs.is_empty() {
            let (path, who) = (entry.path.display(), if is_both { "both" } else { "concord" });
            let repeat = format!("softdock run {path} --front-end {who} --trace");
            output::result(&format!("  repeat it with: {repeat}\n"));
        }
    }

    /// Tells what is demanded, and whether all of it holds.
    pub(super) fn conclude_pairs(&mut self) -> bool {
        let Pairs { as_they_come, after_rehearsal, census } = &self.pairs;
        let figures = census.figures();
        match self.args.format {
            Format::Text => {
                text_of_kinds(as_they_come, after_rehearsal);
                figures.iter().for_each(text_of_figure);
                output::result("");
            }
            Format::Json => {
                let figures = &figures;
                let body = ToldFigures { as_they_come, after_rehearsal, figures };
                output::json(&Line::new("figures", body));
            }
            Format::Junit => {
                for figure in &figures {
                    let Figure { name, count, of, wanted, .. } = figure;
                    let against = format!("{count} of {of}, wanted {wanted}");
                    let wrongs = if figure.holds { vec![] } else { vec![against] };
                    self.case(&format!("figures/{name}"), &wrongs, figure.scenarios.join("\n"));
                }
            }
        }
        let failed = figures.iter().filter(|figure| !figure.holds).map(|figure| figure.name);
        let failed: Vec<&str> = failed.collect();
        if !failed.is_empty() {
            output::message(&format!("softdock: does not hold: {}", failed.join(", ")));
        }
        failed.is_empty()
    }
}

impl Pairs {
    fn count(&mut self, name: &str, pair: &Pair, stage: &mut Stage<'_>) {
        self.as_they_come.count(&pair.parity);
        if let Some((_, parity)) = &pair.late {
            self.after_rehearsal.count(parity);
        }
        self.census.count(name, pair, stage);
    }
}

fn text_of_kinds(one: &Kinds, other: &Kinds) {
    let row = |name: &str, [one, other]: [usize; 2], about: &str| {
        output::result(format!("  {name:<14} {one:>12} {other:>16}  {about}").trim_end());
    };
    output::result("\nby both front ends    as they come  after rehearsal");
    row("scenarios", [one.scenarios, other.scenarios], "with faults that spare the rehearsal");
    row("same", [one.same, other.same], "field by field, but for what it cost");
    let natures = [
        (Nature::StoodStill, [one.stood_still, other.stood_still]),
        (Nature::Rehearsed, [one.rehearsed, other.rehearsed]),
        (Nature::LooksDiffer, [one.looks_differ, other.looks_differ]),
    ];
    for (nature, counts) in natures {
        row(nature.name(), counts, nature.about());
    }
    output::result("");
}

/// Outcome, site and reason, each in its column.
fn words(run: &Run) -> String {
    let (outcome, site) = (run.report.outcome.name(), run.report.site.name());
    let reason = run.report.reason.map_or("", Reason::name);
    format!("{outcome:<12} {site:<18} {reason:<18}")
}

/// Why it may come out otherwise than the file says, if it does.
fn natural(parity: &Parity) -> &'static str {
    match parity {
        Parity::Natural(nature) => nature.name(),
        _ => "",
    }
}

fn told_pair(entry: &Entry, pair: &Pair, wrongs: Vec<String>) -> ToldPair {
    ToldPair {
        name: entry.name.clone(),
        clean: wrongs.is_empty(),
        parity: pair.parity.name(),
        after_rehearsal: pair.late.as_ref().map(|(_, parity)| parity.name()),
        wrongs,
        managed: told(entry, &pair.managed),
        concord: told(entry, &pair.concord),
    }
}

fn text_of_figure(figure: &Figure) {
    let Figure { name, about, count, of, wanted, holds, scenarios } = figure;
    let share = figure.share().map(|share| format!(", {share}")).unwrap_or_default();
    let verdict = if *holds { "holds" } else { "DOES NOT HOLD" };
    output::result(&format!("{name:<24} {verdict}: {count} of {of}{share}; wanted {wanted}"));
    output::result(&format!("  {about}"));
    for scenario in scenarios {
        output::result(&format!("  - {scenario}"));
    }
}

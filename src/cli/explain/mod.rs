//! `softdock explain`: looks a word up, or tells a run. The words themselves are in `words`.

mod run;
mod steps;
mod words;

use std::fmt::Write;
use std::path::{Path, PathBuf};

use softdock::scenario::names::nearest;
use softdock_attach::{Reason, Site};

use super::output::{self, FAINT, STRONG, styled};
use super::{EXIT_CODES, Exit, usage};
use words::{GROUPS, Word};

/// Say what a word in softdock's output means, or tell a run access by access.
///
/// Knows sites, outcomes, reasons, modes of parsing, what can be left in a target, faults and moves
/// of scenarios, windows, codes of telemetry and exit codes. Upper case and hyphens do not matter.
///
/// Of a scenario or a finding it tells what happened, what the engine concluded, and at which
/// access the ending was decided; of one about stepping, every transition with what is in memory;
/// of one about a session, every question with what was known by then.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  softdock explain                    all words, by group
  softdock explain armed-no-bit
  softdock explain OffsetsParse
  softdock explain 101
  softdock explain scenarios/survive/write-pending-lost.ron
  softdock explain scenarios/stepping/breakpoint-then-over.ron")]
pub(crate) struct Args {
    /// The word, or a file: a scenario or a finding. Without it, all words are listed.
    #[arg(value_name = "WORD|FILE")]
    name: Option<String>,

    /// The folder of the scenarios that findings name.
    #[arg(long, value_name = "FOLDER", default_value = "scenarios")]
    scenarios: PathBuf,
}

pub(crate) fn run(args: &Args) -> Exit {
    let Some(name) = &args.name else {
        output::result(&list());
        return Exit::AsAsked;
    };
    let path = Path::new(name);
    if path.is_file() {
        return run::explain(path, &args.scenarios);
    }
    let found = look_up(name);
    if found.is_empty() {
        return usage(&unknown(name));
    }
    output::result(&found.join("\n\n"));
    Exit::AsAsked
}

/// Every group, its words in columns of text.
fn list() -> String {
    let mut text = String::new();
    for (group, words) in GROUPS {
        let _ = writeln!(text, "{}", styled(STRONG, group));
        for (name, meaning) in *words {
            let gist = meaning.split(". ").next().unwrap_or(meaning);
            let _ = writeln!(text, "  {name:<20} {}", styled(FAINT, gist.trim_end_matches('.')));
        }
        text.push('\n');
    }
    let codes = output::wrapped(&codes().join(", "));
    let _ = writeln!(text, "{}\n{codes}", styled(STRONG, "code of telemetry"));
    text
}

/// What is known by this name, in every group.
fn look_up(name: &str) -> Vec<String> {
    let wanted = plain(name);
    let mut found = Vec::new();
    for (group, words) in GROUPS {
        let known = words.iter().filter(|(name, _)| plain(name) == wanted);
        found.extend(known.map(|word| entry(group, *word)));
    }
    found.extend(codes().into_iter().filter(|code| plain(code) == wanted).map(code_entry));
    found
}

/// Without what people spell in different ways.
fn plain(name: &str) -> String {
    name.chars().filter(|c| !matches!(c, '-' | '_')).map(|c| c.to_ascii_lowercase()).collect()
}

fn entry(group: &str, (name, meaning): Word) -> String {
    let mut text =
        format!("{}  {}\n{}", styled(STRONG, name), styled(FAINT, group), output::wrapped(meaning));
    if let Some(site) =
        Site::ALL.into_iter().find(|site| group == words::SITES && site.name() == name)
    {
        let _ = write!(text, "\n  In telemetry: {}.", code_of(site));
    }
    if let Some(reason) = Reason::PLAIN.into_iter().find(|reason| reason.name() == name)
        && group == words::REASONS
    {
        let hint = format!("What to do: {}.", reason.hint());
        text = text + "\n" + &output::wrapped(&hint);
    }
    if group == words::EXITS {
        let _ = write!(text, "\n\n{}", styled(FAINT, EXIT_CODES));
    }
    text
}

/// Codes that the engine does not have, and what each stands for.
const LIVE_CODES: [(&str, &str, &str); 3] = [
    ("LoaderResolve", "site", "loader"),
    ("TimeoutAwaitConnect", "reason", "no-client"),
    ("Unknown", "reason", "unexpected"),
];

/// The code of a stop at a site that has no reason with a code of its own.
fn code_of(site: Site) -> &'static str {
    Reason::Moved.code(site)
}

fn codes() -> Vec<&'static str> {
    let of_sites = Site::ALL.into_iter().map(code_of);
    let of_reasons = Reason::PLAIN.into_iter().map(|reason| reason.code(Site::Confirm));
    let of_live = LIVE_CODES.iter().map(|(code, ..)| *code);
    let mut codes: Vec<_> = of_sites.chain(of_reasons).chain(of_live).collect();
    codes.sort_unstable();
    codes.dedup();
    codes
}

/// What of this kind has this code in live commands alone.
fn of_live(code: &str, kind: &str) -> impl Iterator<Item = &'static str> {
    let all = LIVE_CODES.iter().filter(move |(known, of, _)| (*known, *of) == (code, kind));
    all.map(|(_, _, name)| *name)
}

fn code_entry(code: &str) -> String {
    let sites = Site::ALL.into_iter().filter(|site| code_of(*site) == code).map(Site::name);
    let own = |reason: &Reason| reason.code(Site::Confirm) == code && code != "ScriptExecution";
    let reasons = Reason::PLAIN.into_iter().filter(own).map(Reason::name);
    let mut text = format!("{}  {}", styled(STRONG, code), styled(FAINT, "code of telemetry"));
    let sites: Vec<_> = sites.chain(of_live(code, "site")).collect();
    let reasons = reasons.chain(of_live(code, "reason")).collect();
    for (what, names) in [("site", sites), ("reason", reasons)] {
        if !names.is_empty() {
            let plural = if names.len() == 1 { "" } else { "s" };
            let names = format!("Stands for the {what}{plural} {}.", names.join(", "));
            text = text + "\n" + &output::wrapped(&names);
        }
    }
    text
}

fn unknown(name: &str) -> String {
    let words = GROUPS.iter().flat_map(|(_, words)| words.iter().map(|(name, _)| *name));
    let known: Vec<&str> = words.chain(codes()).collect();
    let lower = name.to_ascii_lowercase();
    match nearest(&lower, known.iter().copied()).or_else(|| nearest(name, known)) {
        Some(near) => format!("softdock: unknown word `{name}`, did you mean `{near}`?"),
        None => format!("softdock: unknown word `{name}`; softdock explain lists all"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_found_however_they_are_spelled() {
        for name in ["armed-no-bit", "ArmedNoBit", "ARMED_NO_BIT", "landed-but-failed", "101"] {
            assert_eq!(look_up(name).len(), 1, "{name}");
        }
        assert_eq!(look_up("lost").len(), 2, "a reason, and a fault");
        assert_eq!(look_up("OffsetsParse").len(), 1);
        assert!(look_up("no-such-word").is_empty());
        assert!(look_up("").is_empty());
    }

    #[test]
    fn a_wrong_word_gets_the_nearest() {
        assert!(unknown("veriffy").contains("`verify`"));
        assert!(unknown("OffsetParse").contains("`OffsetsParse`"));
        assert!(unknown("x-x-x-x-x-x").contains("lists all"));
    }

    #[test]
    fn every_code_stands_for_something() {
        for code in codes() {
            assert!(code_entry(code).contains("Stands for"), "{code}");
        }
    }
}

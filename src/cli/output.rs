//! Where output goes: results to standard output, messages to standard error. Colours only on a
//! terminal and where `NO_COLOR` is not set, which `anstream` sees to.
//!
//! A reader that went away is no error: `softdock inspect … | head -1` must be quiet.

use std::fmt::Display;
use std::io::{ErrorKind, Write};

use anstyle::{AnsiColor, Style};
use serde::Serialize;
use softdock::sweep::{Tally, counted};

pub(crate) const STRONG: Style = Style::new().bold();
pub(crate) const FAINT: Style = Style::new().dimmed();
pub(crate) const GOOD: Style = AnsiColor::Green.on_default();
pub(crate) const WARN: Style = AnsiColor::Yellow.on_default();
pub(crate) const BAD: Style = AnsiColor::Red.on_default().bold();

/// Text in a style.
pub(crate) fn styled(style: Style, text: impl Display) -> String {
    format!("{style}{text}{style:#}")
}

/// Prints a result, with its last line end if it has none.
pub(crate) fn result(text: &str) {
    let end = if text.ends_with('\n') { "" } else { "\n" };
    let mut stdout = anstream::stdout().lock();
    let written = write!(stdout, "{text}{end}").and_then(|()| stdout.flush());
    if let Err(error) = written
        && error.kind() != ErrorKind::BrokenPipe
    {
        message(&format!("softdock: cannot write to standard output: {error}"));
    }
}

/// Prints a result, unless it is empty.
pub(crate) fn result_if_any(text: &str) {
    if !text.is_empty() {
        result(text);
    }
}

/// Prints a result as one line of JSON.
pub(crate) fn json(line: &impl Serialize) {
    match serde_json::to_string(line) {
        Ok(line) => result(&line),
        Err(error) => message(&format!("softdock: cannot write JSON: {error}")),
    }
}

/// A line of a sweep or an exploration: how many cases there are, and what came out.
pub(crate) fn tallied(name: &str, cases: u64, tally: &Tally, is_complete: bool) -> String {
    let verdict = match (tally.findings, is_complete) {
        (0, true) => styled(GOOD, "clean"),
        (0, false) => styled(WARN, "incomplete"),
        (count, _) => styled(BAD, counted(count, "finding")),
    };
    let excused = match tally.excused.values().sum::<u64>() {
        0 => String::new(),
        excused => format!(", {excused} excused"),
    };
    format!("{name:<48} {cases:>12} {verdict}{excused}")
}

/// What is added to the last line where scenarios were not gone through.
pub(crate) fn incomplete(scenarios: u64) -> String {
    match scenarios {
        0 => String::new(),
        1 => "; 1 scenario is incomplete".into(),
        count => format!("; {count} scenarios are incomplete"),
    }
}

/// Prints a message, if it is one. Where nobody hears it, nothing can be done.
pub(crate) fn message(text: &str) {
    if text.is_empty() {
        return;
    }
    let _ = writeln!(anstream::stderr(), "{}", text.trim_end_matches('\n'));
}

/// Text in lines of readable length, each indented by two.
pub(crate) fn wrapped(text: &str) -> String {
    const COLUMNS: usize = 90;
    let mut lines = vec![String::from(" ")];
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= COLUMNS => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(format!("  {word}")),
        }
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_wrapped_between_words() {
        assert_eq!(wrapped("a  b"), "  a b");
        let word = "x".repeat(50);
        assert_eq!(wrapped(&format!("{word} {word}")), format!("  {word}\n  {word}"));
    }
}

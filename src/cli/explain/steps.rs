//! Explaining a run with a debugger: transition by transition in columns, and what they mean.

use std::fmt::Write as _;

use softdock::scenario::Stepping;
use softdock::stepping::play::Play;
use softdock::stepping::trace::Line;

use crate::cli::output::{self, BAD, FAINT, STRONG, WARN, styled};

/// The columns, and what stands above them.
const HEAD: [&str; 9] = [
    "",
    "thread",
    "",
    "place",
    "line",
    "instruction",
    "in memory",
    "executed",
    "breakpoints in memory",
];

/// Which of them tells what happened: what is told to whoever debugs may be longer than it is wide.
const WHAT: usize = 5;

/// A line of the table.
type Row = [String; HEAD.len()];

pub(super) fn text(name: &str, stepping: &Stepping, play: &Play) -> String {
    let mut text = format!("{}\n{}\n\n", styled(STRONG, name), output::wrapped(&stepping.about));
    let rows = rows(play);
    let widths = widths(&rows);
    let _ = writeln!(text, "{}", styled(FAINT, line(&HEAD.map(String::from), &widths)));
    for row in &rows {
        let _ = writeln!(text, "{}", line(row, &widths));
    }
    for broken in &play.broken {
        let _ = writeln!(text, "{}", styled(BAD, format!("  WRONG: {broken}")));
    }
    for unmet in &play.mismatches {
        let _ = writeln!(text, "{}", styled(WARN, format!("  unmet: {unmet}")));
    }
    text + "\n" + &explained(play)
}

fn rows(play: &Play) -> Vec<Row> {
    let mut patches = "";
    let mut rows = Vec::new();
    for line in &play.trace {
        let changed = match (line.patches == patches, line.patches.as_str()) {
            (true, _) => "",
            (false, "") => "none",
            (false, all) => all,
        };
        patches = &line.patches;
        rows.push([
            line.nth.to_string(),
            line.who.clone(),
            line.depth.map_or(String::new(), |depth| depth.to_string()),
            line.place.clone(),
            line.line.map_or(String::new(), |line| line.to_string()),
            line.what.clone(),
            line.memory.into(),
            line.bypass.into(),
            changed.into(),
        ]);
    }
    rows
}

/// How wide each column is.
fn widths(rows: &[Row]) -> Vec<usize> {
    let mut widths: Vec<usize> = HEAD.iter().map(|head| head.len()).collect();
    for row in rows.iter().filter(|row| !row[WHAT].starts_with("=>")) {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    widths
}

fn line(row: &Row, widths: &[usize]) -> String {
    let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}"));
    cells.collect::<Vec<_>>().join("  ").trim_end().into()
}

/// What the columns mean, and, where this run has one, what a bypass is for.
fn explained(play: &Play) -> String {
    let columns = "The columns are: the transition; who makes it; how many frames that thread has; \
                   the method and the slot; the line of the program; what happens there; the opcode \
                   that is in memory; the one that is executed instead; and, where that changes, \
                   every breakpoint that is in memory, with whose it is: b1 is the first \
                   breakpoint, s1 the first step.";
    let mut text = output::wrapped(columns);
    if let Some(line) = play.trace.iter().find(|line| !line.bypass.is_empty()) {
        let Line { nth, who, place, bypass, .. } = line;
        let _ = write!(
            text,
            "\n\n{}",
            output::wrapped(&format!(
                "At {nth}, {who} goes on from the breakpoint at {place}: it executes {bypass}, \
                 although memory has BREAKPOINT there. That is its bypass: an address and the \
                 opcode that belongs there, for this thread and once. To take the breakpoint out \
                 of memory for as long as that takes would let every other thread run past it \
                 meanwhile."
            ))
        );
    }
    text
}

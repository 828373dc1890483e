//! Explaining a run with a debugger: transition by transition in columns, and what they mean.

use std::fmt::Write as _;

use softdock::scenario::Stepping;
use softdock::stepping::play::Play;
use softdock::stepping::trace::Line;

use crate::cli::output::{self, BAD, FAINT, STRONG, WARN, styled};

/// Columns of `what`: longer ones push the rest aside.
const WHAT: usize = 34;

pub(super) fn text(name: &str, stepping: &Stepping, play: &Play) -> String {
    let mut text = format!("{}\n{}\n\n", styled(STRONG, name), output::wrapped(&stepping.about));
    let head = columns(["", "thread", "", "place", "line", "instruction", "in memory", "executed"]);
    let _ = writeln!(text, "{}", styled(FAINT, format!("{head}breakpoints in memory")));
    let mut patches = String::new();
    for line in &play.trace {
        let changed = if line.patches == patches { "" } else { shown(&line.patches) };
        let _ = writeln!(text, "{}", format!("{}{changed}", row(line)).trim_end());
        patches.clone_from(&line.patches);
    }
    for broken in &play.broken {
        let _ = writeln!(text, "{}", styled(BAD, format!("  WRONG: {broken}")));
    }
    for unmet in &play.mismatches {
        let _ = writeln!(text, "{}", styled(WARN, format!("  unmet: {unmet}")));
    }
    text + "\n" + &explained(play)
}

fn shown(patches: &str) -> &str {
    if patches.is_empty() { "none" } else { patches }
}

fn row(line: &Line) -> String {
    let depth = line.depth.map_or(String::new(), |depth| depth.to_string());
    let number = line.line.map_or(String::new(), |line| line.to_string());
    let (nth, executed) = (line.nth.to_string(), line.bypass);
    columns([&nth, &line.who, &depth, &line.place, &number, &line.what, line.memory, executed])
}

fn columns([nth, who, depth, place, line, what, memory, executed]: [&str; 8]) -> String {
    let place = format!("{nth:>4} {who:<8} {depth:>2}  {place:<9} {line:>4}");
    format!("{place}  {what:<WHAT$}  {memory:<18} {executed:<18} ")
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
                "At {nth}, {who} goes on from the breakpoint at {place}: it executes {bypass}, although \
             memory has BREAKPOINT there. That is its bypass: an address and the opcode that belongs \
             there, for this thread and once. To take the breakpoint out of memory for as long as \
             that takes would let every other thread run past it meanwhile."
            ))
        );
    }
    text
}

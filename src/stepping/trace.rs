//! What one transition looked like: who moved, where, what memory held there, what was executed in
//! its place, and which breakpoints were in memory afterwards.

use std::fmt;

use softdock_clr::{Program, Step};
use softdock_process::Address;
use softdock_stepping::{BREAKPOINT, Owner, Site, name};

use super::plan::Plan;
use super::told::{lines, named};
use super::world::{Happened, Mover, World};

/// A transition, in words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Line {
    /// Its number, from 1.
    pub nth: usize,
    /// Who moved: `thread 1`, or `debugger`.
    pub who: String,
    /// How many frames the thread had.
    pub depth: Option<usize>,
    /// Where: `LINE:6`.
    pub place: String,
    /// The line of the program text there, from 1.
    pub line: Option<u32>,
    /// What happened; of an instruction its text.
    pub what: String,
    /// The opcode that memory held there.
    pub memory: &'static str,
    /// The opcode that was executed instead, where that was another one.
    pub bypass: &'static str,
    /// The breakpoints that are in memory afterwards: `LINE:6 b1`.
    pub patches: String,
}

impl Line {
    /// In the place of so many transitions that follow this one.
    pub(super) fn gap(&self, count: usize) -> Line {
        let (nth, patches) = (self.nth + 1, self.patches.clone());
        let what = format!("{count} transitions");
        Line { nth, who: "…".into(), what, patches, ..Line::default() }
    }

    /// Tells the transition that has led to this world.
    #[must_use]
    pub fn new(nth: usize, world: &World, mover: Mover) -> Line {
        let patches = patches(world);
        let Mover::Thread(thread) = mover else {
            let what = commands(world.plan(), world.happened());
            return Line { nth, who: "debugger".into(), what, patches, ..Line::default() };
        };
        let line = Line {
            nth,
            who: format!("thread {thread}"),
            depth: Some(world.vm().frames(thread).len()),
            patches,
            ..Line::default()
        };
        let program = world.vm().program();
        let at = |line: Line, at: Address, memory: &'static str, what: &str| Line {
            place: named(program, at),
            line: instruction_line(program, at),
            what: what.into(),
            memory,
            ..line
        };
        let breakpoint = name(BREAKPOINT).unwrap_or_default();
        match world.happened() {
            Happened::Executed(step, bypassed) => executed(line, program, &step, bypassed),
            Happened::Hit(ip) => at(line, ip, breakpoint, "fetches a breakpoint"),
            Happened::Scanned(ip, true) => {
                let told = lines(program, world.told());
                at(line, ip, "", &format!("=> {}", told.last().map_or("", |told| told)))
            }
            Happened::Scanned(ip, false) => at(line, ip, "", "nobody stops here"),
            Happened::Entering(ip) => at(line, ip, "", "tells that a method is entered"),
            Happened::Unwinding(ip) => at(line, ip, "", "tells where an exception goes"),
            Happened::Stayed(ip) => at(line, ip, "", "fetches again"),
            Happened::Other(what) => Line { what: what.into(), ..line },
            Happened::Commands(..) => line,
        }
    }
}

fn executed(line: Line, program: &Program, step: &Step, bypassed: bool) -> Line {
    let Step { method, slot, depth, opcode, .. } = *step;
    let method = &program.methods()[method];
    let instruction = method.instruction(slot);
    let executed = name(opcode).unwrap_or_default();
    let memory = if bypassed { name(BREAKPOINT).unwrap_or_default() } else { executed };
    Line {
        depth: Some(depth),
        place: format!("{}:{slot}", method.name()),
        line: instruction.map(|instruction| instruction.line),
        what: instruction.map_or(String::new(), |instruction| instruction.text.clone()),
        memory,
        bypass: if bypassed { executed } else { "" },
        ..line
    }
}

fn instruction_line(program: &Program, at: Address) -> Option<u32> {
    let (method, slot) = program.place(at)?;
    Some(program.methods()[method].instruction(slot)?.line)
}

/// The commands that the debugger has given, with what it chose where it had a choice.
fn commands(plan: &Plan, happened: Happened) -> String {
    let Happened::Commands(from, to, choice) = happened else { return String::new() };
    let told = plan.commands[from..to].iter().map(|command| command.told(choice));
    told.collect::<Vec<_>>().join(", ")
}

/// All breakpoints in memory, and whose: `b1` is the first breakpoint, `s1` the first step.
fn patches(world: &World) -> String {
    let program = world.vm().program();
    let owner = |owner: &Owner| match owner {
        Owner::Breakpoint(id) => format!("b{}", id.0),
        Owner::Stepper(id) => format!("s{}", id.0),
    };
    let site = |site: &Site| {
        let mut owners: Vec<String> = site.rows.iter().map(|row| owner(&row.owner)).collect();
        owners.dedup();
        format!("{} {}", named(program, site.at), owners.join("+"))
    };
    world.debugger().sites().iter().map(site).collect::<Vec<_>>().join(", ")
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Line { nth, who, place, what, bypass, .. } = self;
        let depth = self.depth.map_or(String::new(), |depth| depth.to_string());
        let line = format!("{nth:>4} {who:<8} {depth:>2}  {place:<10} {what}");
        let by = if bypass.is_empty() { "" } else { "   (by its bypass; memory has a breakpoint)" };
        write!(f, "{}{by}", line.trim_end())
    }
}

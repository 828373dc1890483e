//! What was told to whoever debugs, and in which words.

use softdock_clr::Program;
use softdock_process::Address;
use softdock_stepping::{BreakpointId, Event, Refused};

/// Something that was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Told {
    /// An event that stops the process.
    Event(Event),
    /// Another one of the same stop.
    Also(Event),
    /// The process was stopped where it was.
    Paused,
    /// A command, by its number, was refused.
    Refused(usize, Refused),
    /// A breakpoint cannot be set in a body that was loaded.
    Unbound(BreakpointId, Refused),
    /// A thread has evaluated something, with this result or exception.
    Evaluated(u64, Result<Option<i32>, i32>),
    /// A thread has ended by an exception.
    Ended(u64, i32),
    /// A thread met what no compiler emits.
    Crashed(u64, &'static str),
}

/// All that was told, a line for each stop.
#[must_use]
pub fn lines(program: &Program, told: &[Told]) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for one in told {
        let line = line(program, one);
        match (one, lines.last_mut()) {
            (Told::Also(_), Some(last)) => *last = format!("{last} + {line}"),
            _ => lines.push(line),
        }
    }
    lines
}

fn line(program: &Program, told: &Told) -> String {
    match told {
        Told::Event(event) | Told::Also(event) => self::event(program, event),
        Told::Paused => "paused".into(),
        Told::Refused(nth, why) => {
            format!("refused command {}: {}", nth + 1, refusal(program, *why))
        }
        Told::Unbound(id, why) => {
            format!("breakpoint {} not bound: {}", id.0, refusal(program, *why))
        }
        Told::Evaluated(thread, Ok(Some(value))) => format!("evaluated {value}, thread {thread}"),
        Told::Evaluated(thread, Ok(None)) => format!("evaluated, thread {thread}"),
        Told::Evaluated(thread, Err(thrown)) => {
            format!("evaluation threw {thrown}, thread {thread}")
        }
        Told::Ended(thread, exception) => format!("thread {thread} ended by exception {exception}"),
        Told::Crashed(thread, why) => format!("thread {thread} crashed: {why}"),
    }
}

fn event(program: &Program, event: &Event) -> String {
    match event {
        Event::Breakpoint { id, thread, at } => {
            format!("breakpoint {}, thread {}, {}", id.0, thread.0, named(program, *at))
        }
        Event::Break { thread, at } => {
            format!("break, thread {}, {}", thread.0, named(program, *at))
        }
        Event::Step { id, thread, at, reason } => {
            let (at, reason) = (named(program, *at), reason.name());
            format!("step {} {reason}, thread {}, {at}", id.0, thread.0)
        }
    }
}

fn refusal(program: &Program, refused: Refused) -> String {
    let named = |at| named(program, at);
    match refused {
        Refused::NotAnInstruction(_) => "no instruction starts there".into(),
        Refused::Undecodable(at, _) => format!("{} cannot be decoded", named(at)),
        Refused::Patch(at, error) => format!("{} cannot be patched: {error:?}", named(at)),
        Refused::NoFrame => "the thread has no such frame, or is not at a breakpoint".into(),
        Refused::Unknown => "there is none".into(),
    }
}

/// `LINE:6`.
#[must_use]
pub fn named(program: &Program, at: Address) -> String {
    match program.place(at) {
        Some((method, slot)) => format!("{}:{slot}", program.methods()[method].name()),
        None => at.to_string(),
    }
}

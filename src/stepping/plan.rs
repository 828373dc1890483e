//! A scenario made into a program, threads and commands: everything that can be wrong with it is
//! found here, with its place in the file.

use std::rc::Rc;

use softdock_clr::{Program, assemble};
use softdock_stepping::{MethodId, Place};

use crate::scenario::stepping::{Command, Stepping, WriteFault};

/// A scenario, ready to be run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Its program.
    pub program: Rc<Program>,
    /// The method of each thread.
    pub threads: Vec<usize>,
    /// The method of each thread that starts when an older one with its number has ended.
    pub again: Vec<(u64, usize)>,
    /// Methods that have no body before they are called.
    pub late: Vec<usize>,
    /// Methods that are another body of the one named first.
    pub bodies: Vec<(usize, usize)>,
    /// What the debugger does.
    pub commands: Vec<Command>,
    /// What goes wrong with writes to the bytecode.
    pub faults: Vec<WriteFault>,
}

/// Why a scenario cannot be run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unplannable {
    /// A line and a column of the program, and what is wrong there.
    Program(usize, usize, String),
    /// A text of the file, and what is wrong with it.
    Text(String, String),
}

impl Plan {
    /// Assembles the program and looks every name up.
    ///
    /// # Errors
    /// What cannot be, and where.
    pub fn new(scenario: &Stepping) -> Result<Plan, Unplannable> {
        let program = assemble(&scenario.program).map_err(|mistake| {
            let at = (mistake.line as usize, mistake.column as usize);
            Unplannable::Program(at.0, at.1, mistake.message)
        })?;
        let method =
            |name: &String| program.method(name).ok_or_else(|| unknown_method(&program, name));
        let threads = scenario.threads.iter().map(method).collect::<Result<Vec<_>, _>>()?;
        let mut again = Vec::new();
        for (thread, name) in &scenario.again {
            if !(1..=scenario.threads.len() as u64).contains(thread) {
                let count = scenario.threads.len();
                let message = format!("there is no thread {thread}, expected 1 to {count}");
                return Err(Unplannable::Text("again".into(), message));
            }
            again.push((*thread, method(name)?));
        }
        check_choices(scenario)?;
        let late = scenario.late.iter().map(method).collect::<Result<_, _>>()?;
        let mut bodies = Vec::new();
        for (first, other) in &scenario.bodies {
            bodies.push((method(first)?, method(other)?));
        }
        scenario.debugger.iter().try_for_each(|command| check(&program, &bodies, command))?;
        let (commands, faults) = (scenario.debugger.clone(), scenario.faults.clone());
        let program = Rc::new(program);
        Ok(Plan { program, threads, again, late, bodies, commands, faults })
    }
}

/// How many commands the longest [`Command::Either`] has.
#[must_use]
pub fn most_choices(debugger: &[Command]) -> usize {
    let commands = debugger.iter().map(|command| match command {
        Command::Either(commands) => commands.len(),
        _ => 0,
    });
    commands.max().unwrap_or(0)
}

/// Whether some [`Command::Either`] has as many commands as are chosen from.
fn check_choices(scenario: &Stepping) -> Result<(), Unplannable> {
    let longest = most_choices(&scenario.debugger);
    match scenario.choices.iter().find(|choice| **choice >= longest) {
        None => Ok(()),
        Some(choice) => {
            let message = match longest {
                0 => "there is no `Either` to choose from".into(),
                _ => format!("there is no choice {choice}, expected less than {longest}"),
            };
            Err(Unplannable::Text("choices".into(), message))
        }
    }
}

/// Whether the program has what a command names.
fn check(
    program: &Program,
    bodies: &[(usize, usize)],
    command: &Command,
) -> Result<(), Unplannable> {
    match command {
        Command::Break(text) => {
            let (method, _) = place(program, text)?;
            let other = bodies.iter().find(|(_, other)| *other == method.0 as usize);
            other.map_or(Ok(()), |(first, _)| {
                let first = program.methods()[*first].name();
                let message =
                    format!("this is another body of `{first}`: set the breakpoint there");
                Err(Unplannable::Text(text.clone(), message))
            })
        }
        Command::Evaluate(name, _) => {
            program.method(name).map(drop).ok_or_else(|| unknown_method(program, name))
        }
        Command::Either(commands) => {
            commands.iter().try_for_each(|command| check(program, bodies, command))
        }
        _ => Ok(()),
    }
}

fn unknown_method(program: &Program, name: &str) -> Unplannable {
    let known: Vec<&str> = program.methods().iter().map(|method| method.name()).collect();
    let message = format!("there is no method `{name}`, expected one of {}", known.join(", "));
    Unplannable::Text(name.into(), message)
}

/// `LINE` is the first line of a method, `LINE:6` its slot 6.
pub(super) fn place(program: &Program, text: &str) -> Result<(MethodId, Place), Unplannable> {
    let (name, slot) = match text.split_once(':') {
        None => (text, None),
        Some((name, slot)) => (name, Some(slot)),
    };
    let method = program.method(name).ok_or_else(|| unknown_method(program, name))?;
    let place = match slot.map(str::parse) {
        None => Place::Entry,
        Some(Ok(slot)) => Place::Slot(slot),
        Some(Err(_)) => {
            let message = format!("`{text}` is no place, expected `{name}` or `{name}:6`");
            return Err(Unplannable::Text(text.into(), message));
        }
    };
    Ok((MethodId(u32::try_from(method).unwrap_or(u32::MAX)), place))
}

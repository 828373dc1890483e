//! A scenario made into a program, threads and commands: everything that can be wrong with it is
//! found here, with its place in the file.

use std::sync::Arc;

use softdock_clr::{Program, assemble};
use softdock_stepping::{MethodId, Place};

use crate::scenario::stepping::{Command, Stepping};

/// A scenario, ready to be run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Its program.
    pub program: Arc<Program>,
    /// The method of each thread.
    pub threads: Vec<usize>,
    /// What the debugger does.
    pub commands: Vec<Command>,
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
        for command in &scenario.debugger {
            match command {
                Command::Break(text) => drop(place(&program, text)?),
                Command::Evaluate(name, _) => drop(method(name)?),
                _ => {}
            }
        }
        let commands = scenario.debugger.clone();
        Ok(Plan { program: Arc::new(program), threads, commands })
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

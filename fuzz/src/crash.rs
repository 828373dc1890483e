//! An input that should not be, told as a file that anybody can run: a scenario, where it is about
//! one. Where it is the engine that panics, nobody is left to tell; so the scenario of the moment
//! is remembered, and told by the panic.

use std::cell::RefCell;
use std::fmt;

use softdock::run::Run;
use softdock::scenario::{self, Attach, Scenario, Stepping};

/// An input that should not be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Crash {
    /// What is wrong.
    pub what: String,
    /// The scenario that shows it, or the input itself where it is about none.
    pub scenario: Result<Scenario, String>,
}

impl Crash {
    /// One that is about no scenario.
    #[must_use]
    pub fn of_input(what: impl fmt::Display, input: impl fmt::Debug) -> Crash {
        Crash { what: what.to_string(), scenario: Err(format!("{input:?}")) }
    }

    /// A run of this scenario, in which more happened than it says.
    #[must_use]
    pub fn of_run(scenario: &Attach, run: &Run) -> Crash {
        let what: Vec<String> = run.violations.iter().map(ToString::to_string).collect();
        let mut shown = Attach { moves: Vec::new(), ..scenario.clone() };
        shown.faults.extend(run.happened.iter().cloned());
        Crash { what: what.join("; "), scenario: Ok(Scenario::Attach(Box::new(shown))) }
    }

    /// A debugger at work in this scenario.
    #[must_use]
    pub fn of_stepping(what: impl fmt::Display, shown: Stepping) -> Crash {
        Crash { what: what.to_string(), scenario: Ok(Scenario::Stepping(Box::new(shown))) }
    }
}

impl fmt::Display for Crash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.what)?;
        match &self.scenario {
            Ok(scenario) => f.write_str(&scenario::write(scenario)),
            Err(input) => f.write_str(input),
        }
    }
}

thread_local! {
    static NOW: RefCell<Option<Scenario>> = const { RefCell::new(None) };
}

/// Remembers what is attempted now.
pub fn attempting(scenario: Option<&Attach>) {
    let scenario = scenario.map(|attach| Scenario::Attach(Box::new(attach.clone())));
    NOW.with(|now| *now.borrow_mut() = scenario);
}

/// Remembers what is debugged now.
pub fn debugging(scenario: &Stepping) {
    let scenario = Scenario::Stepping(Box::new(scenario.clone()));
    NOW.with(|now| *now.borrow_mut() = Some(scenario));
}

/// What was attempted last.
#[must_use]
pub fn attempted() -> Option<Scenario> {
    NOW.with(|now| now.borrow().clone())
}

/// Has every panic tell the scenario of the moment.
pub fn tell_on_panic() {
    let then = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if let Some(scenario) = attempted() {
            eprintln!("{}", scenario::write(&scenario));
        }
        then(panic);
    }));
}

/// What a target comes to.
///
/// # Panics
/// Where the input should not be: that is how a fuzzer is told.
pub fn demand(result: Result<(), Crash>) {
    if let Err(crash) = result {
        attempting(None);
        panic!("{crash}");
    }
}

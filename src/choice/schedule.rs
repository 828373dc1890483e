//! A schedule as text: which choices differ from a quiet run, one a line, for a person to read,
//! keep and edit. Versioned, and addressed by site and hit, so that it survives most edits of the
//! scenario and of the engine; a choice that does not fit any more is told, not dropped.
//!
//! ```text
//! softdock schedule 1
//! scenario scenarios/attach/two-threads.ron
//! recheck 3: Move(ExitThread(4243))
//! write-script-path 1: Torn(3)
//! verify 1: lasting Denied
//! ```

use std::fmt;

use softdock_attach::Site;

use crate::scenario::names::unknown;
use crate::scenario::{At, Fault, FaultKind};

/// The first line of every schedule; the number is that of its grammar.
const HEAD: &str = "softdock schedule 1";

/// A run of a scenario.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// Path of the scenario's file, or its name below the folder of scenarios.
    pub scenario: String,
    /// What happens in it beside what the scenario says.
    pub faults: Vec<Fault>,
}

/// A schedule that does not read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScheduleError {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong, and what was expected.
    pub message: String,
}

impl fmt::Display for ScheduleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.message)
    }
}

impl std::error::Error for ScheduleError {}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{HEAD}\nscenario {}", self.scenario)?;
        for Fault { at, sticky, kind } in &self.faults {
            match at {
                At::Hit(site, hit) => write!(f, "{site} {hit}: ")?,
                At::Access(access) => write!(f, "access {access}: ")?,
            }
            writeln!(f, "{}{kind:?}", if *sticky { "lasting " } else { "" })?;
        }
        Ok(())
    }
}

impl Schedule {
    /// How a text begins that is meant to be a schedule.
    pub const KEYWORD: &str = "softdock schedule";

    /// Reads one. Empty lines and lines that start with `#` say nothing.
    ///
    /// # Errors
    /// The first line that does not read.
    pub fn parse(text: &str) -> Result<Schedule, ScheduleError> {
        let mut schedule = Schedule { scenario: String::new(), faults: Vec::new() };
        for (number, line) in (1..).zip(text.lines()) {
            let mistake = |message| ScheduleError { line: number, message };
            let line = line.trim();
            if number == 1 && line != HEAD {
                return Err(mistake(format!("expected `{HEAD}`, found `{line}`")));
            } else if let Some(scenario) = line.strip_prefix("scenario ") {
                schedule.scenario = scenario.trim().into();
            } else if number > 1 && !line.is_empty() && !line.starts_with('#') {
                schedule.faults.push(choice(line).map_err(mistake)?);
            }
        }
        if schedule.scenario.is_empty() {
            let message = "expected a line `scenario NAME`".into();
            return Err(ScheduleError { line: text.lines().count().max(1), message });
        }
        Ok(schedule)
    }
}

/// `SITE HIT: [lasting] KIND`, or `access NUMBER: …`.
fn choice(line: &str) -> Result<Fault, String> {
    let shape = || format!("expected `SITE HIT: KIND`, found `{line}`");
    let (place, kind) = line.split_once(':').ok_or_else(shape)?;
    let (name, number) = place.trim().split_once(' ').ok_or_else(shape)?;
    let number: u32 = number.trim().parse().map_err(|_| shape())?;
    if number == 0 {
        return Err("accesses are counted from 1".into());
    }
    let at = match (name, Site::from_name(name)) {
        ("access", _) => At::Access(number),
        (_, Some(site)) => At::Hit(site, number),
        (_, None) => return Err(unknown("site", name, &Site::ALL.map(Site::name))),
    };
    let kind = kind.trim();
    let lasting = kind.strip_prefix("lasting ");
    let sticky = lasting.is_some();
    let kind: FaultKind = ron::from_str(lasting.unwrap_or(kind)).map_err(|e| e.to_string())?;
    Ok(Fault { at, sticky, kind })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::Actor;

    #[test]
    fn what_is_written_reads_back() {
        let fault = |at, sticky, kind| Fault { at, sticky, kind };
        let other = Actor::OtherDebugger(4242, "/tmp/o \"x\".py".into());
        let schedule = Schedule {
            scenario: "attach/two-threads".into(),
            faults: vec![
                fault(At::Hit(Site::Recheck, 3), false, FaultKind::Move(other)),
                fault(At::Hit(Site::Verify, 1), true, FaultKind::Denied),
                fault(At::Access(17), false, FaultKind::LieWord(8, u64::MAX)),
            ],
        };
        assert_eq!(Schedule::parse(&schedule.to_string()), Ok(schedule));
    }

    #[test]
    fn mistakes_are_told_with_their_line() {
        let error = |text: &str| Schedule::parse(text).unwrap_err().to_string();
        assert_eq!(
            error("softdock schedule 2\n"),
            "line 1: expected `softdock schedule 1`, found `softdock schedule 2`"
        );
        let head = "softdock schedule 1\nscenario a\n\n# a word\n";
        let told = error(&format!("{head}veriffy 1: Gone"));
        assert_eq!(told, "line 5: unknown site `veriffy`, did you mean `verify`?");
        assert!(error(&format!("{head}verify: Gone")).contains("expected `SITE HIT: KIND`"));
        assert!(error(&format!("{head}verify 1: Gnoe")).starts_with("line 5: "));
        assert_eq!(error(&format!("{head}verify 0: Gone")), "line 5: accesses are counted from 1");
        assert_eq!(error("softdock schedule 1"), "line 1: expected a line `scenario NAME`");
    }
}

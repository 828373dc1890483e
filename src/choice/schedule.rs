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
use crate::scenario::parse_part;
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
    /// The column, from 1.
    pub column: usize,
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
        let mut scenario: Option<&str> = None;
        let mut faults: Vec<Fault> = Vec::new();
        for (number, line) in (1..).zip(text.lines()) {
            let mistake = |column, message| ScheduleError { line: number, column, message };
            let entry = line.trim();
            if number == 1 && entry != HEAD {
                return Err(mistake(1, format!("expected `{HEAD}`, found `{entry}`")));
            } else if let Some(name) = entry.strip_prefix("scenario ") {
                if let Some(first) = scenario.replace(name.trim()) {
                    let message = format!("a second scenario, expected one: `{first}` is it");
                    return Err(mistake(1, message));
                }
            } else if number > 1 && !entry.is_empty() && !entry.starts_with('#') {
                let fault = choice(line).map_err(|(column, message)| mistake(column, message))?;
                if faults.iter().any(|other| is_instead_of(&fault, other)) {
                    let message = format!("a second fault at {}, expected one", fault.at);
                    return Err(mistake(1, message));
                }
                faults.push(fault);
            }
        }
        let Some(scenario) = scenario.map(String::from) else {
            let message = "expected a line `scenario NAME`".into();
            return Err(ScheduleError { line: text.lines().count().max(1), column: 1, message });
        };
        Ok(Schedule { scenario, faults })
    }
}

/// Whether only one of two can strike, since they go wrong with one access; of moves any number
/// can come before it.
fn is_instead_of(fault: &Fault, other: &Fault) -> bool {
    let is_move = |fault: &Fault| matches!(fault.kind, FaultKind::Move(_));
    fault.at == other.at && !is_move(fault) && !is_move(other)
}

/// `SITE HIT: [lasting] KIND`, or `access NUMBER: …`; or the column of the mistake, and what is
/// wrong there.
fn choice(line: &str) -> Result<Fault, (usize, String)> {
    let shape = || (1, format!("expected `SITE HIT: KIND`, found `{}`", line.trim()));
    let (place, kind) = line.split_once(':').ok_or_else(shape)?;
    let at = address(place.trim()).ok_or_else(shape)?.map_err(|message| (1, message))?;
    let kind = kind.trim();
    let lasting = kind.strip_prefix("lasting ");
    let sticky = lasting.is_some();
    let kind = lasting.unwrap_or(kind);
    let kind = parse_part(kind).map_err(|(at, message)| {
        let before = line.len() - line.trim_end().len();
        let start = line.len() - before - kind.len() + at;
        (line[..start].chars().count() + 1, message)
    })?;
    Ok(Fault { at, sticky, kind })
}

/// `SITE HIT` or `access NUMBER`; `None` where it is nothing like that.
fn address(place: &str) -> Option<Result<At, String>> {
    let (name, number) = place.split_once(' ')?;
    let number: u32 = number.trim().parse().ok()?;
    if number == 0 {
        return Some(Err("accesses are counted from 1".into()));
    }
    Some(match (name, Site::from_name(name)) {
        ("access", _) => Ok(At::Access(number)),
        (_, Some(site)) => Ok(At::Hit(site, number)),
        (_, None) => Err(unknown("site", name, &Site::ALL.map(Site::name))),
    })
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
    fn any_number_of_moves_come_before_an_access_that_fails() {
        let text = "softdock schedule 1\nscenario a\nverify 1: Move(Poll(1))\n\
                    verify 1: Gone\nverify 1: Move(Poll(1))\nverify 1: Move(Poll(2))\n";
        assert_eq!(Schedule::parse(text).expect("a schedule").to_string(), text);
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
        let told = Schedule::parse(&format!("{head}  verify 1: lasting Gnoe ")).unwrap_err();
        assert_eq!((told.line, told.column), (5, 21));
        assert!(told.message.ends_with("did you mean `Gone`?"), "{told}");
        let told = error(&format!("{head}verify 1: Torn(\"x\")"));
        assert_eq!(told, "line 5: expected a whole number, found `\"x\"`");
        let told = error(&format!("{head}scenario b"));
        assert_eq!(told, "line 5: a second scenario, expected one: `a` is it");
        let told = error(&format!("{head}verify 1: Gone\nverify 1: Denied"));
        assert_eq!(told, "line 6: a second fault at verify hit 1, expected one");
        assert_eq!(error(&format!("{head}verify 0: Gone")), "line 5: accesses are counted from 1");
        assert_eq!(error("softdock schedule 1"), "line 1: expected a line `scenario NAME`");
    }
}

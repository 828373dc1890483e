//! Sessions that are brought about wrongly, each in one way: the committed scenarios must find
//! every one, and a judge who never complains would be found out here. The mutants of `sim/mutants`
//! are about the two engines; these few need no copy of the workspace.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use softdock_attach::{Left, Outcome, Report};
use softdock_debugpy::record;

use super::explore::explore;
use super::judge::Violation;
use super::story::Story;
use super::world::World;
use super::{Asked, Dock, Docked, Doing, Found, Step, Wanted, run};
use crate::answer::Clock;
use crate::corpus;
use crate::report::Stopped;

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum How {
    /// Half a record is taken for a whole one.
    TornIsTold,
    /// The session that a record names is not looked at.
    AnySession,
    /// Nor who owns it.
    AnyOwner,
    /// A script that has begun is taken for a debugger that listens.
    StartedIsListening,
    /// The record is looked at first, and life second.
    LifeComesLast,
    /// What a target told counts, although it has ended.
    TheDeadListen,
    /// Errors are waited over.
    ErrorsAreLate,
    /// The user is not asked.
    NobodyGivesUp,
    /// Time goes half as fast as it does.
    TimeIsLong,
    /// It gives up as soon as half the time is over.
    TimeIsShort,
    /// The files go as soon as something is told.
    FilesGo,
    /// They never go.
    FilesStay,
    /// What the engine left in the target is forgotten.
    NothingIsLeft,
    /// Whoever is asked to stop is said to stop.
    StopIsBelieved,
}

/// The door, with something wrong about it.
struct Wrong<'a, 'w> {
    world: &'a mut World<'w>,
    how: How,
    session: &'a str,
    /// What was read before its time.
    early: Option<Found>,
    /// Whether the script was taken.
    is_taken: bool,
}

impl Wrong<'_, '_> {
    /// A whole record, whatever is there.
    fn listening(&self) -> Found {
        let session = self.session;
        let text = format!(
            "{{\"format\": 1, \"session\": \"{session}\", \"state\": \"listening\", \"host\": \
             \"127.0.0.1\", \"port\": 5678}}"
        );
        Found::Bytes(text.into_bytes())
    }

    fn misread(&self, found: Found) -> Found {
        let text = match &found {
            Found::Bytes(bytes) => String::from_utf8_lossy(bytes).into_owned(),
            Found::OtherOwner(_) if self.how == How::AnyOwner => return self.listening(),
            _ => return found,
        };
        match self.how {
            How::TornIsTold if !text.ends_with('}') && !text.ends_with('\n') => self.listening(),
            How::AnySession => Found::Bytes(text.replace("another-session", self.session).into()),
            How::StartedIsListening if text.contains("\"started\"") => self.listening(),
            How::ErrorsAreLate if text.contains("\"error\"") => Found::Nothing,
            _ => found,
        }
    }
}

impl Clock for Wrong<'_, '_> {
    fn now(&mut self) -> Duration {
        let now = self.world.now();
        match self.how {
            How::TimeIsLong => now / 2,
            How::TimeIsShort => now * 2,
            _ => now,
        }
    }

    fn sleep(&mut self, duration: Duration) {
        self.world.sleep(duration);
    }
}

impl Dock for Wrong<'_, '_> {
    type Stopped = Box<Stopped>;

    fn attempt(&mut self, step: Step) -> Result<Asked, Box<Stopped>> {
        let mut asked = self.world.attempt(step)?;
        self.is_taken = asked.report.outcome == Outcome::Consumed;
        if self.how == How::NothingIsLeft {
            asked.report.left = Left::Nothing;
        }
        Ok(asked)
    }

    fn is_gone(&mut self) -> bool {
        if self.how == How::LifeComesLast {
            self.early = Some(self.world.answer(record::NAME));
        }
        let is_gone = self.world.is_gone();
        let is_believed = self.how == How::TheDeadListen && self.is_taken;
        let mut listens = || {
            matches!(self.world.answer(record::NAME), Found::Bytes(bytes)
            if String::from_utf8_lossy(&bytes).contains("\"listening\""))
        };
        is_gone && !(is_believed && listens())
    }

    fn answer(&mut self, name: &str) -> Found {
        let early = self.early.take().filter(|_| name == record::NAME);
        let found = early.unwrap_or_else(|| self.world.answer(name));
        match name {
            record::NAME => self.misread(found),
            _ if self.how == How::StopIsBelieved => Found::Bytes(Vec::new()),
            _ => found,
        }
    }

    fn is_cancelled(&mut self) -> bool {
        self.world.is_cancelled() && self.how != How::NobodyGivesUp
    }

    fn doing(&mut self, report: &Report) -> Option<Doing> {
        self.world.doing(report)
    }

    fn tell(&mut self, docked: &Docked) {
        self.world.tell(docked);
        if self.how == How::FilesGo {
            self.world.remove_files();
        }
    }

    fn remove_files(&mut self) {
        if self.how != How::FilesStay {
            self.world.remove_files();
        }
    }
}

/// What this scenario finds first, by its times or else in the first of its ways, if it is brought
/// about in this way.
fn found(name: &str, how: Option<How>) -> Vec<Violation> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/session");
    let entry = corpus::load(&folder.join(name).with_extension("ron"), name).unwrap();
    let mut stage = entry.session().unwrap();
    let steps = move |world: &mut World<'_>, wanted: &Wanted| match how {
        None => run(world, wanted),
        Some(how) => {
            let session = wanted.session.as_str();
            run(&mut Wrong { world, how, session, early: None, is_taken: false }, wanted)
        }
    };
    let plain = stage.play_by(&steps, Story::default()).broken;
    if !plain.is_empty() {
        return plain;
    }
    // What is wrong in one order only takes some looking for; that nothing is wrong otherwise is
    // tried at length elsewhere.
    let left = Cell::new(if how.is_some() { 6_000_u32 } else { 500 });
    let goes_on = || left.replace(left.get().saturating_sub(1)) > 0;
    let (_, found) = explore(name, &mut stage, &steps, &goes_on);
    found.map(|found| found.broken).unwrap_or_default()
}

/// Whether that is what should be found.
type IsIt = fn(&Violation) -> bool;

const FALSE_SESSION: IsIt = |broken| matches!(broken, Violation::FalseSession { .. });
const UNTOLD: IsIt = |broken| matches!(broken, Violation::Untold(_));
const WAITS_ON: IsIt = |broken| matches!(broken, Violation::WaitsOn(_));

#[test]
fn whatever_is_wrong_is_found() {
    let cases: [(How, &str, IsIt); 14] = [
        (How::TornIsTold, "no-debugpy", FALSE_SESSION),
        (How::AnySession, "record-of-another-session", FALSE_SESSION),
        (How::AnyOwner, "record-of-another-owner", FALSE_SESSION),
        (How::StartedIsListening, "started-is-not-listening", FALSE_SESSION),
        (How::LifeComesLast, "an-error-and-the-end", UNTOLD),
        (How::TheDeadListen, "listening-and-the-end", |it| *it == Violation::AfterItsEnd),
        (How::ErrorsAreLate, "no-debugpy", UNTOLD),
        (How::NobodyGivesUp, "taken-and-silent", WAITS_ON),
        (How::TimeIsLong, "taken-and-silent", |it| matches!(it, Violation::Oversleeps(_))),
        (How::TimeIsShort, "taken-and-silent", |it| matches!(it, Violation::TooEarly(_))),
        (How::FilesGo, "not-taken", |it| *it == Violation::FilesGone),
        (How::FilesStay, "policy-disabled", |it| *it == Violation::FilesStay),
        (How::NothingIsLeft, "not-taken", |it| *it == Violation::FilesGone),
        (How::StopIsBelieved, "stop-taken-and-silent", |it| *it == Violation::FalseStop),
    ];
    for (how, name, is_it) in cases {
        let broken = found(name, Some(how));
        assert!(broken.iter().any(is_it), "{how:?} in {name}: {broken:?}");
    }
    let names: BTreeSet<&str> = cases.iter().map(|(_, name, _)| *name).collect();
    for name in names {
        assert_eq!(found(name, None), [], "{name}, with nothing wrong");
    }
}

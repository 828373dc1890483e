//! What is reported of a step towards a debugger in a target: its outcome, why, and what helps.
//! Nothing here touches the target, and nothing is printed.

use std::fmt::Write;
use std::time::Duration;

use softdock_attach::{Left, Reason};
use softdock_debugpy::client::LaunchConfiguration;
use softdock_debugpy::{Mode, Record, Sidecar, State, advice};

use super::{Docked, Doing, End, Step, Wanted, is_left};
use crate::answer::Answer;
use crate::report::words::{self, clean};
use crate::report::{Attempt, Session, TargetError, session};

/// What the steps do not know of the target.
#[derive(Clone, Copy, Debug)]
pub struct Surroundings<'s> {
    /// Where the files are, as the target names it, fit for a terminal.
    pub folder: &'s str,
    /// Whether the target's network is another one than ours.
    pub is_elsewhere: bool,
}

/// Reasons that are no engine's.
pub const REASONS: [&str; 8] = [
    "not-taken",
    "target-error",
    "target-ended",
    session::NO_CLIENT,
    "not-ready",
    "silent",
    "torn",
    "foreign",
];

/// The report of a step.
#[must_use]
pub fn report(docked: &Docked, wanted: &Wanted, around: &Surroundings<'_>) -> Session {
    let attempt = Attempt::from(&docked.asked.report);
    let mut session = Session::new(wanted.session.clone(), &wanted.mode, attempt);
    session.waited_micros = u64::try_from(docked.waited.as_micros()).unwrap_or(u64::MAX);
    session.folder = docked.is_wanted.then(|| around.folder.to_owned());
    if is_left(&docked.asked.report) && !docked.is_wanted {
        session.left = Left::Nothing.name();
    }
    let answer = match &docked.end {
        End::Engine => return session,
        End::NotTaken(doing) => {
            not_taken(&mut session, docked, doing.as_ref());
            return session;
        }
        End::Answered(answer) => answer,
    };
    match answer {
        Answer::Told(record) => told(&mut session, docked, wanted, around, record),
        Answer::Deadline(_) if docked.step == Step::Client => {
            let waited = words::duration(docked.waited);
            let detail = format!("no client has come within {waited}; the session stays");
            session.fail("failed", session::NO_CLIENT, detail);
        }
        Answer::Deadline(seen) => silent(&mut session, &wanted.mode, docked.waited, seen),
        Answer::Ended => {
            session.fail("failed", "target-ended", String::from("the process has ended"));
        }
        Answer::Cancelled => {
            let detail = String::from("nothing more is waited for; what has begun goes on");
            session.fail("failed", Reason::Cancelled.name(), detail);
        }
    }
    session
}

/// The request is there, and the thread has not come to it.
fn not_taken(session: &mut Session, docked: &Docked, doing: Option<&Doing>) {
    let asked = &docked.asked;
    let who = words::thread(&asked.report, asked.main_thread);
    let waited = words::duration(docked.waited);
    let mut detail = format!("{who} has not run the script yet, after {waited}");
    session.activity = doing.map(|doing| doing.what.clone());
    if let Some(activity) = &session.activity {
        let _ = write!(detail, "; it {activity}");
    }
    session.fail(asked.report.outcome.name(), "not-taken", detail);
    let remedy = doing.map_or("it runs the script when its call returns", |doing| doing.remedy);
    session.hint = Some(format!("{remedy}; --thread any asks a thread that is running instead"));
}

/// The target has answered.
fn told(
    session: &mut Session,
    docked: &Docked,
    wanted: &Wanted,
    around: &Surroundings<'_>,
    record: &Record,
) {
    session.reused = record.reused;
    session.debugpy = record.debugpy.as_ref().map(|version| clean(version.as_bytes()));
    if let State::Error { kind, message } = &record.state {
        let detail = format!("{}: {}", clean(kind.as_bytes()), clean(message.as_bytes()));
        session.fail("failed", "target-error", detail);
        session.hint = advice::advice(message).map(String::from);
        session.error = Some(TargetError { r#type: kind.clone(), message: message.clone() });
        return;
    }
    // A client may have come in the moment between; that is for the next step to tell.
    let state = match (docked.step, &wanted.mode) {
        (Step::Session, Mode::Listen(_)) => State::Listening,
        (Step::Session, Mode::Connect(_)) => State::Connected,
        (Step::Client | Step::Stop, _) => State::Attached,
    };
    session.outcome = state.name();
    session.break_injected = docked.step == Step::Stop;
    session.site = session::SITE;
    let Some(endpoint) = record.endpoint.clone() else { return };
    let pid = session.attach.process.map_or(0, |process| process.pid);
    session.hint = around.is_elsewhere.then(|| {
        format!(
            "the target has a network of its own, as in a container: that address is one of its \
             own, which nsenter --net=/proc/{pid}/ns/net leads to",
        )
    });
    session.host = Some(endpoint.host.to_string());
    session.port = Some(endpoint.port);
    let mode = match wanted.mode {
        Mode::Listen(_) => Mode::Listen(endpoint),
        Mode::Connect(_) => Mode::Connect(endpoint),
    };
    let launch = LaunchConfiguration::new(pid, &mode);
    session.visual_studio = launch.visual_studio();
    session.launch = Some(launch);
}

/// The script runs, and has not said that it is done.
fn silent(session: &mut Session, mode: &Mode, waited: Duration, seen: &Sidecar) {
    let waited = words::duration(waited);
    let (reason, detail) = match seen {
        Sidecar::Told(_) => ("not-ready", format!("debugpy is not ready yet, after {waited}")),
        Sidecar::Late => {
            ("silent", format!("the target took the script, and has told nothing after {waited}"))
        }
        Sidecar::Torn => ("torn", String::from("what the target told is no whole record")),
        Sidecar::Foreign(foreign) => {
            ("foreign", format!("the record is not the target's: {foreign}"))
        }
    };
    session.fail("failed", reason, detail);
    session.hint = match seen {
        Sidecar::Told(_) if matches!(mode, Mode::Connect(_)) => Some(String::from(
            "a client must be at that adapter, have asked it to attach, and have sent what belongs \
             to that: its breakpoints, and that they are all",
        )),
        Sidecar::Told(_) => Some(String::from(
            "the program may hold a lock that debugpy needs, or the machine is busy: ask again, \
             with a longer --timeout; what is there by then is used",
        )),
        Sidecar::Late => Some(String::from(
            "the target's standard error may say more; if it runs few instructions, the thread \
             that starts debugpy may not have had its turn yet",
        )),
        _ => None,
    };
}

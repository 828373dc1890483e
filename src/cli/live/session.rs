//! What is told of a debugger in a target, or of why there is none: text for a person, JSON for a
//! program. Nothing here touches the target.

use std::fmt::Write;

use softdock::answer::Answer;
use softdock::report::{Attempt, Line, Session, TargetError};
use softdock_attach::{Config, Outcome, Reason};
use softdock_debugpy::client::LaunchConfiguration;
use softdock_debugpy::{Mode, Record, Sidecar, State, advice};
use softdock_live::Activity;

use super::super::debug::Args;
use super::super::output::{self, FAINT, GOOD, STRONG, WARN, styled};
use super::super::{Exit, Format, duration};
use super::attach::{planned, who};
use super::debug::{Docked, End, Step, is_still_wanted, named};
use super::{Timed, clean, details, failure, hint, phases, tell_failure};

/// Prints it all; says how the command ends.
pub(super) fn tell(args: &Args, config: &Config, docked: &Docked) -> Exit {
    let session = report(docked);
    let is_success = matches!(&docked.end, End::Answered(Answer::Told(record)) if !record.is_error())
        || docked.done.report.outcome == Outcome::Planned;
    if args.target.format == Format::Json {
        let phases = config.verbose.then(|| phases(&docked.done.phases));
        output::json(&Line::new("debug", Timed { body: session, phases }));
    } else {
        if config.verbose {
            output::message(&details(&session.attach, &docked.done.phases));
        }
        tell_text(args, docked, &session, is_success);
    }
    if is_success { Exit::AsAsked } else { Exit::Finding }
}

fn report(docked: &Docked) -> Session {
    let attempt = Attempt::from(&docked.done.report);
    let mut session = Session::new(docked.session.clone(), &docked.wanted.mode, attempt);
    session.waited_micros = u64::try_from(docked.waited.as_micros()).unwrap_or(u64::MAX);
    session.folder = is_still_wanted(&docked.done).then(|| named(&docked.folder));
    match &docked.end {
        End::Engine => {}
        End::NotTaken(activity) => not_taken(&mut session, docked, activity.as_ref()),
        End::Answered(Answer::Told(record)) => told(&mut session, docked, record),
        End::Answered(Answer::Deadline(_)) if docked.step == Step::Client => {
            let waited = duration::text(docked.waited);
            let detail = format!("no client has come within {waited}; the session stays");
            session.fail("failed", "no-client", detail);
        }
        End::Answered(Answer::Deadline(seen)) => silent(&mut session, docked, seen),
        End::Answered(Answer::Ended) => {
            session.fail("failed", "target-ended", String::from("the process has ended"));
        }
        End::Answered(Answer::Cancelled) => {
            let detail = String::from("nothing more is waited for; what has begun goes on");
            session.fail("failed", Reason::Cancelled.name(), detail);
        }
    }
    session
}

/// The request is there, and the thread has not come to it.
fn not_taken(session: &mut Session, docked: &Docked, activity: Option<&Activity>) {
    let waited = duration::text(docked.waited);
    let mut detail = format!("{} has not run the script yet, after {waited}", who(&docked.done));
    session.activity = activity.map(|activity| clean(activity.to_string().as_bytes()));
    if let Some(activity) = &session.activity {
        let _ = write!(detail, "; it {activity}");
    }
    session.fail(docked.done.report.outcome.name(), "not-taken", detail);
    let remedy = activity.map_or("it runs the script when its call returns", Activity::remedy);
    session.hint = Some(format!("{remedy}; --thread any asks a thread that is running instead"));
}

/// The target has answered.
fn told(session: &mut Session, docked: &Docked, record: &Record) {
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
    let state = match (docked.step, &docked.wanted.mode) {
        (Step::Session, Mode::Listen(_)) => State::Listening,
        (Step::Session, Mode::Connect(_)) => State::Connected,
        (Step::Client | Step::Stop, _) => State::Attached,
    };
    session.outcome = state.name();
    session.break_injected = docked.step == Step::Stop;
    session.site = softdock::report::session::SITE;
    let Some(endpoint) = record.endpoint.clone() else { return };
    session.hint = docked.is_elsewhere.then(|| {
        format!(
            "the target has a network of its own, as in a container: that address is one of its \
             own, which nsenter --net=/proc/{}/ns/net leads to",
            pid(docked)
        )
    });
    session.host = Some(endpoint.host.to_string());
    session.port = Some(endpoint.port);
    let mode = match docked.wanted.mode {
        Mode::Listen(_) => Mode::Listen(endpoint),
        Mode::Connect(_) => Mode::Connect(endpoint),
    };
    let launch = LaunchConfiguration::new(pid(docked), &mode);
    session.visual_studio = launch.visual_studio();
    session.launch = Some(launch);
}

fn pid(docked: &Docked) -> u32 {
    docked.done.report.process.map_or(0, |process| process.pid)
}

/// The script runs, and has not said that it is done.
fn silent(session: &mut Session, docked: &Docked, seen: &Sidecar) {
    let waited = duration::text(docked.waited);
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
        Sidecar::Told(_) if matches!(docked.wanted.mode, Mode::Connect(_)) => Some(String::from(
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

fn tell_text(args: &Args, docked: &Docked, session: &Session, is_success: bool) {
    match (&docked.end, docked.step) {
        (End::Engine, _) if is_success => {
            output::result(&planned(&docked.done.report, &who(&docked.done)));
        }
        (End::Engine, _) => tell_failure(&docked.done.report, args.target.pid),
        _ if !is_success => output::message(&trouble(docked, session)),
        (_, Step::Session) => {
            output::result(&success(docked, session));
            output::message(&warnings(docked, session));
        }
        (_, Step::Client) => {
            let waited = duration::text(docked.waited);
            output::result(&format!("{}: a client came after {waited}", styled(GOOD, "attached")));
        }
        (_, Step::Stop) => {
            let who = who(&docked.done);
            output::result(&format!("{}: {who} stops at its next line", styled(GOOD, "stopping")));
        }
    }
}

fn success(docked: &Docked, session: &Session) -> String {
    let (listens, tail) = match (&docked.wanted.mode, session.reused) {
        (Mode::Connect(_), _) => ("is connected to", ""),
        (Mode::Listen(_), false) => ("listens at", ""),
        (Mode::Listen(_), true) => ("listens at", ", as it did before"),
    };
    let endpoint = match &docked.end {
        End::Answered(Answer::Told(record)) => record.endpoint.as_ref(),
        _ => None,
    };
    let mut text = format!(
        "{}: debugpy {} in process {} {listens} {}{tail}\n  session  {}\n",
        styled(GOOD, "ready"),
        session.debugpy.as_deref().unwrap_or_default(),
        pid(docked),
        styled(STRONG, endpoint.map(ToString::to_string).unwrap_or_default()),
        session.session,
    );
    if let (Some(launch), Mode::Listen(_)) = (&session.launch, &docked.wanted.mode) {
        let _ = writeln!(text, "  VS Code  an entry for `configurations` in launch.json:");
        for line in launch.text().lines() {
            let _ = writeln!(text, "    {line}");
        }
    }
    if let Some(target) = &session.visual_studio {
        let how = "Debug > Attach to Process, Python remote (debugpy)";
        let _ = writeln!(text, "  Visual Studio  {how}: {target}");
    }
    text
}

/// What a person should know, although it went well.
fn warnings(docked: &Docked, session: &Session) -> String {
    let (mut text, label) = (String::new(), styled(WARN, "warning:"));
    if let Mode::Listen(asked) = &docked.wanted.mode {
        if !asked.host.is_loopback() {
            let _ =
                writeln!(text, "{label} whoever can reach that port can run code in the target");
        }
        let is_there = session.port == Some(asked.port)
            && session.host.as_deref() == Some(asked.host.as_str());
        if session.reused && asked.port != 0 && !is_there {
            let _ =
                writeln!(text, "{label} not at {asked}: a process has one debugger, at one place");
        }
    }
    if let Some(elsewhere) = &session.hint {
        let _ = writeln!(text, "{label} {elsewhere}");
    }
    if let Some(patience) = docked.wanted.watch {
        let _ = writeln!(text, "waiting for a client, at most {}", duration::text(patience));
    }
    text
}

fn trouble(docked: &Docked, session: &Session) -> String {
    let reason = session.reason.unwrap_or("unexpected");
    let mut text = failure(session.outcome, session.site, reason);
    if let Some(detail) = &session.detail {
        let _ = write!(text, "\n  {detail}");
    }
    if let Some(folder) = &session.folder {
        let left = styled(WARN, format!("left in the target: {}", session.left));
        let cancel = format!("softdock debug --pid {} --cancel", pid(docked));
        let _ = write!(text, "\n  {left}; to take it back: {cancel}");
        let _ = write!(text, "\n  {}", styled(FAINT, format!("its files stay in {folder}")));
    }
    text + &hint(session.hint.as_deref())
}

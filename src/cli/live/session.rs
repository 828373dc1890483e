//! What is printed of a debugger in a target, or of why there is none: text for a person, JSON for
//! a program. What there is to tell is decided by the library; nothing here touches the target.

use std::fmt::Write;

use serde::Serialize;
use softdock::report::words;
use softdock::report::{Line, Session, Telemetry};
use softdock::session::{Docked, End, Step, Surroundings, report};
use softdock_debugpy::Mode;

use super::super::Format;
use super::super::output::{self, FAINT, GOOD, STRONG, WARN, styled};
use super::attach::planned;
use super::debug::{Live, named};
use super::{Timed, details, failure, hint, phases, tell_failure};

/// A session with what only a live one has.
#[derive(Serialize)]
struct Told<'s> {
    #[serde(flatten)]
    session: &'s Session,
    /// Who made the script that starts the debugger: `softdock`, or the file that was named.
    loader: &'s str,
}

/// Prints it all, and notes the event; returns what was told.
pub(super) fn tell(live: &Live<'_>, docked: &Docked) -> Session {
    let folder = named(live.folder());
    let around = Surroundings { folder: &folder, is_elsewhere: live.is_elsewhere() };
    let session = report(docked, live.wanted, &around);
    let (attach, front_end) = (&docked.asked.report, live.args.manner.front_end);
    live.events.note(Telemetry::of_session(attach, &session), session.summary(attach, front_end));
    if live.args.target.format == Format::Json {
        let phases = live.config.verbose.then(|| phases(&live.phases));
        let body = Told { session: &session, loader: live.loader() };
        output::json(&Line::new("debug", Timed { body, phases }));
    } else {
        if live.config.verbose {
            output::message(&details(&session.attach, &live.phases));
        }
        tell_text(live, docked, &session);
    }
    session
}

/// The thread that was asked, in words.
fn who(docked: &Docked) -> String {
    words::thread(&docked.asked.report, docked.asked.main_thread)
}

fn tell_text(live: &Live<'_>, docked: &Docked, session: &Session) {
    let (report, is_success) = (&docked.asked.report, docked.is_success());
    match (&docked.end, docked.step) {
        (End::Engine, _) if is_success => output::result(&planned(report, &who(docked))),
        (End::Engine, _) => tell_failure(report, live.args.target.pid),
        _ if !is_success => output::message(&trouble(session)),
        (_, Step::Session) => {
            output::result(&success(live, docked, session));
            output::message(&warnings(live, session));
        }
        (_, Step::Client) => {
            let waited = words::duration(docked.waited);
            output::result(&format!("{}: a client came after {waited}", styled(GOOD, "attached")));
        }
        (_, Step::Stop) => {
            let who = who(docked);
            output::result(&format!("{}: {who} stops at its next line", styled(GOOD, "stopping")));
        }
    }
}

fn success(live: &Live<'_>, docked: &Docked, session: &Session) -> String {
    let (listens, tail) = match (&live.wanted.mode, session.reused) {
        (Mode::Connect(_), _) => ("is connected to", ""),
        (Mode::Listen(_), false) => ("listens at", ""),
        (Mode::Listen(_), true) => ("listens at", ", as it did before"),
    };
    let endpoint = docked.record().and_then(|record| record.endpoint.as_ref());
    let mut text = format!(
        "{}: debugpy {} in process {} {listens} {}{tail}\n  session  {}\n",
        styled(GOOD, "ready"),
        session.debugpy.as_deref().unwrap_or_default(),
        pid(session),
        styled(STRONG, endpoint.map(ToString::to_string).unwrap_or_default()),
        session.session,
    );
    if let (Some(launch), Mode::Listen(_)) = (&session.launch, &live.wanted.mode) {
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

/// The process, or 0 where the engine did not come to know it.
fn pid(session: &Session) -> u32 {
    session.attach.process.map_or(0, |process| process.pid)
}

/// What a person should know, although it went well.
fn warnings(live: &Live<'_>, session: &Session) -> String {
    let (mut text, label) = (String::new(), styled(WARN, "warning:"));
    if let Mode::Listen(asked) = &live.wanted.mode {
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
    if let Some(patience) = live.wanted.watch {
        let _ = writeln!(text, "waiting for a client, at most {}", words::duration(patience));
    }
    text
}

fn trouble(session: &Session) -> String {
    let reason = session.reason.unwrap_or("unexpected");
    let mut text = failure(session.outcome, session.site, reason);
    if let Some(detail) = &session.detail {
        let _ = write!(text, "\n  {detail}");
    }
    if let Some(folder) = &session.folder {
        let left = styled(WARN, format!("left in the target: {}", session.left));
        let cancel = format!("softdock debug --pid {} --cancel", pid(session));
        let _ = write!(text, "\n  {left}; to take it back: {cancel}");
        let _ = write!(text, "\n  {}", styled(FAINT, format!("its files stay in {folder}")));
    }
    text + &hint(session.hint.as_deref())
}

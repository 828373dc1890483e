//! `softdock inspect` on a real process.

use std::fmt::Write;
use std::time::Duration;

use softdock::live::{Cancellation, LiveHost};
use softdock::report::{Inspection, Line, Stopped, Thread};
use softdock_attach::{Config, Outcome, Survey, SurveyedInterpreter};
use softdock_process::Threads;

use super::super::inspect::Args;
use super::super::output::{self, BAD, FAINT, GOOD, STRONG, WARN, styled};
use super::super::{Exit, Format, settings};
use super::{Timed, clean, details, open, phases};

/// The script of the rehearsal: any path will do, since nothing is written.
const REHEARSED: &[u8] = b"/tmp/script.py";

pub(crate) fn inspect(args: &Args) -> Exit {
    match look(args) {
        Ok(exit) => exit,
        Err(stopped) => {
            super::tell_stopped("inspect", args.target.format, &stopped);
            Exit::Finding
        }
    }
}

fn look(args: &Args) -> Result<Exit, Box<Stopped>> {
    let process = open(args.target.pid)?;
    let config = Config {
        thread: args.thread,
        interpreter: args.interpreter,
        verbose: args.verbose,
        ..settings::from_environment()
    };
    let mut host = LiveHost::new(process, Duration::ZERO, Cancellation::default(), |_| {});
    if args.verbose {
        host.record_phases();
    }
    let survey = softdock_attach::survey(&mut host, &config, REHEARSED);
    let main_thread = host.main_thread().ok().flatten();
    let inspection = Inspection::new(&survey, main_thread);
    match args.target.format {
        Format::Json => {
            let phases = args.verbose.then(|| phases(host.phases()));
            output::json(&Line::new("inspect", Timed { body: &inspection, phases }));
        }
        Format::Text if survey.report.version.is_none() => {
            super::tell_failure(&survey.report, args.target.pid);
        }
        Format::Text => {
            let mut page = page(args.target.pid, &survey, &inspection);
            if args.verbose {
                let _ = write!(page, "\n\n{}", details(&inspection.attempt, host.phases()));
            }
            output::result(&page);
        }
    }
    let seen = survey.report.version.is_some();
    Ok(if seen { Exit::AsAsked } else { Exit::Finding })
}

/// Everything about a target on one page.
fn page(pid: u32, survey: &Survey, inspection: &Inspection) -> String {
    let mut page = head(pid, inspection);
    for interpreter in &survey.interpreters {
        page.push_str(&threads_of(interpreter, survey, inspection.main_thread));
    }
    page.push('\n');
    page.push_str(&prospect(survey, inspection.main_thread));
    page
}

fn head(pid: u32, inspection: &Inspection) -> String {
    let attempt = &inspection.attempt;
    let mut head = format!("{}  {}\n", styled(STRONG, format!("process {pid}")), command_line(pid));
    let mut row = |name: &str, value: String| {
        let _ = writeln!(head, "  {name:<8} {value}");
    };
    row("python", format!("CPython {}", attempt.version_text().unwrap_or_default()));
    if let Some(runtime) = &attempt.runtime {
        row("runtime", format!("{}, found by {}", runtime.at.0, runtime.found_by));
    }
    if let Some(mode) = attempt.parse_mode {
        let proof = match attempt.proof {
            Some("image") => styled(GOOD, "equal to the mapped file"),
            Some(_) => styled(WARN, "proved by live memory only"),
            None => styled(WARN, "not proved"),
        };
        row("layout", format!("{mode}, {proof}"));
    }
    head
}

/// What the process was started as, the program without its folders.
fn command_line(pid: u32) -> String {
    const SHOWN: usize = 60;
    let bytes = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let bytes = bytes.strip_suffix(b"\0").unwrap_or(&bytes);
    let mut words = bytes.split(|byte| *byte == 0).map(clean);
    let program = words.next().unwrap_or_default();
    let program = program.rsplit('/').next().unwrap_or_default().to_owned();
    let text = words.fold(program, |text, word| text + " " + &word);
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text,
    }
}

fn threads_of(
    interpreter: &SurveyedInterpreter,
    survey: &Survey,
    main_thread: Option<u64>,
) -> String {
    let role = if interpreter.id == 0 { " (main)" } else { "" };
    let policy = match interpreter.remote_debugging {
        Some(true) => styled(GOOD, "on"),
        Some(false) => styled(BAD, "off"),
        None => styled(WARN, "unknown"),
    };
    let name = styled(STRONG, format!("interpreter {}{role}", interpreter.id));
    let mut text = format!("\n{name}  at {}, remote debugging {policy}\n", interpreter.at);
    if interpreter.threads.is_empty() {
        return text + "  no thread\n";
    }
    let title = format!("{:>10}        {:<14}  {:<7}  request", "thread", "state at", "now");
    let _ = writeln!(text, "  {}", styled(FAINT, title));
    let chosen = survey.report.thread.map(|thread| thread.at);
    for seen in &interpreter.threads {
        let mark = if chosen == Some(seen.at) { ">" } else { " " };
        let is_main = seen.native.is_some() && seen.native == main_thread;
        let row = thread_row(&Thread::from(seen), is_main);
        let _ = writeln!(text, "  {} {row}", styled(GOOD, mark));
    }
    text
}

fn thread_row(thread: &Thread, is_main: bool) -> String {
    let id = thread.id.map_or_else(|| String::from("?"), |id| id.to_string());
    let now = match (thread.verdict, thread.active) {
        ("ok", true) => styled(GOOD, format!("{:<7}", "running")),
        ("ok", false) => format!("{:<7}", "waiting"),
        (verdict, _) => styled(BAD, format!("{verdict:<7}")),
    };
    let request = thread.pending.as_ref().map_or_else(
        || String::from("-"),
        |script| styled(WARN, format!("pending: {}", clean(script.as_bytes()))),
    );
    let role = if is_main { "main" } else { "" };
    format!("{id:>8}  {role:<4}  {:<14}  {now}  {request}", thread.at.0.to_string())
}

/// What an attach would come to.
fn prospect(survey: &Survey, main_thread: Option<u64>) -> String {
    let report = &survey.report;
    match (report.outcome, &report.plan, report.thread) {
        (Outcome::Planned, Some(plan), Some(thread)) => {
            let is_main = u64::try_from(thread.id).ok() == main_thread;
            let role = if is_main { " (main)" } else { "" };
            let verdict = styled(GOOD, format!("would ask thread {}{role}", thread.id));
            format!(
                "an attach {verdict}, with {} bytes for the path\n  path at {}, pending flag at \
                 {}, eval breaker at {} ({:#04x} now)",
                report.layout.map_or(0, |layout| layout.thread.script_path_size),
                plan.path_at,
                plan.pending_at,
                plan.breaker_at,
                plan.old_breaker,
            )
        }
        _ => {
            let reason = report.reason.map_or("unexpected", softdock_attach::Reason::name);
            let would = format!("would be {} at {}: {reason}", report.outcome.name(), report.site);
            let hint = super::hint(report.reason.map(softdock_attach::Reason::hint));
            format!("an attach {}{hint}", styled(BAD, would))
        }
    }
}

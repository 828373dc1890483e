//! `softdock debug` on a real process: files for the target, an attach that runs them, and what the
//! target told. What is printed of it is in `session`.
//!
//! Invariant: nobody here connects to the port. debugpy takes the first connection for its client,
//! and is deaf once that one has gone without a word.

use std::borrow::Cow;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use softdock::answer::{Clock, WallClock};
use softdock::live::Cancellation;
use softdock::phases::Phase;
use softdock::report::words::clean;
use softdock::report::{Head, Stopped};
use softdock::session::{
    self, Asked, Docked, Doing, Found, SESSION_SCRIPTS, STOP_SCRIPTS, STOPPED, Step, Wanted,
};
use softdock_attach::{Config, Report};
use softdock_debugpy::{BREAKPOINT, LOADER, LOG, SESSION, SessionId, Settings, record, stub};
use softdock_live::{Answer, Process, StageError, Staging};
use softdock_process::{ErrorKind, Threads};

use super::super::attach as attach_args;
use super::super::debug::Args;
use super::super::settings::{self, Loader};
use super::super::{Exit, output, usage};
use super::attach::{attempt, cancellation, give_up, pass_gate};
use super::events::Events;
use super::loader_log::LoaderLog;
use super::session::tell;
use super::{cancel, open};

pub(crate) fn debug(args: &Args) -> Exit {
    if args.cancel {
        return cancel::cancel(args);
    }
    let asked_for = match settings::for_session(args) {
        Ok(asked_for) => asked_for,
        Err(mistake) => return usage(&format!("softdock: {mistake}")),
    };
    let config = settings::for_debug(args);
    let head = Head::new(String::new(), "debug", args.manner.front_end);
    let head = head.for_debugger(&asked_for.mode, asked_for.loader == Loader::Legacy);
    let events = Events::new(&args.manner, head);
    events.begin();
    match run(args, asked_for, &config, &events) {
        Ok(true) => Exit::AsAsked,
        Ok(false) => Exit::Finding,
        Err(stopped) => give_up(&as_attach(args, None), "debug", &events, &stopped),
    }
}

/// Whether it came to all that is asked for.
fn run(
    args: &Args,
    asked_for: settings::Wanted,
    config: &Config,
    events: &Events<'_>,
) -> Result<bool, Box<Stopped>> {
    pass_gate(config)?;
    let log = LoaderLog::new(&asked_for, config);
    let settings::Wanted { session, mode, watch, stop, loader, port_file, .. } = asked_for;
    let loader = Script::of(loader)?;
    let session = session.map_or_else(random_session, Ok)?;
    let wanted = Wanted { session, mode, timeout: args.timeout, watch, stop };
    let mut live = Live::open(args, &wanted, config, events, loader, log)?;
    live.port_file = port_file;
    let has_all = session::run(&mut live, &wanted)?;
    Ok(has_all && !live.lacks_port_file)
}

/// The script that starts the debugger.
struct Script {
    /// Who made it: `softdock`, or the file that was named.
    name: String,
    text: Cow<'static, str>,
}

impl Script {
    fn of(loader: Loader) -> Result<Script, Box<Stopped>> {
        match loader {
            Loader::Own => Ok(Script { name: String::from("softdock"), text: LOADER.into() }),
            Loader::Named(path) => {
                let name = named(&path);
                let text = std::fs::read_to_string(&path);
                let text = text.map_err(|error| unreadable(&name, &error))?;
                Ok(Script { name, text: text.into() })
            }
            Loader::Legacy => Err(Stopped::at_loader(
                "legacy-loader",
                String::from("ptvsd cannot debug CPython 3.14 or later"),
                String::from("unset PTVS_SAFE_ATTACH_LEGACY_PTvsd: debugpy is started then"),
            )),
        }
    }
}

fn unreadable(loader: &str, error: &std::io::Error) -> Box<Stopped> {
    Stopped::at_loader(
        "loader-unreadable",
        format!("{loader}: {error}"),
        String::from("PTVS_SAFE_ATTACH_LOADER_OVERRIDE must name a script that is there, or go"),
    )
}

/// The same request, as `attach` would be asked to run a script.
pub(super) fn as_attach(args: &Args, script: Option<PathBuf>) -> attach_args::Args {
    attach_args::Args {
        script,
        target: args.target,
        whom: args.whom,
        timeout: args.timeout,
        no_wait: false,
        cancel: false,
        manner: args.manner.clone(),
    }
}

/// A live target, and what is held as long as the command goes on.
pub(super) struct Live<'d> {
    pub(super) args: &'d Args,
    pub(super) config: &'d Config,
    pub(super) wanted: &'d Wanted,
    pub(super) events: &'d Events<'d>,
    loader: Script,
    log: LoaderLog,
    port_file: Option<PathBuf>,
    lacks_port_file: bool,
    cancellation: Cancellation,
    /// The target, to look at while the engine has its own hold of it.
    watched: Process,
    staging: Staging,
    clock: WallClock,
    /// What each step of the last attempt cost.
    pub(super) phases: Vec<Phase>,
}

impl<'d> Live<'d> {
    fn open(
        args: &'d Args,
        wanted: &'d Wanted,
        config: &'d Config,
        events: &'d Events<'d>,
        loader: Script,
        log: LoaderLog,
    ) -> Result<Live<'d>, Box<Stopped>> {
        let cancellation = cancellation()?;
        let watched = open(args.target.pid)?;
        let staging = watched.stage().map_err(|error| unstaged(&error))?;
        let (clock, phases) = (WallClock::start(), Vec::new());
        let (port_file, lacks_port_file) = (None, false);
        Ok(Live {
            args,
            config,
            wanted,
            events,
            loader,
            log,
            port_file,
            lacks_port_file,
            cancellation,
            watched,
            staging,
            clock,
            phases,
        })
    }

    /// Who made the script that starts the debugger.
    pub(super) fn loader(&self) -> &str {
        &self.loader.name
    }

    /// Where the files are, as the target names it.
    pub(super) fn folder(&self) -> &Path {
        self.staging.path()
    }

    /// Whether the target's network is another one than ours.
    pub(super) fn is_elsewhere(&self) -> bool {
        self.watched.shares_network() == Some(false)
    }
}

impl Clock for Live<'_> {
    fn now(&mut self) -> Duration {
        self.clock.now()
    }

    fn sleep(&mut self, duration: Duration) {
        self.clock.sleep(duration);
    }
}

impl session::Dock for Live<'_> {
    type Stopped = Box<Stopped>;

    fn attempt(&mut self, step: Step) -> Result<Asked, Box<Stopped>> {
        let stub = match step {
            Step::Session | Step::Client => {
                let log = self.log.is_wanted();
                put_files(self.args, self.wanted, &self.loader.text, log, &mut self.staging)?
            }
            Step::Stop => {
                self.events.begin();
                put_breakpoint(&mut self.staging)?
            }
        };
        let process = the_same(&mut self.watched)?;
        let attach = as_attach(self.args, Some(stub));
        let done = attempt(process, &attach, self.config, self.events, self.cancellation.clone())?;
        self.phases = done.phases;
        Ok(Asked { report: done.report, waited: done.waited, main_thread: done.main_thread })
    }

    fn is_gone(&mut self) -> bool {
        self.watched.identity() == Err(ErrorKind::Gone)
    }

    fn answer(&mut self, name: &str) -> Found {
        match self.staging.answer(name) {
            Ok(Answer::Bytes(bytes)) => Found::Bytes(bytes),
            Ok(Answer::Owner { uid }) => Found::OtherOwner(uid),
            Ok(Answer::Kind) => Found::NoFile,
            Ok(Answer::None) | Err(_) => Found::Nothing,
        }
    }

    fn is_cancelled(&mut self) -> bool {
        self.cancellation.is_cancelled()
    }

    fn doing(&mut self, report: &Report) -> Option<Doing> {
        let thread = u64::try_from(report.thread?.id).ok()?;
        let activity = self.watched.activity(thread).ok()?;
        let what = clean(activity.to_string().as_bytes());
        Some(Doing { what, remedy: activity.remedy() })
    }

    fn tell(&mut self, docked: &Docked) {
        if self.log.is_wanted()
            && let Ok(Answer::Bytes(log)) = self.staging.answer(LOG)
        {
            self.log.tell(&log);
        }
        let port = tell(self, docked).port.filter(|_| docked.step == Step::Session);
        if let (Some(file), Some(port)) = (&self.port_file, port)
            && let Err(error) = write_port(file, port)
        {
            self.lacks_port_file = true;
            let file = named(file);
            output::message(&format!("softdock: cannot write the port to {file}: {error}"));
        }
    }

    fn remove_files(&mut self) {
        self.staging.remove(&ANSWERS);
    }
}

/// All that the target may write.
pub(super) const ANSWERS: [&str; 4] = [record::NAME, record::UNFINISHED, STOPPED, LOG];

/// Opens the process once more, for the engine. Both hold the very process, and it is the same.
fn the_same(watched: &mut Process) -> Result<Process, Box<Stopped>> {
    let pid = watched.pid();
    let mut process = open(pid)?;
    match (watched.identity(), process.identity()) {
        (Ok(before), Ok(now)) if before == now => Ok(process),
        _ => Err(Stopped::at_open("not-found", format!("process {pid} has just ended"))),
    }
}

fn random_session() -> Result<SessionId, Box<Stopped>> {
    let bits = softdock_live::random_bits();
    bits.map(SessionId::from_bits).map_err(|kind| {
        Stopped::at_open("system", format!("no random bits for the name of the session: {kind}"))
    })
}

fn unstaged(error: &StageError) -> Box<Stopped> {
    let hint = match error {
        StageError::NotGiven { uid } => format!("run softdock as user {uid}, or as root"),
        _ => String::from("the target must have /tmp, /var/tmp or /dev/shm, and be able to use it"),
    };
    Stopped::at_preflight("no-folder", error.to_string(), hint)
}

/// Writes the loader, and the stub that names it; returns where the stub is.
fn put_files(
    args: &Args,
    wanted: &Wanted,
    text: &str,
    log: bool,
    staging: &mut Staging,
) -> Result<PathBuf, Box<Stopped>> {
    let [stub, loader, rest] = SESSION_SCRIPTS;
    let rest = bytes(&put(staging, rest, SESSION)?);
    let answers = bytes(&staging.answers());
    let (bundle, python) = (args.debugpy.as_deref(), args.python.as_deref());
    let (bundle, python) = (bundle.map(bytes), python.map(bytes));
    let settings = Settings {
        session: &wanted.session,
        mode: &wanted.mode,
        answers: &answers,
        rest: &rest,
        bundle: bundle.as_deref(),
        python: python.as_deref(),
        in_process: args.in_process,
        subprocesses: args.subprocesses,
        log,
        patience: args.timeout,
        watch: wanted.watch.unwrap_or_default(),
    };
    let loader = put(staging, loader, text)?;
    put(staging, stub, &stub::stub(&bytes(&loader), &settings))
}

/// The same for the breakpoint.
fn put_breakpoint(staging: &mut Staging) -> Result<PathBuf, Box<Stopped>> {
    let answer = bytes(&staging.answers().join(STOPPED));
    let [stub, breakpoint] = STOP_SCRIPTS;
    let breakpoint = put(staging, breakpoint, BREAKPOINT)?;
    put(staging, stub, &stub::break_stub(&bytes(&breakpoint), &answer))
}

fn put(staging: &mut Staging, name: &str, text: &str) -> Result<PathBuf, Box<Stopped>> {
    staging.put(name, text.as_bytes()).map_err(|error| unstaged(&error))
}

/// Whoever waits for the file finds the whole port, or none.
fn write_port(file: &Path, port: u16) -> std::io::Result<()> {
    let mut unfinished = file.as_os_str().to_owned();
    unfinished.push(format!(".{}.new", std::process::id()));
    let written = std::fs::write(&unfinished, format!("{port}\n"));
    written.and_then(|()| std::fs::rename(&unfinished, file)).inspect_err(|_| {
        // It says what is wrong with the other one.
        let _ = std::fs::remove_file(&unfinished);
    })
}

fn bytes(path: &Path) -> Vec<u8> {
    path.as_os_str().as_bytes().to_vec()
}

/// A path of the target, for a person.
pub(super) fn named(path: &Path) -> String {
    clean(path.as_os_str().as_bytes())
}

//! The settings of the live commands: environment first, command line over it. The environment is
//! looked at once; what is not understood is told once. One variable is read with the command line,
//! `PTVS_SIMULATE_PARTIAL_WRITE`.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use softdock_attach::Config;
use softdock_debugpy::endpoint::Host;
use softdock_debugpy::{Endpoint, Mode, SessionId};

use super::{attach, debug, output};

/// What the environment asks for.
pub(crate) fn from_environment() -> Config {
    let variables = snapshot(std::env::vars_os());
    let pairs = variables.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let (config, warnings) = Config::from_variables(pairs);
    for warning in warnings {
        output::message(&format!("softdock: {warning}"));
    }
    config
}

/// In order, so that warnings come in one order.
fn snapshot(variables: impl Iterator<Item = (OsString, OsString)>) -> BTreeMap<String, String> {
    variables
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value)))
        .filter(|(name, _)| name.starts_with("PTVS_"))
        .map(|(name, value)| (name, value.to_string_lossy().into_owned()))
        .collect()
}

/// What the command line asks for on top.
pub(crate) fn for_attach(args: &attach::Args) -> Config {
    Config { confirm: !args.no_wait, ..on_top(&args.whom, &args.manner) }
}

/// The same, for a request that is always waited for.
pub(crate) fn for_debug(args: &debug::Args) -> Config {
    Config { confirm: true, ..on_top(&args.whom, &args.manner) }
}

fn on_top(whom: &attach::Whom, manner: &attach::Manner) -> Config {
    let config = from_environment();
    Config {
        write: config.write && !manner.dry_run,
        thread: whom.thread,
        interpreter: whom.interpreter,
        allow_unproven: config.allow_unproven || manner.allow_unproven,
        use_cache: config.use_cache && !manner.no_cache,
        freeze: manner.freeze,
        verbose: config.verbose || manner.verbose,
        ..config
    }
}

/// Which session is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// Its name, if it has one already.
    pub(crate) session: Option<SessionId>,
    /// Who listens, and where.
    pub(crate) mode: Mode,
    /// How long a client is waited for, if at all.
    pub(crate) watch: Option<Duration>,
    /// Whether a thread shall stop for it.
    pub(crate) stop: bool,
    /// What starts the debugger.
    pub(crate) loader: Loader,
    /// Where the port is written to, for whoever waits for it.
    pub(crate) port_file: Option<PathBuf>,
    /// Where it is appended to what the loader did.
    pub(crate) log_file: Option<PathBuf>,
    /// Whether that is told on standard error.
    pub(crate) is_loader_verbose: bool,
}

/// The script that starts the debugger. The first that is asked for is taken, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Loader {
    /// A file of ours, by PTVS_SAFE_ATTACH_LOADER_OVERRIDE.
    Named(PathBuf),
    /// The one that starts ptvsd, by PTVS_SAFE_ATTACH_LEGACY_PTvsd=1.
    Legacy,
    /// The one that softdock brings along, and has wherever nothing else is asked for.
    Own,
}

/// The session that environment and command line ask for.
///
/// # Errors
/// When a variable does not read. It is not left out: the session would be at another place.
pub(crate) fn for_session(args: &debug::Args) -> Result<Wanted, String> {
    session(args, &snapshot(std::env::vars_os()))
}

fn session(args: &debug::Args, variables: &BTreeMap<String, String>) -> Result<Wanted, String> {
    let is_on = |name: &str| variables.get(name).is_some_and(|value| value == "1");
    let named = variable(variables, "PTVS_DEBUG_SESSION")?;
    let stop = args.stop || is_on("PTVS_DEBUG_BREAK");
    let is_awaited: Option<String> = variable(variables, "PTVS_WAIT_FOR_CLIENT")?;
    let waits = stop || !args.no_wait && is_awaited.is_none_or(|value| value == "1");
    let mode = mode(args, variables)?;
    let port_file = args.port_file.clone().map_or_else(|| variable(variables, PORT_FILE), given)?;
    let log_file = args.log_file.clone().map_or_else(|| variable(variables, LOG_FILE), given)?;
    Ok(Wanted {
        session: args.session.clone().or(named),
        // Who listens elsewhere knows its port.
        port_file: port_file.filter(|_| matches!(mode, Mode::Listen(_))),
        mode,
        watch: waits.then_some(args.client_timeout),
        stop,
        loader: loader(variables)?,
        log_file,
        is_loader_verbose: is_on("PTVS_SAFE_ATTACH_LOADER_VERBOSE"),
    })
}

const PORT_FILE: &str = "PTVS_DEBUG_PORT_FILE";
const LOG_FILE: &str = "PTVS_DEBUG_LOG_FILE";

fn loader(variables: &BTreeMap<String, String>) -> Result<Loader, String> {
    let named = variable(variables, "PTVS_SAFE_ATTACH_LOADER_OVERRIDE")?;
    let is_legacy = variables.get("PTVS_SAFE_ATTACH_LEGACY_PTvsd").is_some_and(|it| it == "1");
    let built_in = if is_legacy { Loader::Legacy } else { Loader::Own };
    Ok(named.map_or(built_in, Loader::Named))
}

/// Both sides connecting would be nobody listening, so that whoever says where the target shall
/// listen is not overruled by where somebody else does.
fn mode(args: &debug::Args, variables: &BTreeMap<String, String>) -> Result<Mode, String> {
    const FORCE: &str = "PTVS_SAFE_ATTACH_FORCE_CONNECT";
    if let Some(endpoint) = &args.connect {
        return Ok(Mode::Connect(endpoint.clone()));
    }
    let local = || Host::from_str("127.0.0.1");
    if args.host.is_none() && args.port.is_none() && !args.in_process {
        let host = variable(variables, "PTVS_DEBUGPY_CLIENT_HOST")?;
        let port: Option<u16> = variable(variables, "PTVS_DEBUGPY_CLIENT_PORT")?;
        if let Some(port) = port.filter(|port| *port > 0) {
            return Ok(Mode::Connect(Endpoint { host: host.map_or_else(local, Ok)?, port }));
        }
        if variables.get(FORCE).is_some_and(|value| value == "1") {
            return Err(format!("{FORCE}=1 needs a port in PTVS_DEBUGPY_CLIENT_PORT"));
        }
    }
    let host = args.host.clone().map_or_else(|| variable(variables, "PTVS_DEBUG_HOST"), given)?;
    let port = args.port.map_or_else(|| variable(variables, "PTVS_DEBUG_PORT"), given)?;
    let host = host.map_or_else(local, Ok)?;
    Ok(Mode::Listen(Endpoint { host, port: port.unwrap_or(0) }))
}

fn given<T>(value: T) -> Result<Option<T>, String> {
    Ok(Some(value))
}

/// What a variable holds; none if it is not set, or empty.
fn variable<T: FromStr<Err: ToString>>(
    variables: &BTreeMap<String, String>,
    name: &str,
) -> Result<Option<T>, String> {
    let Some(value) = variables.get(name).filter(|value| !value.is_empty()) else {
        return Ok(None);
    };
    let read = value.parse().map(Some);
    read.map_err(|error: T::Err| format!("{name}={value}: {}", error.to_string()))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        args: debug::Args,
    }

    fn wanted(line: &str, environment: &str) -> Result<Wanted, String> {
        let words = format!("debug --pid 1 {line}");
        let args = Line::try_parse_from(words.split_whitespace()).expect("a command line").args;
        let pairs = environment.split_whitespace().filter_map(|pair| pair.split_once('='));
        let variables = pairs.map(|(name, value)| (format!("PTVS_{name}"), value.to_owned()));
        session(&args, &variables.collect())
    }

    /// What a command line and an environment lead to: mode, endpoint, seconds of waiting, stop.
    fn read(line: &str, environment: &str) -> Result<String, String> {
        let wanted = wanted(line, environment)?;
        let (mode, endpoint) = (wanted.mode.name(), wanted.mode.endpoint());
        let watch = wanted.watch.map_or(0, |watch| watch.as_secs());
        let session = wanted.session.map_or_else(|| String::from("-"), |id| id.to_string());
        Ok(format!("{session} {mode} {endpoint} {watch} {}", wanted.stop))
    }

    #[track_caller]
    fn check(line: &str, environment: &str, expected: &str) {
        assert_eq!(read(line, environment).as_deref(), Ok(expected), "{line} {environment}");
    }

    #[test]
    fn the_command_line_goes_before_the_environment() {
        check("", "", "- listen 127.0.0.1:0 300 false");
        check("", "DEBUG_HOST=::1 DEBUG_PORT=7 DEBUG_SESSION=s", "s listen [::1]:7 300 false");
        check("--port 8", "DEBUG_HOST=::1 DEBUG_PORT=7", "- listen [::1]:8 300 false");
        check("--host h --session t", "DEBUG_SESSION=s DEBUG_PORT=7", "t listen h:7 300 false");
        check("--port 0", "DEBUG_PORT=7 DEBUG_HOST=", "- listen 127.0.0.1:0 300 false");
    }

    #[test]
    fn a_session_listens_unless_a_client_does() {
        let client = "DEBUGPY_CLIENT_HOST=c DEBUGPY_CLIENT_PORT=7";
        check("", client, "- connect c:7 300 false");
        check("", "DEBUGPY_CLIENT_PORT=7 DEBUG_PORT=8", "- connect 127.0.0.1:7 300 false");
        check("--port 9", client, "- listen 127.0.0.1:9 300 false");
        check("--in-process", client, "- listen 127.0.0.1:0 300 false");
        check("--connect d:8", client, "- connect d:8 300 false");
        check("", "DEBUGPY_CLIENT_PORT=0", "- listen 127.0.0.1:0 300 false");
        check("--port 9", "SAFE_ATTACH_FORCE_CONNECT=1", "- listen 127.0.0.1:9 300 false");
        assert!(read("", "SAFE_ATTACH_FORCE_CONNECT=1").is_err());
    }

    #[test]
    fn a_stop_waits_for_a_client() {
        check("--break --client-timeout 9s", "", "- listen 127.0.0.1:0 9 true");
        check("", "DEBUG_BREAK=1", "- listen 127.0.0.1:0 300 true");
        check("--break", "WAIT_FOR_CLIENT=0", "- listen 127.0.0.1:0 300 true");
    }

    #[test]
    fn a_client_is_waited_for_unless_it_is_not() {
        check("", "WAIT_FOR_CLIENT=1 DEBUG_BREAK=0", "- listen 127.0.0.1:0 300 false");
        check("", "WAIT_FOR_CLIENT=", "- listen 127.0.0.1:0 300 false");
        check("", "WAIT_FOR_CLIENT=0", "- listen 127.0.0.1:0 0 false");
        check("", "WAIT_FOR_CLIENT=yes", "- listen 127.0.0.1:0 0 false");
        check("--no-wait", "WAIT_FOR_CLIENT=1", "- listen 127.0.0.1:0 0 false");
        check("--client-timeout 9s", "", "- listen 127.0.0.1:0 9 false");
    }

    #[test]
    fn the_loader_that_is_named_goes_before_the_old_one() {
        let loader = |environment| wanted("", environment).map(|wanted| wanted.loader);
        let named = Loader::Named(PathBuf::from("/a.py"));
        assert_eq!(loader(""), Ok(Loader::Own));
        assert_eq!(loader("SAFE_ATTACH_LEGACY_PTvsd=1"), Ok(Loader::Legacy));
        assert_eq!(loader("SAFE_ATTACH_LEGACY_PTvsd=yes"), Ok(Loader::Own));
        assert_eq!(loader("SAFE_ATTACH_LOADER_OVERRIDE=/a.py"), Ok(named.clone()));
        let both = "SAFE_ATTACH_LEGACY_PTvsd=1 SAFE_ATTACH_LOADER_OVERRIDE=/a.py";
        assert_eq!(loader(both), Ok(named));
    }

    #[test]
    fn who_connects_elsewhere_needs_no_port_file() {
        let port_file = |line, environment| wanted(line, environment).map(|it| it.port_file);
        let file = |name| Ok(Some(PathBuf::from(name)));
        assert_eq!(port_file("", "DEBUG_PORT_FILE=/p"), file("/p"));
        assert_eq!(port_file("--port-file q", "DEBUG_PORT_FILE=/p"), file("q"));
        assert_eq!(port_file("--connect h:7", "DEBUG_PORT_FILE=/p"), Ok(None));
    }

    #[test]
    fn what_the_loader_does_is_told_where_it_is_asked_for() {
        let log = |line, environment| {
            let wanted = wanted(line, environment).expect("a session");
            (wanted.log_file, wanted.is_loader_verbose)
        };
        assert_eq!(log("", "SAFE_ATTACH_LOADER_VERBOSE=yes DEBUG_LOG_FILE="), (None, false));
        assert_eq!(log("", "SAFE_ATTACH_LOADER_VERBOSE=1"), (None, true));
        assert_eq!(log("", "DEBUG_LOG_FILE=/l"), (Some("/l".into()), false));
        assert_eq!(log("--log-file m", "DEBUG_LOG_FILE=/l"), (Some("m".into()), false));
    }

    #[test]
    fn what_does_not_read_is_an_error() {
        for wrong in ["DEBUG_PORT=x", "DEBUG_HOST=a/b", "DEBUG_SESSION=../x"] {
            let error = read("", wrong).expect_err("a mistake");
            assert!(error.contains(&format!("PTVS_{wrong}: ")), "{error}");
        }
    }
}

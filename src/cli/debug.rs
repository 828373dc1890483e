//! `softdock debug`: its arguments. What it does is in `live`.

use std::path::PathBuf;
use std::time::Duration;

use softdock_debugpy::endpoint::Host;
use softdock_debugpy::{Endpoint, SessionId};

use super::attach::{Manner, Target, Whom};
use super::duration;

/// Start debugpy in a running Python, ready for an editor to connect to.
///
/// A thread of the target is asked to run a script, as by `attach`; that thread only starts another
/// one, which imports debugpy and lets it listen. What an editor must be told is printed then.
///
/// debugpy is the target's own, unless another one is named. Once it listens it stays until the
/// process ends, whether or not a client is connected: asking again leads to the same place.
///
/// Child processes are not debugged unless that is asked for: each would wait for a client of its
/// own.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) target: Target,

    /// The address at which the target listens; 127.0.0.1, unless PTVS_DEBUG_HOST says otherwise.
    /// Whoever can reach it can run code in the target.
    #[arg(long, value_name = "HOST")]
    pub(crate) host: Option<Host>,

    /// The port at which the target listens; any that is free, unless PTVS_DEBUG_PORT says
    /// otherwise.
    #[arg(long, value_name = "PORT")]
    pub(crate) port: Option<u16>,

    /// Write the port at which the target listens to this file, a line of digits, as soon as it is
    /// known; the same as PTVS_DEBUG_PORT_FILE.
    #[arg(long, value_name = "FILE", conflicts_with = "connect")]
    pub(crate) port_file: Option<PathBuf>,

    /// Append to this file what the loader does in the target, step by step; the same as
    /// PTVS_DEBUG_LOG_FILE. With PTVS_SAFE_ATTACH_LOADER_VERBOSE=1 or --verbose it is told on
    /// standard error.
    #[arg(long, value_name = "FILE")]
    pub(crate) log_file: Option<PathBuf>,

    /// Let the target connect to a debug adapter that listens already, instead of listening itself;
    /// PTVS_DEBUGPY_CLIENT_HOST and PTVS_DEBUGPY_CLIENT_PORT say the same.
    #[arg(long, value_name = "HOST:PORT", conflicts_with_all = ["host", "port"])]
    pub(crate) connect: Option<Endpoint>,

    /// Do not wait until a client is there and has set its breakpoints, as with
    /// PTVS_WAIT_FOR_CLIENT=0: it may come at any time.
    #[arg(long, conflicts_with = "stop")]
    pub(crate) no_wait: bool,

    /// As soon as a client is there, stop the thread where it is, as with PTVS_DEBUG_BREAK=1. Waits
    /// for the client.
    #[arg(long = "break")]
    pub(crate) stop: bool,

    /// How long to wait for a client.
    #[arg(long, value_name = "DURATION", default_value = "5m", value_parser = duration::parse)]
    pub(crate) client_timeout: Duration,

    /// The name of the session; without it, and without PTVS_DEBUG_SESSION, one is made at random.
    #[arg(long, value_name = "ID")]
    pub(crate) session: Option<SessionId>,

    /// How long to wait for the thread, and then for debugpy to be ready: 250ms, 5s, 2m.
    #[arg(long, value_name = "DURATION", default_value = "15s", value_parser = duration::parse)]
    pub(crate) timeout: Duration,

    /// A folder that holds debugpy, as the target names it, instead of the one that it has.
    #[arg(long, value_name = "FOLDER", value_parser = absolute)]
    pub(crate) debugpy: Option<PathBuf>,

    /// The interpreter that runs the debug adapter, as the target names it; by default the one
    /// that the target says it is.
    #[arg(long, value_name = "PROGRAM", value_parser = absolute)]
    pub(crate) python: Option<PathBuf>,

    /// Debug the target's child processes as well.
    #[arg(long)]
    pub(crate) subprocesses: bool,

    /// Let debugpy speak to the editor itself, instead of through an adapter in a process of its
    /// own: it listens in half the time, and needs no interpreter to run one.
    #[arg(long, conflicts_with_all = ["connect", "python", "subprocesses"])]
    pub(crate) in_process: bool,

    /// Take back requests for a debugger that no thread has come to yet, whichever was asked, and
    /// take their files away. A debugger that is there stays.
    #[arg(long, conflicts_with_all = OF_A_SESSION)]
    pub(crate) cancel: bool,

    #[command(flatten)]
    pub(crate) whom: Whom,

    #[command(flatten)]
    pub(crate) manner: Manner,
}

/// What says which session is wanted, and of whom.
const OF_A_SESSION: [&str; 15] = [
    "host",
    "port",
    "connect",
    "no_wait",
    "stop",
    "client_timeout",
    "session",
    "timeout",
    "debugpy",
    "python",
    "subprocesses",
    "in_process",
    "thread",
    "interpreter",
    "freeze",
];

const EXAMPLES: &str = "\
Examples:
  softdock debug --pid 4711
      Let debugpy listen in process 4711, at any free port of 127.0.0.1.
  softdock debug --pid 4711 --port 5678 --no-wait
      The same at a port that an editor knows already; it may connect later.
  softdock debug --pid 4711 --break
      Stop it where it is, as soon as an editor has connected.
  softdock debug --pid 4711 --connect 127.0.0.1:5678
      An editor listens there (\"listen\" in its launch.json): let the target connect to it.
  softdock debug --pid 4711 --thread any
      Ask whatever thread is running: the main one may be blocked.
  softdock debug --pid 4711 --in-process
      The same without an adapter: ready sooner, but child processes cannot be debugged.
  softdock debug --pid 4711 --cancel
      The thread never looked: take the request back.
  softdock debug --pid 4711 --debugpy /opt/debugpy
      The target has no debugpy: use what `pip install --target /opt/debugpy debugpy` put there.";

/// Where the target looks from is not where we are.
fn absolute(text: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(text);
    if path.is_absolute() {
        return Ok(path);
    }
    Err(String::from("expected an absolute path, as the target names it"))
}

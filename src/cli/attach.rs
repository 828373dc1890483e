//! `softdock attach`: its arguments. What it does is in `live`.

use std::path::PathBuf;
use std::time::Duration;

use softdock::frontend::FrontEnd;
use softdock_attach::ThreadChoice;

use super::{Format, duration, front_end};

/// Ask a thread of a running Python to run a script.
///
/// The script runs in that thread, between two of its bytecode instructions, in a namespace of its
/// own. Nothing is written to the process before everything that can be known of it was proved;
/// what was written is read back, and taken back when something fails.
///
/// "Took" means that the thread has begun to run the script. What the script prints, and a
/// traceback if it fails, appears where the target's own output goes.
///
/// A thread that is blocked outside the interpreter (in a sleep, a lock, a read) runs the script
/// when it returns. Then the request stays in place, "armed", and the exit code is 0: --thread any
/// picks a thread that is running, --cancel takes the request back, and so does Ctrl-C while this
/// command waits.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct Args {
    /// The script, as the target names it; a relative path is taken from here.
    #[arg(required_unless_present = "cancel", value_name = "SCRIPT")]
    pub(crate) script: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) target: Target,

    #[command(flatten)]
    pub(crate) whom: Whom,

    /// How long to wait for the thread to take the script: 250ms, 5s, 2m.
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = duration::parse)]
    pub(crate) timeout: Duration,

    /// Do not wait: leave the request armed.
    #[arg(long, conflicts_with = "timeout")]
    pub(crate) no_wait: bool,

    /// Take back a request that is still pending; with SCRIPT, only one for that script.
    #[arg(long, conflicts_with_all = ["no_wait", "timeout"])]
    pub(crate) cancel: bool,

    #[command(flatten)]
    pub(crate) manner: Manner,
}

const EXAMPLES: &str = "\
Examples:
  softdock attach --pid 4711 hello.py
      Run hello.py in the main thread of process 4711, and wait until it has taken it.
  softdock attach --pid 4711 --thread any --timeout 30s dump.py
      The same in whatever thread is running.
  softdock attach --pid 4711 --dry-run hello.py
      Write nothing; show what would be written, and where.
  softdock attach --pid 4711 --front-end concord hello.py
      As a native debugger would: stop it, look twice, write, and let it go on.
  softdock attach --pid 4711 --cancel
      Take back whatever is pending in the main thread.
  softdock attach --pid 4711 /app/hello.py
      A process in a container names its own files: put the script below /proc/4711/root/app first.";

/// Which process, and how to talk about it.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct Target {
    /// The process.
    #[arg(long, short, value_name = "PID")]
    pub(crate) pid: u32,

    /// How to print the result.
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t)]
    pub(crate) format: Format,
}

/// Whom to ask.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct Whom {
    /// Which thread: `main`, `any` (one that is running, else the main one), or a native id as the
    /// target numbers it.
    #[arg(long, value_name = "THREAD", default_value = "main", value_parser = thread_choice)]
    pub(crate) thread: ThreadChoice,

    /// Which interpreter, by its id; `inspect` lists them.
    #[arg(long, value_name = "ID", default_value_t = 0)]
    pub(crate) interpreter: i64,
}

/// How to go about it.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Manner {
    /// Do everything up to the first write, and say what would be written.
    #[arg(long)]
    pub(crate) dry_run: bool,

    /// Which front end attaches: `managed` reads any range of memory while the target runs;
    /// `concord` stops all its threads first, reads whole pages, looks twice, and writes only if it
    /// comes to the same twice. For that long the target does nothing, and nothing may wait for it.
    #[arg(
        long,
        value_name = "FRONT_END",
        default_value = "managed",
        value_parser = front_end,
        hide_default_value = true,
    )]
    pub(crate) front_end: FrontEnd,

    /// Stop all threads of the target while it is looked at for the last time and written to: for
    /// some tens of microseconds, longer with many threads. Needs that no other debugger traces it.
    #[arg(long)]
    pub(crate) freeze: bool,

    /// Write even where the mapped file could not confirm the layout. At your own risk.
    #[arg(long)]
    pub(crate) allow_unproven: bool,

    /// Do not use what an earlier attach remembered of this process, and remember nothing of it;
    /// the same as PTVS_SAFE_ATTACH_MANAGED_NO_CACHE=1.
    #[arg(long)]
    pub(crate) no_cache: bool,

    /// Let only half of the N-th write land, counted from 1: shows on a real process that what
    /// fails half-way is taken back.
    #[arg(
        long,
        value_name = "N",
        env = "PTVS_SIMULATE_PARTIAL_WRITE",
        hide_env_values = true,
        value_parser = write_number,
    )]
    pub(crate) simulate_partial_write: Option<u32>,

    /// Append telemetry to this file, or write it to standard error for `-`: two lines of JSON an
    /// attempt, without paths and ids. `softdock schema` tells what is in them.
    #[arg(long, value_name = "FILE")]
    pub(crate) telemetry: Option<PathBuf>,

    /// Tell on standard error what was found and what each step cost.
    #[arg(long, short)]
    pub(crate) verbose: bool,
}

pub(crate) fn thread_choice(text: &str) -> Result<ThreadChoice, String> {
    match text {
        "main" => Ok(ThreadChoice::Main),
        "any" => Ok(ThreadChoice::Any),
        id => match id.parse() {
            Ok(id) if id > 0 => Ok(ThreadChoice::Native(id)),
            _ => Err(String::from("expected main, any, or a thread's id")),
        },
    }
}

/// An empty variable is one that is not set: there is no write 0.
fn write_number(text: &str) -> Result<u32, String> {
    match text.parse() {
        _ if text.is_empty() => Ok(0),
        Ok(number) if number > 0 => Ok(number),
        _ => Err(String::from("expected the number of a write, from 1")),
    }
}

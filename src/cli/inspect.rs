//! `softdock inspect`: its arguments. What it does is in `live`.

use softdock_attach::ThreadChoice;

use super::attach::{Target, thread_choice};

/// Look at a running Python without touching it.
///
/// Shows the runtime and how it was found, how its layout was read and proved, the interpreters
/// and their threads, scripts that are pending, and what an attach would come to. Only reads.
///
/// Exits with 1 when there is no Python to be seen; an attach that would be refused is no failure
/// of looking.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) target: Target,

    /// The thread that an attach would be asked for: `main`, `any`, or a native id.
    #[arg(long, value_name = "THREAD", default_value = "main", value_parser = thread_choice)]
    pub(crate) thread: ThreadChoice,

    /// The interpreter that an attach would be asked for.
    #[arg(long, value_name = "ID", default_value_t = 0)]
    pub(crate) interpreter: i64,

    /// Tell all that is known, and what each step cost.
    #[arg(long, short)]
    pub(crate) verbose: bool,
}

const EXAMPLES: &str = "\
Examples:
  softdock inspect --pid 4711
  softdock inspect --pid 4711 --format json | jq '.interpreters[].threads[].id'";

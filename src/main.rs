//! The command `softdock`: reads the command line and hands over. Exit codes: 0 as asked, 1 a
//! finding (live: refused or failed), 2 usage, 101 a bug.

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main()
}

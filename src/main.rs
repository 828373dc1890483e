//! The command `softdock`: reads the command line and hands over. Exit codes: 0 as asked, 1 a
//! finding (live: refused or failed), 2 usage, 101 a bug.

#![cfg_attr(not(target_os = "linux"), allow(dead_code, reason = "live commands are for Linux"))]

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main()
}

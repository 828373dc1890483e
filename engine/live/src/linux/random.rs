//! Names that nobody can have taken before, or guess: random bits of the system. Nothing that the
//! engine decides depends on them.

use std::fs::File;
use std::io::Read;

use softdock_process::ErrorKind;

use super::handle::kind_of_io;

/// 128 of them.
///
/// # Errors
/// When the system has none to give.
pub fn random_bits() -> Result<u128, ErrorKind> {
    let mut bits = [0; 16];
    let read = File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut bits));
    read.map_err(|error| kind_of_io(&error))?;
    Ok(u128::from_ne_bytes(bits))
}

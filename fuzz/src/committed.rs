//! The committed scenarios, read from their folder: for seeds, and for `schedule`, which has them
//! in its memory. They are found beside this crate, on the machine that built it.

use std::path::{Path, PathBuf};

use softdock::corpus;
use softdock::scenario::Scenario;

/// All of them by name, in its order.
///
/// # Panics
/// When they are not there or do not read.
#[must_use]
pub fn scenarios() -> Vec<(String, Scenario)> {
    let folder: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios");
    let files = corpus::find(&[folder]).unwrap_or_else(|mistake| panic!("{mistake}"));
    let read = |path: &Path, name| {
        let entry = corpus::load(path, name).unwrap_or_else(|mistake| panic!("{mistake}"));
        (entry.name, entry.scenario)
    };
    files.iter().map(|(path, name)| read(path, name)).collect()
}

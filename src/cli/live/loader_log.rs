//! What the loader logs in the target, as far as it was told here: appended to a file, told on
//! standard error, or both. The target writes it, so that nothing in it is believed.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::PathBuf;

use softdock::report::words::clean;
use softdock_attach::Config;

use super::super::output::{self, FAINT, styled};
use super::super::settings::Wanted;
use super::debug::named;

/// Where it goes, and how much of it has gone there.
pub(super) struct LoaderLog {
    file: Option<PathBuf>,
    is_verbose: bool,
    told: usize,
}

impl LoaderLog {
    /// As environment and command line ask for it.
    pub(super) fn new(wanted: &Wanted, config: &Config) -> LoaderLog {
        let is_verbose = wanted.is_loader_verbose || config.verbose;
        LoaderLog { file: wanted.log_file.clone(), is_verbose, told: 0 }
    }

    /// Whether the target is to log anything.
    pub(super) const fn is_wanted(&self) -> bool {
        self.file.is_some() || self.is_verbose
    }

    /// Tells what is new in the log. The last line may not be whole yet.
    pub(super) fn tell(&mut self, log: &[u8]) {
        let new = log.get(self.told..).unwrap_or_default();
        let whole = new.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        self.told += whole;
        let lines = new[..whole].split_inclusive(|byte| *byte == b'\n');
        let lines = lines.map(|line| format!("loader {}\n", clean(line.trim_ascii_end())));
        let lines: String = lines.collect();
        if lines.is_empty() {
            return;
        }
        if self.is_verbose {
            output::message(&styled(FAINT, lines.trim_end()));
        }
        if let Some(file) = &self.file {
            let opened = OpenOptions::new().create(true).append(true).open(file);
            let appended = opened.and_then(|mut opened| opened.write_all(lines.as_bytes()));
            if let Err(error) = appended {
                let file = named(file);
                output::message(&format!("softdock: cannot write the log to {file}: {error}"));
            }
        }
    }
}

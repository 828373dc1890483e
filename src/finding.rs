//! A finding: a run in which a promise was broken and nobody but the engine is to blame. It is
//! kept as a schedule, saved before anything else can happen.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::choice::{Digest, Schedule};
use crate::run::Run;

/// A run that should not be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What happened, beside what the scenario says.
    pub schedule: Schedule,
    /// Which promises were broken.
    pub broken: Vec<String>,
    /// The engine's own summary.
    pub summary: String,
}

impl Finding {
    /// What a run of this scenario has shown.
    #[must_use]
    pub fn new(scenario: &str, run: Run) -> Finding {
        Finding {
            broken: run.violations.iter().map(ToString::to_string).collect(),
            summary: run.report.summary().to_string(),
            schedule: Schedule { scenario: scenario.into(), faults: run.happened },
        }
    }

    /// A name that tells it from other findings, and is the same when it is found again.
    #[must_use]
    pub fn name(&self) -> String {
        let mut digest = Digest::default();
        digest.bytes(self.schedule.to_string().as_bytes());
        let scenario = self.schedule.scenario.replace(['/', '\\'], "-");
        format!("{scenario}-{:08x}", digest.value() as u32)
    }

    /// Saves it in this folder, whole or not at all, and returns where.
    ///
    /// # Errors
    /// When the folder cannot be made or the file cannot be written.
    pub fn save(&self, folder: &Path) -> io::Result<PathBuf> {
        fs::create_dir_all(folder)?;
        let path = folder.join(format!("{}.schedule", self.name()));
        let unfinished = path.with_extension("unfinished");
        let mut text = self.schedule.to_string();
        for broken in &self.broken {
            text.push_str(&format!("# {broken}\n"));
        }
        text.push_str(&format!("# {}\n", self.summary));
        fs::write(&unfinished, text)?;
        fs::rename(&unfinished, &path)?;
        Ok(path)
    }
}

//! A finding: a run in which a promise was broken and nobody but the engine is to blame. It is
//! kept as a schedule, saved before anything else can happen, and then as the smallest scenario
//! that is still wrong.

use std::fs;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use crate::choice::{Digest, Schedule};
use crate::run::Run;
use crate::scenario::Attach;
use crate::shrink::shrink;

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
    pub fn name(&self, file: &Path) -> String {
        let mut digest = Digest::default();
        digest.bytes(self.schedule_of(file).to_string().as_bytes());
        let scenario = self.schedule.scenario.replace(['/', '\\'], "-");
        let scenario = scenario.trim_start_matches(['-', '.']);
        format!("{scenario}-{:08x}", digest.value() as u32)
    }

    /// What happened, by the path of the scenario's file: below other folders there may be others
    /// of its name.
    fn schedule_of(&self, file: &Path) -> Schedule {
        Schedule { scenario: file.display().to_string(), ..self.schedule.clone() }
    }

    /// Saves it in this folder, whole or not at all, and returns where. The scenario is in `file`.
    ///
    /// # Errors
    /// When the folder cannot be made or the file cannot be written.
    pub fn save(&self, folder: &Path, file: &Path) -> io::Result<PathBuf> {
        fs::create_dir_all(folder)?;
        let path = folder.join(format!("{}.schedule", self.name(file)));
        let unfinished = path.with_extension("unfinished");
        let mut text = self.schedule_of(file).to_string();
        for broken in &self.broken {
            text.push_str(&format!("# {broken}\n"));
        }
        text.push_str(&format!("# {}\n", self.summary));
        fs::write(&unfinished, text)?;
        fs::rename(&unfinished, &path)?;
        Ok(path)
    }

    /// Saves the smallest scenario that breaks the same promise beside it, and returns where;
    /// `None` where it cannot be made smaller, since it does not happen again.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn save_small(
        &self,
        folder: &Path,
        file: &Path,
        scenario: &Attach,
    ) -> io::Result<Option<PathBuf>> {
        let mut whole = scenario.clone();
        whole.faults.extend(self.schedule.faults.iter().cloned());
        // The engine may panic on what was found.
        let shrunk = catch_unwind(AssertUnwindSafe(|| shrink(&whole))).ok().flatten();
        let Some(shrunk) = shrunk else { return Ok(None) };
        let path = folder.join(format!("{}.ron", self.name(file)));
        fs::write(&path, shrunk.file(&self.schedule.scenario))?;
        Ok(Some(path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario;

    /// Two lies, which no engine can see through.
    const SCHEDULE: &str = "softdock schedule 1\nscenario refuse/off\npolicy 1: FlipBit(0)\n\
                            policy 2: FlipBit(0)\nverify 1: Interrupted\n";

    const SCENARIO: &str = r#"Attach(about: "off", process: (remote_debugging: 0),
        expect: (outcome: "refused", site: "policy", reason: "policy-disabled"))"#;

    #[test]
    fn a_finding_is_kept_as_it_was_and_made_small() {
        let parsed = scenario::parse(Path::new("off.ron"), SCENARIO).expect("a scenario");
        let scenario = parsed.into_attach().expect("an attempt to attach");
        let schedule = Schedule::parse(SCHEDULE).expect("a schedule");
        let finding = Finding { schedule, broken: vec!["x".into()], summary: "y".into() };
        let folder = std::env::temp_dir().join(format!("softdock-{}", std::process::id()));
        let file = Path::new("some/refuse/off.ron");
        let path = finding.save(&folder, file).expect("a file");
        let text = fs::read_to_string(path).expect("a text");
        let by_path = SCHEDULE.replace("refuse/off", "some/refuse/off.ron");
        assert_eq!(text, format!("{by_path}# x\n# y\n"));
        let small =
            finding.save_small(&folder, file, &scenario).expect("a file").expect("still wrong");
        let (small, text) = scenario::read(&small).expect("a scenario");
        let small = small.into_attach().expect("an attempt to attach");
        assert_eq!(small.faults.len(), 2, "{text}");
        assert!(text.starts_with("// WRONG: "), "{text}");
        fs::remove_dir_all(folder).expect("our own folder");
    }
}

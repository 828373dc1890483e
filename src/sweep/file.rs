//! Certificates on disk: one file a sweep, which other machines' shards can be merged with, and
//! which anybody can count again.

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::Certificate;
use super::certificate::digest;

/// The number of this format.
const FORMAT: u32 = 3;

/// What one sweep has proved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proof {
    /// The number of the format of this file.
    pub format: u32,
    /// The version of softdock that was swept.
    pub version: String,
    /// A digest of the executable that swept, where it could be read: an engine that has changed
    /// has another one, whatever its version says.
    pub executable: Option<String>,
    /// At most so many faults in a run.
    pub depth: u32,
    /// Whether single lies were tried.
    pub lies: bool,
    /// By which front end.
    pub front_end: String,
    /// Which shards these are, from 1.
    pub shards: Vec<usize>,
    /// Of how many.
    pub of: usize,
    /// One certificate a scenario.
    pub certificates: Vec<Certificate>,
}

impl Proof {
    /// What a sweep of this version has proved.
    #[must_use]
    pub fn new(sweep: &super::Sweep, certificates: Vec<Certificate>) -> Proof {
        let super::Sweep { depth, lies, shard: (nth, of), front_end, .. } = *sweep;
        let (format, version) = (FORMAT, env!("CARGO_PKG_VERSION").into());
        let (front_end, shards) = (front_end.name().into(), vec![nth + 1]);
        let executable = std::env::current_exe().and_then(fs::read);
        let executable = executable.ok().map(|bytes| digest(&bytes));
        Proof { format, version, executable, depth, lies, front_end, shards, of, certificates }
    }

    /// Reads one.
    ///
    /// # Errors
    /// Which file, and what is wrong with it.
    pub fn load(path: &Path) -> Result<Proof, String> {
        let told = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
        let text = fs::read_to_string(path).map_err(|error| told(&error))?;
        let proof: Proof = serde_json::from_str(&text).map_err(|error| told(&error))?;
        if proof.format != FORMAT {
            return Err(told(&format!("format {}, expected {FORMAT}", proof.format)));
        }
        Ok(proof)
    }

    /// Which shards are not in it, from 1.
    pub fn missing(&self) -> impl Iterator<Item = usize> + '_ {
        (1..=self.of).filter(|nth| !self.shards.contains(nth))
    }

    /// What its file is called: only what is the whole has the name of the whole.
    fn file_name(&self) -> String {
        match self.shards.as_slice() {
            [nth] if self.of > 1 => format!("certificate-{nth}-of-{}.json", self.of),
            _ if self.certificates.iter().all(Certificate::is_complete) => {
                "certificate.json".into()
            }
            _ => "certificate-incomplete.json".into(),
        }
    }

    /// Writes it, whole or not at all, and returns where.
    ///
    /// # Errors
    /// When the folder cannot be made or the file cannot be written.
    pub fn save(&self, folder: &Path) -> std::io::Result<PathBuf> {
        save_whole(folder, &self.file_name(), self)
    }

    /// Takes in another shard of the same sweep.
    ///
    /// # Errors
    /// When it is of another sweep, or is in already.
    pub fn merge(&mut self, other: &Proof) -> Result<(), String> {
        let about = |proof: &Proof| {
            let Proof { version, executable, depth, lies, front_end, of, .. } = proof;
            let executable = executable.as_deref().unwrap_or("unknown");
            format!(
                "softdock {version} (executable {executable}), depth {depth}, lies {lies}, by {front_end}, {of} shards"
            )
        };
        if about(self) != about(other) {
            return Err(format!("{}; the others are of {}", about(other), about(self)));
        }
        if let Some(twice) = other.shards.iter().find(|nth| self.shards.contains(nth)) {
            return Err(format!("shard {twice} is there twice"));
        }
        let names = |proof: &Proof| -> Vec<String> {
            proof.certificates.iter().map(|certificate| certificate.scenario.clone()).collect()
        };
        if names(self) != names(other) {
            return Err("it is of other scenarios".into());
        }
        let mut pairs = self.certificates.iter().zip(&other.certificates);
        if let Some((known, other)) = pairs.find(|(known, other)| !known.is_of_the_same(other)) {
            let (name, ours, theirs) = (&known.scenario, &known.digest, &other.digest);
            return Err(format!(
                "{name} has changed between the two: digest {theirs}, the others are of {ours}"
            ));
        }
        for (certificate, more) in self.certificates.iter_mut().zip(&other.certificates) {
            certificate.merge(more);
        }
        self.shards.extend(&other.shards);
        self.shards.sort_unstable();
        Ok(())
    }
}

/// Writes what was proved, whole or not at all, and returns where.
///
/// # Errors
/// When the folder cannot be made or the file cannot be written.
pub fn save_whole(folder: &Path, name: &str, proved: &impl Serialize) -> std::io::Result<PathBuf> {
    fs::create_dir_all(folder)?;
    let path = folder.join(name);
    let unfinished = path.with_extension("unfinished");
    fs::write(&unfinished, serde_json::to_string_pretty(proved)?)?;
    fs::rename(&unfinished, &path)?;
    Ok(path)
}

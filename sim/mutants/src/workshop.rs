//! The copy of the workspace in which the mutants live: made below `target/`, where its sources
//! are instrumented, built and tried. The workspace itself is only read.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::schemata::Schemata;

/// What the copy is made of: enough for every manifest to be complete.
const FOLDERS: [&str; 6] = ["engine", "sim", "src", "scenarios", "snapshots", "benches"];
const FILES: [&str; 2] = ["Cargo.toml", "Cargo.lock"];

/// Where the switch goes: every other crate uses this one.
const GROUND: &str = "engine/process/src";

/// A program that tries mutants: its name, and its source beside this crate.
pub(crate) type Program = (&'static str, &'static str);

/// Tries the mutants of the attach engine.
pub(crate) const ATTACH: Program = ("evaluate-mutants", "evaluate.rs");

/// Tries those of the stepping engine, and of what is around it.
pub(crate) const STEPPING: Program = ("evaluate-stepping", "evaluate_stepping.rs");

/// How many of it run at once: the switch belongs to a process. Which scenario is told to have
/// noticed a mutant depends on this number, so it is the same on every machine.
const WORKERS: usize = 2;

/// Files with their bytes, by path below the copy.
type Contents = BTreeMap<PathBuf, Vec<u8>>;

/// The copy.
pub(crate) struct Workshop {
    source: PathBuf,
    target: PathBuf,
}

impl Workshop {
    /// Copies the workspace at `root` and puts the mutants in. What has not changed since the last
    /// time is left alone, so that cargo builds it no second time.
    pub(crate) fn set_up(root: &Path, schemata: &[&Schemata]) -> Result<Workshop, String> {
        let folder = root.join("target/mutants");
        let workshop = Workshop { source: folder.join("source"), target: folder.join("target") };
        let copied = workshop.copy(root, schemata);
        copied.map_err(|error| format!("{}: {error}", workshop.source.display()))?;
        Ok(workshop)
    }

    fn copy(&self, root: &Path, schemata: &[&Schemata]) -> io::Result<()> {
        let mut contents = Contents::new();
        for file in FILES {
            contents.insert(file.into(), fs::read(root.join(file))?);
        }
        for folder in FOLDERS {
            gather(root, Path::new(folder), &mut contents)?;
        }
        let mut libs = BTreeSet::from([PathBuf::from(GROUND).join("lib.rs")]);
        for (file, text) in schemata.iter().flat_map(|schemata| &schemata.files) {
            libs.extend(lib_of(Path::new(file)));
            contents.insert(file.into(), text.clone().into());
        }
        // A choice between a statement and nothing, or between a value and itself, is no style.
        for lib in libs {
            let is_ground = lib.starts_with(GROUND);
            let lib = contents.entry(lib).or_default();
            let switch: &[u8] = if is_ground { b"\npub mod mutant;\n" } else { b"" };
            *lib = [b"#![allow(warnings)]\n", lib.as_slice(), switch].concat();
        }
        let tool = root.join("sim/mutants");
        let switch = Path::new(GROUND).join("mutant.rs");
        contents.insert(switch, fs::read(tool.join("switch.rs"))?);
        for (name, file) in [ATTACH, STEPPING] {
            let program = Path::new("src/bin").join(name).with_extension("rs");
            contents.insert(program, fs::read(tool.join(file))?);
        }
        for (path, bytes) in &contents {
            put(&self.source.join(path), bytes)?;
        }
        remove_others(&self.source, &self.source, &contents)
    }

    /// Builds a program: in release mode, but quickly.
    pub(crate) fn build(&self, (name, _): Program) -> Result<(), String> {
        let built = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
            .args(["build", "--release", "--bin", name])
            .current_dir(&self.source)
            .arg("--target-dir")
            .arg(&self.target)
            .env("CARGO_PROFILE_RELEASE_LTO", "false")
            .env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16")
            .status();
        match built {
            Ok(status) if status.success() => Ok(()),
            Ok(_) => Err("the mutants do not build: mend the entry that the compiler names".into()),
            Err(error) => Err(format!("cargo: {error}")),
        }
    }

    /// Tries so many mutants, and returns what was told of them, in no order. The last of what the
    /// program is told is for it alone.
    pub(crate) fn evaluate(
        &self,
        (name, _): Program,
        mutants: usize,
        way: &str,
    ) -> Result<String, String> {
        let failed = |why: &dyn std::fmt::Display| format!("{name}: {why}");
        let mut running = Vec::new();
        for worker in 0..WORKERS {
            let spawned = Command::new(self.target.join("release").join(name))
                .arg(self.source.join("scenarios"))
                .args([mutants, worker, WORKERS].map(|number| number.to_string()))
                .arg(way)
                .stdout(Stdio::piped())
                .spawn();
            running.push(spawned.map_err(|error| failed(&error))?);
        }
        let mut told = String::new();
        for worker in running {
            let output = worker.wait_with_output().map_err(|error| failed(&error))?;
            if !output.status.success() {
                return Err(failed(&output.status));
            }
            told += &String::from_utf8_lossy(&output.stdout);
        }
        Ok(told)
    }
}

/// The root of the crate that a source file belongs to.
fn lib_of(file: &Path) -> Option<PathBuf> {
    let src = file.ancestors().find(|folder| folder.ends_with("src"))?;
    Some(src.join("lib.rs"))
}

/// Reads all files below a folder, but for snapshots and what was built.
fn gather(root: &Path, folder: &Path, contents: &mut Contents) -> io::Result<()> {
    for entry in fs::read_dir(root.join(folder))? {
        let entry = entry?;
        let path = folder.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            if !path.ends_with("target") {
                gather(root, &path, contents)?;
            }
        } else if path.extension().is_none_or(|extension| extension != "snap") {
            contents.insert(path, fs::read(entry.path())?);
        }
    }
    Ok(())
}

/// Writes a file, unless it holds these bytes already: cargo goes by the time of change.
fn put(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if fs::read(path).is_ok_and(|found| found == bytes) {
        return Ok(());
    }
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(path, bytes)
}

/// Removes what an earlier copy has left and this one does not have.
fn remove_others(root: &Path, folder: &Path, contents: &Contents) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            remove_others(root, &path, contents)?;
        } else if path.strip_prefix(root).is_ok_and(|path| !contents.contains_key(path)) {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}

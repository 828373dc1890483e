//! Scenario files on disk: finding them, running them all, and telling the result in one line
//! each. The folder of a file is its verdict, and is held against what the file expects.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use softdock_attach::Outcome;

use crate::case::not_an_attempt;
use crate::run::{Run, Stage, Unbuildable};
use crate::scenario::{self, Attach, Mistake, Scenario, Session, Stepping};
use crate::session;
use crate::stepping::plan::{Plan, Unplannable};
use crate::trace::Trace;

/// Depth of folders searched.
const DEPTH_MAX: usize = 16;

/// A scenario file that was read.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Where it is.
    pub path: PathBuf,
    /// Its path below the folder that was searched, without `.ron`: `attach/two-threads`.
    pub name: String,
    /// What it says.
    pub scenario: Scenario,
    text: String,
}

/// Finds all scenario files below these paths, in order of name; files may be named themselves.
/// No two have the same name.
///
/// # Errors
/// When a path does not exist or a folder cannot be read.
pub fn find(paths: &[PathBuf]) -> Result<Vec<(PathBuf, String)>, Mistake> {
    let mut found = Vec::new();
    for path in paths {
        if path.is_dir() {
            walk(path, path, DEPTH_MAX, &mut found)?;
        } else if path.exists() {
            let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            found.push((path.clone(), name));
        } else {
            let message = "no such file or folder, expected a scenario or a folder of them";
            return Err(Mistake::whole(path, message));
        }
    }
    found.sort();
    found.dedup();
    name_apart(&mut found);
    Ok(found)
}

/// Names those by their whole path that go by the same name below different folders: certificates
/// and findings tell scenarios apart by that alone.
fn name_apart(found: &mut [(PathBuf, String)]) {
    let mut namesakes: BTreeMap<String, u32> = BTreeMap::new();
    for (_, name) in &*found {
        *namesakes.entry(name.clone()).or_default() += 1;
    }
    for (path, name) in found.iter_mut().filter(|(_, name)| namesakes[name] > 1) {
        *name = path.with_extension("").to_string_lossy().replace('\\', "/");
    }
}

fn walk(
    root: &Path,
    folder: &Path,
    depth: usize,
    found: &mut Vec<(PathBuf, String)>,
) -> Result<(), Mistake> {
    let failed = |error| Mistake::whole(folder, error);
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.is_dir() && depth > 0 {
            walk(root, &path, depth - 1, found)?;
        } else if path.extension().is_some_and(|extension| extension == "ron") {
            let name = path.with_extension("");
            let name = name.strip_prefix(root).unwrap_or(&name).to_string_lossy().into_owned();
            found.push((path, name.replace('\\', "/")));
        }
    }
    Ok(())
}

/// Reads one scenario file.
///
/// # Errors
/// The first mistake in it.
pub fn load(path: &Path, name: &str) -> Result<Entry, Mistake> {
    let (scenario, text) = scenario::read(path)?;
    Ok(Entry { path: path.into(), name: name.into(), scenario, text })
}

/// The plan of a scenario about stepping, or where in its file it cannot be run.
pub(crate) fn plan(path: &Path, text: &str, stepping: &Stepping) -> Result<Rc<Plan>, Mistake> {
    let plan = Plan::new(stepping).map_err(|unplannable| match unplannable {
        Unplannable::Program(line, column, message) => {
            Mistake::in_text(path, text, &stepping.program, (line, column), message)
        }
        Unplannable::Text(token, message) => Mistake::near(path, text, &token, message),
    })?;
    Ok(Rc::new(plan))
}

/// The stage of a scenario about a session, or where in its file it cannot be played.
pub(crate) fn session<'s>(
    path: &Path,
    text: &str,
    scenario: &'s Session,
) -> Result<session::stage::Stage<'s>, Mistake> {
    session::stage::Stage::new(scenario)
        .map_err(|Unbuildable { token, message }| Mistake::near(path, text, token, message))
}

impl Entry {
    /// The attempt to attach that it is about.
    ///
    /// # Errors
    /// When it is about something else.
    pub fn attach(&self) -> Result<&Attach, Mistake> {
        let attach = self.scenario.attach();
        attach.ok_or_else(|| Mistake::whole(&self.path, not_an_attempt(&self.scenario)))
    }

    /// The plan of a scenario about stepping.
    ///
    /// # Errors
    /// When it is about something else, or cannot be run, with the place in the file.
    pub fn plan(&self) -> Result<(&Stepping, Rc<Plan>), Mistake> {
        let Scenario::Stepping(stepping) = &self.scenario else {
            return Err(Mistake::whole(&self.path, "it is not about stepping"));
        };
        Ok((stepping, plan(&self.path, &self.text, stepping)?))
    }

    /// The process and the times of a scenario about a session.
    ///
    /// # Errors
    /// When it is about something else, or cannot exist, with the place in the file.
    pub fn session(&self) -> Result<session::stage::Stage<'_>, Mistake> {
        let Scenario::Session(scenario) = &self.scenario else {
            return Err(Mistake::whole(&self.path, "it is not about a session"));
        };
        session(&self.path, &self.text, scenario)
    }

    /// Builds the scenario's process.
    ///
    /// # Errors
    /// When it cannot exist, with the place in the file that is most likely why.
    pub fn stage(&self) -> Result<Stage<'_>, Mistake> {
        let attach = self.attach()?;
        self.check_folder(attach)?;
        Stage::new(attach).map_err(|Unbuildable { token, message }| {
            Mistake::near(&self.path, &self.text, token, message)
        })
    }

    /// Runs it once.
    ///
    /// # Errors
    /// When it cannot be built.
    pub fn run(&self, trace: Trace) -> Result<Run, Mistake> {
        Ok(self.stage()?.run(trace))
    }

    /// The folder is the verdict: `attach/` succeeds, `refuse/` looks and does not touch,
    /// `survive/` is struck by faults, or fails, and in `race/` the target can move.
    fn check_folder(&self, attach: &Attach) -> Result<(), Mistake> {
        let outcome = attach.expect.outcome.0;
        let (fits, expected) = match self.name.split('/').next() {
            Some("attach") => (outcome.is_success(), "a success"),
            Some("refuse") => {
                let refused = outcome == Outcome::Refused;
                (refused && attach.faults.is_empty(), "the outcome `refused`, and no faults")
            }
            Some("survive") => {
                let failed = outcome == Outcome::Failed;
                (failed || !attach.faults.is_empty(), "at least one fault, or the outcome `failed`")
            }
            Some("race") => (!attach.moves.is_empty(), "`moves`"),
            _ => (true, ""),
        };
        if fits {
            return Ok(());
        }
        let message = format!("a scenario in this folder expects {expected}");
        Err(Mistake::near(&self.path, &self.text, "expect", message))
    }
}

//! One run to be looked at closely: a scenario file, or a schedule, which is a scenario and what
//! happened in it besides. Either way it becomes one scenario, with everything that happens in it
//! told by its faults.

use std::fs;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use crate::choice::{Schedule, ScheduleError};
use crate::corpus;
use crate::run::{Stage, Unbuildable};
use crate::scenario::{self, Mistake, Scenario, Session, Stepping};
use crate::session;
use crate::stepping::plan::Plan;

/// What is wrong with a scenario that is no attempt to attach, where one is needed.
pub(crate) const fn not_an_attempt(scenario: &Scenario) -> &'static str {
    match scenario {
        Scenario::Attach(_) => "",
        Scenario::Stepping(_) => "it is about stepping, expected an attempt to attach",
        Scenario::Session(_) => "it is about a session, expected an attempt to attach",
    }
}

/// A run to be looked at.
#[derive(Clone, Debug)]
pub struct Case {
    /// The file that was named.
    pub path: PathBuf,
    /// Name of the scenario.
    pub name: String,
    /// What it says, and what happened besides.
    pub scenario: Scenario,
    text: String,
}

impl Case {
    /// Reads a scenario or a schedule. The scenarios that schedules name are below `folder`.
    ///
    /// # Errors
    /// The first mistake, in the schedule or in its scenario.
    pub fn read(path: &Path, folder: &Path) -> Result<Case, Mistake> {
        let bytes = fs::read(path).map_err(|error| Mistake::whole(path, error))?;
        if !bytes.starts_with(Schedule::KEYWORD.as_bytes()) {
            let (scenario, text) = scenario::read(path)?;
            let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            return Ok(Case { path: path.into(), name, scenario, text });
        }
        let text = String::from_utf8_lossy(&bytes);
        let schedule =
            Schedule::parse(&text).map_err(|ScheduleError { line, column, message }| {
                Mistake::at(path, &text, (line, column), message)
            })?;
        let file = scenario_file(&schedule.scenario, folder)
            .map_err(|message| Mistake::near(path, &text, &schedule.scenario, message))?;
        let (mut scenario, text) = scenario::read(&file)?;
        match &mut scenario {
            Scenario::Attach(attach) => attach.faults.extend(schedule.faults),
            other => return Err(Mistake::whole(&file, not_an_attempt(other))),
        }
        Ok(Case { path: path.into(), name: schedule.scenario, scenario, text })
    }

    /// Builds the process of an attempt to attach.
    ///
    /// # Errors
    /// When it cannot exist, or the case is about something else.
    pub fn stage(&self) -> Result<Stage<'_>, Mistake> {
        let attach = self.scenario.attach();
        let attach =
            attach.ok_or_else(|| Mistake::whole(&self.path, not_an_attempt(&self.scenario)))?;
        Stage::new(attach).map_err(|Unbuildable { token, message }| {
            Mistake::near(&self.path, &self.text, token, message)
        })
    }

    /// The process and the times of a scenario about a session.
    ///
    /// # Errors
    /// When it cannot exist.
    pub fn session<'c>(&self, session: &'c Session) -> Result<session::stage::Stage<'c>, Mistake> {
        corpus::session(&self.path, &self.text, session)
    }

    /// The plan of a scenario about stepping.
    ///
    /// # Errors
    /// When it cannot be run.
    pub fn plan(&self, stepping: &Stepping) -> Result<Rc<Plan>, Mistake> {
        corpus::plan(&self.path, &self.text, stepping)
    }
}

/// The file of a scenario: by path, which is what findings are saved with; by its name below the
/// folder; or by the last part of that, where only one file has it.
fn scenario_file(name: &str, folder: &Path) -> Result<PathBuf, String> {
    let named = folder.join(format!("{name}.ron"));
    let direct = [PathBuf::from(name), named].into_iter().find(|path| path.is_file());
    if let Some(file) = direct {
        return Ok(file);
    }
    let files = corpus::find(&[folder.into()]).unwrap_or_default();
    let same = files.into_iter().filter(|(_, known)| known.rsplit('/').next() == Some(name));
    let same: Vec<PathBuf> = same.map(|(path, _)| path).collect();
    match same.as_slice() {
        [file] => Ok(file.clone()),
        [] => Err(missing(name, folder)),
        several => {
            let paths: Vec<String> = several.iter().map(|it| it.display().to_string()).collect();
            Err(format!("`{name}` may be any of {}: expected one of these paths", paths.join(", ")))
        }
    }
}

fn missing(name: &str, folder: &Path) -> String {
    if name.ends_with(".ron") {
        return format!("no file `{name}`, expected a path as seen from the current folder");
    }
    format!("no scenario `{name}`, expected {name}.ron below {}", folder.display())
}

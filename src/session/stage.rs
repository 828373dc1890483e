//! A scenario about a session, made ready once and played as often as one likes: by its own times,
//! or by a list of who moves when. Each play starts from the same bytes and is judged twice: by the
//! judge, who knows the truth, and by what the scenario expects.

use std::fmt;
use std::time::Duration;

use serde::Serialize;
use softdock_attach::Config;
use softdock_cpython::Process;
use softdock_debugpy::{Endpoint, Mode, SessionId};

use super::judge::Violation;
use super::scene::{Came, Fate, Plot};
use super::story::{Line, Story};
use super::world::{Remains, World};
use super::{Wanted, run};
use crate::choice::Exhaustive;
use crate::report::Stopped;
use crate::run::Unbuildable;
use crate::scenario::session::{Act, Expect, Session, Turn};

/// How long the command waits, where a scenario does not say.
const TIMEOUT_MS: u64 = 15_000;

/// How long it waits for a client.
const CLIENT_MS: u64 = 300_000;

/// How long an exploration waits for anything: for three looks, the last one cut short. Who waits
/// knows nothing of the look before the last, so that more of them would show nothing else.
const EXPLORED: Duration = Duration::from_millis(3);

/// A scenario made ready.
pub struct Stage<'s> {
    scenario: &'s Session,
    process: Process,
    config: Config,
    wanted: Wanted,
    acts: Vec<(Duration, Act)>,
}

/// What a play came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// What was told last.
    pub last: Last,
    /// What happened; empty unless wanted.
    pub lines: Vec<Line>,
    /// Promises that were broken.
    pub broken: Vec<Violation>,
    /// What came out otherwise than the scenario expects.
    pub mismatches: Vec<String>,
    /// How many questions the world was asked.
    pub questions: u32,
    /// Who moved right before which of them.
    pub moves: Vec<(u32, Turn)>,
}

/// What was told last, in the words of the report.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Last {
    /// The outcome.
    pub outcome: &'static str,
    /// The site.
    pub site: &'static str,
    /// Why.
    pub reason: Option<&'static str>,
    /// The code of telemetry.
    pub code: &'static str,
    /// What was found, in words.
    pub detail: Option<String>,
    /// What helps.
    pub hint: Option<String>,
    /// Where somebody listens.
    pub endpoint: Option<String>,
    /// Whether an earlier request had started it.
    pub reused: bool,
    /// How long was waited, in µs.
    pub waited_micros: u64,
    /// What is left in the target.
    pub left: &'static str,
    /// Whether the files for the target stay.
    pub files_stay: bool,
}

impl Run {
    /// Whether nothing is wrong.
    #[must_use]
    pub const fn is_clean(&self) -> bool {
        self.broken.is_empty() && self.mismatches.is_empty()
    }

    /// What is wrong with it: promises first.
    pub fn wrongs(&self) -> impl Iterator<Item = String> + '_ {
        self.broken.iter().map(ToString::to_string).chain(self.mismatches.iter().cloned())
    }

    /// What happened, a line each.
    #[must_use]
    pub fn story(&self) -> String {
        self.lines.iter().map(|line| format!("{line}\n")).collect()
    }
}

impl<'s> Stage<'s> {
    /// Builds the process of a scenario.
    ///
    /// # Errors
    /// When no such process can exist, or a record of another format has ours.
    pub fn new(scenario: &'s Session) -> Result<Stage<'s>, Unbuildable> {
        if scenario.target.iter().any(|(_, act)| matches!(act, Act::OtherFormat(1, _))) {
            let message = "the format 1 is ours, expected another: OtherFormat(2, …)";
            return Err(Unbuildable::new("OtherFormat", message));
        }
        let process = Process::new(&scenario.process.spec());
        let mut process = process.map_err(|error| Unbuildable::new("process", error))?;
        process.checkpoint();
        let config = Config { confirm: true, write: !scenario.dry_run, ..Config::default() };
        let acts = scenario.target.iter();
        let acts = acts.map(|(at, act)| (Duration::from_millis(*at), act.clone())).collect();
        Ok(Stage { scenario, process, config, wanted: wanted(scenario)?, acts })
    }

    /// Plays it as it says.
    pub fn play(&mut self, story: Story) -> Run {
        self.play_by(&as_shipped, story)
    }

    /// The same, with a session that these steps bring about.
    pub fn play_by(&mut self, steps: &Steps, story: Story) -> Run {
        let scenario = self.scenario;
        let fate = match scenario.order.as_slice() {
            [] => Fate::Clock,
            order => Fate::Order(order),
        };
        let wanted = self.wanted.clone();
        let mut remains = self.drive(&wanted, fate, story, steps);
        let impossible = std::mem::take(&mut remains.impossible);
        let mut run = judged(remains);
        run.mismatches = impossible;
        run.mismatches.extend(compare(&scenario.expect, &run.last));
        run
    }

    /// Plays it once, with whatever `chooser` lets happen, and with little patience. What the
    /// scenario expects does not matter then; `None` where what would follow is known already.
    pub(super) fn explore(&mut self, chooser: &mut Exhaustive, steps: &Steps) -> Option<Run> {
        let wanted = self.wanted.clone();
        let watch = wanted.watch.map(|watch| watch.min(EXPLORED));
        let wanted = Wanted { timeout: wanted.timeout.min(EXPLORED), watch, ..wanted };
        let remains = self.drive(&wanted, Fate::Chosen(chooser), Story::default(), steps);
        (!remains.is_over).then(|| judged(remains))
    }

    fn drive(&mut self, wanted: &Wanted, fate: Fate<'_>, story: Story, steps: &Steps) -> Remains {
        self.process.restore();
        let plot = Plot {
            wanted,
            config: &self.config,
            faults: &self.scenario.faults,
            acts: &self.acts,
            ends: self.scenario.ends.map(Duration::from_millis),
            cancel: self.scenario.cancel.map(Duration::from_millis),
        };
        let mut world = World::new(&mut self.process, plot, fate, story);
        let came = steps(&mut world, wanted);
        world.end(came)
    }

    /// The scenario as an exploration plays it, by this list.
    pub(super) fn explored(&self, order: Vec<(u32, Turn)>) -> Session {
        let least = |asked: Option<u64>| {
            let most = EXPLORED.as_millis() as u64;
            Some(asked.map_or(most, |asked| asked.min(most)))
        };
        let (scenario, watch) = (self.scenario, self.wanted.watch);
        let client = watch.and_then(|_| least(scenario.client));
        let (timeout, ends, cancel) = (least(scenario.timeout), None, None);
        Session { timeout, client, ends, cancel, order, ..scenario.clone() }
    }
}

/// What brings a session about: the one that the command has, or a wrong one.
pub type Steps = dyn Fn(&mut World<'_>, &Wanted) -> Result<bool, Box<Stopped>>;

/// The steps that the command takes.
///
/// # Errors
/// When the engine could not be asked.
pub fn as_shipped(world: &mut World<'_>, wanted: &Wanted) -> Result<bool, Box<Stopped>> {
    run(world, wanted)
}

/// What is asked for.
fn wanted(scenario: &Session) -> Result<Wanted, Unbuildable> {
    let mode = match &scenario.connect {
        Some(at) => Mode::Connect(at.0.clone()),
        None => {
            let host = "127.0.0.1".parse();
            let host = host.map_err(|error: String| Unbuildable::new("connect", error))?;
            Mode::Listen(Endpoint { host, port: 0 })
        }
    };
    let client = scenario.client.or(scenario.stop.then_some(CLIENT_MS));
    Ok(Wanted {
        session: SessionId::from_bits(0),
        mode,
        timeout: Duration::from_millis(scenario.timeout.unwrap_or(TIMEOUT_MS)),
        watch: client.map(Duration::from_millis),
        stop: scenario.stop,
    })
}

fn judged(remains: Remains) -> Run {
    let Remains { told, files_stay, questions, story, ledger, moves, .. } = remains;
    let last = told.map_or_else(Last::default, |told| Last::new(told, files_stay));
    let broken = ledger.broken().to_vec();
    Run { last, lines: story.into_lines(), broken, mismatches: Vec::new(), questions, moves }
}

impl Last {
    fn new(came: Came, files_stay: bool) -> Last {
        match came {
            Came::Step(told) => Last {
                outcome: told.outcome,
                site: told.site,
                reason: told.reason,
                code: told.code,
                detail: told.detail,
                hint: told.hint,
                endpoint: told.host.zip(told.port).map(|(host, port)| format!("{host}:{port}")),
                reused: told.reused,
                waited_micros: told.waited_micros,
                left: told.left,
                files_stay,
            },
            Came::Stopped(stopped) => Last {
                outcome: stopped.outcome,
                site: stopped.site,
                reason: Some(stopped.reason),
                code: stopped.code,
                detail: Some(stopped.detail),
                hint: stopped.hint,
                left: stopped.left,
                files_stay,
                ..Last::default()
            },
        }
    }
}

impl fmt::Display for Last {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "outcome      {} at {}", self.outcome, self.site)?;
        if let Some(reason) = self.reason {
            writeln!(f, "reason       {reason}, told as {}", self.code)?;
        }
        for (what, text) in [("detail", &self.detail), ("hint", &self.hint)] {
            if let Some(text) = text {
                writeln!(f, "{what:<12} {text}")?;
            }
        }
        if let Some(endpoint) = &self.endpoint {
            let reused = if self.reused { ", as before" } else { "" };
            writeln!(f, "endpoint     {endpoint}{reused}")?;
        }
        let (millis, micros) = (self.waited_micros / 1000, self.waited_micros % 1000);
        writeln!(f, "waited       {millis}.{micros:03} ms")?;
        writeln!(f, "left         {}", self.left)?;
        writeln!(f, "files        {}", if self.files_stay { "stay" } else { "removed" })
    }
}

/// What came out otherwise than expected.
fn compare(expect: &Expect, last: &Last) -> Vec<String> {
    let mut differences = Vec::new();
    let mut differ = |what: &str, found: Option<String>, expected: Option<String>| {
        if expected.is_some() && found != expected {
            let told = |value: Option<String>| value.unwrap_or_else(|| "none".into());
            differences.push(format!("{what} is {}, expected {}", told(found), told(expected)));
        }
    };
    let unexplained = last.reason.is_some().then(|| "given in `expect`".into());
    differ("outcome", Some(last.outcome.into()), Some(expect.outcome.0.into()));
    differ("site", Some(last.site.into()), Some(expect.site.0.into()));
    let reason = expect.reason.map(|reason| reason.0.into()).or(unexplained);
    differ("reason", last.reason.map(Into::into), reason);
    differ("code", Some(last.code.into()), expect.code.clone());
    let endpoint = expect.endpoint.as_ref().map(|at| at.0.to_string());
    differ("endpoint", last.endpoint.clone(), endpoint);
    let text = |value: bool| value.to_string();
    differ("reused", Some(text(last.reused)), expect.reused.map(text));
    let waited = expect.waited_micros.map(|waited| waited.to_string());
    differ("waited_micros", Some(last.waited_micros.to_string()), waited);
    let left = expect.left.map(|left| left.0.name().into());
    differ("left", Some(last.left.into()), left);
    differ("files_stay", Some(text(last.files_stay)), expect.files_stay.map(text));
    differences
}

//! The virtual world of a session: a fake process, its files, a clock that jumps, and whoever may
//! give up. It is the door that the steps know from live targets.

use std::time::Duration;

use softdock_attach::Report;
use softdock_cpython::Process;
use softdock_debugpy::record;

use super::acts::{FOLDER, is_pending};
use super::asking::Asking;
use super::judge::Ledger;
use super::scene::{Came, Fate, Passing, Plot, Scene};
use super::story::Story;
use super::{Asked, Dock, Docked, Doing, Found, STOPPED, Step, Surroundings, report};
use crate::answer::Clock;
use crate::report::{self as reports, Stopped};
use crate::scenario::session::Turn;

/// A session under way.
pub struct World<'w> {
    process: &'w mut Process,
    scene: Scene<'w>,
}

/// What is left of a world.
pub(super) struct Remains {
    pub(super) told: Option<Came>,
    pub(super) files_stay: bool,
    pub(super) questions: u32,
    pub(super) story: Story,
    pub(super) ledger: Ledger,
    pub(super) impossible: Vec<String>,
    pub(super) moves: Vec<(u32, Turn)>,
    pub(super) is_over: bool,
}

impl<'w> World<'w> {
    pub(super) fn new(
        process: &'w mut Process,
        plot: Plot<'w>,
        fate: Fate<'w>,
        story: Story,
    ) -> World<'w> {
        let runs = process.runs().len();
        let scene = Scene {
            plot,
            fate,
            now: Duration::ZERO,
            questions: 0,
            acted: 0,
            begun: None,
            has_slept: false,
            record: Found::Nothing,
            stopped: Found::Nothing,
            ledger: Ledger::default(),
            story,
            told: None,
            is_removed: false,
            impossible: Vec::new(),
            moves: Vec::new(),
            is_over: false,
            runs,
        };
        World { process, scene }
    }

    /// What it came to, once nobody goes on.
    pub(super) fn end(mut self, came: Result<bool, Box<Stopped>>) -> Remains {
        self.scene.ledger.ends(came.is_err());
        let Scene {
            told, is_removed, questions, story, ledger, impossible, moves, is_over, ..
        } = self.scene;
        let told = came.err().map(Came::Stopped).or(told);
        let files_stay = !is_removed;
        Remains { told, files_stay, questions, story, ledger, impossible, moves, is_over }
    }

    fn ask(&mut self) {
        self.scene.arrive(self.process);
    }
}

impl Clock for World<'_> {
    fn now(&mut self) -> Duration {
        self.scene.now()
    }

    fn sleep(&mut self, duration: Duration) {
        Passing { scene: &mut self.scene, process: self.process }.sleep(duration);
    }
}

impl Dock for World<'_> {
    type Stopped = Box<Stopped>;

    fn attempt(&mut self, step: Step) -> Result<Asked, Box<Stopped>> {
        self.ask();
        let scene = &mut self.scene;
        if scene.is_over || scene.ledger.has_ended {
            scene.asked(|| format!("asks for {}: the process has just ended", step.stub()));
            let detail = String::from("the process has just ended");
            return Err(Stopped::at_open("not-found", detail));
        }
        scene.asked(|| format!("asks for {}", step.stub()));
        scene.ledger.begins(step);
        let (asked, was_pending) = Asking::run(self.process, scene, step);
        let is_pending = was_pending || is_pending(self.process);
        let (left, now) = (asked.report.left.name(), scene.now);
        scene.ledger.asked(step, left, is_pending, (now, scene.plot.wanted.timeout));
        scene.story.told(now, || concluded(&asked.report));
        Ok(asked)
    }

    fn is_gone(&mut self) -> bool {
        self.ask();
        let is_gone = self.scene.ledger.has_ended || self.scene.is_over;
        self.scene.ledger.lives(!is_gone);
        self.scene.observe(&[u8::from(is_gone)]);
        self.scene.asked(|| format!("does it live? {}", if is_gone { "no" } else { "yes" }));
        is_gone
    }

    /// Of a file that is no whole record nobody learns more than that: where it is torn makes no
    /// other state.
    fn answer(&mut self, name: &str) -> Found {
        self.ask();
        let scene = &mut self.scene;
        let (found, is_torn) = match name {
            STOPPED => (scene.stopped.clone(), false),
            record::NAME => {
                scene.choose_cut();
                (scene.record.clone(), scene.is_torn())
            }
            _ => (Found::Nothing, false),
        };
        scene.ledger.is_read();
        match &found {
            Found::Nothing => scene.observe(b"nothing"),
            Found::OtherOwner(uid) => scene.observe(&uid.to_le_bytes()),
            Found::NoFile => scene.observe(b"no file"),
            Found::Bytes(_) if is_torn => scene.observe(b"torn"),
            Found::Bytes(bytes) => scene.observe(bytes),
        }
        scene.asked(|| format!("what is in {name}? {}", shown(&found)));
        found
    }

    fn is_cancelled(&mut self) -> bool {
        self.ask();
        let is_cancelled = self.scene.ledger.is_cancelled;
        self.scene.observe(&[u8::from(is_cancelled)]);
        let word = if is_cancelled { "yes" } else { "no" };
        self.scene.asked(|| format!("has the user given up? {word}"));
        is_cancelled
    }

    fn doing(&mut self, _: &Report) -> Option<Doing> {
        self.ask();
        self.scene.asked(|| "what is the thread doing? nobody knows".into());
        None
    }

    fn tell(&mut self, docked: &Docked) {
        let scene = &mut self.scene;
        let around = Surroundings { folder: FOLDER, is_elsewhere: false };
        let told = report(docked, scene.plot.wanted, &around);
        scene.ledger.tells(docked.step, &told, scene.now);
        if let (Step::Session, Some(patience)) = (docked.step, scene.plot.wanted.watch) {
            scene.ledger.awaits_client(scene.now, patience);
        }
        scene.story.told(scene.now, || said(&told));
        scene.told = Some(Came::Step(Box::new(told)));
    }

    fn remove_files(&mut self) {
        self.scene.ledger.removes(is_pending(self.process));
        self.scene.is_removed = true;
        self.scene.story.told(self.scene.now, || "the files are removed".into());
    }
}

fn shown(found: &Found) -> String {
    match found {
        Found::Nothing => "nothing".into(),
        Found::OtherOwner(uid) => format!("a file of user {uid}"),
        Found::NoFile => "no regular file".into(),
        Found::Bytes(bytes) => String::from_utf8_lossy(bytes).trim_end().to_owned(),
    }
}

fn concluded(report: &Report) -> String {
    let (outcome, site, left) = (report.outcome.name(), report.site, report.left.name());
    let reason = report.reason.map(|reason| format!(": {reason}")).unwrap_or_default();
    format!("the engine: {outcome} at {site}{reason}, left {left}")
}

fn said(told: &reports::Session) -> String {
    let reason = told.reason.map(|reason| format!(": {reason}")).unwrap_or_default();
    let detail = told.detail.as_ref().map(|detail| format!(" ({detail})")).unwrap_or_default();
    let at = told.host.as_ref().zip(told.port);
    let at = at.map(|(host, port)| format!(", {host}:{port}")).unwrap_or_default();
    format!("told: {} at {}{reason}{at}{detail}", told.outcome, told.site)
}

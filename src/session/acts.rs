//! What the target, the user and the machine do in the virtual world of a session, and the records
//! that come of it.

use std::time::Duration;

use softdock_cpython::Process;

use super::scene::{Cut, NIGHT, Scene};
use super::{Found, Step};
use crate::scenario::Actor;
use crate::scenario::session::{Act, EndpointText, Told, Turn};
use crate::world::perform;

/// Where the files are, as the target names it.
pub(super) const FOLDER: &str = "/tmp/softdock-0";

impl Scene<'_> {
    pub(super) fn take(&mut self, process: &mut Process, turn: Turn) {
        self.moves.push((self.questions, turn));
        match turn {
            Turn::Acts | Turn::Begins(_) if self.ledger.has_ended => {
                self.impossible.push("the target has ended, and cannot act".into());
            }
            Turn::Acts => self.act(process),
            Turn::Begins(cut) => self.begin(cut),
            Turn::Ends => {
                process.exit();
                self.ledger.has_ended = true;
                self.moved(|| "the target ends".into());
            }
            Turn::GivesUp => {
                self.ledger.is_cancelled = true;
                self.moved(|| "the user gives up".into());
            }
            Turn::Sleeps => {
                self.now += NIGHT;
                self.has_slept = true;
                self.moved(|| "the machine sleeps for an hour".into());
            }
        }
    }

    pub(super) fn moved(&mut self, what: impl FnOnce() -> String) {
        self.story.moved(self.now, what);
    }

    fn act(&mut self, process: &mut Process) {
        let possible = self.can_act(process);
        let acts: &[(Duration, Act)] = self.plot.acts;
        let Some((_, act)) = acts.get(self.acted) else { return };
        self.acted += 1;
        self.begun = None;
        if let Err(why) = possible {
            self.impossible.push(format!("act {} of the target is impossible: {why}", self.acted));
            return;
        }
        match act.clone() {
            Act::Takes => self.look(process),
            Act::Tells(told) => {
                self.moved(|| format!("the target tells {}", name(&told)));
                self.is_true(&told);
                self.record = Found::Bytes(self.bytes(&told));
                self.ledger.record = Some(told);
            }
            Act::Tears(cut, told) => self.tear(cut, &told),
            Act::Stops => {
                self.moved(|| "the target tells that it stops".into());
                self.ledger.has_stopped = true;
                self.stopped = Found::Bytes(Vec::new());
            }
            other => {
                self.moved(|| "somebody else's record is there".into());
                self.ledger.record = None;
                self.record = self.foreign(&other);
            }
        }
    }

    /// All threads look for a request.
    fn look(&mut self, process: &mut Process) {
        let before = process.runs().len();
        let threads: Vec<u64> = process.threads().map(|live| live.native).collect();
        for native in threads {
            for look in [Actor::Poll(native), Actor::CheckSignals(native)] {
                // A thread whose memory is gone does not look.
                let _ = perform(process, &look);
            }
        }
        for run in &process.runs()[before..] {
            let path = String::from_utf8_lossy(&run.path);
            self.moved(|| format!("thread {} takes {path}", run.native));
        }
    }

    /// The first bytes of what it tells next, which is true by then.
    fn begin(&mut self, cut: usize) {
        let Some(told) = self.next_telling().cloned() else {
            self.impossible.push("the target has nothing to tell next".into());
            return;
        };
        self.begun = Some(Cut::Known(cut));
        self.tear(cut, &told);
    }

    pub(super) fn tear(&mut self, cut: usize, told: &Told) {
        self.moved(|| format!("the target tells the first {cut} bytes of {}", name(told)));
        self.is_true(told);
        let mut bytes = self.bytes(told);
        // Without its last byte, the end of the line, a record is still whole.
        bytes.truncate(cut.min(bytes.len().saturating_sub(2)));
        self.record = Found::Bytes(bytes);
        self.ledger.record = None;
    }

    pub(super) fn is_torn(&self) -> bool {
        matches!(self.record, Found::Bytes(_)) && self.ledger.record.is_none() && {
            let last = self.acted.checked_sub(1).and_then(|last| self.plot.acts.get(last));
            self.begun.is_some() || matches!(last, Some((_, Act::Tears(..))))
        }
    }

    /// What is told is so: debugpy listens before the loader says it.
    fn is_true(&mut self, told: &Told) {
        match told {
            Told::Started | Told::Error(..) => {}
            Told::Listening(at) | Told::Reused(at) | Told::Connected(at) | Told::Attached(at) => {
                self.ledger.is_reused |= matches!(told, Told::Reused(_));
                self.ledger.is_attached |= matches!(told, Told::Attached(_));
                self.ledger.at = Some(at.0.clone());
            }
        }
    }

    fn foreign(&self, act: &Act) -> Found {
        let session = self.plot.wanted.session.as_str();
        match act {
            Act::OtherSession(told) => Found::Bytes(text(told, 1, "another-session", false)),
            Act::OtherFormat(format, told) => {
                Found::Bytes(text(told, *format, session, self.ledger.is_reused))
            }
            Act::OtherOwner(uid) => Found::OtherOwner(*uid),
            _ => Found::NoFile,
        }
    }

    /// The record as the loader writes it.
    pub(super) fn bytes(&self, told: &Told) -> Vec<u8> {
        let session = self.plot.wanted.session.as_str();
        text(told, 1, session, self.ledger.is_reused || matches!(told, Told::Reused(_)))
    }
}

/// The path of a step's script, as the engine is given it.
pub(super) fn path(step: Step) -> Vec<u8> {
    format!("{FOLDER}/{}", step.stub()).into_bytes()
}

/// Whether a request of ours is there to be taken.
pub(super) fn is_pending(process: &Process) -> bool {
    let ours = [path(Step::Session), path(Step::Stop)];
    let armed = process.threads().filter_map(|live| process.armed(live.key));
    armed.into_iter().any(|path| ours.contains(&path))
}

/// A record in the words of the loader, which is another program: `tell` in `session.py`.
fn text(told: &Told, format: u32, session: &str, is_reused: bool) -> Vec<u8> {
    let at = |at: &EndpointText| {
        let (host, port) = (&at.0.host, at.0.port);
        format!(
            ", \"host\": \"{host}\", \"port\": {port}, \"debugpy\": \"1.8.20\", \"reused\": \
             {is_reused}"
        )
    };
    let facts = match told {
        Told::Started => String::new(),
        Told::Listening(place) | Told::Reused(place) => at(place),
        Told::Connected(place) | Told::Attached(place) => at(place),
        Told::Error(kind, message) => {
            let escape = |c: char| match c {
                '"' | '\\' | '\0'..' ' => format!("\\u{:04x}", u32::from(c)),
                c => c.to_string(),
            };
            let quoted = |text: &str| text.chars().map(escape).collect::<String>();
            format!(", \"type\": \"{}\", \"message\": \"{}\"", quoted(kind), quoted(message))
        }
    };
    let state = name(told);
    format!("{{\"format\": {format}, \"session\": \"{session}\", \"state\": \"{state}\"{facts}}}\n")
        .into_bytes()
}

/// The state of a record.
const fn name(told: &Told) -> &'static str {
    match told {
        Told::Started => "started",
        Told::Listening(_) | Told::Reused(_) => "listening",
        Told::Connected(_) => "connected",
        Told::Attached(_) => "attached",
        Told::Error(..) => "error",
    }
}

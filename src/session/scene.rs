//! What may happen in the virtual world of a session, and when: by the clock, by a list, or in
//! every way there is. What a move does is told in `acts`.

use std::time::Duration;

use softdock_attach::{Config, Site};
use softdock_cpython::Process;

use super::acts::{is_pending, path};
use super::judge::Ledger;
use super::story::Story;
use super::{Found, Step, Wanted};
use crate::answer::Clock;
use crate::choice::{Chooser, Digest, Exhaustive, Open, Shape, What};
use crate::report::{self as reports, Stopped};
use crate::scenario::Fault;
use crate::scenario::session::{Act, Told, Turn};

/// How long a machine sleeps: longer than anybody waits.
pub(super) const NIGHT: Duration = Duration::from_secs(3600);

/// The shortest sleep in an exploration, as of a system with a coarse timer: with shorter ones the
/// engine would look more often, and see nothing else.
const COARSE: Duration = Duration::from_micros(1500);

/// At most so many questions: whoever asks more never comes to an end.
const QUESTIONS_MAX: u32 = 1_000_000;

/// What may happen, and what is asked for.
#[derive(Clone, Debug)]
pub(super) struct Plot<'w> {
    pub(super) wanted: &'w Wanted,
    pub(super) config: &'w Config,
    pub(super) faults: &'w [Fault],
    pub(super) acts: &'w [(Duration, Act)],
    pub(super) ends: Option<Duration>,
    pub(super) cancel: Option<Duration>,
}

/// Who says what happens when.
pub(super) enum Fate<'w> {
    /// The times in the plot.
    Clock,
    /// Who moves right before which question.
    Order(&'w [(u32, Turn)]),
    /// Everything that can happen at any question; the machine may sleep once.
    Chosen(&'w mut Exhaustive),
}

/// The world without its process, which the engine has to itself at times.
pub(super) struct Scene<'w> {
    pub(super) plot: Plot<'w>,
    pub(super) fate: Fate<'w>,
    pub(super) now: Duration,
    pub(super) questions: u32,
    /// How many of its acts the target has made.
    pub(super) acted: usize,
    /// How much of what it tells next is in the file already.
    pub(super) begun: Option<Cut>,
    pub(super) has_slept: bool,
    pub(super) record: Found,
    pub(super) stopped: Found,
    pub(super) ledger: Ledger,
    pub(super) story: Story,
    pub(super) told: Option<Came>,
    pub(super) is_removed: bool,
    pub(super) impossible: Vec<String>,
    /// Who moved right before which question.
    pub(super) moves: Vec<(u32, Turn)>,
    /// Whether what would follow is known already.
    pub(super) is_over: bool,
    pub(super) runs: usize,
}

/// Where a record is torn. In an exploration that is chosen when somebody reads it: before that it
/// makes no difference, and afterwards it was no record, wherever it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cut {
    Known(usize),
    Open,
}

/// What was told last, and of which step.
#[derive(Clone, Debug)]
pub(super) enum Came {
    /// A step.
    Step(Box<reports::Session>),
    /// That the engine could not be asked.
    Stopped(Box<Stopped>),
}

/// The clock of a scene: what is due happens while somebody sleeps.
pub(super) struct Passing<'p, 'w> {
    pub(super) scene: &'p mut Scene<'w>,
    pub(super) process: &'p mut Process,
}

impl Clock for Passing<'_, '_> {
    fn now(&mut self) -> Duration {
        self.scene.now()
    }

    fn sleep(&mut self, duration: Duration) {
        let Passing { scene, process } = self;
        scene.ledger.sleeps(scene.now, duration);
        scene.story.pauses();
        let until = match scene.fate {
            Fate::Clock => scene.now + duration,
            _ => scene.now + duration.max(COARSE),
        };
        if matches!(scene.fate, Fate::Clock) {
            scene.let_pass(process, until);
        }
        scene.now = until;
        scene.ledger.wakes();
    }
}

impl Scene<'_> {
    pub(super) fn now(&mut self) -> Duration {
        self.observe(&self.now.as_micros().to_le_bytes());
        self.now
    }

    /// Everything that the times say, up to this one.
    fn let_pass(&mut self, process: &mut Process, until: Duration) {
        while let Some((at, turn)) = self.next_due().filter(|(at, _)| *at <= until) {
            self.now = self.now.max(at);
            self.take(process, turn);
        }
    }

    pub(super) const fn plot(&self) -> &Plot<'_> {
        &self.plot
    }

    /// The thread is waited for from now on.
    pub(super) fn awaits_thread(&mut self) {
        self.ledger.awaits_thread(self.now, self.plot.wanted.timeout);
    }

    pub(super) const fn is_cancelled(&self) -> bool {
        self.ledger.is_cancelled
    }

    pub(super) fn asked(&mut self, what: impl FnOnce() -> String) {
        self.story.asked(self.questions, self.now, what);
    }

    pub(super) fn observe(&mut self, bytes: &[u8]) {
        if let Fate::Chosen(chooser) = &mut self.fate {
            chooser.observe(bytes);
        }
    }

    /// A question is asked: whatever happens before it is answered happens now.
    pub(super) fn arrive(&mut self, process: &mut Process) {
        self.questions += 1;
        self.is_over |= self.questions > QUESTIONS_MAX;
        match self.fate {
            Fate::Clock => self.let_pass(process, self.now),
            Fate::Order(order) => {
                let number = self.questions;
                let now = order.iter().filter(|(question, _)| *question == number);
                now.for_each(|(_, turn)| self.take(process, *turn));
            }
            Fate::Chosen(_) => self.let_anything_happen(process),
        }
    }

    /// What the times say: what comes next, and when.
    fn next_due(&self) -> Option<(Duration, Turn)> {
        let Ledger { has_ended, is_cancelled, .. } = self.ledger;
        let act = self.plot.acts.get(self.acted).filter(|_| !has_ended);
        let ends = self.plot.ends.filter(|_| !has_ended);
        let cancel = self.plot.cancel.filter(|_| !is_cancelled);
        let all =
            [(act.map(|(at, _)| *at), Turn::Acts), (ends, Turn::Ends), (cancel, Turn::GivesUp)];
        all.into_iter().filter_map(|(at, turn)| Some((at?, turn))).min_by_key(|(at, _)| *at)
    }

    fn let_anything_happen(&mut self, process: &mut Process) {
        let state = self.fingerprint(process);
        let Fate::Chosen(chooser) = &mut self.fate else { return };
        self.is_over |= !chooser.arrive(|| state);
        let mut last = 0;
        while !self.is_over {
            let turns = self.possible(process, last);
            let Some(nth) = self.choose(What::Mover, turns.len()).checked_sub(1) else { return };
            last = turns[nth].0;
            let is_telling = self.begun.is_none() && self.next_telling().is_some();
            match turns[nth].1 {
                Turn::Acts if is_telling && self.choose(What::Fault, 1) == 1 => {
                    self.take(process, Turn::Begins(0));
                    self.begun = Some(Cut::Open);
                }
                turn => self.take(process, turn),
            }
        }
    }

    /// Where a record is torn that is read now for the first time.
    pub(super) fn choose_cut(&mut self) {
        let (Some(Cut::Open), Some(told)) = (self.begun, self.next_telling().cloned()) else {
            return;
        };
        let last = self.bytes(&told).len().saturating_sub(2);
        let Ledger { has_ended, is_cancelled, .. } = self.ledger;
        let cut = match has_ended || is_cancelled || self.has_slept {
            true => last / 2,
            false => self.choose(What::Mover, last),
        };
        self.begun = Some(Cut::Known(cut));
        self.tear(cut, &told);
        let begins = self.moves.iter_mut().rev().find(|(_, turn)| matches!(turn, Turn::Begins(_)));
        begins.into_iter().for_each(|(_, turn)| *turn = Turn::Begins(cut));
    }

    /// One of so many, counted from 1, or 0 for none of them.
    fn choose(&mut self, what: What, options: usize) -> usize {
        let Fate::Chosen(chooser) = &mut self.fate else { return 0 };
        if options == 0 || self.is_over {
            return 0;
        }
        let (access, site) = (self.questions, Site::Confirm);
        let open = Open { access, site, hit: access, shape: Shape::Ask, what };
        chooser.choose(open, options as u32 + 1) as usize
    }

    /// What could happen now, where `last` of these was the last before the same question. Nobody
    /// can tell in which order they came between two questions, so that one order is enough: after
    /// its end a target does not act.
    fn possible(&self, process: &Process, last: usize) -> Vec<(usize, Turn)> {
        let Ledger { has_ended, is_cancelled, .. } = self.ledger;
        let acts = !has_ended && self.can_act(process).is_ok();
        let all = [
            (acts, Turn::Acts),
            (!has_ended, Turn::Ends),
            (!is_cancelled, Turn::GivesUp),
            (!self.has_slept && !has_ended && !is_cancelled, Turn::Sleeps),
        ];
        let possible = all.into_iter().enumerate().skip(last).filter(|(_, (can, _))| *can);
        possible.map(|(nth, (_, turn))| (nth, turn)).collect()
    }

    /// Whether the target can make its next act: a script that nobody has taken tells nothing.
    pub(super) fn can_act(&self, process: &Process) -> Result<(), &'static str> {
        let Some((_, act)) = self.plot.acts.get(self.acted) else { return Err("there is none") };
        let ran = |step: Step| {
            let runs = process.runs().iter().skip(self.runs);
            runs.into_iter().any(|run| run.path == path(step))
        };
        match act {
            Act::Takes if !is_pending(process) => Err("nothing is pending"),
            Act::Tells(_) | Act::Tears(..) if !ran(Step::Session) => Err("the loader has not run"),
            Act::Stops if !ran(Step::Stop) => Err("the breakpoint has not run"),
            _ => Ok(()),
        }
    }

    /// What the target is to tell next.
    pub(super) fn next_telling(&self) -> Option<&Told> {
        match self.plot.acts.get(self.acted) {
            Some((_, Act::Tells(told))) => Some(told),
            _ => None,
        }
    }

    /// The state of this world and of its judge.
    fn fingerprint(&self, process: &Process) -> u128 {
        let mut digest = Digest::default();
        let begun = u64::from(self.begun.is_some());
        let Ledger { has_ended, is_cancelled, .. } = self.ledger;
        let flags = [has_ended, is_cancelled, self.has_slept];
        let flags = flags.iter().fold(0, |word, flag| word << 1 | u64::from(*flag));
        let now = self.now.as_micros() as u64;
        for word in [self.acted as u64, begun, flags, now].into_iter().chain(self.ledger.memory()) {
            digest.word(word);
        }
        digest.value() ^ process.fingerprint()
    }
}

//! The virtual world around one attempt: a fake process behind the door, faults that strike its
//! accesses by site and hit, a target that moves when told to, a trace, and a watch that knows the
//! truth. It decides nothing by itself: same scenario, same bytes.

mod door;
mod moment;
mod moves;

use softdock_attach::Site;
use softdock_cpython::{MoveError, Process};

pub use moment::{Moment, Retold, Until};
pub use moves::{key, perform};

use crate::choice::{Chooser, Menu, Open, Shape, What};
use crate::evidence::{Evidence, LogEnd};
use crate::frontend::FrontEnd;
use crate::frontend::paged::Pages;
use crate::oracle::Watch;
use crate::scenario::{Actor, At, Fault, FaultKind};
use crate::trace::Trace;

/// What may happen in a world, beside what the chooser decides.
#[derive(Clone, Copy, Debug, Default)]
pub struct Plot<'w> {
    /// What happens at known accesses.
    pub faults: &'w [Fault],
    /// What the target does each time the engine waits.
    pub waits: &'w [Actor],
    /// What the target may do at any time, each list in its own order.
    pub moves: &'w [Vec<Actor>],
    /// What may go wrong with an access; `None` where nothing else may.
    pub menu: Option<&'w Menu>,
    /// An access at which the target does nothing by itself: for asking what it changed that it
    /// did.
    pub calm_at: Option<u32>,
    /// Who attaches.
    pub front_end: FrontEnd,
    /// How many looks at the target [`Plot::faults`] leave alone, the first ones.
    pub calm_looks: u32,
    /// Whether it is the pages that a front end reads that something goes wrong with, instead of
    /// the accesses of the engine.
    pub strikes_pages: bool,
}

/// The world of one attempt.
pub struct World<'w, 's, C> {
    /// The process behind the door.
    pub(crate) process: &'w mut Process,
    plot: Plot<'w>,
    chooser: &'w mut C,
    /// What has happened in it so far.
    pub past: &'w mut Past<'s>,
    /// The same, for a person.
    pub trace: Trace,
    /// What the engine was shown so far.
    pub evidence: &'w mut Evidence,
}

/// What has happened in a world so far, apart from what its process itself can tell.
#[derive(Clone, Debug)]
pub struct Past<'s> {
    site: Site,
    hits: [u32; Site::ALL.len()],
    /// What became of each of [`Plot::faults`].
    struck: Vec<Fate>,
    /// How far each list of [`Plot::moves`] has come.
    moved: Vec<usize>,
    /// What goes wrong with every access from now on.
    lasting: Option<FaultKind>,
    is_frozen: bool,
    accesses: u32,
    /// Those at which the menu could have let something go wrong.
    open: u32,
    bytes: u64,
    largest: usize,
    /// Whether the engine was asked with nothing touched before.
    has_begun: bool,
    /// How often the engine has begun to look.
    looks: u32,
    /// The accesses that were made before the last one began.
    looked_from: u32,
    conclusions: u32,
    impossible: Option<MoveError>,
    /// What lies between the engine's accesses, which faults strike, and the process.
    pages: Option<Pages>,
    /// What the chooser let happen.
    happened: Vec<Fault>,
    moves: Vec<(u32, Actor)>,
    /// What hardly any run has.
    aside: Option<Box<Aside>>,
    /// For a judge who knows the truth.
    pub watch: Watch<'s>,
}

/// What is noted only where it can matter, so that thousands of runs need not carry it.
#[derive(Clone, Debug, Default)]
struct Aside {
    /// What each of [`Plot::faults`] struck, by rank, where all that can go wrong is told by the
    /// scenario.
    strikes: Vec<(usize, Shape)>,
    /// Which of the moves the target could not make when it was to, by rank.
    unmade: Vec<usize>,
}

/// What became of a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Ahead,
    Struck,
    /// It did not strike the attempt that writes: it struck the rehearsal before it, or was to be a
    /// move of a target that stood still.
    Spared,
}

impl<'s> Past<'s> {
    /// Nothing has happened in an attempt to run this script.
    #[must_use]
    pub fn none(script: &'s [u8], plot: &Plot<'_>, process: &Process) -> Past<'s> {
        Past {
            site: Site::Gate,
            hits: [0; Site::ALL.len()],
            struck: vec![Fate::Ahead; plot.faults.len()],
            moved: vec![0; plot.moves.len()],
            lasting: None,
            is_frozen: false,
            accesses: 0,
            open: 0,
            bytes: 0,
            largest: 0,
            has_begun: false,
            looks: 0,
            looked_from: 0,
            conclusions: 0,
            impossible: None,
            pages: plot.front_end.pages(),
            happened: Vec::new(),
            moves: Vec::new(),
            aside: None,
            watch: Watch::new(script, process),
        }
    }

    /// At how many accesses the menu could have let something go wrong.
    pub const fn open(&self) -> u32 {
        self.open
    }
}

impl<'w, 's, C: Chooser> World<'w, 's, C> {
    /// A world that goes on from here.
    pub fn new(
        process: &'w mut Process,
        plot: Plot<'w>,
        past: &'w mut Past<'s>,
        chooser: &'w mut C,
        trace: Trace,
        evidence: &'w mut Evidence,
    ) -> World<'w, 's, C> {
        World { process, plot, chooser, past, trace, evidence }
    }

    /// How often the engine touched the target or asked about it.
    pub fn accesses(&self) -> u32 {
        self.past.accesses
    }

    /// How many bytes the engine asked to be moved, and how many at once at most.
    pub fn bytes(&self) -> (u64, usize) {
        (self.past.bytes, self.past.largest)
    }

    /// Whether the engine was asked with nothing touched before: whoever attaches tells of the
    /// beginning right then.
    pub fn has_begun(&self) -> bool {
        self.past.has_begun
    }

    /// How often the engine concluded.
    pub fn conclusions(&self) -> u32 {
        self.past.conclusions
    }

    /// How many accesses the engine made at each site, in the order of [`Site::ALL`].
    pub fn hits(&self) -> [u32; Site::ALL.len()] {
        self.past.hits
    }

    /// What the chooser let happen, as a scenario would say it; and all that the target did, each
    /// move with the access it came right before.
    pub fn happened(&mut self) -> (Vec<Fault>, Vec<(u32, Actor)>) {
        (std::mem::take(&mut self.past.happened), std::mem::take(&mut self.past.moves))
    }

    /// The moves of which [`Plot::moves`] leaves open when they are made that could not be made
    /// then, by their rank among all.
    pub fn unmade(&mut self) -> Vec<usize> {
        self.past.aside.take().map_or_else(Vec::new, |aside| aside.unmade)
    }

    /// Whether everything that can go wrong is told by the scenario.
    pub fn is_told(&self) -> bool {
        self.plot.menu.is_none()
    }

    /// The faults that never struck: the engine did not get as far as they say.
    pub fn unstruck(&self) -> impl Iterator<Item = (usize, &Fault)> {
        let faults = self.plot.faults.iter().enumerate();
        faults.filter(|(nth, _)| self.past.struck[*nth] == Fate::Ahead)
    }

    /// The faults that struck nothing but what they make no difference to, with the first of that.
    pub fn vain(&self) -> impl Iterator<Item = (usize, &Fault, Shape)> {
        self.plot.faults.iter().enumerate().filter_map(|(nth, fault)| {
            let strikes = &self.past.aside.as_ref()?.strikes;
            let struck = strikes.iter().filter(move |(rank, _)| *rank == nth);
            let mut struck = struck.map(|(_, shape)| *shape);
            let first = struck.next()?;
            let is_vain = |shape: Shape| !shape.is_changed_by(&fault.kind);
            (is_vain(first) && struck.all(is_vain)).then_some((nth, fault, first))
        })
    }

    /// The faults that the attempt that writes was spared, by their rank.
    pub fn spared(&self) -> Vec<usize> {
        let Past { struck, looks, .. } = &self.past;
        let only_rehearsed = *looks <= self.plot.calm_looks;
        let is_spared = |struck: &Fate| match struck {
            Fate::Ahead => only_rehearsed,
            Fate::Struck => false,
            Fate::Spared => true,
        };
        let struck = struck.iter().enumerate().filter(|(_, struck)| is_spared(struck));
        struck.map(|(nth, _)| nth).collect()
    }

    /// A move that the target could not make, if any.
    pub fn impossible(&self) -> Option<&MoveError> {
        self.past.impossible.as_ref()
    }

    /// The engine looks at the target, as if for the first time: the accesses of this look are
    /// counted anew, and what was seen before bears nothing out.
    ///
    /// An engine that goes on from a moment may say so once more: nothing was accessed in between.
    fn begins_to_look(&mut self) {
        if self.past.looks > 0 && self.past.accesses == self.past.looked_from {
            return;
        }
        self.past.looked_from = self.past.accesses;
        self.past.has_begun |= self.past.accesses == 0;
        self.past.looks += 1;
        self.past.hits = [0; Site::ALL.len()];
        self.evidence.go_back(LogEnd::default());
        for struck in self.past.struck.iter_mut().filter(|struck| **struck == Fate::Struck) {
            *struck = Fate::Spared;
        }
    }

    /// Counts an access, lets the target make the moves that are due, and returns the fault that
    /// strikes it.
    fn strike(&mut self, shape: Shape) -> Option<FaultKind> {
        self.past.accesses += 1;
        self.past.hits[self.past.site as usize] += 1;
        if let Shape::Read(bytes) | Shape::Write(bytes) | Shape::Image(bytes) = shape {
            self.past.bytes += bytes as u64;
            self.past.largest = self.past.largest.max(bytes);
        }
        let due = self.due(shape);
        if !self.arrive() {
            return Some(FaultKind::Gone);
        }
        self.let_actors_move(shape);
        match &self.past.lasting {
            Some(lasting) => Some(lasting.clone()),
            None if due.is_some() => due,
            None => self.choose_fault(shape),
        }
    }

    /// What the scenario says of this access: its moves are made, its fault is returned.
    fn due(&mut self, shape: Shape) -> Option<FaultKind> {
        let hit = self.past.hits[self.past.site as usize];
        let mut kind = None;
        let is_calm = self.past.looks <= self.plot.calm_looks;
        let faults: &'w [Fault] = if is_calm { &[] } else { self.plot.faults };
        for (nth, fault) in faults.iter().enumerate() {
            let (here, now, first) = match fault.at {
                At::Hit(site, first) => (site == self.past.site, hit, first),
                At::Access(first) => (true, self.past.accesses, first),
            };
            let strikes = match self.past.struck[nth] {
                Fate::Ahead => now >= first,
                Fate::Struck | Fate::Spared => fault.sticky,
            };
            if !here || !strikes {
                continue;
            }
            self.past.struck[nth] = Fate::Struck;
            match &fault.kind {
                FaultKind::Move(_) if self.is_calm() => {}
                FaultKind::Move(actor) if self.past.is_frozen && !actor.is_from_outside() => {
                    self.past.struck[nth] = Fate::Spared;
                }
                FaultKind::Move(actor) => self.perform(actor),
                other => {
                    if self.is_told() {
                        self.note_strike(nth, shape);
                    }
                    kind = Some(other.clone());
                }
            }
        }
        kind
    }

    #[cold]
    fn note_strike(&mut self, nth: usize, shape: Shape) {
        self.past.aside.get_or_insert_default().strikes.push((nth, shape));
    }

    #[cold]
    fn note_unmade(&mut self) {
        let nth = self.past.moves.len() - 1;
        self.past.aside.get_or_insert_default().unmade.push(nth);
    }

    /// Whether the run is to go on.
    fn arrive(&mut self) -> bool {
        let World { chooser, process, past, .. } = self;
        let Past { moved, lasting, watch, .. } = &**past;
        chooser.arrive(|| {
            let moves = moved.iter().fold(0, |sum, done| sum << 16 | *done as u128);
            let lasts = lasting.as_ref().map_or(0, |kind| 1 + ordinal(kind));
            let seen = u128::from(watch.state()) << 64;
            process.fingerprint() ^ (moves << 8 | lasts).wrapping_add(seen).wrapping_mul(ODD)
        })
    }

    fn let_actors_move(&mut self, shape: Shape) {
        let lists: &'w [Vec<Actor>] = self.plot.moves;
        if self.is_calm() {
            return;
        }
        loop {
            let ready = |nth: &usize| self.ready(*nth).is_some();
            let count = (0..lists.len()).filter(ready).count();
            if count == 0 {
                return;
            }
            let open = self.open(shape, What::Mover);
            let choice = self.chooser.choose(open, count as u32 + 1);
            let Some(nth) = (choice as usize).checked_sub(1) else { return };
            let Some(nth) = (0..lists.len()).filter(|nth| self.ready(*nth).is_some()).nth(nth)
            else {
                return;
            };
            let actor = &lists[nth][self.past.moved[nth]];
            self.past.moved[nth] += 1;
            self.happens(FaultKind::Move(actor.clone()), false);
            // A move that cannot be made any more is not made.
            if self.try_to(actor).is_err() {
                self.note_unmade();
            }
        }
    }

    /// The next move of this list, if it can be made now.
    fn ready(&self, list: usize) -> Option<&'w Actor> {
        let moves: &'w [Vec<Actor>] = self.plot.moves;
        let next = moves[list].get(self.past.moved[list])?;
        (!self.past.is_frozen || next.is_from_outside()).then_some(next)
    }

    fn choose_fault(&mut self, shape: Shape) -> Option<FaultKind> {
        let menu = self.plot.menu?;
        self.past.open += 1;
        if !self.chooser.minds(self.past.accesses) {
            return None;
        }
        let open = self.open(shape, What::Fault);
        let choice = self.chooser.choose(open, menu.len(shape).saturating_add(1));
        let (kind, lasts) = menu.get(shape, choice)?;
        if lasts {
            self.past.lasting = Some(kind.clone());
        }
        self.happens(kind.clone(), lasts);
        Some(kind)
    }

    /// Takes note of a choice. What lasts lasts at every site, and a second look makes the accesses
    /// of the first: both only the number of an access can say.
    fn happens(&mut self, kind: FaultKind, sticky: bool) {
        let hit = self.past.hits[self.past.site as usize];
        let at = if sticky || self.past.looks > 1 {
            At::Access(self.past.accesses)
        } else {
            At::Hit(self.past.site, hit)
        };
        self.past.happened.push(Fault { at, sticky, kind });
    }

    fn is_calm(&self) -> bool {
        self.plot.calm_at == Some(self.past.accesses)
    }

    fn open(&self, shape: Shape, what: What) -> Open {
        let hit = self.past.hits[self.past.site as usize];
        Open { access: self.past.accesses, site: self.past.site, hit, shape, what }
    }

    /// A move that the scenario demands.
    fn perform(&mut self, actor: &Actor) {
        if let Err(error) = self.try_to(actor) {
            self.trace.impossible(self.past.site, &error);
            self.past.impossible = Some(error);
        }
    }

    /// A move, if the target can make it.
    fn try_to(&mut self, actor: &Actor) -> Result<(), MoveError> {
        self.past.moves.push((self.past.accesses, actor.clone()));
        self.trace.moved(self.past.site, actor);
        if let Actor::OtherDebugger(_, path) = actor {
            self.past.watch.other_asks(path);
        }
        match actor {
            // Nobody can see the difference: see `blame`.
            Actor::Take(native) if self.plot.calm_at.is_some() => {
                perform(self.process, &Actor::CheckSignals(*native))
            }
            _ => perform(self.process, actor),
        }
    }
}

/// For mixing what a process cannot tell of itself into its fingerprint.
const ODD: u128 = 0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835;

/// A number for each fault that can last.
fn ordinal(kind: &FaultKind) -> u128 {
    match kind {
        FaultKind::Unmapped => 0,
        FaultKind::Denied => 1,
        FaultKind::Gone => 2,
        FaultKind::Interrupted => 3,
        FaultKind::Unsupported => 4,
        FaultKind::Killed(_) => 5,
        _ => 6,
    }
}

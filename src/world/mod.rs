//! The virtual world around one attempt: a fake process behind the door, faults that strike its
//! accesses by site and hit, a target that moves when told to, a trace, and a watch that knows the
//! truth. It decides nothing by itself: same scenario, same bytes.

mod door;
mod moves;

use softdock_attach::Site;
use softdock_cpython::{MoveError, Process};

pub use moves::{key, perform};

use crate::choice::{Chooser, Menu, Open, Shape, What};
use crate::evidence::Log;
use crate::oracle::Watch;
use crate::scenario::{Actor, At, Fault, FaultKind};
use crate::trace::Trace;

/// What may happen in a world, beside what the chooser decides.
#[derive(Clone, Copy, Debug)]
pub struct Plot<'w> {
    /// The script of the attempt.
    pub script: &'w [u8],
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
}

/// The world of one attempt.
pub struct World<'w, C> {
    process: &'w mut Process,
    plot: Plot<'w>,
    chooser: &'w mut C,
    site: Site,
    hits: [u32; Site::ALL.len()],
    struck: Vec<bool>,
    /// How far each list of [`Plot::moves`] has come.
    moved: Vec<usize>,
    /// What goes wrong with every access from now on.
    lasting: Option<FaultKind>,
    is_frozen: bool,
    accesses: u32,
    bytes: u64,
    largest: usize,
    conclusions: u32,
    impossible: Option<MoveError>,
    /// What the chooser let happen.
    happened: Vec<Fault>,
    moves: Vec<(u32, Actor)>,
    /// What happened so far, for a judge who knows the truth.
    pub watch: Watch<'w>,
    /// What happened so far, for a person.
    pub trace: Trace,
    /// What the engine was shown so far.
    pub log: Log,
}

impl<'w, C: Chooser> World<'w, C> {
    /// The world at rest.
    pub fn new(
        process: &'w mut Process,
        plot: Plot<'w>,
        chooser: &'w mut C,
        trace: Trace,
    ) -> World<'w, C> {
        let watch = Watch::new(plot.script, process);
        World {
            process,
            plot,
            chooser,
            site: Site::Gate,
            hits: [0; Site::ALL.len()],
            struck: vec![false; plot.faults.len()],
            moved: vec![0; plot.moves.len()],
            lasting: None,
            is_frozen: false,
            accesses: 0,
            bytes: 0,
            largest: 0,
            conclusions: 0,
            impossible: None,
            happened: Vec::new(),
            moves: Vec::new(),
            watch,
            trace,
            log: Log::default(),
        }
    }

    /// The process, to look at.
    pub fn process(&self) -> &Process {
        self.process
    }

    /// How often the engine touched the target or asked about it.
    pub fn accesses(&self) -> u32 {
        self.accesses
    }

    /// How many bytes the engine asked to be moved, and how many at once at most.
    pub fn bytes(&self) -> (u64, usize) {
        (self.bytes, self.largest)
    }

    /// How often the engine concluded.
    pub fn conclusions(&self) -> u32 {
        self.conclusions
    }

    /// How many accesses the engine made at each site, in the order of [`Site::ALL`].
    pub fn hits(&self) -> [u32; Site::ALL.len()] {
        self.hits
    }

    /// What the chooser let happen, as a scenario would say it; and all that the target did, each
    /// move with the access it came right before.
    pub fn happened(&mut self) -> (Vec<Fault>, Vec<(u32, Actor)>) {
        (std::mem::take(&mut self.happened), std::mem::take(&mut self.moves))
    }

    /// Whether everything that can go wrong is told by the scenario.
    pub fn is_told(&self) -> bool {
        self.plot.menu.is_none()
    }

    /// The faults that never struck: the engine did not get as far as they say.
    pub fn unstruck(&self) -> impl Iterator<Item = (usize, &Fault)> {
        let struck = self.struck.iter().zip(self.plot.faults).enumerate();
        struck.filter(|(_, (struck, _))| !**struck).map(|(nth, (_, fault))| (nth, fault))
    }

    /// A move that the target could not make, if any.
    pub fn impossible(&self) -> Option<&MoveError> {
        self.impossible.as_ref()
    }

    /// Counts an access, lets the target make the moves that are due, and returns the fault that
    /// strikes it.
    fn strike(&mut self, shape: Shape) -> Option<FaultKind> {
        self.accesses += 1;
        self.hits[self.site as usize] += 1;
        if let Shape::Read(bytes) | Shape::Write(bytes) | Shape::Image(bytes) = shape {
            self.bytes += bytes as u64;
            self.largest = self.largest.max(bytes);
        }
        let due = self.due();
        if !self.arrive() {
            return Some(FaultKind::Gone);
        }
        self.let_actors_move(shape);
        let kind = self.lasting.clone().or(due);
        if kind.is_some() { kind } else { self.choose_fault(shape) }
    }

    /// What the scenario says of this access: its moves are made, its fault is returned.
    fn due(&mut self) -> Option<FaultKind> {
        let hit = self.hits[self.site as usize];
        let mut kind = None;
        let faults: &'w [Fault] = self.plot.faults;
        for (nth, fault) in faults.iter().enumerate() {
            let (here, now, first) = match fault.at {
                At::Hit(site, first) => (site == self.site, hit, first),
                At::Access(first) => (true, self.accesses, first),
            };
            if !here || now < first || now > first && !fault.sticky {
                continue;
            }
            self.struck[nth] = true;
            match &fault.kind {
                FaultKind::Move(_) if self.is_calm() => {}
                FaultKind::Move(actor) => self.perform(actor),
                other => kind = Some(other.clone()),
            }
        }
        kind
    }

    /// Whether the run is to go on.
    fn arrive(&mut self) -> bool {
        let World { chooser, process, moved, lasting, watch, .. } = self;
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
            let actor = &lists[nth][self.moved[nth]];
            self.moved[nth] += 1;
            self.happens(FaultKind::Move(actor.clone()), false);
            // A move that cannot be made any more is not made.
            let _ = self.try_to(actor);
        }
    }

    /// The next move of this list, if it can be made now.
    fn ready(&self, list: usize) -> Option<&'w Actor> {
        let moves: &'w [Vec<Actor>] = self.plot.moves;
        let next = moves[list].get(self.moved[list])?;
        (!self.is_frozen || next.is_from_outside()).then_some(next)
    }

    fn choose_fault(&mut self, shape: Shape) -> Option<FaultKind> {
        let menu = self.plot.menu.filter(|_| self.chooser.minds(self.accesses))?;
        let open = self.open(shape, What::Fault);
        let choice = self.chooser.choose(open, menu.len(shape).saturating_add(1));
        let (kind, lasts) = menu.get(shape, choice)?;
        if lasts {
            self.lasting = Some(kind.clone());
        }
        self.happens(kind.clone(), lasts);
        Some(kind)
    }

    /// Takes note of a choice. What lasts lasts at every site, which only the number of an access
    /// can say.
    fn happens(&mut self, kind: FaultKind, sticky: bool) {
        let hit = self.hits[self.site as usize];
        let at = if sticky { At::Access(self.accesses) } else { At::Hit(self.site, hit) };
        self.happened.push(Fault { at, sticky, kind });
    }

    fn is_calm(&self) -> bool {
        self.plot.calm_at == Some(self.accesses)
    }

    fn open(&self, shape: Shape, what: What) -> Open {
        let hit = self.hits[self.site as usize];
        Open { access: self.accesses, site: self.site, hit, shape, what }
    }

    /// A move that the scenario demands.
    fn perform(&mut self, actor: &Actor) {
        if let Err(error) = self.try_to(actor) {
            self.trace.impossible(self.site, &error);
            self.impossible = Some(error);
        }
    }

    /// A move, if the target can make it.
    fn try_to(&mut self, actor: &Actor) -> Result<(), MoveError> {
        self.moves.push((self.accesses, actor.clone()));
        self.trace.moved(self.site, actor);
        if let Actor::OtherDebugger(_, path) = actor {
            self.watch.other_asks(path);
        }
        perform(self.process, actor)
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

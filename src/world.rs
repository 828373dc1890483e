//! The virtual world around one attempt: a fake process behind the door, faults that strike its
//! accesses by site and hit, a target that moves when told to, a trace, and a watch that knows the
//! truth. It decides nothing by itself: same scenario, same bytes.

use softdock_attach::{Host, Report, Site, Wait};
use softdock_cpython::{InterpreterSpec, MoveError, Process, ThreadKey, ThreadSpec};
use softdock_process::{
    Address, Candidate, ErrorKind, Identity, MemoryError, MemoryRange, Modules, ProcessMemory,
    Threads,
};

use crate::choice::{Chooser, Menu, Open, Shape, What};
use crate::evidence::Log;
use crate::oracle::Watch;
use crate::scenario::{Actor, At, Fault, FaultKind};
use crate::trace::{Answer, Question, Trace};

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

    /// Whether the target did anything by itself.
    pub fn has_moved(&self) -> bool {
        !self.moves.is_empty()
    }

    /// The faults that never struck: the engine did not get as far as they say.
    pub fn unstruck(&self) -> impl Iterator<Item = usize> + '_ {
        self.struck.iter().enumerate().filter(|(_, struck)| !**struck).map(|(nth, _)| nth)
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
        let menu = self.plot.menu?;
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

    /// The honest failure that a fault means, before anything is transferred.
    fn honest(kind: &FaultKind) -> Option<ErrorKind> {
        match kind {
            FaultKind::Unmapped => Some(ErrorKind::Unmapped),
            FaultKind::Denied => Some(ErrorKind::Denied),
            FaultKind::Gone => Some(ErrorKind::Gone),
            FaultKind::Interrupted => Some(ErrorKind::Interrupted),
            FaultKind::Unsupported => Some(ErrorKind::Unsupported),
            _ => None,
        }
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

    /// A question to the system, which a fault may fail or answer wrongly.
    fn ask<T: Copy + Into<Answer>>(
        &mut self,
        question: Question,
        answer: impl FnOnce(&mut Process) -> Result<T, ErrorKind>,
        lie: impl FnOnce(T) -> T,
    ) -> Result<T, ErrorKind> {
        let kind = self.strike(Shape::Ask);
        let kind = kind.as_ref();
        let answer = match (kind.and_then(Self::honest), kind) {
            (Some(honest), _) => Err(honest),
            (None, Some(FaultKind::LieAnswer)) => answer(self.process).map(lie),
            _ => answer(self.process),
        };
        match answer {
            Ok(answer) => self.chooser.observe(&Into::<Answer>::into(answer).word().to_le_bytes()),
            Err(kind) => self.chooser.observe(kind.name().as_bytes()),
        }
        self.trace.asked((self.site, kind), question, || answer.map(Into::into));
        answer
    }

    /// What lands of a write under a fault, and what is reported.
    fn landing(
        kind: Option<&FaultKind>,
        at: Address,
        len: usize,
    ) -> (usize, Result<(), MemoryError>) {
        let failed = |kind, done| Err(MemoryError { kind, at, wanted: len, done });
        match kind {
            Some(FaultKind::Short(0)) => (0, failed(ErrorKind::Unmapped, 0)),
            Some(FaultKind::Short(done)) if *done < len => (*done, failed(ErrorKind::Short, *done)),
            Some(FaultKind::LandedButFailed) => (len, failed(ErrorKind::Interrupted, 0)),
            Some(FaultKind::Lost) => (0, Ok(())),
            Some(FaultKind::Torn(done)) => ((*done).min(len), Ok(())),
            Some(FaultKind::Killed(done)) => ((*done).min(len), failed(ErrorKind::Gone, 0)),
            Some(kind) => match Self::honest(kind) {
                Some(kind) => (0, failed(kind, 0)),
                None => (len, Ok(())),
            },
            None => (len, Ok(())),
        }
    }

    /// Writes the first bytes, lets every thread of the target look for a request, and returns how
    /// many bytes are left to write.
    fn split(&mut self, at: Address, from: &[u8], first: usize) -> usize {
        let first = first.min(from.len());
        // A failure shows when the rest is written.
        let _ = self.land(at, &from[..first]);
        if self.is_calm() || self.is_frozen {
            return first;
        }
        let threads: Vec<u64> = self.process.threads().map(|live| live.native).collect();
        for native in threads {
            for look in [Actor::Poll(native), Actor::CheckSignals(native)] {
                // A thread whose memory is gone does not look.
                let _ = perform(self.process, &look);
                self.moves.push((self.accesses, look));
            }
        }
        first
    }

    /// Writes as the engine: the watch sees it.
    fn land(&mut self, at: Address, bytes: &[u8]) -> Result<(), MemoryError> {
        let before = Watch::before(self.process, at);
        let written = self.process.write(at, bytes);
        let landed = written.map_or_else(|error| error.done, |()| bytes.len());
        self.watch.landed(self.process, at, &bytes[..landed], before);
        written
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

/// Lets the target, or somebody else, do something.
pub fn perform(process: &mut Process, actor: &Actor) -> Result<(), MoveError> {
    match actor {
        Actor::Poll(native) => process.poll(key(process, *native)?).map(drop),
        Actor::CheckSignals(native) => process.check_signals(key(process, *native)?).map(drop),
        Actor::Raise(native, bits) => process.raise(key(process, *native)?, *bits),
        Actor::Withdraw(native, bits) => process.withdraw(key(process, *native)?, *bits),
        Actor::Switch(native) => process.switch(key(process, *native)?),
        Actor::StartThread(id) => process.start_thread(*id, &ThreadSpec::default()).map(drop),
        Actor::ExitThread(native) => process.exit_thread(key(process, *native)?),
        Actor::ExitThreadAndReuse(native) => {
            let key = key(process, *native)?;
            let at = process.thread(key).map(|live| live.at).ok_or(MoveError::NoThread(key))?;
            process.exit_thread(key)?;
            process.reuse(at)
        }
        Actor::DestroyInterpreter(id) => process.destroy_interpreter(*id),
        Actor::CreateInterpreter => {
            process.create_interpreter(&InterpreterSpec::default()).map(drop)
        }
        Actor::EndMain => process.end_main(),
        Actor::Finalize => process.finalise(),
        Actor::OtherDebugger(native, script) => {
            process.arm(key(process, *native)?, script.as_bytes())
        }
        Actor::Unload(module) => process.unload(module),
        Actor::Fork => process.fork(),
        Actor::Exit => {
            process.exit();
            Ok(())
        }
        Actor::Exec => process.exec(None),
        Actor::ReusePid => process.reuse_pid(None),
    }
}

/// The thread of this native id in the oldest interpreter that has it.
pub fn key(process: &Process, native: u64) -> Result<ThreadKey, MoveError> {
    let mut oldest_first = process.threads().rev();
    let found = oldest_first.find(|thread| thread.native == native);
    found.map(|thread| thread.key).ok_or(MoveError::NoThread(ThreadKey(u32::MAX)))
}

impl<C: Chooser> ProcessMemory for World<'_, C> {
    fn read(&mut self, at: Address, into: &mut [u8]) -> Result<(), MemoryError> {
        let kind = self.strike(Shape::Read(into.len()));
        let kind = kind.as_ref();
        let result = match kind {
            Some(FaultKind::Short(done)) if *done < into.len() => {
                let (done, wanted) = (*done, into.len());
                let kind = if done == 0 { ErrorKind::Unmapped } else { ErrorKind::Short };
                let read = self.process.read(at, &mut into[..done]);
                read.and(Err(MemoryError { kind, at, wanted, done }))
            }
            Some(kind) if Self::honest(kind).is_some() => {
                let kind = Self::honest(kind).unwrap_or(ErrorKind::Unmapped);
                Err(MemoryError::untouched(kind, at, into.len()))
            }
            _ => self.process.read(at, into),
        };
        lie(kind, into);
        self.show(result, into);
        if result.is_ok() {
            self.log.read(at, into);
        }
        self.trace.read((self.site, kind), self.process, at, into, result);
        result
    }

    fn write(&mut self, at: Address, from: &[u8]) -> Result<(), MemoryError> {
        let kind = self.strike(Shape::Write(from.len()));
        let kind = kind.as_ref();
        if let Some(FaultKind::Killed(_)) = kind {
            self.lasting = Some(FaultKind::Gone);
            self.watch.attacher_dies();
        }
        self.watch.writes(self.process, self.accesses, at, from);
        self.log.wrote(at);
        let (lands, reported) = Self::landing(kind, at, from.len());
        let skip = match kind {
            Some(FaultKind::Split(first)) => self.split(at, from, *first),
            _ => 0,
        };
        let rest = at.checked_add(skip as u64).unwrap_or(at);
        let written = self.land(rest, &from[skip..lands.max(skip)]);
        let written = written.map_err(|error| MemoryError {
            at,
            wanted: from.len(),
            done: error.done + skip,
            ..error
        });
        let result = written.and(reported);
        self.show(result, &[]);
        self.trace.wrote((self.site, kind), self.process, at, from, result);
        result
    }
}

impl<C: Chooser> World<'_, C> {
    /// Tells the chooser what the engine gets to see of a transfer.
    fn show(&mut self, result: Result<(), MemoryError>, bytes: &[u8]) {
        match result {
            Ok(()) => self.chooser.observe(bytes),
            Err(error) => {
                self.chooser.observe(error.kind.name().as_bytes());
                self.chooser.observe(bytes.get(..error.done).unwrap_or_default());
            }
        }
    }
}

/// Changes what was read, where a fault says so.
fn lie(kind: Option<&FaultKind>, bytes: &mut [u8]) {
    match kind {
        Some(FaultKind::FlipBit(bit)) => {
            if let Some(byte) = bytes.get_mut(bit / 8) {
                *byte ^= 1 << (bit % 8);
            }
        }
        Some(FaultKind::LieWord(at, value)) => {
            for (to, from) in bytes.iter_mut().skip(*at).zip(value.to_le_bytes()) {
                *to = from;
            }
        }
        _ => {}
    }
}

impl<C: Chooser> Modules for World<'_, C> {
    fn candidate(&mut self, rank: usize) -> Result<Option<&Candidate>, ErrorKind> {
        let kind = self.strike(Shape::Ask);
        let kind = kind.as_ref();
        let found = match (kind.and_then(Self::honest), kind) {
            (Some(honest), _) => Err(honest),
            (None, Some(FaultKind::LieAnswer)) => Ok(None),
            _ => self.process.candidate(rank),
        };
        match found {
            Ok(candidate) => {
                let at = candidate.map_or(0, |candidate| candidate.at.get());
                self.chooser.observe(&at.to_le_bytes());
            }
            Err(kind) => self.chooser.observe(kind.name().as_bytes()),
        }
        let question = Question::Candidate(rank);
        self.trace.asked((self.site, kind), question, || found.map(Into::into));
        found
    }

    fn read_image(&mut self, at: Address, into: &mut [u8]) -> Result<bool, ErrorKind> {
        let kind = self.strike(Shape::Image(into.len()));
        let kind = kind.as_ref();
        let answer = match (kind.and_then(Self::honest), kind) {
            (Some(honest), _) => Err(honest),
            (None, Some(FaultKind::LieAnswer)) => Ok(false),
            _ => self.process.read_image(at, into),
        };
        lie(kind, into);
        match answer {
            Ok(true) => self.chooser.observe(into),
            Ok(false) => self.chooser.observe(&[]),
            Err(kind) => self.chooser.observe(kind.name().as_bytes()),
        }
        let question = Question::Image(into.len());
        self.trace.asked((self.site, kind), question, || answer.map(Into::into));
        answer
    }

    fn writable(&mut self, nth: usize) -> Result<Option<MemoryRange>, ErrorKind> {
        self.ask(Question::Writable(nth), |process| process.writable(nth), |_| None)
    }
}

impl<C: Chooser> Threads for World<'_, C> {
    fn is_thread(&mut self, native: u64) -> Result<bool, ErrorKind> {
        let question = Question::IsThread(native);
        let known = self.ask(question, |process| process.is_thread(native), |known| !known);
        if known == Ok(true) {
            self.log.is_thread(native);
        }
        known
    }

    fn main_thread(&mut self) -> Result<Option<u64>, ErrorKind> {
        let lie = |main: Option<u64>| main.map(|native| native + 1);
        self.ask(Question::MainThread, Process::main_thread, lie)
    }

    fn identity(&mut self) -> Result<Identity, ErrorKind> {
        let lie = |is: Identity| Identity { started: is.started + 1, ..is };
        let identity = self.ask(Question::Identity, Process::identity, lie);
        if let Ok(identity) = identity {
            self.log.identity(identity);
        }
        identity
    }
}

impl<C: Chooser> Host for World<'_, C> {
    fn at(&mut self, site: Site) {
        self.site = site;
    }

    fn wait(&mut self, polls: u32) -> Wait {
        let waits: &[Actor] = self.plot.waits;
        match waits.get(polls as usize) {
            Some(actor) => {
                self.perform(actor);
                Wait::Again
            }
            None => Wait::Deadline,
        }
    }

    /// A lie is a stop that did not stop.
    fn freeze(&mut self) -> Result<(), ErrorKind> {
        let kind = self.strike(Shape::Ask);
        let frozen = kind.as_ref().and_then(Self::honest).map_or(Ok(true), Err);
        self.is_frozen = frozen.is_ok() && kind != Some(FaultKind::LieAnswer);
        match frozen {
            Ok(_) => self.chooser.observe(&[1]),
            Err(kind) => self.chooser.observe(kind.name().as_bytes()),
        }
        self.trace.asked((self.site, kind.as_ref()), Question::Freeze, || frozen.map(Into::into));
        frozen.map(drop)
    }

    fn thaw(&mut self) {
        self.is_frozen = false;
    }

    fn conclude(&mut self, _: &Report) {
        self.conclusions += 1;
    }
}

//! The virtual world around one attempt: a fake process behind the door, faults that strike its
//! accesses by site and hit, a target that moves when told to, a trace, and a watch that knows the
//! truth. It decides nothing by itself: same scenario, same bytes.

use softdock_attach::{Host, Report, Site, Wait};
use softdock_cpython::{InterpreterSpec, MoveError, Process, ThreadKey, ThreadSpec};
use softdock_process::{
    Address, Candidate, ErrorKind, Identity, MemoryError, MemoryRange, Modules, ProcessMemory,
    Threads,
};

use crate::oracle::Watch;
use crate::scenario::{Actor, At, Fault, FaultKind};
use crate::trace::{Answer, Question, Trace};

/// The world of one attempt.
pub struct World<'w> {
    process: &'w mut Process,
    faults: &'w [Fault],
    waits: &'w [Actor],
    site: Site,
    hits: [u32; Site::ALL.len()],
    struck: Vec<bool>,
    accesses: u32,
    conclusions: u32,
    impossible: Option<MoveError>,
    /// What happened so far, for a judge who knows the truth.
    pub watch: Watch<'w>,
    /// What happened so far, for a person.
    pub trace: Trace,
}

impl<'w> World<'w> {
    /// The world at rest.
    pub fn new(
        process: &'w mut Process,
        faults: &'w [Fault],
        waits: &'w [Actor],
        script: &'w [u8],
        trace: Trace,
    ) -> World<'w> {
        let watch = Watch::new(script, process);
        World {
            process,
            faults,
            waits,
            site: Site::Gate,
            hits: [0; Site::ALL.len()],
            struck: vec![false; faults.len()],
            accesses: 0,
            conclusions: 0,
            impossible: None,
            watch,
            trace,
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

    /// How often the engine concluded.
    pub fn conclusions(&self) -> u32 {
        self.conclusions
    }

    /// How many accesses the engine made at each site, in the order of [`Site::ALL`].
    pub fn hits(&self) -> [u32; Site::ALL.len()] {
        self.hits
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
    fn strike(&mut self) -> Option<&'w FaultKind> {
        self.accesses += 1;
        let hits = &mut self.hits[self.site as usize];
        *hits += 1;
        let hit = *hits;
        let mut kind = None;
        let faults: &'w [Fault] = self.faults;
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
                FaultKind::Move(actor) => self.perform(actor),
                other => kind = Some(other),
            }
        }
        kind
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

    fn perform(&mut self, actor: &Actor) {
        self.trace.moved(self.site, actor);
        if let Err(error) = perform(self.process, actor) {
            self.trace.impossible(self.site, &error);
            self.impossible = Some(error);
        }
    }

    /// A question to the system, which a fault may fail or answer wrongly.
    fn ask<T: Copy + Into<Answer>>(
        &mut self,
        question: Question,
        answer: impl FnOnce(&mut Process) -> Result<T, ErrorKind>,
        lie: impl FnOnce(T) -> T,
    ) -> Result<T, ErrorKind> {
        let kind = self.strike();
        let answer = match (kind.and_then(Self::honest), kind) {
            (Some(honest), _) => Err(honest),
            (None, Some(FaultKind::LieAnswer)) => answer(self.process).map(lie),
            _ => answer(self.process),
        };
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
            Some(kind) => match Self::honest(kind) {
                Some(kind) => (0, failed(kind, 0)),
                None => (len, Ok(())),
            },
            None => (len, Ok(())),
        }
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

impl ProcessMemory for World<'_> {
    fn read(&mut self, at: Address, into: &mut [u8]) -> Result<(), MemoryError> {
        let kind = self.strike();
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
        self.trace.read((self.site, kind), self.process, at, into, result);
        result
    }

    fn write(&mut self, at: Address, from: &[u8]) -> Result<(), MemoryError> {
        let kind = self.strike();
        let (lands, reported) = Self::landing(kind, at, from.len());
        let before = Watch::before(self.process, at);
        let written = self.process.write(at, &from[..lands]);
        let landed = written.map_or_else(|error| error.done, |()| lands);
        self.watch.wrote(self.process, at, from, landed, before);
        let result = written.and(reported);
        self.trace.wrote((self.site, kind), self.process, at, from, result);
        result
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

impl Modules for World<'_> {
    fn candidate(&mut self, rank: usize) -> Result<Option<&Candidate>, ErrorKind> {
        let kind = self.strike();
        let found = match kind.and_then(Self::honest) {
            Some(honest) => Err(honest),
            None => self.process.candidate(rank),
        };
        let question = Question::Candidate(rank);
        self.trace.asked((self.site, kind), question, || found.map(Into::into));
        found
    }

    fn read_image(&mut self, at: Address, into: &mut [u8]) -> Result<bool, ErrorKind> {
        let kind = self.strike();
        let answer = match (kind.and_then(Self::honest), kind) {
            (Some(honest), _) => Err(honest),
            (None, Some(FaultKind::LieAnswer)) => Ok(false),
            _ => self.process.read_image(at, into),
        };
        lie(kind, into);
        let question = Question::Image(into.len());
        self.trace.asked((self.site, kind), question, || answer.map(Into::into));
        answer
    }

    fn writable(&mut self, nth: usize) -> Result<Option<MemoryRange>, ErrorKind> {
        self.ask(Question::Writable(nth), |process| process.writable(nth), |_| None)
    }
}

impl Threads for World<'_> {
    fn is_thread(&mut self, native: u64) -> Result<bool, ErrorKind> {
        let question = Question::IsThread(native);
        self.ask(question, |process| process.is_thread(native), |known| !known)
    }

    fn main_thread(&mut self) -> Result<Option<u64>, ErrorKind> {
        let lie = |main: Option<u64>| main.map(|native| native + 1);
        self.ask(Question::MainThread, Process::main_thread, lie)
    }

    fn identity(&mut self) -> Result<Identity, ErrorKind> {
        let lie = |is: Identity| Identity { started: is.started + 1, ..is };
        self.ask(Question::Identity, Process::identity, lie)
    }
}

impl Host for World<'_> {
    fn at(&mut self, site: Site) {
        self.site = site;
    }

    fn wait(&mut self, polls: u32) -> Wait {
        let waits: &[Actor] = self.waits;
        match waits.get(polls as usize) {
            Some(actor) => {
                self.perform(actor);
                Wait::Again
            }
            None => Wait::Deadline,
        }
    }

    fn conclude(&mut self, _: &Report) {
        self.conclusions += 1;
    }
}

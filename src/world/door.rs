//! The door as a world hands it to the engine: every call is an access that a fault may strike, and
//! is answered as the fault says. What an access is, and which fault strikes it, is for the world.

use softdock_attach::{Host, Report, Site, Wait};
use softdock_cpython::Process;
use softdock_process::{
    Address, Candidate, ErrorKind, Identity, MemoryError, MemoryRange, Modules, ProcessMemory,
    Threads,
};

use super::World;
use super::moves::perform;
use crate::choice::{Chooser, Shape};
use crate::frontend::paged::Pages;
use crate::oracle::Watch;
use crate::scenario::{Actor, FaultKind};
use crate::trace::{Answer, Question};

impl<C: Chooser> ProcessMemory for World<'_, '_, C> {
    // Inlined, so that a read of one word is a copy whose length is known.
    #[inline]
    fn read(&mut self, at: Address, into: &mut [u8]) -> Result<(), MemoryError> {
        if let Some(mut pages) = self.take_pages() {
            let result = pages.read(self, at, into);
            self.past.pages = Some(pages);
            return result;
        }
        let kind = self.strike(Shape::Read(into.len()));
        let is_plain = kind.is_none() && self.trace.is_off() && self.past.pages.is_none();
        match self.process.lend(at, into.len()) {
            Some(bytes) if is_plain => {
                into.copy_from_slice(bytes);
                self.chooser.observe(into);
                self.evidence.log.read_held(at, into.len(), self.process.memory().time());
                Ok(())
            }
            _ => self.read_struck(kind.as_ref(), at, into),
        }
    }

    /// Where nobody writes it down, a copy would be read once, or of what fails never.
    fn view<'b>(
        &'b mut self,
        at: Address,
        len: usize,
        scratch: &'b mut Vec<u8>,
    ) -> Result<&'b [u8], MemoryError> {
        if self.plot.strikes_pages {
            scratch.resize(len, 0);
            return self.read(at, scratch).map(|()| scratch.as_slice());
        }
        let kind = self.strike(Shape::Read(len));
        let kind = kind.as_ref();
        let failed = kind.and_then(|kind| failure(kind, at, len));
        let is_lie = kind.is_some() && failed.is_none();
        let is_plain = !is_lie && self.trace.is_off() && self.past.pages.is_none();
        let there = failed.map_or(len, |error| error.done);
        if !is_plain || self.process.lend(at, there).is_none() {
            scratch.resize(len, 0);
            return self.read_struck(kind, at, scratch).map(|()| scratch.as_slice());
        }
        let time = self.process.memory().time();
        let bytes = self.process.lend(at, there).unwrap_or_default();
        let result = failed.map_or(Ok(()), Err);
        show(self.chooser, result, bytes);
        if result.is_ok() {
            self.evidence.log.read_held(at, len, time);
        }
        result.map(|()| bytes)
    }

    fn write(&mut self, at: Address, from: &[u8]) -> Result<(), MemoryError> {
        if let Some(mut pages) = self.take_pages() {
            let result = pages.write(self, at, from);
            self.past.pages = Some(pages);
            return result;
        }
        let kind = self.strike(Shape::Write(from.len()));
        let kind = kind.as_ref();
        if let Some(FaultKind::Killed(_)) = kind {
            self.past.lasting = Some(FaultKind::Gone);
            self.past.watch.attacher_dies();
        }
        self.past.watch.writes(self.process, self.past.accesses, at, from);
        self.evidence.log.wrote(at);
        let (lands, reported) = landing(kind, at, from.len());
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
        show(self.chooser, result, &[]);
        self.trace.wrote((self.past.site, kind), self.process, at, from, result);
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

impl<C: Chooser> Modules for World<'_, '_, C> {
    fn candidate(&mut self, rank: usize) -> Result<Option<&Candidate>, ErrorKind> {
        let kind = self.strike(Shape::Ask);
        let kind = kind.as_ref();
        let found = match (kind.and_then(honest), kind) {
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
        self.trace.asked((self.past.site, kind), question, || found.map(Into::into));
        found
    }

    fn read_image(&mut self, at: Address, into: &mut [u8]) -> Result<bool, ErrorKind> {
        let kind = self.strike(Shape::Image(into.len()));
        let kind = kind.as_ref();
        let answer = match (kind.and_then(honest), kind) {
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
        self.trace.asked((self.past.site, kind), question, || answer.map(Into::into));
        answer
    }

    fn writable(&mut self, nth: usize) -> Result<Option<MemoryRange>, ErrorKind> {
        self.ask(Question::Writable(nth), |process| process.writable(nth), |_| None)
    }
}

impl<C: Chooser> Threads for World<'_, '_, C> {
    fn is_thread(&mut self, native: u64) -> Result<bool, ErrorKind> {
        let question = Question::IsThread(native);
        let known = self.ask(question, |process| process.is_thread(native), |known| !known);
        if known == Ok(true) {
            self.evidence.log.is_thread(native);
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
            self.evidence.log.identity(identity);
        }
        identity
    }
}

impl<C: Chooser> Host for World<'_, '_, C> {
    fn at(&mut self, site: Site) {
        if site == Site::Gate {
            self.begins_to_look();
        }
        if let Some(pages) = &mut self.past.pages {
            pages.at(site);
        }
        self.past.site = site;
    }

    fn wait(&mut self, polls: u32) -> Wait {
        let waits: &[Actor] = self.plot.waits;
        match waits.get(polls as usize) {
            // A stopped target does nothing, however long it is waited for.
            Some(actor) if self.past.is_frozen && !actor.is_from_outside() => Wait::Again,
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
        let frozen = kind.as_ref().and_then(honest).map_or(Ok(true), Err);
        self.past.is_frozen = frozen.is_ok() && kind != Some(FaultKind::LieAnswer);
        match frozen {
            Ok(_) => {
                if let Some(pages) = &mut self.past.pages {
                    pages.stands_still();
                }
                self.chooser.observe(&[1]);
            }
            Err(kind) => self.chooser.observe(kind.name().as_bytes()),
        }
        self.trace
            .asked((self.past.site, kind.as_ref()), Question::Freeze, || frozen.map(Into::into));
        frozen.map(drop)
    }

    fn thaw(&mut self) {
        self.past.is_frozen = false;
        if let Some(pages) = &mut self.past.pages {
            pages.goes_on();
        }
    }

    fn conclude(&mut self, _: &Report) {
        self.past.conclusions += 1;
        if self.past.is_frozen {
            self.past.watch.left_stopped();
        }
    }
}

impl<C: Chooser> World<'_, '_, C> {
    /// A question to the system, which a fault may fail or answer wrongly.
    fn ask<T: Copy + Into<Answer>>(
        &mut self,
        question: Question,
        answer: impl FnOnce(&mut Process) -> Result<T, ErrorKind>,
        lie: impl FnOnce(T) -> T,
    ) -> Result<T, ErrorKind> {
        let kind = self.strike(Shape::Ask);
        let kind = kind.as_ref();
        let answer = match (kind.and_then(honest), kind) {
            (Some(honest), _) => Err(honest),
            (None, Some(FaultKind::LieAnswer)) => answer(self.process).map(lie),
            _ => answer(self.process),
        };
        match answer {
            Ok(answer) => self.chooser.observe(&Into::<Answer>::into(answer).word().to_le_bytes()),
            Err(kind) => self.chooser.observe(kind.name().as_bytes()),
        }
        self.trace.asked((self.past.site, kind), question, || answer.map(Into::into));
        answer
    }

    /// A read, with what goes wrong with it.
    fn read_struck(
        &mut self,
        kind: Option<&FaultKind>,
        at: Address,
        into: &mut [u8],
    ) -> Result<(), MemoryError> {
        let failed = kind.and_then(|kind| failure(kind, at, into.len()));
        let result = match (kind, failed) {
            (Some(FaultKind::Short(_)), Some(error)) => {
                self.fetch(at, &mut into[..error.done]).and(Err(error))
            }
            (_, Some(error)) => Err(error),
            (_, None) => self.fetch(at, into),
        };
        lie(kind, into);
        show(self.chooser, result, into);
        if result.is_ok() {
            self.evidence.log.read(at, into);
        }
        self.trace.read((self.past.site, kind), self.process, at, into, result);
        result
    }

    /// The pages, where faults are to strike what they read and write: without them, this is the
    /// door that they go through.
    fn take_pages(&mut self) -> Option<Pages> {
        if self.plot.strikes_pages { self.past.pages.take() } else { None }
    }

    /// Reads as the front end reaches the process. Nothing goes wrong here but what is wrong there.
    fn fetch(&mut self, at: Address, into: &mut [u8]) -> Result<(), MemoryError> {
        match &mut self.past.pages {
            Some(pages) => pages.read(self.process, at, into),
            None => self.process.read(at, into),
        }
    }

    /// Writes the first bytes, lets every thread of the target look for a request, and returns how
    /// many bytes are left to write.
    fn split(&mut self, at: Address, from: &[u8], first: usize) -> usize {
        let first = first.min(from.len());
        // A failure shows when the rest is written.
        let _ = self.land(at, &from[..first]);
        if self.is_calm() || self.past.is_frozen {
            return first;
        }
        let threads: Vec<u64> = self.process.threads().map(|live| live.native).collect();
        for native in threads {
            for look in [Actor::Poll(native), Actor::CheckSignals(native)] {
                // A thread whose memory is gone does not look.
                let _ = perform(self.process, &look);
                self.past.moves.push((self.past.accesses, look));
            }
        }
        first
    }

    /// Writes as the engine: the watch sees it.
    fn land(&mut self, at: Address, bytes: &[u8]) -> Result<(), MemoryError> {
        let before = Watch::before(self.process, at);
        let written = match &mut self.past.pages {
            Some(pages) => pages.write(self.process, at, bytes),
            None => self.process.write(at, bytes),
        };
        let landed = written.map_or_else(|error| error.done, |()| bytes.len());
        self.past.watch.landed(self.process, at, &bytes[..landed], before);
        written
    }
}

/// Tells the chooser what the engine gets to see of a transfer.
fn show<C: Chooser>(chooser: &mut C, result: Result<(), MemoryError>, bytes: &[u8]) {
    match result {
        Ok(()) => chooser.observe(bytes),
        Err(error) => {
            chooser.observe(error.kind.name().as_bytes());
            chooser.observe(bytes.get(..error.done).unwrap_or_default());
        }
    }
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

/// How a read of so many bytes fails under such a fault, if it does.
fn failure(kind: &FaultKind, at: Address, wanted: usize) -> Option<MemoryError> {
    match kind {
        FaultKind::Short(done) if *done < wanted => {
            let kind = if *done == 0 { ErrorKind::Unmapped } else { ErrorKind::Short };
            Some(MemoryError { kind, at, wanted, done: *done })
        }
        kind => honest(kind).map(|kind| MemoryError::untouched(kind, at, wanted)),
    }
}

/// What lands of a write under a fault, and what is reported.
fn landing(kind: Option<&FaultKind>, at: Address, len: usize) -> (usize, Result<(), MemoryError>) {
    let failed = |kind, done| Err(MemoryError { kind, at, wanted: len, done });
    match kind {
        Some(FaultKind::Short(0)) => (0, failed(ErrorKind::Unmapped, 0)),
        Some(FaultKind::Short(done)) if *done < len => (*done, failed(ErrorKind::Short, *done)),
        Some(FaultKind::LandedButFailed) => (len, failed(ErrorKind::Interrupted, 0)),
        Some(FaultKind::Lost) => (0, Ok(())),
        Some(FaultKind::Torn(done)) => ((*done).min(len), Ok(())),
        Some(FaultKind::Killed(done)) => ((*done).min(len), failed(ErrorKind::Gone, 0)),
        Some(kind) => match honest(kind) {
            Some(kind) => (0, failed(kind, 0)),
            None => (len, Ok(())),
        },
        None => (len, Ok(())),
    }
}

//! The engine's part of a session in the virtual world: the real engine asks the fake process, as
//! in any scenario, with the clock of the session and whatever happens while it waits.

use softdock_attach::{Host, Report, Request, Site, Wait};
use softdock_cpython::Process;
use softdock_process::{
    Address, Candidate, ErrorKind, Identity, MemoryError, MemoryRange, Modules, ProcessMemory,
    Threads,
};

use super::acts::{is_pending, path};
use super::scene::{Passing, Scene};
use super::{Asked, Step};
use crate::choice::Quiet;
use crate::evidence::Evidence;
use crate::patience::Patience;
use crate::trace::Trace;
use crate::world::{Past, Plot, World};

/// An attempt under way.
pub(super) struct Asking<'a, 'w, 'p, 's> {
    world: World<'p, 's, Quiet>,
    scene: &'a mut Scene<'w>,
    patience: Patience,
    /// Whether the request was there when it was looked for the last time, although it may have
    /// been taken since.
    was_pending: bool,
}

impl Asking<'_, '_, '_, '_> {
    /// Has the engine ask for the script of a step. Says besides whether the request was there when
    /// the engine saw it last.
    pub(super) fn run(process: &mut Process, scene: &mut Scene<'_>, step: Step) -> (Asked, bool) {
        let (script, config) = (path(step), scene.plot().config.clone());
        let faults = if step == Step::Session { scene.plot().faults.to_vec() } else { Vec::new() };
        let plot = Plot { faults: &faults, ..Plot::default() };
        let mut past = Past::none(&script, &plot, process);
        let (mut quiet, mut evidence) = (Quiet, Evidence::default());
        let patience = Patience::new(scene.plot().wanted.timeout);
        let world = World::new(process, plot, &mut past, &mut quiet, Trace::off(), &mut evidence);
        let mut asking = Asking { world, scene, patience, was_pending: false };
        let request = Request { script: &script, cached: None, planned: None };
        let report = softdock_attach::attach(&mut asking, &config, request);
        let main_thread = asking.world.main_thread().ok().flatten();
        let waited = asking.patience.waited();
        (Asked { report, waited, main_thread }, asking.was_pending)
    }
}

impl Host for Asking<'_, '_, '_, '_> {
    fn at(&mut self, site: Site) {
        self.world.at(site);
    }

    /// Whoever is not waited for any more is not looked at any more either.
    fn wait(&mut self, polls: u32) -> Wait {
        let was_pending = is_pending(self.world.process);
        self.scene.arrive(self.world.process);
        if polls == 0 {
            self.scene.awaits_thread();
        }
        let is_pending = is_pending(self.world.process);
        self.scene.observe(&[u8::from(is_pending)]);
        self.scene.observe(&self.world.process.fingerprint().to_le_bytes());
        let is_cancelled = self.scene.is_cancelled();
        self.scene.observe(&[u8::from(is_cancelled)]);
        self.scene.asked(|| "waits for the thread".into());
        if self.scene.is_over {
            return Wait::Deadline;
        }
        let mut clock = Passing { scene: self.scene, process: self.world.process };
        let wait = self.patience.wait(&mut clock, is_cancelled, polls);
        self.was_pending = was_pending && wait == Wait::Deadline;
        wait
    }

    fn freeze(&mut self) -> Result<(), ErrorKind> {
        self.world.freeze()
    }

    fn thaw(&mut self) {
        self.world.thaw();
    }

    fn conclude(&mut self, report: &Report) {
        self.world.conclude(report);
    }
}

impl ProcessMemory for Asking<'_, '_, '_, '_> {
    fn read(&mut self, at: Address, into: &mut [u8]) -> Result<(), MemoryError> {
        self.world.read(at, into)
    }

    fn write(&mut self, at: Address, from: &[u8]) -> Result<(), MemoryError> {
        self.world.write(at, from)
    }
}

impl Modules for Asking<'_, '_, '_, '_> {
    fn candidate(&mut self, rank: usize) -> Result<Option<&Candidate>, ErrorKind> {
        self.world.candidate(rank)
    }

    fn read_image(&mut self, at: Address, into: &mut [u8]) -> Result<bool, ErrorKind> {
        self.world.read_image(at, into)
    }

    fn writable(&mut self, nth: usize) -> Result<Option<MemoryRange>, ErrorKind> {
        self.world.writable(nth)
    }
}

impl Threads for Asking<'_, '_, '_, '_> {
    fn is_thread(&mut self, native: u64) -> Result<bool, ErrorKind> {
        self.world.is_thread(native)
    }

    fn main_thread(&mut self) -> Result<Option<u64>, ErrorKind> {
        self.world.main_thread()
    }

    fn identity(&mut self) -> Result<Identity, ErrorKind> {
        self.world.identity()
    }
}

//! The breakpoint as softdock explores an engine: the debugger is `softdock_stepping` itself, which
//! reads and writes the program through a door, and before each access the threads may move.
//!
//! A call into the engine borrows it, which is the lock: a thread that has met a breakpoint waits
//! until the engine is back. What it asks the engine then is one step here. Meanwhile others could
//! only fetch, which changes nothing that the engine reads.

use std::array;

use softdock::choice::{Chooser, Exhaustive, Open, Shape, What};
use softdock_attach::Site;
use softdock_process::{Address, ErrorKind, MemoryError, ProcessMemory};
use softdock_stepping::{
    Body, Bypass, Bytecode, Context, Debuggee, Debugger, Frame, FrameKind, MethodId, Place,
    ThreadId,
};

use super::{BREAKPOINT, PATCHED, PROGRAM, Race, WAY};
use crate::Verdict;

/// Where the program lies.
const CODE: Address = Address::new(0x1000);

/// Where all stacks lie: every thread has one frame, and nobody asks for another's.
const STACK: Address = Address::new(0x7000_0000);

const METHOD: MethodId = MethodId(0);

const THREADS_MAX: usize = 2;

struct World<'c> {
    bug: bool,
    chooser: &'c mut Exhaustive,
    accesses: u32,
    words: [u32; 2],
    /// Those that do not take part have come to their end.
    threads: [Thread; THREADS_MAX],
    /// `None` while somebody is within a call.
    engine: Option<Debugger<Bytecode>>,
    /// Whether the debugger is the one who accesses memory: threads move before it does.
    is_debugging: bool,
    broken: bool,
}

struct Thread {
    /// How many opcodes it has executed.
    done: usize,
    /// Whether it has fetched a breakpoint there.
    has_hit: bool,
    /// What the engine lets it execute in the place of that.
    bypass: Option<Bypass>,
}

impl Thread {
    const fn new(takes_part: bool) -> Thread {
        let done = if takes_part { 0 } else { WAY.len() };
        Thread { done, has_hit: false, bypass: None }
    }
}

/// The run is cut short.
struct Over;

pub(crate) fn explore(race: Race) -> Verdict {
    let mut chooser = Exhaustive::new(0, true);
    let mut broken = false;
    loop {
        let mut world = World::new(race, &mut chooser);
        let wrong = world.run().is_ok_and(|kept| !kept) || world.broken;
        broken |= wrong && !chooser.was_cut();
        if !chooser.next_run(wrong) {
            assert!(!chooser.has_diverged(), "the same choices have led elsewhere");
            return Verdict { broken, steps: chooser.states(), is_complete: true };
        }
    }
}

impl World<'_> {
    fn new(race: Race, chooser: &mut Exhaustive) -> World<'_> {
        World {
            bug: race.bug,
            chooser,
            accesses: 0,
            words: PROGRAM,
            threads: array::from_fn(|nth| Thread::new(nth < race.threads)),
            engine: Some(Debugger::new(Bytecode)),
            is_debugging: false,
            broken: false,
        }
    }

    /// Sets a breakpoint and removes it, and lets the threads come to their ends. Whether they do.
    fn run(&mut self) -> Result<bool, Over> {
        let set = self.call(!self.bug, |engine, target| {
            engine.set_breakpoint(target, METHOD, Place::Entry)
        })?;
        let removed = match set {
            Ok(id) => self.call(true, |engine, target| engine.remove_breakpoint(target, id))?,
            Err(refused) => Err(refused),
        };
        while self.move_one(false)? {}
        let ended = self.threads.iter().all(|thread| thread.done == WAY.len());
        Ok(ended && removed.is_ok() && self.words == PROGRAM)
    }

    /// A call of the debugger into the engine. Without a lock from the start on, threads look into
    /// the engine as it was before the call.
    fn call<T>(
        &mut self,
        is_locked: bool,
        command: impl FnOnce(&mut Debugger<Bytecode>, &mut Self) -> T,
    ) -> Result<T, Over> {
        self.arrive()?;
        self.chooser.observe(&[]);
        let mut engine = self.engine.take().ok_or(Over)?;
        self.engine = (!is_locked).then(|| engine.clone());
        self.is_debugging = true;
        let result = command(&mut engine, self);
        self.is_debugging = false;
        self.arrive()?;
        self.chooser.observe(&[]);
        self.engine = Some(engine);
        Ok(result)
    }

    /// Before an access of the debugger: threads move, as far as the chooser lets them.
    fn arrive(&mut self) -> Result<(), Over> {
        self.accesses += 1;
        while self.move_one(true)? {}
        Ok(())
    }

    /// An access to memory: threads move before the debugger's, and whatever it gets to see is
    /// taken down.
    fn access(&mut self, at: Address, len: usize) -> Result<usize, MemoryError> {
        let gone = MemoryError::untouched(ErrorKind::Gone, at, len);
        if self.is_debugging {
            self.arrive().map_err(|Over| gone)?;
        }
        let skip = at.checked_sub(CODE).map(|skip| skip as usize);
        let nth = skip.filter(|skip| skip % 4 == 0 && len == 4).map(|skip| skip / 4);
        nth.filter(|nth| *nth < self.words.len()).ok_or(gone)
    }

    fn observe(&mut self, bytes: &[u8]) {
        if self.is_debugging {
            self.chooser.observe(bytes);
        }
    }

    /// Lets a thread move, or with `may_stay` nobody. Whether one has moved.
    fn move_one(&mut self, may_stay: bool) -> Result<bool, Over> {
        let state = self.state();
        if !self.chooser.arrive(|| state) {
            return Err(Over);
        }
        let stays = usize::from(may_stay);
        let options = stays + (0..THREADS_MAX).filter(|nth| self.is_ready(*nth)).count();
        let choice = if options < 2 { 0 } else { self.choose(options) };
        let Some(choice) = choice.checked_sub(stays) else { return Ok(false) };
        let chosen = (0..THREADS_MAX).filter(|nth| self.is_ready(*nth)).nth(choice);
        chosen.into_iter().for_each(|nth| self.interpret(nth));
        Ok(chosen.is_some())
    }

    fn choose(&mut self, options: usize) -> usize {
        let (site, shape, what) = (Site::Recheck, Shape::Ask, What::Mover);
        let open = Open { access: self.accesses, site, hit: self.accesses, shape, what };
        self.chooser.choose(open, options as u32) as usize
    }

    fn is_ready(&self, nth: usize) -> bool {
        let Thread { done, has_hit, .. } = self.threads[nth];
        done < WAY.len() && !(has_hit && self.engine.is_none())
    }
}

/// Threads.
impl World<'_> {
    /// One access of a thread: it fetches, or asks the engine what a breakpoint has replaced.
    fn interpret(&mut self, nth: usize) {
        let Thread { done, has_hit, .. } = self.threads[nth];
        let executed = match has_hit {
            false => Some(self.words[WAY[done]]).filter(|word| *word != BREAKPOINT),
            true => self.instead(nth),
        };
        self.threads[nth].has_hit = !has_hit && executed.is_none();
        if let Some(opcode) = executed {
            self.broken |= opcode != PROGRAM[WAY[done]];
            self.threads[nth].done += 1;
        }
    }

    fn instead(&mut self, nth: usize) -> Option<u32> {
        let is_debugging = std::mem::take(&mut self.is_debugging);
        let mut engine = self.engine.take()?;
        engine.resume(self, ThreadId(nth as u64));
        self.engine = Some(engine);
        self.is_debugging = is_debugging;
        self.threads[nth].bypass.take().map(|bypass| bypass.opcode)
    }

    /// The state of all but the engine, which is a function of what it has seen.
    fn state(&self) -> u128 {
        let threads = self.threads.iter();
        let threads = threads.fold(0, |all, Thread { done, has_hit, .. }| {
            all << 3 | (*done as u128) << 1 | u128::from(*has_hit)
        });
        threads << 33 | u128::from(self.broken) << 32 | u128::from(self.words[PATCHED])
    }
}

impl ProcessMemory for World<'_> {
    fn read(&mut self, at: Address, into: &mut [u8]) -> Result<(), MemoryError> {
        let nth = self.access(at, into.len())?;
        into.copy_from_slice(&self.words[nth].to_le_bytes());
        self.observe(into);
        Ok(())
    }

    fn write(&mut self, at: Address, from: &[u8]) -> Result<(), MemoryError> {
        let nth = self.access(at, from.len())?;
        self.words[nth] = from.iter().rev().fold(0, |word, byte| word << 8 | u32::from(*byte));
        self.observe(&[]);
        Ok(())
    }
}

impl Debuggee for World<'_> {
    fn body_at(&mut self, _: Address) -> Option<Body> {
        self.body(METHOD, 0)
    }

    fn body(&mut self, method: MethodId, nth: usize) -> Option<Body> {
        let sequence_point = CODE.checked_add(4 * PATCHED as u64);
        let slots = PROGRAM.len() as u64;
        (nth == 0).then_some(Body { method, start: CODE, slots, sequence_point })
    }

    fn is_mapped(&mut self, _: Address) -> bool {
        true
    }

    fn frame(&mut self, thread: ThreadId, nth: usize) -> Option<Frame> {
        let Context { ip, frame: at } = self.context(thread).filter(|_| nth == 0)?;
        let kind = FrameKind::Method;
        Some(Frame { at, owner: at, kind, ip, is_calling: false, is_bottom: false })
    }

    fn context(&mut self, thread: ThreadId) -> Option<Context> {
        let slot = WAY.get(self.threads.get(thread.0 as usize)?.done)?;
        Some(Context { ip: CODE.checked_add(4 * *slot as u64)?, frame: STACK })
    }

    fn bypass(&mut self, thread: ThreadId) -> Option<Bypass> {
        self.threads.get(thread.0 as usize)?.bypass
    }

    fn set_bypass(&mut self, thread: ThreadId, bypass: Option<Bypass>) {
        if let Some(thread) = self.threads.get_mut(thread.0 as usize) {
            thread.bypass = bypass;
        }
    }

    fn tell_method_enter(&mut self, _: bool) {}
}

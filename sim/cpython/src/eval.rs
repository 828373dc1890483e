//! When the target looks at its breaker and at its pending flag, and what it does then: the order
//! of CPython's handler, bit by bit. It executes no Python.
//!
//! The order was read from the disassembly of CPython 3.14.10 and 3.15.2, where it is the same.

use crate::error::{MoveError, SpecError};
use crate::process::Process;
use crate::spec::{Access, Phase};
use crate::truth::{LiveThread, Poll, ScriptRun, ThreadKey, Trigger, Verdict};

/// The event bits of an eval breaker: its low 8 bits. Above them is the instrumentation version.
pub mod event {
    /// Another thread wants the interpreter.
    pub const GIL_DROP: u8 = 0x01;
    /// A signal has arrived.
    pub const SIGNALS: u8 = 0x02;
    /// There are pending calls.
    pub const CALLS: u8 = 0x04;
    /// Another thread throws an exception into this one.
    pub const ASYNC_EXCEPTION: u8 = 0x08;
    /// A collection is due.
    pub const GC: u8 = 0x10;
    /// Please stop: what stops the world, and what an attacher sets.
    pub const STOP: u8 = 0x20;
    /// Reference counts are to be merged (free-threaded builds).
    pub const MERGE: u8 = 0x40;
    /// Cold machine code is to be thrown away.
    pub const JIT: u8 = 0x80;
}

impl Process {
    /// The eval loop of this thread passes a point where it polls its breaker: a function entry,
    /// a jump back, the return of a call into C.
    ///
    /// # Errors
    /// When there is no such thread, or its memory was taken away.
    pub fn poll(&mut self, key: ThreadKey) -> Result<Poll, MoveError> {
        let live = self.live(key)?;
        if self.is_taking(key) {
            let run = self.copy_path(&live, Trigger::Breaker)?;
            return Ok(Poll { run, ..Poll::default() });
        }
        let word = self.load(live.breaker.at)?;
        let mut poll = Poll { events: word as u8, ..Poll::default() };
        if word & !0xff != self.life.instrumentation {
            poll.resynced = true;
            self.store(live.breaker.at, self.life.instrumentation | u64::from(poll.events))?;
        }
        if poll.events != 0 {
            self.handle_events(&live, &mut poll)?;
        }
        Ok(poll)
    }

    /// Everything by the snapshot taken at the start, but for the script, which is tested for
    /// whatever the bits were, unless something was raised before.
    fn handle_events(&mut self, live: &LiveThread, poll: &mut Poll) -> Result<(), MoveError> {
        if poll.events & event::STOP != 0 {
            self.clear_bits(live, event::STOP)?;
            poll.detached = true;
        }
        for bit in [event::SIGNALS, event::CALLS] {
            if poll.events & bit != 0 && self.handle_raising(live, bit)? {
                poll.raised = Some(bit);
                return Ok(());
            }
        }
        for bit in [event::MERGE, event::GC, event::JIT, event::GIL_DROP] {
            if poll.events & bit != 0 {
                self.clear_bits(live, bit)?;
            }
        }
        let bit = event::ASYNC_EXCEPTION;
        if poll.events & bit != 0 {
            self.clear_bits(live, bit)?;
            if self.raises(live.key, bit) {
                poll.raised = Some(bit);
                return Ok(());
            }
        }
        poll.run = self.serve(live, Trigger::Breaker)?;
        Ok(())
    }

    /// Runs the handlers of signals or pending calls. When one raises, CPython sets the bit again,
    /// since others may be waiting.
    fn handle_raising(&mut self, live: &LiveThread, bit: u8) -> Result<bool, MoveError> {
        self.clear_bits(live, bit)?;
        let raised = self.raises(live.key, bit);
        if raised {
            self.set_bits(live, bit)?;
        }
        Ok(raised)
    }

    /// The thread calls `PyErr_CheckSignals`, as `str()`, long arithmetic and every interrupted
    /// system call do: the second trigger, which looks at no breaker.
    ///
    /// # Errors
    /// When there is no such thread, or its memory was taken away.
    pub fn check_signals(&mut self, key: ThreadKey) -> Result<Option<usize>, MoveError> {
        let live = self.live(key)?;
        self.serve(&live, Trigger::Signals)
    }

    /// The thread takes up a request and loses its processor in the middle: whatever it does next,
    /// it first copies the path, as that is by then. Whether there was a request.
    ///
    /// # Errors
    /// When there is no such thread, or its memory was taken away.
    pub fn take_request(&mut self, key: ThreadKey) -> Result<bool, MoveError> {
        let live = self.live(key)?;
        let takes = !self.is_taking(key) && self.lower_flag(&live)?;
        if takes {
            self.set_taking(key, true);
        }
        Ok(takes)
    }

    /// Whether the thread has lowered the flag of a request, and not copied its path yet.
    #[must_use]
    pub fn is_taking(&self, key: ThreadKey) -> bool {
        self.life.threads.iter().any(|thread| thread.key == key && thread.taking)
    }

    fn set_taking(&mut self, key: ThreadKey, taking: bool) {
        if let Some(thread) = self.life.threads.iter_mut().find(|thread| thread.key == key) {
            thread.taking = taking;
            self.note(13, u64::from(key.0) << 8 | u64::from(taking));
        }
    }

    /// Takes up a request, if there is one.
    fn serve(&mut self, live: &LiveThread, trigger: Trigger) -> Result<Option<usize>, MoveError> {
        if self.is_taking(live.key) || self.lower_flag(live)? {
            return self.copy_path(live, trigger);
        }
        Ok(None)
    }

    /// Lowers the flag of a request, if there is one and the interpreter allows it. Any other
    /// value than 1 in either word means no, and stays.
    ///
    /// CPython does this first of all, so that a request that arrives from here on is another one;
    /// but its path comes to the same place (`_PyRunRemoteDebugger`).
    fn lower_flag(&mut self, live: &LiveThread) -> Result<bool, MoveError> {
        if live.pending.len == 0 || !self.ask_policy(live.interpreter)? {
            return Ok(false);
        }
        if self.load_u32(live.pending.at)? != 1 {
            return Ok(false);
        }
        self.store_u32(live.pending.at, 0)?;
        Ok(true)
    }

    /// Copies the path of the request that it has taken up, and runs the script.
    fn copy_path(
        &mut self,
        live: &LiveThread,
        trigger: Trigger,
    ) -> Result<Option<usize>, MoveError> {
        if self.is_taking(live.key) {
            self.set_taking(live.key, false);
        }
        let path = self.path(live).map_err(|error| self.crash(error))?;
        if path.is_empty() {
            return Ok(None);
        }
        let verdict = self.verdict(&path);
        self.note(9, u64::from(live.key.0) << 8 | trigger as u64);
        for chunk in path.chunks(8) {
            self.note(10, chunk.iter().fold(0, |word, byte| (word << 8) | u64::from(*byte)));
        }
        self.runs.push(ScriptRun {
            interpreter: live.interpreter,
            thread: live.key,
            at: live.at,
            native: live.native,
            path,
            trigger,
            verdict,
        });
        Ok(Some(self.runs.len() - 1))
    }

    fn ask_policy(&mut self, id: i64) -> Result<bool, MoveError> {
        let home = self.interpreter(id).ok_or(MoveError::NoInterpreter(id))?.at;
        match self.form.layout.interpreter.enabled {
            Some(enabled) => Ok(self.load_u32(crate::process::offset(home, enabled))? == 1),
            None => Ok(false),
        }
    }

    fn verdict(&self, path: &[u8]) -> Verdict {
        if self.life.phase == Phase::Finalizing {
            return Verdict::Finalizing;
        }
        match self.form.scripts.access(path) {
            Access::Readable => Verdict::Ran,
            Access::Denied => Verdict::Denied,
            Access::Missing => Verdict::Missing,
        }
    }

    /// Whether a handler of this event raises now; each does so once.
    fn raises(&mut self, key: ThreadKey, bit: u8) -> bool {
        let thread = self.life.threads.iter_mut().find(|thread| thread.key == key);
        let Some(thread) = thread.filter(|thread| thread.raising & bit != 0) else {
            return false;
        };
        thread.raising &= !bit;
        self.note(11, u64::from(key.0) << 8 | u64::from(bit));
        true
    }

    /// Sets event bits of a thread's breaker. An asynchronous exception will be raised when it is
    /// handled; the handlers of the others return quietly.
    ///
    /// # Errors
    /// When there is no such thread, or its memory was taken away.
    pub fn raise(&mut self, key: ThreadKey, events: u8) -> Result<(), MoveError> {
        let live = self.live(key)?;
        self.will_raise(key, events & event::ASYNC_EXCEPTION)?;
        self.set_bits(&live, events)
    }

    /// Clears event bits, as when another thread withdraws its wish.
    ///
    /// # Errors
    /// When there is no such thread, or its memory was taken away.
    pub fn withdraw(&mut self, key: ThreadKey, events: u8) -> Result<(), MoveError> {
        let live = self.live(key)?;
        self.clear_bits(&live, events)
    }

    /// The next handler of each of these events will raise an exception, and so put off whatever
    /// comes after it: [`event::SIGNALS`], [`event::CALLS`], [`event::ASYNC_EXCEPTION`].
    ///
    /// # Errors
    /// When there is no such thread.
    pub fn will_raise(&mut self, key: ThreadKey, events: u8) -> Result<(), MoveError> {
        self.live(key)?;
        if let Some(thread) = self.life.threads.iter_mut().find(|thread| thread.key == key)
            && events != 0
        {
            thread.raising |= events;
            self.note(12, u64::from(key.0) << 8 | u64::from(events));
        }
        Ok(())
    }

    /// The instrumentation version goes up by one (0x100), in this interpreter-wide word and in
    /// every breaker, as when a profiler or a tracer is set.
    ///
    /// # Errors
    /// When the memory of an interpreter or thread was taken away.
    pub fn bump_instrumentation(&mut self) -> Result<(), MoveError> {
        self.alive()?;
        self.life.instrumentation = self.life.instrumentation.wrapping_add(0x100);
        self.note(13, self.life.instrumentation);
        let interpreters: Vec<_> = self.interpreters().map(|live| live.at).collect();
        for at in interpreters {
            self.store(at, self.life.instrumentation)?;
        }
        let threads: Vec<_> = self.threads().map(|live| live.breaker.at).collect();
        for at in threads {
            let events = self.load(at)? & 0xff;
            self.store(at, self.life.instrumentation | events)?;
        }
        Ok(())
    }

    /// Another debugger asks this thread to run a script, with CPython's own three writes.
    ///
    /// # Errors
    /// When there is no such thread, or the path does not fit.
    pub fn arm(&mut self, key: ThreadKey, path: &[u8]) -> Result<(), MoveError> {
        let live = self.live(key)?;
        if path.len() as u64 >= live.path.len || path.contains(&0) {
            return Err(SpecError::Path.into());
        }
        // Only the path and its NUL: the end of a longer, older one stays behind.
        self.store_bytes(live.path.at, &[path, &[0]].concat())?;
        self.store_u32(live.pending.at, 1)?;
        self.set_bits(&live, event::STOP)
    }

    fn set_bits(&mut self, live: &LiveThread, bits: u8) -> Result<(), MoveError> {
        let word = self.load(live.breaker.at)?;
        self.store(live.breaker.at, word | u64::from(bits))
    }

    fn clear_bits(&mut self, live: &LiveThread, bits: u8) -> Result<(), MoveError> {
        let word = self.load(live.breaker.at)?;
        self.store(live.breaker.at, word & !u64::from(bits))
    }
}

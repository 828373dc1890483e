//! How the process changes: threads and interpreters come and go, memory is freed and used again,
//! the end comes near. Each move is what CPython would leave behind in memory, and no more.

use std::sync::Arc;

use softdock_memory::Fill;
use softdock_process::Address;

use crate::System;
use crate::error::{MoveError, SpecError};
use crate::limits::{INTERPRETERS_MAX, THREADS_MAX};
use crate::process::{Interpreter, Process, Thread, offset};
use crate::spec::{Host, InterpreterSpec, Phase, ThreadSpec};
use crate::truth::ThreadKey;

/// Status bits of a thread state that waits for the interpreter: initialised, bound, and bound
/// for `PyGILState`.
pub const STATUS_WAITING: u32 = 0b0000_1011;

/// The same of one that runs.
pub const STATUS_RUNNING: u32 = 0b0001_1011;

/// The bit that tells the two apart.
const STATUS_ACTIVE: u32 = STATUS_RUNNING & !STATUS_WAITING;

/// The same of a further thread state of a thread that has one elsewhere.
pub const STATUS_SECONDARY: u32 = 0b0000_0011;

/// What is left in the memory of a thread state that has ended.
pub const STATUS_ENDED: u32 = 0b1111_0111;

/// The largest id either system gives a thread.
const NATIVE_MAX: u64 = u32::MAX as u64;

impl Process {
    /// Creates an interpreter, at the head of the list, and returns its id.
    ///
    /// # Errors
    /// When a bound is reached or a thread cannot be as the spec says.
    pub fn create_interpreter(&mut self, spec: &InterpreterSpec) -> Result<i64, MoveError> {
        self.alive()?;
        self.add_interpreter(spec)
    }

    pub(crate) fn add_interpreter(&mut self, spec: &InterpreterSpec) -> Result<i64, MoveError> {
        let id = self.life.next_id;
        let layout = self.form.layout.interpreter;
        let at = self.interpreter_memory(id)?;
        let head = offset(self.form.runtime, self.form.layout.runtime.interpreters_head);
        let next = self.life.interpreters.first().map_or(0, |newest| newest.at.get());
        self.store(at, self.life.instrumentation)?;
        self.store(offset(at, layout.id), id as u64)?;
        self.store(offset(at, layout.next), next)?;
        self.store(offset(at, layout.threads_head), 0)?;
        self.set_threads_main(at, 0)?;
        if let Some(enabled) = layout.enabled {
            self.store_u32(offset(at, enabled), spec.remote_debugging.cast_unsigned())?;
        }
        self.store(head, at.get())?;
        self.life.next_id += 1;
        self.life.interpreters.insert(0, Interpreter { id, at });
        self.note(1, at.get());
        self.add_threads(id, at, spec)?;
        Ok(id)
    }

    fn interpreter_memory(&mut self, id: i64) -> Result<Address, MoveError> {
        if self.life.interpreters.len() >= INTERPRETERS_MAX {
            let max = INTERPRETERS_MAX as u64;
            return Err(SpecError::TooMany { what: "interpreters", max }.into());
        }
        if id == 0 {
            return Ok(offset(self.form.runtime, self.form.layout.runtime.main_interpreter));
        }
        self.take(self.form.layout.interpreter.size)
    }

    fn add_threads(
        &mut self,
        id: i64,
        at: Address,
        spec: &InterpreterSpec,
    ) -> Result<(), MoveError> {
        let executing = id != 0 && spec.executing;
        // Whoever executes a sub-interpreter is a thread that was there before.
        let visitor = ThreadSpec {
            native: self.oldest(0).map(|main| main.native),
            status: Some(STATUS_SECONDARY),
            ..ThreadSpec::default()
        };
        if executing && spec.threads.is_empty() {
            self.add_thread(id, &visitor)?;
        }
        for (index, thread) in spec.threads.iter().enumerate() {
            let mut thread = thread.clone();
            if executing && index == 0 {
                thread.native = thread.native.or(visitor.native);
                thread.status = thread.status.or(visitor.status);
            }
            self.add_thread(id, &thread)?;
        }
        if let Some(first) = self.oldest(id)
            && (executing || id == 0 && self.life.host == Host::Python)
        {
            self.set_threads_main(at, first.at.get())?;
        }
        Ok(())
    }

    /// Starts a thread in an interpreter, at the head of its list. It gets the interpreter's
    /// embedded thread state when that is free, else the block that was freed last.
    ///
    /// # Errors
    /// When there is no such interpreter, a bound is reached, or the spec is impossible.
    pub fn start_thread(&mut self, id: i64, spec: &ThreadSpec) -> Result<ThreadKey, MoveError> {
        self.alive()?;
        self.add_thread(id, spec)
    }

    fn add_thread(&mut self, id: i64, spec: &ThreadSpec) -> Result<ThreadKey, MoveError> {
        let home = self.interpreter(id).ok_or(MoveError::NoInterpreter(id))?.at;
        self.check(spec)?;
        let native = self.native_id(spec.native)?;
        let first = offset(home, self.form.layout.interpreter.first_thread);
        let embedded = !self.life.threads.iter().any(|thread| thread.at == first);
        let at = if embedded { first } else { self.take(self.form.layout.thread.block)? };
        let key = ThreadKey(self.life.next_key);
        let next = self.newest(id).map_or(Address::NULL, |thread| thread.at);
        self.fill_thread(at, home, key, native, spec)?;
        self.link(home, at, next)?;
        self.life.next_key += 1;
        let thread =
            Thread { key, interpreter: id, at, native, embedded, raising: 0, taking: false };
        self.life.threads.insert(0, thread);
        self.note(2, at.get() ^ native.rotate_left(48));
        Ok(key)
    }

    fn check(&self, spec: &ThreadSpec) -> Result<(), SpecError> {
        if self.life.threads.len() >= THREADS_MAX {
            return Err(SpecError::TooMany { what: "threads", max: THREADS_MAX as u64 });
        }
        let capacity = self.form.layout.thread.support.map_or(1, |support| support.capacity);
        if spec.path.len() as u64 >= capacity || spec.path.contains(&0) {
            return Err(SpecError::Path);
        }
        Ok(())
    }

    fn native_id(&mut self, wanted: Option<u64>) -> Result<u64, SpecError> {
        let step = match self.form.build.system() {
            System::Linux => 1,
            System::Windows => 4,
        };
        let native = wanted.unwrap_or(self.life.next_native);
        if native == 0 || native > NATIVE_MAX {
            return Err(SpecError::NativeId(native));
        }
        self.life.next_native = self.life.next_native.max(native) + step;
        Ok(native)
    }

    fn fill_thread(
        &mut self,
        at: Address,
        home: Address,
        key: ThreadKey,
        native: u64,
        spec: &ThreadSpec,
    ) -> Result<(), MoveError> {
        let layout = self.form.layout.thread;
        let runs = self.life.threads.is_empty();
        let status = if runs { STATUS_RUNNING } else { STATUS_WAITING };
        self.store(offset(at, layout.interp), home.get())?;
        self.store_u32(offset(at, layout.status), spec.status.unwrap_or(status))?;
        if let Some(holds_gil) = layout.holds_gil {
            self.store_u32(offset(at, holds_gil), runs.into())?;
        }
        let breaker = self.life.instrumentation | u64::from(spec.events);
        self.store(offset(at, layout.breaker), breaker)?;
        self.store_ulong(offset(at, layout.thread_id), self.handle(key, native))?;
        self.store_ulong(offset(at, layout.native), native)?;
        self.fill_support(at, spec)
    }

    fn fill_support(&mut self, at: Address, spec: &ThreadSpec) -> Result<(), MoveError> {
        let Some(support) = self.form.layout.thread.support else {
            return Ok(());
        };
        let mut path = spec.path.clone();
        path.resize(support.capacity as usize, 0);
        self.store_u32(offset(at, support.pending), spec.pending.cast_unsigned())?;
        self.store_bytes(offset(at, support.path), &path)
    }

    /// What `thread_id` holds: on Linux the address of the thread's control block, on Windows its
    /// id once more.
    fn handle(&self, key: ThreadKey, native: u64) -> u64 {
        match self.form.build.system() {
            System::Linux => 0x7fff_e000_0740 - u64::from(key.0) * 0x80_1000,
            System::Windows => native,
        }
    }

    fn store_ulong(&mut self, at: Address, value: u64) -> Result<(), MoveError> {
        let width = self.form.layout.ulong as usize;
        self.store_bytes(at, &value.to_le_bytes()[..width])
    }

    /// Puts a thread state before the one that was newest.
    fn link(&mut self, home: Address, at: Address, next: Address) -> Result<(), MoveError> {
        let layout = self.form.layout.thread;
        self.store(offset(at, layout.prev), 0)?;
        self.store(offset(at, layout.next), next.get())?;
        if !next.is_null() {
            self.store(offset(next, layout.prev), at.get())?;
        }
        self.store(offset(home, self.form.layout.interpreter.threads_head), at.get())
    }

    /// A thread ends: it leaves the list and its memory is freed, still looking much like a thread
    /// state. The operating system forgets its id, unless it has a state in another interpreter.
    ///
    /// Folklore: in about half of such blocks of CPython 3.14.10 the pointer to the interpreter was
    /// still right, the native id still there, and the status 0xF7; the first two words were the
    /// allocator's.
    ///
    /// # Errors
    /// When there is no such thread.
    pub fn exit_thread(&mut self, key: ThreadKey) -> Result<(), MoveError> {
        self.alive()?;
        let index = self.life.threads.iter().position(|thread| thread.key == key);
        let index = index.ok_or(MoveError::NoThread(key))?;
        let thread = self.life.threads[index];
        self.unlink(&thread, index)?;
        self.life.threads.remove(index);
        self.note(3, key.0.into());
        self.store_u32(offset(thread.at, self.form.layout.thread.status), STATUS_ENDED)?;
        if !thread.embedded {
            self.free(thread.at, self.form.layout.thread.block)?;
        }
        Ok(())
    }

    fn unlink(&mut self, thread: &Thread, index: usize) -> Result<(), MoveError> {
        let layout = self.form.layout;
        let home = self.interpreter(thread.interpreter);
        let home = home.ok_or(MoveError::NoInterpreter(thread.interpreter))?.at;
        let same = |other: &&Thread| other.interpreter == thread.interpreter;
        let newer = self.life.threads[..index].iter().rfind(same).map(|other| other.at);
        let older = self.life.threads[index + 1..].iter().find(same).map(|other| other.at);
        let next = older.map_or(0, Address::get);
        let prev = newer.map_or(0, Address::get);
        let from_newer = newer.map(|newer| offset(newer, layout.thread.next));
        let from_head = offset(home, layout.interpreter.threads_head);
        self.store(from_newer.unwrap_or(from_head), next)?;
        if let Some(older) = older {
            self.store(offset(older, layout.thread.prev), prev)?;
        }
        if self.threads_main(home)? == thread.at.get() {
            self.set_threads_main(home, 0)?;
        }
        Ok(())
    }

    /// Destroys a sub-interpreter: its threads end, it leaves the list, its memory is freed and
    /// stays as it is.
    ///
    /// Folklore: such a ghost keeps its id, its `next`, and remote debugging allowed; it is just
    /// not reachable from the head of the list (seen with CPython 3.14.10).
    ///
    /// # Errors
    /// When there is no such interpreter, or it is the main one, which only ends with the process.
    pub fn destroy_interpreter(&mut self, id: i64) -> Result<(), MoveError> {
        self.alive()?;
        let index = self.life.interpreters.iter().position(|known| known.id == id && id != 0);
        let index = index.ok_or(MoveError::NoInterpreter(id))?;
        while let Some(thread) = self.newest(id) {
            self.exit_thread(thread.key)?;
        }
        let layout = self.form.layout;
        let ghost = self.life.interpreters.remove(index).at;
        let next = self.life.interpreters.get(index).map_or(0, |older| older.at.get());
        let newer = index.checked_sub(1).map(|newer| self.life.interpreters[newer].at);
        let from_newer = newer.map(|newer| offset(newer, layout.interpreter.next));
        let from_head = offset(self.form.runtime, layout.runtime.interpreters_head);
        self.store(from_newer.unwrap_or(from_head), next)?;
        self.life.heap.give(ghost, layout.interpreter.size);
        self.note(4, id as u64);
        Ok(())
    }

    /// A freed block is taken by some other object, which fills all of it.
    ///
    /// # Errors
    /// When no freed block starts there.
    pub fn reuse(&mut self, at: Address) -> Result<(), MoveError> {
        self.alive()?;
        let len = self.life.heap.take_at(at).ok_or(MoveError::NotFree)?;
        let mut bytes = vec![0; len as usize];
        Fill::Noise(u64::MAX).read(at.get(), &mut bytes);
        self.note(5, at.get());
        self.store_bytes(at, &bytes)
    }

    /// A module is unloaded: nothing is mapped where it was, and no backend lists it any more. To
    /// lose the runtime itself is the end of whatever looks at it.
    ///
    /// # Errors
    /// When no module of this name is loaded.
    pub fn unload(&mut self, module: &str) -> Result<(), MoveError> {
        self.alive()?;
        let known = self.form.candidates.iter().find(|known| &*known.module == module);
        let at = known.map(|known| known.at).ok_or(MoveError::NoModule)?;
        self.note(14, at.get());
        let form = Arc::make_mut(&mut self.form);
        form.candidates.retain(|known| known.at != at);
        let index = form.sections.iter().position(|section| section.at == at);
        let section = index.map(|index| form.sections.remove(index)).ok_or(MoveError::NoModule)?;
        let (start, len) = section.pages();
        self.memory.unmap(start, len).map_err(|error| MoveError::Spec(error.into()))
    }

    /// The process forks. In the child CPython clears the request before anything can look at it
    /// (python/cpython PR 132793), and an attacher that means this process reaches this process.
    ///
    /// # Errors
    /// When the process is gone.
    pub fn fork(&mut self) -> Result<(), MoveError> {
        self.alive()?;
        self.note(15, 0);
        Ok(())
    }

    /// This thread takes the interpreter lock: its status says that it executes, and no other's
    /// does.
    ///
    /// # Errors
    /// When there is no such thread.
    pub fn switch(&mut self, key: ThreadKey) -> Result<(), MoveError> {
        self.live(key)?;
        let layout = self.form.layout.thread;
        let threads: Vec<(ThreadKey, Address)> =
            self.threads().map(|live| (live.key, live.at)).collect();
        for (other, at) in threads {
            let runs = other == key;
            let status = offset(at, layout.status);
            let waits = self.load_u32(status)? & !STATUS_ACTIVE;
            self.store_u32(status, if runs { waits | STATUS_ACTIVE } else { waits })?;
            if let Some(holds_gil) = layout.holds_gil {
                self.store_u32(offset(at, holds_gil), runs.into())?;
            }
        }
        Ok(())
    }

    /// The main script ends; exit handlers and other threads go on. `threads_main` becomes 0.
    ///
    /// # Errors
    /// When the process is gone.
    pub fn end_main(&mut self) -> Result<(), MoveError> {
        self.alive()?;
        self.life.phase = self.life.phase.max(Phase::MainEnded);
        self.note(6, 0);
        self.interpreter(0).map_or(Ok(()), |main| self.set_threads_main(main.at, 0))
    }

    /// The runtime begins to be torn down: `finalizing` names the thread that does it.
    ///
    /// # Errors
    /// When the process is gone.
    pub fn finalise(&mut self) -> Result<(), MoveError> {
        self.end_main()?;
        self.life.phase = Phase::Finalizing;
        self.note(7, 0);
        let by = self.oldest(0).map_or(0, |main| main.at.get());
        self.store(offset(self.form.runtime, self.form.layout.runtime.finalizing), by)
    }

    /// The process ends: nothing of it can be reached any more.
    pub fn exit(&mut self) {
        self.life.gone = true;
        self.note(8, 0);
    }

    fn set_threads_main(&mut self, home: Address, to: u64) -> Result<(), MoveError> {
        let field = self.form.layout.interpreter.threads_main;
        field.map_or(Ok(()), |field| self.store(offset(home, field), to))
    }

    fn threads_main(&mut self, home: Address) -> Result<u64, MoveError> {
        let field = self.form.layout.interpreter.threads_main;
        field.map_or(Ok(0), |field| self.load(offset(home, field)))
    }

    fn newest(&self, id: i64) -> Option<Thread> {
        self.life.threads.iter().find(|thread| thread.interpreter == id).copied()
    }

    fn oldest(&self, id: i64) -> Option<Thread> {
        self.life.threads.iter().rfind(|thread| thread.interpreter == id).copied()
    }

    fn take(&mut self, len: u64) -> Result<Address, MoveError> {
        let max = crate::limits::HEAP_BYTES;
        let full = SpecError::TooMany { what: "bytes of heap", max };
        let at = self.life.heap.take(len).ok_or(MoveError::Spec(full))?;
        self.grow_heap().map_err(SpecError::from)?;
        Ok(at)
    }

    /// Frees a block. An allocator keeps its own links in the first two words.
    fn free(&mut self, at: Address, len: u64) -> Result<(), MoveError> {
        let last = self.life.heap.freed().last().map_or(0, Address::get);
        self.life.heap.give(at, len);
        // As glibc hides its links: mixed with the address they are at.
        self.store(at, (at.get() >> 12) ^ last)?;
        self.store(offset(at, 8), Fill::Noise(1).word(0))
    }
}

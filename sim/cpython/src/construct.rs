//! Building a process from its spec: modules, heap, interpreters, threads. Everything goes through
//! the same moves that change a living process.

use std::sync::Arc;

use softdock_memory::{AddressSpace, LayoutError, Protection};
use softdock_process::{Address, Identity};

use crate::System;
use crate::error::{MoveError, SpecError};
use crate::form::{FILL, Form};
use crate::heap::Heap;
use crate::limits::{HEAP_BYTES, INTERPRETERS_MAX};
use crate::process::{Bookmark, Life, Process, offset};
use crate::spec::{Phase, ProcessSpec};

/// Where the heap is: behind an executable at a fixed address, behind a position-independent one,
/// and where Windows likes to put it.
const HEAP_OF_FIXED: u64 = 0x2000_0000;
const HEAP_OF_PIE: u64 = 0x5556_0000_0000;
const HEAP_OF_WINDOWS: u64 = 0x1d3_4a00_0000;

impl Process {
    /// Builds a process, and makes that its checkpoint.
    ///
    /// # Errors
    /// When no such process can exist.
    pub fn new(spec: &ProcessSpec) -> Result<Process, SpecError> {
        let form = Arc::new(Form::of(spec)?);
        let identity = Identity { pid: spec.pid, started: spec.started };
        let life = newborn(spec, &form, identity)?;
        let memory = AddressSpace::new();
        let nothing = (memory.bookmark(), Arc::clone(&form), life.clone());
        let saved = Bookmark { memory: nothing.0, form: nothing.1, life: nothing.2, runs: 0 };
        let mut process = Process { memory, form, life, runs: Vec::new(), saved };
        process.populate(spec).map_err(|error| match error {
            MoveError::Spec(error) => error,
            // Everything that is stored to while building was mapped before.
            _ => SpecError::OutOfReach,
        })?;
        process.checkpoint();
        Ok(process)
    }

    /// The process replaces its program: by `exec`, which keeps pid and start time. `None` is a
    /// program without Python.
    ///
    /// # Errors
    /// When no such process can exist; nothing has changed then.
    pub fn exec(&mut self, spec: Option<&ProcessSpec>) -> Result<(), MoveError> {
        self.alive()?;
        self.replace(spec, self.life.identity)
    }

    /// The process has ended, and another one with the same pid has started. `None` is a process
    /// without Python.
    ///
    /// # Errors
    /// When no such process can exist; nothing has changed then.
    pub fn reuse_pid(&mut self, spec: Option<&ProcessSpec>) -> Result<(), MoveError> {
        let Identity { pid, started } = self.life.identity;
        self.replace(spec, Identity { pid, started: started.wrapping_add(1) })
    }

    fn replace(&mut self, spec: Option<&ProcessSpec>, as_: Identity) -> Result<(), MoveError> {
        let Some(spec) = spec else {
            self.memory.unmap_all();
            self.form = Arc::new(self.form.without_python());
            self.life.interpreters.clear();
            self.life.threads.clear();
            self.take_identity(as_);
            return Ok(());
        };
        // A trial run, so that a spec that fails halfway leaves this process as it is.
        Process::new(spec)?;
        self.memory.unmap_all();
        self.form = Arc::new(Form::of(spec)?);
        let Life { history, next_key, .. } = self.life;
        // Keys go on: a thread of the old program is never mistaken for one of the new.
        self.life = Life { history, next_key, ..newborn(spec, &self.form, as_)? };
        self.populate(spec)?;
        self.take_identity(as_);
        Ok(())
    }

    fn take_identity(&mut self, identity: Identity) {
        self.life.identity = identity;
        self.life.gone = false;
        self.note(0xe8ec, identity.started);
    }

    fn populate(&mut self, spec: &ProcessSpec) -> Result<(), MoveError> {
        self.map_modules()?;
        if spec.interpreters.len() > INTERPRETERS_MAX {
            let max = INTERPRETERS_MAX as u64;
            return Err(SpecError::TooMany { what: "interpreters", max }.into());
        }
        if !spec.interpreters.is_empty() {
            self.initialise()?;
        }
        for interpreter in &spec.interpreters {
            self.add_interpreter(interpreter)?;
        }
        if spec.phase >= Phase::MainEnded {
            self.end_main()?;
        }
        if spec.phase == Phase::Finalizing {
            self.finalise()?;
        }
        Ok(())
    }

    /// The sections as their files have them, and an almost empty heap.
    fn map_modules(&mut self) -> Result<(), SpecError> {
        let form = Arc::clone(&self.form);
        for section in &form.sections {
            let (start, len) = section.pages();
            self.memory.map_filled(start, len, Protection::ReadWrite, FILL)?;
            let loaded = self.memory.poke(section.at, &section.loaded);
            loaded.map_err(|_| SpecError::OutOfReach)?;
        }
        Ok(self.grow_heap()?)
    }

    /// Maps what the heap has taken beyond its end.
    pub(crate) fn grow_heap(&mut self) -> Result<(), LayoutError> {
        match self.life.heap.growth() {
            Some((start, len)) => self.memory.map_filled(start, len, Protection::ReadWrite, FILL),
            None => Ok(()),
        }
    }

    /// What `Py_Initialize` leaves behind the table: five flags, of which all but the one for
    /// "preinitialising" are set. Not published, but there in 3.14.10 and 3.15.2.
    fn initialise(&mut self) -> Result<(), MoveError> {
        let layout = self.form.layout.runtime;
        let flags = [1_u32, 0, 1, 1, 1].map(u32::to_le_bytes).concat();
        let room = layout.finalizing.min(layout.interpreters_head) - layout.table_bytes;
        let len = flags.len().min(room as usize);
        self.store_bytes(offset(self.form.runtime, layout.table_bytes), &flags[..len])
    }
}

fn newborn(spec: &ProcessSpec, form: &Form, identity: Identity) -> Result<Life, SpecError> {
    if !spec.instrumentation.is_multiple_of(0x100) {
        let why = "has bits among the events: the instrumentation version is a multiple of 0x100";
        return Err(SpecError::Word { word: "debugger_support.eval_breaker", why });
    }
    let inner_pid = u64::from(spec.inner_pid.unwrap_or(spec.pid));
    Ok(Life {
        identity,
        inner_pid,
        gone: false,
        host: spec.host,
        phase: Phase::Running,
        instrumentation: spec.instrumentation,
        interpreters: Vec::new(),
        threads: Vec::new(),
        heap: Heap::new(heap_base(form), HEAP_BYTES),
        next_key: 0,
        next_id: 0,
        next_native: inner_pid,
        history: 0,
    })
}

fn heap_base(form: &Form) -> Address {
    Address::new(match form.build.system() {
        System::Windows => HEAP_OF_WINDOWS,
        System::Linux if form.runtime.get() < HEAP_OF_FIXED => HEAP_OF_FIXED,
        System::Linux => HEAP_OF_PIE,
    })
}

//! Where the fields of the fake process truly are, taken from its table once and checked to be
//! possible. What is published in memory may be damaged later; the process behaves by this.

use crate::error::SpecError;
use crate::limits::{CAPACITY_MAX, RUNTIME_BYTES_MAX};
use crate::{Build, Table};

/// The size of a pointer: 64-bit targets only.
const POINTER: u64 = 8;

/// Alignment of the structures, and of their sizes.
const ALIGNMENT: u64 = 8;

/// `tstate->eval_breaker` where the table does not tell it: 24 in every build seen.
const BREAKER_OF_3_13: u64 = 24;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    pub(crate) ulong: u64,
    pub(crate) runtime: RuntimeLayout,
    pub(crate) interpreter: InterpreterLayout,
    pub(crate) thread: ThreadLayout,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RuntimeLayout {
    pub(crate) table_bytes: u64,
    pub(crate) size: u64,
    pub(crate) finalizing: u64,
    pub(crate) interpreters_head: u64,
    /// The main interpreter is embedded, as the last member.
    pub(crate) main_interpreter: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct InterpreterLayout {
    pub(crate) size: u64,
    pub(crate) id: u64,
    pub(crate) next: u64,
    pub(crate) threads_head: u64,
    pub(crate) threads_main: Option<u64>,
    pub(crate) enabled: Option<u64>,
    /// The first thread state is embedded, as the last member.
    pub(crate) first_thread: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ThreadLayout {
    /// What is allocated for a thread state: more than `thread_state.size`.
    pub(crate) block: u64,
    pub(crate) prev: u64,
    pub(crate) next: u64,
    pub(crate) interp: u64,
    pub(crate) breaker: u64,
    pub(crate) status: u64,
    pub(crate) thread_id: u64,
    pub(crate) native: u64,
    pub(crate) holds_gil: Option<u64>,
    pub(crate) support: Option<SupportLayout>,
}

/// Offsets in the thread state, not in the support block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SupportLayout {
    pub(crate) pending: u64,
    pub(crate) path: u64,
    pub(crate) capacity: u64,
}

impl Layout {
    /// The true layout of a build with this table.
    pub(crate) fn of(table: &Table, build: Build) -> Result<Layout, SpecError> {
        let ulong = build.system().ulong_bytes();
        let thread = ThreadLayout::of(table, ulong, build.thread_tail_bytes())?;
        let interpreter = InterpreterLayout::of(table, thread.block)?;
        let runtime = RuntimeLayout::of(table, interpreter.size)?;
        Ok(Layout { ulong, runtime, interpreter, thread })
    }
}

impl RuntimeLayout {
    fn of(table: &Table, interpreter: u64) -> Result<RuntimeLayout, SpecError> {
        let size = size(table, "runtime_state.size")?;
        let main_interpreter = size.checked_sub(interpreter).ok_or(SpecError::Word {
            word: "runtime_state.size",
            why: "is too small for the main interpreter, which is embedded in the runtime",
        })?;
        let table_bytes = table.len_bytes();
        let finalizing = word(table, "runtime_state.finalizing")?;
        let interpreters_head = word(table, "runtime_state.interpreters_head")?;
        let mut fields = Fields::new(main_interpreter);
        fields.add("cookie", 0, table_bytes, ALIGNMENT)?;
        fields.add("runtime_state.finalizing", finalizing, POINTER, POINTER)?;
        fields.add("runtime_state.interpreters_head", interpreters_head, POINTER, POINTER)?;
        fields.disjoint()?;
        Ok(RuntimeLayout { table_bytes, size, finalizing, interpreters_head, main_interpreter })
    }
}

impl InterpreterLayout {
    fn of(table: &Table, thread_block: u64) -> Result<InterpreterLayout, SpecError> {
        let size = size(table, "interpreter_state.size")?;
        let first_thread = size.checked_sub(thread_block).ok_or(SpecError::Word {
            word: "interpreter_state.size",
            why: "is too small for the first thread state, which is embedded in the interpreter",
        })?;
        let id = word(table, "interpreter_state.id")?;
        let next = word(table, "interpreter_state.next")?;
        let threads_head = word(table, "interpreter_state.threads_head")?;
        let threads_main = table.value("interpreter_state.threads_main");
        let enabled = table.value(SUPPORT_ENABLED);
        let mut fields = Fields::new(first_thread);
        fields.add("interpreter_state (instrumentation version)", 0, POINTER, POINTER)?;
        fields.add("interpreter_state.id", id, 8, 8)?;
        fields.add("interpreter_state.next", next, POINTER, POINTER)?;
        fields.add("interpreter_state.threads_head", threads_head, POINTER, POINTER)?;
        fields.maybe("interpreter_state.threads_main", threads_main, POINTER)?;
        fields.maybe(SUPPORT_ENABLED, enabled, 4)?;
        fields.disjoint()?;
        Ok(InterpreterLayout { size, id, next, threads_head, threads_main, enabled, first_thread })
    }
}

const SUPPORT_BREAKER: &str = "debugger_support.eval_breaker";
const SUPPORT_ENABLED: &str = "debugger_support.remote_debugging_enabled";
const SUPPORT_PENDING: &str = "debugger_support.debugger_pending_call";
const SUPPORT_PATH: &str = "debugger_support.debugger_script_path";
const SUPPORT_CAPACITY: &str = "debugger_support.debugger_script_path_size";

impl ThreadLayout {
    fn of(table: &Table, ulong: u64, tail: u64) -> Result<ThreadLayout, SpecError> {
        let layout = ThreadLayout {
            block: size(table, "thread_state.size")? + tail,
            prev: word(table, "thread_state.prev")?,
            next: word(table, "thread_state.next")?,
            interp: word(table, "thread_state.interp")?,
            breaker: table.value(SUPPORT_BREAKER).unwrap_or(BREAKER_OF_3_13),
            status: word(table, "thread_state.status")?,
            thread_id: word(table, "thread_state.thread_id")?,
            native: word(table, "thread_state.native_thread_id")?,
            holds_gil: table.value("thread_state.holds_gil"),
            support: SupportLayout::of(table)?,
        };
        layout.check(ulong, layout.block - tail)?;
        Ok(layout)
    }

    fn check(&self, ulong: u64, size: u64) -> Result<(), SpecError> {
        let mut fields = Fields::new(size);
        fields.add("thread_state.prev", self.prev, POINTER, POINTER)?;
        fields.add("thread_state.next", self.next, POINTER, POINTER)?;
        fields.add("thread_state.interp", self.interp, POINTER, POINTER)?;
        fields.add(SUPPORT_BREAKER, self.breaker, POINTER, POINTER)?;
        fields.add("thread_state.status", self.status, 4, 4)?;
        fields.add("thread_state.thread_id", self.thread_id, ulong, ulong)?;
        fields.add("thread_state.native_thread_id", self.native, ulong, ulong)?;
        fields.maybe("thread_state.holds_gil", self.holds_gil, 4)?;
        if let Some(support) = self.support {
            fields.add(SUPPORT_PENDING, support.pending, 4, 4)?;
            fields.add(SUPPORT_PATH, support.path, support.capacity, 1)?;
        }
        fields.disjoint()
    }
}

impl SupportLayout {
    fn of(table: &Table) -> Result<Option<SupportLayout>, SpecError> {
        let Some(block) = table.value("debugger_support.remote_debugger_support") else {
            return Ok(None);
        };
        let inside = |word: &'static str| {
            let within = table.value(word).and_then(|offset| block.checked_add(offset));
            within.ok_or(SpecError::Word { word, why: "is missing or out of range" })
        };
        let capacity = word(table, SUPPORT_CAPACITY)?;
        if capacity == 0 || capacity > CAPACITY_MAX {
            let why = "must be from 1 to 0x100000 bytes";
            return Err(SpecError::Word { word: SUPPORT_CAPACITY, why });
        }
        let (pending, path) = (inside(SUPPORT_PENDING)?, inside(SUPPORT_PATH)?);
        Ok(Some(SupportLayout { pending, path, capacity }))
    }
}

fn word(table: &Table, word: &'static str) -> Result<u64, SpecError> {
    table.value(word).ok_or(SpecError::Word { word, why: "is missing" })
}

fn size(table: &Table, name: &'static str) -> Result<u64, SpecError> {
    let size = word(table, name)?;
    if size.is_multiple_of(ALIGNMENT) && size > 0 && size <= RUNTIME_BYTES_MAX {
        return Ok(size);
    }
    let why = "must be a multiple of 8, not 0, and at most 64 MiB for this target to be built";
    Err(SpecError::Word { word: name, why })
}

/// The fields of one structure, to be checked against its size and against each other.
struct Fields {
    size: u64,
    list: Vec<(u64, u64, &'static str)>,
}

impl Fields {
    const fn new(size: u64) -> Fields {
        Fields { size, list: Vec::new() }
    }

    fn add(&mut self, word: &'static str, at: u64, len: u64, align: u64) -> Result<(), SpecError> {
        let Some(end) = at.checked_add(len).filter(|end| *end <= self.size) else {
            return Err(SpecError::Word { word, why: "lies outside its structure" });
        };
        if !at.is_multiple_of(align) {
            return Err(SpecError::Word { word, why: "is not aligned as its type demands" });
        }
        self.list.push((at, end, word));
        Ok(())
    }

    fn maybe(&mut self, word: &'static str, at: Option<u64>, len: u64) -> Result<(), SpecError> {
        at.map_or(Ok(()), |at| self.add(word, at, len, len))
    }

    fn disjoint(mut self) -> Result<(), SpecError> {
        self.list.sort_unstable();
        match self.list.windows(2).find(|pair| pair[0].1 > pair[1].0) {
            Some(pair) => Err(SpecError::Overlap { first: pair[0].2, second: pair[1].2 }),
            None => Ok(()),
        }
    }
}

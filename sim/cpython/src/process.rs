//! The fake process as a whole: what it consists of, what is true of it, and its way back. How it
//! is built is told in `construct`, how it lives in `life`, when it runs scripts in `eval`.

use std::sync::Arc;

use softdock_memory::{self as memory, AddressSpace, Unmapped};
use softdock_process::{Address, Identity};

use crate::error::MoveError;
use crate::form::Form;
use crate::heap::Heap;
use crate::layout::Layout;
use crate::spec::{Host, Phase};
use crate::truth::{LiveInterpreter, LiveThread, Place, ScriptRun, Span, ThreadKey};
use crate::{Build, Table};

/// A CPython process made of bytes.
///
/// It stands still unless told to move; the attacher's accesses through the door do not move it.
/// It always behaves by its true layout, whatever became of the table in its memory.
#[derive(Clone, Debug)]
pub struct Process {
    pub(crate) memory: AddressSpace,
    pub(crate) form: Arc<Form>,
    pub(crate) life: Life,
    pub(crate) runs: Vec<ScriptRun>,
    pub(crate) saved: Bookmark,
}

/// What changes while it lives and is not in its memory.
#[derive(Clone, Debug)]
pub(crate) struct Life {
    pub(crate) identity: Identity,
    pub(crate) inner_pid: u64,
    pub(crate) gone: bool,
    pub(crate) host: Host,
    pub(crate) phase: Phase,
    pub(crate) instrumentation: u64,
    /// As the list in memory has them: newest first.
    pub(crate) interpreters: Vec<Interpreter>,
    /// Newest first, over all interpreters.
    pub(crate) threads: Vec<Thread>,
    pub(crate) heap: Heap,
    pub(crate) next_key: u32,
    pub(crate) next_id: i64,
    pub(crate) next_native: u64,
    /// All moves since the checkpoint, mixed; 0 when there was none.
    pub(crate) history: u128,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Interpreter {
    pub(crate) id: i64,
    pub(crate) at: Address,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Thread {
    pub(crate) key: ThreadKey,
    pub(crate) interpreter: i64,
    pub(crate) at: Address,
    pub(crate) native: u64,
    pub(crate) embedded: bool,
    /// The events whose handlers will raise, once each.
    pub(crate) raising: u8,
    /// It has lowered the flag of a request, and not copied its path yet.
    pub(crate) taking: bool,
}

/// A state of a process to come back to, as long as nobody has gone back further.
#[derive(Clone, Debug)]
pub struct Bookmark {
    pub(crate) memory: memory::Bookmark,
    pub(crate) form: Arc<Form>,
    pub(crate) life: Life,
    pub(crate) runs: usize,
}

/// Bytes of untouched pages that [`Process::settle`] stores: a heap and the modules, but no memory
/// that is large on purpose.
const SETTLED_MAX: u64 = 8 * 1024 * 1024;

impl Process {
    /// Makes now the state to come back to.
    pub fn checkpoint(&mut self) {
        self.memory.checkpoint();
        self.life.history = 0;
        self.saved = self.bookmark();
    }

    /// The state right now.
    #[must_use]
    pub fn bookmark(&self) -> Bookmark {
        let (form, life) = (Arc::clone(&self.form), self.life.clone());
        Bookmark { memory: self.memory.bookmark(), form, life, runs: self.runs.len() }
    }

    /// Goes back to the last checkpoint, and stores what was never written, so that reading it is
    /// copying: for whoever comes back here often. Nothing that can be seen changes.
    pub fn settle(&mut self) {
        self.restore();
        self.memory.settle(SETTLED_MAX);
    }

    /// Goes back to the last checkpoint. Costs only what was changed since.
    pub fn restore(&mut self) {
        let Process { memory, form, life, runs, saved } = self;
        saved.bring_back(memory, form, life, runs);
    }

    /// Goes back to a state between the checkpoint and now. One that was gone back behind since is
    /// no state any more.
    pub fn return_to(&mut self, bookmark: &Bookmark) {
        let Process { memory, form, life, runs, .. } = self;
        bookmark.bring_back(memory, form, life, runs);
    }

    /// How it differs from its checkpoint, in 128 bits; equal for two states that were reached by
    /// the same moves and hold the same bytes. For telling states of an exploration apart.
    #[must_use]
    pub const fn fingerprint(&self) -> u128 {
        self.memory.fingerprint() ^ self.life.history
    }

    /// Its memory, for looking as the world does.
    #[must_use]
    pub const fn memory(&self) -> &AddressSpace {
        &self.memory
    }

    /// Its memory, for damaging it.
    pub const fn memory_mut(&mut self) -> &mut AddressSpace {
        &mut self.memory
    }

    /// The build it was made from.
    #[must_use]
    pub fn build(&self) -> Build {
        self.form.build
    }

    /// Its true table, which is also what it published before any damage.
    #[must_use]
    pub fn table(&self) -> &Table {
        &self.form.table
    }

    /// Where its runtime is, and so its table.
    #[must_use]
    pub fn runtime(&self) -> Address {
        self.form.runtime
    }

    /// Where this word of the table lies in its memory.
    #[must_use]
    pub fn word_at(&self, word: &str) -> Option<Address> {
        self.form.runtime.checked_add(self.form.table.position(word)?)
    }

    /// Where the field that this word tells of truly is, in the structure at `base`: the address
    /// of `interpreter_state.next` in an interpreter, for instance.
    #[must_use]
    pub fn field_at(&self, base: Address, word: &str) -> Option<Address> {
        base.checked_add(self.form.table.value(word)?)
    }

    /// Whether it has exited or crashed.
    #[must_use]
    pub const fn is_gone(&self) -> bool {
        self.life.gone
    }

    /// How far its life has come.
    #[must_use]
    pub const fn phase(&self) -> Phase {
        self.life.phase
    }

    /// The interpreters in its list, newest first, as the list has them.
    pub fn interpreters(&self) -> impl DoubleEndedIterator<Item = LiveInterpreter> + '_ {
        self.life.interpreters.iter().map(|known| LiveInterpreter { id: known.id, at: known.at })
    }

    /// Where this interpreter is, while it is in the list.
    #[must_use]
    pub fn interpreter(&self, id: i64) -> Option<LiveInterpreter> {
        self.interpreters().find(|live| live.id == id)
    }

    /// Its live thread states, newest first, over all interpreters.
    pub fn threads(&self) -> impl DoubleEndedIterator<Item = LiveThread> + '_ {
        let layout = self.form.layout;
        self.life.threads.iter().map(move |thread| live(&layout, thread))
    }

    /// This thread state, while it lives.
    #[must_use]
    pub fn thread(&self, key: ThreadKey) -> Option<LiveThread> {
        self.threads().find(|live| live.key == key)
    }

    /// What these bytes are to an attacher, now: elsewhere, unless all of them are of one thing.
    #[must_use]
    pub fn place(&self, at: Address, len: usize) -> Place {
        let all_in = |span: Span| span.contains_all(at, len as u64);
        let place = |live: LiveThread| match () {
            () if all_in(Span { len: 1, ..live.breaker }) => Some(Place::Breaker(live.key)),
            () if all_in(live.pending) => Some(Place::Pending(live.key)),
            () if all_in(live.path) => Some(Place::Path(live.key)),
            () => None,
        };
        self.threads().find_map(place).unwrap_or(Place::Elsewhere)
    }

    /// The path that this thread would run at the next chance, if it is armed: its pending flag is
    /// 1, with or without a bit in its breaker. An empty path is armed as well, for nothing.
    #[must_use]
    pub fn armed(&self, key: ThreadKey) -> Option<Vec<u8>> {
        let live = self.thread(key).filter(|live| live.pending.len > 0)?;
        let armed = self.memory.peek_u32(live.pending.at) == Ok(1);
        armed.then(|| self.path(&live).unwrap_or_default())
    }

    /// Whether this interpreter takes up requests at all, by the word in its memory.
    #[must_use]
    pub fn allows(&self, id: i64) -> bool {
        let policy = self.form.layout.interpreter.enabled;
        let at = self.interpreter(id).zip(policy).map(|(home, policy)| offset(home.at, policy));
        at.is_some_and(|at| self.memory.peek_u32(at) == Ok(1))
    }

    /// The scripts it took up, in order.
    #[must_use]
    pub fn runs(&self) -> &[ScriptRun] {
        &self.runs
    }

    /// Heap blocks that were freed and not taken again, longest ago first.
    pub fn freed(&self) -> impl Iterator<Item = Address> + '_ {
        self.life.heap.freed()
    }

    /// What this thread's path buffer holds up to the first NUL; the last byte counts as one.
    pub(crate) fn path(&self, live: &LiveThread) -> Result<Vec<u8>, Unmapped> {
        let mut path = self.memory.peek(live.path.at, live.path.len as usize)?;
        path.pop();
        let end = path.iter().position(|byte| *byte == 0).unwrap_or(path.len());
        path.truncate(end);
        Ok(path)
    }

    pub(crate) fn live(&self, key: ThreadKey) -> Result<LiveThread, MoveError> {
        self.alive()?;
        self.thread(key).ok_or(MoveError::NoThread(key))
    }

    pub(crate) const fn alive(&self) -> Result<(), MoveError> {
        if self.life.gone { Err(MoveError::Gone) } else { Ok(()) }
    }

    /// The process's own read of a 64-bit word.
    pub(crate) fn load(&mut self, at: Address) -> Result<u64, MoveError> {
        let word = self.memory.peek_u64(at);
        word.map_err(|error| self.crash(error))
    }

    pub(crate) fn load_u32(&mut self, at: Address) -> Result<u32, MoveError> {
        let word = self.memory.peek_u32(at);
        word.map_err(|error| self.crash(error))
    }

    pub(crate) fn store(&mut self, at: Address, value: u64) -> Result<(), MoveError> {
        self.store_bytes(at, &value.to_le_bytes())
    }

    pub(crate) fn store_u32(&mut self, at: Address, value: u32) -> Result<(), MoveError> {
        self.store_bytes(at, &value.to_le_bytes())
    }

    pub(crate) fn store_bytes(&mut self, at: Address, bytes: &[u8]) -> Result<(), MoveError> {
        let done = self.memory.poke(at, bytes);
        done.map_err(|error| self.crash(error))
    }

    pub(crate) fn crash(&mut self, error: Unmapped) -> MoveError {
        self.life.gone = true;
        self.note(0xdead, error.at.get());
        MoveError::Crashed(error)
    }

    /// Takes note of a move that memory alone does not tell.
    pub(crate) fn note(&mut self, operation: u64, argument: u64) {
        let before = self.life.history;
        let low = mix(mix(before as u64 ^ operation) ^ argument);
        let high = mix(mix((before >> 64) as u64 ^ argument).wrapping_add(operation));
        // Never 0, which stands for "no move".
        self.life.history = (u128::from(high) << 64) | u128::from(low | 1);
    }
}

impl Bookmark {
    /// What has not moved since needs no bringing back.
    fn bring_back(
        &self,
        memory: &mut AddressSpace,
        form: &mut Arc<Form>,
        life: &mut Life,
        runs: &mut Vec<ScriptRun>,
    ) {
        memory.return_to(&self.memory);
        if life.history != self.life.history {
            life.clone_from(&self.life);
            *form = Arc::clone(&self.form);
            runs.truncate(self.runs);
        }
    }
}

/// Mixes one word (the finaliser of SplitMix64).
const fn mix(word: u64) -> u64 {
    let word = word.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

/// The address `bytes` into a structure of ours, which lies in user space as a whole.
pub(crate) const fn offset(base: Address, bytes: u64) -> Address {
    Address::new(base.get() + bytes)
}

fn live(layout: &Layout, thread: &Thread) -> LiveThread {
    let span = |at: u64, len: u64| Span { at: offset(thread.at, at), len };
    let support = layout.thread.support;
    LiveThread {
        key: thread.key,
        interpreter: thread.interpreter,
        at: thread.at,
        native: thread.native,
        embedded: thread.embedded,
        breaker: span(layout.thread.breaker, 8),
        pending: support.map_or(Span::default(), |support| span(support.pending, 4)),
        path: support.map_or(Span::default(), |support| span(support.path, support.capacity)),
    }
}

//! The two lists: interpreters from the runtime's head, threads from the interpreter's.
//!
//! Both insert at the head, so the newest comes first and the main one is the tail. Interpreter
//! ids are never reused, so along the list they fall strictly, down to 0 at the end: a cycle, a
//! ghost or a stray pointer cannot keep that up. In the thread list every node must point back to
//! the one it was reached from, which a cycle cannot keep up either. Both walks are bounded all
//! the same.
//!
//! Folklore: `sys.remote_exec` looks at the newest interpreter only, so it fails, or reaches the
//! wrong interpreter, as soon as a sub-interpreter lives; and it needs `threads_main`, which is
//! null in every host that embeds Python without `Py_RunMain`, and once the main script has ended
//! (CPython 3.14.10 and 3.15.2; `attach/sub-interpreters-idle.ron`, `attach/embedded-host.ron`).

use softdock_process::Address;

use crate::attempt::{Attempt, Step};
use crate::layout::Layout;
use crate::limits::{INTERPRETERS_MAX, THREADS_MAX};
use crate::report::Found;
use crate::validate::{self, State, ThreadVerdict};
use crate::{Host, Reason, Site, ThreadChoice};

/// An interpreter of the list.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Interpreter {
    pub(crate) found: Found,
    pub(crate) next: Address,
    pub(crate) threads_head: Address,
    pub(crate) threads_main: Address,
}

impl<H: Host> Attempt<'_, H> {
    /// The head of the interpreter list of a runtime that runs.
    pub(crate) fn read_runtime(&mut self, runtime: Address, layout: &Layout) -> Step<Address> {
        self.at(Site::ReadRuntime);
        let offsets = [layout.runtime.finalizing, layout.runtime.interpreters_head];
        let words = self.words(runtime, offsets);
        let [finalizing, head] = self.must(words)?;
        match () {
            () if head == 0 => self.refuse(Reason::NotInitialised),
            () if finalizing != 0 => self.refuse(Reason::Finalizing),
            () => Ok(Address::new(head)),
        }
    }

    /// Walks the whole list and returns the interpreter asked for. The last one is the main one,
    /// which lies within the runtime itself; all others come from the heap, so that none of them
    /// can take its place (`refuse/sub-interpreter-calls-itself-main`).
    pub(crate) fn walk_interpreters(
        &mut self,
        runtime: Address,
        head: Address,
        layout: &Layout,
    ) -> Step<Interpreter> {
        self.at(Site::WalkInterpreters);
        let mut chosen = None;
        let mut newer_id = i64::MAX;
        let mut at = head;
        for _ in 0..INTERPRETERS_MAX {
            let interpreter = self.read_interpreter(at, layout)?;
            let id = interpreter.found.id;
            if id < 0 || id >= newer_id {
                return self.refuse(Reason::BrokenInterpreters);
            }
            if id == self.config.interpreter {
                chosen = Some(interpreter);
            }
            if interpreter.next.is_null() {
                let offset = at.checked_sub(runtime);
                let is_main = id == 0 && offset.is_some_and(|at| at < layout.runtime.size);
                return match chosen {
                    _ if !is_main => self.refuse(Reason::BrokenInterpreters),
                    Some(chosen) => Ok(chosen),
                    None => self.refuse(Reason::NoInterpreter),
                };
            }
            newer_id = id;
            at = interpreter.next;
        }
        self.refuse(Reason::BrokenInterpreters)
    }

    /// Reads one node of the interpreter list.
    pub(crate) fn read_interpreter(&mut self, at: Address, layout: &Layout) -> Step<Interpreter> {
        if validate::pointer(at) != ThreadVerdict::Ok {
            return self.refuse(Reason::BrokenInterpreters);
        }
        let fields = &layout.interpreter;
        let offsets = [fields.id, fields.next, fields.threads_head, fields.threads_main];
        let words = self.words(at, offsets);
        let [id, next, head, main] = self.follow(words, Reason::BrokenInterpreters)?;
        Ok(Interpreter {
            found: Found { id: id.cast_signed(), at },
            next: Address::new(next),
            threads_head: Address::new(head),
            threads_main: Address::new(main),
        })
    }

    /// Refuses when the interpreter does not want to be debugged. Whether the word could be read
    /// at all is the answer: without it, only consent allows writing.
    ///
    /// The word is a copy of `config.remote_debug`: 1 unless `-X disable-remote-debug` or
    /// `PYTHON_DISABLE_REMOTE_DEBUG` switched it off. The table holds only its offset. It is asked
    /// on the way to the thread and once more right before the first write.
    pub(crate) fn ask_policy(&mut self, interpreter: Address, layout: &Layout) -> Step<bool> {
        self.at(Site::Policy);
        let Some(offset) = layout.interpreter.remote_debugging_enabled else { return Ok(false) };
        let Some(at) = interpreter.checked_add(offset) else {
            return self.refuse(Reason::BrokenInterpreters);
        };
        let word = self.host.read_u32(at);
        match self.follow(word, Reason::BrokenInterpreters)? {
            1 => Ok(true),
            0 => self.refuse(Reason::PolicyDisabled),
            _ => self.refuse(Reason::PolicyUnreadable),
        }
    }

    /// Walks the thread list to the thread asked for, validates it, and leaves its bytes in
    /// [`Attempt::state`].
    pub(crate) fn walk_threads(
        &mut self,
        interpreter: &Interpreter,
        layout: &Layout,
    ) -> Step<Address> {
        self.at(Site::WalkThreads);
        let choice = self.config.thread;
        let found = match choice {
            ThreadChoice::Main => self.walk_to_main(interpreter, layout)?,
            ThreadChoice::Native(native) => {
                self.walk_to(interpreter, layout, |_, state| state.native() == Some(native))?
            }
            ThreadChoice::Any => {
                match self.walk_to(interpreter, layout, |_, state| state.is_active())? {
                    Some(active) => Some(active),
                    None => self.walk_to_main(interpreter, layout)?,
                }
            }
        };
        let Some(thread) = found else { return self.refuse(Reason::NoThread) };
        self.check_back_link(thread, layout)?;
        self.judge(interpreter.found.at, layout)?;
        Ok(thread)
    }

    /// The main thread: the one the interpreter names; where it names none, the one the operating
    /// system started the process with; else the oldest.
    fn walk_to_main(
        &mut self,
        interpreter: &Interpreter,
        layout: &Layout,
    ) -> Step<Option<Address>> {
        let main = interpreter.threads_main;
        if !main.is_null() {
            return self.walk_to(interpreter, layout, |at, _| at == main);
        }
        let native = self.host.main_thread();
        let native = self.asked(native)?;
        self.walk_to(interpreter, layout, |_, state| {
            state.next().is_null() || (native.is_some() && state.native() == native)
        })
    }

    /// Walks from the head to the first thread that is wanted.
    pub(crate) fn walk_to(
        &mut self,
        interpreter: &Interpreter,
        layout: &Layout,
        wanted: impl Fn(Address, &State<'_>) -> bool,
    ) -> Step<Option<Address>> {
        let mut newer = Address::NULL;
        let mut at = interpreter.threads_head;
        for _ in 0..THREADS_MAX {
            if at.is_null() {
                return Ok(None);
            }
            self.read_thread(at, layout)?;
            let state = self.state(layout);
            if state.prev() != newer {
                return self.refuse(Reason::Thread(ThreadVerdict::BrokenLinks));
            }
            if state.interpreter() != interpreter.found.at {
                return self.refuse(Reason::Thread(ThreadVerdict::WrongInterpreter));
            }
            if wanted(at, &state) {
                return Ok(Some(at));
            }
            (newer, at) = (at, state.next());
        }
        self.refuse(Reason::Thread(ThreadVerdict::BrokenLinks))
    }

    /// Reads one thread state that a pointer of the target led to.
    pub(crate) fn read_thread(&mut self, at: Address, layout: &Layout) -> Step<()> {
        self.report.candidates = self.report.candidates.saturating_add(1);
        let verdict = validate::pointer(at);
        if verdict != ThreadVerdict::Ok {
            return self.refuse(Reason::Thread(verdict));
        }
        match self.read_state(at, layout) {
            Ok(()) => Ok(()),
            Err(error) => match validate::unmapped(error, &layout.thread) {
                Some(verdict) => self.refuse(Reason::Thread(verdict)),
                None => self.fail(Reason::Memory(error.kind)),
            },
        }
    }

    /// The next older thread must point back at this one.
    pub(crate) fn check_back_link(&mut self, thread: Address, layout: &Layout) -> Step<()> {
        let older = self.state(layout).next();
        self.check_neighbour(older, layout.thread.prev, thread)
    }

    /// The neighbour, if there is one, must point at `thread` with the link at `offset`.
    pub(crate) fn check_neighbour(
        &mut self,
        neighbour: Address,
        offset: u64,
        thread: Address,
    ) -> Step<()> {
        const BROKEN: Reason = Reason::Thread(ThreadVerdict::BrokenLinks);
        if neighbour.is_null() {
            return Ok(());
        }
        let at = neighbour.checked_add(offset);
        match at.filter(|_| validate::pointer(neighbour) == ThreadVerdict::Ok) {
            None => self.refuse(BROKEN),
            Some(at) => {
                let link = self.host.read_address(at);
                let link = self.follow(link, BROKEN)?;
                if link == thread { Ok(()) } else { self.refuse(BROKEN) }
            }
        }
    }

    /// Judges the thread state last read, and asks the system for its native thread.
    pub(crate) fn judge(&mut self, interpreter: Address, layout: &Layout) -> Step<()> {
        let state = self.state(layout);
        let (verdict, native) = (state.judge(interpreter), state.native());
        if verdict != ThreadVerdict::Ok {
            return self.refuse(Reason::Thread(verdict));
        }
        self.require_native(native)
    }

    /// The operating system must know the thread.
    pub(crate) fn require_native(&mut self, native: Option<u64>) -> Step<()> {
        let known = match native {
            Some(native) if native != 0 => {
                let known = self.host.is_thread(native);
                self.asked(known)?
            }
            _ => false,
        };
        if known { Ok(()) } else { self.refuse(Reason::Thread(ThreadVerdict::UnknownNativeId)) }
    }

    /// Validates a thread state that no walk led to, links in both directions included. One that
    /// calls itself the newest must be the `head` of the list, where that is to be trusted.
    pub(crate) fn validate_thread(
        &mut self,
        thread: Address,
        interpreter: Address,
        head: Option<Address>,
        layout: &Layout,
    ) -> Step<()> {
        self.at(Site::ValidateThread);
        self.read_thread(thread, layout)?;
        let state = self.state(layout);
        let (newer, older) = (state.prev(), state.next());
        self.judge(interpreter, layout)?;
        if newer.is_null() && head.is_some_and(|head| head != thread) {
            return self.refuse(Reason::Thread(ThreadVerdict::BrokenLinks));
        }
        self.check_neighbour(newer, layout.thread.next, thread)?;
        self.check_neighbour(older, layout.thread.prev, thread)
    }
}

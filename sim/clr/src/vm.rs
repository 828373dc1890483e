//! The virtual machine: a program in memory, its threads, and the transitions a scheduler and a
//! debugger make it take. What opcodes do is told in `execute`.

use std::rc::Rc;

use softdock_memory::AddressSpace;
use softdock_process::Address;

use crate::hash::Digest;
use crate::operands::COUNTERS;
use crate::program::Program;
use crate::shared::Shared;
use crate::thread::{Evaluation, FRAMES_MAX, Frame, FrameKind, Next, Phase, Thread};
use crate::unwind::Unwinder;

/// An instruction that was executed. Every one is told by exactly one of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// By which thread.
    pub thread: u64,
    /// In which activation.
    pub activation: u64,
    /// The activation of the method frame whose variables it used; differs in handlers.
    pub owner: u64,
    /// The number of the method.
    pub method: usize,
    /// The slot of the opcode.
    pub slot: u32,
    /// The opcode that was executed, whatever memory held.
    pub opcode: u32,
    /// What it wrote out.
    pub emitted: Option<i32>,
    /// The activation that it started.
    pub entered: Option<u64>,
    /// Whether its own activation ended with it.
    pub left: bool,
    /// What its frame runs.
    pub kind: FrameKind,
    /// Whether its activation has executed nothing before.
    pub is_first: bool,
    /// The activation of the `finally` handler that it was part of, where an exception runs that.
    pub cleans_up: Option<u64>,
    /// Frames of the thread before it.
    pub depth: usize,
}

/// The end of a thread that met what no compiler emits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Crash {
    /// Where it was.
    pub at: Address,
    /// What it met.
    pub why: &'static str,
}

/// What a transition did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Did {
    /// An instruction was executed.
    Executed(Step),
    /// A breakpoint was met; the thread waits for [`Vm::resume`].
    Hit {
        /// Where: exactly at the breakpoint.
        at: Address,
    },
    /// A method is entered; the thread waits for [`Vm::go_on`], and executes the instruction then.
    MethodEnter {
        /// The instruction that tells it.
        at: Address,
        /// The first sequence point of the method.
        sequence_point: Option<Address>,
    },
    /// A filter will run; the thread waits for [`Vm::go_on`].
    Filtering {
        /// The first instruction of the filter.
        filter: Address,
        /// The method frame whose filter it is.
        frame: Address,
    },
    /// A handler was found, all frames are still there; the thread waits for [`Vm::go_on`].
    Unwinding {
        /// The first instruction of the handler.
        handler: Address,
        /// The method frame whose handler it is.
        frame: Address,
    },
    /// Frames were popped, or a `finally` handler was started on the way, without a word: an
    /// exception leaves a filter or an evaluation.
    Unwound,
    /// A native call has begun; the thread waits for [`Vm::unblock`].
    Blocked,
    /// The context was changed: the thread goes on elsewhere.
    Moved,
    /// There was no bypass for here: the thread fetches again.
    Stayed,
    /// The thread has ended.
    Ended {
        /// The exception that nobody took.
        unhandled: Option<i32>,
    },
    /// An evaluation has ended with a result or an exception; the thread waits as before.
    Evaluated(Result<Option<i32>, i32>),
    /// The thread met what no compiler emits, and has ended.
    Crashed(Crash),
    /// The thread waits for something else, or there is no such thread: nothing happened.
    Waiting,
}

/// What a debugger may read and change of a thread that met a breakpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Context {
    /// Where the thread is.
    pub ip: Address,
    /// The address of its leaf frame.
    pub frame: Address,
}

/// A process that runs a program.
#[derive(Clone, Debug)]
pub struct Vm {
    pub(crate) program: Rc<Program>,
    pub(crate) memory: Shared<AddressSpace>,
    pub(crate) threads: Vec<Shared<Thread>>,
    pub(crate) counters: [i32; COUNTERS],
    /// `None` when nobody wants to know.
    pub(crate) output: Option<Shared<Vec<(u64, i32)>>>,
    pub(crate) activations: u64,
    pub(crate) method_enter: bool,
}

impl Vm {
    /// A process with a thread in each of these methods; numbers of no method give none.
    #[must_use]
    pub fn new(program: Rc<Program>, threads: &[usize]) -> Vm {
        let mut vm = Vm {
            memory: Shared::new(program.load()),
            program,
            threads: Vec::new(),
            counters: [0; COUNTERS],
            output: Some(Shared::default()),
            activations: 0,
            method_enter: false,
        };
        for method in threads {
            vm.spawn(*method);
        }
        vm
    }

    /// Starts a thread in this method, with all variables 0, and returns its id.
    pub fn spawn(&mut self, method: usize) -> Option<u64> {
        self.program.methods().get(method)?;
        let id = self.threads.len() as u64 + 1;
        self.threads.push(Shared::new(Thread::new(id)));
        self.enter(self.threads.len() - 1, method as u32, &[], 0);
        Some(id)
    }

    /// Starts another thread with the id of one that has ended, in this method; whether it could.
    pub fn respawn(&mut self, thread: u64, method: usize) -> bool {
        let ended = self.in_phase(thread, Phase::Ended);
        let known = ended.filter(|_| self.program.methods().get(method).is_some());
        if let Some(index) = known {
            self.threads[index] = Shared::new(Thread::new(thread));
            self.enter(index, method as u32, &[], 0);
        }
        known.is_some()
    }

    /// The program it was made of.
    #[must_use]
    pub fn program(&self) -> &Program {
        &self.program
    }

    /// The memory that the code is fetched from.
    #[must_use]
    pub fn memory(&self) -> &AddressSpace {
        &self.memory
    }

    /// The same, for a debugger to put breakpoints into.
    pub fn memory_mut(&mut self) -> &mut AddressSpace {
        &mut self.memory
    }

    /// The ids of all threads that ever were.
    pub fn threads(&self) -> impl Iterator<Item = u64> + '_ {
        self.threads.iter().map(|thread| thread.id)
    }

    /// What a thread waits for; an unknown one has ended.
    #[must_use]
    pub fn phase(&self, thread: u64) -> Phase {
        self.thread(thread).map_or(Phase::Ended, |thread| thread.phase)
    }

    /// How many evaluations are under way on a thread, one inside the other.
    #[must_use]
    pub fn evaluations(&self, thread: u64) -> usize {
        self.thread(thread).map_or(0, |thread| thread.evaluations.len())
    }

    /// All that was written out, and by which thread.
    #[must_use]
    pub fn output(&self) -> &[(u64, i32)] {
        self.output.as_deref().map_or(&[], Vec::as_slice)
    }

    /// Forgets what was written out, now and later: each [`Step`] still tells it.
    pub fn forget_output(&mut self) {
        self.output = None;
    }

    /// The counters that the threads share.
    #[must_use]
    pub fn counters(&self) -> &[i32] {
        &self.counters
    }

    /// Lets threads tell when they enter a method, or not.
    pub fn set_method_enter(&mut self, on: bool) {
        self.method_enter = on;
    }

    /// Whether they do.
    #[must_use]
    pub const fn method_enter(&self) -> bool {
        self.method_enter
    }

    fn index(&self, thread: u64) -> Option<usize> {
        let index = usize::try_from(thread.checked_sub(1)?).ok()?;
        (index < self.threads.len()).then_some(index)
    }

    fn thread(&self, thread: u64) -> Option<&Thread> {
        self.index(thread).map(|index| &*self.threads[index])
    }

    fn in_phase(&self, thread: u64, phase: Phase) -> Option<usize> {
        self.index(thread).filter(|index| self.threads[*index].phase == phase)
    }

    pub(crate) fn unwinder(&mut self, index: usize) -> Unwinder<'_> {
        Unwinder {
            program: &self.program,
            thread: &mut self.threads[index],
            activations: &mut self.activations,
        }
    }

    /// Makes the next atomic transition of a ready thread.
    pub fn step(&mut self, thread: u64) -> Did {
        let Some(index) = self.in_phase(thread, Phase::Ready) else { return Did::Waiting };
        match self.threads[index].next {
            Next::Fetch => self.fetch(index),
            Next::Execute(opcode) => self.execute(index, opcode),
            Next::Search => match self.unwinder(index).search() {
                Ok(did) => did,
                Err(fault) => self.crash(index, fault),
            },
            Next::Finish(result) => self.finish(index, result),
        }
    }

    fn finish(&mut self, index: usize, result: Result<Option<i32>, i32>) -> Did {
        let thread = &mut *self.threads[index];
        let Some(evaluation) = thread.evaluations.pop() else {
            thread.end();
            return Did::Ended { unhandled: result.err() };
        };
        thread.moved_to = evaluation.moved_to;
        (thread.phase, thread.next) = (Phase::Hit, Next::Fetch);
        Did::Evaluated(result)
    }

    /// Lets a thread go on that has told something; whether it had.
    pub fn go_on(&mut self, thread: u64) -> bool {
        let Some(index) = self.index(thread) else { return false };
        match self.threads[index].phase {
            Phase::MethodEnter => self.threads[index].phase = Phase::Ready,
            Phase::Filtering => self.unwinder(index).filter(),
            Phase::Unwinding => self.unwinder(index).unwind(),
            _ => return false,
        }
        true
    }

    /// Lets a native call return; whether there was one.
    pub fn unblock(&mut self, thread: u64) -> bool {
        let found = self.in_phase(thread, Phase::Blocked);
        if let Some(index) = found {
            self.threads[index].phase = Phase::Ready;
        }
        found.is_some()
    }

    /// Where a thread is, or goes on; `None` when it has no frames.
    #[must_use]
    pub fn context(&self, thread: u64) -> Option<Context> {
        self.thread(thread)?.moved_to.or_else(|| self.true_context(thread))
    }

    /// Says where a thread that met a breakpoint will go on; whether it could.
    pub fn set_context(&mut self, thread: u64, to: Context) -> bool {
        let Some(index) = self.in_phase(thread, Phase::Hit) else { return false };
        self.threads[index].moved_to = Some(to);
        true
    }

    fn true_context(&self, thread: u64) -> Option<Context> {
        let thread = self.thread(thread)?;
        let leaf = thread.leaf()?;
        let ip = self.program.address(leaf.method as usize, leaf.ip);
        Some(Context { ip, frame: thread.address(thread.frames.len() - 1) })
    }

    /// The opcode that a thread executes instead of the breakpoint at this address, once.
    #[must_use]
    pub fn bypass(&self, thread: u64) -> Option<(Address, u32)> {
        self.thread(thread)?.bypass
    }

    /// Sets or takes away the bypass of a thread.
    pub fn set_bypass(&mut self, thread: u64, bypass: Option<(Address, u32)>) {
        if let Some(index) = self.index(thread) {
            self.threads[index].bypass = bypass;
        }
    }

    /// Lets a thread go on that met a breakpoint. Another context than [`Vm::context`] moves it:
    /// deeper frames are popped, and the bypass is dropped.
    pub fn resume(&mut self, thread: u64, context: Context) -> Did {
        let Some(index) = self.in_phase(thread, Phase::Hit) else { return Did::Waiting };
        self.threads[index].moved_to = None;
        if self.true_context(thread) != Some(context) {
            return self.move_to(index, context);
        }
        let thread = &mut *self.threads[index];
        thread.phase = Phase::Ready;
        match thread.bypass {
            Some((at, opcode)) if at == context.ip => {
                thread.bypass = None;
                self.begin(index, opcode)
            }
            _ => Did::Stayed,
        }
    }

    fn move_to(&mut self, index: usize, to: Context) -> Did {
        let thread = &mut *self.threads[index];
        thread.bypass = None;
        let frame = thread.index(to.frame).filter(|frame| *frame >= thread.bottom());
        let place = self.program.place(to.ip);
        match (frame, place) {
            (Some(frame), Some((method, slot)))
                if thread.frames[frame].method as usize == method =>
            {
                thread.truncate(frame + 1);
                (thread.phase, thread.next) = (Phase::Ready, Next::Fetch);
                self.go(index, slot);
                Did::Moved
            }
            _ => self.crash(index, "the context fits no frame"),
        }
    }

    /// Starts to run a method on a thread that met a breakpoint, whose frames wait below; whether
    /// it could. The bypass is left as it is, and where it was to go on is kept until that is over.
    pub fn evaluate(&mut self, thread: u64, method: usize, args: &[i32]) -> bool {
        let Some(index) = self.in_phase(thread, Phase::Hit) else { return false };
        let callee = self.program.methods().get(method);
        let fits = callee.is_some_and(|callee| callee.args() as usize == args.len());
        let thread = &mut *self.threads[index];
        if !fits || thread.frames.len() >= FRAMES_MAX {
            return false;
        }
        let (bottom, moved_to) = (thread.frames.len() as u32, thread.moved_to.take());
        thread.evaluations.push(Evaluation { bottom, moved_to });
        (thread.phase, thread.next) = (Phase::Ready, Next::Fetch);
        self.enter(index, method as u32, args, 0);
        true
    }

    /// The frames of a thread, leaf first.
    #[must_use]
    pub fn frames(&self, thread: u64) -> Vec<Frame> {
        (0..).map_while(|nth| self.frame(thread, nth)).collect()
    }

    /// The nth frame of a thread, 0 being the leaf.
    #[must_use]
    pub fn frame(&self, thread: u64, nth: usize) -> Option<Frame> {
        let thread = self.thread(thread)?;
        let index = thread.frames.len().checked_sub(nth)?.checked_sub(1)?;
        let frame = &thread.frames[index];
        Some(Frame {
            address: thread.address(index),
            activation: frame.ghost.0,
            kind: frame.kind,
            owner: thread.address(frame.owner as usize),
            method: frame.method as usize,
            ip: self.program.address(frame.method as usize, frame.ip),
            is_calling: thread.is_calling(index),
            has_begun: frame.begun,
            cleans_up: thread.cleaning_up(index),
            is_bottom_of_evaluation: thread.is_bottom(index),
        })
    }

    /// The activation of the frame at this address.
    #[must_use]
    pub fn activation(&self, thread: u64, frame: Address) -> Option<u64> {
        let thread = self.thread(thread)?;
        Some(thread.frames[thread.index(frame)?].ghost.0)
    }

    /// Where the variable of a frame is kept: the thread, and the index among its values.
    fn value_at(&self, thread: u64, frame: Address, variable: u32) -> Option<(usize, usize)> {
        let index = self.index(thread)?;
        let thread = &self.threads[index];
        let frame = thread.frames.get(thread.index(frame)?)?;
        let locals = self.program.methods()[frame.method as usize].locals();
        (variable < locals).then_some((index, frame.base as usize + variable as usize))
    }

    /// A variable of the frame at this address.
    #[must_use]
    pub fn variable(&self, thread: u64, frame: Address, variable: u32) -> Option<i32> {
        let (index, place) = self.value_at(thread, frame, variable)?;
        self.threads[index].values.get(place).copied()
    }

    /// Sets a variable of the frame at this address; whether there is one.
    pub fn set_variable(&mut self, thread: u64, frame: Address, variable: u32, to: i32) -> bool {
        let place = self.value_at(thread, frame, variable);
        let value = place.and_then(|(index, place)| self.threads[index].values.get_mut(place));
        value.map(|value| *value = to).is_some()
    }

    /// A hash of all that matters for the future. States that differ only in how activations were
    /// numbered, or in what was written out, are one.
    #[must_use]
    pub fn state_hash(&self) -> u128 {
        let memory = self.memory.fingerprint();
        Digest::of(&(&self.threads, self.counters, self.method_enter, memory))
    }
}

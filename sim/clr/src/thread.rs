//! A thread: its frames, its variables, and where it is between two transitions. It knows no
//! opcode.

use core::hash::{Hash, Hasher};

use softdock_process::Address;

use crate::hash::Ghost;
use crate::shared::Shared;
use crate::unwind::Dispatch;
use crate::vm::Context;

/// Frames a thread may have; one more is [`crate::STACK_OVERFLOW`].
pub const FRAMES_MAX: usize = 1024;

/// Bytes from one frame to the next.
const FRAME_BYTES: u64 = 64;

/// Where the stacks lie: nothing is mapped there.
const STACKS: u64 = 0x7000_0000_0000;

/// Bytes from one thread's stack to the next.
const STACK_BYTES: u64 = 0x10_0000;

/// What a frame runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FrameKind {
    /// A method, with its own variables.
    Method,
    /// A `finally` handler, with the variables of its owner.
    Finally,
    /// A `catch` handler, with the variables of its owner.
    Catch,
    /// A filter, with the variables of its owner.
    Filter,
}

/// A frame, as a debugger sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Where it lies: by its depth only, so that a later activation may have the same address.
    /// Deeper frames lie lower.
    pub address: Address,
    /// Which activation it is; never the same twice.
    pub activation: u64,
    /// What it runs.
    pub kind: FrameKind,
    /// The address of the method frame whose variables it uses; its own, for a method.
    pub owner: Address,
    /// The number of its method.
    pub method: usize,
    /// Where it is; for a frame that has called, where it will go on.
    pub ip: Address,
    /// Whether it has called something that will come back to it.
    pub is_calling: bool,
    /// Whether it has executed something.
    pub has_begun: bool,
    /// The activation of the `finally` handler that it is, or is called by in the same method,
    /// where an exception runs that.
    pub cleans_up: Option<u64>,
    /// Whether an evaluation started with it.
    pub is_bottom_of_evaluation: bool,
}

/// What a thread waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    /// For its turn.
    Ready,
    /// It has met a breakpoint and waits for `resume`.
    Hit,
    /// It has told that it enters a method and waits for `go_on`.
    MethodEnter,
    /// It has told that a filter will run and waits for `go_on`.
    Filtering,
    /// It has told that a handler was found and waits for `go_on`.
    Unwinding,
    /// It is in a native call and waits for `unblock`.
    Blocked,
    /// For nothing any more.
    Ended,
}

/// What a ready thread does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Next {
    Fetch,
    /// Execute this opcode, which was fetched already.
    Execute(u32),
    /// Look for a handler of the newest exception.
    Search,
    /// Leave the run: what its bottom frame returned, or the exception that nobody took.
    Finish(Result<Option<i32>, i32>),
}

/// A frame, as the interpreter keeps it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Activation {
    pub(crate) ghost: Ghost,
    pub(crate) kind: FrameKind,
    pub(crate) method: u32,
    /// The index of the frame whose variables it uses.
    pub(crate) owner: u32,
    pub(crate) ip: u32,
    /// Whether `ip` is where it goes on after a call.
    pub(crate) calling: bool,
    /// Whether it has executed something.
    pub(crate) begun: bool,
    /// Where its variables start; as its owner's.
    pub(crate) base: u32,
    /// The caller's variable for the result.
    pub(crate) result: u32,
    /// Of a handler: its clause, where known, and the exception.
    pub(crate) clause: Option<u32>,
    pub(crate) exception: i32,
}

/// Everything but the ghost, in few words: this is most of what an exploration hashes.
impl Hash for Activation {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let Activation { ghost: _, kind, method, owner, ip, calling, begun, base, result, .. } =
            *self;
        let pair = |high: u32, low: u32| u64::from(high) << 32 | u64::from(low);
        let clause = self.clause.map_or(0, |clause| clause.wrapping_add(1));
        let bits = (kind as u32) << 2 | u32::from(begun) << 1 | u32::from(calling);
        state.write_u64(pair(method, owner));
        state.write_u64(pair(ip, base));
        state.write_u64(pair(result, clause));
        state.write_u64(pair(bits, self.exception.cast_unsigned()));
    }
}

/// An evaluation under way.
#[derive(Clone, Copy, Debug, Hash)]
pub(crate) struct Evaluation {
    /// The index of its bottom frame.
    pub(crate) bottom: u32,
    /// Where a debugger wants the thread to go on when it is over.
    pub(crate) moved_to: Option<Context>,
}

#[derive(Clone, Debug, Hash)]
pub(crate) struct Thread {
    pub(crate) id: u64,
    pub(crate) phase: Phase,
    pub(crate) next: Next,
    pub(crate) bypass: Option<(Address, u32)>,
    /// Where a debugger wants it to go on.
    pub(crate) moved_to: Option<Context>,
    /// Root first.
    pub(crate) frames: Vec<Activation>,
    /// The variables of all method frames, end to end.
    pub(crate) values: Shared<Vec<i32>>,
    /// Outermost first.
    pub(crate) evaluations: Vec<Evaluation>,
    /// The exceptions under way, newest last.
    pub(crate) dispatches: Vec<Dispatch>,
}

impl Thread {
    pub(crate) fn new(id: u64) -> Thread {
        Thread {
            id,
            phase: Phase::Ready,
            next: Next::Fetch,
            bypass: None,
            moved_to: None,
            frames: Vec::new(),
            values: Shared::default(),
            evaluations: Vec::new(),
            dispatches: Vec::new(),
        }
    }

    /// The address of the frame with this index.
    pub(crate) fn address(&self, index: usize) -> Address {
        let top = STACKS + self.id * STACK_BYTES;
        Address::new(top - FRAME_BYTES * (index as u64 + 1))
    }

    /// The index of the frame at this address.
    pub(crate) fn index(&self, at: Address) -> Option<usize> {
        (0..self.frames.len()).find(|index| self.address(*index) == at)
    }

    /// Whether the frame with this index is a `finally` handler that an exception runs.
    pub(crate) fn cleans_up(&self, index: usize) -> bool {
        let runs = |dispatch: &Dispatch| dispatch.running == Some(index as u32);
        let is_finally = self.frames.get(index).is_some_and(|it| it.kind == FrameKind::Finally);
        is_finally && self.dispatches.iter().any(runs)
    }

    /// The activation of the innermost such handler that the frame with this index is part of.
    pub(crate) fn cleaning_up(&self, index: usize) -> Option<u64> {
        let owner = self.frames.get(index)?.owner;
        let clauses = (0..=index).rev().take_while(|nth| self.frames[*nth].owner == owner);
        clauses.into_iter().find(|nth| self.cleans_up(*nth)).map(|nth| self.frames[nth].ghost.0)
    }

    /// Whether the frame with this index has called something that will come back to it: what an
    /// exception has thrown away will not.
    pub(crate) fn is_calling(&self, index: usize) -> bool {
        let called = self.frames.get(index + 1).map(|called| called.kind);
        let comes_back = match called {
            None | Some(FrameKind::Method) => true,
            Some(FrameKind::Finally) => !self.cleans_up(index + 1),
            Some(FrameKind::Catch | FrameKind::Filter) => false,
        };
        self.frames.get(index).is_some_and(|frame| frame.calling) && comes_back
    }

    pub(crate) fn leaf(&self) -> Option<&Activation> {
        self.frames.last()
    }

    /// The index of the bottom frame of the innermost evaluation, else of the thread.
    pub(crate) fn bottom(&self) -> usize {
        self.evaluations.last().map_or(0, |evaluation| evaluation.bottom as usize)
    }

    /// Whether an evaluation started with the frame with this index.
    pub(crate) fn is_bottom(&self, index: usize) -> bool {
        self.evaluations.iter().any(|evaluation| evaluation.bottom as usize == index)
    }

    /// Pops all frames from this index on, with their variables and the exceptions that wait for
    /// one of them.
    pub(crate) fn truncate(&mut self, len: usize) {
        let popped = self.frames.get(len..).unwrap_or_default();
        let mut methods = popped.iter().filter(|frame| frame.kind == FrameKind::Method);
        if let Some(lowest) = methods.next() {
            self.values.truncate(lowest.base as usize);
        }
        self.frames.truncate(len);
        self.dispatches.retain(|dispatch| dispatch.running.is_none_or(|at| (at as usize) < len));
    }

    /// Ends the thread.
    pub(crate) fn end(&mut self) {
        self.truncate(0);
        self.dispatches.clear();
        self.evaluations.clear();
        (self.phase, self.next) = (Phase::Ended, Next::Fetch);
    }
}

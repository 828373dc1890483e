//! Exceptions, in two passes: the first looks for a handler while all frames are alive, the second
//! runs the `finally` handlers on the way and pops the frames. It knows no opcode.
//!
//! Handlers lie outside of the range they protect. So a frame that runs a handler is followed, on
//! the way down, by its parent at the place where that was left, and there only the clauses count
//! that lie around the handler's own ([`Cursor::around`]).

use softdock_process::Address;

use crate::hash::Ghost;
use crate::program::{Clause, ClauseKind, Program};
use crate::thread::{Activation, FRAMES_MAX, FrameKind, Next, Phase, Thread};
use crate::vm::Did;

/// An exception under way.
#[derive(Clone, Copy, Debug, Hash)]
pub(crate) struct Dispatch {
    value: i32,
    cursor: Cursor,
    /// The index of the frame that runs a filter or a `finally` handler for it.
    pub(crate) running: Option<u32>,
    target: Option<Target>,
}

/// The next clause to look at.
#[derive(Clone, Copy, Debug, Hash)]
struct Cursor {
    frame: u32,
    clause: u32,
    /// The clause whose handler the exception came out of, in this frame.
    around: Option<u32>,
}

/// Where the second pass ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Target {
    /// At the handler of this clause of this frame.
    Handler { frame: u32, clause: u32 },
    /// With the end of this frame: a filter, or the bottom of an evaluation.
    Frame(u32),
}

/// A thread with what it takes to unwind it.
pub(crate) struct Unwinder<'a> {
    pub(crate) program: &'a Program,
    pub(crate) thread: &'a mut Thread,
    /// The number of the last activation.
    pub(crate) activations: &'a mut u64,
}

impl Thread {
    /// Raises an exception at the leaf frame.
    pub(crate) fn raise(&mut self, value: i32) {
        let cursor = self.start();
        self.dispatches.push(Dispatch { value, cursor, running: None, target: None });
        self.next = Next::Search;
    }

    fn start(&self) -> Cursor {
        let leaf = self.frames.len().saturating_sub(1);
        Cursor { frame: leaf as u32, clause: 0, around: None }
    }

    /// The exception for which the leaf runs, if it does; it then goes on without a frame.
    fn release(&mut self) -> Option<&mut Dispatch> {
        let leaf = self.frames.len().checked_sub(1)? as u32;
        let newest = self.dispatches.last_mut()?;
        newest.running.take_if(|running| *running == leaf)?;
        Some(newest)
    }

    /// Ends the filter at the leaf with this verdict.
    pub(crate) fn end_filter(&mut self, accepts: bool) {
        let index = self.frames.len().saturating_sub(1);
        if let Some(dispatch) = self.release() {
            let Cursor { frame, clause, .. } = dispatch.cursor;
            dispatch.target = accepts.then_some(Target::Handler { frame, clause });
            dispatch.cursor.clause += 1;
        }
        self.truncate(index);
        self.next = Next::Search;
    }
}

impl Unwinder<'_> {
    /// The clause at the cursor or the next one that protects where its frame is.
    fn clause(&self, cursor: &Cursor) -> Option<(u32, Clause)> {
        let frame = self.thread.frames.get(cursor.frame as usize)?;
        // A call that is under way lies before the place to go on at.
        let slot = frame.ip.checked_sub(u32::from(frame.calling))?;
        let clauses = self.program.methods()[frame.method as usize].clauses();
        let around = |index: u32, clause: &Clause| match cursor.around {
            Some(inner) => index > inner && clauses[inner as usize].lies_within(clause),
            None => true,
        };
        let numbered = (0_u32..).zip(clauses).skip(cursor.clause as usize);
        let mut protecting =
            numbered.filter(|(index, clause)| clause.covers(slot) && around(*index, clause));
        protecting.next().map(|(index, clause)| (index, *clause))
    }

    /// The start of the frame below.
    fn below(&self, cursor: &Cursor) -> Cursor {
        let frame = self.thread.frames.get(cursor.frame as usize);
        let around = frame.and_then(|frame| frame.clause);
        Cursor { frame: cursor.frame.saturating_sub(1), clause: 0, around }
    }

    fn address(&self, index: u32, slot: u32) -> (Address, Address) {
        let frame = &self.thread.frames[index as usize];
        let code = self.program.address(frame.method as usize, slot);
        (code, self.thread.address(frame.owner as usize))
    }

    /// Goes on with the first pass of the newest exception, up to the next thing to tell.
    pub(crate) fn search(&mut self) -> Result<Did, &'static str> {
        let mut dispatch = self.thread.dispatches.pop().ok_or("there is no exception")?;
        if self.thread.frames.len() >= 2 * FRAMES_MAX {
            return Err("the stack is full of handlers");
        }
        while dispatch.target.is_none() {
            let Cursor { frame: index, .. } = dispatch.cursor;
            match self.clause(&dispatch.cursor) {
                Some((clause, Clause { kind: ClauseKind::Filter(start), .. })) => {
                    dispatch.cursor.clause = clause;
                    let (filter, frame) = self.address(index, start);
                    self.thread.dispatches.push(dispatch);
                    self.thread.phase = Phase::Filtering;
                    return Ok(Did::Filtering { filter, frame });
                }
                Some((clause, Clause { kind: ClauseKind::Catch, .. })) => {
                    dispatch.target = Some(Target::Handler { frame: index, clause });
                }
                Some((clause, _)) => dispatch.cursor.clause = clause + 1,
                None if self.is_edge(index) => dispatch.target = Some(Target::Frame(index)),
                None => dispatch.cursor = self.below(&dispatch.cursor),
            }
        }
        Ok(self.found(dispatch))
    }

    /// Whether no exception leaves this frame for the one below.
    fn is_edge(&self, index: u32) -> bool {
        let filter = self.thread.frames[index as usize].kind == FrameKind::Filter;
        filter || index as usize <= self.thread.bottom()
    }

    /// Ends the first pass.
    fn found(&mut self, mut dispatch: Dispatch) -> Did {
        dispatch.cursor = self.thread.start();
        match dispatch.target {
            Some(Target::Handler { frame: index, clause }) => {
                let frame = &self.thread.frames[index as usize];
                let clauses = self.program.methods()[frame.method as usize].clauses();
                let (handler, frame) = self.address(index, clauses[clause as usize].handler);
                self.thread.dispatches.push(dispatch);
                self.thread.phase = Phase::Unwinding;
                Did::Unwinding { handler, frame }
            }
            // Nobody takes it, so that nothing is unwound: the thread dies where it is.
            Some(Target::Frame(0)) if self.thread.evaluations.is_empty() => {
                self.thread.end();
                Did::Ended { unhandled: Some(dispatch.value) }
            }
            _ => {
                self.thread.dispatches.push(dispatch);
                self.unwind();
                Did::Unwound
            }
        }
    }

    /// Starts the filter that was announced.
    pub(crate) fn filter(&mut self) {
        let Some(mut dispatch) = self.thread.dispatches.pop() else { return };
        if let Some((clause, Clause { kind: ClauseKind::Filter(start), .. })) =
            self.clause(&dispatch.cursor)
        {
            dispatch.running = Some(self.thread.frames.len() as u32);
            let parent = dispatch.cursor.frame;
            self.enter(FrameKind::Filter, parent, start, Some(clause), dispatch.value);
        }
        self.thread.dispatches.push(dispatch);
    }

    /// Goes on with the second pass of the newest exception, up to the next code to run.
    pub(crate) fn unwind(&mut self) {
        let Some(mut dispatch) = self.thread.dispatches.pop() else { return };
        loop {
            let cursor = dispatch.cursor;
            let len = cursor.frame as usize + 1;
            match self.clause(&cursor) {
                Some((index, clause)) if dispatch.is_for(cursor.frame, index) => {
                    self.thread.truncate(len);
                    let kind = FrameKind::Catch;
                    self.enter(kind, cursor.frame, clause.handler, Some(index), dispatch.value);
                    return;
                }
                Some((index, clause)) if clause.kind == ClauseKind::Finally => {
                    self.thread.truncate(len);
                    dispatch.running = Some(len as u32);
                    dispatch.cursor.clause = index + 1;
                    let kind = FrameKind::Finally;
                    self.enter(kind, cursor.frame, clause.handler, Some(index), dispatch.value);
                    self.thread.dispatches.push(dispatch);
                    return;
                }
                Some((index, _)) => dispatch.cursor.clause = index + 1,
                None if dispatch.target == Some(Target::Frame(cursor.frame)) => {
                    return self.leave(cursor.frame as usize, dispatch.value);
                }
                // Without a frame below there is nothing left to unwind, which cannot happen:
                // the target lies at or above the bottom.
                None if cursor.frame == 0 => return self.leave(0, dispatch.value),
                None => dispatch.cursor = self.below(&cursor),
            }
        }
    }

    /// Ends a frame that an exception does not leave: a filter that throws says no, and an
    /// evaluation returns the exception.
    fn leave(&mut self, index: usize, value: i32) {
        if self.thread.frames[index].kind == FrameKind::Filter {
            self.thread.truncate(index + 1);
            self.thread.end_filter(false);
        } else {
            self.thread.truncate(index);
            self.thread.next = Next::Finish(Err(value));
        }
    }

    /// Ends the `finally` handler at the leaf; whether an exception had started it.
    pub(crate) fn end_finally(&mut self) -> bool {
        let index = self.thread.frames.len().saturating_sub(1);
        let exceptional = self.thread.release().is_some();
        self.thread.truncate(index);
        if exceptional {
            self.unwind();
        }
        exceptional
    }

    /// Pushes a frame that runs a handler with the variables of this frame's owner, and returns
    /// the number of its activation.
    pub(crate) fn enter(
        &mut self,
        kind: FrameKind,
        parent: u32,
        ip: u32,
        clause: Option<u32>,
        exception: i32,
    ) -> u64 {
        *self.activations += 1;
        let parent = self.thread.frames[parent as usize];
        let ghost = Ghost(*self.activations);
        let fresh = Activation { calling: false, begun: false, ..parent };
        let handler = Activation { ghost, kind, ip, clause, exception, ..fresh };
        self.thread.frames.push(handler);
        self.thread.phase = Phase::Ready;
        self.thread.next = Next::Fetch;
        *self.activations
    }
}

impl Dispatch {
    fn is_for(&self, frame: u32, clause: u32) -> bool {
        self.target == Some(Target::Handler { frame, clause })
    }
}

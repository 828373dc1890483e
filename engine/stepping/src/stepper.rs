//! One step: what it was asked for, where it may end, and what it waits for. It says where
//! breakpoints must be; `debugger` sets them.

use softdock_process::Address;

use crate::debuggee::{Debuggee, Frame, FrameKind, ThreadId};
use crate::event::{Reason, StepperId};
use crate::walker::{Instruction, Walk};

/// How far a step goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    /// Into methods that are called.
    In,
    /// Past them.
    Over,
    /// Until the method has returned.
    Out,
}

/// Bytecode that a step does not stop in: from `start` up to, and without, `end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Range {
    /// The first address.
    pub start: Address,
    /// The first one behind it.
    pub end: Address,
}

/// What a tail call makes of a frame: another one at the same address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Leaving {
    No,
    /// The tail call here comes next.
    At(Address),
    /// It was made: what has the address of the frame is not the frame.
    Left,
}

/// A step under way.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Stepper {
    pub(crate) id: StepperId,
    pub(crate) thread: ThreadId,
    pub(crate) mode: Mode,
    pub(crate) range: Option<Range>,
    /// The method frame it belongs to.
    pub(crate) home: Address,
    /// Whether the next method that is entered ends it.
    pub(crate) is_entering: bool,
    /// Whether its frame ends with a tail call.
    pub(crate) leaving: Leaving,
    /// Where it began: the instruction there has not been executed, and its breakpoint, which the
    /// thread may have to pass first, is not the end of the step.
    pub(crate) begins: Option<Address>,
    /// Whether the thread had been moved to where it began, and has not gone on from there.
    pub(crate) is_moved: bool,
    /// Where it waits for a method, a handler or a filter to begin, or has come back to because
    /// the frame it began in was thrown away.
    pub(crate) awaited: Vec<(Address, Reason)>,
    /// Why it came to where it goes on from: what has no line does not change that.
    pub(crate) came: Reason,
    /// Evaluations that have begun since.
    pub(crate) frozen: u32,
}

impl Stepper {
    /// Whether it ends at this place, which one of its breakpoints was set at.
    pub(crate) fn ends_at(&self, at: Address, frame: &Frame, is_mapped: bool) -> bool {
        let within = |range: &Range| range.start <= at && at < range.end;
        let is_inside = frame.owner == self.home && self.range.as_ref().is_some_and(within);
        is_mapped && !is_inside
    }

    /// Why it ends there.
    pub(crate) fn reason(&self, at: Address, frame: &Frame) -> Reason {
        match self.awaited.iter().find(|(place, _)| *place == at) {
            Some((_, reason)) => *reason,
            None if frame.owner == self.home => self.came,
            None => Reason::Return,
        }
    }

    /// Its thread executes a tail call, where its own is one of these.
    pub(crate) fn leaves(&mut self, is_one: impl Fn(Address) -> bool) {
        if matches!(self.leaving, Leaving::At(at) if is_one(at)) {
            self.leaving = Leaving::Left;
        }
    }

    /// Whether it has come back to this place because the frame it began in was thrown away.
    pub(crate) fn is_back_at(&self, at: Address) -> bool {
        self.awaited.contains(&(at, Reason::Return))
    }

    /// It goes on from a place that is not its end. Where that is in another frame, the frame it
    /// began in has ended. A line of its range is left as any other, however it was come to.
    pub(crate) fn go_on_from(&mut self, at: Address, frame: &Frame, is_mapped: bool) {
        self.came = if is_mapped { Reason::Normal } else { self.reason(at, frame) };
        self.is_entering = false;
        (self.begins, self.is_moved) = (None, false);
        self.awaited.clear();
        if frame.owner != self.home {
            self.home = frame.owner;
            self.range = None;
        }
        if self.mode == Mode::Out {
            // It is out, be it in a handler; what has no line is passed by.
            self.mode = Mode::Over;
        }
    }

    /// Where breakpoints must be so that the thread cannot get past the next place, each with the
    /// method frame that it counts in. `nth` is the frame that the step is made in; `handlers` are
    /// those of exceptions under way, which have been told before.
    pub(crate) fn plan(
        &mut self,
        target: &mut impl Debuggee,
        nth: usize,
        frame: &Frame,
        instruction: &Instruction,
        handlers: &[(Address, Address)],
    ) -> Vec<(Address, Address)> {
        // A `finally` that an exception runs is followed by whatever handles that.
        let is_clause = frame.kind == FrameKind::Clause;
        let handlers = handlers.iter().copied().filter(|(_, at)| is_clause && self.concerns(*at));
        let handlers: Vec<_> = handlers.collect();
        let is_tail_call = instruction.walk == Walk::TailCall && !frame.is_calling;
        self.leaving = if is_tail_call { Leaving::At(frame.ip) } else { Leaving::No };
        let awaited = handlers.iter().map(|(at, _)| (*at, Reason::Handler));
        if self.mode == Mode::Out {
            self.awaited.extend(awaited);
            let outside = outside(target, self.thread, nth, frame, true);
            return outside.into_iter().chain(handlers).collect();
        }
        if frame.is_calling {
            return vec![(frame.ip, frame.owner)];
        }
        self.is_entering = self.mode == Mode::In && instruction.walk.calls();
        let inside = instruction.targets.iter().map(|at| (*at, frame.owner));
        let mut places: Vec<_> = inside.collect();
        if instruction.walk.may_leave() && instruction.walk != Walk::Throw {
            self.awaited.extend(awaited);
            places.extend(outside(target, self.thread, nth, frame, false));
            places.extend(handlers);
        }
        places
    }

    /// Whether a handler in this method frame ends it. Deeper frames handle their own exceptions;
    /// and who wants out of a frame does not care for what it handles itself.
    pub(crate) fn concerns(&self, frame: Address) -> bool {
        match self.mode {
            _ if self.leaving != Leaving::No => frame > self.home,
            Mode::Out => frame > self.home,
            Mode::In | Mode::Over => frame >= self.home,
        }
    }
}

/// Where the thread goes on when this frame has ended, or with `whole` when the method has that it
/// is part of. Nowhere that could be known: at the bottom, and where an exception is under way,
/// whose handler will be told.
fn outside(
    target: &mut impl Debuggee,
    thread: ThreadId,
    nth: usize,
    frame: &Frame,
    whole: bool,
) -> Option<(Address, Address)> {
    let (mut nth, mut ending) = (nth, *frame);
    loop {
        if ending.is_bottom {
            return None;
        }
        nth = nth.checked_add(1)?;
        let next = target.frame(thread, nth)?;
        // The frames between a filter and its method are those of the exception.
        let is_within = ending.at != frame.owner && whole;
        if !is_within {
            return next.is_calling.then_some((next.ip, next.owner));
        }
        ending = next;
    }
}

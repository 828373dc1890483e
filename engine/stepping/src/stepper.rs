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
    /// Where it began: the instruction there has not been executed, and its breakpoint, which the
    /// thread may have to pass first, is not the end of the step.
    pub(crate) begins: Option<Address>,
    /// Where it waits for a method, a handler or a filter to begin.
    pub(crate) awaited: Option<(Address, Reason)>,
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
        match self.awaited {
            Some((place, reason)) if place == at => reason,
            _ if frame.owner == self.home => Reason::Normal,
            _ => Reason::Return,
        }
    }

    /// It goes on from a place that is not its end. Where that is in another frame, the frame it
    /// began in has ended.
    pub(crate) fn go_on_from(&mut self, frame: &Frame) {
        self.is_entering = false;
        self.begins = None;
        self.awaited = None;
        if frame.owner != self.home {
            self.home = frame.owner;
            self.range = None;
        }
        if self.mode == Mode::Out && frame.kind == FrameKind::Method {
            // It is out; what has no line is passed by.
            self.mode = Mode::Over;
        }
    }

    /// Where breakpoints must be so that the thread cannot get past the next place, each with the
    /// method frame that it counts in. `nth` is the frame that the step is made in.
    pub(crate) fn plan(
        &mut self,
        target: &mut impl Debuggee,
        nth: usize,
        frame: &Frame,
        instruction: &Instruction,
    ) -> Vec<(Address, Address)> {
        if self.mode == Mode::Out {
            return outside(target, self.thread, nth, frame, true).into_iter().collect();
        }
        if frame.is_calling {
            return vec![(frame.ip, frame.owner)];
        }
        self.is_entering = self.mode == Mode::In && instruction.walk.calls();
        let inside = instruction.targets.iter().map(|at| (*at, frame.owner));
        let mut places: Vec<_> = inside.collect();
        if instruction.walk.may_leave() && instruction.walk != Walk::Throw {
            places.extend(outside(target, self.thread, nth, frame, false));
        }
        places
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

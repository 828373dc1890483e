//! Where a step must end, told by what the program executes and by activations that are never
//! confused with each other. It shares nothing with the engine, which has only addresses of frames
//! that are used again, and predicts where this remembers.

use std::hash::Hash;

use softdock_clr::opcode::DEBUG_METHOD_ENTER;
use softdock_clr::{Frame, FrameKind, Program, Step, Vm};
use softdock_process::Address;
use softdock_stepping::{Mode, Reason, StepperId};

/// A place that a thread is about to execute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Element {
    /// The activation whose variables it uses.
    pub(super) owner: u64,
    pub(super) method: usize,
    pub(super) slot: u32,
    pub(super) opcode: u32,
    /// Whether it belongs to a line.
    pub(super) mapped: bool,
    /// The `finally` that it is part of, where an exception runs that: no step that was begun
    /// before stops there.
    pub(super) cleans_up: Option<u64>,
    /// Why the thread has come there, where an exception led to it.
    begins: Option<Reason>,
}

impl Element {
    /// What was executed.
    pub(super) fn executed(program: &Program, step: &Step) -> Element {
        let Step { owner, method, slot, .. } = *step;
        let begins = begins(step.kind, step.is_first);
        Element::new(program, owner, (method, slot), step.cleans_up, begins)
    }

    /// What the newest of these frames would execute at this address.
    pub(super) fn next(program: &Program, frames: &[Frame], at: Address) -> Option<Element> {
        let leaf = frames.first()?;
        let owner = frames.iter().find(|frame| frame.address == leaf.owner)?.activation;
        let begins = begins(leaf.kind, !leaf.has_begun);
        Some(Element::new(program, owner, program.place(at)?, leaf.cleans_up, begins))
    }

    fn new(
        program: &Program,
        owner: u64,
        (method, slot): (usize, u32),
        cleans_up: Option<u64>,
        begins: Option<Reason>,
    ) -> Element {
        let instruction = program.methods()[method].instruction(slot);
        let opcode = instruction.map_or(0, |instruction| instruction.opcode);
        let mapped = instruction.is_some_and(|instruction| instruction.mapped);
        Element { owner, method, slot, opcode, mapped, cleans_up, begins }
    }
}

/// What only an exception starts begins with the first instruction of its frame. Its place would
/// not tell: a handler may branch to its start, and a `finally` may begin at the same.
fn begins(kind: FrameKind, is_first: bool) -> Option<Reason> {
    let reason = match kind {
        FrameKind::Filter => Reason::Filter,
        FrameKind::Catch => Reason::Handler,
        FrameKind::Method | FrameKind::Finally => return None,
    };
    is_first.then_some(reason)
}

/// A step under way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reference {
    pub(super) id: StepperId,
    pub(super) thread: u64,
    mode: Mode,
    /// Method, first slot, and the first one behind.
    range: Option<(usize, u32, u32)>,
    /// The activation it was begun in.
    start: u64,
    /// The activations that called it.
    ancestors: Vec<u64>,
    /// What was there already of `finally` that an exception runs.
    clauses: Vec<u64>,
    /// Whether the instruction that it was begun at has been executed.
    has_begun: bool,
    /// The activation that it has called last; once one tells that it is entered, that one.
    entered: Option<u64>,
    /// Whether that has told that it is entered.
    is_announced: bool,
    /// Why it came to where it is, which what has no line does not change.
    came: Reason,
    /// Where it was moved to, and has not executed anything since.
    moved_to: Option<(u64, Address)>,
    /// Evaluations under way when it was begun.
    pub(super) depth: usize,
}

impl Reference {
    /// A step in the nth of these frames, the newest of which comes first, within so many
    /// evaluations: one that has returned and is not told to be over has no frame any more.
    pub(super) fn new(
        (id, thread, depth): (StepperId, u64, usize),
        frames: &[Frame],
        nth: usize,
        mode: Mode,
        range: Option<(usize, u32, u32)>,
    ) -> Option<Reference> {
        let frame = going_on(frames, nth)?;
        let owner = frames.iter().position(|other| other.address == frame.owner)?;
        let start = frames[owner].activation;
        let ancestors = methods_below(frames, owner + 1).filter(|it| *it != start).collect();
        let clauses = frames.iter().filter_map(|frame| frame.cleans_up).collect();
        let has_begun = frame.is_calling;
        Some(Reference {
            id,
            thread,
            mode,
            range,
            start,
            ancestors,
            clauses,
            has_begun,
            entered: None,
            is_announced: false,
            came: Reason::Normal,
            moved_to: None,
            depth,
        })
    }

    /// Whether it can go into a method that is called.
    pub(super) fn may_go_in(&self) -> bool {
        self.mode == Mode::In
    }

    /// Whether the step must end right before this.
    pub(super) fn ends_at(&self, at: &Element) -> bool {
        if !self.has_begun || !at.mapped || self.passes_by(at) {
            return false;
        }
        let within = |(method, from, to): (usize, u32, u32)| {
            at.method == method && (from..to).contains(&at.slot)
        };
        let is_home = at.owner == self.start && self.mode != Mode::Out;
        let is_entry = self.entered == Some(at.owner) && self.is_announced;
        is_home && !self.range.is_some_and(within)
            || self.ancestors.contains(&at.owner)
            || is_entry && self.mode == Mode::In
    }

    /// Whether it has nothing to do with a `finally` that an exception has come to since.
    fn passes_by(&self, at: &Element) -> bool {
        at.cleans_up.is_some_and(|clause| !self.clauses.contains(&clause))
    }

    /// Why it ends there, where it does.
    pub(super) fn reason_at(&self, at: &Element) -> Reason {
        match at.begins {
            Some(reason) => reason,
            None if self.entered == Some(at.owner) => Reason::Call,
            None if self.ancestors.contains(&at.owner) => Reason::Return,
            None => self.came,
        }
    }

    /// Whoever debugs has moved the thread, which had the first frames and has the others now. That
    /// counts once, also where it is told twice, since the thread was made to evaluate something in
    /// between.
    pub(super) fn moved(&mut self, before: &[Frame], after: &[Frame]) {
        let place = after.first().map(|leaf| (leaf.activation, leaf.ip));
        let (Some(was), Some(now)) = (runs(before), runs(after)) else { return };
        if self.moved_to == place {
            return;
        }
        self.moved_to = place;
        if self.is_in(was) {
            self.goes_on_in(was, None, before);
        } else if before.iter().all(|frame| frame.activation != self.start) {
            self.has_come_back_to(was);
        }
        if now == self.start {
            (self.has_begun, self.came) = (false, Reason::Normal);
            (self.entered, self.is_announced) = (None, false);
        } else {
            self.has_come_back_to(now);
        }
    }

    /// The frame that it was begun in has ended, or was thrown away: it goes on in this one, if
    /// that has called it.
    fn has_come_back_to(&mut self, activation: u64) {
        let Some(nth) = self.ancestors.iter().position(|other| *other == activation) else {
            return;
        };
        self.ancestors.drain(..=nth);
        (self.start, self.range, self.has_begun) = (activation, None, true);
        self.came = Reason::Return;
        (self.entered, self.is_announced) = (None, false);
        if self.mode == Mode::Out {
            self.mode = Mode::Over;
        }
    }

    /// Whether it has gone in there, and has not found a line yet.
    fn is_in(&self, activation: u64) -> bool {
        self.mode == Mode::In && self.entered == Some(activation) && self.is_announced
    }

    /// It goes on in what it has gone into, as if it had been begun there. These frames are there
    /// now: perhaps that of what was called from there, and perhaps not its own any more.
    fn goes_on_in(&mut self, activation: u64, called: Option<u64>, frames: &[Frame]) {
        let own = frames.iter().position(|frame| frame.activation == activation);
        let known = self.start;
        let below = methods_below(frames, own.map_or(0, |own| own + 1));
        let below = below.filter(|it| Some(*it) != called);
        let between: Vec<u64> = below.take_while(|it| *it != known).collect();
        self.ancestors.splice(..0, between.into_iter().chain([known]));
        (self.start, self.range, self.came) = (activation, None, Reason::Call);
        (self.entered, self.is_announced) = (called, false);
    }

    /// This was executed by its thread, and may have called something.
    pub(super) fn executed(&mut self, at: &Element, called: Option<u64>, vm: &Vm) {
        self.moved_to = None;
        if self.passes_by(at) {
            // Nor does it go into what is called there.
            (self.entered, self.is_announced) = (None, false);
            return;
        }
        if self.is_in(at.owner) {
            // Something without a line: the step goes on from there.
            return self.goes_on_in(at.owner, called, &vm.frames(self.thread));
        }
        if at.owner == self.start || self.ancestors.contains(&at.owner) {
            self.came = match at.mapped {
                true => Reason::Normal,
                // It was begun there, and has not come there.
                false if !self.has_begun && at.owner == self.start => self.came,
                false => self.reason_at(at),
            };
        }
        if at.owner == self.start {
            self.has_begun = true;
            (self.entered, self.is_announced) = (called, false);
        } else if self.ancestors.contains(&at.owner) {
            // Something without a line in a caller: the step goes on from there, past calls.
            let came = self.came;
            self.has_come_back_to(at.owner);
            (self.came, self.entered) = (came, called);
        } else if at.opcode == DEBUG_METHOD_ENTER && self.entered.is_some() && !self.is_announced {
            // What was called first may not tell, and calls something that does.
            (self.entered, self.is_announced) = (Some(at.owner), true);
        }
    }

    /// An exception goes to this activation: what has thrown was executed, and what was called from
    /// there is about to end.
    pub(super) fn throws_to(&mut self, activation: u64) {
        if activation == self.start || self.ancestors.contains(&activation) {
            (self.has_begun, self.entered, self.is_announced) = (true, None, false);
        }
    }

    /// The same whatever its activations are called: each is told by the frame that it has, if it
    /// still has one.
    pub(super) fn nameless(&self, vm: &Vm) -> impl Hash {
        let frames = vm.frames(self.thread);
        let frame = |it: u64| frames.iter().position(|frame| frame.activation == it);
        let ancestors: Vec<_> = self.ancestors.iter().map(|it| frame(*it)).collect();
        let (start, entered) = (frame(self.start), self.entered.map(frame));
        let clauses: Vec<_> = self.clauses.iter().filter_map(|it| frame(*it)).collect();
        let Reference { id, thread, mode, range, has_begun, is_announced, came, depth, .. } = *self;
        let moved_to = self.moved_to.map(|(activation, ip)| (frame(activation), ip));
        let names = (start, ancestors, clauses, entered, moved_to);
        ((id, thread, mode, range), (has_begun, is_announced, came, depth), names)
    }
}

/// The methods of these frames from the nth on, up to where an evaluation begins. What lies between
/// a filter and its method was called by the method.
fn methods_below(frames: &[Frame], nth: usize) -> impl Iterator<Item = u64> + '_ {
    let bottom = frames.iter().position(|frame| frame.is_bottom_of_evaluation);
    let bottom = bottom.unwrap_or(frames.len());
    let outer = frames.iter().take(bottom + 1).skip(nth);
    let methods = outer.filter(|frame| frame.kind == FrameKind::Method);
    methods.map(|frame| frame.activation)
}

/// The activation whose variables the newest of these frames uses.
fn runs(frames: &[Frame]) -> Option<u64> {
    let owner = frames.first()?.owner;
    frames.iter().find(|frame| frame.address == owner).map(|frame| frame.activation)
}

/// A frame whose handler runs goes on in the newest one.
fn going_on(frames: &[Frame], nth: usize) -> Option<&Frame> {
    let owner = frames.get(nth)?.owner;
    frames[..=nth].iter().rev().take_while(|frame| frame.owner == owner).last()
}

//! What is held against a stop: the breakpoints that were owed to the thread, and for a step where
//! and why it must end.

use softdock_stepping::{BreakpointId, Event, Reason};

use super::judge::{Arrival, Violation, breakpoints_at, is_own_break};
use super::reference::Element;
use super::world::World;

impl World {
    /// Whether a thread that has come to a breakpoint is told of as it must be.
    pub(super) fn judge_scan(&mut self, thread: u64, events: &[Event]) {
        let Some(nth) = self.arrival(thread) else { return };
        let at = self.arrivals[nth].at;
        let debugger = self.debugger.clone();
        let is_here = |id: &BreakpointId| breakpoints_at(&debugger, at).any(|here| here == *id);
        let is_told = events.iter().any(|event| matches!(event, Event::Break { .. }));
        if is_told != is_own_break(&self.process.vm, at) && !self.is_detached {
            self.broken.push(Violation::OwnBreak(at));
        }
        for event in events {
            let (Event::Breakpoint { at, .. } | Event::Break { at, .. } | Event::Step { at, .. }) =
                event;
            if *at != self.arrivals[nth].at {
                self.broken.push(Violation::Elsewhere(thread));
            }
            if let Event::Breakpoint { id, .. } = event {
                let told = &mut self.arrivals[nth].told;
                if told.contains(id) {
                    self.broken.push(Violation::Twice(*id));
                }
                told.push(*id);
                if !is_here(id) {
                    self.broken.push(Violation::Removed(*id));
                }
            }
        }
        let Arrival { owed, told, .. } = &*self.arrivals[nth];
        let lost = owed.iter().filter(|id| is_here(id) && !told.contains(id));
        self.broken.extend(lost.map(|id| Violation::Lost(*id)));
    }

    /// Whether a step has ended where it must.
    pub(super) fn judge_step(&mut self, thread: u64, event: &Event) {
        let Event::Step { id, at, reason, .. } = event else { return };
        let nth = self.references.iter().position(|known| known.id == *id);
        let Some(reference) = nth.map(|nth| self.references.remove(nth)) else {
            return self.broken.push(Violation::ForeignStep(*id));
        };
        if *reason == Reason::Stuck {
            return;
        }
        let frames = self.process.vm.frames(thread);
        let program = self.process.vm.program();
        let Some(element) = Element::next(program, &frames, *at) else { return };
        if reference.thread != thread {
            self.broken.push(Violation::ForeignStep(*id));
        } else if !reference.ends_at(&element) {
            self.broken.push(Violation::TooEarly(*id));
        } else if reference.reason_at(&element) != *reason {
            self.broken.push(Violation::Reason(*id));
        }
    }
}

//! A breakpoint of whoever debugs: where it goes in each body of its method, and why it may not. It
//! knows nothing of threads.

use softdock_process::Address;

use crate::control::{ExecutionControl, PatchError};
use crate::debuggee::{Body, Debuggee, MethodId};
use crate::event::BreakpointId;
use crate::patch::{Owner, PatchTable, Row};
use crate::walker::Undecodable;

/// Where in a method a breakpoint is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// Its first line.
    Entry,
    /// The instruction that starts at this slot.
    Slot(u64),
}

/// Why a command is not carried out. Nothing has changed then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refused {
    /// No instruction starts there.
    NotAnInstruction(Address),
    /// The bytecode at this address makes no sense.
    Undecodable(Address, Undecodable),
    /// A breakpoint cannot be set.
    Patch(Address, PatchError),
    /// The thread has no such frame.
    NoFrame,
    /// There is no such breakpoint or step.
    Unknown,
}

/// A breakpoint, wherever it is bound.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Breakpoint {
    pub(crate) id: BreakpointId,
    pub(crate) method: MethodId,
    pub(crate) place: Place,
    /// Starts of the bodies it is set in.
    pub(crate) bodies: Vec<Address>,
}

impl Breakpoint {
    /// Sets it in the bodies that it is not set in yet.
    pub(crate) fn bind(
        &mut self,
        control: &impl ExecutionControl,
        table: &mut PatchTable,
        target: &mut impl Debuggee,
    ) -> Result<(), Refused> {
        let mut nth = 0_usize;
        while let Some(body) = target.body(self.method, nth) {
            nth = nth.saturating_add(1);
            if self.bodies.contains(&body.start) {
                continue;
            }
            let at = self.address(table, target, &body)?;
            let row = Row { owner: Owner::Breakpoint(self.id), thread: None, frame: None };
            let added = table.add(control, target, at, row);
            added.map_err(|error| Refused::Patch(at, error))?;
            self.bodies.push(body.start);
        }
        Ok(())
    }

    /// Where it is in a body. Only where an instruction starts: a breakpoint in an operand would be
    /// a number.
    fn address(
        &self,
        table: &PatchTable,
        target: &mut impl Debuggee,
        body: &Body,
    ) -> Result<Address, Refused> {
        let Place::Slot(slot) = self.place else {
            return Ok(body.sequence_point.unwrap_or(body.start));
        };
        let wanted = slot.checked_mul(4).and_then(|skip| body.start.checked_add(skip));
        let wanted = wanted.ok_or(Refused::NotAnInstruction(body.start))?;
        let mut at = body.start;
        while at < wanted && body.contains(wanted) {
            at = table.instruction(target, at)?.next;
        }
        if at == wanted { Ok(at) } else { Err(Refused::NotAnInstruction(wanted)) }
    }
}

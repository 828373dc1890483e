//! Commands of whoever debugs, while the process stands still. What the interpreter tells while it
//! runs is in `notice`, and how either is done in `arm`.
//!
//! Every call is made by one thread at a time, and writes bytecode only within the call: an
//! interpreter that runs on meanwhile sees a slot before or after, never half.

use std::sync::Arc;

use softdock_process::{Address, ProcessMemory};

use crate::arm::{is_moved, place};
use crate::breakpoint::{Breakpoint, Place, Refused};
use crate::control::ExecutionControl;
use crate::debuggee::{Bypass, Debuggee, MethodId, ThreadId};
use crate::event::{BreakpointId, Reason, StepperId};
use crate::patch::{Owner, PatchTable, Site};
use crate::stepper::{Leaving, Mode, Range, Stepper};

/// An evaluation under way, and what was interrupted by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Evaluation {
    pub(crate) thread: ThreadId,
    pub(crate) bypass: Option<Bypass>,
}

/// Where an exception is handled, once every `finally` on the way has run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Handler {
    pub(crate) thread: ThreadId,
    pub(crate) at: Address,
    /// The method frame.
    pub(crate) frame: Address,
}

/// A debugger of one process.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Debugger<E> {
    pub(crate) control: E,
    pub(crate) table: PatchTable,
    /// One list for all copies, as in the table.
    pub(crate) breakpoints: Arc<Vec<Breakpoint>>,
    pub(crate) steppers: Vec<Stepper>,
    pub(crate) evaluations: Vec<Evaluation>,
    pub(crate) handlers: Vec<Handler>,
    pub(crate) last_breakpoint: u32,
    pub(crate) last_stepper: u32,
}

impl<E: ExecutionControl> Debugger<E> {
    /// One that has set nothing.
    #[must_use]
    pub fn new(control: E) -> Debugger<E> {
        Debugger {
            control,
            table: PatchTable::default(),
            breakpoints: Arc::default(),
            steppers: Vec::new(),
            evaluations: Vec::new(),
            handlers: Vec::new(),
            last_breakpoint: 0,
            last_stepper: 0,
        }
    }

    /// Sets a breakpoint in every body of a method; one that is not loaded yet gets it by
    /// [`Debugger::method_loaded`].
    ///
    /// # Errors
    /// When it cannot be set in one of them.
    pub fn set_breakpoint(
        &mut self,
        target: &mut impl Debuggee,
        method: MethodId,
        place: Place,
    ) -> Result<BreakpointId, Refused> {
        self.last_breakpoint = self.last_breakpoint.saturating_add(1);
        let id = BreakpointId(self.last_breakpoint);
        let mut breakpoint = Breakpoint { id, method, place, bodies: Vec::new() };
        let bound = breakpoint.bind(&self.control, &mut self.table, target);
        if let Err(refused) = bound {
            self.withdraw(target, Owner::Breakpoint(id));
            return Err(refused);
        }
        Arc::make_mut(&mut self.breakpoints).push(breakpoint);
        Ok(id)
    }

    /// Removes a breakpoint.
    ///
    /// # Errors
    /// When there is none, or it cannot be taken out of memory: it stops nobody any more then.
    pub fn remove_breakpoint(
        &mut self,
        target: &mut impl Debuggee,
        id: BreakpointId,
    ) -> Result<(), Refused> {
        let nth = self.breakpoints.iter().position(|known| known.id == id);
        Arc::make_mut(&mut self.breakpoints).remove(nth.ok_or(Refused::Unknown)?);
        self.forget(target, Owner::Breakpoint(id))
    }

    /// Begins a step of a thread that stands still, in its nth frame, 0 being the newest. Without a
    /// range it is one instruction.
    ///
    /// # Errors
    /// When there is no such frame, its bytecode makes no sense, or a breakpoint cannot be set.
    pub fn step(
        &mut self,
        target: &mut impl Debuggee,
        thread: ThreadId,
        nth: usize,
        mode: Mode,
        range: Option<Range>,
    ) -> Result<StepperId, Refused> {
        let (nth, frame) = place(target, thread, nth).ok_or(Refused::NoFrame)?;
        self.last_stepper = self.last_stepper.saturating_add(1);
        let id = StepperId(self.last_stepper);
        let stepper = Stepper {
            id,
            thread,
            mode,
            range,
            home: frame.owner,
            is_entering: false,
            leaving: Leaving::No,
            is_moved: is_moved(target, thread),
            begins: (!frame.is_calling).then_some(frame.ip),
            awaited: Vec::new(),
            came: Reason::Normal,
            frozen: 0,
        };
        self.arm(target, stepper, nth, &frame)?;
        self.tell_method_enter(target);
        Ok(id)
    }

    /// Ends a step before its end.
    ///
    /// # Errors
    /// When there is none, or a breakpoint cannot be taken out of memory: it is over all the same.
    pub fn cancel_step(
        &mut self,
        target: &mut impl Debuggee,
        id: StepperId,
    ) -> Result<(), Refused> {
        let nth = self.steppers.iter().position(|known| known.id == id);
        self.steppers.remove(nth.ok_or(Refused::Unknown)?);
        self.tell_method_enter(target);
        self.forget(target, Owner::Stepper(id))
    }

    /// Lets go of the process: no breakpoint is left in memory that could be taken out.
    ///
    /// # Errors
    /// When one could not.
    pub fn detach(&mut self, target: &mut impl Debuggee) -> Result<(), Refused> {
        let breakpoints = std::mem::take(Arc::make_mut(&mut self.breakpoints)).into_iter();
        let breakpoints = breakpoints.map(|known| Owner::Breakpoint(known.id));
        let steppers = self.steppers.drain(..).map(|known| Owner::Stepper(known.id));
        let owners: Vec<Owner> = breakpoints.chain(steppers).collect();
        for evaluation in &mut self.evaluations {
            evaluation.bypass = None;
        }
        self.tell_method_enter(target);
        owners.into_iter().map(|owner| self.forget(target, owner)).fold(Ok(()), Result::and)
    }

    /// The word at this address, as if there were no breakpoints.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn word(
        &self,
        target: &mut impl ProcessMemory,
        at: Address,
    ) -> Result<u32, softdock_process::MemoryError> {
        self.table.word(target, at)
    }

    /// Every address with a breakpoint in memory, in order.
    #[must_use]
    pub fn sites(&self) -> &[Site] {
        self.table.sites()
    }

    /// The steps under way, each with its thread.
    pub fn steps(&self) -> impl Iterator<Item = (StepperId, ThreadId)> + '_ {
        self.steppers.iter().map(|stepper| (stepper.id, stepper.thread))
    }
}

//! The virtual process as the engine sees it: addresses and frames, no activations and no past. It
//! also knows what can go wrong with writes to the bytecode, and which bodies are not there yet.

use std::rc::Rc;

use softdock_clr::{self as clr, FrameKind, Phase, Vm};
use softdock_process::{Address, ErrorKind, MemoryError, ProcessMemory};
use softdock_stepping::{Body, Bypass, Context, Debuggee, Frame, MethodId, ThreadId};

use super::plan::Plan;
use crate::scenario::stepping::WriteFault;

/// A machine to be debugged.
#[derive(Clone, Debug)]
pub(super) struct Process {
    pub(super) vm: Vm,
    pub(super) plan: Rc<Plan>,
    /// Methods that had no body at first, and have one now.
    loaded: Vec<usize>,
    /// Writes to the bytecode so far.
    pub(super) writes: u32,
    /// A slot that was written in parts.
    pub(super) torn: Option<Address>,
    /// What will go wrong with one of them.
    pub(super) faults: Vec<WriteFault>,
}

impl Process {
    pub(super) fn new(plan: &Rc<Plan>) -> Process {
        Process {
            vm: Vm::new(Rc::clone(&plan.program), &plan.threads),
            plan: Rc::clone(plan),
            loaded: Vec::new(),
            writes: 0,
            torn: None,
            faults: plan.faults.clone(),
        }
    }

    /// A method is called. The one whose body this is, where it has none yet.
    pub(super) fn load(&mut self, method: usize) -> Option<MethodId> {
        if self.is_loaded(method) {
            return None;
        }
        self.loaded.push(method);
        Some(id(self.first(method)))
    }

    /// The frames that a thread has when it goes on: where it was moved, the newer ones are thrown
    /// away.
    pub(super) fn frames_to_be(&self, thread: u64) -> Vec<clr::Frame> {
        let mut frames = self.vm.frames(thread);
        let Some(context) = self.vm.context(thread) else { return frames };
        let newest = frames.iter().position(|frame| frame.address == context.frame);
        frames.drain(..newest.unwrap_or(0));
        if let Some(leaf) = frames.first_mut() {
            (leaf.ip, leaf.is_calling) = (context.ip, leaf.is_calling && newest == Some(0));
        }
        frames
    }

    /// Whether a thread will go on elsewhere than where it is.
    pub(super) fn is_moved(&self, thread: u64) -> bool {
        let leaf = self.vm.frame(thread, 0).map(|leaf| (leaf.address, leaf.ip));
        self.vm.context(thread).map(|context| (context.frame, context.ip)) != leaf
    }

    /// What the future depends on, beside the machine.
    pub(super) fn rest(&self) -> (&[usize], Option<u32>, &[WriteFault]) {
        let counts = !self.faults.is_empty();
        (&self.loaded, counts.then_some(self.writes), &self.faults)
    }

    fn is_loaded(&self, method: usize) -> bool {
        !self.plan.late.contains(&method) || self.loaded.contains(&method)
    }

    /// The method that this is a body of.
    fn first(&self, method: usize) -> usize {
        let other = self.plan.bodies.iter().find(|(_, body)| *body == method);
        other.map_or(method, |(first, _)| *first)
    }

    fn body_of(&self, nth: usize) -> Option<Body> {
        let program = self.vm.program();
        let method = program.methods().get(nth)?;
        Some(Body {
            method: id(self.first(nth)),
            start: program.address(nth, 0),
            slots: method.slots().len() as u64,
            sequence_point: method.entry().map(|slot| program.address(nth, slot)),
        })
    }

    /// What goes wrong with the next write.
    fn next_fault(&mut self) -> Option<WriteFault> {
        self.writes += 1;
        let now = self.writes;
        let is_due = |fault: &WriteFault| match *fault {
            WriteFault::FailsFrom(nth) => nth <= now,
            WriteFault::Fails(nth)
            | WriteFault::LandsAndFails(nth)
            | WriteFault::Vanishes(nth)
            | WriteFault::LandsByte(nth) => nth == now,
        };
        let nth = self.faults.iter().position(is_due)?;
        let lasts = matches!(self.faults[nth], WriteFault::FailsFrom(_));
        Some(if lasts { self.faults[nth] } else { self.faults.swap_remove(nth) })
    }
}

impl ProcessMemory for Process {
    fn read(&mut self, at: Address, into: &mut [u8]) -> Result<(), MemoryError> {
        self.vm.memory_mut().read(at, into)
    }

    fn write(&mut self, at: Address, from: &[u8]) -> Result<(), MemoryError> {
        let failed = |len| Err(MemoryError::untouched(ErrorKind::Denied, at, len));
        let fault = self.next_fault();
        if from.len() != 4 || !at.get().is_multiple_of(4) {
            self.torn = Some(at);
        }
        let memory = self.vm.memory_mut();
        match fault {
            None => memory.write(at, from),
            Some(WriteFault::Fails(_) | WriteFault::FailsFrom(_)) => failed(from.len()),
            Some(WriteFault::Vanishes(_)) => Ok(()),
            Some(WriteFault::LandsByte(_)) => memory.write(at, &from[..1]),
            Some(WriteFault::LandsAndFails(_)) => {
                memory.write(at, from)?;
                failed(from.len())
            }
        }
    }
}

fn id(method: usize) -> MethodId {
    MethodId(u32::try_from(method).unwrap_or(u32::MAX))
}

impl Debuggee for Process {
    fn body_at(&mut self, at: Address) -> Option<Body> {
        let (method, _) = self.vm.program().place(at)?;
        self.body_of(method)
    }

    fn body(&mut self, method: MethodId, nth: usize) -> Option<Body> {
        let first = method.0 as usize;
        let others = self.plan.bodies.iter().filter(|(known, _)| *known == first);
        let bodies = std::iter::once(first).chain(others.map(|(_, other)| *other));
        let body = bodies.filter(|body| self.is_loaded(*body)).nth(nth)?;
        self.body_of(body)
    }

    fn is_mapped(&mut self, at: Address) -> bool {
        let program = self.vm.program();
        let place = program.place(at);
        let known = place.and_then(|(method, slot)| program.methods()[method].instruction(slot));
        known.is_some_and(|instruction| instruction.mapped)
    }

    fn frame(&mut self, thread: ThreadId, nth: usize) -> Option<Frame> {
        let frame = self.vm.frame(thread.0, nth)?;
        let kind = match frame.kind {
            FrameKind::Method => softdock_stepping::FrameKind::Method,
            _ => softdock_stepping::FrameKind::Clause,
        };
        Some(Frame {
            at: frame.address,
            owner: frame.owner,
            kind,
            ip: frame.ip,
            is_calling: frame.is_calling,
            is_bottom: frame.is_bottom_of_evaluation,
        })
    }

    fn context(&mut self, thread: ThreadId) -> Option<Context> {
        if self.vm.phase(thread.0) != Phase::Hit {
            return None;
        }
        let context = self.vm.context(thread.0)?;
        Some(Context { ip: context.ip, frame: context.frame })
    }

    fn bypass(&mut self, thread: ThreadId) -> Option<Bypass> {
        self.vm.bypass(thread.0).map(|(at, opcode)| Bypass { at, opcode })
    }

    fn set_bypass(&mut self, thread: ThreadId, bypass: Option<Bypass>) {
        self.vm.set_bypass(thread.0, bypass.map(|Bypass { at, opcode }| (at, opcode)));
    }

    fn tell_method_enter(&mut self, wanted: bool) {
        self.vm.set_method_enter(wanted);
    }
}

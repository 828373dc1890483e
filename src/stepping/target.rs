//! The virtual machine as the engine sees it: addresses and frames, no activations and no past.

use softdock_clr::{FrameKind, Phase, Vm};
use softdock_process::{Address, MemoryError, ProcessMemory};
use softdock_stepping::{Body, Bypass, Context, Debuggee, Frame, MethodId, ThreadId};

/// A machine to be debugged.
pub(super) struct Target<'v>(pub(super) &'v mut Vm);

impl ProcessMemory for Target<'_> {
    fn read(&mut self, at: Address, into: &mut [u8]) -> Result<(), MemoryError> {
        self.0.memory_mut().read(at, into)
    }

    fn write(&mut self, at: Address, from: &[u8]) -> Result<(), MemoryError> {
        self.0.memory_mut().write(at, from)
    }
}

impl Target<'_> {
    fn body_of(&self, nth: usize) -> Option<Body> {
        let program = self.0.program();
        let method = program.methods().get(nth)?;
        Some(Body {
            method: MethodId(u32::try_from(nth).ok()?),
            start: program.address(nth, 0),
            slots: method.slots().len() as u64,
            sequence_point: method.entry().map(|slot| program.address(nth, slot)),
        })
    }
}

impl Debuggee for Target<'_> {
    fn body_at(&mut self, at: Address) -> Option<Body> {
        let (method, _) = self.0.program().place(at)?;
        self.body_of(method)
    }

    fn body(&mut self, method: MethodId, nth: usize) -> Option<Body> {
        self.body_of(method.0 as usize).filter(|_| nth == 0)
    }

    fn is_mapped(&mut self, at: Address) -> bool {
        let program = self.0.program();
        let place = program.place(at);
        let known = place.and_then(|(method, slot)| program.methods()[method].instruction(slot));
        known.is_some_and(|instruction| instruction.mapped)
    }

    fn frame(&mut self, thread: ThreadId, nth: usize) -> Option<Frame> {
        let frame = *self.0.frames(thread.0).get(nth)?;
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
        if self.0.phase(thread.0) != Phase::Hit {
            return None;
        }
        let context = self.0.context(thread.0)?;
        Some(Context { ip: context.ip, frame: context.frame })
    }

    fn bypass(&mut self, thread: ThreadId) -> Option<Bypass> {
        self.0.bypass(thread.0).map(|(at, opcode)| Bypass { at, opcode })
    }

    fn set_bypass(&mut self, thread: ThreadId, bypass: Option<Bypass>) {
        self.0.set_bypass(thread.0, bypass.map(|Bypass { at, opcode }| (at, opcode)));
    }

    fn tell_method_enter(&mut self, wanted: bool) {
        self.0.set_method_enter(wanted);
    }
}

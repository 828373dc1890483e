//! The same debugger over the code of a processor: breakpoints are bytes, and everything else is as
//! with bytecode. Whose they are, what they replaced and who is told is not the instruction set's
//! business.

use softdock_process::{Address, ErrorKind, MemoryError, ProcessMemory};
use softdock_stepping::{
    Body, Bypass, Context, Debuggee, Debugger, Event, Frame, FrameKind, MethodId, Native, Place,
    ThreadId,
};

const START: Address = Address::new(0x1000);
const FRAME: Address = Address::new(0x7000);
const METHOD: MethodId = MethodId(0);
const THREAD: ThreadId = ThreadId(1);

/// `push rbp; mov rbp, rsp; int3; ret`: the third instruction is a breakpoint of its own.
const CODE: [u8; 6] = [0x55, 0x48, 0x89, 0xe5, 0xcc, 0xc3];

/// A thread at an instruction of one method.
struct Processor {
    code: [u8; 6],
    ip: Address,
    bypass: Option<Bypass>,
}

impl Processor {
    fn range(at: Address, len: usize) -> Result<std::ops::Range<usize>, MemoryError> {
        let skip = at.checked_sub(START).and_then(|skip| usize::try_from(skip).ok());
        let skip = skip.filter(|skip| skip + len <= CODE.len());
        let skip = skip.ok_or(MemoryError::untouched(ErrorKind::Unmapped, at, len))?;
        Ok(skip..skip + len)
    }
}

impl ProcessMemory for Processor {
    fn read(&mut self, at: Address, into: &mut [u8]) -> Result<(), MemoryError> {
        into.copy_from_slice(&self.code[Processor::range(at, into.len())?]);
        Ok(())
    }

    fn write(&mut self, at: Address, from: &[u8]) -> Result<(), MemoryError> {
        self.code[Processor::range(at, from.len())?].copy_from_slice(from);
        Ok(())
    }
}

impl Debuggee for Processor {
    fn body_at(&mut self, at: Address) -> Option<Body> {
        self.body(METHOD, 0).filter(|body| body.contains(at))
    }

    fn body(&mut self, method: MethodId, nth: usize) -> Option<Body> {
        let known = method == METHOD && nth == 0;
        known.then_some(Body { method, start: START, slots: 2, sequence_point: None })
    }

    fn is_mapped(&mut self, _: Address) -> bool {
        true
    }

    fn frame(&mut self, _: ThreadId, nth: usize) -> Option<Frame> {
        let frame = Frame {
            at: FRAME,
            owner: FRAME,
            kind: FrameKind::Method,
            ip: self.ip,
            is_calling: false,
            is_bottom: false,
        };
        (nth == 0).then_some(frame)
    }

    fn context(&mut self, _: ThreadId) -> Option<Context> {
        Some(Context { ip: self.ip, frame: FRAME })
    }

    fn bypass(&mut self, _: ThreadId) -> Option<Bypass> {
        self.bypass
    }

    fn set_bypass(&mut self, _: ThreadId, bypass: Option<Bypass>) {
        self.bypass = bypass;
    }

    fn tell_method_enter(&mut self, _: bool) {}
}

fn at(nth: u64) -> Address {
    Address::new(START.get() + nth)
}

#[test]
fn a_byte_is_replaced_shared_passed_and_restored() {
    let mut target = Processor { code: CODE, ip: START, bypass: None };
    let mut debugger = Debugger::new(Native);
    let first = debugger.set_breakpoint(&mut target, METHOD, Place::Entry).expect("set");
    let second = debugger.set_breakpoint(&mut target, METHOD, Place::Entry).expect("set");
    assert_eq!(target.code, [0xcc, 0x48, 0x89, 0xe5, 0xcc, 0xc3], "one byte, and no more");

    let told = debugger.hit(&mut target, THREAD);
    let hit = |id| Event::Breakpoint { id, thread: THREAD, at: START };
    assert_eq!(told, [hit(first), hit(second)]);
    assert_eq!(debugger.resume(&mut target, THREAD), []);
    assert_eq!(target.bypass, Some(Bypass { at: START, opcode: 0x55 }));

    debugger.remove_breakpoint(&mut target, first).expect("there");
    assert_eq!(target.code[0], 0xcc, "the other one is still there");
    debugger.detach(&mut target).expect("restored");
    assert_eq!(target.code, CODE);
}

#[test]
fn an_int3_of_the_program_is_told_and_passed_by_a_nop() {
    let mut target = Processor { code: CODE, ip: at(4), bypass: None };
    let mut debugger = Debugger::new(Native);
    let told = debugger.hit(&mut target, THREAD);
    assert_eq!(told, [Event::Break { thread: THREAD, at: at(4) }]);
    debugger.resume(&mut target, THREAD);
    assert_eq!(target.bypass, Some(Bypass { at: at(4), opcode: 0x90 }));
    assert_eq!(target.code, CODE);
}

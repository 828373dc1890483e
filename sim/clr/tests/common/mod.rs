//! Programs that several tests run, and how to run them.

#![allow(dead_code, reason = "each test binary uses its part")]

use std::rc::Rc;

use softdock_clr::{Did, Program, Vm, assemble, opcode};
use softdock_process::ProcessMemory;

/// A method around this body.
pub(crate) fn method(name: &str, args: u32, locals: u32, body: &str) -> String {
    format!("method {name} args {args} locals {locals}\n{body}\nend\n")
}

/// The same, which starts as a compiler starts it.
pub(crate) fn debugged(name: &str, args: u32, locals: u32, body: &str) -> String {
    method(name, args, locals, &format!("DEBUG_METHOD_ENTER seq\nseq: DEBUG_SEQ_POINT\n{body}"))
}

/// A program whose first method is `MAIN`, with no arguments.
pub(crate) fn main(locals: u32, body: &str) -> String {
    debugged("MAIN", 0, locals, body)
}

pub(crate) fn line() -> String {
    debugged("LINE", 0, 1, "LDC_I4 v0, 7\nEMIT v0\nRET v0")
}

pub(crate) fn recursion() -> String {
    let body = "BRFALSE_I4 v0, done\nADD_I4_IMM v1, v0, -1\nCALL v2, v1, REC\nEMIT v0
                done: RET v0";
    debugged("REC", 1, 3, body)
}

pub(crate) fn assembled(text: &str) -> Rc<Program> {
    Rc::new(assemble(text).unwrap_or_else(|mistake| panic!("{mistake}\n{text}")))
}

/// A process with one thread in the first method.
pub(crate) fn started(text: &str) -> Vm {
    Vm::new(assembled(text), &[0])
}

/// Runs a thread as if no debugger were there, to its end or something unusual.
pub(crate) fn run(vm: &mut Vm, thread: u64) -> Did {
    for _ in 0..10_000 {
        match vm.step(thread) {
            Did::Executed(_) | Did::Unwound => {}
            Did::MethodEnter { .. } | Did::Filtering { .. } | Did::Unwinding { .. } => {
                assert!(vm.go_on(thread));
            }
            Did::Blocked => assert!(vm.unblock(thread)),
            did => return did,
        }
    }
    panic!("it does not end");
}

/// Runs a thread until it is about to execute this slot of its leaf method.
pub(crate) fn run_to(vm: &mut Vm, thread: u64, slot: u32) {
    for _ in 0..10_000 {
        let ip = vm.context(thread).expect("it is alive").ip;
        if vm.program().place(ip).expect("it is in code").1 == slot {
            return;
        }
        assert_ne!(vm.step(thread), Did::Waiting);
        vm.go_on(thread);
    }
    panic!("it does not get there");
}

pub(crate) fn values(vm: &Vm) -> Vec<i32> {
    vm.output().iter().map(|(_, value)| *value).collect()
}

/// What one thread in the first method writes out, and the end of it.
pub(crate) fn outcome(text: &str) -> (Vec<i32>, Did) {
    let mut vm = started(text);
    let did = run(&mut vm, 1);
    (values(&vm), did)
}

pub(crate) const ENDED: Did = Did::Ended { unhandled: None };

/// Writes a word over a slot as a debugger does, and returns what was there.
pub(crate) fn put(vm: &mut Vm, method: usize, slot: u32, word: u32) -> u32 {
    let at = vm.program().address(method, slot);
    let before = vm.memory_mut().read_u32(at).expect("the code is mapped");
    vm.memory_mut().write(at, &word.to_le_bytes()).expect("the code is writable");
    before
}

/// Puts a breakpoint over a slot, and returns the opcode that was there.
pub(crate) fn patch(vm: &mut Vm, method: usize, slot: u32) -> u32 {
    put(vm, method, slot, opcode::BREAKPOINT)
}

//! Small programs, each with one thing that control flow can do: where their slots are, and what
//! they write out when no debugger is there.

mod common;

use common::*;
use softdock_clr::{Did, Phase, fall_through, opcode};

/// Each instruction's slot and name, as in `0 DEBUG_METHOD_ENTER`.
fn starts(text: &str) -> Vec<u32> {
    assembled(text).methods()[0].starts().collect()
}

fn check(text: &str, slots: &[u32], output: &[i32]) {
    assert_eq!(starts(text), slots, "{text}");
    assert_eq!(outcome(text), (output.to_vec(), ENDED), "{text}");
}

#[test]
fn a_line() {
    check(&line(), &[0, 2, 3, 6, 10], &[7]);
    let program = assembled(&line());
    let method = &program.methods()[0];
    assert_eq!(method.slots(), [350, 2, 351, 9, 0, 7, 309, 0, 0, 0, 0, 0]);
    assert_eq!(method.entry(), Some(2));
    assert_eq!((method.instructions()[2].line, method.instructions()[2].mapped), (4, true));
    let silent = method_without_sequence_point();
    assert_eq!(assembled(&silent).methods()[0].entry(), None);
    check(&silent, &[0, 2, 5, 9], &[7]);
}

fn method_without_sequence_point() -> String {
    method("LINE", 0, 1, "DEBUG_METHOD_ENTER -\nLDC_I4 v0, 7\nEMIT v0\nRET v0")
}

#[test]
fn a_loop() {
    let body = "LDC_I4 v0, 3\nagain: SAFEPOINT\nEMIT v0\nADD_I4_IMM v0, v0, -1
                BRTRUE_I4 v0, again\nRET_VOID";
    let text = main(1, body);
    check(&text, &[0, 2, 3, 6, 7, 11, 15, 18], &[3, 2, 1]);
    assert_eq!(assembled(&text).methods()[0].slots()[17].cast_signed(), -9);
}

#[test]
fn a_jump_to_itself() {
    let mut vm = started(&main(0, "self: BR self"));
    run_to(&mut vm, 1, 3);
    let before = vm.state_hash();
    assert!(matches!(vm.step(1), Did::Executed(step) if step.slot == 3));
    assert_eq!(vm.state_hash(), before, "a loop of one state");
}

#[test]
fn a_recursion() {
    assert_eq!(starts(&recursion()), [0, 2, 3, 6, 10, 14, 18]);
    let text = main(2, "LDC_I4 v0, 2\nCALL v1, v0, REC\nEMIT v1\nRET_VOID") + &recursion();
    assert_eq!(outcome(&text), (vec![1, 2, 2], ENDED));
}

#[test]
fn a_switch() {
    for (case, output) in [(0, 0), (1, 1), (2, 0), (7, 9), (-1, 9)] {
        let body = format!(
            "LDC_I4 v0, {case}\nSWITCH v0, zero, one, zero\nEMIT #9\nRET_VOID
             zero: EMIT #0\nRET_VOID\none: EMIT #1\nRET v0"
        );
        let text = main(1, &body);
        check(&text, &[0, 2, 3, 6, 12, 16, 17, 21, 22, 26], &[output]);
        let program = assembled(&text);
        let slots = &program.methods()[0].slots()[6..12];
        assert_eq!(slots, [55, 0, 3, 8, 12, 6]);
        assert_eq!(fall_through(opcode::SWITCH, slots), Some(6));
    }
}

#[test]
fn calls() {
    let direct = main(1, "CALL v0, v0, LINE\nEMIT v0\nRET_VOID") + &line();
    check(&direct, &[0, 2, 3, 7, 11], &[7, 7]);
    let indirect = main(1, "CALLVIRT v0, v0, LINE\nEMIT v0\nRET_VOID") + &line();
    check(&indirect, &[0, 2, 3, 8, 12], &[7, 7]);
}

#[test]
fn a_tail_call_keeps_the_depth_and_the_result() {
    let through = debugged("H", 0, 1, "CALL_TAIL v0, v0, LINE\nRET v0");
    let text = main(1, "CALL v0, v0, H\nEMIT v0\nRET_VOID") + &through + &line();
    assert_eq!(outcome(&text), (vec![7, 7], ENDED));

    let mut vm = started(&text);
    run_to(&mut vm, 1, 3);
    vm.step(1);
    run_to(&mut vm, 1, 3);
    let before = vm.frames(1);
    let Did::Executed(step) = vm.step(1) else { panic!("a tail call") };
    let after = vm.frames(1);
    assert_eq!(after.len(), before.len());
    assert_eq!(after[0].address, before[0].address);
    assert_ne!(after[0].activation, before[0].activation);
    assert_eq!(step.entered, Some(after[0].activation));
    assert!(step.left);
    assert_eq!(after[1], before[1]);
}

#[test]
fn arithmetic() {
    let body = "LDC_I4 v0, 7\nLDC_I4 v1, 2\nDIV_I4 v2, v0, v1\nEMIT v2\nSUB_I8 v2, v0, v1\nEMIT v2
                ADD_I4 v2, v0, v1\nMOV_4 v3, v2\nBEQ_I4 v2, v3, same\nEMIT #99
                same: BLT_I4 v0, v1, less\nBLT_I4 v1, v0, end\nless: EMIT #98\nend: EMIT v3\nRET v3";
    assert_eq!(outcome(&main(4, body)), (vec![3, 5, 9], ENDED));
    assert_eq!(opcode::SUB_I8 & 0xff, 0xcc);
}

#[test]
fn a_suspension() {
    let body = |value| {
        format!(
            "LDC_I4 v0, {value}\nHANDLE_CONTINUATION_SUSPEND v0, 0\nHANDLE_CONTINUATION_RESUME 0
             EMIT #5\nRET_VOID"
        )
    };
    check(&main(1, &body(0)), &[0, 2, 3, 6, 9, 11, 15], &[5]);
    check(&main(1, &body(1)), &[0, 2, 3, 6, 9, 11, 15], &[]);
    // Without the first line, so that the variable is still null.
    let bare = "HANDLE_CONTINUATION_SUSPEND v0, 0\nHANDLE_CONTINUATION_RESUME 0\nEMIT #5\nRET_VOID";
    check(&main(1, bare), &[0, 2, 3, 6, 8, 12], &[5]);
    let mut vm = started(&main(1, bare));
    run_to(&mut vm, 1, 3);
    vm.step(1);
    assert!(matches!(vm.step(1), Did::Executed(step) if step.slot == 8), "not the resumption");
}

#[test]
fn a_native_call_blocks() {
    let mut vm = started(&main(0, "CALL_PINVOKE\nEMIT #1\nRET_VOID"));
    run_to(&mut vm, 1, 3);
    assert_eq!(vm.step(1), Did::Blocked);
    assert_eq!((vm.phase(1), vm.step(1)), (Phase::Blocked, Did::Waiting));
    assert!(vm.unblock(1));
    assert!(matches!(vm.step(1), Did::Executed(step) if step.opcode == opcode::CALL_PINVOKE));
    assert_eq!(run(&mut vm, 1), ENDED);
    assert_eq!((values(&vm), vm.unblock(1)), (vec![1], false));
}

#[test]
fn frames_lie_at_reused_addresses() {
    let body = "LDC_I4 v0, 1\nCALL v1, v0, REC\nCALL v1, v0, REC\nRET_VOID";
    let mut vm = started(&(main(2, body) + &recursion()));
    let (mut addresses, mut activations) = (Vec::new(), Vec::new());
    loop {
        match vm.step(1) {
            Did::Executed(step) if step.entered.is_some() => {
                let frames = vm.frames(1);
                assert_eq!(step.entered, Some(frames[0].activation));
                assert!(frames.windows(2).all(|pair| pair[0].address < pair[1].address));
                addresses.push(frames[0].address);
                activations.push(frames[0].activation);
            }
            Did::Executed(_) => {}
            did => break assert_eq!(did, ENDED),
        }
    }
    assert_eq!(addresses[..2], addresses[2..], "the second call finds the frames of the first");
    activations.dedup();
    assert_eq!(activations.len(), 4);
}

#[test]
fn a_call_leaves_nothing_behind() {
    let text = main(1, "again: CALL v0, v0, LINE\nBR again") + &line().replace("EMIT v0", "");
    let mut vm = started(&text);
    run_to(&mut vm, 1, 7);
    let before = vm.state_hash();
    vm.step(1);
    vm.step(1);
    run_to(&mut vm, 1, 7);
    assert_eq!(vm.state_hash(), before);
}

#[test]
fn an_endless_recursion_is_an_exception() {
    let (output, did) = outcome(&main(1, "CALL v0, v0, MAIN\nRET_VOID"));
    assert_eq!(
        (output, did),
        (vec![], Did::Ended { unhandled: Some(softdock_clr::STACK_OVERFLOW) })
    );
}

#[test]
fn two_threads_share_a_counter() {
    let body = "LDC_I4 v0, 1\nEXCHANGEADD_I4 v1, 2, v0\nEMIT v1\nRET_VOID";
    let program = assembled(&main(2, body));
    let run_in = |order: [u64; 2]| {
        let mut vm = softdock_clr::Vm::new(program.clone(), &[0, 0]);
        for thread in order {
            run_to(&mut vm, thread, 10);
        }
        assert_eq!((run(&mut vm, 1), run(&mut vm, 2)), (ENDED, ENDED));
        assert_eq!(vm.counters()[2], 2);
        vm.output().to_vec()
    };
    assert_eq!(run_in([1, 2]), [(1, 0), (2, 1)]);
    assert_eq!(run_in([2, 1]), [(1, 1), (2, 0)]);
}

#[test]
fn a_method_is_announced_when_someone_wants_to_know() {
    let mut vm = started(&line());
    vm.set_method_enter(true);
    let (at, point) = (vm.program().address(0, 0), vm.program().address(0, 2));
    assert_eq!(vm.step(1), Did::MethodEnter { at, sequence_point: Some(point) });
    assert_eq!((vm.phase(1), vm.step(1)), (Phase::MethodEnter, Did::Waiting));
    assert!(vm.go_on(1));
    assert!(matches!(vm.step(1), Did::Executed(step) if step.slot == 0));
    assert!(!vm.go_on(1));

    let mut vm = started(&method_without_sequence_point());
    vm.set_method_enter(true);
    assert_eq!(vm.step(1), Did::MethodEnter { at, sequence_point: None });
}

#[test]
fn addresses_and_places_agree() {
    let program = assembled(&(line() + &recursion()));
    for (index, method) in program.methods().iter().enumerate() {
        assert_eq!(program.place(method.at()), None, "a header is no place");
        for slot in 0..method.slots().len() as u32 {
            let at = program.address(index, slot);
            assert_eq!(program.place(at), Some((index, slot)));
            assert_eq!(program.place(at.checked_add(1).unwrap()), None);
        }
        let end = program.address(index, method.slots().len() as u32);
        assert_eq!(program.place(end), None, "what follows is no place");
    }
    assert_eq!(program.address(9, 0), softdock_process::Address::NULL);
}

#[test]
fn states_differ_when_something_that_matters_does() {
    let text = main(1, "CALL v0, v0, LINE\nRET_VOID") + &line();
    let one = started(&text);
    assert_eq!(one.state_hash(), started(&text).state_hash());
    let frame = one.frames(1)[0].address;
    let mut changed: Vec<_> = (0..6).map(|_| one.clone()).collect();
    changed[0].set_method_enter(true);
    changed[1].set_bypass(1, Some((frame, 0)));
    assert!(changed[2].set_variable(1, frame, 0, 5));
    changed[3].spawn(1);
    patch(&mut changed[4], 1, 10);
    changed[5].step(1);
    let mut hashes: Vec<u128> = changed.iter().map(|vm| vm.state_hash()).collect();
    hashes.push(one.state_hash());
    hashes.sort_unstable();
    hashes.dedup();
    assert_eq!(hashes.len(), 7);
}

#[test]
fn the_numbers_of_activations_are_not_part_of_a_state() {
    let text = main(1, "CALL v0, v0, LINE\nRET_VOID") + &line();
    let program = assembled(&text);
    let state = |order: [u64; 2]| {
        let mut vm = softdock_clr::Vm::new(program.clone(), &[0, 0]);
        for thread in order {
            run_to(&mut vm, thread, 3);
            vm.step(thread);
        }
        (vm.state_hash(), vm.frames(1)[0].activation)
    };
    let (one, other) = (state([1, 2]), state([2, 1]));
    assert_eq!(one.0, other.0);
    assert_ne!(one.1, other.1);
}

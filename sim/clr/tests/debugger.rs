//! What a debugger does to a process: breakpoints in memory, bypasses, moved threads, evaluations.

mod common;

use common::*;
use softdock_clr::{Context, Did, Phase, Vm, opcode};
use softdock_process::Address;

fn at(vm: &Vm, method: usize, slot: u32) -> Address {
    vm.program().address(method, slot)
}

/// Runs a thread into the breakpoint at this slot.
fn hit(vm: &mut Vm, method: usize, slot: u32) -> Context {
    let at = at(vm, method, slot);
    assert_eq!(run(vm, 1), Did::Hit { at });
    assert_eq!((vm.phase(1), vm.step(1)), (Phase::Hit, Did::Waiting));
    let context = vm.context(1).unwrap();
    assert_eq!(context.ip, at, "exactly at the breakpoint");
    context
}

#[test]
fn with_a_bypass_every_arrival_is_hit_once() {
    let body = "LDC_I4 v0, 2\nagain: SAFEPOINT\nEMIT v0\nADD_I4_IMM v0, v0, -1
                BRTRUE_I4 v0, again\nRET_VOID";
    let mut vm = started(&main(1, body));
    let original = patch(&mut vm, 0, 7);
    for _ in 0..2 {
        let context = hit(&mut vm, 0, 7);
        vm.set_bypass(1, Some((context.ip, original)));
        let Did::Executed(step) = vm.resume(1, context) else { panic!("the bypass was refused") };
        assert_eq!((step.slot, step.opcode), (7, opcode::CALL_HELPER_V_SS));
        assert!(step.emitted.is_some());
        assert_eq!(vm.bypass(1), None);
    }
    assert_eq!((run(&mut vm, 1), values(&vm)), (ENDED, vec![2, 1]));
}

#[test]
fn without_a_bypass_the_slot_is_fetched_again() {
    let mut vm = started(&line());
    let original = patch(&mut vm, 0, 6);
    for _ in 0..3 {
        let context = hit(&mut vm, 0, 6);
        assert_eq!(vm.resume(1, context), Did::Stayed);
    }
    let context = hit(&mut vm, 0, 6);
    vm.set_bypass(1, Some((at(&vm, 0, 3), original)));
    assert_eq!(vm.resume(1, context), Did::Stayed, "a bypass for elsewhere");
    assert_eq!(vm.bypass(1), Some((at(&vm, 0, 3), original)), "stays");
    put(&mut vm, 0, 6, original);
    assert_eq!((run(&mut vm, 1), values(&vm)), (ENDED, vec![7]));
}

#[test]
fn the_bypass_says_what_is_executed() {
    let mut vm = started(&line());
    patch(&mut vm, 0, 6);
    let context = hit(&mut vm, 0, 6);
    vm.set_bypass(1, Some((context.ip, opcode::RET)));
    assert!(matches!(vm.resume(1, context), Did::Executed(step) if step.left));
    assert_eq!((vm.step(1), values(&vm)), (ENDED, vec![]));

    let mut vm = started(&line());
    patch(&mut vm, 0, 6);
    let context = hit(&mut vm, 0, 6);
    vm.set_bypass(1, Some((context.ip, opcode::BREAKPOINT)));
    assert_eq!(vm.resume(1, context), Did::Hit { at: context.ip }, "again and again");
}

#[test]
fn a_tail_call_under_a_bypass_stays_one() {
    let text = main(1, "CALL v0, v0, H\nRET_VOID") + &debugged("H", 0, 1, "CALL_TAIL v0, v0, H");
    let mut vm = started(&text);
    let original = patch(&mut vm, 1, 3);
    for _ in 0..5 {
        let context = hit(&mut vm, 1, 3);
        vm.set_bypass(1, Some((context.ip, original)));
        vm.resume(1, context);
        assert_eq!(vm.frames(1).len(), 2);
    }
}

#[test]
fn a_method_enter_under_a_bypass_is_still_told() {
    let mut vm = started(&line());
    vm.set_method_enter(true);
    let original = patch(&mut vm, 0, 0);
    let context = hit(&mut vm, 0, 0);
    vm.set_bypass(1, Some((context.ip, original)));
    assert!(matches!(vm.resume(1, context), Did::MethodEnter { .. }));
    assert!(vm.go_on(1));
    assert!(matches!(vm.step(1), Did::Executed(step) if step.opcode == original));
}

#[test]
fn a_changed_ip_moves_the_thread_and_drops_the_bypass() {
    let mut vm = started(&line());
    let original = patch(&mut vm, 0, 6);
    let context = hit(&mut vm, 0, 6);
    vm.set_bypass(1, Some((context.ip, original)));
    let to = Context { ip: at(&vm, 0, 3), ..context };
    assert_eq!(vm.resume(1, to), Did::Moved);
    assert_eq!((vm.bypass(1), vm.context(1)), (None, Some(to)));
    let context = hit(&mut vm, 0, 6);
    assert_eq!(vm.resume(1, Context { ip: at(&vm, 0, 10), ..context }), Did::Moved);
    assert_eq!((run(&mut vm, 1), values(&vm)), (ENDED, vec![]));
}

#[test]
fn a_changed_frame_pops_the_deeper_ones() {
    let text = main(1, "CALL v0, v0, LINE\nEMIT #5\nRET_VOID") + &line();
    let mut vm = started(&text);
    patch(&mut vm, 1, 6);
    hit(&mut vm, 1, 6);
    let caller = vm.frames(1)[1];
    assert_eq!(caller.ip, at(&vm, 0, 7));
    assert_eq!(vm.resume(1, Context { ip: caller.ip, frame: caller.address }), Did::Moved);
    assert_eq!(vm.frames(1).len(), 1);
    assert_eq!((run(&mut vm, 1), values(&vm)), (ENDED, vec![5]));
}

/// The frame that the handler had is later that of a call of it, which is not to go on with an
/// exception of long ago.
#[test]
fn a_move_out_of_a_finally_forgets_the_exception() {
    let text = main(
        1,
        "try: LDC_I4 v0, 1\nTHROW v0\nafter: CALL_FINALLY always\nEMIT #3\nend_of_it: RET_VOID
         always: EMIT #1\nRET_VOID\nother: EMIT #2\nLEAVE_CATCH end_of_it
         finally try..after always\ncatch try..after other",
    );
    let mut vm = started(&text);
    let original = patch(&mut vm, 0, 17);
    hit(&mut vm, 0, 17);
    let owner = vm.frames(1)[1];
    put(&mut vm, 0, 17, original);
    vm.resume(1, Context { ip: at(&vm, 0, 10), frame: owner.address });
    assert_eq!((run(&mut vm, 1), values(&vm)), (ENDED, vec![1, 3]));
}

#[test]
fn a_context_that_fits_no_frame_crashes() {
    for (method, frame) in [(0, Address::new(64)), (0, Address::NULL), (1, Address::NULL)] {
        let mut vm = started(&(line() + &recursion()));
        patch(&mut vm, 0, 6);
        let context = hit(&mut vm, 0, 6);
        let frame = if method == 0 { frame } else { context.frame };
        let to = Context { ip: at(&vm, method, 3), frame };
        assert!(matches!(vm.resume(1, to), Did::Crashed(_)));
        assert_eq!(vm.phase(1), Phase::Ended);
    }
}

#[test]
fn an_evaluation_runs_on_a_stopped_thread_and_may_be_hit_itself() {
    let mut vm = started(&(line() + &recursion()));
    let emit = patch(&mut vm, 0, 6);
    let branch = patch(&mut vm, 1, 6);
    let outer = hit(&mut vm, 0, 6);
    vm.set_bypass(1, Some((outer.ip, emit)));
    assert!(!vm.evaluate(1, 1, &[]), "an argument is missing");
    assert!(!vm.evaluate(1, 9, &[]));
    assert!(vm.evaluate(1, 1, &[1]));
    assert_eq!((vm.phase(1), vm.evaluations(1)), (Phase::Ready, 1));
    assert!(vm.frames(1)[0].is_bottom_of_evaluation);
    assert!(!vm.frames(1)[1].is_bottom_of_evaluation);

    let inner = hit(&mut vm, 1, 6);
    assert!(vm.evaluate(1, 1, &[0]), "an evaluation in an evaluation");
    assert_eq!(run(&mut vm, 1), Did::Evaluated(Ok(Some(0))));
    assert_eq!((vm.context(1), vm.evaluations(1)), (Some(inner), 1));
    assert_eq!(vm.bypass(1), Some((outer.ip, emit)), "the bypass is the debugger's business");
    vm.set_bypass(1, Some((inner.ip, branch)));
    assert!(matches!(vm.resume(1, inner), Did::Executed(_)));
    assert_eq!(run(&mut vm, 1), Did::Evaluated(Ok(Some(1))));

    assert_eq!((vm.phase(1), vm.context(1)), (Phase::Hit, Some(outer)));
    vm.set_bypass(1, Some((outer.ip, emit)));
    assert!(matches!(vm.resume(1, outer), Did::Executed(_)));
    assert_eq!((run(&mut vm, 1), values(&vm)), (ENDED, vec![1, 7]));
}

#[test]
fn an_evaluation_that_throws_runs_its_finally_and_nothing_outside() {
    let main = main(
        1,
        "try: EMIT #1\nafter: RET_VOID\nhandler: EMIT #9\nLEAVE_CATCH after
                        catch try..after handler",
    );
    let bad = debugged(
        "BAD",
        1,
        1,
        "try: THROW v0\nafter: RET_VOID\nalways: EMIT #2\nRET_VOID
                                     finally try..after always",
    );
    let mut vm = started(&(main + &bad));
    let original = patch(&mut vm, 0, 3);
    let context = hit(&mut vm, 0, 3);
    let before = vm.frames(1);
    assert!(vm.evaluate(1, 1, &[5]));
    assert_eq!(run(&mut vm, 1), Did::Evaluated(Err(5)));
    assert_eq!((vm.phase(1), vm.frames(1)), (Phase::Hit, before));
    vm.set_bypass(1, Some((context.ip, original)));
    assert!(matches!(vm.resume(1, context), Did::Executed(_)));
    assert_eq!((run(&mut vm, 1), values(&vm)), (ENDED, vec![2, 1]));
}

#[test]
fn a_move_cannot_leave_an_evaluation() {
    let mut vm = started(&(line() + &recursion()));
    patch(&mut vm, 0, 6);
    patch(&mut vm, 1, 3);
    let outer = hit(&mut vm, 0, 6);
    assert!(vm.evaluate(1, 1, &[1]));
    hit(&mut vm, 1, 3);
    assert!(matches!(vm.resume(1, outer), Did::Crashed(_)));
}

#[test]
fn an_evaluation_has_a_context_of_its_own() {
    let mut vm = started(&(line() + &recursion()));
    patch(&mut vm, 0, 6);
    let branch = patch(&mut vm, 1, 3);
    let outer = hit(&mut vm, 0, 6);
    let moved = Context { ip: at(&vm, 0, 10), ..outer };
    assert!(vm.set_context(1, moved));
    assert!(vm.evaluate(1, 1, &[0]));
    let inner = hit(&mut vm, 1, 3);
    assert_eq!(inner.ip, at(&vm, 1, 3), "not where the interrupted one will go on");
    vm.set_bypass(1, Some((inner.ip, branch)));
    vm.resume(1, inner);
    assert_eq!(run(&mut vm, 1), Did::Evaluated(Ok(Some(0))));
    assert_eq!(vm.context(1), Some(moved));
}

#[test]
fn variables_are_read_and_written_where_they_lie() {
    let mut vm = started(&line());
    let original = patch(&mut vm, 0, 6);
    let context = hit(&mut vm, 0, 6);
    assert_eq!(vm.variable(1, context.frame, 0), Some(7));
    assert_eq!(vm.variable(1, context.frame, 1), None);
    assert!(vm.set_variable(1, context.frame, 0, 40));
    assert!(!vm.set_variable(2, context.frame, 0, 40));
    vm.set_bypass(1, Some((context.ip, original)));
    vm.resume(1, context);
    assert_eq!(values(&vm), [40]);
}

/// Whatever a wrong debugger leaves in the slots, a thread ends or goes on; nothing panics.
#[test]
fn no_word_in_memory_panics() {
    let text = main(
        3,
        "LDC_I4 v0, 2\nCALL v1, v0, REC\nSWITCH v0, a, b\na: EMIT v1\nb: THROW v0
         c: RET_VOID\nhandler: LOAD_EXCEPTION v1\nEMIT v1\nLEAVE_CATCH c
         filter: LEAVE_FILTER v0\nlast: RETHROW\nalways: EMIT #4\nRET_VOID
         finally a..c always\nfilter a..c filter last\ncatch a..c handler",
    ) + &recursion();
    let program = assembled(&text);
    let words = (0..360).chain([u32::MAX, i32::MAX as u32, u32::MAX - 2, 1 << 20]);
    for word in words {
        for slot in 0..program.methods()[0].slots().len() as u32 {
            let mut vm = Vm::new(program.clone(), &[0]);
            put(&mut vm, 0, slot, word);
            for _ in 0..200 {
                vm.step(1);
                vm.go_on(1);
                vm.unblock(1);
            }
        }
    }
}

//! Exceptions: who takes them, what runs on the way, and what is told before.

mod common;

use common::*;
use softdock_clr::{DIVIDED_BY_ZERO, Did, FrameKind, Phase};

/// A throw at slot 6, the place behind it at 10, a handler and its clause behind that.
fn thrower(rest: &str) -> String {
    main(3, &format!("try: LDC_I4 v0, 1\nTHROW v0\nafter: EMIT #3\nRET_VOID\n{rest}"))
}

const CATCH: &str = "handler: LOAD_EXCEPTION v1\nEMIT #2\nLEAVE_CATCH after";

fn catching() -> String {
    thrower(&format!("{CATCH}\ncatch try..after handler"))
}

/// With a filter that answers this.
fn filtering(verdict: i32) -> String {
    let filter = format!("filter: LOAD_EXCEPTION v1\nLDC_I4 v2, {verdict}\nLEAVE_FILTER v2");
    thrower(&format!("{filter}\n{CATCH}\nfilter try..after filter handler"))
}

fn starts(text: &str) -> Vec<u32> {
    assembled(text).methods()[0].starts().collect()
}

#[test]
fn a_catch() {
    assert_eq!(starts(&catching()), [0, 2, 3, 6, 10, 14, 15, 17, 21]);
    assert_eq!(outcome(&catching()), (vec![2, 3], ENDED));
    let program = assembled(&catching());
    let leave = program.methods()[0].instruction(21).unwrap();
    assert!(!leave.mapped, "plumbing has no line");
    assert_eq!(program.methods()[0].slots()[22].cast_signed(), -11);
}

#[test]
fn a_catch_is_told_before_and_runs_in_a_frame_of_its_own() {
    let mut vm = started(&catching());
    run_to(&mut vm, 1, 6);
    assert!(matches!(vm.step(1), Did::Executed(step) if step.slot == 6), "the throw itself");
    let method = vm.frames(1)[0];
    let handler = vm.program().address(0, 15);
    assert_eq!(vm.step(1), Did::Unwinding { handler, frame: method.address });
    assert_eq!((vm.phase(1), vm.step(1)), (Phase::Unwinding, Did::Waiting));
    assert!(vm.go_on(1));
    let frames = vm.frames(1);
    assert_eq!((frames.len(), frames[0].kind, frames[0].ip), (2, FrameKind::Catch, handler));
    assert_eq!((frames[0].owner, frames[1].address), (method.address, method.address));
    let Did::Executed(step) = vm.step(1) else { panic!("LOAD_EXCEPTION") };
    assert_eq!((step.owner, step.activation), (method.activation, frames[0].activation));
    assert_ne!(step.owner, step.activation);
    assert_eq!(vm.variable(1, method.address, 1), Some(1), "the handler uses its variables");
    assert_eq!(vm.variable(1, frames[0].address, 1), Some(1));
    assert_eq!(run(&mut vm, 1), ENDED);
}

#[test]
fn filters_accept_and_reject() {
    assert_eq!(starts(&filtering(1)), [0, 2, 3, 6, 10, 14, 15, 17, 20, 22, 24, 28]);
    assert_eq!(outcome(&filtering(1)), (vec![2, 3], ENDED));
    assert_eq!(outcome(&filtering(0)), (vec![], Did::Ended { unhandled: Some(1) }));
}

#[test]
fn a_filter_runs_while_the_thrower_is_alive() {
    let text = main(
        2,
        "try: CALL v0, v0, H\nafter: EMIT #3\nRET_VOID\nfilter: LDC_I4 v1, 1
         LEAVE_FILTER v1\nhandler: LEAVE_CATCH after\nfilter try..after filter handler",
    ) + &debugged("H", 0, 1, "LDC_I4 v0, 4\nTHROW v0");
    let mut vm = started(&text);
    let frame = vm.frames(1)[0].address;
    let did = loop {
        match vm.step(1) {
            Did::Executed(_) => {}
            did => break did,
        }
    };
    let filter = vm.program().address(0, 12);
    assert_eq!(did, Did::Filtering { filter, frame });
    assert!(vm.go_on(1));
    let frames = vm.frames(1);
    let kinds: Vec<FrameKind> = frames.iter().map(|frame| frame.kind).collect();
    assert_eq!(kinds, [FrameKind::Filter, FrameKind::Method, FrameKind::Method]);
    assert_eq!((frames[0].owner, frames[1].method), (frames[2].address, 1));
    vm.step(1);
    assert!(matches!(vm.step(1), Did::Executed(step) if step.left));
    assert!(matches!(vm.step(1), Did::Unwinding { .. }));
    assert_eq!(vm.frames(1).len(), 2, "the thrower is still there");
    assert!(vm.go_on(1));
    assert_eq!((vm.frames(1).len(), vm.frames(1)[0].kind), (2, FrameKind::Catch));
    assert_eq!((run(&mut vm, 1), values(&vm)), (ENDED, vec![3]));
}

#[test]
fn a_filter_that_throws_says_no() {
    let text = main(
        2,
        "try: LDC_I4 v0, 1\nTHROW v0\nafter: EMIT #3\nRET_VOID
         filter: EMIT #4\nbad: LDC_I4 v1, 9\nTHROW v1\nlast: EMIT #5\nRET_VOID
         handler: EMIT #2\nLEAVE_CATCH after\nouter: LOAD_EXCEPTION v1\nEMIT v1\nLEAVE_CATCH after
         always: EMIT #6\nRET_VOID
         finally bad..last always\nfilter try..after filter handler\ncatch try..after outer",
    );
    assert_eq!(outcome(&text), (vec![4, 6, 1, 3], ENDED));
}

#[test]
fn a_finally_on_the_normal_way() {
    let text = main(
        0,
        "try: EMIT #1\nCALL_FINALLY always\nEMIT #3\nRET_VOID
                        always: EMIT #2\nRET_VOID\nfinally try..out always\nout:",
    )
    .replace("finally try..out always\nout:", "finally try..always always");
    assert_eq!(starts(&text), [0, 2, 3, 7, 9, 13, 14, 18]);
    assert_eq!(outcome(&text), (vec![1, 2, 3], ENDED));
    let mut vm = started(&text);
    run_to(&mut vm, 1, 7);
    let Did::Executed(step) = vm.step(1) else { panic!("CALL_FINALLY") };
    let frames = vm.frames(1);
    assert_eq!((frames.len(), frames[0].kind), (2, FrameKind::Finally));
    assert_eq!(step.entered, Some(frames[0].activation));
    assert_eq!(frames[1].ip, vm.program().address(0, 9));
}

#[test]
fn finally_handlers_run_inner_first_and_before_the_catch() {
    let callee = debugged(
        "H",
        0,
        1,
        "a: LDC_I4 v0, 8\nb: THROW v0\nc: RET v0
         inner: EMIT #1\nRET_VOID\nouter: EMIT #2\nRET_VOID
         finally b..c inner\nfinally a..c outer",
    );
    let text = main(
        1,
        "try: CALL v0, v0, H\nafter: RET_VOID\nalways: EMIT #3\nRET_VOID
         handler: LOAD_EXCEPTION v0\nEMIT v0\nLEAVE_CATCH after
         finally try..after always\ncatch try..after handler",
    );
    assert_eq!(outcome(&(text + &callee)), (vec![1, 2, 3, 8], ENDED));
}

#[test]
fn an_exception_in_a_finally_takes_the_place_of_the_first() {
    let text = main(
        1,
        "try: LDC_I4 v0, 1\nTHROW v0\nafter: RET_VOID
         always: LDC_I4 v0, 2\nTHROW v0\nlast: RET_VOID
         handler: LOAD_EXCEPTION v0\nEMIT v0\nLEAVE_CATCH after
         finally try..after always\ncatch try..after handler",
    );
    assert_eq!(outcome(&text), (vec![2], ENDED));
}

#[test]
fn an_exception_inside_a_finally_that_is_taken_there_changes_nothing() {
    let text = main(
        1,
        "try: LDC_I4 v0, 1\nTHROW v0\nafter: RET_VOID
         always: LDC_I4 v0, 2\nTHROW v0\nback: EMIT #7\nRET_VOID
         small: EMIT #6\nLEAVE_CATCH back
         handler: LOAD_EXCEPTION v0\nEMIT v0\nLEAVE_CATCH after
         catch always..back small\nfinally try..after always\ncatch try..after handler",
    );
    assert_eq!(outcome(&text), (vec![6, 7, 1], ENDED));
}

#[test]
fn siblings_do_not_take_what_a_handler_throws() {
    let rethrown = |outer: &str| {
        main(
            1,
            &format!(
                "try: LDC_I4 v0, 5\nTHROW v0\nafter: EMIT #3\nRET_VOID
             one: EMIT #1\nRETHROW\ntwo: EMIT #2\nLEAVE_CATCH after
             three: LOAD_EXCEPTION v0\nEMIT v0\nLEAVE_CATCH after
             catch try..after one\ncatch try..after two\n{outer}"
            ),
        )
    };
    assert_eq!(outcome(&rethrown("")), (vec![1], Did::Ended { unhandled: Some(5) }));
    let wider = rethrown("catch seq..after three");
    assert_eq!(outcome(&wider), (vec![1, 5, 3], ENDED));
}

#[test]
fn a_division_by_zero_throws() {
    let text = main(
        3,
        "try: LDC_I4 v0, 1\nLDC_I4 v1, 0\nDIV_I4 v2, v0, v1\nafter: EMIT #9
         end: RET_VOID\nhandler: EMIT #2\nLEAVE_CATCH end\ncatch try..after handler",
    )
    .replace("end:", "out:")
    .replace("LEAVE_CATCH end", "LEAVE_CATCH out");
    assert_eq!(starts(&text), [0, 2, 3, 6, 9, 13, 17, 18, 22]);
    assert_eq!(assembled(&text).methods()[0].slots()[23].cast_signed(), -5);
    assert_eq!(outcome(&text), (vec![2], ENDED));
    let bare = main(1, "DIV_I4 v0, v0, v0\nRET_VOID");
    assert_eq!(outcome(&bare), (vec![], Did::Ended { unhandled: Some(DIVIDED_BY_ZERO) }));
}

#[test]
fn the_instruction_behind_a_call_is_not_protected_by_the_call() {
    let callee = debugged("H", 0, 1, "LDC_I4 v0, 4\nTHROW v0");
    // The range starts at the place to go on at, so that the call is outside of it.
    let text = main(
        1,
        "CALL v0, v0, H\ntry: EMIT #1\nafter: RET_VOID
         handler: EMIT #2\nLEAVE_CATCH after\ncatch try..after handler",
    );
    assert_eq!(outcome(&(text + &callee)), (vec![], Did::Ended { unhandled: Some(4) }));
}

#[test]
fn handlers_do_not_mix() {
    for body in ["RETHROW", "LEAVE_FILTER v0", "LOAD_EXCEPTION v0\nRET v0", "x: LEAVE_CATCH x"] {
        assert!(matches!(outcome(&main(1, body)).1, Did::Crashed(_)), "{body}");
    }
    let wrong = "CALL_FINALLY always\nRET_VOID\nalways: RET v0";
    assert!(matches!(outcome(&main(1, wrong)).1, Did::Crashed(_)), "a finally returns nothing");
    let text = catching().replace("LEAVE_CATCH after", "RET_VOID");
    assert!(matches!(outcome(&text).1, Did::Crashed(_)), "a catch is not left by RET_VOID");
}

/// A range that starts with the instruction that throws, reached from a call: by its return, and
/// out of a handler.
#[test]
fn a_call_that_is_over_protects_nothing() {
    let handler = "handler: EMIT #2\nLEAVE_CATCH out\ncatch try..out handler";
    let returned = format!("CALL v0, v0, LINE\ntry: THROW v0\nout: RET_VOID\n{handler}");
    assert_eq!(outcome(&(main(1, &returned) + &line())), (vec![7, 2], ENDED));

    let bad = debugged("BAD", 0, 1, "THROW v0");
    let left = format!(
        "call: CALL v0, v0, BAD\ntry: THROW v0\nout: RET_VOID
         first: EMIT #1\nLEAVE_CATCH try\ncatch call..try first\n{handler}"
    );
    assert_eq!(outcome(&(main(1, &left) + &bad)), (vec![1, 2], ENDED));
}

#[test]
fn a_finally_calls_a_finally_while_an_exception_waits() {
    let text = main(
        1,
        "try: LDC_I4 v0, 5\nTHROW v0\nafter: EMIT #4\nRET_VOID
         always: EMIT #1\nCALL_FINALLY small\nEMIT #3\nRET_VOID\nsmall: EMIT #2\nRET_VOID
         handler: LOAD_EXCEPTION v0\nEMIT v0\nLEAVE_CATCH after
         finally always..small small\nfinally try..after always\ncatch try..after handler",
    );
    assert_eq!(outcome(&text), (vec![1, 2, 3, 5, 4], ENDED));
}

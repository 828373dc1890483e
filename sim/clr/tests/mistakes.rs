//! What the assembler refuses, and where it says so.

mod common;

use common::method;
use softdock_clr::{TABLE, assemble, name, number};

/// The mistake in a method `M` with two variables and this body, as `line:column: message`.
fn body(text: &str) -> String {
    whole(&method("M", 1, 2, text))
}

fn whole(text: &str) -> String {
    assemble(text).map(|_| ()).expect_err(text).to_string()
}

#[test]
fn names() {
    assert_eq!(
        body("  ADD_I4_IM v0, v0, 1"),
        "2:3: there is no opcode ADD_I4_IM; did you mean ADD_I4_IMM?"
    );
    assert_eq!(body("emit v0"), "2:1: there is no opcode emit; did you mean EMIT?");
    assert_eq!(body("FROBNICATE"), "2:1: there is no opcode FROBNICATE");
    assert_eq!(body("HALT"), "2:1: CoreCLR has HALT, but this interpreter does not run it");
    assert_eq!(body("ä: BR b"), "2:7: there is no label `b`");
    assert_eq!(body("CALL v0, v1, N\nRET v0"), "2:14: there is no method `N`");
    assert_eq!(body("a: RET v0\na: RET v0"), "3:1: there is a label `a` already");
    assert_eq!(body("a: : RET v0"), "2:4: a label needs a name");
    let twice = method("M", 0, 0, "RET_VOID") + &method("M", 0, 0, "RET_VOID");
    assert_eq!(whole(&twice), "4:8: there is a method `M` already");
}

#[test]
fn operands() {
    assert_eq!(body("RET v0, v1"), "2:1: RET takes 1 operand, not 2");
    assert_eq!(body("RET"), "2:1: RET takes 1 operand, not 0");
    assert_eq!(body("RET v2"), "2:5: there is no variable v2: locals 2");
    assert_eq!(body("RET 2"), "2:5: `2` is no variable, as v0 is");
    assert_eq!(body("LDC_I4 v0, 4294967296"), "2:12: `4294967296` is no 32-bit number");
    assert_eq!(body("EMIT #-1"), "2:6: a number that is written out is not negative");
    assert_eq!(body("EXCHANGEADD_I4 v0, 4, v1"), "2:20: there are only the counters 0 to 3");
    assert_eq!(body("SWITCH v0"), "2:1: SWITCH takes 2 operands, not 1");
    assert_eq!(body("BR end_of_it\nend_of_it:"), "2:4: no instruction follows label `end_of_it`");
    let needy = method("N", 2, 2, "RET v0");
    let text = method("M", 0, 2, "CALL v0, v1, N\nRET v0") + &needy;
    assert_eq!(whole(&text), "2:10: N takes 2 arguments: there are no such variables");
    assert_eq!(body("hidden"), "2:7: `hidden` needs an instruction");
}

#[test]
fn ends() {
    let falls = "control falls through this instruction into what is no part of it";
    assert_eq!(body("RET v0\nEMIT v0"), format!("3:1: {falls}: the method must end before"));
    assert_eq!(body(""), "1:8: there are no instructions before the method ends");
    let before = "what comes before a handler must end before";
    let text = "a: EMIT #1\nb: EMIT #2\nRET_VOID\ncatch a..b b";
    assert_eq!(body(text), format!("2:4: {falls}: {before}"));
    assert_eq!(body("a: RET_VOID\nb: RET_VOID\ncatch b..a b"), "4:7: the range is empty");
    assert_eq!(body("a: RET_VOID\ncatch a b"), "3:1: wanted: `catch FROM..TO HANDLER`");
    let filter = "a: RET_VOID\nb: RET_VOID\nfilter a..b b";
    assert_eq!(body(filter), "4:1: wanted: `filter FROM..TO FILTER HANDLER`");
}

/// What no compiler emits, and what would be taken for a mistake of the debugger's.
#[test]
fn order() {
    let entered = "a: DEBUG_METHOD_ENTER b\nNOP\nb: RET_VOID";
    assert_eq!(body(entered), "2:4: the first line of a method begins behind this");
    let late = "NOP\nDEBUG_METHOD_ENTER -\nRET_VOID";
    assert_eq!(body(late), "3:1: a method is entered at its start");
    let suspended = "HANDLE_CONTINUATION_SUSPEND v0, 0\nRET_VOID";
    assert_eq!(body(suspended), "2:1: HANDLE_CONTINUATION_RESUME must follow this");
    let inner = "a: EMIT #1\nRET_VOID\nb: RET_VOID\nc: RET_VOID\nd: RET_VOID";
    let held = "there is a handler in this range";
    assert_eq!(body(&format!("{inner}\ncatch a..c b")), format!("7:7: {held}"));
    let around = "finally a..b b\ncatch a..d d";
    assert_eq!(body(&format!("{inner}\n{around}")), format!("8:7: {held}"));
    let twice = "catch a..b d\nfinally a..b d";
    let message = "this begins a catch already, and cannot begin a finally";
    assert_eq!(body(&format!("{inner}\n{twice}")), format!("8:14: {message}"));
    let filter = "filter a..c b d";
    assert_eq!(body(&format!("{inner}\n{filter}")), format!("7:8: {held}"));
    let apart = format!("{inner}\nfinally a..b b\ncatch b..c d");
    assert!(assemble(&method("M", 0, 0, &apart)).is_ok(), "a handler that begins with a `try`");
}

#[test]
fn methods() {
    assert_eq!(whole(""), "1:1: there is no method");
    assert_eq!(whole("; only this\n\n"), "2:1: there is no method");
    assert_eq!(whole("RET v0"), "1:1: this stands outside of any method");
    assert_eq!(whole("method M args 0"), "1:1: a method starts with `method NAME args N locals N`");
    assert_eq!(whole("method M arg 0 locals 0"), "1:10: `args` is missing before this");
    assert_eq!(whole("method M args x locals 0"), "1:15: `x` is no number");
    assert_eq!(whole("method M args 0 locals 257"), "1:24: more than 256 locals");
    let much = "1:15: arguments are locals too: more args than locals";
    assert_eq!(whole("method M args 1 locals 0"), much);
    assert_eq!(whole("method M args 0 locals 0\nRET_VOID"), "1:8: method `M` has no `end`");
    let open = "method M args 0 locals 0\nRET_VOID\nmethod N args 0 locals 0";
    assert_eq!(whole(open), "3:1: the method before has no `end`");
}

#[test]
fn no_text_panics() {
    let good = common::recursion()
        + "; ä\n"
        + &method("M", 0, 1, "a: EMIT #1\nRET v0\ncatch a..b b\nb: RETHROW");
    for cut in (0..good.len()).filter(|cut| good.is_char_boundary(*cut)) {
        let _ = assemble(&good[..cut]);
        for put in [":", ",", "..", "\u{2003}", "v", "#", "\n", "ß"] {
            let _ = assemble(&format!("{}{put}{}", &good[..cut], &good[cut..]));
        }
    }
}

#[test]
fn the_table_is_the_one_it_should_be() {
    for (at, opcode) in [(0, "RET"), (55, "SWITCH"), (204, "SUB_I8"), (317, "BREAKPOINT")] {
        assert_eq!((name(at), number(opcode)), (Some(opcode), Some(at)));
    }
    let mut names: Vec<&str> = TABLE.iter().map(|(name, _)| *name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!((names.len(), name(355), number("EMIT")), (355, None, None));
    let variable: Vec<_> = TABLE.iter().filter(|(_, length)| *length == 0).collect();
    assert_eq!(variable, [&("SWITCH", 0)]);
}

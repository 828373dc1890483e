//! Which opcodes a program may be written in, and the operands of each. It knows no text and no
//! effects.

use crate::table::opcode::*;

/// What an operand is, and so how its slot is filled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operand {
    /// A variable: its index.
    Variable,
    /// A number.
    Number,
    /// The number of a shared counter.
    Counter,
    /// A label: its distance from the start of the instruction.
    Label,
    /// A label or `-`: its slot or -1.
    Entry,
    /// A method: its number. The operand before it is the first of its arguments.
    Method,
    /// Labels to the end of the line: their number, then each one's distance from its own slot.
    Labels,
    /// What is written out, a variable or `#` and a number, in the three slots of the helper.
    Emitted,
}

use Operand::{Counter, Emitted, Entry, Label, Labels, Method, Number, Variable};

/// The mnemonics, their opcodes and their operands. An instruction that is longer than its
/// operands ends in zeros, which CoreCLR fills with what only its own calls need.
pub const SHAPES: [(&str, u32, &[Operand]); 33] = [
    ("RET", RET, &[Variable]),
    ("RET_VOID", RET_VOID, &[]),
    ("LDC_I4", LDC_I4, &[Variable, Number]),
    ("MOV_4", MOV_4, &[Variable, Variable]),
    ("SWITCH", SWITCH, &[Variable, Labels]),
    ("SAFEPOINT", SAFEPOINT, &[]),
    ("BR", BR, &[Label]),
    ("BRFALSE_I4", BRFALSE_I4, &[Variable, Label]),
    ("BRTRUE_I4", BRTRUE_I4, &[Variable, Label]),
    ("BEQ_I4", BEQ_I4, &[Variable, Variable, Label]),
    ("BLT_I4", BLT_I4, &[Variable, Variable, Label]),
    ("ADD_I4_IMM", ADD_I4_IMM, &[Variable, Variable, Number]),
    ("ADD_I4", ADD_I4, &[Variable, Variable, Variable]),
    ("SUB_I8", SUB_I8, &[Variable, Variable, Variable]),
    ("DIV_I4", DIV_I4, &[Variable, Variable, Variable]),
    ("CALL", CALL, &[Variable, Variable, Method]),
    ("CALLVIRT", CALLVIRT, &[Variable, Variable, Method]),
    ("CALL_TAIL", CALL_TAIL, &[Variable, Variable, Method]),
    ("CALL_PINVOKE", CALL_PINVOKE, &[]),
    ("EMIT", CALL_HELPER_V_SS, &[Emitted]),
    ("CALL_FINALLY", CALL_FINALLY, &[Label]),
    ("BREAKPOINT", BREAKPOINT, &[]),
    ("THROW", THROW, &[Variable]),
    ("RETHROW", RETHROW, &[]),
    ("LEAVE_FILTER", LEAVE_FILTER, &[Variable]),
    ("LEAVE_CATCH", LEAVE_CATCH, &[Label]),
    ("LOAD_EXCEPTION", LOAD_EXCEPTION, &[Variable]),
    ("HANDLE_CONTINUATION_SUSPEND", HANDLE_CONTINUATION_SUSPEND, &[Variable, Number]),
    ("HANDLE_CONTINUATION_RESUME", HANDLE_CONTINUATION_RESUME, &[Number]),
    ("EXCHANGEADD_I4", EXCHANGEADD_I4, &[Variable, Counter, Variable]),
    ("DEBUG_METHOD_ENTER", DEBUG_METHOD_ENTER, &[Entry]),
    ("DEBUG_SEQ_POINT", DEBUG_SEQ_POINT, &[]),
    ("NOP", NOP, &[]),
];

/// Whether control never falls through this instruction.
#[must_use]
pub fn is_terminator(opcode: u32) -> bool {
    matches!(opcode, RET | RET_VOID | BR | THROW | RETHROW | LEAVE_FILTER | LEAVE_CATCH | CALL_TAIL)
}

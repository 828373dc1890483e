//! The opcodes of CoreCLR's interpreter: names and lengths, and the numbers of those that run here.
//! It knows no operands and no effects.
//!
//! The number of an opcode is its position. Numbers drift from build to build; these are those of
//! spring 2026, and only `RET` = 0 has never moved.

/// The numbers of the opcodes that this interpreter runs, and of `BREAKPOINT`.
#[expect(missing_docs, reason = "the names are CoreCLR's, and say what there is to say")]
pub mod opcode {
    pub const RET: u32 = 0;
    pub const RET_VOID: u32 = 6;
    pub const LDC_I4: u32 = 9;
    pub const MOV_4: u32 = 51;
    pub const SWITCH: u32 = 55;
    pub const SAFEPOINT: u32 = 56;
    pub const BR: u32 = 57;
    pub const BRFALSE_I4: u32 = 58;
    pub const BRTRUE_I4: u32 = 60;
    pub const BEQ_I4: u32 = 62;
    pub const BLT_I4: u32 = 74;
    pub const ADD_I4_IMM: u32 = 193;
    pub const ADD_I4: u32 = 195;
    pub const SUB_I8: u32 = 204;
    pub const DIV_I4: u32 = 219;
    pub const CALL: u32 = 285;
    pub const CALLVIRT: u32 = 290;
    pub const CALL_PINVOKE: u32 = 291;
    pub const CALL_TAIL: u32 = 295;
    pub const CALL_HELPER_V_SS: u32 = 309;
    pub const CALL_FINALLY: u32 = 312;
    pub const BREAKPOINT: u32 = 317;
    pub const THROW: u32 = 319;
    pub const RETHROW: u32 = 320;
    pub const LEAVE_FILTER: u32 = 321;
    pub const LEAVE_CATCH: u32 = 322;
    pub const LOAD_EXCEPTION: u32 = 323;
    pub const HANDLE_CONTINUATION_SUSPEND: u32 = 331;
    pub const HANDLE_CONTINUATION_RESUME: u32 = 332;
    pub const EXCHANGEADD_I4: u32 = 345;
    pub const DEBUG_METHOD_ENTER: u32 = 350;
    pub const DEBUG_SEQ_POINT: u32 = 351;
    pub const NOP: u32 = 352;
}

/// Name and length in slots of each opcode, in the order of their numbers. Length 0 means that it
/// depends on the operands, as of `SWITCH` only.
#[rustfmt::skip]
pub const TABLE: [(&str, u32); 355] = [
    ("RET", 2), ("RET_I1", 2), ("RET_U1", 2), ("RET_I2", 2), ("RET_U2", 2), ("RET_VT", 3),
    ("RET_VOID", 1), ("INITLOCALS", 3), ("MEMBAR", 1), ("LDC_I4", 3), ("LDC_I4_0", 2),
    ("LDC_I8_0", 2), ("LDC_I8", 4), ("LDC_R4", 3), ("LDC_R8", 4), ("LDPTR", 3),
    ("LDPTR_DEREF", 3), ("NULLCHECK", 2), ("NEWARR", 5), ("NEWARR_GENERIC", 6), ("NEWMDARR", 5),
    ("NEWMDARR_GENERIC", 6), ("LDELEM_I1", 4), ("LDELEM_U1", 4), ("LDELEM_I2", 4),
    ("LDELEM_U2", 4), ("LDELEM_I4", 4), ("LDELEM_I8", 4), ("LDELEM_R4", 4), ("LDELEM_R8", 4),
    ("LDELEM_REF", 4), ("LDELEM_VT", 5), ("STELEM_I1", 4), ("STELEM_U1", 4), ("STELEM_I2", 4),
    ("STELEM_U2", 4), ("STELEM_I4", 4), ("STELEM_I8", 4), ("STELEM_R4", 4), ("STELEM_R8", 4),
    ("STELEM_REF", 4), ("STELEM_VT", 6), ("STELEM_VT_NOREF", 5), ("LDELEMA", 5),
    ("LDELEMA_REF", 5), ("LDELEMA_REF_GENERIC", 6), ("CONV_NI", 4), ("MOV_I4_I1", 3),
    ("MOV_I4_U1", 3), ("MOV_I4_I2", 3), ("MOV_I4_U2", 3), ("MOV_4", 3), ("MOV_8", 3),
    ("MOV_VT", 4), ("LDLOCA", 3), ("SWITCH", 0), ("SAFEPOINT", 1), ("BR", 2), ("BRFALSE_I4", 3),
    ("BRFALSE_I8", 3), ("BRTRUE_I4", 3), ("BRTRUE_I8", 3), ("BEQ_I4", 4), ("BEQ_I8", 4),
    ("BEQ_R4", 4), ("BEQ_R8", 4), ("BGE_I4", 4), ("BGE_I8", 4), ("BGE_R4", 4), ("BGE_R8", 4),
    ("BGT_I4", 4), ("BGT_I8", 4), ("BGT_R4", 4), ("BGT_R8", 4), ("BLT_I4", 4), ("BLT_I8", 4),
    ("BLT_R4", 4), ("BLT_R8", 4), ("BLE_I4", 4), ("BLE_I8", 4), ("BLE_R4", 4), ("BLE_R8", 4),
    ("BNE_UN_I4", 4), ("BNE_UN_I8", 4), ("BNE_UN_R4", 4), ("BNE_UN_R8", 4), ("BGE_UN_I4", 4),
    ("BGE_UN_I8", 4), ("BGE_UN_R4", 4), ("BGE_UN_R8", 4), ("BGT_UN_I4", 4), ("BGT_UN_I8", 4),
    ("BGT_UN_R4", 4), ("BGT_UN_R8", 4), ("BLE_UN_I4", 4), ("BLE_UN_I8", 4), ("BLE_UN_R4", 4),
    ("BLE_UN_R8", 4), ("BLT_UN_I4", 4), ("BLT_UN_I8", 4), ("BLT_UN_R4", 4), ("BLT_UN_R8", 4),
    ("NEG_I4", 3), ("NEG_I8", 3), ("NEG_R4", 3), ("NEG_R8", 3), ("NOT_I4", 3), ("NOT_I8", 3),
    ("CKFINITE_R4", 3), ("CKFINITE_R8", 3), ("CONV_R4_UN_I4", 3), ("CONV_R4_UN_I8", 3),
    ("CONV_R8_UN_I4", 3), ("CONV_R8_UN_I8", 3), ("CONV_I1_I4", 3), ("CONV_I1_I8", 3),
    ("CONV_I1_R4", 3), ("CONV_I1_R8", 3), ("CONV_U1_I4", 3), ("CONV_U1_I8", 3), ("CONV_U1_R4", 3),
    ("CONV_U1_R8", 3), ("CONV_I2_I4", 3), ("CONV_I2_I8", 3), ("CONV_I2_R4", 3), ("CONV_I2_R8", 3),
    ("CONV_U2_I4", 3), ("CONV_U2_I8", 3), ("CONV_U2_R4", 3), ("CONV_U2_R8", 3), ("CONV_I4_R4", 3),
    ("CONV_I4_R8", 3), ("CONV_U4_U8_SAT", 3), ("CONV_U4_R4", 3), ("CONV_U4_R8", 3),
    ("CONV_I8_I4", 3), ("CONV_I8_U4", 3), ("CONV_I8_R4", 3), ("CONV_I8_R8", 3), ("CONV_R4_I4", 3),
    ("CONV_R4_I8", 3), ("CONV_R4_R8", 3), ("CONV_R8_I4", 3), ("CONV_R8_I8", 3), ("CONV_R8_R4", 3),
    ("CONV_U8_U4", 3), ("CONV_U8_R4", 3), ("CONV_U8_R8", 3), ("CONV_OVF_I1_I4", 3),
    ("CONV_OVF_I1_I8", 3), ("CONV_OVF_I1_R4", 3), ("CONV_OVF_I1_R8", 3), ("CONV_OVF_U1_I4", 3),
    ("CONV_OVF_U1_I8", 3), ("CONV_OVF_U1_R4", 3), ("CONV_OVF_U1_R8", 3), ("CONV_OVF_I2_I4", 3),
    ("CONV_OVF_I2_I8", 3), ("CONV_OVF_I2_R4", 3), ("CONV_OVF_I2_R8", 3), ("CONV_OVF_U2_I4", 3),
    ("CONV_OVF_U2_I8", 3), ("CONV_OVF_U2_R4", 3), ("CONV_OVF_U2_R8", 3), ("CONV_OVF_I4_U4", 3),
    ("CONV_OVF_I4_I8", 3), ("CONV_OVF_I4_R4", 3), ("CONV_OVF_I4_R8", 3), ("CONV_OVF_U4_I4", 3),
    ("CONV_OVF_U4_I8", 3), ("CONV_OVF_U4_R4", 3), ("CONV_OVF_U4_R8", 3), ("CONV_OVF_I8_U8", 3),
    ("CONV_OVF_I8_R4", 3), ("CONV_OVF_I8_R8", 3), ("CONV_OVF_U8_I4", 3), ("CONV_OVF_U8_I8", 3),
    ("CONV_OVF_U8_R4", 3), ("CONV_OVF_U8_R8", 3), ("CONV_OVF_I1_U4", 3), ("CONV_OVF_I1_U8", 3),
    ("CONV_OVF_U1_U4", 3), ("CONV_OVF_U1_U8", 3), ("CONV_OVF_I2_U4", 3), ("CONV_OVF_I2_U8", 3),
    ("CONV_OVF_U2_U4", 3), ("CONV_OVF_U2_U8", 3), ("CONV_OVF_I4_U8", 3), ("CONV_OVF_U4_U8", 3),
    ("UNBOX_ANY", 5), ("UNBOX_ANY_GENERIC", 6), ("UNBOX_END", 4), ("UNBOX_END_GENERIC", 5),
    ("ADD_I4_IMM", 4), ("ADD_I8_IMM", 4), ("ADD_I4", 4), ("ADD_I8", 4), ("ADD_R4", 4),
    ("ADD_R8", 4), ("ADD_OVF_I4", 4), ("ADD_OVF_I8", 4), ("ADD_OVF_UN_I4", 4),
    ("ADD_OVF_UN_I8", 4), ("SUB_I4", 4), ("SUB_I8", 4), ("SUB_R4", 4), ("SUB_R8", 4),
    ("SUB_OVF_I4", 4), ("SUB_OVF_I8", 4), ("SUB_OVF_UN_I4", 4), ("SUB_OVF_UN_I8", 4),
    ("MUL_I4", 4), ("MUL_I8", 4), ("MUL_R4", 4), ("MUL_R8", 4), ("MUL_OVF_I4", 4),
    ("MUL_OVF_I8", 4), ("MUL_OVF_UN_I4", 4), ("MUL_OVF_UN_I8", 4), ("DIV_I4", 4), ("DIV_I8", 4),
    ("DIV_R4", 4), ("DIV_R8", 4), ("DIV_UN_I4", 4), ("DIV_UN_I8", 4), ("REM_I4", 4),
    ("REM_I8", 4), ("REM_R4", 4), ("REM_R8", 4), ("REM_UN_I4", 4), ("REM_UN_I8", 4),
    ("AND_I4", 4), ("AND_I8", 4), ("OR_I4", 4), ("OR_I8", 4), ("XOR_I4", 4), ("XOR_I8", 4),
    ("SHR_UN_I4", 4), ("SHR_UN_I8", 4), ("SHL_I4", 4), ("SHL_I8", 4), ("SHR_I4", 4),
    ("SHR_I8", 4), ("CZERO_I", 4), ("CEQ_I4", 4), ("CEQ_I8", 4), ("CEQ_R4", 4), ("CEQ_R8", 4),
    ("CGT_I4", 4), ("CGT_I8", 4), ("CGT_R4", 4), ("CGT_R8", 4), ("CGT_UN_I4", 4),
    ("CGT_UN_I8", 4), ("CGT_UN_R4", 4), ("CGT_UN_R8", 4), ("CLT_I4", 4), ("CLT_I8", 4),
    ("CLT_R4", 4), ("CLT_R8", 4), ("CLT_UN_I4", 4), ("CLT_UN_I8", 4), ("CLT_UN_R4", 4),
    ("CLT_UN_R8", 4), ("LDIND_I1", 4), ("LDIND_U1", 4), ("LDIND_I2", 4), ("LDIND_U2", 4),
    ("LDIND_I4", 4), ("LDIND_I8", 4), ("LDIND_R4", 4), ("LDIND_R8", 4), ("LDIND_VT", 5),
    ("STIND_I1", 4), ("STIND_U1", 4), ("STIND_I2", 4), ("STIND_U2", 4), ("STIND_I4", 4),
    ("STIND_I8", 4), ("STIND_R4", 4), ("STIND_R8", 4), ("STIND_O", 4), ("STIND_VT", 5),
    ("STIND_VT_NOREF", 5), ("LDFLDA", 4), ("CALL", 4), ("CALL_NULLCHECK", 4), ("CALLDELEGATE", 6),
    ("CALLDELEGATE_TAIL", 4), ("CALLI", 6), ("CALLVIRT", 5), ("CALL_PINVOKE", 6), ("NEWOBJ", 5),
    ("NEWOBJ_GENERIC", 6), ("NEWOBJ_VT", 5), ("CALL_TAIL", 4), ("CALLI_TAIL", 6),
    ("CALLVIRT_TAIL", 5), ("CALL_HELPER_P_P", 4), ("CALL_HELPER_P_G", 5), ("CALL_HELPER_P_S", 4),
    ("CALL_HELPER_P_PS", 5), ("CALL_HELPER_P_GS", 6), ("CALL_HELPER_P_SP", 5),
    ("CALL_HELPER_P_PA", 5), ("CALL_HELPER_P_GA", 6), ("CALL_HELPER_V_APS", 5),
    ("CALL_HELPER_V_AGS", 6), ("CALL_HELPER_V_SA", 4), ("CALL_HELPER_V_SS", 4),
    ("CALL_HELPER_V_SSS", 5), ("GENERICLOOKUP", 4), ("CALL_FINALLY", 2), ("ZEROBLK_IMM", 3),
    ("INITBLK", 4), ("CPBLK", 4), ("LOCALLOC", 3), ("BREAKPOINT", 1), ("HALT", 1), ("THROW", 4),
    ("RETHROW", 1), ("LEAVE_FILTER", 2), ("LEAVE_CATCH", 2), ("LOAD_EXCEPTION", 2),
    ("THROW_PNSE", 1), ("LOAD_FRAMEVAR", 2), ("SET_CONTINUATION_NULL", 1),
    ("SET_CONTINUATION", 2), ("GET_CONTINUATION", 2), ("HANDLE_CONTINUATION", 4),
    ("HANDLE_CONTINUATION_GENERIC", 5), ("HANDLE_CONTINUATION_SUSPEND", 3),
    ("HANDLE_CONTINUATION_RESUME", 2), ("CHECK_FOR_CONTINUATION", 3),
    ("CAPTURE_CONTEXT_ON_SUSPEND", 4), ("RESTORE_CONTEXTS_ON_SUSPEND", 6),
    ("RET_EXISTING_CONTINUATION", 1), ("COMPARE_EXCHANGE_U1", 5), ("COMPARE_EXCHANGE_U2", 5),
    ("COMPARE_EXCHANGE_I4", 5), ("COMPARE_EXCHANGE_I8", 5), ("EXCHANGE_U1", 4),
    ("EXCHANGE_U2", 4), ("EXCHANGE_I4", 4), ("EXCHANGE_I8", 4), ("EXCHANGEADD_I4", 4),
    ("EXCHANGEADD_I8", 4), ("SQRT_R4", 3), ("SQRT_R8", 3), ("STORESTUBCONTEXT", 2),
    ("DEBUG_METHOD_ENTER", 2), ("DEBUG_SEQ_POINT", 1), ("NOP", 1), ("DEF", 2), ("MOV_SRC_OFF", 6),
];

/// The opcode's name, or `None` when there is no such opcode.
#[must_use]
pub fn name(opcode: u32) -> Option<&'static str> {
    TABLE.get(opcode as usize).map(|(name, _)| *name)
}

/// The number of the opcode with this name.
#[must_use]
pub fn number(name: &str) -> Option<u32> {
    TABLE.iter().position(|(known, _)| *known == name).map(|index| index as u32)
}

/// How many slots the interpreter goes on when it falls through the instruction that starts
/// `slots`; `None` when there is no such opcode, or the slots end before its length is told.
#[must_use]
pub fn fall_through(opcode: u32, slots: &[u32]) -> Option<usize> {
    if opcode == opcode::SWITCH {
        return Some((*slots.get(2)? as usize).saturating_add(3));
    }
    TABLE.get(opcode as usize).map(|(_, length)| *length as usize)
}

//! The ordered words of `_Py_DebugOffsets`, one table a released minor version, as CPython's
//! `Include/internal/pycore_debug_offsets.h` declares them.
//!
//! The table has no group lengths and no index: a word's position follows from the order alone.
//! It starts with three words of header (cookie, version, free-threaded) and is flat 64-bit words
//! to its end. Positions differ only by version: not by platform, nor by free threading.
//!
//! Layout history, so that nobody "fixes" it: 3.14.0b3 inserted four words before the table
//! reached its final 760 bytes, 3.15.0b4 inserted `thread_state.last_profiled_frame_seq` and moved
//! everything behind it by 8 (bloomberg/pystack#337). Since each rc1 the tables are frozen.

/// The cookie every table starts with.
pub const COOKIE: [u8; 8] = *b"xdebugpy";

/// Bytes of one word.
const WORD: u64 = 8;

/// Words of the header: cookie, version, free-threaded flag.
const HEADER_WORDS: u64 = 3;

/// Position of the version word, in bytes.
pub(crate) const VERSION: u64 = 8;

/// Position of the free-threaded word, in bytes.
pub(crate) const FREE_THREADED: u64 = 16;

/// One struct of CPython, as the table describes it.
#[derive(Debug)]
pub struct Group {
    /// The struct's name in the table.
    pub name: &'static str,
    /// Its words in order.
    pub fields: &'static [&'static str],
    /// Index of a word that is a size of something else and so not bounded by the group's size.
    pub exempt: Option<usize>,
}

const fn group(name: &'static str, fields: &'static [&'static str]) -> Group {
    Group { name, fields, exempt: None }
}

impl Group {
    /// Whether the first word is the struct's size, which bounds the other words.
    #[must_use]
    pub fn is_sized(&self) -> bool {
        self.fields.first() == Some(&"size")
    }
}

/// The table of one minor version.
#[derive(Debug)]
pub struct Table {
    /// 14 for CPython 3.14.
    pub minor: u8,
    /// Its groups in order, after the header.
    pub groups: &'static [Group],
    /// Where the words are that the engine uses.
    pub at: Positions,
    /// What lies around what is written.
    pub around: Around,
}

/// Distances in the thread state that are the same in every build seen of a minor version.
#[derive(Clone, Copy, Debug)]
pub struct Around {
    /// Bytes from `datastack_chunk` to the support block.
    pub datastack_to_block: u64,
    /// Bytes that follow the script path buffer.
    pub behind_path: u64,
}

/// Byte positions, in the table, of the words the engine uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "each is the position of the word of the same name")]
pub struct Positions {
    pub runtime_size: u64,
    pub runtime_finalizing: u64,
    pub interpreters_head: u64,
    pub interpreter_size: u64,
    pub interpreter_id: u64,
    pub interpreter_next: u64,
    pub threads_head: u64,
    pub threads_main: u64,
    pub code_object_generation: u64,
    pub thread_size: u64,
    pub thread_prev: u64,
    pub thread_next: u64,
    pub thread_interp: u64,
    pub current_frame: u64,
    pub thread_id: u64,
    pub native_thread_id: u64,
    pub datastack_chunk: u64,
    pub status: u64,
    pub debugger_support: u64,
    pub end: u64,
}

impl Table {
    /// The table of a released minor version, or `None`.
    #[must_use]
    pub fn of(major: u8, minor: u8) -> Option<&'static Table> {
        match (major, minor) {
            (3, 14) => Some(&PYTHON_3_14),
            (3, 15) => Some(&PYTHON_3_15),
            _ => None,
        }
    }

    const fn new(minor: u8, around: Around, groups: &'static [Group]) -> Table {
        let at = Positions {
            runtime_size: position(groups, "runtime_state", "size"),
            runtime_finalizing: position(groups, "runtime_state", "finalizing"),
            interpreters_head: position(groups, "runtime_state", "interpreters_head"),
            interpreter_size: position(groups, "interpreter_state", "size"),
            interpreter_id: position(groups, "interpreter_state", "id"),
            interpreter_next: position(groups, "interpreter_state", "next"),
            threads_head: position(groups, "interpreter_state", "threads_head"),
            threads_main: position(groups, "interpreter_state", "threads_main"),
            code_object_generation: position(groups, "interpreter_state", "code_object_generation"),
            thread_size: position(groups, "thread_state", "size"),
            thread_prev: position(groups, "thread_state", "prev"),
            thread_next: position(groups, "thread_state", "next"),
            thread_interp: position(groups, "thread_state", "interp"),
            current_frame: position(groups, "thread_state", "current_frame"),
            thread_id: position(groups, "thread_state", "thread_id"),
            native_thread_id: position(groups, "thread_state", "native_thread_id"),
            datastack_chunk: position(groups, "thread_state", "datastack_chunk"),
            status: position(groups, "thread_state", "status"),
            debugger_support: position(groups, "debugger_support", "eval_breaker"),
            end: end(groups),
        };
        Table { minor, groups, at, around }
    }
}

#[allow(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::panic,
    clippy::as_conversions,
    reason = "evaluated by the compiler only: a wrong name does not build"
)]
const fn position(groups: &[Group], group: &str, field: &str) -> u64 {
    let mut at = HEADER_WORDS * WORD;
    let mut g = 0;
    while g < groups.len() {
        let mut f = 0;
        while f < groups[g].fields.len() {
            if same(groups[g].name, group) && same(groups[g].fields[f], field) {
                return at;
            }
            at += WORD;
            f += 1;
        }
        g += 1;
    }
    panic!("no such word in the table")
}

#[allow(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    reason = "evaluated by the compiler only"
)]
const fn end(groups: &[Group]) -> u64 {
    let mut words = HEADER_WORDS;
    let mut g = 0;
    while g < groups.len() {
        words += groups[g].fields.len() as u64;
        g += 1;
    }
    words * WORD
}

#[allow(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "evaluated by the compiler only: `==` on strings is not const"
)]
const fn same(a: &str, b: &str) -> bool {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let mut i = 0;
    while i < a.len() && i < b.len() && a[i] == b[i] {
        i += 1;
    }
    i == a.len() && i == b.len()
}

/// CPython 3.14: 95 words.
pub(crate) static PYTHON_3_14: Table = Table::new(
    14,
    Around { datastack_to_block: 72, behind_path: 12 },
    &[
        group("runtime_state", &["size", "finalizing", "interpreters_head"]),
        INTERPRETER_STATE,
        group(
            "thread_state",
            &[
                "size",
                "prev",
                "next",
                "interp",
                "current_frame",
                "thread_id",
                "native_thread_id",
                "datastack_chunk",
                "status",
            ],
        ),
        INTERPRETER_FRAME,
        CODE_OBJECT,
        group("pyobject", &["size", "ob_type"]),
        group("type_object", &["size", "tp_name", "tp_repr", "tp_flags"]),
        group("tuple_object", &["size", "ob_item", "ob_size"]),
        group("list_object", &["size", "ob_item", "ob_size"]),
        group("set_object", &["size", "used", "table", "mask"]),
        group("dict_object", &["size", "ma_keys", "ma_values"]),
        group("float_object", &["size", "ob_fval"]),
        group("long_object", &["size", "lv_tag", "ob_digit"]),
        group("bytes_object", &["size", "ob_size", "ob_sval"]),
        group("unicode_object", &["size", "state", "length", "asciiobject_size"]),
        group("gc", &["size", "collecting"]),
        group("gen_object", &["size", "gi_name", "gi_iframe", "gi_frame_state"]),
        group("llist_node", &["next", "prev"]),
        DEBUGGER_SUPPORT,
    ],
);

/// CPython 3.15: 111 words.
pub(crate) static PYTHON_3_15: Table = Table::new(
    15,
    Around { datastack_to_block: 88, behind_path: 28 },
    &[
        group("runtime_state", &["size", "finalizing", "interpreters_head"]),
        INTERPRETER_STATE,
        group(
            "thread_state",
            &[
                "size",
                "prev",
                "next",
                "interp",
                "current_frame",
                "base_frame",
                "last_profiled_frame",
                "last_profiled_frame_seq",
                "thread_id",
                "native_thread_id",
                "datastack_chunk",
                "status",
                "holds_gil",
                "gil_requested",
                "current_exception",
                "exc_state",
            ],
        ),
        group("err_stackitem", &["exc_value"]),
        INTERPRETER_FRAME,
        CODE_OBJECT,
        group("pyobject", &["size", "ob_type"]),
        group(
            "type_object",
            &["size", "tp_name", "tp_repr", "tp_flags", "tp_basicsize", "tp_dictoffset"],
        ),
        group("heap_type_object", &["size", "ht_cached_keys"]),
        group("tuple_object", &["size", "ob_item", "ob_size"]),
        group("list_object", &["size", "ob_item", "ob_size"]),
        group("set_object", &["size", "used", "table", "mask"]),
        group("dict_object", &["size", "ma_keys", "ma_values"]),
        group("float_object", &["size", "ob_fval"]),
        group("long_object", &["size", "lv_tag", "ob_digit"]),
        group("bytes_object", &["size", "ob_size", "ob_sval"]),
        group(
            "unicode_object",
            &["size", "state", "length", "asciiobject_size", "compactunicodeobject_size"],
        ),
        Group {
            name: "gc",
            fields: &["size", "collecting", "frame", "generation_stats_size", "generation_stats"],
            // A size of the statistics, which lie elsewhere: 1120 where the struct has 176.
            exempt: Some(3),
        },
        group("gen_object", &["size", "gi_name", "gi_iframe", "gi_frame_state"]),
        group("llist_node", &["next", "prev"]),
        DEBUGGER_SUPPORT,
    ],
);

const INTERPRETER_STATE: Group = group(
    "interpreter_state",
    &[
        "size",
        "id",
        "next",
        "threads_head",
        "threads_main",
        "gc",
        "imports_modules",
        "sysdict",
        "builtins",
        "ceval_gil",
        "gil_runtime_state",
        "gil_runtime_state_enabled",
        "gil_runtime_state_locked",
        "gil_runtime_state_holder",
        "code_object_generation",
        "tlbc_generation",
    ],
);

const INTERPRETER_FRAME: Group = group(
    "interpreter_frame",
    &[
        "size",
        "previous",
        "executable",
        "instr_ptr",
        "localsplus",
        "owner",
        "stackpointer",
        "tlbc_index",
    ],
);

const CODE_OBJECT: Group = group(
    "code_object",
    &[
        "size",
        "filename",
        "name",
        "qualname",
        "linetable",
        "firstlineno",
        "argcount",
        "localsplusnames",
        "localspluskinds",
        "co_code_adaptive",
        "co_tlbc",
    ],
);

const DEBUGGER_SUPPORT: Group = group(
    "debugger_support",
    &[
        "eval_breaker",
        "remote_debugger_support",
        "remote_debugging_enabled",
        "debugger_pending_call",
        "debugger_script_path",
        "debugger_script_path_size",
    ],
);

#[cfg(test)]
mod tests {
    use super::*;

    /// Positions as PTVS's own tests have them for both versions (microsoft/PTVS,
    /// `PyDebugOffsetsTests`): 760 and 888 bytes, `current_frame` at word 26, 3.15's `exc_state`
    /// at word 37.
    #[test]
    fn the_tables_end_where_released_tables_end() {
        assert_eq!(PYTHON_3_14.at.end, 760);
        assert_eq!(PYTHON_3_15.at.end, 888);
        assert_eq!(PYTHON_3_14.at.debugger_support, 712);
        assert_eq!(PYTHON_3_15.at.debugger_support, 840);
        assert_eq!(PYTHON_3_14.at.native_thread_id, 224);
        assert_eq!(PYTHON_3_15.at.native_thread_id, 248);
        assert_eq!(PYTHON_3_14.at.status, 240);
        assert_eq!(PYTHON_3_15.at.status, 264);
    }

    /// The extended modes of parsing stand on this: up to `current_frame` the versions agree.
    #[test]
    fn the_head_of_the_table_is_common_to_both_versions() {
        let (a, b) = (PYTHON_3_14.at, PYTHON_3_15.at);
        let head = |p: Positions| {
            [
                p.runtime_size,
                p.runtime_finalizing,
                p.interpreters_head,
                p.interpreter_size,
                p.interpreter_id,
                p.interpreter_next,
                p.threads_head,
                p.threads_main,
                p.thread_size,
                p.thread_prev,
                p.thread_next,
                p.thread_interp,
                p.current_frame,
            ]
        };
        assert_eq!(head(a), head(b));
    }
}

//! From a published table to a layout: where, in the target's structs, the fields are that the
//! engine reads and writes.
//!
//! Four modes are tried in a fixed order, each of which gives up one certainty of the one before:
//! [`strict`] knows the version and believes every position; [`extended`] looks for the
//! `debugger_support` words elsewhere; [`relaxed`] forgives one word that no write depends on;
//! [`flex`] accepts the six words in any order and a larger path buffer. None of them gives up
//! [`support::Support::check`]; none but flex takes six words where others could be meant, unless
//! they are familiar; and none proves anything about live memory: that is for the resolution chain,
//! and for the file the table was mapped from.

mod extended;
mod flex;
mod relaxed;
mod strict;
mod support;
mod windows;

use crate::limits;
use crate::tables::{self, Positions};
use crate::version::Version;
use crate::words::u64_at;
use crate::{Config, Flex};
use support::{Sizes, Support};
use windows::{Window, windows};

/// Which mode of parsing accepted the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ParseMode {
    /// A known version, every word where that version has it, every rule kept.
    Strict,
    /// The six words were found elsewhere, in exactly one place.
    Extended,
    /// As extended, with one word out of range that no write depends on.
    Relaxed,
    /// The six words in any order or with a larger path buffer; one assignment survived.
    Flex,
}

impl ParseMode {
    /// All modes, in the order they are tried.
    pub const ALL: [ParseMode; 4] =
        [ParseMode::Strict, ParseMode::Extended, ParseMode::Relaxed, ParseMode::Flex];

    /// Its name in scenarios, reports and messages.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            ParseMode::Strict => "strict",
            ParseMode::Extended => "extended",
            ParseMode::Relaxed => "relaxed",
            ParseMode::Flex => "flex",
        }
    }
}

/// How a layout was proved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Proof {
    /// By the structure of live memory, and by two equal readings.
    Structural,
    /// Also by the mapped file, which holds the same table.
    Image,
}

impl Proof {
    /// Its name in scenarios and reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Proof::Structural => "structural",
            Proof::Image => "image",
        }
    }
}

/// Why a mode did not accept the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LayoutFault {
    /// The free-threaded word is neither 0 nor 1.
    FreeThreadedWord,
    /// Fewer bytes could be read than the table has.
    TooShort,
    /// The version has no table here: only other modes may serve it.
    UnknownTable,
    /// A size of the runtime, interpreter or thread struct is out of range.
    Sizes,
    /// A field lies outside its struct.
    OutOfGroup,
    /// The list fields of the thread state are not three distinct 8-byte words: a 32-bit target,
    /// or not a table.
    ListFields,
    /// The eval breaker is null, misaligned or outside the thread state.
    EvalBreaker,
    /// The support block is null or misaligned.
    SupportBlock,
    /// The pending flag is misaligned or not before the script path.
    Pending,
    /// The script path buffer does not fit the thread state. This rule alone refuses the window
    /// one word late that five-word scans fall for.
    ScriptPath,
    /// Fields that must be apart overlap.
    Overlap,
    /// The policy word is null, misaligned or outside the interpreter state.
    Enabled,
    /// The capacity of the script path is not the one this mode accepts.
    ScriptPathSize,
    /// No place in the table holds six such words.
    NoWindow,
    /// More than one place or assignment fits.
    Ambiguous,
    /// The mode may not run.
    Off,
    /// No mode accepted the table.
    NoValidLayout,
}

impl LayoutFault {
    /// All of them.
    pub const ALL: [LayoutFault; 17] = [
        LayoutFault::FreeThreadedWord,
        LayoutFault::TooShort,
        LayoutFault::UnknownTable,
        LayoutFault::Sizes,
        LayoutFault::OutOfGroup,
        LayoutFault::ListFields,
        LayoutFault::EvalBreaker,
        LayoutFault::SupportBlock,
        LayoutFault::Pending,
        LayoutFault::ScriptPath,
        LayoutFault::Overlap,
        LayoutFault::Enabled,
        LayoutFault::ScriptPathSize,
        LayoutFault::NoWindow,
        LayoutFault::Ambiguous,
        LayoutFault::Off,
        LayoutFault::NoValidLayout,
    ];

    /// Its name in scenarios, reports and messages.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            LayoutFault::FreeThreadedWord => "free-threaded-word",
            LayoutFault::TooShort => "table-too-short",
            LayoutFault::UnknownTable => "unknown-table",
            LayoutFault::Sizes => "sizes",
            LayoutFault::OutOfGroup => "out-of-group",
            LayoutFault::ListFields => "list-fields",
            LayoutFault::EvalBreaker => "eval-breaker",
            LayoutFault::SupportBlock => "support-block",
            LayoutFault::Pending => "pending-field",
            LayoutFault::ScriptPath => "script-path-field",
            LayoutFault::Overlap => "overlap",
            LayoutFault::Enabled => "enabled-field",
            LayoutFault::ScriptPathSize => "script-path-size",
            LayoutFault::NoWindow => "no-window",
            LayoutFault::Ambiguous => "ambiguous-layout",
            LayoutFault::Off => "off",
            LayoutFault::NoValidLayout => "no-valid-layout",
        }
    }
}

/// Offsets in the runtime state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RuntimeFields {
    /// Its size in bytes.
    pub size: u64,
    /// Offset of the pointer to the thread state that finalizes, else null.
    pub finalizing: u64,
    /// Offset of the pointer to the newest interpreter.
    pub interpreters_head: u64,
}

/// Offsets in an interpreter state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InterpreterFields {
    /// Its size in bytes.
    pub size: u64,
    /// Offset of the signed 64-bit id.
    pub id: u64,
    /// Offset of the pointer to the next older interpreter.
    pub next: u64,
    /// Offset of the pointer to the newest thread state.
    pub threads_head: u64,
    /// Offset of the pointer to the main thread's state, null in embedded hosts.
    pub threads_main: u64,
    /// Offset of the 32-bit policy word; `None` where the table does not tell.
    pub remote_debugging_enabled: Option<u64>,
}

/// Offsets in a thread state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ThreadFields {
    /// Its size in bytes.
    pub size: u64,
    /// Offset of the pointer to the next newer thread state.
    pub prev: u64,
    /// Offset of the pointer to the next older thread state.
    pub next: u64,
    /// Offset of the pointer to the interpreter.
    pub interp: u64,
    /// The native thread id; `None` until inferred on live threads.
    pub native_thread_id: Option<NativeField>,
    /// Offset of the 32-bit status field; `None` until inferred.
    pub status: Option<u64>,
    /// Offset of the pointer-size eval breaker; its lowest byte holds the event bits.
    pub eval_breaker: u64,
    /// Offset of the 32-bit pending flag.
    pub pending: u64,
    /// Offset of the script path buffer.
    pub script_path: u64,
    /// Capacity of that buffer in bytes, NUL included.
    pub script_path_size: u64,
}

/// Where the native thread id is: C's `unsigned long`, 8 bytes on LP64 and 4 on Windows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NativeField {
    /// Its offset.
    pub at: u64,
    /// Its width in bytes: 4 or 8.
    pub width: u64,
}

/// Where everything is that the engine reads and writes, in bytes from the struct's start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Leading bytes of the table this layout depends on: what a proof must compare.
    pub table_bytes: u64,
    /// Whether what is written, and the policy, lie where every recorded build of this minor
    /// version has them. Structure alone cannot see a small error in these words, such as a support
    /// block 4 bytes late; an unfamiliar layout is taken only where no other six words could be
    /// meant, and written to only when the mapped file proves it.
    pub familiar: bool,
    /// Whether the six words stand in CPython's order. Another order is a guess of flex parsing
    /// that live memory has to bear out.
    pub in_order: bool,
    /// Offsets in the runtime state.
    pub runtime: RuntimeFields,
    /// Offsets in an interpreter state.
    pub interpreter: InterpreterFields,
    /// Offsets in a thread state.
    pub thread: ThreadFields,
}

/// A table as read from a target, with what the header says.
#[derive(Clone, Copy, Debug)]
pub struct Slab<'b> {
    /// Its bytes, from the cookie on.
    pub bytes: &'b [u8],
    /// The version word.
    pub version: Version,
    /// Bytes that the section or mapping has from the cookie on.
    pub extent: u64,
}

/// What parsing came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parsed {
    /// The mode that accepted, if any.
    pub mode: Option<ParseMode>,
    /// What it accepted: one layout, or for flex several of which live memory may prove one.
    pub layouts: Vec<Layout>,
    /// Why each mode, in order, did not accept.
    pub faults: [Option<LayoutFault>; 4],
}

/// Tries the modes in order.
///
/// # Errors
/// When none accepts the table; each mode's fault comes with it.
pub fn parse(slab: Slab<'_>, config: &Config) -> Result<Parsed, (LayoutFault, Parsed)> {
    let mut parsed = Parsed { mode: None, layouts: Vec::new(), faults: [None; 4] };
    if !is_build(slab) {
        return Err((LayoutFault::FreeThreadedWord, parsed));
    }
    let windows = windows(slab);
    for (mode, slot) in ParseMode::ALL.into_iter().zip(0_usize..) {
        match layouts_of(mode, slab, &windows, config) {
            Ok(layouts) => return Ok(Parsed { mode: Some(mode), layouts, ..parsed }),
            Err(fault) => {
                if let Some(place) = parsed.faults.get_mut(slot) {
                    *place = Some(fault);
                }
            }
        }
    }
    Err((LayoutFault::NoValidLayout, parsed))
}

/// The one layout that nobody needs to look further for: strict, and familiar in every word.
pub(crate) fn parse_familiar(slab: Slab<'_>) -> Option<Parsed> {
    let layout = strict::parse(slab).ok().filter(|layout| layout.familiar)?;
    let (mode, layouts) = (Some(ParseMode::Strict), vec![layout]);
    is_build(slab).then_some(Parsed { mode, layouts, faults: [None; 4] })
}

/// Whether the table says which of the two builds it is of.
fn is_build(slab: Slab<'_>) -> bool {
    matches!(u64_at(slab.bytes, tables::FREE_THREADED), Some(0 | 1))
}

fn layouts_of(
    mode: ParseMode,
    slab: Slab<'_>,
    windows: &[Window],
    config: &Config,
) -> Result<Vec<Layout>, LayoutFault> {
    let only = |layout| {
        let alone = is_alone(slab, windows, &layout).then(|| vec![layout]);
        alone.ok_or(LayoutFault::Ambiguous)
    };
    match mode {
        ParseMode::Strict => strict::parse(slab).and_then(only),
        ParseMode::Extended => extended::parse(slab, windows).and_then(only),
        ParseMode::Relaxed => relaxed::parse(slab, windows).and_then(only),
        ParseMode::Flex if config.flex == Flex::Never => Err(LayoutFault::Off),
        ParseMode::Flex => flex::parse(slab, windows),
    }
}

/// Whether no other six words could be meant, by the widest reading: a mode that takes fewer of
/// them must not take the wrong ones for it.
///
/// Folklore: the fuzzer of sweeps had a build of a known version with more words, among them six
/// that look like those looked for, right where that version has them; others had their true ones
/// where only flex takes them, or nobody (`refuse/two-windows-in-a-known-version`,
/// `-one-of-them-larger`, `-one-of-them-smaller`).
fn is_alone(slab: Slab<'_>, windows: &[Window], layout: &Layout) -> bool {
    let is_other = |other: &Layout| !other.is_same_as(layout);
    layout.familiar || flex::layouts(slab, windows).is_ok_and(|all| !all.iter().any(is_other))
}

/// The head of the table, at the positions that all known versions share.
struct Head {
    runtime: RuntimeFields,
    interpreter: InterpreterFields,
    thread: ThreadFields,
}

impl Head {
    /// Reads the head; the fields that only a version's own table can tell are left open.
    fn read(slab: Slab<'_>, at: Positions) -> Result<Head, LayoutFault> {
        let word = |position| u64_at(slab.bytes, position).ok_or(LayoutFault::TooShort);
        Ok(Head {
            runtime: RuntimeFields {
                size: word(at.runtime_size)?,
                finalizing: word(at.runtime_finalizing)?,
                interpreters_head: word(at.interpreters_head)?,
            },
            interpreter: InterpreterFields {
                size: word(at.interpreter_size)?,
                id: word(at.interpreter_id)?,
                next: word(at.interpreter_next)?,
                threads_head: word(at.threads_head)?,
                threads_main: word(at.threads_main)?,
                remote_debugging_enabled: None,
            },
            thread: ThreadFields {
                size: word(at.thread_size)?,
                prev: word(at.thread_prev)?,
                next: word(at.thread_next)?,
                interp: word(at.thread_interp)?,
                native_thread_id: None,
                status: None,
                eval_breaker: 0,
                pending: 0,
                script_path: 0,
                script_path_size: 0,
            },
        })
    }

    fn sizes(&self) -> Sizes {
        Sizes { interpreter: self.interpreter.size, thread: self.thread.size }
    }

    /// The rules every mode keeps: plausible sizes, and every field the walk follows inside its
    /// struct and aligned like a pointer.
    fn check(&self) -> Result<(), LayoutFault> {
        let (runtime, interpreter, thread) = (&self.runtime, &self.interpreter, &self.thread);
        let sizes = limits::THREAD_SIZE.contains(&thread.size)
            && limits::INTERPRETER_SIZE.contains(&interpreter.size)
            && runtime.size >= interpreter.size;
        if !sizes {
            return Err(LayoutFault::Sizes);
        }
        let pointers = [
            (runtime.finalizing, runtime.size),
            (runtime.interpreters_head, runtime.size),
            (interpreter.id, interpreter.size),
            (interpreter.next, interpreter.size),
            (interpreter.threads_head, interpreter.size),
            (interpreter.threads_main, interpreter.size),
        ];
        if !pointers.into_iter().all(|(at, size)| is_pointer_in(at, size)) {
            return Err(LayoutFault::OutOfGroup);
        }
        let links = [thread.prev, thread.next, thread.interp];
        let apart = thread.prev != thread.next
            && thread.prev != thread.interp
            && thread.next != thread.interp;
        if !apart || !links.into_iter().all(|at| is_pointer_in(at, thread.size)) {
            return Err(LayoutFault::ListFields);
        }
        Ok(())
    }

    /// The runtime struct is exactly as large as the section that holds nothing else, or at least
    /// not larger than the place it lies in.
    fn check_extent(&self, extent: u64) -> Result<(), LayoutFault> {
        if self.runtime.size > extent { Err(LayoutFault::Sizes) } else { Ok(()) }
    }

    /// The layout of this head with these six words.
    fn with(self, support: Support, table_bytes: u64) -> Result<Layout, LayoutFault> {
        let pending = support.remote_debugger_support.checked_add(support.debugger_pending_call);
        let path = support.remote_debugger_support.checked_add(support.debugger_script_path);
        let (Some(pending), Some(script_path)) = (pending, path) else {
            return Err(LayoutFault::ScriptPath);
        };
        let enabled = support.remote_debugging_enabled;
        let readable = support::enabled_is_plausible(enabled, self.interpreter.size);
        let layout = Layout {
            table_bytes,
            familiar: false,
            in_order: true,
            runtime: self.runtime,
            interpreter: InterpreterFields {
                remote_debugging_enabled: readable.then_some(enabled),
                ..self.interpreter
            },
            thread: ThreadFields {
                eval_breaker: support.eval_breaker,
                pending,
                script_path,
                script_path_size: support.debugger_script_path_size,
                ..self.thread
            },
        };
        if layout.thread.written_overlaps_links() || layout.interpreter.policy_overlaps_links() {
            return Err(LayoutFault::Overlap);
        }
        Ok(layout)
    }
}

impl Layout {
    /// Whether another layout reads and writes the same fields, wherever its table was found.
    fn is_same_as(&self, other: &Layout) -> bool {
        Layout { table_bytes: other.table_bytes, in_order: other.in_order, ..*self } == *other
    }

    /// Whether some of its six words are among those of the other, at the same place of the table.
    pub(crate) fn shares_words_with(&self, other: &Layout) -> bool {
        self.table_bytes.abs_diff(other.table_bytes) < support::SUPPORT_BYTES
    }

    /// The same, but that it does not say where the policy is.
    pub(crate) fn without_policy(self) -> Layout {
        let interpreter = InterpreterFields { remote_debugging_enabled: None, ..self.interpreter };
        Layout { interpreter, ..self }
    }
}

impl InterpreterFields {
    /// Whether the policy word is told to lie where the walk reads something else: the id of the
    /// first sub-interpreter would read as "allowed" (`refuse/policy-offset-on-the-id.ron`).
    fn policy_overlaps_links(&self) -> bool {
        let links = [self.id, self.next, self.threads_head, self.threads_main];
        let overlaps = |policy| links.iter().any(|&at| support::overlap((policy, 4), (at, 8)));
        self.remote_debugging_enabled.is_some_and(overlaps)
    }
}

impl ThreadFields {
    /// Where the engine writes: start and length.
    fn written(&self) -> [(u64, u64); 2] {
        let block = self.script_path.saturating_add(self.script_path_size);
        [(self.eval_breaker, 8), (self.pending, block.saturating_sub(self.pending))]
    }

    /// Whether these bytes are no link, and none that the engine writes.
    pub(crate) fn leaves_free(&self, at: u64, len: u64) -> bool {
        let links = [(self.prev, 8), (self.next, 8), (self.interp, 8)];
        let mut taken = links.into_iter().chain(self.written());
        !taken.any(|field| support::overlap(field, (at, len)))
    }

    /// Whether a field the engine writes overlaps one it only reads.
    pub(crate) fn written_overlaps_links(&self) -> bool {
        let native = self.native_thread_id.map(|native| (native.at, native.width));
        let read = [
            Some((self.prev, 8)),
            Some((self.next, 8)),
            Some((self.interp, 8)),
            self.status.map(|at| (at, 4)),
            native,
        ];
        self.written().iter().any(|&w| read.iter().flatten().any(|&r| support::overlap(w, r)))
    }
}

fn is_pointer_in(at: u64, size: u64) -> bool {
    at.is_multiple_of(8) && at.checked_add(8).is_some_and(|end| end <= size)
}

#[cfg(test)]
mod tests;

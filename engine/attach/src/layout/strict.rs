//! Strict: a known version whose table is believed word by word, because every word keeps the
//! rules that a table of that version keeps.

use super::support::Support;
use super::{Head, Layout, LayoutFault, NativeField, Slab};
use crate::tables::{Positions, Table};
use crate::words::u64_at;

pub(super) fn parse(slab: Slab<'_>) -> Result<Layout, LayoutFault> {
    let version = slab.version;
    let table = Table::of(version.major(), version.minor()).ok_or(LayoutFault::UnknownTable)?;
    if u64_at(slab.bytes, table.at.end.saturating_sub(8)).is_none() {
        return Err(LayoutFault::TooShort);
    }
    let mut head = Head::read(slab, table.at)?;
    head.check()?;
    head.check_extent(slab.extent)?;
    if out_of_group(slab, table)? > 0 {
        return Err(LayoutFault::OutOfGroup);
    }
    let support = Support::read(slab.bytes, table.at.debugger_support);
    let support = support.ok_or(LayoutFault::TooShort)?;
    support.check_canonical(head.sizes())?;
    complete(&mut head, slab, table.at)?;
    let layout = head.with(support, table.at.end)?;
    let familiar = is_familiar(table, slab, &layout) && is_familiar_policy(slab, table.at, &layout);
    Ok(Layout { familiar, ..layout })
}

/// Whether the fields to be written lie as in every build seen of this minor version, on Linux and
/// Windows, free-threaded or not: the breaker is the fourth pointer, the path directly follows the
/// flag, and fixed numbers of bytes lie before the block and behind the path. So must the one word
/// that decides by being 0, which most of the runtime is
/// (`refuse/finalizing-word-elsewhere-without-file`).
fn is_familiar(table: &Table, slab: Slab<'_>, layout: &Layout) -> bool {
    let (thread, runtime) = (&layout.thread, &layout.runtime);
    let path_end = thread.script_path.checked_add(thread.script_path_size);
    let behind = path_end.and_then(|end| thread.size.checked_sub(end));
    let datastack = u64_at(slab.bytes, table.at.datastack_chunk);
    let before = datastack.and_then(|at| thread.pending.checked_sub(at));
    thread.eval_breaker == EVAL_BREAKER
        && before == Some(table.around.datastack_to_block)
        && thread.pending.checked_add(4) == Some(thread.script_path)
        && behind == Some(table.around.behind_path)
        && runtime.interpreters_head.checked_sub(runtime.finalizing) == Some(HEAD_BEHIND_FINALIZING)
}

/// Whether the policy word lies as in every build seen: in the `PyConfig` of the interpreter, which
/// follows the generation of code objects. Elsewhere any number that happens to be 1 would read as
/// "allowed" (`refuse/two-windows-differ-in-policy-in-a-known-version`).
fn is_familiar_policy(slab: Slab<'_>, at: Positions, layout: &Layout) -> bool {
    let behind = match layout.thread.native_thread_id {
        Some(NativeField { width: 4, .. }) => POLICY_BEHIND_GENERATION_WINDOWS,
        _ => POLICY_BEHIND_GENERATION,
    };
    let generation = u64_at(slab.bytes, at.code_object_generation);
    let expected = generation.and_then(|generation| generation.checked_add(behind));
    expected.is_some() && layout.interpreter.remote_debugging_enabled == expected
}

/// Bytes from `_code_object_generation` to `config.remote_debug` in the interpreter state.
const POLICY_BEHIND_GENERATION: u64 = 84;

/// The same where an `unsigned long`, `config.hash_seed`, has 4 bytes.
const POLICY_BEHIND_GENERATION_WINDOWS: u64 = 80;

/// Offset of the eval breaker in the thread state, behind `prev`, `next` and `interp`.
const EVAL_BREAKER: u64 = 24;

/// Bytes from `finalizing` to the head of the list of interpreters, with two fields between them.
const HEAD_BEHIND_FINALIZING: u64 = 24;

/// How many fields lie outside their struct. Many true offsets are 0, so "not zero" would be a
/// wrong rule.
pub(super) fn out_of_group(slab: Slab<'_>, table: &Table) -> Result<usize, LayoutFault> {
    let (mut words, _) = slab.bytes.get(24..).unwrap_or_default().as_chunks::<8>();
    let mut out: usize = 0;
    for group in table.groups {
        let split = words.split_at_checked(group.fields.len());
        let (own, rest) = split.ok_or(LayoutFault::TooShort)?;
        words = rest;
        let Some((size, fields)) = own.split_first().filter(|_| group.is_sized()) else { continue };
        let bound = u64::from_le_bytes(*size);
        let is_out = |word: &[u8; 8]| u64::from_le_bytes(*word) >= bound;
        let exempt = group.exempt.and_then(|nth| own.get(nth)).is_some_and(is_out);
        let outside = fields.iter().filter(|word| is_out(word)).count();
        out = out.saturating_add(outside).saturating_sub(usize::from(exempt));
    }
    Ok(out)
}

/// Adds what only a version's own table tells: native id and status.
///
/// Folklore: C's `unsigned long` is 4 bytes on Windows, where `native_thread_id` directly follows
/// `thread_id` at 156 or 180, no multiple of 8 (test vectors of microsoft/PTVS). So the distance of
/// the two words tells the width.
pub(super) fn complete(head: &mut Head, slab: Slab<'_>, at: Positions) -> Result<(), LayoutFault> {
    let word = |position| u64_at(slab.bytes, position).ok_or(LayoutFault::TooShort);
    let (thread_id, native, status) =
        (word(at.thread_id)?, word(at.native_thread_id)?, word(at.status)?);
    let width = if native.checked_sub(thread_id) == Some(4) { 4 } else { 8 };
    let inside = |at: u64, len: u64| {
        at.is_multiple_of(len) && at.checked_add(len).is_some_and(|end| end <= head.thread.size)
    };
    if !inside(native, width) || !inside(status, 4) {
        return Err(LayoutFault::OutOfGroup);
    }
    head.thread.native_thread_id = Some(NativeField { at: native, width });
    head.thread.status = Some(status);
    Ok(())
}

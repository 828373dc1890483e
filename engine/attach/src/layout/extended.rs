//! Extended: the head of the table is where all known versions have it, but the six words of
//! `debugger_support` are looked for: an unknown minor version, or a table longer or shorter than
//! the released one (a pre-release, a patched build).
//!
//! Exactly one place may hold six such words in CPython's order. Coincidence thereby turns into
//! refusal.

use super::support::{SUPPORT_BYTES, Sizes, Support};
use super::{Head, Layout, LayoutFault, Slab, strict};
use crate::limits;
use crate::tables::{PYTHON_3_15, Positions, Table};
use crate::words::rest;

pub(super) fn parse(slab: Slab<'_>) -> Result<Layout, LayoutFault> {
    let mut head = Head::read(slab, common())?;
    head.check()?;
    head.check_extent(slab.extent)?;
    let sizes = head.sizes();
    let (at, support) = only_window(slab, sizes, |support| {
        support.check_canonical_size().and_then(|()| support.check(sizes)).is_ok()
    })?;
    if known(slab).is_some_and(|table| table.at.debugger_support == at) {
        // At the known place strict has already refused this table for another word.
        return Err(LayoutFault::OutOfGroup);
    }
    complete_if_known(&mut head, slab, at)?;
    head.with(support, at.saturating_add(SUPPORT_BYTES))
}

/// The positions all known versions share, up to `thread_state.current_frame`.
pub(super) fn common() -> Positions {
    PYTHON_3_15.at
}

pub(super) fn known(slab: Slab<'_>) -> Option<&'static Table> {
    Table::of(slab.version.major(), slab.version.minor())
}

/// Where the table is the known one after all, native id and status are where it has them; else
/// they stay open, to be inferred on live threads.
pub(super) fn complete_if_known(
    head: &mut Head,
    slab: Slab<'_>,
    at: u64,
) -> Result<(), LayoutFault> {
    match known(slab) {
        Some(table) if table.at.debugger_support == at => strict::complete(head, slab, table.at),
        _ => Ok(()),
    }
}

/// The only place whose six words, in CPython's order, are accepted.
pub(super) fn only_window(
    slab: Slab<'_>,
    sizes: Sizes,
    accepts: impl Fn(&Support) -> bool,
) -> Result<(u64, Support), LayoutFault> {
    let mut found = None;
    for (at, words) in windows(slab, sizes) {
        let support = Support::from_words(words);
        if accepts(&support) && found.replace((at, support)).is_some() {
            return Err(LayoutFault::Ambiguous);
        }
    }
    found.ok_or(LayoutFault::NoWindow)
}

/// Every place behind the head where six words stand that may be those looked for, with these: one
/// of them at least can tell of a path buffer in a thread state of this size. Nearly all that is
/// searched has no such word near it, and is passed by after one look at each word.
pub(super) fn windows(slab: Slab<'_>, sizes: Sizes) -> impl Iterator<Item = (u64, [u64; 6])> {
    let start = common().current_frame.saturating_add(8);
    let (words, _) = rest(slab.bytes, start).as_chunks::<8>();
    let capacities = limits::SCRIPT_PATH_SIZE_SHOWN.start..=sizes.thread;
    let may_be_capacity = move |word: &[u8; 8]| capacities.contains(&u64::from_le_bytes(*word));
    let mut seen = 0;
    let near = (0..words.len()).zip(words).filter(move |(_, word)| may_be_capacity(word));
    let near = near.flat_map(move |(nth, _)| {
        let first = nth.saturating_sub(5).max(seen);
        seen = nth.saturating_add(1);
        first..seen
    });
    near.filter_map(move |nth| {
        let window = words.get(nth..)?.first_chunk::<6>()?;
        let at = u64::try_from(nth).ok()?.checked_mul(8)?.checked_add(start)?;
        Some((at, window.map(u64::from_le_bytes)))
    })
}

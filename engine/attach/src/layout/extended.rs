//! Extended: the head of the table is where all known versions have it, but the six words of
//! `debugger_support` are looked for: an unknown minor version, or a table longer or shorter than
//! the released one (a pre-release, a patched build).
//!
//! Exactly one place may hold six such words in CPython's order. Coincidence thereby turns into
//! refusal.

use super::support::SUPPORT_BYTES;
use super::windows::{self, Window};
use super::{Head, Layout, LayoutFault, Slab, strict};
use crate::tables::{PYTHON_3_15, Positions, Table};

pub(super) fn parse(slab: Slab<'_>, windows: &[Window]) -> Result<Layout, LayoutFault> {
    let mut head = Head::read(slab, common())?;
    head.check()?;
    head.check_extent(slab.extent)?;
    let sizes = head.sizes();
    let (at, support) = windows::only(windows, |support| {
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

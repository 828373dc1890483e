//! Relaxed: as extended, but one word may be wrong that no write depends on: the policy word's
//! offset (then the policy is unknown, and writing needs consent), a field of a struct the engine
//! does not use, or the size of the runtime.

use super::extended::{common, complete_if_known, known};
use super::strict::out_of_group;
use super::support::{SUPPORT_BYTES, enabled_is_plausible};
use super::windows::{self, Window};
use super::{Head, Layout, LayoutFault, Slab};

pub(super) fn parse(slab: Slab<'_>, windows: &[Window]) -> Result<Layout, LayoutFault> {
    let mut head = Head::read(slab, common())?;
    head.check()?;
    let sizes = head.sizes();
    let (at, support) = windows::only(windows, |support| {
        support.check_canonical_size().and_then(|()| support.check_writes(sizes)).is_ok()
            && support.debugger_pending_call.checked_add(4) == Some(support.debugger_script_path)
    })?;
    if known(slab).is_some_and(|table| table.at.debugger_support != at) {
        return Err(LayoutFault::NoWindow);
    }
    let readable = enabled_is_plausible(support.remote_debugging_enabled, sizes.interpreter);
    let fits = head.check_extent(slab.extent).is_ok();
    let faults = usize::from(!readable)
        .saturating_add(usize::from(!fits))
        .saturating_add(out_of_known_groups(slab, at)?);
    if faults > 1 {
        return Err(LayoutFault::OutOfGroup);
    }
    complete_if_known(&mut head, slab, at)?;
    head.with(support, at.saturating_add(SUPPORT_BYTES))
}

/// Fields outside their struct, where the whole table is a known one.
pub(super) fn out_of_known_groups(slab: Slab<'_>, at: u64) -> Result<usize, LayoutFault> {
    match known(slab) {
        Some(table) if table.at.debugger_support == at => out_of_group(slab, table),
        _ => Ok(0),
    }
}

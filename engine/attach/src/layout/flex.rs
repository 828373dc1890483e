//! Flex: the six words in any order, with any legal capacity of the path. Statically several
//! assignments may survive; live memory must prove exactly one of them, and even that is not
//! enough to write unless the mapped file proves the table or the settings allow it.

use super::extended::{common, complete_if_known, known};
use super::strict::out_of_group;
use super::support::{self, SUPPORT_BYTES, Sizes, Support};
use super::windows::Window;
use super::{Head, Layout, LayoutFault, Slab};
use crate::limits;

/// The layouts that survive the rules, if any.
pub(super) fn parse(slab: Slab<'_>, windows: &[Window]) -> Result<Vec<Layout>, LayoutFault> {
    let head = Head::read(slab, common())?;
    head.check()?;
    head.check_extent(slab.extent)?;
    check_known(slab, head.sizes())?;
    let layouts = layouts(slab, windows)?;
    if layouts.is_empty() { Err(LayoutFault::NoWindow) } else { Ok(layouts) }
}

/// Where six words stand in the place that a known version has for them, the other words must be
/// those of that version: else none are taken, not even elsewhere.
fn check_known(slab: Slab<'_>, sizes: Sizes) -> Result<(), LayoutFault> {
    let Some(table) = known(slab) else { return Ok(()) };
    let words = support::words(slab.bytes, table.at.debugger_support);
    let stand_there = words.is_some_and(|words| !assignments(words, sizes).is_empty());
    if stand_there && out_of_group(slab, table)? > 0 {
        Err(LayoutFault::OutOfGroup)
    } else {
        Ok(())
    }
}

/// The layouts that survive the rules about the six words.
pub(super) fn layouts(slab: Slab<'_>, windows: &[Window]) -> Result<Vec<Layout>, LayoutFault> {
    let sizes = Head::read(slab, common())?.sizes();
    if shows_small_buffer(windows, sizes) {
        return Err(LayoutFault::Ambiguous);
    }
    let mut layouts: Vec<Layout> = Vec::new();
    for &Window { at, words } in windows {
        for support in assignments(words, sizes) {
            let Some(layout) = layout(slab, at, support) else { continue };
            let in_order = support == Support::from_words(words);
            let layout = Layout { in_order, ..layout };
            if let Some(known) = layouts.iter_mut().find(|known| known.is_same_as(&layout)) {
                // Windows overlap: the straight reading of one is an odd order of its neighbour.
                if in_order || !known.in_order {
                    *known = layout;
                }
                continue;
            }
            if layouts.len() >= limits::FLEX_ASSIGNMENTS_MAX {
                return Err(LayoutFault::Ambiguous);
            }
            layouts.push(layout);
        }
    }
    Ok(layouts)
}

/// Whether six words in CPython's order, the path right behind the flag, tell of a path buffer that
/// is too small to be used.
fn shows_small_buffer(windows: &[Window], sizes: Sizes) -> bool {
    windows.iter().map(|window| Support::from_words(window.words)).any(|support| {
        limits::SCRIPT_PATH_SIZE_SHOWN.contains(&support.debugger_script_path_size)
            && support.debugger_pending_call.checked_add(4) == Some(support.debugger_script_path)
            && support.check_but_for_size(sizes).is_ok()
    })
}

fn layout(slab: Slab<'_>, at: u64, support: Support) -> Option<Layout> {
    let mut head = Head::read(slab, common()).ok()?;
    complete_if_known(&mut head, slab, at).ok()?;
    head.with(support, at.checked_add(SUPPORT_BYTES)?).ok()
}

/// The orders of six words that keep all rules.
fn assignments(words: [u64; 6], sizes: Sizes) -> Vec<Support> {
    let mut accepted = Vec::new();
    // Only the policy word lies in another struct than the thread state, which is smaller.
    if words.iter().filter(|word| **word > sizes.thread).count() > 1 {
        return accepted;
    }
    for nth in 0..words.len() {
        let mut order = words;
        order.swap(nth, 5);
        let [.., capacity] = order;
        if !limits::SCRIPT_PATH_SIZE.contains(&capacity) || capacity > sizes.thread {
            continue;
        }
        permute(&mut order, 0, sizes, &mut |order| {
            let support = Support::from_words(order);
            if support.check(sizes).is_ok() && !accepted.contains(&support) {
                accepted.push(support);
            }
        });
    }
    accepted
}

/// Visits the orders of all words but the last, as far as each word may be where it stands.
fn permute(words: &mut [u64; 6], from: usize, sizes: Sizes, visit: &mut impl FnMut([u64; 6])) {
    const LAST: usize = 5;
    if from >= LAST {
        return visit(*words);
    }
    for other in from..LAST {
        words.swap(from, other);
        if may_begin(*words, from, sizes) {
            permute(words, from.saturating_add(1), sizes, visit);
        }
        words.swap(from, other);
    }
}

/// Whether six words may begin with these, up to and with the one at `last`: what the rules say of
/// a word alone, or of it and those before it.
fn may_begin(words: [u64; 6], last: usize, sizes: Sizes) -> bool {
    let [breaker, block, enabled, pending, path, capacity] = words;
    let path_fits = |path: u64| {
        let end = block.checked_add(path).and_then(|at| at.checked_add(capacity));
        end.is_some_and(|end| end <= sizes.thread)
    };
    match last {
        0 => breaker > 0 && breaker.is_multiple_of(8) && breaker < sizes.thread,
        1 => block > 0 && block.is_multiple_of(4) && path_fits(0),
        2 => support::enabled_is_plausible(enabled, sizes.interpreter),
        3 => pending.is_multiple_of(4) && path_fits(pending),
        _ => pending < path && path_fits(path),
    }
}

//! Windows: the places of a table at which the six words of `debugger_support` may stand. What
//! they must be like is for the modes.

use super::extended::common;
use super::support::Support;
use super::{Head, LayoutFault, Slab};
use crate::limits;
use crate::words::rest;

/// Six words, and where they stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Window {
    pub(super) at: u64,
    pub(super) words: [u64; 6],
}

/// The windows behind the head of which one word at least can tell of a path buffer in a thread
/// state of this size. Nearly all that is searched has no such word near it, and is passed by after
/// one look at each word.
pub(super) fn windows(slab: Slab<'_>) -> Vec<Window> {
    let Ok(head) = Head::read(slab, common()) else { return Vec::new() };
    let capacities = limits::SCRIPT_PATH_SIZE_SHOWN.start..=head.thread.size;
    let start = common().current_frame.saturating_add(8);
    let (words, _) = rest(slab.bytes, start).as_chunks::<8>();
    let mut windows = Vec::new();
    let mut seen = 0;
    for (nth, word) in (0_usize..).zip(words) {
        if capacities.contains(&u64::from_le_bytes(*word)) {
            let first = nth.saturating_sub(5).max(seen);
            seen = nth.saturating_add(1);
            windows.extend((first..seen).filter_map(|nth| window(words, start, nth)));
        }
    }
    windows
}

/// The one that begins with the `nth` of these words, the first of which is at `start`.
fn window(words: &[[u8; 8]], start: u64, nth: usize) -> Option<Window> {
    let six = words.get(nth..)?.first_chunk::<6>()?;
    let at = u64::try_from(nth).ok()?.checked_mul(8)?.checked_add(start)?;
    Some(Window { at, words: six.map(u64::from_le_bytes) })
}

/// The only one whose six words, in CPython's order, are accepted, and these.
pub(super) fn only(
    windows: &[Window],
    accepts: impl Fn(&Support) -> bool,
) -> Result<(u64, Support), LayoutFault> {
    let mut found = None;
    for window in windows {
        let support = Support::from_words(window.words);
        if accepts(&support) && found.replace((window.at, support)).is_some() {
            return Err(LayoutFault::Ambiguous);
        }
    }
    found.ok_or(LayoutFault::NoWindow)
}

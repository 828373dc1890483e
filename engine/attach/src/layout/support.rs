//! The six words of `debugger_support`, and the rules that every accepted set of them keeps.
//!
//! The rules matter more than the modes: over the whole of a real 3.14 or 3.15 table, and the
//! kilobytes behind it, exactly one window of six words in exactly one order satisfies them.

use super::LayoutFault;
use crate::limits;
use crate::words::slice;

/// Bytes of the six words.
pub(super) const SUPPORT_BYTES: u64 = 48;

/// The struct sizes the rules are relative to, in bytes.
#[derive(Clone, Copy)]
pub(super) struct Sizes {
    pub(super) interpreter: u64,
    pub(super) thread: u64,
}

/// The six words, each an offset in bytes but for the last, which is a capacity in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Support {
    /// In the thread state.
    pub(super) eval_breaker: u64,
    /// In the thread state.
    pub(super) remote_debugger_support: u64,
    /// In the *interpreter* state.
    pub(super) remote_debugging_enabled: u64,
    /// In the support block.
    pub(super) debugger_pending_call: u64,
    /// In the support block.
    pub(super) debugger_script_path: u64,
    /// Capacity of the path buffer, NUL included.
    pub(super) debugger_script_path_size: u64,
}

impl Support {
    /// The six words at `at`, in CPython's order.
    pub(super) fn read(bytes: &[u8], at: u64) -> Option<Support> {
        words(bytes, at).map(Support::from_words)
    }

    /// The six words in CPython's order.
    pub(super) const fn from_words(words: [u64; 6]) -> Support {
        let [eval_breaker, block, enabled, pending, path, size] = words;
        Support {
            eval_breaker,
            remote_debugger_support: block,
            remote_debugging_enabled: enabled,
            debugger_pending_call: pending,
            debugger_script_path: path,
            debugger_script_path_size: size,
        }
    }

    /// All rules, and the one capacity that released builds publish.
    pub(super) fn check_canonical(&self, sizes: Sizes) -> Result<(), LayoutFault> {
        self.check(sizes)?;
        self.check_canonical_size()
    }

    pub(super) fn check_canonical_size(&self) -> Result<(), LayoutFault> {
        if self.debugger_script_path_size == limits::SCRIPT_PATH_CANONICAL {
            Ok(())
        } else {
            Err(LayoutFault::ScriptPathSize)
        }
    }

    /// All rules.
    pub(super) fn check(&self, sizes: Sizes) -> Result<(), LayoutFault> {
        if !limits::SCRIPT_PATH_SIZE.contains(&self.debugger_script_path_size) {
            return Err(LayoutFault::ScriptPathSize);
        }
        self.check_but_for_size(sizes)
    }

    /// All rules but for how large a path buffer may be.
    pub(super) fn check_but_for_size(&self, sizes: Sizes) -> Result<(), LayoutFault> {
        self.check_writes(sizes)?;
        if enabled_is_plausible(self.remote_debugging_enabled, sizes.interpreter) {
            Ok(())
        } else {
            Err(LayoutFault::Enabled)
        }
    }

    /// The rules about everything that is written.
    pub(super) fn check_writes(&self, sizes: Sizes) -> Result<(), LayoutFault> {
        self.check_eval_breaker(sizes)?;
        self.check_block()?;
        self.check_path(sizes)?;
        self.check_apart()
    }

    fn check_eval_breaker(&self, sizes: Sizes) -> Result<(), LayoutFault> {
        let at = self.eval_breaker;
        let inside = at.checked_add(8).is_some_and(|end| end <= sizes.thread);
        if at > 0 && at.is_multiple_of(8) && inside {
            Ok(())
        } else {
            Err(LayoutFault::EvalBreaker)
        }
    }

    fn check_block(&self) -> Result<(), LayoutFault> {
        if self.remote_debugger_support == 0 || !self.remote_debugger_support.is_multiple_of(4) {
            return Err(LayoutFault::SupportBlock);
        }
        let (pending, path) = (self.debugger_pending_call, self.debugger_script_path);
        let farthest = pending.checked_add(limits::SCRIPT_PATH_DISTANCE_MAX);
        let behind = pending.checked_add(4).is_some_and(|end| end <= path);
        let near = farthest.is_some_and(|farthest| path <= farthest);
        if pending.is_multiple_of(4) && behind && near { Ok(()) } else { Err(LayoutFault::Pending) }
    }

    fn check_path(&self, sizes: Sizes) -> Result<(), LayoutFault> {
        match self.path_end() {
            Some(end) if end <= sizes.thread => Ok(()),
            _ => Err(LayoutFault::ScriptPath),
        }
    }

    fn check_apart(&self) -> Result<(), LayoutFault> {
        let pending = self.remote_debugger_support.checked_add(self.debugger_pending_call);
        let (Some(start), Some(end)) = (pending, self.path_end()) else {
            return Err(LayoutFault::ScriptPath);
        };
        let len = end.saturating_sub(start);
        if overlap((self.eval_breaker, 8), (start, len)) {
            Err(LayoutFault::Overlap)
        } else {
            Ok(())
        }
    }

    fn path_end(&self) -> Option<u64> {
        self.remote_debugger_support
            .checked_add(self.debugger_script_path)?
            .checked_add(self.debugger_script_path_size)
    }
}

/// Six words at `at`.
pub(super) fn words(bytes: &[u8], at: u64) -> Option<[u64; 6]> {
    let (words, _) = slice(bytes, at, SUPPORT_BYTES)?.as_chunks::<8>();
    <[[u8; 8]; 6]>::try_from(words).ok().map(|words| words.map(u64::from_le_bytes))
}

/// Whether the policy word can be where `enabled` says.
pub(super) fn enabled_is_plausible(enabled: u64, interpreter_size: u64) -> bool {
    enabled > 0
        && enabled.is_multiple_of(4)
        && enabled.checked_add(4).is_some_and(|end| end <= interpreter_size)
}

/// Whether two ranges (start, length) share a byte.
pub(super) fn overlap(a: (u64, u64), b: (u64, u64)) -> bool {
    a.0 < b.0.saturating_add(b.1) && b.0 < a.0.saturating_add(a.1)
}

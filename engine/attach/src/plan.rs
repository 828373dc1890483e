//! The writes of one attach, as a value: what would be written where, over what. It can be
//! printed without touching a target, which is what a dry run shows.
//!
//! The order is the protocol: a claim that CPython ignores; the path with its NUL, since the
//! pending flag alone already makes CPython run it; the flag; the breaker last, since it only makes
//! the target look sooner.

use core::fmt;

use softdock_process::Address;

use crate::Reason;
use crate::layout::ThreadFields;
use crate::validate::State;

/// The event bit CPython's own writer sets: "please stop", `_PY_EVAL_PLEASE_STOP_BIT`.
pub const EVAL_PLEASE_STOP: u8 = 0x20;

/// What is written to ask one thread to run one script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteWritePlan {
    /// Where the script path buffer starts.
    pub path_at: Address,
    /// The path and its NUL.
    pub path: Vec<u8>,
    /// What these bytes held before.
    pub old_path: Vec<u8>,
    /// Where the 32-bit pending flag is.
    pub pending_at: Address,
    /// Where the eval breaker's event byte is. Only this byte is written: the other bytes hold the
    /// instrumentation version, which is not ours.
    pub breaker_at: Address,
    /// What the event byte held when the plan was made.
    pub old_breaker: u8,
}

impl RemoteWritePlan {
    /// Plans to run `script` in the thread whose state lies at `thread`.
    pub(crate) fn new(
        script: &[u8],
        thread: Address,
        state: State<'_>,
    ) -> Result<RemoteWritePlan, Reason> {
        let fields: &ThreadFields = state.fields;
        let path = [script, &[0]].concat();
        let old_path = state.path_buffer().and_then(|buffer| buffer.get(..path.len()));
        let old_path = old_path.ok_or(Reason::ScriptTooLong)?.to_vec();
        let (Some(path_at), Some(pending_at), Some(breaker_at), Some(old_breaker)) = (
            thread.checked_add(fields.script_path),
            thread.checked_add(fields.pending),
            thread.checked_add(fields.eval_breaker),
            state.events(),
        ) else {
            return Err(Reason::Mismatch);
        };
        Ok(RemoteWritePlan { path_at, path, old_path, pending_at, breaker_at, old_breaker })
    }
}

impl fmt::Display for RemoteWritePlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.strip_suffix(&[0]).unwrap_or(&self.path);
        let path = String::from_utf8_lossy(path);
        let len = self.path.len();
        writeln!(f, "1. pending flag {} 4 bytes: 0 -> 2, a claim", self.pending_at)?;
        writeln!(f, "2. script path  {} {len} bytes: {path:?} and a NUL", self.path_at)?;
        writeln!(f, "3. pending flag {} 4 bytes: 2 -> 1", self.pending_at)?;
        let new = self.old_breaker | EVAL_PLEASE_STOP;
        write!(
            f,
            "4. eval breaker {} 1 byte: {:#04x} -> {new:#04x}",
            self.breaker_at, self.old_breaker
        )
    }
}

/// The event bit an attach would have set before CPython 3.14, kept for readers of old designs:
/// there was no script to run, so no attach ever got here.
///
/// Since 3.13 the lowest byte of the breaker holds the event bits; before, any set bit made the
/// loop look, so that 1 is as good as another.
#[must_use]
pub const fn eval_breaker_mask(major: u8, minor: u8) -> Option<u8> {
    match (major, minor) {
        (3, 13..) => Some(EVAL_PLEASE_STOP),
        (3, 5..=12) => Some(1),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mask_is_fixed_since_3_13() {
        assert_eq!(eval_breaker_mask(3, 14), Some(0x20));
        assert_eq!(eval_breaker_mask(3, 15), Some(0x20));
        assert_eq!(eval_breaker_mask(3, 9), Some(1));
        assert_eq!(eval_breaker_mask(2, 7), None);
    }
}

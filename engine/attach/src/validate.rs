//! Is this a live thread state? Judged by values, not by whether memory can be read: freed
//! memory stays readable, and garbage is readable too.

use softdock_process::{Address, ErrorKind, MemoryError};

use crate::attempt::Target;
use crate::layout::{NativeField, ThreadFields};
use crate::words::{slice, u32_at, u64_at};

/// What a candidate thread state turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ThreadVerdict {
    /// Everything holds.
    Ok,
    /// The pointer is null.
    Null,
    /// The pointer is not aligned to 8 bytes.
    Misaligned,
    /// The pointer is outside user space.
    NotUserSpace,
    /// Memory ends before the eval breaker does.
    UnmappedBreaker,
    /// Memory ends before the pending flag does.
    UnmappedPending,
    /// Memory ends before the script path buffer or the struct does.
    UnmappedScript,
    /// It belongs to another interpreter, or to none.
    WrongInterpreter,
    /// The neighbours in the list do not point back.
    BrokenLinks,
    /// Its status is not that of a bound, initialised, uncleared thread state.
    BadStatus,
    /// The operating system knows no such thread of this process.
    UnknownNativeId,
    /// The pending flag is neither 0 nor 1, nor the claim of an engine like this one.
    BadPending,
    /// The script path buffer has no NUL.
    BadScript,
}

impl ThreadVerdict {
    /// All of them.
    pub const ALL: [ThreadVerdict; 13] = [
        ThreadVerdict::Ok,
        ThreadVerdict::Null,
        ThreadVerdict::Misaligned,
        ThreadVerdict::NotUserSpace,
        ThreadVerdict::UnmappedBreaker,
        ThreadVerdict::UnmappedPending,
        ThreadVerdict::UnmappedScript,
        ThreadVerdict::WrongInterpreter,
        ThreadVerdict::BrokenLinks,
        ThreadVerdict::BadStatus,
        ThreadVerdict::UnknownNativeId,
        ThreadVerdict::BadPending,
        ThreadVerdict::BadScript,
    ];

    /// Its name in scenarios, reports and messages.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            ThreadVerdict::Ok => "ok",
            ThreadVerdict::Null => "null",
            ThreadVerdict::Misaligned => "misaligned",
            ThreadVerdict::NotUserSpace => "not-user-space",
            ThreadVerdict::UnmappedBreaker => "unmapped-breaker",
            ThreadVerdict::UnmappedPending => "unmapped-pending",
            ThreadVerdict::UnmappedScript => "unmapped-script",
            ThreadVerdict::WrongInterpreter => "wrong-interpreter",
            ThreadVerdict::BrokenLinks => "broken-links",
            ThreadVerdict::BadStatus => "bad-status",
            ThreadVerdict::UnknownNativeId => "unknown-native-id",
            ThreadVerdict::BadPending => "bad-pending",
            ThreadVerdict::BadScript => "bad-script",
        }
    }
}

/// Bits of `status` that tell a live thread state, from bit 0 up: initialized, bound, unbound,
/// bound_gilstate, active, finalizing, cleared, finalized.
const STATUS_JUDGED: u32 = 0b1110_0111;

/// Of the judged bits a live one has initialized and bound, and nothing else. `bound_gilstate` is
/// clear on a thread's second state (in a sub-interpreter); `active` says that it runs now.
///
/// Folklore: after a thread has exited, its freed state still reads 0b1111_0111 and often still
/// points at the right interpreter (CPython 3.14 and 3.15); `refuse/exited-thread.ron`.
const STATUS_LIVE: u32 = 0b0000_0011;

/// The status bit of a thread that is executing now.
const STATUS_ACTIVE: u32 = 0b0001_0000;

/// What the pending flag may hold: nothing asked for, or a script to run. CPython ignores any
/// other value and leaves it.
pub(crate) const PENDING_NONE: u32 = 0;
pub(crate) const PENDING_SET: u32 = 1;

/// What this engine writes there first. CPython ignores every value but 1 and leaves it alone
/// (measured with 0, 2, -1 and 257 on 3.14.10 and 3.15.2), so the claim cannot run anything; but
/// from then on the flag tells three stories apart: 2 is a request whose last write was lost, 1 an
/// armed one, 0 one that the target has taken. Without it a lost write would look like success.
pub(crate) const PENDING_CLAIMED: u32 = 2;

/// Whether a pointer can be one to a thread or interpreter state at all.
pub(crate) fn pointer(at: Address) -> ThreadVerdict {
    match () {
        () if at.is_null() => ThreadVerdict::Null,
        () if !at.is_aligned(8) => ThreadVerdict::Misaligned,
        () if !at.is_user_space() => ThreadVerdict::NotUserSpace,
        () => ThreadVerdict::Ok,
    }
}

/// What a failed read of a whole thread state says about it; `None` where the failure is not the
/// target's memory but the access itself.
pub(crate) fn unmapped(error: MemoryError, fields: &ThreadFields) -> Option<ThreadVerdict> {
    if !matches!(error.kind, ErrorKind::Unmapped | ErrorKind::Short | ErrorKind::OutOfRange) {
        return None;
    }
    let done = u64::try_from(error.done).unwrap_or(u64::MAX);
    let verdict = if done < fields.eval_breaker.saturating_add(8) {
        ThreadVerdict::UnmappedBreaker
    } else if done < fields.pending.saturating_add(4) {
        ThreadVerdict::UnmappedPending
    } else {
        ThreadVerdict::UnmappedScript
    };
    Some(verdict)
}

/// A thread state as read, with the layout to look at it by.
#[derive(Clone, Copy)]
pub(crate) struct State<'s> {
    pub(crate) bytes: &'s [u8],
    pub(crate) fields: &'s ThreadFields,
}

impl State<'_> {
    pub(crate) fn prev(&self) -> Address {
        self.pointer(self.fields.prev)
    }

    pub(crate) fn next(&self) -> Address {
        self.pointer(self.fields.next)
    }

    pub(crate) fn interpreter(&self) -> Address {
        self.pointer(self.fields.interp)
    }

    fn pointer(&self, at: u64) -> Address {
        u64_at(self.bytes, at).map_or(Address::NULL, Address::new)
    }

    /// The native thread id as the target numbers it.
    pub(crate) fn native(&self) -> Option<u64> {
        native_at(self.bytes, self.fields.native_thread_id?)
    }

    pub(crate) fn pending(&self) -> Option<u32> {
        u32_at(self.bytes, self.fields.pending)
    }

    pub(crate) fn eval_breaker(&self) -> Option<u64> {
        u64_at(self.bytes, self.fields.eval_breaker)
    }

    /// The event bits of the eval breaker.
    pub(crate) fn events(&self) -> Option<u8> {
        self.eval_breaker().map(|breaker| breaker.to_le_bytes()[0])
    }

    /// The whole script path buffer.
    pub(crate) fn path_buffer(&self) -> Option<&[u8]> {
        slice(self.bytes, self.fields.script_path, self.fields.script_path_size)
    }

    pub(crate) fn is_active(&self) -> bool {
        self.status().is_some_and(|status| status & STATUS_ACTIVE != 0)
    }

    pub(crate) fn status(&self) -> Option<u32> {
        u32_at(self.bytes, self.fields.status?)
    }

    /// Whether the status is that of a live thread state.
    pub(crate) fn is_live(&self) -> bool {
        self.status().is_some_and(|status| status & STATUS_JUDGED == STATUS_LIVE)
    }

    /// Judges the values. Links and the native id need more than these bytes: the caller does.
    pub(crate) fn judge(&self, interpreter: Address) -> ThreadVerdict {
        match () {
            () if self.interpreter() != interpreter => ThreadVerdict::WrongInterpreter,
            () if !self.is_live() => ThreadVerdict::BadStatus,
            () if !matches!(self.pending(), Some(PENDING_NONE | PENDING_SET | PENDING_CLAIMED)) => {
                ThreadVerdict::BadPending
            }
            () if !self.path_buffer().is_some_and(|path| path.contains(&0)) => {
                ThreadVerdict::BadScript
            }
            () => ThreadVerdict::Ok,
        }
    }

    /// Whether it is still that of the target's thread, and that one lives.
    pub(crate) fn is_of(&self, target: &Target) -> bool {
        self.interpreter() == target.interpreter.at
            && self.native() == Some(target.native)
            && self.is_live()
    }

    /// What tells this thread state from that of any other thread, now or later in the same memory;
    /// not from a later one of the same native thread, which may lie in the same place.
    pub(crate) fn mark(&self) -> ThreadMark {
        let status = self.status().map(|status| status & STATUS_JUDGED);
        ThreadMark { interpreter: self.interpreter(), native: self.native(), status }
    }
}

/// What stays the same while a thread state lives; the request fields may change.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct ThreadMark {
    interpreter: Address,
    native: Option<u64>,
    status: Option<u32>,
}

/// The native id in a thread state.
pub(crate) fn native_at(bytes: &[u8], field: NativeField) -> Option<u64> {
    match field.width {
        4 => u32_at(bytes, field.at).map(u64::from),
        _ => u64_at(bytes, field.at),
    }
}

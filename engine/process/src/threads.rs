//! The target's operating-system threads, by the ids the target itself sees.

use crate::{ErrorKind, Identity};

/// The threads and the identity of a target.
pub trait Threads {
    /// Whether the process has a live thread with this native id **as the target's own PID
    /// namespace numbers it**, which is what CPython stores in `native_thread_id`.
    ///
    /// # Errors
    /// When the process could not be asked, as when it is gone.
    fn is_thread(&mut self, native: u64) -> Result<bool, ErrorKind>;

    /// The native id of the thread that started the process, as the target numbers it (Linux: its
    /// pid in its own namespace); `None` where the system has no such notion (Windows).
    ///
    /// # Errors
    /// When the process could not be asked.
    fn main_thread(&mut self) -> Result<Option<u64>, ErrorKind>;

    /// Which process this is, asked anew: differs from an earlier answer when the pid was reused.
    ///
    /// # Errors
    /// [`ErrorKind::Gone`] when there is no such process any more.
    fn identity(&mut self) -> Result<Identity, ErrorKind>;
}

//! How long a request is given to be taken: the pauses between two looks at its pending flag, and
//! where they end. The clock comes from outside; the looks are the engine's.

use std::time::Duration;

use softdock_attach::Wait;

use crate::answer::Clock;

/// The first pause between two looks at the pending flag. A busy loop takes a script after some
/// 60 µs, so that a shorter one would only burn time.
const PAUSE_MIN: Duration = Duration::from_micros(50);

/// The longest pause; each is twice the one before.
pub const PAUSE_MAX: Duration = Duration::from_millis(5);

/// The patience of whoever waits for one request, counted from when it was armed.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    timeout: Duration,
    armed_at: Option<Duration>,
    waited: Duration,
}

impl Patience {
    /// Waits so long at most, from the first time on that it is asked to.
    #[must_use]
    pub const fn new(timeout: Duration) -> Patience {
        Patience { timeout, armed_at: None, waited: Duration::ZERO }
    }

    /// How long the target was given to take the script.
    #[must_use]
    pub const fn waited(&self) -> Duration {
        self.waited
    }

    /// Lets a pause pass before the `polls`-th look, from 0, unless it is over.
    pub fn wait(&mut self, clock: &mut impl Clock, is_cancelled: bool, polls: u32) -> Wait {
        let now = clock.now();
        let armed_at = *self.armed_at.get_or_insert(now);
        self.waited = now.saturating_sub(armed_at);
        if is_cancelled {
            return Wait::Cancelled;
        }
        let Some(left) = self.timeout.checked_sub(self.waited).filter(|left| !left.is_zero())
        else {
            return Wait::Deadline;
        };
        clock.sleep(pause(polls).min(left));
        self.waited = clock.now().saturating_sub(armed_at);
        Wait::Again
    }
}

/// A signal does not cut a sleep of the standard library short, so none is long.
pub(crate) fn pause(polls: u32) -> Duration {
    PAUSE_MIN.saturating_mul(1 << polls.min(16)).min(PAUSE_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_bound() {
        let micros = |polls| pause(polls).as_micros();
        assert_eq!(
            [0, 1, 2, 6, 7, 31, u32::MAX].map(micros),
            [50, 100, 200, 3200, 5000, 5000, 5000]
        );
    }
}

//! Waiting for what a target tells of its debugger: until it is so far, or the patience ends. The
//! clock and the looks come from outside, so that a test can be any clock and any target.

use std::time::{Duration, Instant};

use softdock_debugpy::{Record, Sidecar, State};

/// The pause between two looks. A record is there some 300 ms after the script began, or at once
/// where the session was there before.
pub const PAUSE: Duration = Duration::from_millis(2);

/// What tells the time, and lets some pass.
pub trait Clock {
    /// The time since some moment.
    fn now(&mut self) -> Duration;

    /// Lets this much of it pass.
    fn sleep(&mut self, duration: Duration);
}

/// The clock on the wall.
#[derive(Clone, Copy, Debug)]
pub struct WallClock(Instant);

impl WallClock {
    /// Its time begins now.
    #[must_use]
    pub fn start() -> WallClock {
        WallClock(Instant::now())
    }
}

impl Clock for WallClock {
    fn now(&mut self) -> Duration {
        self.0.elapsed()
    }

    fn sleep(&mut self, duration: Duration) {
        std::thread::sleep(duration);
    }
}

/// What one look at the target gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Look {
    /// What its record says.
    Record(Sidecar),
    /// It has ended.
    Ended,
    /// The user gave up.
    Cancelled,
}

/// How the waiting ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The target told what was waited for, or that it came to nothing.
    Told(Record),
    /// The time was up; this is what was seen last.
    Deadline(Sidecar),
    /// The target has ended.
    Ended,
    /// The user gave up.
    Cancelled,
}

/// Looks again and again, until the target is in a state that is `enough`, or has failed, or the
/// clock has come to the deadline.
///
/// Whatever else is found is waited over: a file may be torn or of somebody else now, and the
/// right one the next moment.
pub fn wait<C: Clock>(
    clock: &mut C,
    deadline: Duration,
    enough: impl Fn(&State) -> bool,
    mut look: impl FnMut(&mut C) -> Look,
) -> Answer {
    loop {
        let seen = match look(clock) {
            Look::Ended => return Answer::Ended,
            Look::Cancelled => return Answer::Cancelled,
            Look::Record(seen) => seen,
        };
        match seen {
            Sidecar::Told(record) if enough(&record.state) || record.is_error() => {
                return Answer::Told(record);
            }
            seen => {
                let left = deadline.saturating_sub(clock.now());
                if left.is_zero() {
                    return Answer::Deadline(seen);
                }
                clock.sleep(left.min(PAUSE));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use softdock_debugpy::record::Foreign;

    use super::*;

    /// A clock that goes on only while somebody sleeps.
    #[derive(Default)]
    struct Sleeps(Vec<Duration>);

    impl Clock for Sleeps {
        fn now(&mut self) -> Duration {
            self.0.iter().sum()
        }

        fn sleep(&mut self, duration: Duration) {
            self.0.push(duration);
        }
    }

    fn told(state: State) -> Look {
        Look::Record(Sidecar::Told(record(state)))
    }

    fn record(state: State) -> Record {
        Record { state, endpoint: None, reused: false, debugpy: None }
    }

    /// Waits for a target that shows these, one after the other, and the last one for ever.
    fn wait_for(looks: &[Look], deadline: u64) -> (Answer, Duration) {
        let (mut clock, mut nth) = (Sleeps::default(), 0);
        let answer = wait(
            &mut clock,
            Duration::from_millis(deadline),
            |state| *state == State::Listening,
            |_| {
                nth += 1;
                looks[usize::min(nth, looks.len()) - 1].clone()
            },
        );
        (answer, clock.now())
    }

    #[test]
    fn whatever_comes_first_is_waited_over() {
        let looks = [
            Look::Record(Sidecar::Late),
            Look::Record(Sidecar::Torn),
            Look::Record(Sidecar::Foreign(Foreign::Session)),
            told(State::Started),
            told(State::Listening),
        ];
        let (answer, waited) = wait_for(&looks, 1000);
        assert_eq!(answer, Answer::Told(record(State::Listening)));
        assert_eq!(waited, PAUSE * 4);
    }

    #[test]
    fn the_end_says_what_was_seen_last() {
        for last in [
            Sidecar::Late,
            Sidecar::Torn,
            Sidecar::Foreign(Foreign::Owner(7)),
            Sidecar::Told(record(State::Started)),
        ] {
            let (answer, waited) = wait_for(&[Look::Record(last.clone())], 5);
            assert_eq!(answer, Answer::Deadline(last));
            assert_eq!(waited, Duration::from_millis(5), "to the moment");
        }
    }

    /// Nobody is so late that an answer which is there is not looked at.
    #[test]
    fn an_answer_that_is_there_needs_no_time() {
        let (answer, waited) = wait_for(&[told(State::Listening)], 0);
        assert_eq!((answer, waited), (Answer::Told(record(State::Listening)), Duration::ZERO));
    }

    #[test]
    fn an_error_an_end_and_a_user_are_answers() {
        let error = State::Error { kind: "E".into(), message: "m".into() };
        assert_eq!(wait_for(&[told(error.clone())], 9).0, Answer::Told(record(error)));
        assert_eq!(wait_for(&[told(State::Started), Look::Ended], 9).0, Answer::Ended);
        assert_eq!(
            wait_for(&[Look::Record(Sidecar::Late), Look::Cancelled], 9).0,
            Answer::Cancelled
        );
    }
}

//! What each step of an attempt costs: time and accesses. The clock comes from outside.

use std::time::Duration;

use softdock_attach::Site;

use crate::answer::Clock;

/// What one step of an attempt cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Phase {
    /// The step.
    pub site: Site,
    /// Accesses to the target's memory.
    pub accesses: u32,
    /// How long it took.
    pub took: Duration,
}

/// A stopwatch for the steps, in the order they were made; steps in a row at one site are one.
#[derive(Clone, Debug)]
pub struct PhaseTimer {
    phases: Vec<Phase>,
    began: Duration,
}

impl PhaseTimer {
    /// The first step has not begun yet.
    #[must_use]
    pub fn start(clock: &mut impl Clock) -> PhaseTimer {
        PhaseTimer { phases: Vec::with_capacity(Site::ALL.len()), began: clock.now() }
    }

    /// A step begins, and the one before has ended.
    pub fn at(&mut self, clock: &mut impl Clock, site: Site) {
        self.end(clock);
        if self.phases.last().is_none_or(|phase| phase.site != site) {
            self.phases.push(Phase { site, accesses: 0, took: Duration::ZERO });
        }
    }

    /// The step that has begun makes an access.
    pub fn access(&mut self) {
        if let Some(phase) = self.phases.last_mut() {
            phase.accesses = phase.accesses.saturating_add(1);
        }
    }

    /// The last step has ended.
    pub fn end(&mut self, clock: &mut impl Clock) {
        let now = clock.now();
        if let Some(phase) = self.phases.last_mut() {
            phase.took += now.saturating_sub(self.began);
        }
        self.began = now;
    }

    /// What each step cost.
    #[must_use]
    pub fn phases(&self) -> &[Phase] {
        &self.phases
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goes on by itself, a millisecond a look.
    struct Ticks(u64);

    impl Clock for Ticks {
        fn now(&mut self) -> Duration {
            self.0 += 1;
            Duration::from_millis(self.0)
        }

        fn sleep(&mut self, duration: Duration) {
            panic!("nobody sleeps here, and not for {duration:?}");
        }
    }

    #[test]
    fn steps_in_a_row_at_one_site_are_one() {
        let mut clock = Ticks(100);
        let mut timer = PhaseTimer::start(&mut clock);
        timer.access();
        for site in [Site::Locate, Site::Locate, Site::Plan, Site::Locate] {
            timer.at(&mut clock, site);
            timer.access();
        }
        clock.0 += 9;
        timer.end(&mut clock);
        let cost = |site, accesses, millis| {
            let took = Duration::from_millis(millis);
            Phase { site, accesses, took }
        };
        let costs = [cost(Site::Locate, 2, 2), cost(Site::Plan, 1, 1), cost(Site::Locate, 1, 10)];
        assert_eq!(timer.phases(), costs);
    }
}

//! Going on with an attempt from one of its later parts, as often as one likes.
//!
//! The search for the thread reads and parses most of what an attach ever does, and what follows
//! depends on little of it. Whoever lets the same attempt end in many ways, as a sweep of faults
//! does, keeps what it knew when it came to a part, and does not let it search again.

use crate::attempt::{Attempt, Target};
use crate::{Config, Host, RemoteWritePlan, Report};

/// A part of an attempt after the search, each of which may be gone on from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Part {
    /// A last look at everything, with the target stopped where that is asked for.
    Recheck,
    /// Taking the slot, and looking whether it is taken.
    Claim,
    /// Writing the path, and reading it back.
    Path,
    /// Setting the flag.
    Flag,
    /// Setting the event bit.
    Breaker,
    /// What came of it.
    Verify,
}

/// All that an attempt knows when it comes to one of its later parts. The table is not among it:
/// nobody looks at that any more.
#[derive(Clone, Debug)]
pub struct Progress {
    pub(crate) part: Part,
    target: Target,
    plan: RemoteWritePlan,
    report: Report,
    state: Vec<u8>,
}

/// Goes on with an attempt: as [`crate::attach`], without what was done by then. The target must be
/// as it was when the attempt came there, and the settings the same.
pub fn go_on<H: Host>(host: &mut H, config: &Config, progress: &Progress) -> Report {
    let Progress { part, target, plan, report, state } = progress;
    let mut attempt = Attempt::from(*part, host, config, report.clone(), state.clone());
    let ending = attempt.carry_out(target, plan);
    attempt.report.plan = Some(plan.clone());
    attempt.conclude(ending)
}

impl<H: Host> Attempt<'_, H> {
    /// Whether this part is still to be done. The host hears of it, to go on from here.
    pub(crate) fn comes_to(&mut self, part: Part, target: &Target, plan: &RemoteWritePlan) -> bool {
        if part < self.from {
            return false;
        }
        let (report, state) = (&self.report, &self.state);
        self.host.comes_to(|| Progress {
            part,
            target: *target,
            plan: plan.clone(),
            report: report.clone(),
            state: state.clone(),
        });
        true
    }
}

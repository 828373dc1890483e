//! Going on with an attempt from one of its later parts, as often as one likes.
//!
//! The search for the thread reads and parses most of what an attach ever does, and what follows
//! depends on little of it. Whoever lets the same attempt end in many ways, as a sweep of faults
//! does, keeps what it knew when it came to a part, and does not let it search again.

use std::borrow::Cow;

use softdock_process::Address;

use crate::attempt::{Attempt, Step, Target};
use crate::heuristic::Scanned;
use crate::locate::Examined;
use crate::walk::Interpreter;
use crate::{Config, Host, Outcome, RemoteWritePlan, Report};

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

/// All that an attempt knows when it comes to something that can be gone on from.
#[derive(Clone, Debug)]
pub struct Progress {
    at: Middle,
    report: Report,
    /// The table as read; once the thread is found, its state. Nobody looks at the other one again.
    bytes: Vec<u8>,
}

#[derive(Clone, Debug)]
enum Middle {
    /// A candidate is examined.
    Examined(Examined),
    /// The interpreter is known, and which of its threads it will be is not.
    Interpreter { known: Target, interpreter: Interpreter },
    /// A scan has come to its next candidate; of the target all is known but the thread.
    Candidate { known: Target, rest: Vec<Address>, found: Option<Address> },
    /// The thread is found.
    Part { part: Part, target: Target, plan: RemoteWritePlan },
}

/// Goes on with an attempt: as [`crate::attach`], without what was done by then. The target must be
/// as it was when the attempt came there, and settings and script the same.
///
/// This is for worlds that can be put back. A live process is never as it was, and what was looked
/// at before a write is not looked at again here: attach to it anew.
pub fn go_on<H: Host>(host: &mut H, config: &Config, script: &[u8], progress: &Progress) -> Report {
    let mut attempt = Attempt::new(host, config, progress.report.clone());
    let ending = attempt.go_on(progress, script);
    attempt.conclude(ending)
}

impl<'a, H: Host> Attempt<'a, H> {
    fn go_on(&mut self, progress: &'a Progress, script: &[u8]) -> Step<Outcome> {
        let kept = match progress.at {
            Middle::Part { .. } => &mut self.state,
            _ => &mut self.slab,
        };
        *kept = Cow::Borrowed(&progress.bytes);
        self.search_goes_on = true;
        match &progress.at {
            Middle::Examined(examined) => {
                let target = self.search(Some(examined))?;
                self.attach_to(&target, script, None)
            }
            Middle::Interpreter { known, interpreter } => {
                let target = self.resolve_thread(known, interpreter)?;
                self.attach_to(&target, script, None)
            }
            Middle::Candidate { known, rest, found } => {
                let scanned = Scanned { rest, found: *found };
                let target = self.resolve_scanned(known, scanned)?;
                self.attach_to(&target, script, None)
            }
            Middle::Part { part, target, plan } => {
                self.from = *part;
                let ending = self.carry_out(target, plan);
                self.report.plan = Some(plan.clone());
                ending
            }
        }
    }

    /// The host hears how far a candidate was examined.
    pub(crate) fn comes_to_examined(&mut self, examined: impl FnOnce() -> Examined) {
        self.comes_to_middle(|| Middle::Examined(examined()));
    }

    /// The host hears that all is known but the thread.
    pub(crate) fn comes_to_interpreter(&mut self, known: &Target, interpreter: &Interpreter) {
        let (known, interpreter) = (*known, *interpreter);
        self.comes_to_middle(|| Middle::Interpreter { known, interpreter });
    }

    /// The host hears of the next candidate of a scan.
    pub(crate) fn comes_to_candidate(&mut self, known: &Target, scanned: Scanned<'_>) {
        let (known, rest, found) = (*known, scanned.rest, scanned.found);
        self.comes_to_middle(|| Middle::Candidate { known, rest: rest.to_vec(), found });
    }

    fn comes_to_middle(&mut self, at: impl FnOnce() -> Middle) {
        let Attempt { host, report, slab, search_goes_on, .. } = self;
        if *search_goes_on {
            let (report, slab) = (&*report, &*slab);
            host.comes_to(|| Progress { at: at(), report: report.clone(), bytes: slab.to_vec() });
        }
    }

    /// Whether this part is still to be done. The host hears of it, to go on from here.
    pub(crate) fn comes_to(&mut self, part: Part, target: &Target, plan: &RemoteWritePlan) -> bool {
        if part < self.from {
            return false;
        }
        let Attempt { host, report, state, .. } = self;
        host.comes_to(|| Progress {
            at: Middle::Part { part, target: *target, plan: plan.clone() },
            report: report.clone(),
            bytes: state.to_vec(),
        });
        true
    }
}

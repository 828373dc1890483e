//! Going on with an attempt from one of its later parts, as often as one likes.
//!
//! The search for the thread reads and parses most of what an attach ever does, and what follows
//! depends on little of it. Whoever lets the same attempt end in many ways, as a sweep of faults
//! does, keeps what it knew when it came to a part, and does not let it search again.

use softdock_process::Address;

use crate::attempt::{Attempt, Step, Target};
use crate::heuristic::Scanned;
use crate::locate::Looked;
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
    slab: Vec<u8>,
    state: Vec<u8>,
}

#[derive(Clone, Debug)]
enum Middle {
    /// The table of a candidate was looked through at length.
    Looked(Looked),
    /// The interpreter is known, and which of its threads it will be is not.
    Interpreter { known: Target, interpreter: Interpreter },
    /// A scan has come to its next candidate; of the target all is known but the thread.
    Candidate { known: Target, rest: Vec<Address>, found: Option<Address> },
    /// The thread is found. The table is not kept: nobody looks at it any more.
    Part { part: Part, target: Target, plan: RemoteWritePlan },
}

/// Goes on with an attempt: as [`crate::attach`], without what was done by then. The target must be
/// as it was when the attempt came there, and settings and script the same.
///
/// This is for worlds that can be put back. A live process is never as it was, and what was looked
/// at before a write is not looked at again here: attach to it anew.
pub fn go_on<H: Host>(host: &mut H, config: &Config, script: &[u8], progress: &Progress) -> Report {
    let Progress { at, report, slab, state } = progress;
    let buffers = [slab.clone(), state.clone()];
    let mut attempt = Attempt::again(host, config, report.clone(), buffers);
    let ending = attempt.go_on(at, script);
    attempt.conclude(ending)
}

impl<H: Host> Attempt<'_, H> {
    fn go_on(&mut self, at: &Middle, script: &[u8]) -> Step<Outcome> {
        match at {
            Middle::Looked(looked) => {
                let target = self.search(Some(looked.clone()))?;
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

    /// The host hears that a table was looked through.
    pub(crate) fn comes_to_looked(&mut self, looked: &Looked) {
        self.comes_to_middle(|| Middle::Looked(looked.clone()));
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
        let Attempt { host, report, slab, state, search_goes_on, .. } = self;
        if *search_goes_on {
            let (report, slab, state) = (&*report, &*slab, &*state);
            host.comes_to(|| Progress {
                at: at(),
                report: report.clone(),
                slab: slab.clone(),
                state: state.clone(),
            });
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
            slab: Vec::new(),
            state: state.clone(),
        });
        true
    }
}

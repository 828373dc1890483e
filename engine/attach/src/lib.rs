//! The PEP 768 attach engine: it asks one thread of a running CPython 3.14+ process to run a
//! script, by a few verified memory writes and no injected code.
//!
//! The engine is pure. It reads no clock, no environment and no file, uses no global state, never
//! panics on any memory content, and touches the target only through a [`Host`]. The same code
//! therefore runs against a live process and in a virtual world where every access can be made to
//! fail.
//!
//! The story, one module a chapter, is told by [`attach`]:
//!
//! | chapter | what it knows |
//! |---|---|
//! | `gate` | what is refused before the target is touched |
//! | `locate` | where a runtime may be, and which candidate holds |
//! | `layout` | how a table of offsets becomes a layout, in four modes |
//! | `resolve` | the stages that lead to a thread state; `cached`, `walk`, `infer`, `heuristic` |
//! | `validate` | what a live thread state looks like |
//! | `plan` | the four writes, as a value |
//! | `execute` | writing them, each looked at before the next |
//! | `verify` | what the target looks like afterwards, and undoing |
//! | `confirm` | whether the target took the script |
//! | `progress` | going on from the middle, for whoever tries many endings |
//!
//! Every attempt ends in exactly one [`Report`], with exactly one [`Outcome`] at exactly one
//! [`Site`].

#![deny(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::panic
)]
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects,
        clippy::as_conversions,
        clippy::panic,
        reason = "a failed test may panic"
    )
)]

mod attempt;
mod cache;
mod cached;
mod cancel;
mod config;
mod confirm;
mod execute;
mod gate;
mod heuristic;
mod host;
mod infer;
mod layout;
pub mod limits;
mod locate;
mod plan;
mod progress;
mod reason;
mod report;
mod resolve;
mod site;
mod survey;
mod tables;
mod validate;
mod verify;
mod version;
mod walk;
mod words;

pub use cache::{CacheUse, CachedThread, TableDigest};
pub use cancel::cancel;
pub use config::{Config, Flex, ThreadChoice};
pub use host::{Host, Wait};
pub use layout::{
    InterpreterFields, Layout, LayoutFault, NativeField, ParseMode, Parsed, Proof, RuntimeFields,
    Slab, ThreadFields, parse,
};
pub use plan::{EVAL_PLEASE_STOP, RemoteWritePlan, eval_breaker_mask};
pub use progress::{Progress, go_on};
pub use reason::Reason;
pub use report::{Found, Left, Outcome, Report, Stage, StageResult, Summary, Undo, Verdict};
pub use site::Site;
pub use survey::{Survey, SurveyedInterpreter, SurveyedThread, survey};
pub use tables::{COOKIE, Table};
pub use validate::ThreadVerdict;
pub use version::{Version, recognise};

use attempt::{Attempt, Step, Target};
use progress::Part;

/// What is asked of the target.
#[derive(Clone, Copy, Debug)]
pub struct Request<'r> {
    /// Absolute path of the script, as the target sees it, without a NUL.
    pub script: &'r [u8],
    /// What an earlier attach remembered, if anything.
    pub cached: Option<CachedThread>,
    /// What a rehearsal came to, for who looks twice: another plan is refused.
    pub planned: Option<&'r RemoteWritePlan>,
}

/// Asks a thread of the target to run a script.
///
/// Writes nothing until everything that can be known has been proved, verifies what it wrote, and
/// takes it back when something fails. Returns what it came to; [`Host::conclude`] has heard the
/// same report by then, exactly once.
pub fn attach<H: Host>(host: &mut H, config: &Config, request: Request<'_>) -> Report {
    let mut attempt = Attempt::new(host, config, Report::new());
    let ending = attempt.attach(request);
    attempt.conclude(ending)
}

impl<H: Host> Attempt<'_, H> {
    fn attach(&mut self, request: Request<'_>) -> Step<Outcome> {
        self.pass_gate(request.script)?;
        self.identify()?;
        self.search_goes_on = true;
        let target = self.find(request.cached)?;
        self.attach_to(&target, request.script, request.planned)
    }

    fn attach_to(
        &mut self,
        target: &Target,
        script: &[u8],
        planned: Option<&RemoteWritePlan>,
    ) -> Step<Outcome> {
        let plan = self.plan(target, script)?;
        let kept = self.keep_to(planned, &plan);
        let ending = kept.and_then(|()| self.carry_out(target, &plan));
        self.report.plan = Some(plan);
        ending
    }

    fn carry_out(&mut self, target: &Target, plan: &RemoteWritePlan) -> Step<Outcome> {
        if self.comes_to(Part::Recheck, target, plan) {
            if self.is_dry_run(target)? {
                return Ok(Outcome::Planned);
            }
            self.freeze()?;
            self.recheck(target, plan)?;
        }
        self.write(target, plan)?;
        self.comes_to(Part::Verify, target, plan);
        let outcome = self.verify(target, plan)?;
        self.host.thaw();
        self.confirm(target, plan, outcome)
    }
}

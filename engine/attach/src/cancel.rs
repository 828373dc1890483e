//! Taking back a request that is still pending: ours from an earlier attach, or anybody's.

use crate::attempt::{Attempt, Step, Target};
use crate::report::{Left, Undo};
use crate::validate::{PENDING_NONE, PENDING_SET};
use crate::{CachedThread, Config, Host, Outcome, Reason, Report, Site};

/// Takes back a pending request from the thread that `config` chooses.
///
/// With `script` only a request for that very path is taken back, so that another debugger's is
/// left alone. Refused with [`Reason::NothingPending`] when there is none, or another one.
pub fn cancel<H: Host>(
    host: &mut H,
    config: &Config,
    script: Option<&[u8]>,
    cached: Option<CachedThread>,
) -> Report {
    let mut attempt = Attempt::new(host, config);
    let ending = attempt.cancel(script, cached);
    attempt.conclude(ending)
}

impl<H: Host> Attempt<'_, H> {
    fn cancel(&mut self, script: Option<&[u8]>, cached: Option<CachedThread>) -> Step<Outcome> {
        self.at(Site::Gate);
        if self.config.disabled {
            return self.refuse(Reason::FeatureDisabled);
        }
        self.identify()?;
        let target = self.find(cached)?;
        self.at(Site::Plan);
        if !self.is_pending(&target, script) {
            return self.refuse(Reason::NothingPending);
        }
        if self.is_dry_run(&target)? {
            return Ok(Outcome::Planned);
        }
        self.clear_pending(&target)
    }

    fn is_pending(&self, target: &Target, script: Option<&[u8]>) -> bool {
        let state = self.state(&target.layout);
        let path = state.path_buffer().and_then(|buffer| buffer.split(|byte| *byte == 0).next());
        let meant = script.is_none_or(|script| path == Some(script));
        state.pending() == Some(PENDING_SET) && meant
    }

    fn clear_pending(&mut self, target: &Target) -> Step<Outcome> {
        self.at(Site::UndoPending);
        let Some(at) = target.thread.checked_add(target.layout.thread.pending) else {
            return self.refuse(Reason::Mismatch);
        };
        self.report.left = Left::Unknown;
        self.report.undo = Some(Undo::Failed);
        let written = self.host.write(at, &PENDING_NONE.to_le_bytes());
        self.must(written)?;
        let pending = self.host.read_u32(at);
        if self.must(pending)? != PENDING_NONE {
            return self.fail(Reason::Mismatch);
        }
        self.report.left = Left::Nothing;
        self.report.undo = Some(Undo::Clean);
        Ok(Outcome::Cancelled)
    }
}

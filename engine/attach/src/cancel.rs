//! Taking back a request that is still pending: ours from an earlier attach, or anybody's.

use crate::attempt::{Attempt, Step, Target};
use crate::report::{Left, Undo};
use crate::validate::{PENDING_CLAIMED, PENDING_SET, ThreadVerdict};
use crate::{CachedThread, Config, Host, Outcome, Reason, Report, Site};

/// Takes back a pending request from the thread that `config` chooses.
///
/// With `script` only a request for that very path is taken back, so that another debugger's is
/// left alone. A claim that an attacher left behind when it was killed counts as a request.
/// Refused with [`Reason::NothingPending`] when there is none, or another one.
pub fn cancel<H: Host>(
    host: &mut H,
    config: &Config,
    script: Option<&[u8]>,
    cached: Option<CachedThread>,
) -> Report {
    let mut attempt = Attempt::new(host, config, Report::new());
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
        self.clear_pending(&target, script)
    }

    fn is_pending(&self, target: &Target, script: Option<&[u8]>) -> bool {
        let meant = script.is_none_or(|script| self.pending_path(target) == script);
        let pending = self.state(&target.layout).pending();
        matches!(pending, Some(PENDING_SET | PENDING_CLAIMED)) && meant
    }

    /// The path of the request, without its NUL.
    fn pending_path(&self, target: &Target) -> Vec<u8> {
        let state = self.state(&target.layout);
        let buffer = state.path_buffer().unwrap_or_default();
        buffer.iter().copied().take_while(|byte| *byte != 0).collect()
    }

    fn clear_pending(&mut self, target: &Target, script: Option<&[u8]>) -> Step<Outcome> {
        self.at(Site::UndoPending);
        let thread = &target.layout.thread;
        let pending_at = target.thread.checked_add(thread.pending);
        let path_at = target.thread.checked_add(thread.script_path);
        let (Some(pending_at), Some(path_at)) = (pending_at, path_at) else {
            return self.refuse(Reason::Mismatch);
        };
        // The last look is the last access before the first write.
        self.report.left = Left::Unknown;
        self.read_thread(target.thread, &target.layout)?;
        let verdict = self.state(&target.layout).judge(target.interpreter.at);
        if verdict != ThreadVerdict::Ok {
            return self.refuse(Reason::Thread(verdict));
        }
        self.report.left = Left::Nothing;
        if !self.is_pending(target, script) {
            return self.refuse(Reason::NothingPending);
        }
        let mut path = self.pending_path(target);
        path.push(0);
        match self.disarm(target, pending_at, path_at, &path) {
            Ok(false) => {
                self.report.undo = Some(Undo::Clean);
                Ok(Outcome::Cancelled)
            }
            Ok(true) => {
                self.report.undo = Some(Undo::Late);
                self.fail(Reason::NothingPending)
            }
            Err(left) => {
                self.report.undo = Some(Undo::Failed);
                self.report.left = left;
                self.fail(Reason::Mismatch)
            }
        }
    }
}

//! What the target looks like after the writes, and taking them back.
//!
//! After the script has been taken the flag is 0, the bit is gone and the path text is still
//! there. Since the flag was seen claimed (2) before it was set, 0 can only mean that the target
//! took the request, and 2 that our write was lost. A reading that speaks against us is repeated
//! before it is believed.

use softdock_process::Address;

use crate::attempt::{Attempt, Step, Stop, Target};
use crate::limits::DISARM_TRIES;
use crate::plan::{EVAL_PLEASE_STOP, RemoteWritePlan};
use crate::report::{Left, Undo};
use crate::validate::{PENDING_CLAIMED, PENDING_NONE, PENDING_SET, State, ThreadVerdict};
use crate::{Host, Outcome, Reason, Site};

/// What a reading of the thread state says about our request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reading {
    /// Pending, with our path and the bit.
    Armed,
    /// Pending, with our path, without the bit.
    ArmedNoBit,
    /// Taken; our path is still in the buffer.
    Consumed,
    /// Still claimed: the write that should have armed it did not land.
    Claimed,
    /// Pending, with a path that is not ours.
    OtherPath,
    /// Not pending, and the path is not ours.
    Lost,
    /// The flag holds a value that CPython never writes, or is set beside an empty path.
    BadPending,
    /// The thread state is not the same one any more.
    OtherThread,
}

/// What the path buffer shows of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shown {
    /// Its path.
    Path,
    /// The rest of its path behind a NUL: nothing would run.
    CutOff,
    /// No path, and no rest of this one: whoever was to run it is not there any more.
    Nothing,
    /// The path of another request.
    Another,
}

impl<H: Host> Attempt<'_, H> {
    /// Reads back everything and says what came of it.
    pub(crate) fn verify(&mut self, target: &Target, plan: &RemoteWritePlan) -> Step<Outcome> {
        self.at(Site::Verify);
        self.require_same_process(target, plan)?;
        let mut reading = self.settled_reading_or_undo(target, plan)?;
        if reading == Reading::ArmedNoBit {
            reading = self.set_bit_again(target, plan)?;
        }
        let outcome = match reading {
            Reading::Armed => self.success(Outcome::Armed, Left::Armed),
            Reading::ArmedNoBit => self.success(Outcome::ArmedNoBit, Left::Armed),
            Reading::Consumed => self.success(Outcome::Consumed, Left::Nothing),
            Reading::Claimed => return self.fail_and_undo(target, plan, Reason::PendingLost),
            Reading::OtherPath => return self.stop_here(Reason::Mismatch, Left::ArmedByOther),
            Reading::Lost => return self.stop_here(Reason::Lost, Left::Unknown),
            Reading::OtherThread => return self.stop_here(Reason::Moved, Left::Unknown),
            Reading::BadPending => return self.fail_and_undo(target, plan, Reason::Mismatch),
        };
        Ok(outcome)
    }

    fn success(&mut self, outcome: Outcome, left: Left) -> Outcome {
        self.report.left = left;
        outcome
    }

    fn stop_here<T>(&mut self, reason: Reason, left: Left) -> Step<T> {
        self.report.left = left;
        self.fail(reason)
    }

    /// A pid can be reused while we work; then all that is read back is another process's. Asked
    /// first, so that the reading that is reported is the last access.
    fn require_same_process(&mut self, target: &Target, plan: &RemoteWritePlan) -> Step<()> {
        match self.host.identity().or_else(|_| self.host.identity()) {
            Ok(identity) if Some(identity) == self.report.process => Ok(()),
            Ok(_) => self.stop_here(Reason::ProcessReplaced, Left::Unknown),
            Err(kind) => self.fail_and_undo(target, plan, Reason::Process(kind)),
        }
    }

    /// A settled reading; where none can be had, the request is taken back.
    fn settled_reading_or_undo(
        &mut self,
        target: &Target,
        plan: &RemoteWritePlan,
    ) -> Step<Reading> {
        match self.settled_reading(target, plan) {
            Ok(reading) => Ok(reading),
            Err(reason) => self.fail_and_undo(target, plan, reason),
        }
    }

    /// A reading of the request. One that speaks against us must be seen twice in a row.
    pub(crate) fn settled_reading(
        &mut self,
        target: &Target,
        plan: &RemoteWritePlan,
    ) -> Result<Reading, Reason> {
        match self.read_request(target, plan) {
            Ok(Reading::Armed) => Ok(Reading::Armed),
            first => self.agreed(first, |attempt| attempt.read_request(target, plan)),
        }
    }

    fn set_bit_again(&mut self, target: &Target, plan: &RemoteWritePlan) -> Step<Reading> {
        // A bit that does not stay is a matter of latency only: the request itself is in place.
        let _ = self.set_breaker_bit(target, plan);
        self.at(Site::Verify);
        self.require_same_process(target, plan)?;
        self.settled_reading_or_undo(target, plan)
    }

    /// Reads the thread state once and says what it tells of our request.
    pub(crate) fn read_request(
        &mut self,
        target: &Target,
        plan: &RemoteWritePlan,
    ) -> Result<Reading, Reason> {
        let state = self.view_state(target.thread, &target.layout);
        let state = state.map_err(|error| Reason::Memory(error.kind))?;
        let same = state.is_of(target);
        let breaker = state.eval_breaker().unwrap_or(0) & u64::from(EVAL_PLEASE_STOP);
        Ok(match (state.pending(), shown(&state, &plan.path)) {
            _ if !same => Reading::OtherThread,
            (Some(PENDING_SET), Shown::Path) if breaker != 0 => Reading::Armed,
            (Some(PENDING_SET), Shown::Path) => Reading::ArmedNoBit,
            (Some(PENDING_NONE), Shown::Path) => Reading::Consumed,
            (Some(PENDING_CLAIMED), Shown::Path) => Reading::Claimed,
            (Some(PENDING_SET), Shown::Another) => Reading::OtherPath,
            (Some(PENDING_NONE), _) => Reading::Lost,
            _ => Reading::BadPending,
        })
    }

    /// Takes back whatever may have been written, and ends the attempt where it failed.
    pub(crate) fn fail_and_undo<T>(
        &mut self,
        target: &Target,
        plan: &RemoteWritePlan,
        reason: Reason,
    ) -> Step<T> {
        let stop = Stop { outcome: Outcome::Failed, site: self.report.site, reason };
        let (undo, left) = self.undo(target, plan, stop.site);
        self.report.undo = Some(undo);
        self.report.left = left;
        Err(stop)
    }

    /// Takes back what may have landed, in an order that is safe at every moment: first a NUL over
    /// the path's first byte, since CPython runs nothing for an empty path; then the flag; then
    /// the path's old bytes, but for that NUL.
    ///
    /// Folklore: CPython lowers the flag and then copies the path, and may lose its processor in
    /// between. Whoever puts an earlier script's path back by then has that one run a second time
    /// (`survive/undo-while-the-path-is-copied`); so a path that was not empty stays cut off.
    ///
    /// The breaker bit stays where it was set at all: CPython clears it at its next poll, and
    /// clearing it from here could lose a stop that the target asked of itself. Another debugger's
    /// request is left alone. Every step is read back: a write that reports success may not have
    /// landed.
    fn undo(&mut self, target: &Target, plan: &RemoteWritePlan, failed_at: Site) -> (Undo, Left) {
        self.at(Site::UndoPending);
        let first = self.read_request(target, plan);
        match self.agreed(first, |attempt| attempt.read_request(target, plan)) {
            // What cannot be read twice is not written to: it may be another's by now.
            Err(_) | Ok(Reading::OtherThread) => return (Undo::Failed, Left::Unknown),
            Ok(Reading::OtherPath) => return (Undo::Failed, Left::ArmedByOther),
            // Before the claim was seen nothing else was written, and it is gone.
            Ok(Reading::Lost | Reading::Consumed) if failed_at <= Site::ClaimPending => {
                return (Undo::Clean, Left::Nothing);
            }
            // The claim was seen, and only the target lowers the flag.
            Ok(Reading::Consumed) => return (Undo::Late, Left::Nothing),
            // Native threads that call Python have a new state for each call, often in the same
            // place: this one may be such, and the script may have run in the one before. A request
            // that came and went looks alike (`survive/undo-after-another-request-was-taken`).
            Ok(Reading::Lost) => return (Undo::Failed, Left::Unknown),
            Ok(_) => {}
        }
        match self.disarm(target, plan.pending_at, plan.path_at, &plan.path) {
            Ok(true) => (Undo::Late, Left::Nothing),
            Ok(false) => self.restore_path(target, plan),
            Err(left) => (Undo::Failed, left),
        }
    }

    /// Puts back what was in the buffer, with a NUL in front.
    fn restore_path(&mut self, target: &Target, plan: &RemoteWritePlan) -> (Undo, Left) {
        self.at(Site::UndoScriptPath);
        let rest = plan.old_path.get(1..).unwrap_or_default();
        let Attempt { host, scratch, .. } = self;
        scratch.clear();
        scratch.push(0);
        scratch.extend_from_slice(rest);
        // Whether it landed is what the reading tells.
        let _ = host.write(plan.path_at, scratch);
        let first = self.look_at_path(target, rest);
        match self.agreed(first, |attempt| attempt.look_at_path(target, rest)) {
            Err(_) => (Undo::Failed, Left::Unknown),
            Ok((PENDING_SET, _)) => (Undo::Failed, Left::ArmedByOther),
            Ok((PENDING_NONE, true)) => (Undo::Clean, Left::Nothing),
            Ok(_) => (Undo::Failed, Left::Nothing),
        }
    }

    /// The flag, and whether the buffer begins with a NUL and this; of a live thread only.
    fn look_at_path(&mut self, target: &Target, rest: &[u8]) -> Result<(u32, bool), Reason> {
        let state = self.view_live(target)?;
        let path = state.path_buffer().and_then(<[u8]>::split_first);
        let restored = path.is_some_and(|(nul, path)| *nul == 0 && path.starts_with(rest));
        Ok((state.pending().unwrap_or(PENDING_SET), restored))
    }

    /// Makes sure that a pending request for this path runs nothing, then clears it. Says whether
    /// the target had taken it before that was sure, or what is left where it could not be cleared.
    ///
    /// Also for whoever waits for that request: it would take a cleared flag for a taken script if
    /// its path were still there.
    pub(crate) fn disarm(
        &mut self,
        target: &Target,
        pending_at: Address,
        path_at: Address,
        path: &[u8],
    ) -> Result<bool, Left> {
        match self.empty_path(target, path_at, path)? {
            (PENDING_NONE, Shown::Path | Shown::CutOff) => Ok(true),
            // Whatever was to run it is not there any more.
            (PENDING_NONE, _) => Err(Left::Unknown),
            (PENDING_SET, Shown::Another) => Err(Left::ArmedByOther),
            seen => {
                // Only of a request that was seen to run nothing it is known that it did not run.
                let is_sure = matches!(seen, (PENDING_CLAIMED, _) | (_, Shown::CutOff));
                self.clear_flag(target, pending_at, path)?;
                if is_sure { Ok(false) } else { Err(Left::Unknown) }
            }
        }
    }

    /// Cuts the path off, as long as it is there and would run, and returns what is seen then.
    fn empty_path(
        &mut self,
        target: &Target,
        path_at: Address,
        path: &[u8],
    ) -> Result<(u32, Shown), Left> {
        let mut seen = (PENDING_SET, Shown::Path);
        for _ in 0..DISARM_TRIES {
            let _ = self.host.write(path_at, &[0]);
            seen = self.look_at_flag(target, path)?;
            if seen != (PENDING_SET, Shown::Path) {
                break;
            }
        }
        Ok(seen)
    }

    /// Lowers the flag, or says what is left where that cannot be done.
    fn clear_flag(
        &mut self,
        target: &Target,
        pending_at: Address,
        path: &[u8],
    ) -> Result<(), Left> {
        let mut seen = (PENDING_SET, Shown::Path);
        for _ in 0..DISARM_TRIES {
            let _ = self.host.write(pending_at, &PENDING_NONE.to_le_bytes());
            seen = self.look_at_flag(target, path)?;
            match seen {
                (PENDING_NONE, _) => return Ok(()),
                (PENDING_SET, Shown::Another) => return Err(Left::ArmedByOther),
                _ => {}
            }
        }
        if seen == (PENDING_SET, Shown::Path) { Err(Left::Armed) } else { Err(Left::Nothing) }
    }

    /// The flag and the path, looked at between any two writes. A thread that has ended, or been
    /// followed by another in the same memory, is not written to any more (`race/thread-exits`).
    fn look_at_flag(&mut self, target: &Target, path: &[u8]) -> Result<(u32, Shown), Left> {
        let first = self.read_flag(target, path);
        let flag = self.agreed(first, |attempt| attempt.read_flag(target, path));
        flag.map_err(|_| Left::Unknown)
    }

    /// The flag, and what the buffer shows; of a live thread only.
    fn read_flag(&mut self, target: &Target, path: &[u8]) -> Result<(u32, Shown), Reason> {
        let state = self.view_live(target)?;
        Ok((state.pending().unwrap_or(PENDING_SET), shown(&state, path)))
    }

    fn view_live<'s>(&'s mut self, target: &'s Target) -> Result<State<'s>, Reason> {
        let state = self.view_state(target.thread, &target.layout);
        let state = state.map_err(|error| Reason::Memory(error.kind))?;
        if state.is_of(target) { Ok(state) } else { Err(Reason::Thread(ThreadVerdict::BadStatus)) }
    }
}

/// What the buffer shows of a request for this path, which ends with its NUL.
fn shown(state: &State<'_>, path: &[u8]) -> Shown {
    match state.path_buffer() {
        Some([0, rest @ ..]) if rest.starts_with(path.get(1..).unwrap_or_default()) => {
            Shown::CutOff
        }
        Some([0, ..]) => Shown::Nothing,
        Some(buffer) if buffer.starts_with(path) => Shown::Path,
        _ => Shown::Another,
    }
}

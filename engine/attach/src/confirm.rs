//! Giving the target time to take the script, when asked to.
//!
//! A request that is not taken by the deadline is not a failure of the attach: nothing interrupts
//! a thread that is blocked in a system call, and the script runs when it returns. The request
//! stays, and the report says so.

use crate::attempt::{Attempt, Step, Target};
use crate::limits::CONFIRM_POLLS_MAX;
use crate::plan::RemoteWritePlan;
use crate::report::Left;
use crate::verify::Reading;
use crate::{Host, Outcome, Reason, Site, Wait};

impl<H: Host> Attempt<'_, H> {
    pub(crate) fn confirm(
        &mut self,
        target: &Target,
        plan: &RemoteWritePlan,
        armed: Outcome,
    ) -> Step<Outcome> {
        if !self.config.confirm || armed == Outcome::Consumed {
            return Ok(armed);
        }
        self.at(Site::Confirm);
        for polls in 0..CONFIRM_POLLS_MAX {
            match self.host.wait(polls) {
                Wait::Again => {}
                Wait::Deadline => break,
                Wait::Cancelled => return self.fail_and_undo(target, plan, Reason::Cancelled),
            }
            match self.settled_reading(target, plan) {
                Ok(Reading::Armed | Reading::ArmedNoBit) => {}
                Ok(Reading::Consumed) => {
                    self.report.left = Left::Nothing;
                    return Ok(Outcome::Consumed);
                }
                Ok(Reading::OtherPath) => return self.overtaken(Left::ArmedByOther),
                Ok(_) => return self.overtaken(Left::Unknown),
                Err(reason) => {
                    self.report.left = Left::Unknown;
                    return self.fail(reason);
                }
            }
        }
        self.report.reason = Some(Reason::Timeout);
        Ok(armed)
    }

    fn overtaken<T>(&mut self, left: Left) -> Step<T> {
        self.report.left = left;
        self.fail(Reason::Lost)
    }
}

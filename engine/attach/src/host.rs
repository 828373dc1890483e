//! What the engine needs of the world around it. The engine itself has no clock, no environment
//! and no file: whatever happens to it, happens through a [`Host`].

use softdock_process::{ErrorKind, Modules, ProcessMemory, Threads};

use crate::{Progress, Report, Site};

/// A target process and the attempt's surroundings.
pub trait Host: ProcessMemory + Modules + Threads {
    /// Hears which step the next accesses belong to, so that a fault can be addressed by site.
    fn at(&mut self, site: Site);

    /// Hears that the attempt comes to one of its later parts, which [`crate::go_on`] can go on
    /// from. `progress` is what it knows by now; nobody needs to ask for it.
    fn comes_to(&mut self, _progress: impl FnOnce() -> Progress) {}

    /// Gives the target time before the pending flag is looked at for the `polls`-th time, from 0.
    fn wait(&mut self, polls: u32) -> Wait;

    /// Stops the whole target, if it can; the engine asks for it only where
    /// [`crate::Config::freeze`] wants it. A target that stands still already stays as it is.
    ///
    /// # Errors
    /// When the target could not be stopped; it goes on then.
    fn freeze(&mut self) -> Result<(), ErrorKind> {
        Err(ErrorKind::Unsupported)
    }

    /// Lets a stopped target go on. Called before the host hears the result, whatever it is; must
    /// also be right where the target was never stopped.
    fn thaw(&mut self) {}

    /// Hears the result of the attempt: exactly once, also when the attempt unwinds. This is the
    /// place for the summary line ([`Report::summary`]) and the telemetry event.
    fn conclude(&mut self, report: &Report);
}

/// What [`Host::wait`] says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// Look again.
    Again,
    /// The deadline has passed.
    Deadline,
    /// The user gave up: take the request back.
    Cancelled,
}

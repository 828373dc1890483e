//! The two front ends over the one engine: what each of them is like, and nothing of what the
//! engine knows. Neither infers, parses, validates or plans anything.
//!
//! | front end | whose nature it has |
//! |---|---|
//! | [`FrontEnd::Managed`] | a memory API that reads any range of a process, which runs meanwhile |
//! | [`FrontEnd::Concord`] | a native or mixed-mode debugger: the process stands still while it is looked at, and is read page by page |
//!
//! A front end lies on both sides of a [`Host`]. Above it, [`FrontEnd::attach`] says how often the
//! engine looks and when the target stands still ([`concord`] is a host around a host). Below it,
//! [`paged`] lies between host and process. What is in the middle is the host: a live process with
//! its clock, or a virtual world with its faults. So the faults of a scenario strike the *engine's*
//! accesses under either front end, and a scenario means the same under both.

mod concord;
pub mod paged;

use softdock_attach::{CachedThread, Config, Host, Report, Request};

use self::paged::Pages;

/// Which front end attaches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FrontEnd {
    /// The managed debug engine.
    #[default]
    Managed,
    /// The native and mixed-mode one.
    Concord,
}

impl FrontEnd {
    /// Both of them.
    pub const ALL: [FrontEnd; 2] = [FrontEnd::Managed, FrontEnd::Concord];

    /// Its name on the command line and in results.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            FrontEnd::Managed => "managed",
            FrontEnd::Concord => "concord",
        }
    }

    /// What its summary lines have behind the prefix that all have.
    #[must_use]
    pub const fn tag(self) -> &'static str {
        match self {
            FrontEnd::Managed => "",
            FrontEnd::Concord => "[Concord]",
        }
    }

    /// What a host must put between itself and the process; `None` where it reaches it directly.
    #[must_use]
    pub fn pages(self) -> Option<Pages> {
        match self {
            FrontEnd::Managed => None,
            FrontEnd::Concord => Some(Pages::default()),
        }
    }

    /// Attaches as this front end does. The host hears one conclusion.
    pub fn attach<H: Host>(self, host: &mut H, config: &Config, request: Request<'_>) -> Report {
        match self {
            FrontEnd::Managed => softdock_attach::attach(host, config, request),
            FrontEnd::Concord => concord::attach(host, config, request),
        }
    }

    /// Takes back a request as this front end does. The host hears one conclusion.
    pub fn cancel<H: Host>(
        self,
        host: &mut H,
        config: &Config,
        script: Option<&[u8]>,
        cached: Option<CachedThread>,
    ) -> Report {
        match self {
            FrontEnd::Managed => softdock_attach::cancel(host, config, script, cached),
            FrontEnd::Concord => concord::cancel(host, config, script, cached),
        }
    }
}

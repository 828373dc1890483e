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

#[cfg(test)]
mod tests {
    use std::path::Path;

    use softdock_attach::{Outcome, Site};
    use softdock_process::ErrorKind;

    use super::*;
    use crate::run::{Run, Stage};
    use crate::scenario;
    use crate::trace::Trace;

    fn run(more: &str, front_end: FrontEnd) -> Run {
        let expect = "expect: (outcome: \"armed\", site: \"verify\")";
        let text = format!("Attach(about: \"x\", {more} {expect})");
        let scenario = scenario::parse(Path::new("case.ron"), &text).expect("a scenario");
        let scenario = scenario.into_attach().expect("an attempt");
        let mut stage = Stage::new(&scenario).expect("a process");
        stage.attach_by(front_end);
        stage.run(Trace::on())
    }

    /// Nothing is asked of it but to stop, before the first question of all.
    #[test]
    fn a_target_that_cannot_be_stopped_is_not_looked_at() {
        for (fault, kind) in [("Denied", ErrorKind::Denied), ("Gone", ErrorKind::Gone)] {
            let fault = format!("faults: [(site: \"gate\", kind: {fault})],");
            let Run { report, accesses, conclusions, .. } = run(&fault, FrontEnd::Concord);
            assert_eq!((report.outcome, report.site), (Outcome::Failed, Site::Identify));
            assert_eq!(report.reason, Some(softdock_attach::Reason::Process(kind)));
            assert_eq!((accesses, conclusions), (1, 1));
        }
    }

    #[test]
    fn who_is_turned_away_at_the_gate_stops_nobody() {
        let mixed = "variables: {\"PTVS_MIXED_MODE\": \"1\"},";
        assert_eq!(run(mixed, FrontEnd::Concord).accesses, 0);
    }

    #[test]
    fn a_dry_run_is_the_rehearsal_alone() {
        let dry = "config: (dry_run: true),";
        let [managed, concord] = FrontEnd::ALL.map(|by| run(dry, by));
        assert_eq!(concord.report, managed.report);
        assert_eq!(concord.accesses, managed.accesses + 1, "and the stop");
    }

    #[test]
    fn each_says_who_it_is() {
        let line = |by: FrontEnd| run("", by).report.summary().by(by.tag()).to_string();
        assert!(line(FrontEnd::Managed).starts_with("[PTVS][SafeAttach] outcome=armed "));
        assert!(line(FrontEnd::Concord).starts_with("[PTVS][SafeAttach][Concord] outcome=armed "));
    }
}

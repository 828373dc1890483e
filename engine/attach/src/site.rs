//! The one vocabulary of steps: where a fault can strike, where an outcome is reported, what
//! telemetry says. In the order of the story.

/// A named step of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Site {
    /// Settings and request are looked at; the target is not touched.
    Gate,
    /// The process is identified for the first time.
    Identify,
    /// The backend is asked where a runtime may be.
    Locate,
    /// `_Py_DebugOffsets` is read.
    ReadSlab,
    /// The version it publishes is judged.
    VersionGate,
    /// A layout is looked for in it.
    ParseSlab,
    /// It is compared with the file it was mapped from, or read a second time.
    ProveSlab,
    /// The runtime's words are read: the head of the interpreter list, and whether it finalizes.
    ReadRuntime,
    /// The interpreter list is walked.
    WalkInterpreters,
    /// The interpreter's own word on remote debugging is judged.
    Policy,
    /// A layout that leaves words open is completed from live threads.
    Infer,
    /// The thread list is walked.
    WalkThreads,
    /// One thread state is validated that no walk led to (forced or cached).
    ValidateThread,
    /// Memory is scanned for a thread state (opt-in).
    Heuristic,
    /// The writes are planned.
    Plan,
    /// The last step before anything is written; a dry run ends here.
    WriteGate,
    /// All that was believed is looked at once more.
    Recheck,
    /// The pending flag is claimed: a value CPython ignores, so that a lost write, an armed
    /// request and a taken one leave three different values.
    ClaimPending,
    /// The script path is written.
    WriteScriptPath,
    /// The script path and the claim are read back.
    VerifyScriptPath,
    /// The pending flag is set: from here on the target may run the script.
    WritePending,
    /// The eval breaker's event byte is read.
    ReadEvalBreaker,
    /// The eval breaker's event byte is written.
    WriteEvalBreaker,
    /// Everything written is read back.
    Verify,
    /// The target is given time to take the script.
    Confirm,
    /// The pending flag is cleared again.
    UndoPending,
    /// The script path buffer gets its old bytes back.
    UndoScriptPath,
}

impl Site {
    /// All sites, in the order of the story.
    pub const ALL: [Site; 27] = [
        Site::Gate,
        Site::Identify,
        Site::Locate,
        Site::ReadSlab,
        Site::VersionGate,
        Site::ParseSlab,
        Site::ProveSlab,
        Site::ReadRuntime,
        Site::WalkInterpreters,
        Site::Policy,
        Site::Infer,
        Site::WalkThreads,
        Site::ValidateThread,
        Site::Heuristic,
        Site::Plan,
        Site::WriteGate,
        Site::Recheck,
        Site::ClaimPending,
        Site::WriteScriptPath,
        Site::VerifyScriptPath,
        Site::WritePending,
        Site::ReadEvalBreaker,
        Site::WriteEvalBreaker,
        Site::Verify,
        Site::Confirm,
        Site::UndoPending,
        Site::UndoScriptPath,
    ];

    /// Its name in scenarios, reports and messages.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Site::Gate => "gate",
            Site::Identify => "identify",
            Site::Locate => "locate",
            Site::ReadSlab => "read-slab",
            Site::VersionGate => "version-gate",
            Site::ParseSlab => "parse-slab",
            Site::ProveSlab => "prove-slab",
            Site::ReadRuntime => "read-runtime",
            Site::WalkInterpreters => "walk-interpreters",
            Site::Policy => "policy",
            Site::Infer => "infer",
            Site::WalkThreads => "walk-threads",
            Site::ValidateThread => "validate-thread",
            Site::Heuristic => "heuristic",
            Site::Plan => "plan",
            Site::WriteGate => "write-gate",
            Site::Recheck => "recheck",
            Site::WriteScriptPath => "write-script-path",
            Site::ClaimPending => "claim-pending",
            Site::VerifyScriptPath => "verify-script-path",
            Site::WritePending => "write-pending",
            Site::ReadEvalBreaker => "read-eval-breaker",
            Site::WriteEvalBreaker => "write-eval-breaker",
            Site::Verify => "verify",
            Site::Confirm => "confirm",
            Site::UndoPending => "undo-pending",
            Site::UndoScriptPath => "undo-script-path",
        }
    }

    /// The site of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Site> {
        Site::ALL.into_iter().find(|site| site.name() == name)
    }
}

impl core::fmt::Display for Site {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_distinct_and_lead_back() {
        for (nth, site) in Site::ALL.into_iter().enumerate() {
            assert_eq!(Site::from_name(site.name()), Some(site));
            assert_eq!(site as usize, nth, "ALL is in the order of the story");
        }
    }
}

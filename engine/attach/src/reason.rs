//! Why an attempt ended where it did, in one word that stays the same across releases.

use core::fmt;

use softdock_process::ErrorKind;

use crate::{LayoutFault, Site, ThreadVerdict};

/// Why an attempt was refused or failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// The feature is switched off in the settings.
    FeatureDisabled,
    /// A mixed-mode session owns the target.
    MixedMode,
    /// The script path is empty.
    ScriptEmpty,
    /// The script path is relative: it would be looked up in the target's own folder.
    ScriptRelative,
    /// The script path contains a NUL, where CPython would cut it.
    ScriptNul,
    /// The script path and its NUL do not fit the target's buffer. It is never truncated: a
    /// truncated path names another file.
    ScriptTooLong,
    /// Nothing in the process looks like a CPython runtime.
    NotPython,
    /// The version is below 3.14, which cannot be asked to run a script.
    VersionTooOld,
    /// The version is not one CPython could publish, or its major number is not 3.
    VersionUnknown,
    /// The table does not start with `xdebugpy`.
    Cookie,
    /// No mode of parsing accepts the table.
    Layout(LayoutFault),
    /// The table in memory is not the one in the mapped file.
    ImageMismatch,
    /// The table changed between two reads.
    SlabUnstable,
    /// What was found is plausible, but not proved enough to write; consent would allow it.
    ProofTooWeak,
    /// The runtime has no interpreter: not initialised yet, or a second copy of the library that
    /// nobody uses.
    NotInitialised,
    /// The interpreter is shutting down.
    Finalizing,
    /// The interpreter list is broken: a cycle, ids out of order, no end, an unreadable node.
    BrokenInterpreters,
    /// The list has no interpreter of the id asked for.
    NoInterpreter,
    /// Remote debugging is switched off in the target.
    PolicyDisabled,
    /// The target's word on remote debugging is neither 0 nor 1.
    PolicyUnreadable,
    /// No thread of an unknown layout fits, or more than one layout does.
    NotInferred,
    /// There is no thread to write to, or none of the native id asked for.
    NoThread,
    /// The thread state is not what it should be.
    Thread(ThreadVerdict),
    /// Another debugger's request is pending in this thread.
    Busy,
    /// There is no pending request to take back, or not the one named.
    NothingPending,
    /// What was read at first was read differently just before writing.
    Moved,
    /// An access failed.
    Memory(ErrorKind),
    /// The process or its modules could not be asked.
    Process(ErrorKind),
    /// The pid belongs to another process now.
    ProcessReplaced,
    /// The script path read back is not the one written.
    ScriptPathLost,
    /// The pending flag still holds the claim: the write that should have set it did not land.
    PendingLost,
    /// The request read back is not the one written, or not in a state CPython could leave.
    Mismatch,
    /// The request was taken or overwritten by another debugger's.
    Lost,
    /// The target did not take the script by the deadline; it stays armed.
    Timeout,
    /// The user cancelled.
    Cancelled,
    /// The attempt unwound: a bug in the host or in the engine.
    Unexpected,
}

impl Reason {
    /// Its name in scenarios, reports and messages.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Reason::FeatureDisabled => "feature-disabled",
            Reason::MixedMode => "mixed-mode",
            Reason::ScriptEmpty => "script-empty",
            Reason::ScriptRelative => "script-relative",
            Reason::ScriptNul => "script-nul",
            Reason::ScriptTooLong => "script-too-long",
            Reason::NotPython => "not-python",
            Reason::VersionTooOld => "version-too-old",
            Reason::VersionUnknown => "version-unknown",
            Reason::Cookie => "cookie",
            Reason::Layout(fault) => fault.name(),
            Reason::ImageMismatch => "image-mismatch",
            Reason::SlabUnstable => "slab-unstable",
            Reason::ProofTooWeak => "proof-too-weak",
            Reason::NotInitialised => "not-initialised",
            Reason::Finalizing => "finalizing",
            Reason::BrokenInterpreters => "broken-interpreters",
            Reason::NoInterpreter => "no-interpreter",
            Reason::PolicyDisabled => "policy-disabled",
            Reason::PolicyUnreadable => "policy-unreadable",
            Reason::NotInferred => "not-inferred",
            Reason::NoThread => "no-thread",
            Reason::Thread(verdict) => verdict.name(),
            Reason::Busy => "busy",
            Reason::NothingPending => "nothing-pending",
            Reason::Moved => "moved",
            Reason::Memory(kind) | Reason::Process(kind) => kind.name(),
            Reason::ProcessReplaced => "process-replaced",
            Reason::ScriptPathLost => "script-path-lost",
            Reason::PendingLost => "pending-lost",
            Reason::Mismatch => "mismatch",
            Reason::Lost => "lost",
            Reason::Timeout => "timeout",
            Reason::Cancelled => "cancelled",
            Reason::Unexpected => "unexpected",
        }
    }

    /// What a person can do about it, or what it means where nothing can be done.
    #[must_use]
    pub const fn hint(self) -> &'static str {
        match self {
            Reason::FeatureDisabled => "unset PTVS_SAFE_ATTACH_MANAGED_DISABLE to allow it",
            Reason::MixedMode => "end the mixed-mode session, or attach from it",
            Reason::ScriptEmpty | Reason::ScriptRelative | Reason::ScriptNul => {
                "give the absolute path of a script, as the target sees it"
            }
            Reason::ScriptTooLong => "use a shorter path: a link in /tmp will do",
            Reason::NotPython => "no mapped file holds a CPython runtime: is this the right pid?",
            Reason::VersionTooOld => "CPython 3.14 is the first that can be asked to run a script",
            Reason::VersionUnknown | Reason::Cookie | Reason::Layout(_) => {
                "an unknown or damaged build: `softdock inspect` shows what was found"
            }
            Reason::ImageMismatch => "the table was altered in memory: nothing was written",
            Reason::ProofTooWeak => "--allow-unproven accepts it at your own risk",
            Reason::NotInitialised => "wait until the interpreter has started",
            Reason::Finalizing => "the interpreter is shutting down; there is nothing to debug",
            Reason::PolicyDisabled => {
                "the target was started with -X disable-remote-debug or PYTHON_DISABLE_REMOTE_DEBUG"
            }
            Reason::NoInterpreter | Reason::NoThread => "`softdock inspect` lists what there is",
            Reason::Busy => "another debugger is attaching: wait, or cancel its request",
            Reason::SlabUnstable | Reason::Moved | Reason::Thread(_) => {
                "the target changed while it was looked at: try again"
            }
            Reason::Memory(ErrorKind::Denied) | Reason::Process(ErrorKind::Denied) => {
                "the system forbids it: same user, ptrace_scope, CAP_SYS_PTRACE, container limits"
            }
            Reason::Memory(ErrorKind::Gone) | Reason::Process(ErrorKind::Gone) => {
                "the process has ended"
            }
            Reason::Timeout => {
                "the thread is blocked outside the interpreter: the script runs when it returns; \
                 --thread any picks one that is running, --cancel takes the request back"
            }
            _ => "nothing was left armed unless the report says so; try again",
        }
    }

    /// The public failure-site code for a stop at `site`, as telemetry of Visual Studio's Python
    /// tools names them.
    #[must_use]
    pub const fn code(self, site: Site) -> &'static str {
        match self {
            Reason::FeatureDisabled => "FeatureDisabled",
            Reason::MixedMode => "MixedModeBypass",
            Reason::Busy => "Busy",
            Reason::Cancelled => "Cancelled",
            Reason::NotPython => "NotPythonProcess",
            Reason::VersionTooOld | Reason::VersionUnknown => "VersionGate",
            Reason::PolicyDisabled | Reason::PolicyUnreadable => "PolicyDisabled",
            Reason::ScriptTooLong
            | Reason::ScriptEmpty
            | Reason::ScriptRelative
            | Reason::ScriptNul => "ScriptBufferWrite",
            Reason::Unexpected => "Unknown",
            _ => code_of(site),
        }
    }

    /// The names of all reasons, those included that carry a detail.
    pub fn names() -> impl Iterator<Item = &'static str> {
        let plain = Reason::PLAIN.into_iter().map(Reason::name);
        let layout = LayoutFault::ALL.into_iter().map(LayoutFault::name);
        let thread = ThreadVerdict::ALL.into_iter().map(ThreadVerdict::name);
        let kinds = ErrorKind::ALL.into_iter().map(ErrorKind::name);
        plain.chain(layout).chain(thread).chain(kinds)
    }

    /// All reasons that carry nothing, for `explain` and for reading scenarios.
    pub const PLAIN: [Reason; 32] = [
        Reason::FeatureDisabled,
        Reason::MixedMode,
        Reason::ScriptEmpty,
        Reason::ScriptRelative,
        Reason::ScriptNul,
        Reason::ScriptTooLong,
        Reason::NotPython,
        Reason::VersionTooOld,
        Reason::VersionUnknown,
        Reason::Cookie,
        Reason::ImageMismatch,
        Reason::SlabUnstable,
        Reason::ProofTooWeak,
        Reason::NotInitialised,
        Reason::Finalizing,
        Reason::BrokenInterpreters,
        Reason::NoInterpreter,
        Reason::PolicyDisabled,
        Reason::PolicyUnreadable,
        Reason::NotInferred,
        Reason::NoThread,
        Reason::Busy,
        Reason::NothingPending,
        Reason::Moved,
        Reason::ProcessReplaced,
        Reason::ScriptPathLost,
        Reason::PendingLost,
        Reason::Mismatch,
        Reason::Lost,
        Reason::Timeout,
        Reason::Cancelled,
        Reason::Unexpected,
    ];
}

const fn code_of(site: Site) -> &'static str {
    match site {
        Site::Gate => "FeatureDisabled",
        Site::Identify => "OpenProcess",
        Site::Locate => "ModuleEnumeration",
        Site::ReadSlab | Site::ProveSlab => "OffsetsRead",
        Site::VersionGate => "VersionGate",
        Site::ParseSlab => "OffsetsParse",
        Site::ReadRuntime => "OffsetsAddressResolution",
        Site::Policy => "PolicyDisabled",
        Site::WalkInterpreters
        | Site::Infer
        | Site::WalkThreads
        | Site::ValidateThread
        | Site::Heuristic
        | Site::Recheck => "ThreadStateDiscovery",
        Site::Plan | Site::WriteGate | Site::WriteScriptPath | Site::VerifyScriptPath => {
            "ScriptBufferWrite"
        }
        Site::ClaimPending | Site::WritePending | Site::UndoPending | Site::UndoScriptPath => {
            "PendingFlagWrite"
        }
        Site::ReadEvalBreaker | Site::WriteEvalBreaker => "EvalBreakerWrite",
        Site::Verify => "PostWriteVerify",
        Site::Confirm => "ScriptExecution",
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::Memory(kind) => write!(f, "an access failed: {kind}"),
            Reason::Process(kind) => write!(f, "the process could not be asked: {kind}"),
            reason => f.write_str(reason.name()),
        }
    }
}

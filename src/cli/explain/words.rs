//! The words of softdock's output and of its scenarios, and what each means to a person. Tables;
//! tests hold them to the names that the engine really uses.

use softdock::blame::Window;

/// A name and its meaning, the gist in the first sentence.
pub(super) type Word = (&'static str, &'static str);

pub(super) const SITES: &str = "site: a step of an attempt";
pub(super) const REASONS: &str = "reason";
pub(super) const LATE_REASONS: &str =
    "reason at the site `session`: the engine is done, and there is no debugger";
pub(super) const EXITS: &str = "exit code";

/// All groups, in the order they are listed.
pub(super) const GROUPS: &[(&str, &[Word])] = &[
    ("outcome", OUTCOME),
    (SITES, SITE),
    ("site of a live command, before or after the engine's own", LIVE_SITE),
    (REASONS, REASON),
    ("reason: a rule of the layout that does not hold", LAYOUT_FAULT),
    ("reason: what is wrong with a thread state", THREAD),
    ("reason: what the system said", ERROR),
    ("reason before the engine is asked", EARLY),
    ("state of a debugger, as the target tells it", STATE),
    (LATE_REASONS, LATE),
    ("mode of parsing", MODE),
    ("proof", PROOF),
    ("what is left in the target", LEFT),
    ("undo", UNDO),
    ("cache", CACHE),
    ("fault in a scenario", FAULT),
    ("move in a scenario", MOVE),
    ("window in which the target can move unseen", WINDOW),
    (EXITS, EXIT),
];

/// What the word of this name in this group means.
pub(super) fn meaning(group: &str, name: &str) -> Option<&'static str> {
    let (_, words) = GROUPS.iter().find(|(known, _)| *known == group)?;
    words.iter().find(|(known, _)| *known == name).map(|(_, meaning)| *meaning)
}

/// What the windows are is told where they are found.
const WINDOW: &[Word] = &{
    let mut words = [("", ""); Window::ALL.len()];
    let mut nth = 0;
    while nth < words.len() {
        words[nth] = (Window::ALL[nth].name(), Window::ALL[nth].about());
        nth += 1;
    }
    words
};

const OUTCOME: &[Word] = &[
    (
        "armed",
        "The thread runs the script at its next look at the eval breaker. The request is \
      complete and was read back; a thread that is blocked outside the interpreter looks when it \
      returns.",
    ),
    (
        "armed-no-bit",
        "As armed, but the breaker bit did not stay set. The script runs at the \
      thread's next event of any kind, which may be later.",
    ),
    (
        "consumed",
        "The thread has taken the script. It has begun to run it; whether the script ends \
      well is between the script and the target's standard error.",
    ),
    ("planned", "A dry run: everything was done up to the first write."),
    ("cancelled", "A pending request was taken back."),
    (
        "refused",
        "The engine decided not to write, or not to go on. A refusal is a success of the \
      engine: it looked and did not touch.",
    ),
    (
        "failed",
        "Something failed under way. What was written has been taken back, unless the report \
      says otherwise.",
    ),
];

const SITE: &[Word] = &[
    ("gate", "Settings and request are looked at. The target is not touched."),
    (
        "identify",
        "The process is identified for the first time. Pid and start time together, since \
      pids are reused.",
    ),
    ("locate", "The system is asked where a runtime may be."),
    ("read-slab", "The table of offsets, `_Py_DebugOffsets`, is read."),
    ("version-gate", "The version that the table publishes is judged."),
    ("parse-slab", "A layout is looked for in the table."),
    (
        "prove-slab",
        "The table is compared with the file it was mapped from. Where the file cannot \
      be had, it is read a second time.",
    ),
    (
        "read-runtime",
        "The head of the interpreter list is read, and whether the runtime finalizes.",
    ),
    ("walk-interpreters", "The interpreter list is walked."),
    ("policy", "The interpreter's own word on remote debugging is judged."),
    ("infer", "A layout that leaves words open is completed from live threads."),
    ("walk-threads", "The thread list is walked."),
    (
        "validate-thread",
        "A thread state is judged that no walk led to. It was forced or remembered.",
    ),
    ("heuristic", "Memory is scanned for a thread state. Only when asked for."),
    ("plan", "The writes are planned, and the request fields must be free."),
    ("write-gate", "The last step before anything is written. A dry run ends here."),
    ("recheck", "All that was believed is looked at once more."),
    (
        "claim-pending",
        "The pending flag is set to 2, which CPython ignores. From then on a lost \
      write, an armed request and a taken one leave three different values.",
    ),
    (
        "write-script-path",
        "The script path and its NUL are written. First, because the flag alone \
      already makes CPython run it.",
    ),
    ("verify-script-path", "The script path and the claim are read back."),
    ("write-pending", "The pending flag is set to 1. From here on the target may run the script."),
    ("read-eval-breaker", "The eval breaker's event byte is read."),
    (
        "write-eval-breaker",
        "The eval breaker's event byte is written. It only makes the target look \
      sooner.",
    ),
    ("verify", "Everything written is read back."),
    ("confirm", "The target is given time to take the script."),
    ("undo-pending", "The pending flag is cleared again."),
    ("undo-script-path", "The script path buffer gets its old bytes back."),
];

const LIVE_SITE: &[Word] = &[
    ("open", "The process is opened."),
    ("preflight", "The target is asked whether it could read the script."),
    ("loader", "The script that starts a debugger is chosen, before the process is opened."),
    ("turn", "Another softdock may be attaching to the process. Its end is waited for."),
    ("session", "The target has the script that starts a debugger. What it tells is waited for."),
];

const REASON: &[Word] = &[
    ("feature-disabled", "The feature is switched off in the settings."),
    ("mixed-mode", "A mixed-mode session owns the target."),
    ("script-empty", "The script path is empty."),
    ("script-relative", "The script path is relative. The target would look in its own folder."),
    ("script-nul", "The script path contains a NUL, where CPython would cut it."),
    (
        "script-too-long",
        "The script path and its NUL do not fit the target's buffer, 512 bytes. It \
      is never cut short: that would name another file.",
    ),
    ("not-python", "Nothing in the process looks like a CPython runtime."),
    ("version-too-old", "The version is below 3.14, which cannot be asked to run a script."),
    ("version-unknown", "The version is none that CPython could publish."),
    ("cookie", "The table does not start with `xdebugpy`."),
    ("image-mismatch", "The table in memory is not the one in the mapped file."),
    ("slab-unstable", "The table changed between two reads."),
    ("proof-too-weak", "What was found is plausible, but not proved enough to write."),
    (
        "not-initialised",
        "The runtime has no interpreter. It has not started yet, or it is a second \
      copy of the library that nobody uses.",
    ),
    ("finalizing", "The interpreter is shutting down."),
    (
        "broken-interpreters",
        "The interpreter list is broken. A cycle, ids out of order, no end, or a node that cannot be read.",
    ),
    ("no-interpreter", "The list has no interpreter of the id asked for."),
    ("policy-disabled", "Remote debugging is switched off in the target."),
    ("policy-unreadable", "The target's word on remote debugging is neither 0 nor 1."),
    ("not-inferred", "No thread of an unknown layout fits, or more than one layout does."),
    ("no-thread", "There is no thread to ask, or none of the id asked for."),
    (
        "busy",
        "Another debugger's request is pending in this thread. There is one slot and no queue.",
    ),
    ("nothing-pending", "There is no pending request to take back, or not the one named."),
    ("moved", "What was read at first was read differently just before writing."),
    ("process-replaced", "The pid belongs to another process now."),
    ("script-path-lost", "The script path read back is not the one written."),
    ("pending-lost", "The write that should have armed the request did not land."),
    ("mismatch", "What was read back is neither what was written nor what CPython leaves."),
    (
        "lost",
        "The request is gone, and another one has been written over it. It may have run \
      before.",
    ),
    ("timeout", "The target did not take the script in time. The request stays armed."),
    ("cancelled", "The user gave up."),
    ("unexpected", "The attempt ended without an end of its own: a bug of softdock."),
];

const LAYOUT_FAULT: &[Word] = &[
    ("free-threaded-word", "The word on free threading is neither 0 nor 1."),
    ("table-too-short", "Fewer bytes could be read than the table has."),
    ("unknown-table", "The version has no table in this release of softdock."),
    ("sizes", "A size of the runtime, interpreter or thread struct is out of range."),
    ("out-of-group", "A field lies outside its struct."),
    ("list-fields", "The list fields of the thread state are not three distinct words of 8 bytes."),
    ("eval-breaker", "The eval breaker is null, misaligned or outside the thread state."),
    ("support-block", "The support block is null or misaligned."),
    ("pending-field", "The pending flag is misaligned or not before the script path."),
    ("script-path-field", "The script path buffer does not fit the thread state."),
    ("overlap", "Fields that must be apart overlap."),
    ("enabled-field", "The policy word is null, misaligned or outside the interpreter state."),
    ("script-path-size", "The capacity of the script path is not one that this mode accepts."),
    ("no-window", "No place in the table holds six such words."),
    ("ambiguous-layout", "More than one place or assignment fits, and nothing tells them apart."),
    ("off", "The mode may not run."),
    ("no-valid-layout", "No mode accepted the table."),
];

const THREAD: &[Word] = &[
    ("ok", "Everything holds."),
    ("null", "The pointer is null."),
    ("misaligned", "The pointer is not a multiple of 8."),
    ("not-user-space", "The pointer is outside user space."),
    ("unmapped-breaker", "Memory ends before the eval breaker does."),
    ("unmapped-pending", "Memory ends before the pending flag does."),
    ("unmapped-script", "Memory ends before the script path buffer does."),
    ("wrong-interpreter", "It belongs to another interpreter, or to none."),
    ("broken-links", "The neighbours in the list do not point back."),
    ("bad-status", "Its status is not that of a live thread. A thread that has exited leaves one."),
    ("unknown-native-id", "The system knows no such thread of this process."),
    ("bad-pending", "The pending flag holds a value that nobody writes."),
    ("bad-script", "The script path buffer has no NUL."),
];

const ERROR: &[Word] = &[
    ("unmapped", "Nothing is mapped there, or its protection forbids the access."),
    ("short", "Some bytes were transferred, then the next one was not reachable."),
    (
        "denied",
        "The system does not let us touch this process. Same user or root, `ptrace_scope`, \
      CAP_SYS_PTRACE and the limits of containers decide.",
    ),
    ("gone", "There is no such process any more, or its memory is gone."),
    ("interrupted", "The call was interrupted before anything was transferred."),
    ("unsupported", "The system has no such call."),
    ("out-of-range", "The range runs past the end of the address space."),
    ("other", "Any other error of the system."),
];

/// At the sites `open`, `loader`, `preflight` and `turn`, which only live commands have.
const EARLY: &[Word] = &[
    ("not-a-pid", "The number cannot be a process id."),
    ("not-found", "There is no such process."),
    ("thread", "The number is that of a thread that is not the first of its process."),
    ("zombie", "The process has ended and waits for its parent to take notice."),
    ("kernel-thread", "A thread of the kernel, which has no memory of its own."),
    ("first-thread-ended", "The process lives, but its first thread has ended."),
    ("foreign-proc", "/proc is not mounted, or belongs to another PID namespace."),
    ("system", "The process could not be opened, for any other reason."),
    ("script-missing", "The target sees no file of this name. It may have another root."),
    ("script-not-a-file", "The path leads to something that is no regular file."),
    (
        "script-unreadable",
        "The target's user may not read the script. CPython would drop the \
      request and complain in the target.",
    ),
    ("root-unreadable", "The target's root cannot be looked at."),
    (
        "no-folder",
        "The target's root has no place for the files that start a debugger. Its user must be able \
      to enter /tmp, /var/tmp or /dev/shm.",
    ),
    ("signals", "Signals cannot be listened to."),
    (
        "loader-unreadable",
        "The file that PTVS_SAFE_ATTACH_LOADER_OVERRIDE names cannot be read, or is no text.",
    ),
    (
        "legacy-loader",
        "PTVS_SAFE_ATTACH_LEGACY_PTvsd asks for ptvsd, which cannot debug CPython 3.14 or later.",
    ),
];

const STATE: &[Word] = &[
    ("started", "The script runs. Another thread of the target has begun to bring debugpy up."),
    ("listening", "debugpy listens for a client. One after the other may come and go."),
    (
        "connected",
        "debugpy is connected to an adapter that was there before. Its client has said that its \
      breakpoints are set.",
    ),
    ("attached", "A client is there, and has said that its breakpoints are set."),
    ("error", "It came to nothing. The record has the exception."),
];

const LATE: &[Word] = &[
    (
        "not-taken",
        "The thread that was asked has not looked yet, since it is inside a call. The request \
      stays armed, and the debugger comes up when it looks.",
    ),
    ("target-error", "The target has told an exception. debugpy is missing, the port is busy."),
    ("target-ended", "The process ended before debugpy was ready."),
    (
        "not-ready",
        "The target has begun, and was not ready in time. It goes on, and asking again leads to \
      what is there by then.",
    ),
    ("no-client", "No client came in time. The session stays, and one can still come."),
    ("silent", "The target took the script, and has told nothing."),
    ("torn", "What the target told is no whole record."),
    (
        "foreign",
        "The record is not an answer to this request. Its owner, session or format differ.",
    ),
];

const MODE: &[Word] = &[
    (
        "strict",
        "A known version, every word where that version has it, every rule kept. Where some lie as \
         in no known build, no other six words could be meant, and the mapped file must agree.",
    ),
    (
        "extended",
        "The six words were found elsewhere, and no others could be meant. Written to only when \
         the mapped file proves it, or on consent.",
    ),
    ("relaxed", "As extended, with one word out of range that no write depends on."),
    (
        "flex",
        "The six words in any order, or with a larger path buffer. Of all that could be meant, live \
         memory left one.",
    ),
];

const PROOF: &[Word] = &[
    (
        "structural",
        "The structure of live memory proves the layout. It was read twice, with the same result.",
    ),
    ("image", "Also by the mapped file, which holds the same table."),
];

const LEFT: &[Word] = &[
    ("nothing", "No request of ours is pending."),
    ("armed-by-other", "Another debugger's request is pending where ours was."),
    ("unknown", "It could not be found out."),
];

const UNDO: &[Word] = &[
    ("clean", "Memory is as it was, but for a breaker bit that CPython clears by itself."),
    ("late", "The target had taken the request before it could be taken back."),
];

const CACHE: &[Word] = &[
    ("miss", "There was no entry, or it was for another process, thread or interpreter."),
    ("hit", "The entry led to the thread state."),
    ("stale", "The entry did not hold any more."),
];

const FAULT: &[Word] = &[
    ("Unmapped", "Honest: nothing is mapped there."),
    ("Denied", "Honest: the system does not allow it."),
    ("Gone", "Honest: there is no such process any more."),
    ("Interrupted", "Honest: interrupted before the first byte."),
    ("Unsupported", "Honest: the system has no such call."),
    ("Short", "Honest: so many bytes are transferred, then no more."),
    ("LandedButFailed", "Honest, and nasty: the write lands, but a failure is reported."),
    ("Lost", "Silent: the write is reported done, but nothing lands."),
    ("Torn", "Silent: so many bytes land, all are reported done."),
    ("FlipBit", "A lie: one bit of what is read is turned."),
    ("LieWord", "A lie: a 64-bit word of what is read has another value."),
    ("LieAnswer", "A lie: a question to the system is answered wrongly."),
    ("Move", "The target moves right before the access."),
];

const MOVE: &[Word] = &[
    ("Poll", "The thread looks at its eval breaker."),
    ("CheckSignals", "The thread checks for signals, which looks at the pending flag only."),
    ("Take", "The thread lowers the flag of a request, and copies its path when it moves next."),
    ("Raise", "The thread's eval breaker gets event bits."),
    ("StartThread", "A new thread starts in an interpreter."),
    (
        "ExitThread",
        "The thread exits. Its state is freed, and the memory keeps its bytes but the \
      status.",
    ),
    ("ExitThreadAndReuse", "The thread exits, and other objects take its memory."),
    ("DestroyInterpreter", "A sub-interpreter is destroyed. Its memory stays as it was."),
    ("CreateInterpreter", "A sub-interpreter is created."),
    ("EndMain", "The main script ends."),
    ("Finalize", "The runtime starts to be torn down."),
    ("OtherDebugger", "Another debugger asks the thread to run a script."),
    ("Exit", "The process exits."),
    ("Exec", "The process becomes another program."),
    ("ReusePid", "The process ends and another one gets its pid."),
];

const EXIT: &[Word] = &[
    ("0", "As asked. A request that is armed and not taken yet counts too."),
    ("1", "A finding, or refused or failed. Nothing is left in the target unless it is said."),
    ("2", "Usage, or a file that does not read."),
    ("3", "The same run came out otherwise a second time. A bug of softdock: please report it."),
    ("101", "A bug of softdock. Please report it with the command and its output."),
];

#[cfg(test)]
mod tests {
    use softdock_attach::{
        LayoutFault, Left, Outcome, ParseMode, Proof, Reason, Site, ThreadVerdict,
    };
    use softdock_debugpy::State;
    use softdock_process::ErrorKind;

    use super::*;

    #[track_caller]
    fn check<const N: usize>(words: &[Word], names: [&'static str; N]) {
        assert_eq!(words.iter().map(|(name, _)| *name).collect::<Vec<_>>(), names);
    }

    #[test]
    fn every_name_of_the_engine_has_its_word() {
        check(OUTCOME, Outcome::ALL.map(Outcome::name));
        check(SITE, Site::ALL.map(Site::name));
        check(REASON, Reason::PLAIN.map(Reason::name));
        check(LAYOUT_FAULT, LayoutFault::ALL.map(LayoutFault::name));
        check(THREAD, ThreadVerdict::ALL.map(ThreadVerdict::name));
        check(ERROR, ErrorKind::ALL.map(ErrorKind::name));
        check(MODE, ParseMode::ALL.map(ParseMode::name));
        let error = State::Error { kind: String::new(), message: String::new() };
        let states = [State::Started, State::Listening, State::Connected, State::Attached, error];
        check(STATE, states.each_ref().map(State::name));
        check(PROOF, [Proof::Structural, Proof::Image].map(Proof::name));
        let left = [Left::Nothing, Left::ArmedByOther, Left::Unknown];
        check(LEFT, left.map(Left::name));
    }

    #[test]
    fn meanings_are_sentences() {
        for (name, meaning) in GROUPS.iter().flat_map(|(_, words)| *words) {
            assert!(meaning.ends_with('.'), "{name}: {meaning}");
            assert!(!meaning.contains("  "), "{name}: {meaning}");
        }
    }
}

//! The second judge: a success is worth something only if whoever reports it has *seen* that it
//! may.
//!
//! It looks at the log of everything the engine was shown, by the true layout, and demands each
//! fact that a write to another process must rest on. It knows nothing of how the engine goes about
//! it and shares no line with it. A validation that was dropped shows here in the first quiet run,
//! long before any fault makes it matter.

mod log;

use std::fmt;

use softdock_cpython::{LiveInterpreter, LiveThread, Process, Table};
use softdock_process::{Address, Identity};

use log::Seen;
pub(crate) use log::{Log, LogEnd};

/// What the engine was shown of a process, and where the facts in it truly lie. The default is for
/// whoever does not judge by it.
#[derive(Clone, Debug, Default)]
pub struct Evidence {
    pub(crate) log: Log,
    /// The words that say where to write, by each place of the table that truly does: where each
    /// lies, and what it says.
    words: Vec<Vec<(Address, u64)>>,
    fields: Fields,
    /// What was found before about the time up to the first write: runs that are gone on from after
    /// it have the same. None that changes the lists of the target is judged here.
    before: Option<Before>,
}

/// What was seen up to the first write.
#[derive(Clone, Debug)]
struct Before {
    /// The first write.
    first: usize,
    /// What it is about.
    of: (LiveThread, LiveInterpreter, Consent),
    missing: Vec<Missing>,
    process: Option<Identity>,
}

/// The words of the table that a write rests on.
const WHERE_TO_WRITE: [&str; 5] = [
    "debugger_support.eval_breaker",
    "debugger_support.remote_debugger_support",
    "debugger_support.debugger_pending_call",
    "debugger_support.debugger_script_path",
    "debugger_support.debugger_script_path_size",
];

/// Where facts truly lie, in bytes from the start of what has them. Looked up once, since a name is
/// found by comparing it with a hundred others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Fields {
    version: Option<u64>,
    finalizing: Option<u64>,
    enabled: Option<u64>,
    threads_head: Option<u64>,
    threads_main: Option<u64>,
    next: Option<u64>,
    interp: Option<u64>,
    native: Option<u64>,
    status: Option<u64>,
}

impl Fields {
    fn new(table: &Table) -> Fields {
        Fields {
            version: table.position("version"),
            finalizing: table.value("runtime_state.finalizing"),
            enabled: table.value("debugger_support.remote_debugging_enabled"),
            threads_head: table.value("interpreter_state.threads_head"),
            threads_main: table.value("interpreter_state.threads_main"),
            next: table.value("thread_state.next"),
            interp: table.value("thread_state.interp"),
            native: table.value("thread_state.native_thread_id"),
            status: table.value("thread_state.status"),
        }
    }
}

/// The words of [`WHERE_TO_WRITE`], and six words anywhere in the table that come to the same in
/// CPython's order: whoever goes by a copy writes where the true ones say.
fn places(table: &Table) -> Vec<Vec<(u64, u64)>> {
    let word = |name: &&str| Some((table.position(name)?, table.value(name)?));
    let meant: Vec<_> = WHERE_TO_WRITE.iter().filter_map(word).collect();
    let comes_to = |place: &[(u64, u64)]| match *place {
        [(_, breaker), (_, block), (_, pending), (_, path), (_, size)] => {
            Some((breaker, block.wrapping_add(pending), block.wrapping_add(path), size))
        }
        _ => None,
    };
    let bytes = table.bytes();
    let (words, _) = bytes.as_chunks::<8>();
    let starts = (0..).step_by(8).zip(words.windows(6));
    let straight = starts.map(|(start, words)| {
        [0, 1, 3, 4, 5]
            .map(|nth| (start + nth * 8, u64::from_le_bytes(words[nth as usize])))
            .to_vec()
    });
    let same = straight.filter(|place| comes_to(place) == comes_to(&meant));
    same.chain([meant.clone()]).collect()
}

/// A fact that a success needs, and that was not seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Missing {
    /// The cookie and the version of the table.
    Table,
    /// The words that say where to write.
    Offsets,
    /// That the runtime is not being torn down.
    Running,
    /// That the interpreter allows it.
    Policy,
    /// A link that leads to the thread state.
    Link,
    /// That the thread state is one of this interpreter, alive, and free, by the last look before
    /// the first write.
    Thread,
    /// That the system knows the thread.
    Native,
    /// That it is one process, before the first write and after the last.
    Process,
    /// That the whole path is in place before the flag is set.
    Path,
    /// What became of the request, after the last write.
    Request,
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Missing::Table => "cookie and version of the table",
            Missing::Offsets => "the words that say where to write",
            Missing::Running => "that the runtime is not being torn down",
            Missing::Policy => "that the interpreter allows it",
            Missing::Link => "a link that leads to the thread state",
            Missing::Thread => "by the last look, that the thread state is alive and free",
            Missing::Native => "that the system knows the thread",
            Missing::Process => "that it is one process, before and after",
            Missing::Path => "that the whole path is in place before the flag is set",
            Missing::Request => "what became of the request",
        })
    }
}

/// What may be missing, since whoever attached said so.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Consent {
    /// The policy may be unknown.
    pub policy: bool,
    /// The thread state was named, or scanned for: no link needs to lead to it.
    pub link: bool,
}

impl Evidence {
    /// Nothing was shown yet of this process.
    #[must_use]
    pub fn new(process: &Process) -> Evidence {
        let at = |(at, value)| Some((process.runtime().checked_add(at)?, value));
        let words = places(process.table()).into_iter();
        let words = words.map(|place| place.into_iter().filter_map(at).collect()).collect();
        Evidence { words, fields: Fields::new(process.table()), ..Evidence::default() }
    }

    /// Forgets what was shown after this.
    pub(crate) fn go_back(&mut self, to: LogEnd) {
        self.log.go_back(to);
        self.before.take_if(|before| to.events < before.first);
    }

    /// What a success in this thread of this process rests on and was not seen; `None` where
    /// nothing was written, or the interpreter of the thread is gone.
    #[must_use]
    pub fn missing(
        &mut self,
        process: &Process,
        thread: &LiveThread,
        script: &[u8],
        consent: Consent,
    ) -> Option<Vec<Missing>> {
        let home = process.interpreter(thread.interpreter)?;
        let (first, last) = self.log.writes()?;
        let of = (*thread, home, consent);
        let known = self.before.take_if(|before| before.first == first && before.of == of);
        let before = known.unwrap_or_else(|| self.before(process, first, of));
        let seen = |range| self.log.seen(process.memory(), range);
        let (path, after) = ([script, &[0]].concat(), seen(last + 1..usize::MAX));
        let facts = [
            (Missing::Process, before.process.is_some() && before.process == after.process()),
            (Missing::Path, is_in_place(&seen(first..last + 1), thread, &path)),
            (Missing::Request, is_known(&after, thread, &path)),
        ];
        let mut missing = before.missing.clone();
        missing.extend(unseen(facts));
        self.before = Some(before);
        Some(missing)
    }

    /// What must be seen before the first write.
    fn before(
        &self,
        process: &Process,
        first: usize,
        of: (LiveThread, LiveInterpreter, Consent),
    ) -> Before {
        let (thread, home, consent) = &of;
        let seen = &self.log.seen(process.memory(), 0..first);
        let facts = [
            (Missing::Table, self.table(seen, process)),
            (Missing::Offsets, self.offsets(seen)),
            (Missing::Running, seen.word(process.runtime(), self.fields.finalizing) == Some(0)),
            (Missing::Policy, consent.policy || self.policy(seen, *home)),
            (Missing::Link, consent.link || self.link(seen, process, *home, thread)),
            (Missing::Thread, self.last_look(&seen.last(), *home, thread)),
            (Missing::Native, seen.is_thread(thread.native)),
        ];
        Before { first, of, missing: unseen(facts).collect(), process: seen.process() }
    }

    /// Whoever writes must have read where to.
    fn offsets(&self, seen: &Seen<'_>) -> bool {
        let told = |(at, value): &(Address, u64)| seen.word(*at, Some(0)) == Some(*value);
        let all_told =
            |words: &Vec<_>| words.len() == WHERE_TO_WRITE.len() && words.iter().all(told);
        self.words.iter().any(all_told)
    }

    fn table(&self, seen: &Seen<'_>, process: &Process) -> bool {
        let cookie = seen.bytes(process.runtime()) == Some(*b"xdebugpy");
        let version = seen.word(process.runtime(), self.fields.version);
        let version = version.map(|word| (word >> 24, word >> 16 & 0xff));
        cookie && version.is_some_and(|version| version >= (3, 14))
    }

    fn policy(&self, seen: &Seen<'_>, home: LiveInterpreter) -> bool {
        seen.half(home.at, self.fields.enabled) == Some(1)
    }

    /// The head of the list, a neighbour in it, or the interpreter's own word on which one is main.
    ///
    /// Folklore: a table that has `threads_main` where `threads_head` belongs is as good as the
    /// true one while there is only one thread, and nothing in memory contradicts it. The fuzzer of
    /// tables found it (`attach/threads-head-where-main-is`).
    fn link(
        &self,
        seen: &Seen<'_>,
        process: &Process,
        home: LiveInterpreter,
        thread: &LiveThread,
    ) -> bool {
        let Fields { threads_head, threads_main, next, .. } = self.fields;
        let of_home = [(home.at, threads_head), (home.at, threads_main)];
        let of_others = process.threads().map(|other| (other.at, next));
        let mut links = of_home.into_iter().chain(of_others);
        links.any(|(base, link)| seen.word(base, link) == Some(thread.at.get()))
    }

    /// The last access before the first write shows the thread as it must be.
    fn last_look(&self, last: &Seen<'_>, home: LiveInterpreter, it: &LiveThread) -> bool {
        let Fields { interp, native, status, .. } = self.fields;
        // initialized and bound, and neither unbound nor finalizing, cleared or finalized.
        let alive = last.half(it.at, status).is_some_and(|status| status & 0b1110_0111 == 0b11);
        alive
            && last.word(it.at, interp) == Some(home.at.get())
            && last.half(it.at, native).map(u64::from) == Some(it.native & 0xffff_ffff)
            && last.half(it.pending.at, Some(0)) == Some(0)
    }
}

/// The facts that were not seen.
fn unseen<const N: usize>(facts: [(Missing, bool); N]) -> impl Iterator<Item = Missing> {
    facts.into_iter().filter(|(_, is_seen)| !is_seen).map(|(fact, _)| fact)
}

/// Between writing the path and setting the flag it was read back.
fn is_in_place(seen: &Seen<'_>, thread: &LiveThread, path: &[u8]) -> bool {
    let between = seen.between_writes(thread.path.at, thread.pending.at);
    between.is_some_and(|between| between.holds(thread.path.at, path))
}

/// Pending still, or taken, and with this path.
fn is_known(seen: &Seen<'_>, thread: &LiveThread, path: &[u8]) -> bool {
    matches!(seen.half(thread.pending.at, Some(0)), Some(0 | 1)) && seen.holds(thread.path.at, path)
}

#[cfg(test)]
mod tests {
    use softdock_cpython::ProcessSpec;
    use softdock_process::ProcessMemory;

    use super::*;

    const SCRIPT: &[u8] = b"/tmp/a.py";

    /// A process, and what its attacher was shown.
    struct Shown {
        process: Process,
        thread: LiveThread,
        evidence: Evidence,
    }

    impl Shown {
        fn new() -> Shown {
            let mut process = Process::new(&ProcessSpec::default()).expect("a process");
            process.settle();
            let thread = process.threads().next().expect("a thread");
            let evidence = Evidence::new(&process);
            Shown { process, thread, evidence }
        }

        fn read(&mut self, at: Address, len: usize) {
            self.evidence.log.read_held(at, len, self.process.memory().time());
        }

        fn write(&mut self, at: Address, bytes: &[u8]) {
            self.evidence.log.wrote(at);
            self.process.write(at, bytes).expect("memory");
        }

        fn tell(&mut self) {
            self.evidence.log.identity(Identity { pid: 1, started: 1 });
            self.evidence.log.is_thread(self.thread.native);
        }

        /// All that must be seen before a write, but for the first so many bytes of the table.
        fn look(&mut self, skipped: usize) {
            self.tell();
            let runtime = self.process.runtime();
            let table = runtime.checked_add(skipped as u64).expect("an address");
            self.read(table, 4096 - skipped);
            let home = self.process.interpreter(self.thread.interpreter).expect("an interpreter");
            for word in
                ["interpreter_state.threads_head", "debugger_support.remote_debugging_enabled"]
            {
                let at = self.process.field_at(home.at, word).expect("a known word");
                self.read(at, 8);
            }
            self.read(self.thread.at, 824);
        }

        /// Writes this path and the flag, looking between them and afterwards.
        fn ask(&mut self, path: &[u8]) {
            self.write(self.thread.path.at, path);
            self.read(self.thread.at, 824);
            self.write(self.thread.pending.at, &[1, 0, 0, 0]);
            self.read(self.thread.at, 824);
            self.tell();
        }

        fn missing(&mut self) -> Vec<Missing> {
            let Shown { process, thread, evidence } = self;
            let missing = evidence.missing(process, thread, SCRIPT, Consent::default());
            missing.expect("something was written")
        }
    }

    #[test]
    fn what_was_shown_is_what_memory_held_then() {
        let mut shown = Shown::new();
        shown.look(0);
        shown.ask(b"/tmp/a.py\0");
        // What happens later takes nothing of it back.
        let home = shown.process.interpreter(shown.thread.interpreter).expect("an interpreter");
        for at in [shown.process.runtime(), home.at, shown.thread.at, shown.thread.path.at] {
            shown.process.memory_mut().poke(at, &[0xff; 64]).expect("memory");
        }
        assert_eq!(shown.missing(), []);

        let mut shown = Shown::new();
        shown.look(0);
        shown.ask(b"/tmp/b.py\0");
        // Nor does it add anything.
        shown.process.memory_mut().poke(shown.thread.path.at, b"/tmp/a.py\0").expect("memory");
        assert_eq!(shown.missing(), [Missing::Path, Missing::Request]);
    }

    /// Runs that are gone on from after the first write have what comes before it in common, and
    /// no others have.
    #[test]
    fn what_is_known_of_the_time_before_the_first_write_is_of_that_run() {
        let mut shown = Shown::new();
        let start = (shown.evidence.log.end(), shown.process.bookmark());
        for skipped in [0, 1, 0] {
            let missing: &[Missing] = if skipped == 0 { &[] } else { &[Missing::Table] };
            shown.look(skipped);
            let middle = (shown.evidence.log.end(), shown.process.bookmark());
            for _ in 0..2 {
                shown.ask(b"/tmp/a.py\0");
                assert_eq!(shown.missing(), missing, "but for {skipped} bytes");
                shown.evidence.go_back(middle.0);
                shown.process.return_to(&middle.1);
            }
            shown.evidence.go_back(start.0);
            shown.process.return_to(&start.1);
        }
    }
}

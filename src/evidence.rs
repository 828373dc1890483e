//! The second judge: a success is worth something only if whoever reports it has *seen* that it
//! may.
//!
//! It looks at the log of everything the engine was shown, by the true layout, and demands each
//! fact that a write to another process must rest on. It knows nothing of how the engine goes about
//! it and shares no line with it. A validation that was dropped shows here in the first quiet run,
//! long before any fault makes it matter.

use std::fmt;
use std::ops::Range;

use softdock_cpython::{LiveInterpreter, LiveThread, Process, Table};
use softdock_process::{Address, Identity};

/// Something the engine did or was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Event {
    /// So many bytes of [`Log::bytes`], from `start` on.
    Read {
        at: Address,
        start: usize,
        len: usize,
    },
    Wrote {
        at: Address,
    },
    IsThread(u64),
    Identity(Identity),
}

/// Everything that the engine was shown. It is kept from run to run, so that recording costs
/// little more than copying.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Log {
    /// The words that say where to write, by each place of the table that truly does: where each
    /// lies, and what it says.
    words: Vec<Vec<(Address, u64)>>,
    fields: Fields,
    events: Vec<Event>,
    /// What was read, end to end.
    bytes: Vec<u8>,
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

/// Where a log ends, at first at its beginning.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct LogEnd {
    events: usize,
    bytes: usize,
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

/// Bytes of one read that are kept: no field that a fact is about lies further from the start of
/// what holds it. What is longer is a search.
const LOGGED_MAX: usize = 4096;

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

impl Log {
    /// An empty log of what is shown of this process.
    #[must_use]
    pub fn new(process: &Process) -> Log {
        let at = |(at, value)| Some((process.runtime().checked_add(at)?, value));
        let words = places(process.table()).into_iter();
        let words = words.map(|place| place.into_iter().filter_map(at).collect()).collect();
        Log { words, fields: Fields::new(process.table()), ..Log::default() }
    }

    /// How far it goes.
    pub(crate) fn end(&self) -> LogEnd {
        LogEnd { events: self.events.len(), bytes: self.bytes.len() }
    }

    /// The same log up to there.
    #[must_use]
    pub(crate) fn up_to(mut self, end: LogEnd) -> Log {
        self.events.truncate(end.events);
        self.bytes.truncate(end.bytes);
        self
    }

    pub(crate) fn read(&mut self, at: Address, bytes: &[u8]) {
        let bytes = &bytes[..bytes.len().min(LOGGED_MAX)];
        let start = self.bytes.len();
        self.bytes.extend_from_slice(bytes);
        self.events.push(Event::Read { at, start, len: bytes.len() });
    }

    pub(crate) fn wrote(&mut self, at: Address) {
        self.events.push(Event::Wrote { at });
    }

    pub(crate) fn is_thread(&mut self, native: u64) {
        self.events.push(Event::IsThread(native));
    }

    pub(crate) fn identity(&mut self, identity: Identity) {
        self.events.push(Event::Identity(identity));
    }

    /// What a success in this thread of this process rests on and was not seen; `None` where
    /// nothing was written, or the interpreter of the thread is gone.
    #[must_use]
    pub fn missing(
        &self,
        process: &Process,
        thread: &LiveThread,
        script: &[u8],
        consent: Consent,
    ) -> Option<Vec<Missing>> {
        let home = process.interpreter(thread.interpreter)?;
        let index = Index::new(&self.events);
        let (first, last) = index.writes?;
        let seen = |range| Seen { log: self, index: &index, range };
        let (before, after) = (&seen(0..first), &seen(last + 1..self.events.len()));
        let identity = before.process();
        let facts = [
            (Missing::Table, table(before, process)),
            (Missing::Offsets, self.offsets(before)),
            (Missing::Running, running(before, process)),
            (Missing::Policy, consent.policy || policy(before, home)),
            (Missing::Link, consent.link || link(before, process, home, thread)),
            (Missing::Thread, last_look(before, home, thread)),
            (Missing::Native, knows(before, thread.native)),
            (Missing::Process, identity.is_some() && identity == after.process()),
            (Missing::Path, path_in_place(seen(first..last + 1), thread, script)),
            (Missing::Request, request(after, thread, script)),
        ];
        Some(facts.into_iter().filter(|(_, seen)| !seen).map(|(fact, _)| fact).collect())
    }
}

impl Log {
    /// What these bytes looked like to one event, where it is a read of all of them.
    fn part(&self, nth: usize, at: Address, len: usize) -> Option<&[u8]> {
        let Some(&Event::Read { at: from, start, len: read }) = self.events.get(nth) else {
            return None;
        };
        let skip = usize::try_from(at.checked_sub(from)?).ok()?;
        self.bytes.get(start..start + read)?.get(skip..skip.checked_add(len)?)
    }

    /// Whoever writes must have read where to.
    fn offsets(&self, seen: &Seen<'_>) -> bool {
        let told = |(at, value): &(Address, u64)| seen.word(*at, Some(0)) == Some(*value);
        let all_told =
            |words: &Vec<_>| words.len() == WHERE_TO_WRITE.len() && words.iter().all(told);
        self.words.iter().any(all_told)
    }
}

/// Where the reads of a log begin, so that nobody has to go through all of them for each fact.
///
/// Memory is cut into stretches of [`LOGGED_MAX`] bytes, which a read covers no more than two of,
/// and stretches are taken together in [`GROUPS`] groups.
struct Index {
    /// The newest read that begins in each group.
    newest: [u32; GROUPS],
    /// For each event that is a read, the one before it that begins in the same group.
    older: Vec<u32>,
    /// The first write and the last.
    writes: Option<(usize, usize)>,
}

/// No event. A number rather than an `Option`, which takes several times as long to replace.
const NONE: u32 = u32::MAX;

/// Enough to tell the table, the interpreters and most threads apart.
const GROUPS: usize = 64;

/// The stretch that this byte is in.
const fn stretch(at: Address) -> u64 {
    at.get() / LOGGED_MAX as u64
}

/// The group of a stretch.
const fn group(stretch: u64) -> usize {
    stretch as usize % GROUPS
}

impl Index {
    fn new(events: &[Event]) -> Index {
        let (mut newest, mut writes) = ([NONE; GROUPS], None);
        let older = events.iter().enumerate().map(|(nth, event)| match event {
            Event::Read { at, .. } => {
                std::mem::replace(&mut newest[group(stretch(*at))], nth as u32)
            }
            Event::Wrote { .. } => {
                writes = Some((writes.map_or(nth, |(first, _)| first), nth));
                NONE
            }
            Event::IsThread(_) | Event::Identity(_) => NONE,
        });
        let older = older.collect();
        Index { newest, older, writes }
    }

    /// The reads that begin in this stretch, or another one of its group, newest first.
    fn reads(&self, stretch: u64) -> impl Iterator<Item = usize> {
        let known = |nth: u32| (nth != NONE).then_some(nth);
        let newest = known(self.newest[group(stretch)]);
        let reads = std::iter::successors(newest, move |nth| known(self.older[*nth as usize]));
        reads.map(|nth| nth as usize)
    }
}

/// A part of the log.
struct Seen<'l> {
    log: &'l Log,
    index: &'l Index,
    range: Range<usize>,
}

impl<'l> Seen<'l> {
    fn events(&self) -> &'l [Event] {
        &self.log.events[self.range.clone()]
    }

    /// What these bytes looked like when they were last read.
    fn bytes(&self, at: Address, len: usize) -> Option<&'l [u8]> {
        // No read is longer than a stretch: one that covers them begins in theirs, or right before.
        let here = stretch(at);
        let [here, before] = [here, here.wrapping_sub(1)].map(|it| self.last_of(it, at, len));
        here.max(before).map(|(_, bytes)| bytes)
    }

    /// The last read of these bytes that begins in this stretch, and what they looked like.
    fn last_of(&self, stretch: u64, at: Address, len: usize) -> Option<(usize, &'l [u8])> {
        let reads = self.index.reads(stretch).skip_while(|nth| *nth >= self.range.end);
        let mut reads = reads.take_while(|nth| *nth >= self.range.start);
        reads.find_map(|nth| Some((nth, self.log.part(nth, at, len)?)))
    }

    fn word(&self, base: Address, offset: Option<u64>) -> Option<u64> {
        let at = base.checked_add(offset?)?;
        self.bytes(at, 8)?.try_into().ok().map(u64::from_le_bytes)
    }

    fn half(&self, base: Address, offset: Option<u64>) -> Option<u32> {
        let at = base.checked_add(offset?)?;
        self.bytes(at, 4)?.try_into().ok().map(u32::from_le_bytes)
    }

    /// The process as it was told, if it was always told the same.
    fn process(&self) -> Option<Identity> {
        let mut told = self.events().iter().filter_map(|event| match event {
            Event::Identity(identity) => Some(*identity),
            _ => None,
        });
        let first = told.next()?;
        told.all(|other| other == first).then_some(first)
    }
}

fn table(seen: &Seen<'_>, process: &Process) -> bool {
    let cookie = seen.bytes(process.runtime(), 8) == Some(b"xdebugpy");
    let version = seen.word(process.runtime(), seen.log.fields.version);
    let version = version.map(|word| (word >> 24, word >> 16 & 0xff));
    cookie && version.is_some_and(|version| version >= (3, 14))
}

fn running(seen: &Seen<'_>, process: &Process) -> bool {
    seen.word(process.runtime(), seen.log.fields.finalizing) == Some(0)
}

fn policy(seen: &Seen<'_>, home: LiveInterpreter) -> bool {
    seen.half(home.at, seen.log.fields.enabled) == Some(1)
}

/// The system was asked about the thread, and knew it.
fn knows(seen: &Seen<'_>, native: u64) -> bool {
    seen.events().iter().rev().any(|event| *event == Event::IsThread(native))
}

/// The head of the list, a neighbour in it, or the interpreter's own word on which one is main.
///
/// Folklore: a table that has `threads_main` where `threads_head` belongs is as good as the true
/// one while there is only one thread, and nothing in memory contradicts it. The fuzzer of tables
/// found it (`attach/threads-head-where-main-is`).
fn link(seen: &Seen<'_>, process: &Process, home: LiveInterpreter, thread: &LiveThread) -> bool {
    let Fields { threads_head, threads_main, next, .. } = seen.log.fields;
    let of_home = [(home.at, threads_head), (home.at, threads_main)];
    let of_others = process.threads().map(|other| (other.at, next));
    let mut links = of_home.into_iter().chain(of_others);
    links.any(|(base, link)| seen.word(base, link) == Some(thread.at.get()))
}

/// The last access before the first write shows the thread as it must be.
fn last_look(seen: &Seen<'_>, home: LiveInterpreter, it: &LiveThread) -> bool {
    let Range { start, end } = seen.range;
    let last = Seen { range: start.max(end.saturating_sub(1))..end, ..*seen };
    let Fields { interp, native, status, .. } = seen.log.fields;
    // initialized and bound, and neither unbound nor finalizing, cleared or finalized.
    let alive = last.half(it.at, status).is_some_and(|status| status & 0b1110_0111 == 0b11);
    alive
        && last.word(it.at, interp) == Some(home.at.get())
        && last.half(it.at, native).map(u64::from) == Some(it.native & 0xffff_ffff)
        && last.half(it.pending.at, Some(0)) == Some(0)
}

/// Between writing the path and setting the flag it was read back.
fn path_in_place(seen: Seen<'_>, thread: &LiveThread, script: &[u8]) -> bool {
    let wrote = |to: Address| move |event: &Event| *event == Event::Wrote { at: to };
    let path = seen.events().iter().position(wrote(thread.path.at));
    let flag = seen.events().iter().rposition(wrote(thread.pending.at));
    let start = seen.range.start;
    match (path, flag) {
        (Some(path), Some(flag)) if path < flag => {
            let range = start + path + 1..start + flag;
            holds(&Seen { range, ..seen }, thread, script)
        }
        _ => false,
    }
}

fn holds(seen: &Seen<'_>, thread: &LiveThread, script: &[u8]) -> bool {
    let path = seen.bytes(thread.path.at, script.len() + 1);
    path.and_then(|path| path.strip_suffix(&[0])) == Some(script)
}

/// Pending still, or taken, and with this path.
fn request(seen: &Seen<'_>, thread: &LiveThread, script: &[u8]) -> bool {
    matches!(seen.half(thread.pending.at, Some(0)), Some(0 | 1)) && holds(seen, thread, script)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The last event of a range that shows these bytes, found by looking at every one.
    fn one_by_one(log: &Log, range: Range<usize>, at: Address, len: usize) -> Option<&[u8]> {
        range.rev().find_map(|nth| log.part(nth, at, len))
    }

    /// Reads of every length, within a stretch, across its end, and in two stretches of one group.
    #[test]
    fn the_index_finds_what_a_search_finds() {
        let mut log = Log::default();
        let (stretch, groups) = (LOGGED_MAX as u64, GROUPS as u64);
        let near = |nth: u64| nth * 0x9e37 % (2 * stretch);
        for nth in 0..400_u64 {
            let at = Address::new((nth % 3 * groups + 5) * stretch + near(nth));
            match nth % 7 {
                0 => log.wrote(at),
                1 => log.is_thread(nth),
                _ => log.read(at, &vec![nth as u8; (nth * nth * 31 % 5000) as usize]),
            }
        }
        let index = Index::new(&log.events);
        let mut found = 0;
        for nth in 0..20_000_u64 {
            let at = Address::new((nth % 3 * groups + 4) * stretch + nth * 101 % (4 * stretch));
            let (start, len) = (nth as usize % 350, [1, 4, 8, 300][nth as usize % 4]);
            let range = start..start + nth as usize % 50;
            let seen = Seen { log: &log, index: &index, range: range.clone() };
            let expected = one_by_one(&log, range, at, len);
            assert_eq!(seen.bytes(at, len), expected, "{len} bytes at {at}");
            found += u32::from(expected.is_some());
        }
        assert!((2000..18_000).contains(&found), "{found} found");
        assert_eq!(index.writes, Some((0, 399)));
    }
}

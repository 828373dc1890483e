//! Scenarios as bytes: every committed scenario is a seed of a fuzzer, and whatever bytes a fuzzer
//! comes to are a scenario that a file can say.
//!
//! Any string of bytes decodes; what is missing is 0, and 0 is always the default. An enum is the
//! ordinal of its variant, modulo how many there are; a name is its place in the list of all; a
//! number is 7 bits a byte, the lowest first. The first byte of a scenario is the format: this one
//! knows only itself, and takes any other for itself. An attempt to attach is coded as a whole, by
//! [`encode`]; a session by its own [`Coded`].
//!
//! ```
//! use softdock::codec::{decode, encode};
//!
//! let scenario = decode(b"\x01 whatever");
//! assert_eq!(decode(&encode(&scenario)), scenario);
//! ```

use std::collections::BTreeMap;

use softdock_cpython::Version;

use crate::scenario::fault::{Actor, At, Fault, FaultKind};
use crate::scenario::names::{
    BuildName, CacheName, FoundByName, LeftName, OutcomeName, ParseModeName, ProofName, ReasonName,
    SiteName, UndoName, VersionText, WordName,
};
use crate::scenario::place::{Damage, InterpreterField, Place, ThreadField};
use crate::scenario::process::{
    Access, Change, Content, Host, Image, Other, Phase, Placement, Process, SubInterpreter, Thread,
};
use crate::scenario::session::{
    Act, EndpointText, Expect as Came, OutcomeWord, ReasonWord, Session, SiteWord, Told, Turn,
};
use crate::scenario::{self, Attach, Cache, DEFAULT_SCRIPT, Expect, Settings};

/// This format. A change that gives bytes another meaning makes it another one.
const FORMAT: u8 = 1;

/// Items of a list and bytes of a text. No committed scenario comes near it.
const ITEMS_MAX: usize = 4096;

/// The scenario that these bytes are.
#[must_use]
pub fn decode(bytes: &[u8]) -> Attach {
    let mut from = bytes.get(1..).unwrap_or_default();
    Attach::take(&mut from)
}

/// Bytes that decode to this scenario.
#[must_use]
pub fn encode(scenario: &Attach) -> Vec<u8> {
    let mut out = vec![FORMAT];
    scenario.put(&mut out);
    out
}

/// Something that can be told in bytes, and that any bytes tell.
pub trait Coded: Sized {
    /// Adds its bytes.
    fn put(&self, out: &mut Vec<u8>);

    /// Takes its bytes from the front; at the end they are 0.
    fn take(from: &mut &[u8]) -> Self;
}

impl Coded for u8 {
    fn put(&self, out: &mut Vec<u8>) {
        out.push(*self);
    }

    fn take(from: &mut &[u8]) -> u8 {
        let Some((first, rest)) = from.split_first() else { return 0 };
        *from = rest;
        *first
    }
}

impl Coded for bool {
    fn put(&self, out: &mut Vec<u8>) {
        out.push(u8::from(*self));
    }

    fn take(from: &mut &[u8]) -> bool {
        u8::take(from) & 1 == 1
    }
}

impl Coded for u64 {
    fn put(&self, out: &mut Vec<u8>) {
        let mut rest = *self;
        while rest > 0x7f {
            out.push(0x80 | (rest & 0x7f) as u8);
            rest >>= 7;
        }
        out.push(rest as u8);
    }

    fn take(from: &mut &[u8]) -> u64 {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = u8::take(from);
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                break;
            }
        }
        number
    }
}

/// Numbers that are told as 64 bits, of which some are cut off again.
macro_rules! number {
    ($($type:ty: $to:expr, $of:expr;)*) => {$(
        impl Coded for $type {
            fn put(&self, out: &mut Vec<u8>) {
                u64::put(&$to(*self), out);
            }

            fn take(from: &mut &[u8]) -> $type {
                $of(u64::take(from))
            }
        }
    )*};
}

number! {
    u32: u64::from, |told| told as u32;
    usize: |number| number as u64, |told| told as usize;
    i64: folded, unfolded;
    i32: |number| folded(i64::from(number)), |told| unfolded(told) as i32;
}

/// Numbers near 0 become small, whatever their sign.
const fn folded(number: i64) -> u64 {
    ((number << 1) ^ (number >> 63)).cast_unsigned()
}

const fn unfolded(told: u64) -> i64 {
    (told >> 1).cast_signed() ^ -((told & 1).cast_signed())
}

impl<T: Coded> Coded for Option<T> {
    fn put(&self, out: &mut Vec<u8>) {
        self.is_some().put(out);
        if let Some(value) = self {
            value.put(out);
        }
    }

    fn take(from: &mut &[u8]) -> Option<T> {
        bool::take(from).then(|| T::take(from))
    }
}

impl<A: Coded, B: Coded> Coded for (A, B) {
    fn put(&self, out: &mut Vec<u8>) {
        self.0.put(out);
        self.1.put(out);
    }

    fn take(from: &mut &[u8]) -> (A, B) {
        (A::take(from), B::take(from))
    }
}

/// A list ends with the bytes at the latest: three bytes must not become a thousand items.
impl<T: Coded> Coded for Vec<T> {
    fn put(&self, out: &mut Vec<u8>) {
        let items = &self[..self.len().min(ITEMS_MAX)];
        items.len().put(out);
        items.iter().for_each(|item| item.put(out));
    }

    fn take(from: &mut &[u8]) -> Vec<T> {
        let len = usize::take(from).min(ITEMS_MAX);
        (0..len).map_while(|_| (!from.is_empty()).then(|| T::take(from))).collect()
    }
}

/// What is no UTF-8 ends a text, and its bytes are gone.
impl Coded for String {
    fn put(&self, out: &mut Vec<u8>) {
        let ends = (0..=self.len().min(ITEMS_MAX)).rev();
        let end = ends.into_iter().find(|end| self.is_char_boundary(*end)).unwrap_or(0);
        end.put(out);
        out.extend_from_slice(&self.as_bytes()[..end]);
    }

    fn take(from: &mut &[u8]) -> String {
        let len = usize::take(from).min(ITEMS_MAX).min(from.len());
        let (text, rest) = from.split_at(len);
        *from = rest;
        text.utf8_chunks().next().map_or_else(String::new, |chunk| chunk.valid().into())
    }
}

impl Coded for BTreeMap<String, String> {
    fn put(&self, out: &mut Vec<u8>) {
        let pairs: Vec<(String, String)> = self.clone().into_iter().collect();
        pairs.put(out);
    }

    fn take(from: &mut &[u8]) -> BTreeMap<String, String> {
        Vec::take(from).into_iter().collect()
    }
}

/// The place of a value in the list of all, in one byte or in two.
fn put_place<T: PartialEq>(all: &[T], value: &T, out: &mut Vec<u8>) {
    let place = all.iter().position(|known| known == value).unwrap_or_default();
    out.push(place as u8);
    if all.len() > 256 {
        out.push((place >> 8) as u8);
    }
}

fn take_place<T: Copy>(all: &[T], from: &mut &[u8]) -> T {
    let mut place = usize::from(u8::take(from));
    if all.len() > 256 {
        place |= usize::from(u8::take(from)) << 8;
    }
    all[place % all.len()]
}

/// Names, by the lists of all that they can be.
macro_rules! names {
    ($($type:ident of $all:expr;)*) => {$(
        impl Coded for $type {
            fn put(&self, out: &mut Vec<u8>) {
                put_place($all, &self.0, out);
            }

            fn take(from: &mut &[u8]) -> $type {
                $type(take_place($all, from))
            }
        }
    )*};
}

names! {
    SiteName of SiteName::ALL;
    OutcomeName of OutcomeName::ALL;
    ParseModeName of ParseModeName::ALL;
    ProofName of ProofName::ALL;
    CacheName of CacheName::ALL;
    UndoName of UndoName::ALL;
    LeftName of LeftName::ALL;
    FoundByName of FoundByName::ALL;
    BuildName of BuildName::ALL;
    ReasonName of ReasonName::all();
    WordName of WordName::all();
    OutcomeWord of OutcomeWord::all();
    SiteWord of SiteWord::all();
    ReasonWord of ReasonWord::all();
}

/// Structs, field by field.
macro_rules! fields {
    ($($type:ident { $($field:ident),* $(,)? })*) => {$(
        impl Coded for $type {
            fn put(&self, out: &mut Vec<u8>) {
                let $type { $($field),* } = self;
                $($field.put(out);)*
            }

            fn take(from: &mut &[u8]) -> $type {
                $type { $($field: Coded::take(from)),* }
            }
        }
    )*};
}

/// Enums, by ordinal, then what is in the variant.
macro_rules! variants {
    ($($type:path { $($variant:ident $(($($field:ident),*))?),* $(,)? })*) => {$(
        impl Coded for $type {
            fn put(&self, out: &mut Vec<u8>) {
                enum Ordinal { $($variant),* }
                use $type as Type;
                match self {
                    $(Type::$variant $(($($field),*))? => {
                        out.push(Ordinal::$variant as u8);
                        $($($field.put(out);)*)?
                    })*
                }
            }

            fn take(from: &mut &[u8]) -> $type {
                use $type as Type;
                const TAKE: &[fn(&mut &[u8]) -> Type] = &[$(|_from| {
                    $($(let $field = Coded::take(_from);)*)?
                    Type::$variant $(($($field),*))?
                }),*];
                let ordinal = usize::from(u8::take(from));
                TAKE[ordinal % TAKE.len()](from)
            }
        }
    )*};
}

/// The script is as often as not the default one, and no bytes are a script that can be found.
impl Coded for Attach {
    fn put(&self, out: &mut Vec<u8>) {
        self.process.put(out);
        self.damage.put(out);
        (self.script != DEFAULT_SCRIPT).then(|| self.script.clone()).put(out);
        self.config.put(out);
        self.variables.put(out);
        self.cache.put(out);
        self.faults.put(out);
        self.moves.put(out);
        self.waits.put(out);
        self.expect.put(out);
        self.source.put(out);
        self.about.put(out);
    }

    fn take(from: &mut &[u8]) -> Attach {
        Attach {
            process: Coded::take(from),
            damage: Coded::take(from),
            script: <Option<String> as Coded>::take(from).unwrap_or_else(|| DEFAULT_SCRIPT.into()),
            config: Coded::take(from),
            variables: Coded::take(from),
            cache: Coded::take(from),
            faults: Coded::take(from),
            moves: Coded::take(from),
            waits: Coded::take(from),
            expect: Coded::take(from),
            source: Coded::take(from),
            about: Coded::take(from),
        }
    }
}

/// As text, and no bytes are the port that debugpy's own examples have.
impl Coded for EndpointText {
    fn put(&self, out: &mut Vec<u8>) {
        self.0.to_string().put(out);
    }

    fn take(from: &mut &[u8]) -> EndpointText {
        let told = String::take(from).parse();
        EndpointText(told.unwrap_or_else(|_| "127.0.0.1:5678".parse().expect("an address")))
    }
}

/// Accesses are counted from 1.
impl Coded for At {
    fn put(&self, out: &mut Vec<u8>) {
        let (site, number) = match self {
            At::Hit(site, hit) => (Some(SiteName(*site)), hit),
            At::Access(access) => (None, access),
        };
        (site, number.saturating_sub(1)).put(out);
    }

    fn take(from: &mut &[u8]) -> At {
        let (site, number): (Option<SiteName>, u32) = Coded::take(from);
        let number = number.saturating_add(1);
        site.map_or(At::Access(number), |SiteName(site)| At::Hit(site, number))
    }
}

/// A final release has no serial number, and of the levels of a version only four have a name.
impl Coded for VersionText {
    fn put(&self, out: &mut Vec<u8>) {
        let VersionText(Version { major, minor, micro, level, serial }) = *self;
        out.extend([major, minor, micro]);
        put_place(&LEVELS, &level, out);
        out.push(serial);
    }

    fn take(from: &mut &[u8]) -> VersionText {
        let [major, minor, micro] = [(); 3].map(|()| u8::take(from));
        let level = take_place(&LEVELS, from);
        let serial = u8::take(from);
        let serial = if level == LEVELS[0] { 0 } else { serial };
        VersionText(Version { major, minor, micro, level, serial })
    }
}

/// Final, candidate, alpha, beta.
const LEVELS: [u8; 4] = [0xF, 0xC, 0xA, 0xB];

fields! {
    Settings {
        thread, interpreter, dry_run, allow_unproven, confirm, forced_thread, cancel, freeze,
    }
    Cache { other_process, config, interpreter, thread, native, on_disk, other_table, since }
    Expect {
        outcome, site, reason, parse_mode, proof, thread, interpreter, cache, undo, left, runs,
    }
    Process {
        build, version, changes, placement, module, found_by, image, others, threads, thread,
        sub_interpreters, remote_debugging, uninitialised, host, phase, script, inner_pid,
    }
    Other { name, content, found_by, at, image }
    Thread { native, events, pending, path, status }
    SubInterpreter { threads, executing }
    Fault { at, sticky, kind }
    Session {
        target, ends, cancel, order, connect, timeout, client, stop, dry_run, process, faults,
        expect, source, about,
    }
    Came {
        outcome, site, reason, code, endpoint, reused, waited_micros, left, files_stay,
    }
}

variants! {
    Act {
        Takes, Tells(told), Tears(cut, told), Stops, OtherSession(told), OtherFormat(format, told),
        OtherOwner(uid), NoFile,
    }
    Told {
        Started, Listening(at), Reused(at), Connected(at), Attached(at), Error(kind, message),
    }
    Turn { Acts, Begins(cut), Ends, GivesUp, Sleeps }
    scenario::Thread { Main, Any, Native(id) }
    Change { Set(word, value), Insert(at, words), Order(words), Capacity(bytes) }
    Placement { Usual, Pie }
    Image { Same, Unreadable, Differing(patches) }
    Content { DeadCopy, CookieOnly, TooOld }
    Host { Python, Embedded }
    Phase { Running, MainEnded, Finalizing }
    Access { Readable, Denied, Missing }
    Place {
        Slab(word), Runtime(offset), InterpretersHead, FinalizingWord, Interpreter(id),
        InterpreterField(id, field), Thread(id), ThreadField(id, field), Address(at),
    }
    InterpreterField { Id, Next, ThreadsHead, ThreadsMain, RemoteDebuggingEnabled }
    ThreadField { Prev, Next, Interp, NativeThreadId, Status, EvalBreaker, PendingCall, ScriptPath }
    Damage {
        Word(place, value), Half(place, value), Point(from_place, to), Bytes(place, bytes),
        Fill(place, len, byte), Unmap(place, pages), ReadOnly(place, pages),
    }
    FaultKind {
        Unmapped, Denied, Gone, Interrupted, Unsupported, Short(done), LandedButFailed, Lost,
        Torn(done), FlipBit(bit), LieWord(at, value), LieAnswer, Killed(done), Split(done),
        Move(actor),
    }
    Actor {
        Poll(id), CheckSignals(id), Raise(id, bits), Withdraw(id, bits), Switch(id),
        StartThread(id), ExitThread(id), ExitThreadAndReuse(id), DestroyInterpreter(id),
        CreateInterpreter, EndMain, Finalize, Unload(name), Fork, OtherDebugger(id, script), Exit,
        Exec, ReusePid, Take(id),
    }
}

//! What happened in a run, access by access. Addresses are told by what truly is there, so that a
//! line can be read without a debugger. It is kept as data and put into words only when it is
//! shown; when it is off it costs nothing.

use std::fmt;

use softdock_attach::Site;
use softdock_cpython::{MoveError, Place, Process};
use softdock_process::{
    Address, Candidate, ErrorKind, FoundBy, Identity, MemoryError, MemoryRange,
};

use crate::choice::Shape;
use crate::scenario::{Actor, FaultKind};

/// The steps of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trace {
    steps: Option<Vec<Step>>,
}

/// One access, or one move of the target.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Step {
    site: Site,
    what: What,
    fault: Option<FaultKind>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum What {
    Read { at: Somewhere, len: usize, value: Option<u64>, failed: Option<MemoryError> },
    Wrote { at: Somewhere, bytes: Vec<u8>, failed: Option<MemoryError> },
    Asked(Question, Result<Answer, ErrorKind>),
    Moved(Actor),
    Impossible(MoveError),
}

/// A question to the system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Question {
    Candidate(usize),
    Image(usize),
    Writable(usize),
    IsThread(u64),
    MainThread,
    Identity,
    Freeze,
}

/// What the system answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    No,
    Yes,
    Number(u64),
    Process(Identity),
    Range(MemoryRange),
    Module(Box<str>, Address, FoundBy),
}

/// What truly is at an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Somewhere {
    Breaker(u64),
    Pending(u64),
    Path(u64),
    Thread(u64, u64),
    Interpreter(i64, u64),
    Runtime(u64),
    Elsewhere(Address),
}

impl Trace {
    /// One that records nothing.
    #[must_use]
    pub fn off() -> Trace {
        Trace::default()
    }

    /// One that records everything.
    #[must_use]
    pub fn on() -> Trace {
        Trace { steps: Some(Vec::with_capacity(64)) }
    }

    pub(crate) const fn is_off(&self) -> bool {
        self.steps.is_none()
    }

    fn step(&mut self, site: Site, fault: Option<&FaultKind>, what: impl FnOnce() -> What) {
        if let Some(steps) = &mut self.steps {
            steps.push(Step { site, what: what(), fault: fault.cloned() });
        }
    }

    pub(crate) fn moved(&mut self, site: Site, actor: &Actor) {
        self.step(site, None, || What::Moved(actor.clone()));
    }

    pub(crate) fn impossible(&mut self, site: Site, error: &MoveError) {
        self.step(site, None, || What::Impossible(error.clone()));
    }

    pub(crate) fn read(
        &mut self,
        (site, fault): (Site, Option<&FaultKind>),
        process: &Process,
        at: Address,
        bytes: &[u8],
        result: Result<(), MemoryError>,
    ) {
        self.step(site, fault, || What::Read {
            at: Somewhere::of(process, at),
            len: bytes.len(),
            value: result.is_ok().then(|| small(bytes)).flatten(),
            failed: result.err(),
        });
    }

    pub(crate) fn wrote(
        &mut self,
        (site, fault): (Site, Option<&FaultKind>),
        process: &Process,
        at: Address,
        bytes: &[u8],
        result: Result<(), MemoryError>,
    ) {
        self.step(site, fault, || What::Wrote {
            at: Somewhere::of(process, at),
            bytes: bytes.to_vec(),
            failed: result.err(),
        });
    }

    pub(crate) fn asked(
        &mut self,
        (site, fault): (Site, Option<&FaultKind>),
        question: Question,
        answer: impl FnOnce() -> Result<Answer, ErrorKind>,
    ) {
        self.step(site, fault, || What::Asked(question, answer()));
    }
}

/// The value of a word; larger things are not told.
fn small(bytes: &[u8]) -> Option<u64> {
    if bytes.len() > 8 {
        return None;
    }
    let mut word = [0; 8];
    word[..bytes.len()].copy_from_slice(bytes);
    Some(u64::from_le_bytes(word))
}

impl Somewhere {
    fn of(process: &Process, at: Address) -> Somewhere {
        let native = |key| process.thread(key).map_or(0, |live| live.native);
        match process.place(at, 1) {
            Place::Breaker(key) => return Somewhere::Breaker(native(key)),
            Place::Pending(key) => return Somewhere::Pending(native(key)),
            Place::Path(key) => return Somewhere::Path(native(key)),
            Place::Elsewhere => {}
        }
        let inside = |base: Address, size: &str| {
            let size = process.table().value(size).unwrap_or(0);
            at.checked_sub(base).filter(|offset| *offset < size)
        };
        let thread = process.threads().find_map(|live| {
            let offset = inside(live.at, "thread_state.size")?;
            Some(Somewhere::Thread(live.native, offset))
        });
        let interpreter = || {
            process.interpreters().find_map(|live| {
                let offset = inside(live.at, "interpreter_state.size")?;
                Some(Somewhere::Interpreter(live.id, offset))
            })
        };
        let runtime = || inside(process.runtime(), "runtime_state.size").map(Somewhere::Runtime);
        thread.or_else(interpreter).or_else(runtime).unwrap_or(Somewhere::Elsewhere(at))
    }
}

/// One line of a trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceLine {
    /// The number of the access, from 1; `None` for what the target does by itself.
    pub access: Option<u32>,
    /// The step it belongs to.
    pub site: Site,
    /// What happened.
    pub text: String,
}

impl Trace {
    /// Its lines, in order.
    pub fn lines(&self) -> impl Iterator<Item = TraceLine> + '_ {
        let mut accesses = 0;
        self.steps.iter().flatten().map(move |Step { site, what, fault }| {
            let is_access = !matches!(what, What::Moved(_) | What::Impossible(_));
            accesses += u32::from(is_access);
            let fault = fault.as_ref().map(|fault| match what.shape() {
                Some(shape) if !shape.is_changed_by(fault) => {
                    format!("  <- fault {fault:?}, in vain")
                }
                _ => format!("  <- fault {fault:?}"),
            });
            let text = format!("{what}{}", fault.unwrap_or_default());
            TraceLine { access: is_access.then_some(accesses), site: *site, text }
        })
    }
}

impl fmt::Display for TraceLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = self.access.map_or("*".into(), |access| access.to_string());
        write!(f, "{number:>4} {:<18} {}", self.site.name(), self.text)
    }
}

impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.lines().try_for_each(|line| writeln!(f, "{line}"))
    }
}

impl What {
    /// What was asked for; `None` of what the target does by itself.
    const fn shape(&self) -> Option<Shape> {
        Some(match self {
            What::Read { len, .. } => Shape::Read(*len),
            What::Wrote { bytes, .. } => Shape::Write(bytes.len()),
            What::Asked(Question::Image(len), _) => Shape::Image(*len),
            What::Asked(..) => Shape::Ask,
            What::Moved(_) | What::Impossible(_) => return None,
        })
    }
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            What::Read { at, len, value, failed } => {
                write!(f, "read {len} at {at}")?;
                if let Some(value) = value {
                    write!(f, " = {value:#x}")?;
                }
                failure(f, *failed)
            }
            What::Wrote { at, bytes, failed } => {
                write!(f, "WRITE {} at {at}: ", bytes.len())?;
                match bytes.as_slice() {
                    [byte] => write!(f, "{byte:#04x}")?,
                    [a, b, c, d] => write!(f, "{}", u32::from_le_bytes([*a, *b, *c, *d]))?,
                    bytes => write!(f, "{:?}", String::from_utf8_lossy(bytes))?,
                }
                failure(f, *failed)
            }
            What::Asked(question, Ok(answer)) => write!(f, "ask {question}: {answer}"),
            What::Asked(question, Err(kind)) => write!(f, "ask {question}: {kind}"),
            What::Moved(actor) => write!(f, "the target moves: {actor:?}"),
            What::Impossible(error) => write!(f, "which it cannot: {error}"),
        }
    }
}

fn failure(f: &mut fmt::Formatter<'_>, failed: Option<MemoryError>) -> fmt::Result {
    match failed {
        Some(error) => write!(f, "  -- {}, {} of {} done", error.kind, error.done, error.wanted),
        None => Ok(()),
    }
}

impl fmt::Display for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Question::Candidate(rank) => write!(f, "for candidate {rank}"),
            Question::Image(len) => write!(f, "for {len} bytes of the mapped file"),
            Question::Writable(nth) => write!(f, "for writable range {nth}"),
            Question::IsThread(native) => write!(f, "whether {native} is a thread"),
            Question::MainThread => f.write_str("for the main thread"),
            Question::Freeze => f.write_str("to stop the target"),
            Question::Identity => f.write_str("which process this is"),
        }
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Answer::No => f.write_str("no"),
            Answer::Yes => f.write_str("yes"),
            Answer::Number(number) => number.fmt(f),
            Answer::Process(is) => write!(f, "pid {}, started at {}", is.pid, is.started),
            Answer::Range(range) => write!(f, "{} bytes at {}", range.len, range.start),
            Answer::Module(name, at, found_by) => {
                write!(f, "{name} at {at}, by {}", found_by.name())
            }
        }
    }
}

impl Answer {
    /// What the engine learns from it, in one word.
    pub(crate) fn word(&self) -> u64 {
        match self {
            Answer::No => 0,
            Answer::Yes => 1,
            Answer::Number(number) => *number,
            Answer::Process(is) => u64::from(is.pid) << 32 ^ is.started,
            Answer::Range(range) => range.start.get() ^ range.len.rotate_left(32),
            Answer::Module(_, at, _) => at.get(),
        }
    }
}

impl From<bool> for Answer {
    fn from(yes: bool) -> Answer {
        if yes { Answer::Yes } else { Answer::No }
    }
}

impl From<Identity> for Answer {
    fn from(identity: Identity) -> Answer {
        Answer::Process(identity)
    }
}

impl From<Option<u64>> for Answer {
    fn from(number: Option<u64>) -> Answer {
        number.map_or(Answer::No, Answer::Number)
    }
}

impl From<Option<MemoryRange>> for Answer {
    fn from(range: Option<MemoryRange>) -> Answer {
        range.map_or(Answer::No, Answer::Range)
    }
}

impl From<Option<&Candidate>> for Answer {
    fn from(found: Option<&Candidate>) -> Answer {
        found.map_or(Answer::No, |candidate| {
            let Candidate { at, found_by, module, .. } = candidate;
            Answer::Module(module.clone(), *at, *found_by)
        })
    }
}

impl fmt::Display for Somewhere {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Somewhere::Breaker(native) => write!(f, "eval breaker of thread {native}"),
            Somewhere::Pending(native) => write!(f, "pending flag of thread {native}"),
            Somewhere::Path(native) => write!(f, "script path of thread {native}"),
            Somewhere::Thread(native, 0) => write!(f, "thread {native}"),
            Somewhere::Thread(native, offset) => write!(f, "thread {native}+{offset:#x}"),
            Somewhere::Interpreter(id, offset) => write!(f, "interpreter {id}+{offset:#x}"),
            Somewhere::Runtime(0) => f.write_str("runtime"),
            Somewhere::Runtime(offset) => write!(f, "runtime+{offset:#x}"),
            Somewhere::Elsewhere(at) => at.fmt(f),
        }
    }
}

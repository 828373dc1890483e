//! What happened in a run, access by access, in words: addresses are told by what truly is there,
//! so that a line can be read without a debugger. Costs nothing when it is off.

use std::fmt::{self, Write};

use softdock_attach::Site;
use softdock_cpython::{MoveError, Place, Process};
use softdock_process::{Address, Candidate, ErrorKind, MemoryError};

use crate::scenario::{Actor, FaultKind};

/// The lines of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trace {
    lines: Option<Vec<String>>,
    accesses: u32,
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
        Trace { lines: Some(Vec::new()), accesses: 0 }
    }

    /// Whether it records.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.lines.is_some()
    }

    /// An access of the engine, told by `what`.
    fn access(&mut self, site: Site, what: impl FnOnce() -> String) {
        let Some(lines) = &mut self.lines else { return };
        self.accesses += 1;
        lines.push(format!("{:>4} {:<18} {}", self.accesses, site.name(), what()));
    }

    /// An access told ready-made.
    pub fn note(&mut self, site: Site, what: &str) {
        self.access(site, || what.to_string());
    }

    pub(crate) fn moved(&mut self, site: Site, actor: &Actor) {
        if let Some(lines) = &mut self.lines {
            lines.push(format!("   * {:<18} the target moves: {actor:?}", site.name()));
        }
    }

    pub(crate) fn impossible(&mut self, error: &MoveError) {
        if let Some(lines) = &mut self.lines {
            lines.push(format!("   * which it cannot: {error}"));
        }
    }

    pub(crate) fn read(
        &mut self,
        site: Site,
        process: &Process,
        at: Address,
        bytes: &[u8],
        result: &Result<(), MemoryError>,
        fault: Option<&FaultKind>,
    ) {
        self.access(site, || {
            let value = match (result, bytes) {
                (Ok(()), [a, b, c, d, e, f, g, h]) => {
                    format!(" = {:#x}", u64::from_le_bytes([*a, *b, *c, *d, *e, *f, *g, *h]))
                }
                (Ok(()), [a, b, c, d]) => format!(" = {:#x}", u32::from_le_bytes([*a, *b, *c, *d])),
                (Ok(()), [a]) => format!(" = {a:#04x}"),
                _ => String::new(),
            };
            let (len, place) = (bytes.len(), name(process, at));
            format!("read {len} at {place}{value}{}{}", failure(result), strike(fault))
        });
    }

    pub(crate) fn wrote(
        &mut self,
        site: Site,
        process: &Process,
        at: Address,
        bytes: &[u8],
        result: &Result<(), MemoryError>,
        fault: Option<&FaultKind>,
    ) {
        self.access(site, || {
            let (len, place) = (bytes.len(), name(process, at));
            let what = written(bytes);
            format!("WRITE {len} at {place}: {what}{}{}", failure(result), strike(fault))
        });
    }

    pub(crate) fn asked<T: fmt::Debug>(
        &mut self,
        site: Site,
        what: &str,
        answer: &Result<T, ErrorKind>,
        fault: Option<&FaultKind>,
    ) {
        self.access(site, || match answer {
            Ok(answer) => format!("ask {what}: {answer:?}{}", strike(fault)),
            Err(kind) => format!("ask {what}: {kind}{}", strike(fault)),
        });
    }

    pub(crate) fn image(
        &mut self,
        site: Site,
        len: usize,
        answer: &Result<bool, ErrorKind>,
        fault: Option<&FaultKind>,
    ) {
        self.access(site, || {
            let answer = match answer {
                Ok(true) => "done".to_string(),
                Ok(false) => "cannot be had".to_string(),
                Err(kind) => kind.to_string(),
            };
            format!("read {len} of the mapped file: {answer}{}", strike(fault))
        });
    }

    pub(crate) fn candidate(
        &mut self,
        site: Site,
        rank: usize,
        found: &Result<Option<&Candidate>, ErrorKind>,
    ) {
        self.access(site, || match found {
            Ok(Some(candidate)) => {
                let Candidate { at, found_by, module, .. } = candidate;
                format!("ask for candidate {rank}: {module} at {at}, by {}", found_by.name())
            }
            Ok(None) => format!("ask for candidate {rank}: none"),
            Err(kind) => format!("ask for candidate {rank}: {kind}"),
        });
    }
}

impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.lines.iter().flatten().try_for_each(|line| writeln!(f, "{line}"))
    }
}

fn failure(result: &Result<(), MemoryError>) -> String {
    match result {
        Ok(()) => String::new(),
        Err(error) => format!("  -- {}, {} of {} done", error.kind, error.done, error.wanted),
    }
}

fn strike(fault: Option<&FaultKind>) -> String {
    fault.map_or(String::new(), |kind| format!("  <- fault {kind:?}"))
}

fn written(bytes: &[u8]) -> String {
    match bytes {
        [byte] => format!("{byte:#04x}"),
        [a, b, c, d] => u32::from_le_bytes([*a, *b, *c, *d]).to_string(),
        _ => format!("{:?}", String::from_utf8_lossy(bytes)),
    }
}

/// What truly is at an address.
fn name(process: &Process, at: Address) -> String {
    let thread = |key| {
        let live = process.thread(key);
        live.map_or_else(|| key.to_string(), |live| live.native.to_string())
    };
    match process.place(at) {
        Place::Breaker(key) => return format!("eval breaker of thread {}", thread(key)),
        Place::Pending(key) => return format!("pending flag of thread {}", thread(key)),
        Place::Path(key) => return format!("script path of thread {}", thread(key)),
        Place::Elsewhere => {}
    }
    let inside = |base: Address, size: &str| {
        let size = process.table().value(size).unwrap_or(0);
        at.checked_sub(base).filter(|offset| *offset < size)
    };
    let mut text = String::new();
    for live in process.threads() {
        if let Some(offset) = inside(live.at, "thread_state.size") {
            let _ = write!(text, "thread {}", live.native);
            return plus(text, offset);
        }
    }
    for live in process.interpreters() {
        if let Some(offset) = inside(live.at, "interpreter_state.size") {
            let _ = write!(text, "interpreter {}", live.id);
            return plus(text, offset);
        }
    }
    match inside(process.runtime(), "runtime_state.size") {
        Some(offset) => plus("runtime".into(), offset),
        None => at.to_string(),
    }
}

fn plus(mut base: String, offset: u64) -> String {
    if offset > 0 {
        let _ = write!(base, "+{offset:#x}");
    }
    base
}

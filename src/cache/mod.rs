//! What an attach remembers for the next one, on disk: one small file for each process. The engine
//! knows the thread again by it, instead of walking there; what the file says is never believed.
//!
//! # Format 1
//!
//! ASCII, lines that end with one `\n`, words with one space between them, exactly these lines in
//! this order, at most [`BYTES_MAX`] bytes. Numbers are decimal, or hexadecimal after `0x`, without
//! leading zeros; addresses are those of the target, in bytes.
//!
//! ```text
//! softdock-cache 1                            the format
//! boot 1f0c77a2-3d5e-4b7a-9c11-5d2f8e6a0b43   /proc/sys/kernel/random/boot_id
//! process 14446 52817                         pid, and when it started
//! version 0x30e0af0                           PY_VERSION_HEX of the target
//! asked main                                  for whom: `main`, or a thread's native id
//! runtime 0xba07c0 section                    where it is; found by `section` or `scan`
//! table 0f8fad5bd9cb469f016570867728950e      digest of the table that the layout was read from
//! interpreter 0 0xbb6a40                      id, and where its state is
//! thread 14446 0xbed8e0                       native id, and where its state is
//! sum 9ae16a3b2f90404f                        FNV-1a of all bytes before this line
//! ```
//!
//! When a process started is told as `Identity::started` tells it: the serial number that Linux
//! gives each process since boot, or ticks. Boot, process, version (which is in the digest) and
//! runtime are the key; thread and digest are what is remembered for it.
//!
//! The sum is there for disks that are full and writers that die, not for forgers. Against those,
//! nothing in a file is believed: `CachedThread::is_own` says that others could have changed it, so
//! that the engine proves the layout by the mapped file again, and validates everything else like
//! any candidate. The worst that a file can do is to cost a miss.
//!
//! # What is not remembered
//!
//! A thread for `any`, which means another one each time. A layout that was not read strictly, or
//! that no mapped file proved, or a runtime that is known by an exported symbol alone.

#[cfg(target_os = "linux")]
mod folder;

#[cfg(target_os = "linux")]
pub use folder::Folder;

use std::fmt;

use softdock_attach::{CachedThread, ParseMode, Proof, Report, TableDigest, ThreadChoice, Version};
use softdock_process::{Address, FoundBy, Identity};

/// The longest file there can be: every number at its longest comes to some 400 bytes.
pub const BYTES_MAX: usize = 512;

/// The first line.
const FORMAT: &str = "softdock-cache 1";

/// Why an entry is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Miss {
    /// Nothing was remembered.
    None,
    /// It cannot be read: longer, shorter or otherwise than it was written.
    Damaged,
    /// It is in a format that is not known.
    Format,
    /// It is of another process of this number, or of before the machine started.
    OtherProcess,
    /// The file is not a plain one that only we can write.
    NotOurs,
    /// The system did not read it.
    Unreadable,
}

impl fmt::Display for Miss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Miss::None => "nothing is remembered of this process",
            Miss::Damaged => "what was remembered is damaged",
            Miss::Format => "what was remembered is in a format that is not known",
            Miss::OtherProcess => "what was remembered is of an earlier process of this number",
            Miss::NotOurs => "what was remembered is not in a plain file that only we can write",
            Miss::Unreadable => "what was remembered cannot be read",
        })
    }
}

/// What is worth remembering of an attempt, as the text of a file.
#[must_use]
pub fn text(boot: &str, report: &Report) -> Option<String> {
    let thread = report.cacheable.filter(is_worth_it)?;
    render(&Entry { boot, version: report.version?, thread })
}

/// What a file says of this process.
///
/// # Errors
/// Whenever it says nothing of it, or was not written by [`text`] to the last byte.
pub fn read(bytes: &[u8], boot: &str, process: Identity) -> Result<CachedThread, Miss> {
    let text = str::from_utf8(bytes).map_err(|_| Miss::Damaged)?;
    if is_of_another_format(text) {
        return Err(Miss::Format);
    }
    let entry = parse(text).filter(|entry| render(entry).as_deref() == Some(text));
    match entry.ok_or(Miss::Damaged)? {
        entry if entry.boot == boot && entry.thread.process == process => Ok(entry.thread),
        _ => Err(Miss::OtherProcess),
    }
}

/// A later format may look otherwise from its second line on.
fn is_of_another_format(text: &str) -> bool {
    let first = text.split('\n').next().filter(|line| *line != FORMAT);
    let format = first.and_then(|line| line.strip_prefix("softdock-cache "));
    format.is_some_and(|number| number.parse::<u32>().is_ok())
}

struct Entry<'t> {
    boot: &'t str,
    version: Version,
    thread: CachedThread,
}

/// See the head of this file.
fn is_worth_it(thread: &CachedThread) -> bool {
    thread.choice != ThreadChoice::Any
        && thread.mode == ParseMode::Strict
        && thread.proof == Proof::Image
        && thread.found_by != FoundBy::Symbol
}

/// `None` where an entry could not be read again.
fn render(entry: &Entry<'_>) -> Option<String> {
    let Entry { boot, version, thread } = entry;
    let asked = match thread.choice {
        ThreadChoice::Main => String::from("main"),
        ThreadChoice::Native(native) => native.to_string(),
        ThreadChoice::Any => return None,
    };
    let mut text = format!(
        "{FORMAT}\nboot {boot}\nprocess {} {}\nversion {:#x}\nasked {asked}\nruntime {} {}\n\
         table {:016x}{:016x}\ninterpreter {} {}\nthread {} {}\n",
        thread.process.pid,
        thread.process.started,
        version.hex(),
        thread.runtime,
        thread.found_by.name(),
        thread.table.0,
        thread.table.1,
        thread.interpreter_id,
        thread.interpreter,
        thread.native,
        thread.thread,
    );
    let sum = sum(text.as_bytes());
    text.push_str(&format!("sum {sum:016x}\n"));
    (text.len() <= BYTES_MAX).then_some(text)
}

/// Reads more than [`render`] writes; the caller compares.
fn parse(text: &str) -> Option<Entry<'_>> {
    let mut lines = text.lines().skip(1);
    let mut words = |name: &str| lines.next()?.strip_prefix(name)?.strip_prefix(' ');
    let boot = words("boot")?;
    let (pid, started) = words("process")?.split_once(' ')?;
    let version = Version::from_word(hex(words("version")?.strip_prefix("0x")?)?)?;
    let choice = match words("asked")? {
        "main" => ThreadChoice::Main,
        native => ThreadChoice::Native(native.parse().ok()?),
    };
    let (runtime, found_by) = words("runtime")?.split_once(' ')?;
    let known = [FoundBy::Section, FoundBy::Scan];
    let found_by = known.into_iter().find(|known| known.name() == found_by)?;
    let (even, odd) = words("table")?.split_at_checked(16)?;
    let (interpreter_id, interpreter) = words("interpreter")?.split_once(' ')?;
    let (native, thread) = words("thread")?.split_once(' ')?;
    let thread = CachedThread {
        process: Identity { pid: pid.parse().ok()?, started: started.parse().ok()? },
        choice,
        runtime: address(runtime)?,
        found_by,
        table: TableDigest(hex(even)?, hex(odd)?),
        mode: ParseMode::Strict,
        proof: Proof::Image,
        interpreter_id: interpreter_id.parse().ok()?,
        interpreter: address(interpreter)?,
        thread: address(thread)?,
        native: native.parse().ok()?,
        is_own: false,
    };
    Some(Entry { boot, version, thread })
}

fn address(text: &str) -> Option<Address> {
    hex(text.strip_prefix("0x")?).map(Address::new)
}

fn hex(digits: &str) -> Option<u64> {
    u64::from_str_radix(digits, 16).ok()
}

/// FNV-1a: one changed byte always makes another sum.
fn sum(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |sum, byte| {
        (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests;

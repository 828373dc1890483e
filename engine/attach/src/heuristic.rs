//! The scan, which is off unless asked for: when an interpreter is known but its thread list is
//! broken, look through writable memory for a word that points at the interpreter, and validate
//! whatever thread state such a word would make.
//!
//! A thread state found so must be sound in itself and in its neighbours, like any other; the only
//! thing it lacks is that the list's head leads to it. Exactly one may be found for the choice
//! made.

use softdock_process::{Address, MemoryRange};

use crate::attempt::{Attempt, Step, Target, is_about_memory};
use crate::layout::Layout;
use crate::limits::{HEURISTIC_BYTES_MAX, HEURISTIC_CANDIDATES_MAX, HEURISTIC_CHUNK};
use crate::words::u64_at;
use crate::{Host, Outcome, Reason, Site, ThreadChoice};

/// What a scan came to, so far.
#[derive(Clone, Copy)]
pub(crate) struct Scanned<'c> {
    /// Candidates that were not validated yet.
    pub(crate) rest: &'c [Address],
    /// The one that holds.
    pub(crate) found: Option<Address>,
}

impl<H: Host> Attempt<'_, H> {
    /// Scans for the thread state that the settings ask for.
    pub(crate) fn scan_for_thread(&mut self, known: &Target) -> Step<Address> {
        self.at(Site::Heuristic);
        let rest = self.scan(known.interpreter.at, &known.layout)?;
        self.choose_among(known, Scanned { rest: &rest, found: None })
    }

    /// The one candidate that is the thread state asked for.
    pub(crate) fn choose_among(&mut self, known: &Target, scanned: Scanned<'_>) -> Step<Address> {
        let (interpreter, layout) = (known.interpreter.at, &known.layout);
        let Scanned { mut rest, mut found } = scanned;
        while let [candidate, after @ ..] = rest {
            self.comes_to_candidate(known, Scanned { rest, found });
            let candidate = *candidate;
            rest = after;
            match self.validate_thread(candidate, interpreter, None, layout) {
                Ok(()) if self.is_chosen(layout)? => {
                    if found.replace(candidate).is_some() {
                        self.at(Site::Heuristic);
                        return self.refuse(Reason::NoThread);
                    }
                }
                Ok(()) => {}
                Err(stop) if stop.outcome == Outcome::Failed => return Err(stop),
                Err(_) => {}
            }
        }
        self.at(Site::Heuristic);
        let Some(thread) = found else { return self.refuse(Reason::NoThread) };
        self.read_thread(thread, layout)?;
        Ok(thread)
    }

    /// Whether the thread state last read is one the settings ask for. Without a list there is no
    /// oldest thread; the main one is then known by its native id only.
    fn is_chosen(&mut self, layout: &Layout) -> Step<bool> {
        let native = self.state(layout).native();
        let wanted = match self.config.thread {
            ThreadChoice::Native(wanted) => Some(wanted),
            ThreadChoice::Main | ThreadChoice::Any => {
                let main = self.host.main_thread();
                self.asked(main)?
            }
        };
        Ok(native.is_some() && native == wanted)
    }

    /// Where thread states of the interpreter may be.
    fn scan(&mut self, interpreter: Address, layout: &Layout) -> Step<Vec<Address>> {
        let (mut candidates, mut scratch) = (Vec::new(), Vec::new());
        let mut budget = HEURISTIC_BYTES_MAX;
        for nth in 0.. {
            let range = self.host.writable(nth);
            let Some(range) = self.asked(range)?.filter(|_| budget > 0) else { break };
            let bounded = MemoryRange { len: range.len.min(budget), ..range };
            budget = budget.saturating_sub(bounded.len);
            let sought = Sought { interpreter, interp: layout.thread.interp };
            self.scan_range(bounded, sought, &mut scratch, &mut candidates)?;
        }
        Ok(candidates)
    }

    fn scan_range(
        &mut self,
        range: MemoryRange,
        sought: Sought,
        scratch: &mut Vec<u8>,
        candidates: &mut Vec<Address>,
    ) -> Step<()> {
        let step = u64::try_from(HEURISTIC_CHUNK).unwrap_or(1);
        let mut offset = 0;
        while offset < range.len && candidates.len() < HEURISTIC_CANDIDATES_MAX {
            let Some(at) = range.start.checked_add(offset) else { break };
            let len = usize::try_from(range.len.saturating_sub(offset)).unwrap_or(HEURISTIC_CHUNK);
            match self.host.view(at, len.min(HEURISTIC_CHUNK), scratch) {
                Ok(bytes) => sought.collect(bytes, at, candidates),
                Err(error) if is_about_memory(error.kind) => {}
                Err(error) => return self.fail(Reason::Memory(error.kind)),
            }
            offset = offset.saturating_add(step);
        }
        Ok(())
    }
}

/// What a thread state is known by: the word at this offset points at the interpreter.
#[derive(Clone, Copy)]
struct Sought {
    interpreter: Address,
    interp: u64,
}

/// Bytes that are looked at together, with one branch for all of them: so many that looking is what
/// takes the time, so few that the next thread state is seldom among them.
const BLOCK: usize = 128;

impl Sought {
    /// The thread states that words of these bytes would make.
    fn collect(self, bytes: &[u8], at: Address, candidates: &mut Vec<Address>) {
        let (blocks, rest) = bytes.as_chunks::<BLOCK>();
        let blocks_at = blocks.iter().zip((0_u64..).step_by(BLOCK));
        for (block, offset) in blocks_at.filter(|(block, _)| self.may_be_in(block)) {
            self.collect_from(block, at.checked_add(offset), candidates);
        }
        let before = u64::try_from(blocks.as_flattened().len()).ok();
        self.collect_from(rest, before.and_then(|len| at.checked_add(len)), candidates);
    }

    /// Whether the lower half of the pointer is among these halves of words. Without a way out in
    /// between, and of a length that is known, so that the compiler can look at several of them at
    /// once.
    fn may_be_in(self, block: &[u8; BLOCK]) -> bool {
        let [a, b, c, d, ..] = self.interpreter.get().to_le_bytes();
        let (halves, _) = block.as_chunks::<4>();
        let is_it = |half: &[u8; 4]| u32::from_le_bytes(*half) == u32::from_le_bytes([a, b, c, d]);
        halves.iter().fold(false, |found, half| found | is_it(half))
    }

    fn collect_from(self, bytes: &[u8], at: Option<Address>, candidates: &mut Vec<Address>) {
        for (word, offset) in bytes.chunks_exact(8).zip((0_u64..).step_by(8)) {
            if u64_at(word, 0) != Some(self.interpreter.get()) {
                continue;
            }
            let word_at = at.and_then(|at| at.checked_add(offset));
            let thread = word_at.and_then(|at| at.get().checked_sub(self.interp));
            if let Some(thread) = thread.filter(|_| candidates.len() < HEURISTIC_CANDIDATES_MAX) {
                candidates.push(Address::new(thread));
            }
        }
    }
}

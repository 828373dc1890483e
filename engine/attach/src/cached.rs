//! The short way: a remembered thread state, validated like any other.
//!
//! Whatever does not hold makes the entry stale, and the attempt goes the long way as if there had
//! been none; only a process that cannot be reached at all ends it here.

use crate::attempt::{Attempt, Step, Stop, Target, is_about_memory};
use crate::cache::{CacheUse, CachedThread, TableDigest};
use crate::layout::{self, Layout, Proof, Slab};
use crate::limits::TABLE_BYTES_KNOWN_MAX;
use crate::report::{Stage, StageResult};
use crate::tables::{FREE_THREADED, Table, VERSION};
use crate::version::Version;
use crate::walk::Interpreter;
use crate::words::{slice, u64_at};
use crate::{Host, ParseMode, Parsed, Reason, Site, ThreadChoice};

impl<H: Host> Attempt<'_, H> {
    /// The remembered thread state, if it holds.
    pub(crate) fn find_cached(&mut self, cached: Option<CachedThread>) -> Step<Option<Target>> {
        if !self.config.use_cache || self.config.forced_thread.is_some() {
            self.settle_cache(CacheUse::Off);
            return Ok(None);
        }
        let Some(cached) = cached.filter(|cached| self.is_about_this(cached)) else {
            self.settle_cache(CacheUse::Miss);
            return Ok(None);
        };
        match self.revalidate(&cached) {
            Ok(target) => {
                self.settle_cache(CacheUse::Hit);
                for stage in [Stage::Forced, Stage::Infer] {
                    self.report.set_stage(stage, StageResult::Off);
                }
                Ok(Some(target))
            }
            Err(stop) if ends_it(stop) => Err(stop),
            Err(_) => {
                self.settle_cache(CacheUse::Stale);
                self.report.runtime = None;
                self.report.candidates = 0;
                Ok(None)
            }
        }
    }

    /// Only a strictly parsed table is remembered for use: the others need live proof each time.
    fn is_about_this(&self, cached: &CachedThread) -> bool {
        Some(cached.process) == self.report.process
            && cached.choice == self.config.thread
            && cached.interpreter_id == self.config.interpreter
            && cached.mode == ParseMode::Strict
    }

    fn revalidate(&mut self, cached: &CachedThread) -> Step<Target> {
        self.at(Site::ReadSlab);
        let read = self.read_table(cached.runtime, TABLE_BYTES_KNOWN_MAX);
        self.must(read)?;
        let parsed = self.parse_cached(cached)?;
        let [layout] = parsed.layouts.as_slice() else { return self.refuse(Reason::Moved) };
        let layout = *layout;
        self.report.runtime = Some((cached.runtime, cached.found_by));
        self.report.proof = Some(self.prove_again(cached, &parsed)?);
        let head = self.read_runtime(cached.runtime, &layout)?;
        // By the list and not by the entry, which could name any memory that looks like one.
        let interpreter = self.walk_interpreters(cached.runtime, head, &layout)?;
        if interpreter.found.at != cached.interpreter {
            return self.refuse(Reason::Moved);
        }
        let policy_known = self.ask_policy(interpreter.found.at, &layout)?;
        let head = Some(interpreter.threads_head);
        self.validate_thread(cached.thread, cached.interpreter, head, &layout)?;
        if self.state(&layout).native() != Some(cached.native)
            || !self.is_asked_for(&interpreter, cached, &layout)?
        {
            return self.refuse(Reason::Moved);
        }
        let target = Target {
            runtime: cached.runtime,
            layout,
            interpreter: interpreter.found,
            thread: cached.thread,
            native: cached.native,
            policy_known,
        };
        self.remember(&target);
        Ok(target)
    }

    /// How the layout is proved: what was proved once by the mapped file stays so.
    fn prove_again(&mut self, cached: &CachedThread, parsed: &Parsed) -> Step<Proof> {
        if cached.proof == Proof::Image && cached.is_own {
            return Ok(Proof::Image);
        }
        let proof = self.prove_slab(cached.runtime, parsed)?;
        // Live memory alone would bear out a runtime that somebody made up there.
        if proof == Proof::Structural && !cached.is_own {
            return self.refuse(Reason::Moved);
        }
        Ok(proof)
    }

    /// Whether this is the thread that the choice means: an entry may name any.
    fn is_asked_for(
        &mut self,
        interpreter: &Interpreter,
        cached: &CachedThread,
        layout: &Layout,
    ) -> Step<bool> {
        let main = interpreter.threads_main;
        match self.config.thread {
            ThreadChoice::Any => Ok(true),
            ThreadChoice::Native(native) => Ok(cached.native == native),
            ThreadChoice::Main if !main.is_null() => Ok(cached.thread == main),
            // The oldest passes for it where the interpreter names none.
            ThreadChoice::Main if self.state(layout).next().is_null() => Ok(true),
            ThreadChoice::Main => {
                let native = self.host.main_thread();
                Ok(self.asked(native)? == Some(cached.native))
            }
        }
    }

    /// The layout of a table that has not changed since it was accepted. One that is not familiar
    /// takes the long way, on which it is looked at more widely.
    fn parse_cached(&mut self, cached: &CachedThread) -> Step<Parsed> {
        let version = u64_at(&self.slab, VERSION).and_then(Version::from_word);
        let table = version.and_then(|version| Table::of(version.major(), version.minor()));
        let (Some(version), Some(table)) = (version, table) else {
            return self.refuse(Reason::Moved);
        };
        let bytes = slice(&self.slab, 0, table.at.end).unwrap_or_default();
        if TableDigest::of(bytes) != cached.table {
            return self.refuse(Reason::Moved);
        }
        // The extent was judged when these very bytes were accepted.
        let slab = Slab { bytes: &self.slab, version, extent: u64::MAX };
        let Some(parsed) = layout::parse_familiar(slab) else {
            return self.refuse(Reason::Moved);
        };
        self.report.version = Some(version);
        self.report.free_threaded = u64_at(&self.slab, FREE_THREADED).map(|word| word == 1);
        self.report.parse_mode = parsed.mode;
        Ok(parsed)
    }
}

/// Whether a failure on the short way ends the attempt: the process cannot be reached at all, or
/// the interpreter does not want to be reached.
fn ends_it(stop: Stop) -> bool {
    match stop.reason {
        Reason::Memory(kind) => !is_about_memory(kind),
        Reason::Process(_) | Reason::PolicyDisabled => true,
        _ => false,
    }
}

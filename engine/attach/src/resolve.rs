//! From a layout to one thread state: the stages, in their fixed order.
//!
//! forced → cache → infer → walk → heuristic → export. The cache is asked before a runtime is
//! looked for (see `cached`), exports after every other candidate (see `locate`); the rest is
//! here. Two runs on the same memory list the same stages with the same results.

use softdock_process::Address;

use crate::attempt::{Attempt, Step, Stop, Target};
use crate::cache::{CachedThread, TableDigest};
use crate::heuristic::Scanned;
use crate::layout::{Layout, Parsed};
use crate::limits::LOOKS_BEFORE_DROPPING;
use crate::report::{Found, Stage, StageResult};
use crate::walk::Interpreter;
use crate::words::slice;
use crate::{CacheUse, Host, LayoutFault, Outcome, Reason, Site, ThreadVerdict};

impl<H: Host> Attempt<'_, H> {
    /// The thread state to use, by whatever stage leads to it.
    pub(crate) fn find(&mut self, cached: Option<CachedThread>) -> Step<Target> {
        match self.find_cached(cached)? {
            Some(target) => Ok(target),
            None => self.search(None),
        }
    }

    /// The one layout that live memory proves, and the thread it leads to. Only flex parsing
    /// offers more than one; two that hold are as bad as none.
    pub(crate) fn resolve(&mut self, runtime: Address, parsed: &Parsed) -> Step<Target> {
        let [layout] = parsed.layouts.as_slice() else {
            // What comes of one guess decides nothing alone.
            self.search_goes_on = false;
            return self.resolve_among(runtime, parsed);
        };
        let target = self.resolve_with(runtime, *layout)?;
        self.remember(&target);
        Ok(target)
    }

    fn resolve_among(&mut self, runtime: Address, parsed: &Parsed) -> Step<Target> {
        let mut proved: Option<Layout> = None;
        let mut stopped: Option<Stop> = None;
        let mut may_be_another = false;
        let mut forbidding = Vec::new();
        for layout in &parsed.layouts {
            match self.resolve_again(runtime, *layout) {
                Ok(_) if proved.is_none() => proved = Some(*layout),
                Ok(_) => return self.refuse_to_guess(),
                Err(stop) if is_plain_no(stop, layout) => return Err(stop),
                Err(stop) if stop.outcome == Outcome::Failed => return Err(stop),
                Err(stop) => {
                    if stop.reason == Reason::PolicyDisabled {
                        forbidding.push(*layout);
                    }
                    may_be_another |= is_about_the_slot(stop);
                    stopped = Some(stop);
                }
            }
        }
        match (proved, stopped) {
            (Some(_), _) if may_be_another => self.refuse_to_guess(),
            (Some(layout), _) => {
                if self.may_be_forbidden(runtime, layout, &forbidding)? {
                    return self.refuse_to_guess();
                }
                // Once more, so that whatever was seen last is of the guess that held.
                let target = self.resolve_with(runtime, layout)?;
                self.remember(&target);
                Ok(target)
            }
            (None, Some(stop)) => Err(stop),
            (None, None) => self.refuse(Reason::Layout(LayoutFault::NoWindow)),
        }
    }

    /// Whether one of the layouts by which the policy says no holds but for that: then it may be
    /// the true one. An odd order of words of which some hold in CPython's order is none.
    fn may_be_forbidden(
        &mut self,
        runtime: Address,
        proved: Layout,
        forbidding: &[Layout],
    ) -> Step<bool> {
        let is_odd = |other: &&Layout| proved.in_order && other.shares_words_with(&proved);
        for layout in forbidding.iter().filter(|layout| !is_odd(layout)) {
            match self.resolve_again(runtime, layout.without_policy()) {
                Err(stop) if stop.outcome == Outcome::Failed => return Err(stop),
                Err(stop) if !is_about_the_slot(stop) => {}
                _ => return Ok(true),
            }
        }
        Ok(false)
    }

    fn refuse_to_guess(&mut self) -> Step<Target> {
        // Nobody shall go by the last guess either.
        self.report.layout = None;
        self.at(Site::ParseSlab);
        self.refuse(Reason::Layout(LayoutFault::Ambiguous))
    }

    /// A layout that is dropped leaves the field to another one, which may be the false one: so it
    /// is dropped only after some looks that all came to nothing, and none that speaks for it.
    fn resolve_again(&mut self, runtime: Address, layout: Layout) -> Step<Target> {
        for _ in 1..LOOKS_BEFORE_DROPPING {
            match self.resolve_with(runtime, layout) {
                Err(stop) if stop.outcome == Outcome::Refused && !is_for_good(stop) => {}
                settled => return settled,
            }
        }
        self.resolve_with(runtime, layout)
    }

    fn resolve_with(&mut self, runtime: Address, mut layout: Layout) -> Step<Target> {
        let head = self.read_runtime(runtime, &layout)?;
        self.report.layout = Some(layout);
        let interpreter = self.walk_interpreters(runtime, head, &layout)?;
        self.report.interpreter = Some(interpreter.found);
        let policy_known = self.ask_policy(interpreter.found.at, &layout)?;
        self.infer_if_open(&interpreter, &mut layout)?;
        let (found, thread) = (interpreter.found, Address::NULL);
        let known = Target { runtime, layout, interpreter: found, thread, native: 0, policy_known };
        self.comes_to_interpreter(&known, &interpreter);
        let thread = self.choose_thread(&interpreter, &known)?;
        Ok(self.settle_on(thread, &known))
    }

    /// What [`Attempt::resolve`] does once the interpreter is known.
    pub(crate) fn resolve_thread(
        &mut self,
        known: &Target,
        interpreter: &Interpreter,
    ) -> Step<Target> {
        let thread = self.choose_thread(interpreter, known)?;
        let target = self.settle_on(thread, known);
        self.remember(&target);
        Ok(target)
    }

    /// The target, once its thread is known and was read last.
    fn settle_on(&self, thread: Address, known: &Target) -> Target {
        let native = self.state(&known.layout).native().unwrap_or(0);
        Target { thread, native, ..*known }
    }

    /// What [`Attempt::resolve`] does after a scan, the rest of which is still to be done.
    pub(crate) fn resolve_scanned(&mut self, known: &Target, scanned: Scanned<'_>) -> Step<Target> {
        let thread = self.choose_among(known, scanned);
        let thread = self.settle(Stage::Heuristic, thread)?;
        let target = self.settle_on(thread, known);
        self.remember(&target);
        Ok(target)
    }

    fn infer_if_open(&mut self, interpreter: &Interpreter, layout: &mut Layout) -> Step<()> {
        if layout.thread.native_thread_id.is_some() {
            self.report.set_stage(Stage::Infer, StageResult::Off);
            return Ok(());
        }
        let inferred = self.infer(interpreter, layout);
        self.settle(Stage::Infer, inferred)
    }

    fn choose_thread(&mut self, interpreter: &Interpreter, known: &Target) -> Step<Address> {
        let layout = &known.layout;
        if let Some(forced) = self.config.forced_thread {
            let head = Some(interpreter.threads_head);
            let valid = self.validate_thread(forced, interpreter.found.at, head, layout);
            self.settle(Stage::Forced, valid)?;
            return Ok(forced);
        }
        self.report.set_stage(Stage::Forced, StageResult::Off);
        let walked = self.walk_threads(interpreter, layout);
        let stopped = match self.settle(Stage::Walk, walked) {
            Ok(thread) => return Ok(thread),
            Err(stop) => stop,
        };
        // A scan is for a list that leads nowhere. This one has led to the thread.
        let is_found = is_about_the_slot(stopped);
        if !self.config.heuristic || !matches!(stopped.outcome, Outcome::Refused) || is_found {
            self.report.set_stage(Stage::Heuristic, StageResult::Off);
            return Err(stopped);
        }
        let scanned = self.scan_for_thread(known);
        self.settle(Stage::Heuristic, scanned)
    }

    /// Notes what became of a stage.
    fn settle<T>(&mut self, stage: Stage, result: Step<T>) -> Step<T> {
        let settled = match &result {
            Ok(_) => StageResult::Done,
            Err(stop) if stop.reason == Reason::NoThread => StageResult::Empty,
            Err(stop) => StageResult::Rejected(stop.reason),
        };
        self.report.set_stage(stage, settled);
        result
    }

    /// Tells the report what was found, and the caller what is worth remembering.
    pub(crate) fn remember(&mut self, target: &Target) {
        let id = i64::try_from(target.native).unwrap_or(0);
        self.report.layout = Some(target.layout);
        self.report.reordered = !target.layout.in_order;
        self.report.interpreter = Some(target.interpreter);
        self.report.thread = Some(Found { id, at: target.thread });
        let table = slice(&self.slab, 0, target.layout.table_bytes).unwrap_or_default();
        let (Some(process), Some(mode), Some(proof), Some((_, found_by))) =
            (self.report.process, self.report.parse_mode, self.report.proof, self.report.runtime)
        else {
            return;
        };
        // A forced thread is a test hook; an entry made of it would outlive the test.
        if self.config.forced_thread.is_some() {
            return;
        }
        self.report.cacheable = Some(CachedThread {
            process,
            choice: self.config.thread,
            runtime: target.runtime,
            found_by,
            table: TableDigest::of(table),
            mode,
            proof,
            interpreter_id: target.interpreter.id,
            interpreter: target.interpreter.at,
            thread: target.thread,
            native: target.native,
            is_own: true,
        });
    }

    /// Notes what became of the caller's cache entry.
    pub(crate) fn settle_cache(&mut self, used: CacheUse) {
        self.report.cache = used;
        self.report.set_stage(
            Stage::Cache,
            match used {
                CacheUse::Off => StageResult::Off,
                CacheUse::Miss => StageResult::Empty,
                CacheUse::Hit => StageResult::Done,
                CacheUse::Stale => StageResult::Rejected(Reason::Moved),
            },
        );
    }
}

/// Whether no further look may lose this one.
fn is_for_good(stop: Stop) -> bool {
    stop.reason == Reason::PolicyDisabled || is_about_the_slot(stop)
}

/// All holds but for what is in the flag and in the path, and anybody may have put that there: it
/// disproves no layout.
///
/// Folklore: the fuzzer of sweeps had a thread with an odd flag, which left the field to a window
/// that only looked like one; there the path of that thread was a flag of 0. A path without NUL
/// does the same (`refuse/flex-true-window-has-an-odd-flag` and `-an-odd-path`).
fn is_about_the_slot(stop: Stop) -> bool {
    matches!(stop.reason, Reason::Thread(ThreadVerdict::BadPending | ThreadVerdict::BadScript))
}

/// By a straight reading the target does not want to be debugged: no guess may overrule that.
fn is_plain_no(stop: Stop, layout: &Layout) -> bool {
    stop.reason == Reason::PolicyDisabled && layout.in_order
}

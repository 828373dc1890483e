//! The breakpoint as a stateright model: each thread is a program counter and what it has fetched.

use stateright::{Checker, Model, Property};

use super::{BREAKPOINT, NOP, PATCHED, PROGRAM, Race, WAY};
use crate::Verdict;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct State {
    words: [u32; 2],
    /// What the breakpoint has replaced.
    table: Option<u32>,
    is_locked: bool,
    /// The debugger's next step, from 0, and what it has read.
    debugger: u8,
    original: u32,
    threads: Vec<Thread>,
    broken: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
struct Thread {
    /// How many opcodes it has executed.
    done: usize,
    /// Whether it has fetched a breakpoint there.
    has_hit: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Mover {
    Debugger,
    Thread(usize),
}

const DEBUGGER_DONE: u8 = 9;

pub(crate) fn explore(race: Race) -> Verdict {
    let checker = race.checker().threads(1).spawn_dfs().join();
    Verdict {
        broken: checker.discovery("every thread executes the program").is_some(),
        steps: checker.unique_state_count() as u64,
        is_complete: true,
    }
}

impl Model for Race {
    type State = State;
    type Action = Mover;

    fn init_states(&self) -> Vec<State> {
        vec![State {
            words: PROGRAM,
            table: None,
            is_locked: false,
            debugger: 0,
            original: 0,
            threads: vec![Thread::default(); self.threads],
            broken: false,
        }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Mover>) {
        actions.extend(state.debugger_moves().then_some(Mover::Debugger));
        let threads = 0..state.threads.len();
        actions.extend(threads.filter(|nth| state.thread_moves(*nth)).map(Mover::Thread));
    }

    fn next_state(&self, last: &State, mover: Mover) -> Option<State> {
        let mut state = last.clone();
        match mover {
            Mover::Debugger => state.debug(self.bug),
            Mover::Thread(nth) => state.interpret(nth),
        }
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Race>> {
        vec![Property::always("every thread executes the program", |_, state: &State| {
            let ended = state.threads.iter().all(|thread| thread.done == WAY.len());
            let mut threads = 0..state.threads.len();
            let moves = state.debugger_moves() || threads.any(|nth| state.thread_moves(nth));
            !state.broken && (moves || ended)
        })]
    }
}

impl State {
    const fn debugger_moves(&self) -> bool {
        self.debugger < DEBUGGER_DONE
    }

    fn thread_moves(&self, nth: usize) -> bool {
        let Thread { done, has_hit } = self.threads[nth];
        done < WAY.len() && !(has_hit && self.is_locked)
    }

    /// One access of the debugger.
    fn debug(&mut self, bug: bool) {
        let word = self.words[PATCHED];
        match self.debugger {
            0 => self.is_locked = !bug,
            1 => self.original = word,
            2 => self.words[PATCHED] = BREAKPOINT,
            3 => self.broken |= word != BREAKPOINT,
            4 => (self.table, self.is_locked) = (Some(self.original), false),
            5 => self.is_locked = true,
            6 => self.words[PATCHED] = self.original,
            7 => self.broken |= word != self.original,
            _ => (self.table, self.is_locked) = (None, false),
        }
        self.debugger += 1;
    }

    /// One access of a thread: it fetches, or looks up what a breakpoint has replaced.
    fn interpret(&mut self, nth: usize) {
        let Thread { done, has_hit } = self.threads[nth];
        let word = self.words[WAY[done]];
        let executed = match (has_hit, word == BREAKPOINT) {
            (false, is_breakpoint) => {
                self.threads[nth].has_hit = is_breakpoint;
                (!is_breakpoint).then_some(word)
            }
            (true, is_breakpoint) => {
                self.threads[nth].has_hit = false;
                self.table.or(is_breakpoint.then_some(NOP))
            }
        };
        if let Some(opcode) = executed {
            self.broken |= opcode != PROGRAM[WAY[done]];
            self.threads[nth].done += 1;
        }
    }
}

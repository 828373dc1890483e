//! The race as a stateright model: each thread is a program counter and what it has loaded.

use stateright::{Checker, Model, Property};

use super::Race;
use crate::Verdict;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct State {
    flag: u8,
    path: u8,
    breaker: u8,
    /// The attacher's next step, from 0; past the last it is done.
    attacher: u8,
    /// The polls that the target has begun, and its next step in the last of them.
    polls: u8,
    target: u8,
    events: u8,
    broken: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Thread {
    Attacher,
    Target,
    Events,
}

const ATTACHER_DONE: u8 = 7;

pub(crate) fn explore(race: Race) -> Verdict {
    let checker = race.checker().threads(1).spawn_dfs().join();
    Verdict {
        broken: checker.discovery("the path is there").is_some(),
        steps: checker.unique_state_count() as u64,
        is_complete: true,
    }
}

impl Model for Race {
    type State = State;
    type Action = Thread;

    fn init_states(&self) -> Vec<State> {
        vec![State {
            flag: 0,
            path: 0,
            breaker: 0,
            attacher: 0,
            polls: 0,
            target: 0,
            events: 0,
            broken: false,
        }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Thread>) {
        if state.attacher < ATTACHER_DONE {
            actions.push(Thread::Attacher);
        }
        if state.polls < self.polls {
            actions.push(Thread::Target);
        }
        if state.events < self.events {
            actions.push(Thread::Events);
        }
    }

    fn next_state(&self, last: &State, thread: Thread) -> Option<State> {
        let mut state = last.clone();
        match thread {
            Thread::Attacher => attach(&mut state, self.bug),
            Thread::Target => poll(&mut state),
            Thread::Events => {
                state.breaker = 1;
                state.events += 1;
            }
        }
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Race>> {
        vec![Property::always("the path is there", |_, state: &State| !state.broken)]
    }
}

/// One load or store of the attacher.
fn attach(state: &mut State, bug: bool) {
    let goes_on = match (state.attacher, bug) {
        (0, _) => state.flag == 0,
        (1, _) => store(&mut state.flag, 2),
        (2, _) => state.flag == 2,
        (3, false) | (4, true) => store(&mut state.path, 1),
        (4, false) => state.path == 1,
        (5, false) | (3, true) => store(&mut state.flag, 1),
        // The buggy one does not look at the path: it is one step shorter.
        (5, true) | (6, _) => {
            state.attacher = ATTACHER_DONE - 1;
            store(&mut state.breaker, 1)
        }
        _ => false,
    };
    state.attacher = if goes_on { state.attacher + 1 } else { ATTACHER_DONE };
}

/// One load or store of the target.
fn poll(state: &mut State) {
    let goes_on = match state.target {
        0 => state.breaker != 0,
        1 => store(&mut state.breaker, 0),
        2 => state.flag == 1,
        3 => store(&mut state.flag, 0),
        _ => {
            state.broken |= state.path == 0;
            false
        }
    };
    state.target = if goes_on { state.target + 1 } else { 0 };
    state.polls += u8::from(!goes_on);
}

fn store(word: &mut u8, value: u8) -> bool {
    *word = value;
    true
}

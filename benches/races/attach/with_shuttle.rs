//! The race with shuttle's atomics and threads.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

use shuttle::sync::atomic::AtomicU8;

use super::Race;
use crate::{Verdict, panics};

struct Shared {
    flag: AtomicU8,
    path: AtomicU8,
    breaker: AtomicU8,
}

pub(crate) fn explore(race: Race) -> Verdict {
    let schedules = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&schedules);
    let broken = panics(move || {
        let every = move || {
            counted.fetch_add(1, SeqCst);
            run(race);
        };
        shuttle::check_dfs(every, None);
    });
    Verdict { broken, steps: schedules.load(SeqCst), is_complete: true }
}

fn run(race: Race) {
    let shared = Arc::new(Shared {
        flag: AtomicU8::new(0),
        path: AtomicU8::new(0),
        breaker: AtomicU8::new(0),
    });
    let target = shuttle::thread::spawn({
        let shared = shared.clone();
        move || (0..race.polls).for_each(|_| poll(&shared))
    });
    let events = shuttle::thread::spawn({
        let shared = shared.clone();
        move || (0..race.events).for_each(|_| shared.breaker.store(1, SeqCst))
    });
    attach(&shared, race.bug);
    assert!(target.join().is_ok() && events.join().is_ok());
}

fn attach(shared: &Shared, bug: bool) {
    if shared.flag.load(SeqCst) != 0 {
        return;
    }
    shared.flag.store(2, SeqCst);
    if shared.flag.load(SeqCst) != 2 {
        return;
    }
    if bug {
        shared.flag.store(1, SeqCst);
        shared.path.store(1, SeqCst);
    } else {
        shared.path.store(1, SeqCst);
        if shared.path.load(SeqCst) != 1 {
            return;
        }
        shared.flag.store(1, SeqCst);
    }
    shared.breaker.store(1, SeqCst);
}

fn poll(shared: &Shared) {
    if shared.breaker.load(SeqCst) == 0 {
        return;
    }
    shared.breaker.store(0, SeqCst);
    if shared.flag.load(SeqCst) == 1 {
        shared.flag.store(0, SeqCst);
        assert_ne!(shared.path.load(SeqCst), 0, "a path that is not there");
    }
}

//! The work of a sweep, cut into pieces that any number of workers, or machines, can share: the
//! faults at one access of one scenario. Whoever does a piece, the result is the same, and results
//! are put together in the order of the pieces.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::certificate::{Certificate, Part, PartKind, Totals, digest};
use super::{Bound, DEPTH_MAX, Plan, Sweeper, menu, open_after};
use crate::choice::{Open, Schedule};
use crate::codec::encode;
use crate::finding::Finding;
use crate::frontend::FrontEnd;
use crate::run::Stage;
use crate::scenario::Attach;

/// A scenario to be swept, by name.
#[derive(Clone, Copy, Debug)]
pub struct Job<'s> {
    /// Its name.
    pub name: &'s str,
    /// What it says.
    pub scenario: &'s Attach,
}

/// Who is told how it goes.
pub trait Watcher: Sync {
    /// A piece of work is done; so many runs were made for it.
    fn did(&self, runs: u64);

    /// A promise was broken and the engine could have kept it. Called at once, before any further
    /// run.
    fn found(&self, finding: Finding);

    /// Whether to go on.
    fn goes_on(&self) -> bool;
}

/// What is to be swept, and how far.
#[derive(Clone, Copy, Debug)]
pub struct Sweep {
    /// At most so many honest and silent faults in a run.
    pub depth: u32,
    /// Whether single lies are tried.
    pub lies: bool,
    /// Workers.
    pub workers: usize,
    /// This shard, from 0, of so many.
    pub shard: (usize, usize),
    /// Who attaches.
    pub front_end: FrontEnd,
}

/// One piece: which part of which scenario, and its access.
struct Piece {
    job: usize,
    kind: PartKind,
    open: Open,
}

impl Sweep {
    /// The parts that a scenario is swept in.
    fn parts(&self, bounds: &[Bound]) -> Vec<PartKind> {
        let is_bulk = bounds.contains(&Bound::Bulk);
        let depth = if is_bulk { 1 } else { self.depth.min(DEPTH_MAX) };
        let mut parts: Vec<PartKind> = (1..=depth).map(PartKind::Faults).collect();
        if self.lies && !is_bulk && !bounds.contains(&Bound::OwnLie) {
            parts.push(PartKind::Lies);
        }
        parts.push(PartKind::Crashes);
        parts
    }

    /// What is to be done, as the quiet runs tell.
    #[must_use]
    pub fn plan<'j>(&self, jobs: &'j [Job<'j>]) -> Planned<'j> {
        let (mut certificates, mut pieces) = (Vec::<Certificate>::new(), Vec::new());
        for (job, Job { name, scenario }) in jobs.iter().enumerate() {
            let menu = menu(PartKind::Faults(1), &[]);
            let open = Stage::new(scenario).map(|mut stage| {
                stage.attach_by(self.front_end);
                open_after(&mut stage, &scenario.faults, &menu, &vec![])
            });
            let open = open.unwrap_or_default();
            let mut quiet = Totals::default();
            open.iter().for_each(|open| quiet += Totals::of(open.shape, 1));
            let bounds = Bound::of(self, scenario, &quiet);
            let kinds = self.parts(&bounds);
            let each = |&open| kinds.iter().map(move |&kind| Piece { job, kind, open });
            pieces.extend(open.iter().flat_map(each));
            certificates.push(Certificate {
                scenario: (*name).into(),
                digest: digest(&encode(scenario)),
                quiet,
                words: 2 + pointers(scenario).len() as u64,
                bounds,
                pieces: (open.len() * kinds.len()) as u64,
                share: 0,
                done: 0,
                parts: kinds.into_iter().map(Part::new).collect(),
            });
        }
        let (nth, of) = self.shard;
        let pieces: Vec<Piece> = pieces.into_iter().skip(nth).step_by(of.max(1)).collect();
        pieces.iter().for_each(|piece| certificates[piece.job].share += 1);
        Planned { sweep: *self, jobs, certificates, pieces }
    }
}

/// A sweep that is about to begin: certificates with nothing in them yet, and the pieces of this
/// shard.
pub struct Planned<'j> {
    sweep: Sweep,
    jobs: &'j [Job<'j>],
    certificates: Vec<Certificate>,
    pieces: Vec<Piece>,
}

impl Planned<'_> {
    /// How many pieces of work there are.
    #[must_use]
    pub fn pieces(&self) -> usize {
        self.pieces.len()
    }

    /// Does the work, and returns one certificate a scenario, in their order. A piece that was
    /// interrupted is not counted as done, and what came out of it is left out.
    #[must_use]
    pub fn run(self, watcher: &dyn Watcher) -> Vec<Certificate> {
        let Planned { sweep, jobs, mut certificates, pieces } = self;
        let next = AtomicUsize::new(0);
        let done = Mutex::new(Vec::new());
        std::thread::scope(|scope| {
            for _ in 0..sweep.workers.max(1) {
                scope.spawn(|| {
                    let results = work(sweep.front_end, jobs, &pieces, &next, watcher);
                    done.lock().unwrap_or_else(|broken| broken.into_inner()).extend(results);
                });
            }
        });
        let mut done = done.into_inner().unwrap_or_else(|broken| broken.into_inner());
        done.sort_by_key(|(piece, _)| *piece);
        for (piece, part) in done {
            let certificate = &mut certificates[pieces[piece].job];
            certificate.done += 1;
            let same = certificate.parts.iter_mut().find(|known| known.kind == part.kind);
            if let Some(known) = same {
                known.merge(&part);
            }
        }
        certificates
    }
}

/// Does pieces until there are none left.
fn work(
    front_end: FrontEnd,
    jobs: &[Job<'_>],
    pieces: &[Piece],
    next: &AtomicUsize,
    watcher: &dyn Watcher,
) -> Vec<(usize, Part)> {
    let mut results = Vec::new();
    let mut staged: Option<(usize, Stage<'_>, Vec<u64>)> = None;
    while watcher.goes_on() {
        let nth = next.fetch_add(1, Ordering::Relaxed);
        let Some(piece) = pieces.get(nth) else { break };
        let Job { name, scenario } = jobs[piece.job];
        if staged.as_ref().is_none_or(|(job, ..)| *job != piece.job) {
            let stage = Stage::new(scenario).ok();
            staged = stage.map(|mut stage| {
                stage.settle();
                stage.attach_by(front_end);
                (piece.job, stage, pointers(scenario))
            });
        }
        let Some((_, stage, pointers)) = &mut staged else { continue };
        let part = AssertUnwindSafe(|| sweep_piece(name, stage, pointers, piece, watcher));
        match catch_unwind(part) {
            Ok(part) if watcher.goes_on() => {
                watcher.did(part.tally.runs + part.looks);
                results.push((nth, part));
            }
            Ok(_) => break,
            Err(_) => {
                watcher.found(panicked(name, piece));
                staged = None;
            }
        }
    }
    results
}

fn sweep_piece(
    name: &str,
    stage: &mut Stage<'_>,
    pointers: &[u64],
    piece: &Piece,
    watcher: &dyn Watcher,
) -> Part {
    let mut part = Part::new(piece.kind);
    let menu = menu(piece.kind, pointers);
    let deeper = match piece.kind {
        PartKind::Faults(depth) => depth - 1,
        PartKind::Lies | PartKind::Crashes => 0,
    };
    let mut sweeper = Sweeper {
        name,
        stage,
        menu: &menu,
        part: &mut part,
        found: &|finding| watcher.found(finding),
        goes_on: &|| watcher.goes_on(),
    };
    sweeper.sweep(&mut Plan::new(), piece.open, deeper, 1);
    part
}

/// A piece in which the engine, or one of us, panicked: a bug whatever the input was.
fn panicked(name: &str, piece: &Piece) -> Finding {
    let Piece { kind, open, .. } = piece;
    Finding {
        schedule: Schedule { scenario: name.into(), faults: Vec::new() },
        broken: vec![format!("a panic among the {kind} at access {}", open.access)],
        summary: String::new(),
    }
}

/// Plausible pointers: where something of the same kind is, or was.
fn pointers(scenario: &Attach) -> Vec<u64> {
    let Ok(stage) = Stage::new(scenario) else { return Vec::new() };
    let process = stage.process();
    let interpreters = process.interpreters().map(|live| live.at.get());
    let threads = process.threads().map(|live| live.at.get());
    let freed = process.freed().map(|at| at.get());
    let mut pointers: Vec<u64> = interpreters.chain(threads).chain(freed).collect();
    pointers.sort_unstable();
    pointers.dedup();
    // Enough for every kind of mistake between neighbours; large processes have hundreds.
    pointers.truncate(POINTERS_MAX);
    pointers
}

/// Plausible pointers that a lie puts in the place of each word.
const POINTERS_MAX: usize = 6;

//! The proof machine itself: that its certificates do not depend on who did the work, that its
//! second counter counts, that the races are explored cleanly, and that no healthy target is
//! refused. The whole space of all scenarios is gone through by `softdock sweep`, in CI.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Mutex;

use softdock::corpus;
use softdock::explore::{Exploration, Explore};
use softdock::finding::Finding;
use softdock::frontend::FrontEnd;
use softdock::run::Stage;
use softdock::scenario::{At, Attach, Fault, FaultKind};
use softdock::sweep::{
    Bound, Certificate, Job, Part, Proof, Sweep, Totals, Watcher, misses, recount,
};
use softdock::trace::Trace;
use softdock_attach::{Outcome, Reason, Site};

/// Keeps what was found.
#[derive(Default)]
struct Findings(Mutex<Vec<Finding>>);

impl Watcher for Findings {
    fn did(&self, _: u64) {}

    fn found(&self, finding: Finding) {
        self.0.lock().unwrap().push(finding);
    }

    fn goes_on(&self) -> bool {
        true
    }
}

fn scenario(text: &str) -> Attach {
    ron::Options::default()
        .with_default_extension(ron::extensions::Extensions::IMPLICIT_SOME)
        .from_str(text)
        .unwrap()
}

/// Short reads of a thread state of 256 bytes: a small space.
fn dry_run() -> Attach {
    scenario(
        r#"(about: "small", process: (threads: 2), config: (dry_run: true),
            expect: (outcome: "planned", site: "write-gate"))"#,
    )
}

fn whole() -> Attach {
    scenario(r#"(about: "whole", expect: (outcome: "armed", site: "verify"))"#)
}

const SWEEP: Sweep =
    Sweep { depth: 1, lies: false, workers: 1, shard: (0, 1), front_end: FrontEnd::Managed };

fn sweep(sweep: &Sweep, scenario: &Attach) -> Vec<Certificate> {
    let findings = Findings::default();
    let certificates = sweep.plan(&[Job { name: "it", scenario }]).run(&findings);
    let found = findings.0.into_inner().unwrap();
    assert!(found.is_empty(), "{:?}", found[0]);
    certificates
}

#[test]
fn any_number_of_workers_proves_the_same() {
    let scenario = dry_run();
    let alone = sweep(&Sweep { lies: true, ..SWEEP }, &scenario);
    let together = sweep(&Sweep { lies: true, workers: 3, ..SWEEP }, &scenario);
    assert_eq!(alone, together);
    assert!(alone[0].is_complete());
    assert_eq!(recount(&alone[0], 1, true), [""; 0]);
}

/// A target that stands still leaves no window in which it could move: nothing is excused.
#[test]
fn the_second_front_end_breaks_no_promise() {
    let by_concord = Sweep { lies: true, front_end: FrontEnd::Concord, ..SWEEP };
    let [certificate] = sweep(&by_concord, &dry_run()).try_into().unwrap();
    assert!(certificate.is_complete());
    assert_eq!(recount(&certificate, 1, true), [""; 0]);
    let by_concord = Sweep { front_end: FrontEnd::Concord, ..SWEEP };
    let [certificate] = sweep(&by_concord, &whole()).try_into().unwrap();
    assert_eq!((recount(&certificate, 1, false), certificate.tally().excused.len()), (vec![], 0));
    let [managed] = sweep(&SWEEP, &whole()).try_into().unwrap();
    assert!(certificate.quiet.reads > managed.quiet.reads, "it looks twice");
    let mut proof = Proof::new(&SWEEP, vec![managed]);
    let other = Proof::new(&by_concord, vec![certificate]);
    assert!(proof.merge(&other).unwrap_err().contains("by concord"));
}

/// Every bit of the page that the table lies in, wrong in one reading of it: where no file proves
/// the table, reading it twice is all the proof there is, and a kept page would be read once.
#[test]
fn one_wrong_reading_of_a_page_decides_nothing() {
    let scenario = scenario(
        r#"(about: "no file", process: (image: Unreadable),
            expect: (outcome: "armed", site: "verify"))"#,
    );
    let mut stage = Stage::new(&scenario).unwrap();
    stage.attach_by(FrontEnd::Concord);
    stage.strike_pages();
    assert_eq!(stage.run(Trace::off()).mismatches, [""; 0]);
    let mut reasons = BTreeMap::new();
    for bit in 0..8 * 4096 {
        let at = At::Hit(Site::ReadSlab, 1);
        let fault = Fault { at, sticky: false, kind: FaultKind::FlipBit(bit) };
        let run = stage.run_with(&[fault], Trace::off());
        assert!(run.violations.is_empty(), "bit {bit}: {}", run.violations[0]);
        *reasons.entry(run.report.reason.map(Reason::name)).or_insert(0) += 1;
    }
    // Most of the page is no table, and most of what is wrong in it makes the engine look again.
    assert!(reasons[&Some("slab-unstable")] > 1000, "{reasons:?}");
}

#[test]
fn shards_make_the_whole() {
    let scenario = whole();
    let one = Proof::new(&SWEEP, sweep(&SWEEP, &scenario));
    let shard = |nth| {
        let part = Sweep { shard: (nth, 3), ..SWEEP };
        Proof::new(&part, sweep(&part, &scenario))
    };
    let mut merged = shard(1);
    assert!(!merged.certificates[0].is_complete());
    merged.merge(&shard(0)).unwrap();
    assert!(merged.merge(&shard(0)).unwrap_err().contains("twice"));
    merged.merge(&shard(2)).unwrap();
    assert_eq!(merged.certificates, one.certificates);
    assert_eq!(recount(&merged.certificates[0], 1, false), [""; 0]);
}

/// What only its digest tells: another look of the same size, or another engine of this version.
#[test]
fn shards_of_what_has_changed_are_not_merged() {
    let shard = |nth, scenario: &Attach| {
        let part = Sweep { shard: (nth, 2), ..SWEEP };
        Proof::new(&part, sweep(&part, scenario))
    };
    let [known, changed] =
        ["/tmp/a.py", "/tmp/b.py"].map(|script| Attach { script: script.into(), ..dry_run() });
    let mut known = shard(0, &known);
    let wrong = known.merge(&shard(1, &changed)).unwrap_err();
    assert!(wrong.contains("it has changed between the two: digest"), "{wrong}");
    let mut other = known.clone();
    (other.shards, other.executable) = (vec![2], Some("another".into()));
    let wrong = known.merge(&other).unwrap_err();
    assert!(wrong.contains("(executable another)"), "{wrong}");
}

#[test]
fn a_case_that_was_left_out_or_tried_twice_is_noticed() {
    let [right] = sweep(&SWEEP, &whole()).try_into().unwrap();
    let mut less = right.clone();
    less.parts[0].covered -= 1;
    assert_ne!(recount(&less, 1, false), [""; 0]);
    let mut twice = right.clone();
    twice.parts[1].tally.runs += 1;
    assert_ne!(recount(&twice, 1, false), [""; 0]);
    let mut other = right;
    other.quiet.reads += 1;
    assert_ne!(recount(&other, 1, false), [""; 0]);
}

/// Of a class of failures some are not run; but nothing is ever run that is not counted.
#[test]
fn classes_leave_runs_out_and_add_none() {
    let [pairs] = sweep(&Sweep { depth: 2, ..SWEEP }, &dry_run()).try_into().unwrap();
    assert_eq!(recount(&pairs, 2, false), [""; 0]);
    assert!(pairs.parts[1].tally.runs < pairs.parts[1].covered);
    let mut more = pairs;
    let part = &mut more.parts[1];
    (part.covered, part.space) = (part.tally.runs - 1, part.tried);
    let wrong = recount(&more, 2, false).join("; ");
    assert!(wrong.contains("were run"), "{wrong}");
}

/// A certificate with something taken away is wrong, at each depth.
#[test]
fn a_part_or_a_class_that_was_left_out_is_noticed() {
    for depth in 1..=3 {
        let scenario = if depth == 1 { whole() } else { dry_run() };
        let asked = Sweep { depth, lies: true, ..SWEEP };
        let [right] = sweep(&asked, &scenario).try_into().unwrap();
        let recounted = |change: &dyn Fn(&mut Certificate)| {
            let mut certificate = right.clone();
            change(&mut certificate);
            recount(&certificate, depth, true)
        };
        assert_eq!(recounted(&|_| {}), [""; 0]);
        assert_ne!(recount(&right, depth + 1, true), [""; 0]);
        assert_ne!(recount(&right, depth, false), [""; 0]);
        assert_ne!(recounted(&|it| it.parts.clear()), [""; 0]);
        for nth in 0..right.parts.len() {
            let kind = right.parts[nth].kind;
            let deleted = |it: &mut Certificate| drop(it.parts.remove(nth));
            assert_ne!(recounted(&deleted), [""; 0], "{kind} deleted, depth {depth}");
            let emptied = |it: &mut Certificate| it.parts[nth] = Part::new(kind);
            let is_empty = right.parts[nth].space == Totals::default();
            assert!(is_empty || !recounted(&emptied).is_empty(), "{kind} emptied, depth {depth}");
        }
        for bound in Bound::ALL {
            let told = right.bounds.contains(&bound);
            let turned = |it: &mut Certificate| match told {
                true => it.bounds.retain(|known| *known != bound),
                false => it.bounds.push(bound),
            };
            assert_ne!(recounted(&turned), [""; 0], "{bound:?}, told: {told}");
        }
    }
}

/// The same with numbers that fit together: what was not run is not counted either.
#[test]
fn pairs_that_were_left_out_are_noticed_by_what_came_after_single_faults() {
    let [right] = sweep(&Sweep { depth: 2, ..SWEEP }, &dry_run()).try_into().unwrap();
    let with = |change: &dyn Fn(&mut Part)| {
        let mut certificate = right.clone();
        change(&mut certificate.parts[1]);
        recount(&certificate, 2, false).join("; ")
    };
    let fewer = with(&|pairs| {
        pairs.space.questions -= 1;
        pairs.covered -= 10;
    });
    assert!(fewer.contains("accesses after"), "{fewer}");
    let unseen = with(&|pairs| pairs.looks -= 1);
    assert!(unseen.contains("looks"), "{unseen}");
    let not_run = with(&|pairs| pairs.tally.runs -= 1);
    assert!(not_run.contains("runs"), "{not_run}");
    let none_run = with(&|pairs| {
        (pairs.tried, pairs.tally.runs, pairs.tally.outcomes) = Default::default();
    });
    assert!(none_run.contains("only 0 were run"), "{none_run}");
}

#[test]
fn a_proof_of_nothing_is_wrong() {
    assert_ne!(misses(&Proof::new(&SWEEP, Vec::new())), [""; 0]);
    let one = Proof::new(&SWEEP, sweep(&SWEEP, &whole()));
    assert_eq!(misses(&one), [""; 0]);
    assert_ne!(misses(&Proof { shards: vec![2], ..one }), [""; 0]);
}

fn explore(name: &str, scenario: &Attach, faults: u32) -> Exploration {
    let mut stage = Stage::new(scenario).unwrap_or_else(|error| panic!("{name}: {error:?}"));
    let found = |finding: Finding| panic!("{name}: {}\n{}", finding.schedule, finding.summary);
    Explore { name, faults, unpruned: false }.run(&mut stage, &found, &|| true)
}

/// Every interleaving of every committed race; where they are few enough, pruned and one by one
/// come to the same number.
#[test]
fn races_are_explored_cleanly() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/race");
    let mut one_by_one = 0;
    for (path, name) in corpus::find(&[root]).unwrap() {
        let entry = corpus::load(&path, &name).unwrap();
        let attach = entry.attach().unwrap();
        assert!(!attach.moves.is_empty(), "{name} has no moves");
        let explored = explore(&name, attach, 0);
        assert!(explored.is_clean(), "{explored}");
        one_by_one += usize::from(explored.one_by_one.is_some());
        if attach.config.freeze {
            assert!(explored.tally.excused.is_empty(), "{explored}");
        }
    }
    assert!(one_by_one >= 20, "{one_by_one} races were small enough to be gone through one by one");
}

/// No engine can close the window between its last look and its write: an exploration in which the
/// thread ends there must see the write that follows, and blame nobody.
#[test]
fn a_write_to_a_thread_that_has_ended_is_seen_and_excused_by_name() {
    let scenario = scenario(
        r#"(about: "x", process: (threads: 2), config: (thread: Native(4243)),
            moves: [[ExitThread(4243)]], expect: (outcome: "armed", site: "verify"))"#,
    );
    let explored = explore("x", &scenario, 0);
    let excused: Vec<&str> = explored.tally.excused.keys().map(String::as_str).collect();
    assert_eq!(excused, ["thread-ends"]);
    assert!(explored.ways.broken > 0, "{explored}");
}

/// Zero false negatives: every build, one to five threads, one to three interpreters, started by
/// `python` or by a host that embeds it; the main thread, and the one that started last.
#[test]
fn no_healthy_target_is_refused() {
    let builds = [
        "3.14.10-linux",
        "3.14.10t-linux",
        "3.14.6-windows",
        "3.14.6t-windows",
        "3.15.2-linux",
        "3.15.2t-linux",
        "3.15.0rc1-windows",
        "3.15.0rc1t-windows",
    ];
    let mut count = 0;
    for build in builds {
        for (threads, subs, host) in (1..=5_u64)
            .flat_map(|t| (0..=2).flat_map(move |s| ["Python", "Embedded"].map(|h| (t, s, h))))
        {
            let step = if build.contains("windows") { 4 } else { 1 };
            let newest = 4242 + (threads - 1) * step;
            let subs = vec!["()"; subs].join(", ");
            for choice in ["Main", "Any", &format!("Native({newest})")] {
                let text = format!(
                    r#"(about: "healthy", process: (build: "{build}", threads: {threads},
                        sub_interpreters: [{subs}], host: {host}), config: (thread: {choice}),
                        expect: (outcome: "armed", site: "verify"))"#
                );
                is_armed(&text);
                count += 1;
            }
        }
    }
    assert_eq!(count, 8 * 5 * 3 * 2 * 3);
}

#[track_caller]
fn is_armed(text: &str) {
    let healthy = scenario(text);
    let mut stage = Stage::new(&healthy).unwrap_or_else(|error| panic!("{text}: {error:?}"));
    let run = stage.run(Trace::off());
    assert_eq!(run.report.outcome, Outcome::Armed, "{text}\n{}", run.report.summary());
    assert!(run.violations.is_empty(), "{text}: {:?}", run.violations);
}

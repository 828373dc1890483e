//! What a scenario expects, held against what came out. What it does not say is not compared.

use std::fmt;

use softdock_attach::{ParseMode, Proof, Reason, Report, Undo};

use crate::scenario::Expect;

/// What came out otherwise than expected, told only where something did: this is on the way of
/// every run.
pub(super) fn compare(expect: &Expect, report: &Report, runs: usize) -> Vec<String> {
    let unexplained = report.reason.is_some().then_some("given in `expect`");
    let mut differences = Vec::new();
    differ(&mut differences, "outcome", Some(report.outcome.name()), Some(expect.outcome.0.name()));
    differ(&mut differences, "site", Some(report.site.name()), Some(expect.site.0.name()));
    let reason = expect.reason.map(|reason| reason.0).or(unexplained);
    differ(&mut differences, "reason", report.reason.map(Reason::name), reason);
    let mode = expect.parse_mode.map(|mode| mode.0.name());
    differ(&mut differences, "parse_mode", report.parse_mode.map(ParseMode::name), mode);
    let proof = expect.proof.map(|proof| proof.0.name());
    differ(&mut differences, "proof", report.proof.map(Proof::name), proof);
    differ(&mut differences, "thread", report.thread.map(|thread| thread.id), expect.thread);
    let interpreter = report.interpreter.map(|interpreter| interpreter.id);
    differ(&mut differences, "interpreter", interpreter, expect.interpreter);
    let cache = expect.cache.map(|used| used.0.name());
    differ(&mut differences, "cache", Some(report.cache.name()), cache);
    let undo = expect.undo.map(|undo| undo.0.name());
    differ(&mut differences, "undo", report.undo.map(Undo::name), undo);
    let left = expect.left.map(|left| left.0.name());
    differ(&mut differences, "left", Some(report.left.name()), left);
    differ(&mut differences, "runs", Some(runs), expect.runs);
    differences
}

fn differ<T: PartialEq + fmt::Display>(
    differences: &mut Vec<String>,
    what: &str,
    found: Option<T>,
    expected: Option<T>,
) {
    if expected.is_some() && found != expected {
        let told = |value: Option<T>| value.map_or("none".into(), |value| value.to_string());
        differences.push(format!("{what} is {}, expected {}", told(found), told(expected)));
    }
}

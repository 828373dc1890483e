//! What tests of properties have in common: how many cases, and what must hold of an attach
//! whatever the process is. Which processes there are is for each of them.

use proptest::prelude::*;
use proptest::test_runner::{RngSeed, TestCaseError};
use softdock::run::Stage;
use softdock::scenario::Attach;
use softdock::trace::Trace;

/// So many cases, the same each time: a finding must not depend on luck.
pub(crate) fn cases(cases: u32, seed: u64) -> ProptestConfig {
    let rng_seed = RngSeed::Fixed(seed);
    ProptestConfig { cases, failure_persistence: None, rng_seed, ..ProptestConfig::default() }
}

/// A scenario with such a process.
pub(crate) fn scenario(process: &str) -> Attach {
    let text = format!(
        "(about: \"\", process: ({process}), expect: (outcome: \"refused\", site: \"gate\"))"
    );
    ron::Options::default()
        .with_default_extension(ron::extensions::Extensions::IMPLICIT_SOME)
        .from_str(&text)
        .expect("a scenario")
}

/// The oracle finds nothing to say against an attempt.
pub(crate) fn keeps_its_promises(stage: &mut Stage<'_>) -> Result<(), TestCaseError> {
    let run = stage.run(Trace::off());
    prop_assert!(
        run.violations.is_empty(),
        "{:?}: {}\n{}",
        run.violations,
        run.report.summary(),
        stage.run(Trace::on()).trace,
    );
    Ok(())
}

//! What is written reads back: scenarios as bytes and as text, and schedules. The bytes are drawn
//! at random, and any bytes are a scenario, so these go through everything the grammar can say.

use std::path::Path;

use proptest::prelude::*;
use softdock::choice::Schedule;
use softdock::codec::{Coded, decode, encode};
use softdock::scenario::{Fault, FaultKind, Scenario, Session};
use softdock::{corpus, scenario};

use crate::properties::cases;

fn config() -> ProptestConfig {
    cases(500, 0x50f7_d0c5)
}

/// Small numbers are the ordinals of variants and the lengths of lists; large ones are garbage.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![3 => 0..4_u8, 2 => 0..32_u8, 1 => any::<u8>()];
    prop::collection::vec(byte, 0..300)
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn any_bytes_are_a_scenario_and_its_own_bytes_are_the_same_one(bytes in bytes()) {
        let scenario = decode(&bytes);
        prop_assert_eq!(decode(&encode(&scenario)), scenario);
    }

    #[test]
    fn any_scenario_reads_back_as_it_was_written(bytes in bytes()) {
        let scenario = Scenario::Attach(Box::new(decode(&bytes)));
        let text = scenario::write(&scenario);
        let read = scenario::parse(Path::new("x.ron"), &text);
        prop_assert_eq!(read.as_ref(), Ok(&scenario), "{}", text);
    }

    #[test]
    fn any_session_reads_back_as_it_was_written(bytes in bytes()) {
        let session = Session::take(&mut &bytes[..]);
        let mut coded = Vec::new();
        session.put(&mut coded);
        prop_assert_eq!(&Session::take(&mut &coded[..]), &session);
        let scenario = Scenario::Session(Box::new(session));
        let text = scenario::write(&scenario);
        let read = scenario::parse(Path::new("x.ron"), &text);
        prop_assert_eq!(read.as_ref(), Ok(&scenario), "{}", text);
    }

    #[test]
    fn any_schedule_reads_back_as_it_was_written(bytes in bytes(), name in "[!-~é]([ -~]*[!-~])?") {
        let mut faults = Vec::<Fault>::take(&mut &bytes[..]);
        // Of two that go wrong with one access only one can be said.
        let mut struck = Vec::new();
        faults.retain(|Fault { at, kind, .. }| {
            let is_move = matches!(kind, FaultKind::Move(_));
            let is_first = is_move || !struck.contains(at);
            struck.extend((!is_move).then_some(*at));
            is_first
        });
        let schedule = Schedule { scenario: name, faults };
        let text = schedule.to_string();
        let read = Schedule::parse(&text);
        prop_assert_eq!(read.as_ref(), Ok(&schedule), "{}", text);
    }
}

#[test]
fn every_committed_scenario_is_a_seed() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let files = corpus::find(&[folder]).expect("the scenarios");
    assert!(files.len() > 300);
    for (path, name) in files {
        let (scenario, _) = scenario::read(&path).expect("a scenario that reads");
        if let Some(session) = scenario.session() {
            let mut seed = Vec::new();
            session.put(&mut seed);
            assert_eq!(&Session::take(&mut &seed[..]), session, "{name}");
        }
        let Some(scenario) = scenario.into_attach() else { continue };
        let seed = encode(&scenario);
        assert_eq!(decode(&seed), scenario, "{name}");
        for cut in 0..seed.len() {
            let _ = decode(&seed[..cut]);
        }
    }
}

#[test]
fn no_bytes_are_the_default_of_everything() {
    let scenario = decode(&[]);
    assert_eq!(decode(&[0; 1000]), scenario);
    assert_eq!(decode(&[0xff]), scenario, "an unknown format is taken for this one");
}

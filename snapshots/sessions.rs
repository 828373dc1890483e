//! Sessions that nobody thought of: whatever the target does and tells, whoever ends or gives up,
//! the judge must find nothing to say against what is told of it.

use std::path::Path;

use proptest::prelude::*;
use softdock::codec::Coded;
use softdock::scenario::{self, Process, Scenario, Session};
use softdock::session::stage::Stage;
use softdock::session::story::Story;

use crate::properties::cases;

/// Random sessions tried; each costs some hundred microseconds.
const CASES: u32 = 2_000;

/// Any session within a tenth of a second, at a healthy process.
fn session(bytes: &[u8]) -> Session {
    let mut session = Session::take(&mut &bytes[..]);
    session.process = Process::default();
    session.faults.clear();
    session.timeout = Some(session.timeout.unwrap_or(20) % 40);
    for time in [&mut session.client, &mut session.ends, &mut session.cancel] {
        *time = time.map(|time| time % 100);
    }
    for (at, _) in &mut session.target {
        *at %= 100;
    }
    for (question, _) in &mut session.order {
        *question %= 40;
    }
    session
}

proptest! {
    #![proptest_config(cases(CASES, 0x50f7_d0c6))]

    #[test]
    fn no_session_breaks_a_promise(
        bytes in prop::collection::vec(prop_oneof![3 => 0..8_u8, 1 => any::<u8>()], 0..200),
    ) {
        let session = session(&bytes);
        let Ok(mut stage) = Stage::new(&session) else { return Ok(()) };
        let run = stage.play(Story::default());
        let told = stage.play(Story::on());
        let shown = || scenario::write(&Scenario::Session(Box::new(session.clone())));
        prop_assert!(run.broken.is_empty(), "{:?}\n{}{}", run.broken, shown(), told.story());
        prop_assert_eq!(run.last, told.last);
        prop_assert!(scenario::parse(Path::new("x.ron"), &shown()).is_ok());
    }
}

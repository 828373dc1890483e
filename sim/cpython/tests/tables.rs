//! The tables that were written down, word for word, against the bytes that were recorded. Not a
//! test of the engine's telling: that one is tested there.

use softdock_cpython::{Build, SUPPORT, SpecError, System, Table, Version};

/// Every recorded table, as a dump with its source in the first line.
const RECORDED: [(Build, &str); 7] = [
    (Build::Linux3_13_0, include_str!("tables/3.13.0-linux.hex")),
    (Build::Linux3_14_10, include_str!("tables/3.14.10-linux.hex")),
    (Build::Windows3_14_6, include_str!("tables/3.14.6-windows.hex")),
    (Build::Windows3_14_6t, include_str!("tables/3.14.6t-windows.hex")),
    (Build::Linux3_15_2, include_str!("tables/3.15.2-linux.hex")),
    (Build::Windows3_15_0rc1, include_str!("tables/3.15.0rc1-windows.hex")),
    (Build::Windows3_15_0rc1t, include_str!("tables/3.15.0rc1t-windows.hex")),
];

fn undump(dump: &str) -> Vec<u8> {
    let lines = dump.lines().filter(|line| !line.starts_with('#'));
    let digits = lines.flat_map(|line| line.split_whitespace().skip(1));
    digits.map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect()
}

#[test]
fn every_recorded_table_is_told_byte_for_byte() {
    for (build, dump) in RECORDED {
        assert_eq!(Table::of(build).bytes(), undump(dump), "{}", build.name());
    }
    let recorded = Build::ALL.iter().filter(|build| build.is_recorded()).count();
    assert_eq!(recorded, RECORDED.len());
}

#[test]
fn builds_and_tables_agree_on_version_and_threading() {
    for build in Build::ALL {
        let table = Table::of(build);
        assert_eq!(table.version(), Some(build.version()), "{}", build.name());
        assert_eq!(table.value("free_threaded"), Some(build.is_free_threaded().into()));
        assert_eq!(table.value("cookie"), Some(u64::from_le_bytes(*b"xdebugpy")));
        let version = build.version();
        let found = Build::standing_for(version.minor, build.is_free_threaded(), build.system());
        assert_eq!(found, Some(build));
    }
    assert_eq!(Build::standing_for(13, true, System::Linux), None);
}

#[test]
fn the_support_group_comes_last_from_3_14_on() {
    for build in Build::ALL {
        let table = Table::of(build);
        let names: Vec<_> = table.names().collect();
        let last = &names[names.len() - 6..];
        assert_eq!(last == SUPPORT, build.version().minor >= 14, "{}", build.name());
    }
}

#[test]
fn a_synthesised_table_differs_from_its_source_only_as_windows_does() {
    let table = Table::of(Build::Linux3_14_10t);
    assert_eq!(table.value("runtime_state.size"), Some(316_616 + (361_408 - 315_600)));
    assert_eq!(table.value("debugger_support.remote_debugging_enabled"), Some(8_100));
    assert_eq!(table.value("thread_state.native_thread_id"), Some(160));
    let table = Table::of(Build::Linux3_15_2t);
    assert_eq!(table.value("gc.generation_stats_size"), Some(1120 + 216 - 1112));
}

#[test]
fn words_can_be_set_inserted_and_ordered() {
    let mut table = Table::of(Build::Linux3_15_2);
    let at = table.position(SUPPORT[0]).unwrap();
    assert_eq!(at, 840);
    table.insert(840, &[1, 2, 3, 4, 5]).unwrap();
    assert_eq!(table.position(SUPPORT[0]), Some(880));
    assert_eq!(table.len_bytes(), 928);
    assert_eq!(table.value(""), None, "new words have no name");
    table.order(&[SUPPORT[5], SUPPORT[0]]).unwrap();
    assert_eq!(table.position(SUPPORT[5]), Some(880));
    assert_eq!(table.position(SUPPORT[0]), Some(920));
    assert_eq!(table.value(SUPPORT[5]), Some(512), "a word takes its value along");
    table.set("version", Version::release(3, 16, 0).to_hex().into()).unwrap();
    assert_eq!(table.bytes()[8..12], [0xf0, 0, 16, 3]);
}

#[test]
fn wrong_names_and_positions_are_errors() {
    let mut table = Table::of(Build::Linux3_13_0);
    let unknown = || SpecError::UnknownWord("thread_state.sise".into());
    assert_eq!(table.set("thread_state.sise", 1), Err(unknown()));
    assert_eq!(table.order(&["cookie", "thread_state.sise"]), Err(unknown()));
    assert_eq!(table.order(&["cookie", "cookie"]), Err(SpecError::Twice("cookie".into())));
    assert_eq!(table.insert(12, &[0]), Err(SpecError::Position(12)));
    assert_eq!(table.insert(592, &[0]), Err(SpecError::Position(592)));
    assert_eq!(table.insert(584, &[0]), Ok(()), "at the very end");
}

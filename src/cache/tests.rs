//! The format: what was written is read, and whatever else is there is nothing.

use proptest::prelude::*;

use super::*;

pub(super) const BOOT: &str = "1f0c77a2-3d5e-4b7a-9c11-5d2f8e6a0b43";

pub(super) fn thread() -> CachedThread {
    CachedThread {
        process: Identity { pid: 14446, started: 52817 },
        choice: ThreadChoice::Main,
        runtime: Address::new(0xba_07c0),
        found_by: FoundBy::Section,
        table: TableDigest(0x0f8f_ad5b_d9cb_469f, 0x0165_7086_7728_950e),
        mode: ParseMode::Strict,
        proof: Proof::Image,
        interpreter_id: 0,
        interpreter: Address::new(0xbb_6a40),
        thread: Address::new(0xbe_d8e0),
        native: 14446,
        is_own: false,
    }
}

pub(super) fn written(thread: CachedThread) -> String {
    let version = Version::from_word(0x030e_0af0).unwrap();
    render(&Entry { boot: BOOT, version, thread }).unwrap()
}

fn read_back(bytes: &[u8]) -> Result<CachedThread, Miss> {
    read(bytes, BOOT, thread().process)
}

/// A file that somebody made with care: the sum is right.
fn forged(from: &str, to: &str) -> String {
    let text = written(thread());
    let body = text.split_once("sum ").unwrap().0;
    assert_eq!(body.matches(from).count(), 1, "{from}");
    with_its_sum(&text.replacen(from, to, 1))
}

/// The text, with the sum that it should have.
pub(super) fn with_its_sum(text: &str) -> String {
    let body = text.split_once("sum ").unwrap().0;
    format!("{body}sum {:016x}\n", sum(body.as_bytes()))
}

#[test]
fn the_format_is_the_documented_one() {
    let expected = "softdock-cache 1
boot 1f0c77a2-3d5e-4b7a-9c11-5d2f8e6a0b43
process 14446 52817
version 0x30e0af0
asked main
runtime 0xba07c0 section
table 0f8fad5bd9cb469f016570867728950e
interpreter 0 0xbb6a40
thread 14446 0xbed8e0
sum ";
    let text = written(thread());
    assert_eq!(text.split_at(expected.len()).0, expected);
    assert_eq!(read_back(text.as_bytes()), Ok(thread()));
}

#[test]
fn a_file_that_ends_early_is_damaged() {
    let text = written(thread());
    for end in 0..text.len() {
        assert_eq!(read_back(&text.as_bytes()[..end]), Err(Miss::Damaged), "{end} bytes");
    }
}

#[test]
fn no_changed_byte_makes_another_entry() {
    let text = written(thread());
    for at in 0..text.len() {
        for byte in 0..=u8::MAX {
            let mut bytes = text.clone().into_bytes();
            if std::mem::replace(&mut bytes[at], byte) == byte {
                continue;
            }
            let read = read_back(&bytes);
            assert!(matches!(read, Err(Miss::Damaged | Miss::Format)), "{at}: {byte} {read:?}");
        }
    }
}

/// Each with a sum that is right.
#[test]
fn what_would_not_be_written_is_not_read() {
    for (from, to) in [
        ("process 14446", "process +14446"),
        ("process 14446", "process 014446"),
        ("process 14446", "process  14446"),
        ("52817", "99999999999999999999"),
        ("0xba07c0", "0xBA07C0"),
        ("0xba07c0", "0x0ba07c0"),
        ("0xba07c0", "ba07c0"),
        ("section", "symbol"),
        ("asked main", "asked any"),
        ("interpreter 0", "interpreter -0"),
        ("interpreter 0", "interpreter 1 2"),
        ("0x30e0af0", "0x30e0a10"),
        ("table 0", "table +"),
        ("\nthread", "\r\nthread"),
        ("\nthread", "\nthread 1 0x2\nthread"),
        ("boot 1f0c", "boot 1f0c\u{e9}"),
    ] {
        let forged = forged(from, to);
        let read = read_back(forged.as_bytes());
        assert!(matches!(read, Err(Miss::Damaged | Miss::OtherProcess)), "{to}: {read:?}");
    }
    let mut longer = written(thread()) + "\n";
    assert_eq!(read_back(longer.as_bytes()), Err(Miss::Damaged));
    longer.push_str(&" ".repeat(BYTES_MAX));
    assert_eq!(read_back(longer.as_bytes()), Err(Miss::Damaged));
    assert_eq!(read_back(&[]), Err(Miss::Damaged));
}

#[test]
fn what_is_too_long_to_be_read_is_not_written() {
    let version = Version::from_word(0x030e_0af0).unwrap();
    let entry = |len| render(&Entry { boot: &"b".repeat(len), version, thread: thread() });
    let room = BYTES_MAX - written(thread()).len() + BOOT.len();
    assert!(entry(room).is_some_and(|text| text.len() == BYTES_MAX));
    assert_eq!(entry(room + 1), None);
}

#[test]
fn another_format_says_so() {
    let later = forged("softdock-cache 1", "softdock-cache 2");
    assert_eq!(read_back(later.as_bytes()), Err(Miss::Format));
    // That of a later softdock need not look like this one in anything else.
    assert_eq!(read_back(b"softdock-cache 3\n{}"), Err(Miss::Format));
    assert_eq!(read_back(forged("cache 1", "cache 11").as_bytes()), Err(Miss::Format));
    assert_eq!(read_back(forged("cache 1", "cache one").as_bytes()), Err(Miss::Damaged));
}

#[test]
fn another_process_or_boot_is_none() {
    let text = written(thread());
    let Identity { pid, started } = thread().process;
    for other in [Identity { pid, started: started + 1 }, Identity { pid: pid + 1, started }] {
        assert_eq!(read(text.as_bytes(), BOOT, other), Err(Miss::OtherProcess));
    }
    let boot = BOOT.replace('1', "2");
    assert_eq!(read(text.as_bytes(), &boot, thread().process), Err(Miss::OtherProcess));
}

/// A forger can say anything, but not that it is the engine's own word.
#[test]
fn no_file_is_the_engines_own_word() {
    let written = written(CachedThread { is_own: true, ..thread() });
    assert_eq!(read_back(written.as_bytes()), Ok(CachedThread { is_own: false, ..thread() }));
}

#[test]
fn what_needs_consent_or_changes_is_not_remembered() {
    let no = [
        CachedThread { choice: ThreadChoice::Any, ..thread() },
        CachedThread { proof: Proof::Structural, ..thread() },
        CachedThread { mode: ParseMode::Extended, ..thread() },
        CachedThread { found_by: FoundBy::Symbol, ..thread() },
    ];
    assert!(no.iter().all(|thread| !is_worth_it(thread)));
    assert!(is_worth_it(&thread()));
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        numbers in any::<[u64; 7]>(),
        pid: u32,
        native in proptest::option::of(any::<u64>()),
        interpreter_id: i64,
        scanned: bool,
    ) {
        let [started, runtime, even, odd, interpreter, at, id] = numbers;
        let entry = CachedThread {
            process: Identity { pid, started },
            choice: native.map_or(ThreadChoice::Main, ThreadChoice::Native),
            runtime: Address::new(runtime),
            found_by: if scanned { FoundBy::Scan } else { FoundBy::Section },
            table: TableDigest(even, odd),
            interpreter_id,
            interpreter: Address::new(interpreter),
            thread: Address::new(at),
            native: id,
            ..thread()
        };
        prop_assert_eq!(read(written(entry).as_bytes(), BOOT, entry.process), Ok(entry));
    }
}

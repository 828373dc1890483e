//! Parsing judged on real tables: the words of `_Py_DebugOffsets` as Debian's CPython 3.14.10 and
//! 3.15.2 (Linux x86-64) carry them in their `.PyRuntime` section, and damaged copies of them.

use super::*;
use crate::layout::support::Support;

#[rustfmt::skip]
const PYTHON_3_14_10: [u64; 95] = [
    0x7970_6775_6265_6478, 0x30e0af0,
    0, 316616, 784, 808, 225864, 7280, 7272, 7344, 7360, 7408, 7688, 7672, 7680, 16, 7784, 0,
    7800, 7792, 7992, 0, 832, 0, 8, 16, 72, 152, 160, 232, 32, 88, 8, 0, 56, 80, 74, 64, 0, 216,
    112, 120, 128, 136, 68, 52, 96, 104, 208, 0, 16, 8, 416, 24, 88, 168, 40, 32, 16, 40, 24, 16,
    200, 24, 40, 32, 48, 32, 40, 24, 16, 32, 16, 24, 40, 16, 32, 64, 32, 16, 40, 264, 192, 160,
    24, 72, 67, 0, 8, 24, 304, 8076, 0, 4, 512,
];

#[rustfmt::skip]
const PYTHON_3_15_2: [u64; 111] = [
    0x7970_6775_6265_6478, 0x30f02f0,
    0, 346568, 912, 936, 226240, 7272, 7264, 7336, 7352, 7400, 7592, 7576, 7584, 16, 7736, 0,
    7752, 7744, 7944, 0, 888, 0, 8, 16, 72, 80, 88, 96, 176, 184, 256, 32, 36, 40, 136, 288, 0,
    88, 8, 0, 56, 80, 74, 64, 0, 216, 112, 120, 128, 136, 68, 52, 96, 104, 208, 0, 16, 8, 424, 24,
    88, 168, 32, 288, 944, 888, 40, 32, 16, 40, 24, 16, 200, 24, 40, 32, 48, 32, 40, 24, 16, 32,
    16, 24, 40, 16, 32, 64, 32, 16, 40, 56, 176, 112, 120, 1120, 104, 160, 24, 72, 67, 0, 8, 24,
    344, 8028, 0, 4, 512,
];

/// Position of the six words in either table.
const SUPPORT_3_14: usize = 89;
const SUPPORT_3_15: usize = 105;

/// A section as long as the runtime it holds: the table, then live fields that look like nothing.
fn section(words: &[u64]) -> Vec<u8> {
    let mut bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    let filler = (0_u64..).map(|n| 0x5555_0000_1000 + n * 0x18);
    let tail = (limits::TABLE_BYTES_SEARCHED_MAX - bytes.len()) / 8;
    bytes.extend(filler.take(tail).flat_map(u64::to_le_bytes));
    bytes
}

fn parse_words(words: &[u64], config: &Config) -> Result<Parsed, (LayoutFault, Parsed)> {
    let bytes = section(words);
    let version = Version::from_word(words[1]).unwrap();
    parse(Slab { bytes: &bytes, version, extent: words[3] }, config)
}

fn mode_of(words: &[u64]) -> Option<ParseMode> {
    parse_words(words, &Config::default()).ok().and_then(|parsed| parsed.mode)
}

#[test]
fn real_tables_are_strict_and_give_the_known_fields() {
    let parsed = parse_words(&PYTHON_3_14_10, &Config::default()).unwrap();
    assert_eq!(parsed.mode, Some(ParseMode::Strict));
    let [layout] = parsed.layouts.as_slice() else { panic!("one layout") };
    assert_eq!(layout.table_bytes, 760);
    assert_eq!(
        layout.thread,
        ThreadFields {
            size: 832,
            prev: 0,
            next: 8,
            interp: 16,
            native_thread_id: Some(NativeField { at: 160, width: 8 }),
            status: Some(32),
            eval_breaker: 24,
            pending: 304,
            script_path: 308,
            script_path_size: 512,
        }
    );
    assert_eq!(layout.interpreter.remote_debugging_enabled, Some(8076));
    let parsed = parse_words(&PYTHON_3_15_2, &Config::default()).unwrap();
    assert_eq!(parsed.mode, Some(ParseMode::Strict));
    assert_eq!(parsed.layouts[0].thread.pending, 344);
    assert_eq!(parsed.layouts[0].thread.status, Some(32));
    assert_eq!(parsed.layouts[0].interpreter.remote_debugging_enabled, Some(8028));
}

/// The five-word trap: a public implementation (microsoft/PTVS#8299) looked for five consecutive
/// words ending in 512, and so read six one word late on every released table: the support block
/// as breaker, an interpreter offset as support block. Rule 4 (the path fits the thread state)
/// refuses that window on its own.
#[test]
fn the_five_word_window_is_refused() {
    for (table, at) in [(&PYTHON_3_14_10[..], SUPPORT_3_14), (&PYTHON_3_15_2[..], SUPPORT_3_15)] {
        let sizes = Sizes { interpreter: table[6], thread: table[22] };
        let [block, enabled, pending, path, size] =
            [table[at + 1], table[at + 2], table[at + 3], table[at + 4], table[at + 5]];
        // The draft's reading: breaker, support block, pending, path, size.
        let late = Support::from_words([block, enabled, 4, pending, path, size]);
        assert_eq!(late.check_writes(sizes), Err(LayoutFault::ScriptPath));
        let true_words = Support::from_words([table[at], block, enabled, pending, path, size]);
        assert_eq!(true_words.check_canonical(sizes), Ok(()));
    }
}

/// Over a real table and the kilobytes behind it, one window in one order keeps the rules.
#[test]
fn exactly_one_window_in_exactly_one_order_keeps_the_rules() {
    for table in [&PYTHON_3_14_10[..], &PYTHON_3_15_2[..]] {
        let bytes = section(table);
        let version = Version::from_word(table[1]).unwrap();
        let slab = Slab { bytes: &bytes, version, extent: table[3] };
        let layouts = flex::parse(slab, &windows(slab)).unwrap();
        assert_eq!(layouts.len(), 1);
        let strict = strict::parse(slab).unwrap();
        assert!(strict.familiar);
        assert_eq!(layouts[0], Layout { familiar: false, ..strict });
    }
}

/// What is passed by has no word that can tell of a path buffer, wherever such words stand: at both
/// ends, next to each other, and as far apart as six words and more.
#[test]
fn only_windows_without_a_capacity_are_passed_by() {
    const BEHIND_HEAD: usize = 27;
    let mut words = PYTHON_3_15_2.to_vec();
    for nth in [BEHIND_HEAD, BEHIND_HEAD + 1, 40, 45, 51, 58, 110] {
        words[nth] = 320;
    }
    let bytes = section(&words);
    let bytes = &bytes[..words.len() * 8];
    let slab = Slab { bytes, version: Version::from_word(words[1]).unwrap(), extent: words[3] };
    let all = words.windows(6).zip((0_u64..).step_by(8)).skip(BEHIND_HEAD);
    let near = all.filter(|(six, _)| six.iter().any(|word| (320..=888).contains(word)));
    let near = near.map(|(six, at)| Window { at, words: six.try_into().unwrap() });
    assert_eq!(windows(slab), near.collect::<Vec<_>>());
}

fn unknown_minor(mut words: Vec<u64>) -> Vec<u64> {
    words[1] = 0x0310_00f0;
    words
}

/// A 3.16 whose head is unchanged and whose six words stand five words later.
fn five_words_longer() -> Vec<u64> {
    let mut words = unknown_minor(PYTHON_3_15_2.to_vec());
    for word in [64, 72, 80, 88, 96] {
        words.insert(SUPPORT_3_15, word);
    }
    words
}

#[test]
fn extended_finds_the_window_of_an_unknown_minor() {
    let words = five_words_longer();
    let parsed = parse_words(&words, &Config::default()).unwrap();
    assert_eq!(parsed.mode, Some(ParseMode::Extended));
    assert_eq!(parsed.faults[0], Some(LayoutFault::UnknownTable));
    assert_eq!(parsed.layouts[0].table_bytes, 888 + 40);
    assert_eq!(parsed.layouts[0].thread.native_thread_id, None, "left to live proof");
}

#[test]
fn two_windows_are_left_to_flex_and_live_memory() {
    let mut words = five_words_longer();
    words.extend([24, 304, 8028, 0, 4, 512]);
    let parsed = parse_words(&words, &Config::default()).unwrap();
    assert_eq!(parsed.faults[1], Some(LayoutFault::Ambiguous));
    assert_eq!(parsed.faults[2], Some(LayoutFault::Ambiguous));
    assert_eq!((parsed.mode, parsed.layouts.len()), (Some(ParseMode::Flex), 2));
}

#[test]
fn a_shifted_head_is_refused_by_every_mode() {
    let mut words = unknown_minor(PYTHON_3_15_2.to_vec());
    words.insert(3, 8);
    assert_eq!(mode_of(&words), None);
}

#[test]
fn relaxed_forgives_one_word_that_no_write_depends_on() {
    let mut words = PYTHON_3_14_10.to_vec();
    words[SUPPORT_3_14 + 2] = 0;
    let parsed = parse_words(&words, &Config::default()).unwrap();
    assert_eq!(parsed.mode, Some(ParseMode::Relaxed));
    assert_eq!(parsed.layouts[0].interpreter.remote_debugging_enabled, None);

    let mut words = PYTHON_3_14_10.to_vec();
    words[57] = 0x8000; // tuple_object.ob_item, in a struct of 40 bytes
    assert_eq!(mode_of(&words), Some(ParseMode::Relaxed));
    words[58] = 0x8000;
    assert_eq!(mode_of(&words), None, "two such words are no coincidence");
}

#[test]
fn flex_takes_any_order_and_larger_buffers_that_fit() {
    let mut words = PYTHON_3_14_10.to_vec();
    words[SUPPORT_3_14..].reverse();
    let parsed = parse_words(&words, &Config::default()).unwrap();
    assert_eq!((parsed.mode, parsed.layouts[0].in_order), (Some(ParseMode::Flex), false));

    let mut words = PYTHON_3_14_10.to_vec();
    words[SUPPORT_3_14 + 5] = 768;
    assert_eq!(mode_of(&words), None, "768 bytes at 308 do not fit 832");
    words[22] = 1080;
    assert_eq!(mode_of(&words), Some(ParseMode::Flex));
}

/// The bounds of the capacity, each at its edge, in thread states that would hold it.
#[test]
fn capacities_are_bounded_on_both_sides() {
    for (size, accepted) in [
        (511, false),
        (512, true),
        (0x300, true),
        (0x1234, true),
        (0x10_0000, true),
        (0x10_0001, false),
    ] {
        let sizes = Sizes { interpreter: 225_864, thread: 308 + size };
        let support = Support::from_words([24, 304, 8076, 0, 4, size]);
        assert_eq!(support.check(sizes).is_ok(), accepted, "capacity {size:#x}");
        let short = Sizes { thread: sizes.thread - 1, ..sizes };
        assert!(support.check(short).is_err(), "one byte too few for {size:#x}");
    }
}

/// microsoft/PTVS's own negative test, `OffsetsParser_Fails_On_WrongSize`: a capacity of 1024.
#[test]
fn a_wrong_size_has_no_valid_layout() {
    let mut words = PYTHON_3_14_10.to_vec();
    words[SUPPORT_3_14 + 5] = 1024;
    let off = Config { flex: Flex::Never, ..Config::default() };
    let (fault, parsed) = parse_words(&words, &off).unwrap_err();
    assert_eq!(fault.name(), "no-valid-layout");
    assert_eq!(parsed.faults[3], Some(LayoutFault::Off));
    let (_, parsed) = parse_words(&words, &Config::default()).unwrap_err();
    assert_eq!(parsed.faults[3], Some(LayoutFault::NoWindow), "1024 bytes do not fit 832");
}

#[test]
fn the_free_threaded_word_is_a_flag() {
    for (word, accepted) in [(0, true), (1, true), (2, false), (u64::MAX, false)] {
        let mut words = PYTHON_3_14_10.to_vec();
        words[2] = word;
        assert_eq!(mode_of(&words).is_some(), accepted);
    }
}

/// Every single word, replaced by every value that tends to break parsers, either leaves what the
/// engine reads and writes as it was or is not accepted as strict. Nothing panics.
#[test]
fn no_single_wrong_word_moves_a_write_unnoticed() {
    let truth = parse_words(&PYTHON_3_14_10, &Config::default()).unwrap().layouts[0];
    let mut accepted = 0;
    for at in 3..PYTHON_3_14_10.len() {
        for value in [0, 1, 7, 0x8000, 1 << 31, 1 << 47, u64::MAX - 3, u64::MAX] {
            let mut words = PYTHON_3_14_10.to_vec();
            words[at] = value;
            let Ok(parsed) = parse_words(&words, &Config::default()) else { continue };
            // Of several, live memory decides.
            let [layout] = parsed.layouts[..] else { continue };
            let written = |layout: Layout| {
                let thread = layout.thread;
                (thread.eval_breaker, thread.pending, thread.script_path)
            };
            let moved = written(layout) != written(truth);
            let is_offset = (SUPPORT_3_14..SUPPORT_3_14 + 6).contains(&at);
            assert!(!moved || is_offset, "word {at} = {value:#x} moved a write");
            accepted += 1;
        }
    }
    assert!(accepted > 100, "{accepted} accepted");
}

#[test]
fn any_prefix_of_a_table_is_refused_without_a_panic() {
    let bytes = section(&PYTHON_3_14_10);
    let version = Version::from_word(PYTHON_3_14_10[1]).unwrap();
    for len in 0..760 {
        let slab = Slab { bytes: &bytes[..len], version, extent: PYTHON_3_14_10[3] };
        assert!(parse(slab, &Config::default()).is_err(), "{len} bytes");
    }
}

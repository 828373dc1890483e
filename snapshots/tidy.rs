//! Rules that a reviewer would otherwise have to say twice. Function length, panics, floats and
//! hash maps are clippy's business; see `.clippy.toml` and the lints of each crate.

use std::fs;
use std::path::{Path, PathBuf};

/// Lines of a source file, tables and tests among them. A ratchet: lower it, never raise it.
const LINES_MAX: usize = 560;

/// Columns of a line of prose; rustfmt sees to the code.
const COLUMNS_MAX: usize = 100;

pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every Rust file of ours, with its text.
pub(crate) fn sources() -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    for folder in ["engine", "sim", "src", "scenarios", "snapshots", "benches", "fuzz"] {
        collect(&root().join(folder), &mut found);
    }
    assert!(found.len() > 40, "the search for sources went wrong");
    found
}

fn collect(folder: &Path, found: &mut Vec<(PathBuf, String)>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for path in entries.map(|entry| entry.expect("a readable folder").path()) {
        if path.is_dir() && !path.ends_with("target") {
            collect(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).expect("readable source");
            let path = path.strip_prefix(root()).expect("below the root").into();
            found.push((path, text));
        }
    }
}

fn offenders(offends: impl Fn(&Path, &str) -> bool) -> Vec<PathBuf> {
    let sources = sources().into_iter();
    sources.filter(|(path, text)| offends(path, text)).map(|(path, _)| path).collect()
}

#[test]
fn every_file_says_what_it_is() {
    let silent = offenders(|_, text| !text.starts_with("//!"));
    assert!(silent.is_empty(), "no `//!` header in {silent:?}");
}

#[test]
fn files_are_of_readable_length() {
    let long = offenders(|_, text| text.lines().count() > LINES_MAX);
    assert!(long.is_empty(), "more than {LINES_MAX} lines in {long:?}");
    let wide = offenders(|_, text| {
        let prose = text.lines().filter(|line| line.trim_start().starts_with("//"));
        prose
            .filter(|line| !line.contains("http") && !line.contains("//! |"))
            .any(|line| line.chars().count() > COLUMNS_MAX)
    });
    assert!(wide.is_empty(), "more than {COLUMNS_MAX} columns in {wide:?}");
}

#[test]
fn unsafe_code_lives_in_one_crate() {
    let needle = ["unsafe", " {"].concat();
    let found = offenders(|path, text| !path.starts_with("engine/live") && text.contains(&needle));
    assert!(found.is_empty(), "unsafe code in {found:?}");
}

/// The engine's numbers have names. The breaker's bit, the path buffer's size and the bounds stand
/// in one place each; everything else that looks like them is a copy, by the front ends as well.
#[test]
fn numbers_of_the_protocol_stand_in_one_place() {
    const FOLDERS: [&str; 3] = ["engine/attach/src", "src/frontend", "src/cli"];
    let (plan, limits) = ("engine/attach/src/plan.rs", "engine/attach/src/limits.rs");
    for (number, home) in [("0x20", plan), ("512", limits), ("65_536", limits)] {
        let copies = offenders(|path, text| {
            let code = text.split("#[cfg(test)]").next().unwrap_or_default();
            let code = code.lines().filter(|line| !line.trim_start().starts_with("//"));
            FOLDERS.iter().any(|folder| path.starts_with(folder))
                && !path.ends_with("tests.rs")
                && !path.ends_with(home)
                && code.filter(|line| !line.contains('"')).any(|line| has_number(line, number))
        });
        assert!(copies.is_empty(), "{number} belongs to {home}, not to {copies:?}");
    }
}

fn has_number(line: &str, number: &str) -> bool {
    let ends = |at: usize| !line[at + number.len()..].starts_with(|c: char| c.is_alphanumeric());
    let begins = |at: usize| !line[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_');
    line.match_indices(number).any(|(at, _)| begins(at) && ends(at))
}

/// One implementation of what CPython's memory means, for both front ends: neither can even name
/// the parts of the engine that read, infer, validate or plan.
#[test]
fn a_front_end_knows_no_layout() {
    let parts = ["Layout", "Slab", "Parsed", "parse(", "Table", "limits", "ThreadVerdict"];
    let found = offenders(|path, text| {
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        let mut code = code.lines().filter(|line| !line.trim_start().starts_with("//"));
        path.starts_with("src/frontend")
            && code.any(|line| parts.iter().any(|part| line.contains(part)))
    });
    assert!(found.is_empty(), "a front end that reads the target's memory itself: {found:?}");
}

/// One place to write to a terminal, so that lines stay whole, and standard output stays that of
/// the result.
#[test]
fn output_goes_through_one_place() {
    let ways = ["print!(", "println!(", "dbg!(", "stdout()", "stderr()"];
    let found = offenders(|path, text| {
        let is_ours = path.starts_with("src")
            || path.starts_with("engine")
                && path.components().any(|part| part.as_os_str() == "src");
        let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
        is_ours
            && !path.ends_with("src/cli/output.rs")
            && code.flat_map(|line| ways.map(|way| line.contains(way))).any(|found| found)
    });
    assert!(found.is_empty(), "output beside src/cli/output.rs, in {found:?}");
}

/// What the engine may not even mention: clocks, environment, files, threads, global state.
#[test]
fn the_engine_has_no_other_input() {
    let forbidden =
        ["std::time", "std::env", "std::fs", "std::thread", "static mut", "thread_local"];
    let found = offenders(|path, text| {
        let folders = ["engine/attach", "engine/debugpy", "engine/process"];
        let pure = folders.iter().any(|folder| path.starts_with(folder));
        pure && forbidden.iter().any(|word| text.contains(word))
    });
    assert!(found.is_empty(), "an input the engine must not have, in {found:?}");
}

//! The table of promises: whatever it names as a test must be there. Whether that test holds what
//! it stands beside, only a reader can say.
//!
//! A name with a `/` is a scenario. Any other is a test function, or a trial by the name that it
//! is registered with, as live situations are.

use crate::tidy::{root, sources};

/// What stands above the rows of each table.
const HEAD: [&str; 2] = ["| promise | held by |", "|---|---|"];

/// Fewer rows than this, and it is the search for them that has gone wrong.
const ROWS_MIN: usize = 50;

/// Each row of all tables: the promise, and what holds it.
fn rows(text: &str) -> Vec<(&str, &str)> {
    let rows = text.lines().filter(|line| line.starts_with('|') && !HEAD.contains(line));
    rows.map(|row| two_cells(row).unwrap_or_else(|| panic!("not two cells: {row}"))).collect()
}

fn two_cells(row: &str) -> Option<(&str, &str)> {
    let cells = row.strip_prefix("| ")?.strip_suffix(" |")?.split_once(" | ")?;
    (!cells.1.contains('|')).then_some(cells)
}

/// The names in a cell that holds nothing else: `` `one`, `other` ``.
fn names(cell: &str) -> Vec<&str> {
    let items = cell.split(", ");
    items.map(|item| name(item).unwrap_or_else(|| panic!("no name: {item} in {cell}"))).collect()
}

fn name(item: &str) -> Option<&str> {
    item.strip_prefix('`')?.strip_suffix('`').filter(|name| !name.is_empty())
}

/// All our code, without comments and white space: a test is found however it is laid out.
fn code() -> String {
    let sources = sources();
    let lines = sources.iter().flat_map(|(_, text)| text.lines());
    let lines = lines.filter(|line| !line.trim_start().starts_with("//"));
    lines.flat_map(str::split_whitespace).collect()
}

fn is_there(name: &str, code: &str) -> bool {
    if name.contains('/') {
        return root().join(format!("scenarios/{name}.ron")).is_file();
    }
    let ways = ["always(", "debuggable(", "Trial::test(", "name:"];
    let is_trial = ways.iter().any(|way| code.contains(&format!("{way}\"{name}\",")));
    is_trial || code.contains(&format!("#[test]fn{name}("))
}

#[test]
fn every_promise_names_the_tests_that_hold_it() {
    let text = std::fs::read_to_string(root().join("docs/promises.md")).expect("a document");
    let (rows, code) = (rows(&text), code());
    assert!(rows.len() >= ROWS_MIN, "only {} promises in docs/promises.md", rows.len());
    for (promise, tests) in rows {
        for name in names(tests) {
            assert!(is_there(name, &code), "there is no test {name}, which shall hold: {promise}");
        }
    }
}

//! Reading a scenario: text in, a scenario or one mistake out, with the place in the file and
//! what was expected there.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};
use ron::error::{Error, SpannedError};
use ron::extensions::Extensions;
use serde::de::DeserializeOwned;

use super::Scenario;
use super::names::nearest;

/// Bytes of a scenario file: a field bug fits in a kilobyte, and nothing good is larger than this.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// A mistake in a scenario file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// The file.
    pub path: PathBuf,
    /// Line, from 1; 0 where the file as a whole is meant.
    pub line: usize,
    /// Column, from 1.
    pub column: usize,
    /// What is wrong, and what was expected.
    pub message: String,
    /// The text it is in, for showing the line.
    text: String,
}

impl Mistake {
    /// A mistake of the file as a whole.
    #[must_use]
    pub fn whole(path: &Path, message: impl fmt::Display) -> Mistake {
        let message = message.to_string();
        Mistake { path: path.into(), line: 0, column: 0, message, text: String::new() }
    }

    /// A mistake that shows only when the scenario is built: the place is that of `token`, the
    /// first time the text has it.
    #[must_use]
    pub fn near(path: &Path, text: &str, token: &str, message: impl fmt::Display) -> Mistake {
        let (line, column) = place(text, text.find(token).unwrap_or(0));
        let message = message.to_string();
        Mistake { path: path.into(), line, column, message, text: text.into() }
    }

    /// A mistake in this line, at this column.
    pub(crate) fn at(
        path: &Path,
        text: &str,
        (line, column): (usize, usize),
        message: String,
    ) -> Mistake {
        Mistake { path: path.into(), line, column, message, text: text.into() }
    }

    /// A mistake in a text that the file quotes: a program, from its own line 1 on. Where the file
    /// does not have it word for word, the mistake is that of the file as a whole.
    pub(crate) fn in_text(
        path: &Path,
        text: &str,
        quoted: &str,
        (line, column): (usize, usize),
        message: String,
    ) -> Mistake {
        let Some(start) = text.find(quoted).filter(|_| !quoted.is_empty()) else {
            return Mistake::whole(path, format!("program, line {line}: {message}"));
        };
        let (first, indented) = place(text, start);
        let column = if line == 1 { column + indented - 1 } else { column };
        Mistake { path: path.into(), line: first + line - 1, column, message, text: text.into() }
    }

    fn of_ron(path: &Path, text: &str, error: &SpannedError) -> Mistake {
        let (at, message) = if is_blank(text) {
            (0, format!("there is nothing in this file, {NEEDED}"))
        } else if error.code == Error::ExpectedAttribute {
            let at = text.find('#').unwrap_or(0);
            (at, format!("found `#`, {NEEDED}; comments begin with `//`"))
        } else {
            told(text, error)
        };
        let (line, column) = place(text, at);
        Mistake { path: path.into(), line, column, message, text: text.into() }
    }
}

/// Line and column, from 1, of this byte of the text.
fn place(text: &str, at: usize) -> (usize, usize) {
    let before = &text[..at];
    let line = before.matches('\n').count() + 1;
    (line, before.chars().rev().take_while(|c| *c != '\n').count() + 1)
}

/// The byte of the text at this line and column.
fn offset(text: &str, line: usize, column: usize) -> usize {
    let start: usize = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    let line = text[start..].lines().next().unwrap_or_default();
    let column = column.saturating_sub(1);
    start + line.char_indices().nth(column).map_or(line.len(), |(at, _)| at)
}

/// The word that starts there, or else the one character, which may be of several bytes.
fn word(text: &str, at: usize) -> &str {
    let rest = &text[at..];
    let word = rest.find(|c: char| !(c.is_alphanumeric() || "-_.\"".contains(c)));
    let first = rest.chars().next().map_or(0, char::len_utf8);
    &rest[..word.unwrap_or(rest.len()).max(first)]
}

impl fmt::Display for Mistake {
    /// As rustc shows its own: `file:line:column`, the line, and what is wrong with it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display().to_string();
        if self.line == 0 {
            return write!(f, "error: {}\n --> {path}", self.message);
        }
        let at = offset(&self.text, self.line, self.column);
        let end = at + word(&self.text, at).len();
        let snippet = Snippet::source(&self.text)
            .path(&path)
            .annotation(AnnotationKind::Primary.span(at..end));
        let report = [Level::ERROR.primary_title(&self.message).element(snippet)];
        write!(f, "{}", Renderer::plain().render(&report))
    }
}

impl std::error::Error for Mistake {}

/// What a file must have that has something else, or nothing.
const NEEDED: &str = "expected a scenario: `Attach(…)`, `Stepping(…)` or `Session(…)`, as `softdock \
                      new` writes them";

/// Whether there is nothing but comments.
fn is_blank(text: &str) -> bool {
    let mut lines = text.lines().map(str::trim);
    lines.all(|line| line.is_empty() || line.starts_with("//"))
}

/// The byte of the text where a mistake is, and what is wrong there.
fn told(text: &str, error: &SpannedError) -> (usize, String) {
    let at = offset(text, error.span.start.line, error.span.start.col);
    match expected(&error.code) {
        Some(expected) => {
            let at = value_at(text, at);
            (at, wrong_value(text, at, expected))
        }
        None => (at, with_suggestion(&error.code)),
    }
}

/// RON's own message, and what was most likely meant.
fn with_suggestion(error: &Error) -> String {
    let meant = match error {
        Error::NoSuchStructField { expected, found, .. }
        | Error::NoSuchEnumVariant { expected, found, .. } => {
            nearest(found, expected.iter().copied())
        }
        _ => None,
    };
    match meant {
        Some(name) => format!("{error}; did you mean `{name}`?"),
        None => error.to_string(),
    }
}

/// What kind of value was expected, where another one was found.
fn expected(error: &Error) -> Option<&'static str> {
    Some(match error {
        Error::ExpectedArray => "a list in `[…]`",
        Error::ExpectedMap => "a table in `{…}`",
        Error::ExpectedStructLike | Error::ExpectedNamedStructLike(_) => "fields in `(…)`",
        Error::ExpectedInteger => "a whole number",
        Error::IntegerOutOfBounds => "a number that is neither negative nor too large",
        Error::ExpectedBoolean => "`true` or `false`",
        Error::ExpectedString => "a text in quotes",
        Error::ExpectedIdentifier => "a name without quotes",
        _ => return None,
    })
}

/// Where a value begins of which RON says that it is here: right behind what comes before it, or
/// behind a minus of its own.
fn value_at(text: &str, at: usize) -> usize {
    match text[..at].strip_suffix('-') {
        Some(before) => before.len(),
        None => {
            let is_before = |c: char| c.is_whitespace() || c == ':';
            text.len() - text[at..].trim_start_matches(is_before).len()
        }
    }
}

/// What is there instead, whose value it is, and which field may be meant.
fn wrong_value(text: &str, at: usize, expected: &str) -> String {
    let message = match word(text, at) {
        "" => format!("expected {expected}, found the end"),
        found => format!("expected {expected}, found `{found}`"),
    };
    let Some(before) = text[..at].trim_end().strip_suffix(':') else { return message };
    let field = before.rsplit(|c: char| !(c.is_alphanumeric() || c == '_')).next();
    let field = field.unwrap_or_default();
    let there = before.len() - field.len()..before.len();
    match other_number(field).filter(|other| takes_it(text, there, at, other)) {
        Some(other) => format!("`{field}`: {message}; did you mean `{other}`?"),
        None => format!("`{field}`: {message}"),
    }
}

/// `threads` for `thread`, and the other way round.
fn other_number(field: &str) -> Option<String> {
    match field.strip_suffix('s') {
        Some(one) => (!one.is_empty()).then(|| one.to_owned()),
        None => (!field.is_empty()).then(|| format!("{field}s")),
    }
}

/// Whether the value at this byte is none that a field of another name would mind.
fn takes_it(text: &str, field: Range<usize>, at: usize, other: &str) -> bool {
    let text = [&text[..field.start], other, &text[field.end..]].concat();
    let value = at + other.len() - field.len();
    match grammar().from_str::<Scenario>(&text) {
        Ok(_) => true,
        Err(SpannedError { code: Error::DuplicateStructField { .. }, .. }) => false,
        Err(error) => offset(&text, error.span.start.line, error.span.start.col) > value,
    }
}

/// The dialect of RON that scenarios are written in: no `Some(…)`, no second parentheses.
pub(super) fn grammar() -> ron::Options {
    let extensions = Extensions::IMPLICIT_SOME | Extensions::UNWRAP_VARIANT_NEWTYPES;
    ron::Options::default().with_default_extension(extensions)
}

/// Reads one scenario from a file's text.
///
/// # Errors
/// The first mistake, with its place.
pub fn parse(path: &Path, text: &str) -> Result<Scenario, Mistake> {
    grammar().from_str(text).map_err(|error| Mistake::of_ron(path, text, &error))
}

/// Reads a part of a scenario that stands in another text.
///
/// # Errors
/// The first mistake, with its byte in the part.
pub(crate) fn parse_part<T: DeserializeOwned>(part: &str) -> Result<T, (usize, String)> {
    grammar().from_str(part).map_err(|error| told(part, &error))
}

/// Reads one scenario from a file; returns its text as well, for messages about it.
///
/// # Errors
/// The first mistake, with its place; also when the file cannot be read or is far too large.
pub fn read(path: &Path) -> Result<(Scenario, String), Mistake> {
    let size = std::fs::metadata(path).map_err(|error| Mistake::whole(path, error))?.len();
    if size > FILE_BYTES_MAX {
        let message = format!("{size} bytes, expected at most {FILE_BYTES_MAX}");
        return Err(Mistake::whole(path, message));
    }
    let bytes = std::fs::read(path).map_err(|error| Mistake::whole(path, error))?;
    let text = String::from_utf8(bytes)
        .map_err(|error| Mistake::whole(path, format!("not UTF-8: {error}")))?;
    parse(path, &text).map(|scenario| (scenario, text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mistake(text: &str) -> Mistake {
        parse(Path::new("x.ron"), text).expect_err("a mistake")
    }

    #[test]
    fn a_wrong_field_is_told_with_its_place_and_what_was_meant() {
        let mistake = mistake("Attach(\n    about: \"x\",\n    fault: [],\n)");
        assert_eq!((mistake.line, mistake.column), (3, 5));
        assert!(mistake.message.contains("did you mean `faults`?"), "{}", mistake.message);
        assert!(mistake.to_string().contains("x.ron:3:5"), "{mistake}");
    }

    #[test]
    fn a_wrong_site_is_told_with_its_place_and_what_was_meant() {
        let mistake =
            mistake("Attach(\n about: \"x\",\n expect: (outcome: \"armed\", site: \"verfy\"),\n)");
        assert_eq!(mistake.line, 3);
        assert!(mistake.message.contains("did you mean `verify`?"), "{}", mistake.message);
    }

    #[test]
    fn a_value_of_another_kind_is_told_with_its_field_and_what_was_expected() {
        for (text, message) in [
            ("process: (threads: \"two\")", "`threads`: expected a whole number, found `\"two\"`"),
            (
                "process: (threads: -1)",
                "`threads`: expected a number that is neither negative nor too large, found `-1`",
            ),
            ("process: 3", "`process`: expected fields in `(…)`, found `3`"),
            ("config: (freeze:\n1)", "`freeze`: expected `true` or `false`, found `1`"),
            ("faults: [(kind: Short(\"3\"))]", "expected a whole number, found `\"3\"`"),
            (
                "process: (thread: 2)",
                "`thread`: expected a list in `[…]`, found `2`; did you mean `threads`?",
            ),
            (
                "process: (threads: [])",
                "`threads`: expected a whole number, found `[`; did you mean `thread`?",
            ),
            // There is that one already.
            ("process: (thread: 2, threads: 2)", "`thread`: expected a list in `[…]`, found `2`"),
            // The field is right, and so is no other.
            ("faults: 3", "`faults`: expected a list in `[…]`, found `3`"),
        ] {
            let mistake = mistake(&format!("Attach(about: \"x\", {text})"));
            assert_eq!(mistake.message, message, "{text}");
        }
        let unfinished = mistake("Attach(about: \"x\", faults:");
        assert_eq!(unfinished.message, "`faults`: expected a list in `[…]`, found the end");
    }

    #[test]
    fn what_is_no_scenario_at_all_is_told_as_such() {
        for (text, line, found) in [
            ("", 1, "there is nothing in this file"),
            ("// a word\n\n", 1, "there is nothing in this file"),
            ("\n# Scenarios\n", 2, "found `#`"),
        ] {
            let mistake = mistake(text);
            assert_eq!((mistake.line, mistake.column), (line, 1), "{text:?}");
            assert!(mistake.message.starts_with(&format!("{found}, expected a scenario: ")));
        }
    }

    #[test]
    fn no_text_makes_it_panic() {
        let odd = ["", "Attach", "Attach(", "\u{0}", "Attach(about: \"é\", x: 1)", "(((((((((("];
        for text in odd.into_iter().chain(["Attach(about: \u{fffd}\u{fffd})", "→", "Attach(→"])
        {
            assert!(!mistake(text).to_string().is_empty());
        }
        // RON comes to no such place by itself; a letter of several bytes right before the name.
        for text in ["→faults: 3", "→: 3", "é-3", ": ", "→"] {
            let at = text.find(['3', ' ']).unwrap_or(0);
            assert!(wrong_value(text, value_at(text, at), "x").starts_with(['`', 'e']));
        }
    }
}

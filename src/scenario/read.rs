//! Reading a scenario: text in, a scenario or one mistake out, with the place in the file and
//! what was expected there.

use std::fmt;
use std::path::{Path, PathBuf};

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};
use ron::error::{Error, SpannedError};
use ron::extensions::Extensions;

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
        let at = text.find(token).unwrap_or(0);
        let before = &text[..at];
        let line = before.matches('\n').count() + 1;
        let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
        let message = message.to_string();
        Mistake { path: path.into(), line, column, message, text: text.into() }
    }

    /// A mistake in this line.
    pub(crate) fn at_line(path: &Path, text: &str, line: usize, message: String) -> Mistake {
        Mistake { path: path.into(), line, column: 1, message, text: text.into() }
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
        let before = &text[..start];
        let first = before.matches('\n').count() + 1;
        let indent = before.chars().rev().take_while(|c| *c != '\n').count();
        let column = if line == 1 { column + indent } else { column };
        Mistake { path: path.into(), line: first + line - 1, column, message, text: text.into() }
    }

    fn of_ron(path: &Path, text: &str, error: &SpannedError) -> Mistake {
        let (line, column) = (error.span.start.line, error.span.start.col);
        let message = with_suggestion(&error.code);
        Mistake { path: path.into(), line, column, message, text: text.into() }
    }

    /// Where the mistake is, in bytes of the text.
    fn offset(&self) -> usize {
        let start: usize =
            self.text.split_inclusive('\n').take(self.line.saturating_sub(1)).map(str::len).sum();
        let line = self.text[start..].lines().next().unwrap_or_default();
        let column = self.column.saturating_sub(1);
        start + line.char_indices().nth(column).map_or(line.len(), |(at, _)| at)
    }
}

impl fmt::Display for Mistake {
    /// As rustc shows its own: `file:line:column`, the line, and what is wrong with it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display().to_string();
        if self.line == 0 {
            return write!(f, "error: {}\n --> {path}", self.message);
        }
        let at = self.offset();
        // The word that starts there, or else the one character, which may be of several bytes.
        let rest = &self.text[at..];
        let word = rest.find(|c: char| !(c.is_alphanumeric() || "-_.\"".contains(c)));
        let first = rest.chars().next().map_or(0, char::len_utf8);
        let end = at + word.unwrap_or(rest.len()).max(first);
        let snippet = Snippet::source(&self.text)
            .path(&path)
            .annotation(AnnotationKind::Primary.span(at..end));
        let report = [Level::ERROR.primary_title(&self.message).element(snippet)];
        write!(f, "{}", Renderer::plain().render(&report))
    }
}

impl std::error::Error for Mistake {}

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
    fn no_text_makes_it_panic() {
        let odd = ["", "Attach", "Attach(", "\u{0}", "Attach(about: \"é\", x: 1)", "(((((((((("];
        for text in odd.into_iter().chain(["Attach(about: \u{fffd}\u{fffd})", "→", "Attach(→"])
        {
            assert!(!mistake(text).to_string().is_empty());
        }
    }
}

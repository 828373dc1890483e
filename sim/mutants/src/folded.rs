//! Finding a snippet in a source text, whatever rustfmt made of its lines: every run of white
//! space counts as one blank. It knows nothing of Rust.

use std::ops::Range;

/// A text with every run of white space folded into one blank, and the way back.
pub(crate) struct Folded {
    text: String,
    /// For each byte of the folded text, where it is in the text itself.
    at: Vec<usize>,
}

impl Folded {
    pub(crate) fn new(source: &str) -> Folded {
        let mut folded = Folded { text: String::new(), at: Vec::new() };
        for (at, c) in source.char_indices() {
            let c = if c.is_whitespace() { ' ' } else { c };
            if c != ' ' || !folded.text.ends_with(' ') {
                folded.text.push(c);
                folded.at.extend(at..at + c.len_utf8());
            }
        }
        folded
    }

    /// Where in the text itself the snippet is, each time.
    pub(crate) fn find(&self, snippet: &str) -> Vec<Range<usize>> {
        let snippet = fold(snippet);
        if snippet.is_empty() {
            return Vec::new();
        }
        let starts = self.text.match_indices(&snippet).map(|(start, _)| start);
        starts.map(|start| self.at[start]..self.at[start + snippet.len() - 1] + 1).collect()
    }
}

/// A snippet without white space around it, and folded within.
pub(crate) fn fold(snippet: &str) -> String {
    Folded::new(snippet.trim()).text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found<'s>(source: &'s str, snippet: &str) -> Vec<&'s str> {
        Folded::new(source).find(snippet).into_iter().map(|span| &source[span]).collect()
    }

    #[test]
    fn white_space_runs_are_equal_to_one_blank() {
        assert_eq!(found("a.b(\n    c,\n    d)", "b( c, d )"), Vec::<&str>::new());
        assert_eq!(found("a.b(\n    c,\n    d)", "\n b( c,\td) "), ["b(\n    c,\n    d)"]);
        assert_eq!(found("if a  ==\n  b {", "a == b"), ["a  ==\n  b"]);
    }

    #[test]
    fn every_place_is_found() {
        assert_eq!(found("x < y; x\n< y; x > y", "x < y").len(), 2);
        assert_eq!(found("x < y", "").len(), 0);
    }

    #[test]
    fn letters_of_several_bytes_do_no_harm() {
        assert_eq!(found("// ä  ö\nlet é = 1;", "let é = 1"), ["let é = 1"]);
        assert_eq!(found("// ä  ö\n", "ä ö"), ["ä  ö"]);
    }
}

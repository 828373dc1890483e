//! All mutants in one source: each snippet becomes a choice between itself and its mutants, which
//! the switch decides at run time. One build then serves for all of them.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::ops::Range;
use std::path::Path;

use crate::folded::{Folded, fold};
use crate::list::{self, Entry};

/// The engine's source with every mutant in its place.
pub(crate) struct Schemata {
    /// For each file that has mutants, its text with them.
    pub(crate) files: BTreeMap<String, String>,
    /// For each mutant, in order, the line of its snippet in the engine's own source, from 1.
    pub(crate) lines: Vec<usize>,
}

/// A snippet of a source, and what may become of it.
struct Spot<'l> {
    span: Range<usize>,
    statement: bool,
    mutants: Vec<(usize, &'l Entry)>,
}

impl Schemata {
    /// Finds the place of every mutant in the sources of `folder`, or says everything that is
    /// wrong.
    pub(crate) fn new(list: &[Entry], folder: &Path) -> Result<Schemata, String> {
        let mut mistakes = list::mistakes(list);
        let mut schemata = Schemata { files: BTreeMap::new(), lines: vec![0; list.len()] };
        let mut by_file: BTreeMap<&str, Vec<(usize, &Entry)>> = BTreeMap::new();
        for (nth, entry) in list.iter().enumerate() {
            by_file.entry(&entry.file).or_default().push((nth, entry));
        }
        for (file, entries) in by_file {
            let source = match std::fs::read_to_string(folder.join(file)) {
                Ok(source) => source,
                Err(error) => {
                    let name = &entries[0].1.name;
                    mistakes.push(format!("`{name}`: its file {file} cannot be read: {error}"));
                    continue;
                }
            };
            let spots = spots(&source, &entries, &mut mistakes);
            for spot in &spots {
                let line = source[..spot.span.start].matches('\n').count() + 1;
                spot.mutants.iter().for_each(|(nth, _)| schemata.lines[*nth] = line);
            }
            schemata.files.insert(file.into(), rewritten(&source, &spots));
        }
        if mistakes.is_empty() { Ok(schemata) } else { Err(mistakes.join("\n")) }
    }
}

/// The snippets of one file in order, each with all its mutants.
fn spots<'l>(
    source: &str,
    entries: &[(usize, &'l Entry)],
    mistakes: &mut Vec<String>,
) -> Vec<Spot<'l>> {
    let folded = Folded::new(source);
    let mut spots: Vec<Spot<'l>> = Vec::new();
    for &(nth, entry) in entries {
        let span = match place(&folded, entry) {
            Ok(span) => span,
            Err(mistake) => {
                mistakes.push(mistake);
                continue;
            }
        };
        if let Some(spot) = spots.iter_mut().find(|spot| spot.span == span) {
            if spot.statement != entry.statement {
                let (name, other) = (&entry.name, &spot.mutants[0].1.name);
                mistakes.push(format!(
                    "`{name}`: the same snippet as of `{other}`, but `statement` differs: both \
                     must say the same"
                ));
            }
            spot.mutants.push((nth, entry));
            continue;
        }
        spots.push(Spot { span, statement: entry.statement, mutants: vec![(nth, entry)] });
    }
    spots.sort_by_key(|spot| spot.span.start);
    for pair in spots.windows(2) {
        if pair[1].span.start < pair[0].span.end {
            mistakes.push(overlap(&pair[0], &pair[1]));
        }
    }
    spots
}

/// The one place of an entry's snippet.
fn place(folded: &Folded, entry: &Entry) -> Result<Range<usize>, String> {
    let once = |what, text: &str, found: &[Range<usize>]| match found {
        [span] => Ok(span.clone()),
        _ => Err(not_once(entry, what, text, found.len())),
    };
    let found = folded.find(&entry.find);
    let Some(after) = &entry.after else { return once("find", &entry.find, &found) };
    let start = once("after", after, &folded.find(after))?.end;
    let behind: Vec<_> = found.into_iter().filter(|span| span.start >= start).take(1).collect();
    once("find", &entry.find, &behind)
}

fn not_once(entry: &Entry, what: &str, text: &str, found: usize) -> String {
    let what_to_do = match found {
        0 => "the source has changed: copy the snippet from it again",
        _ => "take in more of what stands around it, or say in `after` behind what it comes first",
    };
    format!(
        "`{}`: its `{what}` is there {found} times in {}, and must be there exactly once: \
         {what_to_do}:\n    {}",
        entry.name,
        entry.file,
        fold(text)
    )
}

fn overlap(one: &Spot<'_>, other: &Spot<'_>) -> String {
    let ((_, one), (_, other)) = (one.mutants[0], other.mutants[0]);
    format!(
        "`{}`: its snippet overlaps that of `{}` in {}: give both the same one, or two that are \
         apart",
        other.name, one.name, one.file
    )
}

/// The source with each snippet made into a choice.
fn rewritten(source: &str, spots: &[Spot<'_>]) -> String {
    let mut text = String::with_capacity(source.len() * 2);
    let mut done = 0;
    for spot in spots {
        // Where snippets overlap the text is of no use, and the mistake is told.
        text.push_str(source.get(done..spot.span.start).unwrap_or_default());
        text.push_str(&choice(&source[spot.span.clone()], spot));
        done = spot.span.end;
    }
    text.push_str(&source[done..]);
    text
}

fn choice(original: &str, spot: &Spot<'_>) -> String {
    let mut text = String::new();
    for (nth, entry) in &spot.mutants {
        let number = nth + 1;
        let _ = write!(text, "if crate::mutant::is({number}) {{ {} }} else ", entry.becomes.trim());
    }
    let _ = write!(text, "{{ {original} }}");
    if spot.statement { text } else { format!("({text})") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &str, find: &str, becomes: &str) -> Entry {
        Entry {
            name: name.into(),
            file: "a.rs".into(),
            find: find.into(),
            after: None,
            becomes: becomes.into(),
            why: "a test".into(),
            field: None,
            statement: false,
            survives: None,
        }
    }

    /// The source rewritten, and the mistakes.
    fn instrument(source: &str, list: &[Entry]) -> (String, Vec<String>) {
        let mut mistakes = Vec::new();
        let entries: Vec<_> = list.iter().enumerate().collect();
        let spots = spots(source, &entries, &mut mistakes);
        (rewritten(source, &spots), mistakes)
    }

    #[test]
    fn a_snippet_becomes_a_choice() {
        let (text, mistakes) = instrument("if a <\n b { c }", &[entry("off", "a < b", "a <= b")]);
        assert_eq!(text, "if (if crate::mutant::is(1) { a <= b } else { a <\n b }) { c }");
        assert!(mistakes.is_empty());
    }

    #[test]
    fn mutants_of_the_same_snippet_are_nested() {
        let list = [entry("one", "a", "b"), entry("two", " a ", "c")];
        let (text, mistakes) = instrument("(a)", &list);
        let nested = "if crate::mutant::is(1) { b } else if crate::mutant::is(2) { c } else { a }";
        assert_eq!(text, format!("(({nested}))"));
        assert!(mistakes.is_empty());
    }

    #[test]
    fn a_statement_stands_without_parentheses() {
        let list = [Entry { statement: true, ..entry("skip", "a();", "") }];
        let (text, _) = instrument("{ a(); b() }", &list);
        assert_eq!(text, "{ if crate::mutant::is(1) {  } else { a(); } b() }");
    }

    #[test]
    fn a_snippet_must_be_there_exactly_once() {
        let list = [entry("never", "c", "d"), entry("often", "a", "d")];
        let (_, mistakes) = instrument("a b a", &list);
        assert!(mistakes[0].contains("`never`") && mistakes[0].contains("there 0 times"));
        assert!(mistakes[1].contains("`often`") && mistakes[1].contains("there 2 times"));
    }

    #[test]
    fn after_tells_which_one_is_meant() {
        let list = [Entry { after: Some("c;".into()), ..entry("second", "a", "b") }];
        let (text, mistakes) = instrument("a; c; a; a", &list);
        assert_eq!(text, "a; c; (if crate::mutant::is(1) { b } else { a }); a");
        assert!(mistakes.is_empty());
        let list = [Entry { after: Some("a".into()), ..entry("which", "c", "b") }];
        assert!(instrument("a; a; c", &list).1[0].contains("`after` is there 2 times"));
    }

    #[test]
    fn other_overlaps_are_refused() {
        let list = [entry("inner", "b", "d"), entry("outer", "a + b", "d")];
        let (_, mistakes) = instrument("a + b", &list);
        assert_eq!(mistakes.len(), 1);
        assert!(mistakes[0].contains("`inner`") && mistakes[0].contains("`outer`"));
    }

    #[test]
    fn one_snippet_is_a_statement_for_all_or_for_none() {
        let list = [entry("one", "a", "b"), Entry { statement: true, ..entry("two", "a", "c") }];
        let (_, mistakes) = instrument("a", &list);
        assert!(mistakes.iter().any(|mistake| mistake.contains("`statement` differs")));
    }

    /// The committed list against the committed engine.
    #[test]
    fn every_mutant_has_its_place_in_the_engine() {
        let root = crate::root();
        let list = list::read(&root.join(crate::LIST)).expect("the list");
        if let Err(mistakes) = Schemata::new(&list, &root.join(crate::ENGINE)) {
            panic!("{mistakes}");
        }
    }
}

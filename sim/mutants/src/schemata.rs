//! All mutants in one source: each snippet becomes a choice between itself and its mutants, which
//! the switch decides at run time. One build then serves for all of them.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::ops::Range;
use std::path::Path;

use crate::folded::{Folded, fold};
use crate::list::{self, Also, Entry, Scaffold};

/// The sources with every mutant of a list in its place.
pub(crate) struct Schemata {
    /// For each file that has mutants, by its path below the root, its text with them.
    pub(crate) files: BTreeMap<String, String>,
    /// For each mutant, in order, the line of its snippet in the source itself, from 1.
    pub(crate) lines: Vec<usize>,
}

/// A snippet of a mutant, and where it comes from.
#[derive(Clone, Copy)]
struct Piece<'l> {
    /// The number of the mutant that the switch knows.
    number: usize,
    /// Whether it is the one that the mutant is said to be at.
    is_first: bool,
    name: &'l str,
    file: &'l str,
    find: &'l str,
    after: Option<&'l str>,
    becomes: &'l str,
    statement: bool,
}

/// A snippet of a source, and what may become of it.
struct Spot<'l> {
    span: Range<usize>,
    statement: bool,
    mutants: Vec<Piece<'l>>,
    /// What is put in behind it anyway.
    insert: &'l str,
}

impl<'l> Piece<'l> {
    fn of(number: usize, entry: &'l Entry) -> impl Iterator<Item = Piece<'l>> {
        let first = Piece {
            number,
            is_first: true,
            name: &entry.name,
            file: &entry.file,
            find: &entry.find,
            after: entry.after.as_deref(),
            becomes: &entry.becomes,
            statement: entry.statement,
        };
        let also = entry.also.iter().map(move |also| {
            let Also { file, find, after, becomes, statement } = also;
            let (after, statement) = (after.as_deref(), *statement);
            Piece { is_first: false, file, find, after, becomes, statement, ..first }
        });
        std::iter::once(first).chain(also)
    }
}

impl Schemata {
    /// Finds the place of every mutant in the sources of `folder` below `root`, or says everything
    /// that is wrong. The first one gets the number behind `before`.
    pub(crate) fn new(
        list: &[Entry],
        scaffold: &[Scaffold],
        (root, folder): (&Path, &str),
        before: usize,
    ) -> Result<Schemata, String> {
        let mut mistakes = list::mistakes(list);
        let mut schemata = Schemata { files: BTreeMap::new(), lines: vec![0; list.len()] };
        let mut by_file: BTreeMap<&str, Vec<Piece<'_>>> = BTreeMap::new();
        for (nth, entry) in list.iter().enumerate() {
            for piece in Piece::of(before + nth + 1, entry) {
                by_file.entry(piece.file).or_default().push(piece);
            }
        }
        for one in scaffold {
            by_file.entry(&one.file).or_default();
        }
        for (file, pieces) in by_file {
            let path = Path::new(folder).join(file);
            let source = match std::fs::read_to_string(root.join(&path)) {
                Ok(source) => source,
                Err(error) => {
                    let name = pieces.first().map_or("scaffold", |piece| piece.name);
                    mistakes.push(format!("`{name}`: its file {file} cannot be read: {error}"));
                    continue;
                }
            };
            let inserts: Vec<_> = scaffold.iter().filter(|one| one.file == file).collect();
            let spots = spots(&source, &pieces, &inserts, &mut mistakes);
            for spot in &spots {
                let line = source[..spot.span.start].matches('\n').count() + 1;
                let firsts = spot.mutants.iter().filter(|piece| piece.is_first);
                firsts.for_each(|piece| schemata.lines[piece.number - before - 1] = line);
            }
            let path = path.to_string_lossy().into_owned();
            schemata.files.insert(path, rewritten(&source, &spots));
        }
        if mistakes.is_empty() { Ok(schemata) } else { Err(mistakes.join("\n")) }
    }
}

/// The snippets of one file in order, each with all its mutants.
fn spots<'l>(
    source: &str,
    pieces: &[Piece<'l>],
    inserts: &[&'l Scaffold],
    mistakes: &mut Vec<String>,
) -> Vec<Spot<'l>> {
    let folded = Folded::new(source);
    let mut spots: Vec<Spot<'l>> = Vec::new();
    for &piece in pieces {
        let span = match place(&folded, &piece) {
            Ok(span) => span,
            Err(mistake) => {
                mistakes.push(mistake);
                continue;
            }
        };
        if let Some(spot) = spots.iter_mut().find(|spot| spot.span == span) {
            if spot.statement != piece.statement {
                let (name, other) = (piece.name, spot.mutants[0].name);
                mistakes.push(format!(
                    "`{name}`: the same snippet as of `{other}`, but `statement` differs: both \
                     must say the same"
                ));
            }
            spot.mutants.push(piece);
            continue;
        }
        let statement = piece.statement;
        spots.push(Spot { span, statement, mutants: vec![piece], insert: "" });
    }
    for one in inserts {
        match folded.find(&one.after).as_slice() {
            [span] => {
                let (span, insert) = (span.end..span.end, one.insert.as_str());
                spots.push(Spot { span, statement: true, mutants: Vec::new(), insert });
            }
            found => mistakes.push(format!(
                "scaffold: its `after` is there {} times in {}:\n    {}",
                found.len(),
                one.file,
                fold(&one.after)
            )),
        }
    }
    spots.sort_by_key(|spot| (spot.span.start, spot.span.end));
    for pair in spots.windows(2) {
        if pair[1].span.start < pair[0].span.end {
            mistakes.push(overlap(&pair[0], &pair[1]));
        }
    }
    spots
}

/// The one place of a mutant's snippet.
fn place(folded: &Folded, piece: &Piece<'_>) -> Result<Range<usize>, String> {
    let once = |what, text: &str, found: &[Range<usize>]| match found {
        [span] => Ok(span.clone()),
        _ => Err(not_once(piece, what, text, found.len())),
    };
    let found = folded.find(piece.find);
    let Some(after) = piece.after else { return once("find", piece.find, &found) };
    let start = once("after", after, &folded.find(after))?.end;
    let behind: Vec<_> = found.into_iter().filter(|span| span.start >= start).take(1).collect();
    once("find", piece.find, &behind)
}

fn not_once(piece: &Piece<'_>, what: &str, text: &str, found: usize) -> String {
    let what_to_do = match found {
        0 => "the source has changed: copy the snippet from it again",
        _ => "take in more of what stands around it, or say in `after` behind what it comes first",
    };
    format!(
        "`{}`: its `{what}` is there {found} times in {}, and must be there exactly once: \
         {what_to_do}:\n    {}",
        piece.name,
        piece.file,
        fold(text)
    )
}

fn overlap(one: &Spot<'_>, other: &Spot<'_>) -> String {
    let name =
        |spot: &Spot<'_>| spot.mutants.first().map_or("scaffold", |piece| piece.name).to_owned();
    format!(
        "`{}`: its snippet overlaps that of `{}`: give both the same one, or two that are apart",
        name(other),
        name(one)
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
    for Piece { number, becomes, .. } in &spot.mutants {
        let is = format!("softdock_process::mutant::is({number})");
        let _ = write!(text, "if {is} {{ {} }} else ", becomes.trim());
    }
    match (spot.mutants.is_empty(), spot.statement) {
        (true, _) => format!("{original}{}", spot.insert),
        (_, true) => format!("{text}{{ {original} }}"),
        (_, false) => format!("({text}{{ {original} }})"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &str, find: &str, becomes: &str) -> Entry {
        Entry {
            entry: None,
            name: name.into(),
            file: "a.rs".into(),
            find: find.into(),
            after: None,
            becomes: becomes.into(),
            why: "a test".into(),
            field: None,
            statement: false,
            also: Vec::new(),
            survives: None,
        }
    }

    /// The source rewritten, and the mistakes.
    fn instrument(source: &str, list: &[Entry]) -> (String, Vec<String>) {
        let mut mistakes = Vec::new();
        let pieces = (1..).zip(list).flat_map(|(number, entry)| Piece::of(number, entry));
        let spots = spots(source, &pieces.collect::<Vec<_>>(), &[], &mut mistakes);
        let text = rewritten(source, &spots);
        (text.replace("softdock_process::", ""), mistakes)
    }

    #[test]
    fn a_snippet_becomes_a_choice() {
        let (text, mistakes) = instrument("if a <\n b { c }", &[entry("off", "a < b", "a <= b")]);
        assert_eq!(text, "if (if mutant::is(1) { a <= b } else { a <\n b }) { c }");
        assert!(mistakes.is_empty());
    }

    #[test]
    fn mutants_of_the_same_snippet_are_nested() {
        let list = [entry("one", "a", "b"), entry("two", " a ", "c")];
        let (text, mistakes) = instrument("(a)", &list);
        let nested = "if mutant::is(1) { b } else if mutant::is(2) { c } else { a }";
        assert_eq!(text, format!("(({nested}))"));
        assert!(mistakes.is_empty());
    }

    #[test]
    fn a_statement_stands_without_parentheses() {
        let list = [Entry { statement: true, ..entry("skip", "a();", "") }];
        let (text, _) = instrument("{ a(); b() }", &list);
        assert_eq!(text, "{ if mutant::is(1) {  } else { a(); } b() }");
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
        assert_eq!(text, "a; c; (if mutant::is(1) { b } else { a }); a");
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

    #[test]
    fn a_mutant_may_change_several_snippets_at_once() {
        let also = Also {
            file: "a.rs".into(),
            find: "b".into(),
            after: None,
            becomes: "d".into(),
            statement: false,
        };
        let list = [Entry { also: vec![also], ..entry("both", "a", "c") }];
        let (text, mistakes) = instrument("a + b", &list);
        let one = "(if mutant::is(1) { c } else { a })";
        assert_eq!(text, format!("{one} + (if mutant::is(1) {{ d }} else {{ b }})"));
        assert!(mistakes.is_empty());
    }

    #[test]
    fn a_scaffold_is_put_in_behind_its_place() {
        let field = Scaffold { file: "a.rs".into(), after: "a,".into(), insert: " c,".into() };
        let mut mistakes = Vec::new();
        let spots = spots("{ a, b }", &[], &[&field], &mut mistakes);
        assert_eq!(rewritten("{ a, b }", &spots), "{ a, c, b }");
        assert!(mistakes.is_empty());
    }

    /// The committed lists against the committed sources.
    #[test]
    fn every_mutant_has_its_place() {
        if let Err(mistakes) = crate::lists(&crate::root()) {
            panic!("{mistakes}");
        }
    }
}

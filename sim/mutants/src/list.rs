//! The lists of mutants as they are written, `engine/attach/mutants.ron` and
//! `engine/stepping/mutants.ron`. Whether their entries fit the sources is for [`crate::schemata`].

use std::path::Path;

use ron::extensions::Extensions;
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// A defect that the engine does not have.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Entry {
    /// Its number in the catalogue of bugs of debuggers, where it has one: `A1`.
    #[serde(default)]
    pub(crate) entry: Option<String>,
    /// What it is called, in kebab-case.
    pub(crate) name: String,
    /// The file, below the folder that the list is about.
    pub(crate) file: String,
    /// The snippet it replaces, which the file has exactly once.
    pub(crate) find: String,
    /// Where the file has the snippet several times: a text that it has once, and behind which the
    /// snippet comes first.
    #[serde(default)]
    pub(crate) after: Option<String>,
    /// What stands there instead when the mutant is on.
    pub(crate) becomes: String,
    /// Which defect that is, in one line.
    pub(crate) why: String,
    /// The bug seen in the field that it brings back: `python/cpython#140739`.
    #[serde(default)]
    pub(crate) field: Option<String>,
    /// Whether the snippet is a statement, or several; else it is an expression.
    #[serde(default)]
    pub(crate) statement: bool,
    /// Other snippets that change with it, where one alone is not the defect.
    #[serde(default)]
    pub(crate) also: Vec<Also>,
    /// Why no scenario can notice it, where that is so. A sweep may.
    #[serde(default)]
    pub(crate) survives: Option<String>,
}

/// Another snippet of the same mutant.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Also {
    pub(crate) file: String,
    pub(crate) find: String,
    #[serde(default)]
    pub(crate) after: Option<String>,
    pub(crate) becomes: String,
    #[serde(default)]
    pub(crate) statement: bool,
}

/// The catalogue of bugs that debuggers had, and what stands for each of them here.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Catalogue {
    /// What mutants need that the sources have no place for.
    pub(crate) scaffold: Vec<Scaffold>,
    pub(crate) mutants: Vec<Entry>,
    pub(crate) inexpressible: Vec<Inexpressible>,
}

/// A text that is put in whichever mutant is on, and does nothing by itself: a field, a method.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Scaffold {
    pub(crate) file: String,
    /// What it comes behind, which the file has exactly once.
    pub(crate) after: String,
    pub(crate) insert: String,
}

/// A bug of the catalogue that nothing here can have.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Inexpressible {
    pub(crate) entry: String,
    /// Which bug it is.
    pub(crate) what: String,
    /// Why nothing here can have it.
    pub(crate) why: String,
}

/// The mutant that must survive: it changes nothing.
pub(crate) const CANARY_ALIVE: &str = "canary-changes-nothing";

/// The mutants that must not.
pub(crate) const CANARIES_DEAD: [&str; 2] = ["canary-panics-at-once", "canary-always-refuses"];

impl Entry {
    /// Whether it is there to show that the machinery reports, and not to be counted.
    pub(crate) fn is_canary(&self) -> bool {
        self.name == CANARY_ALIVE || CANARIES_DEAD.contains(&self.name.as_str())
    }
}

/// Reads a list, or a catalogue.
pub(crate) fn read<T: DeserializeOwned>(path: &Path) -> Result<T, String> {
    let text = std::fs::read_to_string(path);
    let text = text.map_err(|error| format!("{}: {error}", path.display()))?;
    parse(&text).map_err(|error| format!("{}:{error}", path.display()))
}

fn parse<T: DeserializeOwned>(text: &str) -> Result<T, ron::error::SpannedError> {
    ron::Options::default().with_default_extension(Extensions::IMPLICIT_SOME).from_str(text)
}

/// What is wrong with a list in itself: names taken twice, canaries missing.
pub(crate) fn mistakes(list: &[Entry]) -> Vec<String> {
    let mut mistakes = Vec::new();
    for (nth, entry) in list.iter().enumerate() {
        if list.iter().take(nth).any(|other| other.name == entry.name) {
            mistakes.push(format!("`{}`: the name is taken twice: choose another", entry.name));
        }
        if entry.why.is_empty() {
            mistakes.push(format!("`{}`: say in `why` which defect it is", entry.name));
        }
        if entry.becomes == entry.find && entry.name != CANARY_ALIVE {
            mistakes
                .push(format!("`{}`: it changes nothing: say what `becomes` of it", entry.name));
        }
    }
    for canary in CANARIES_DEAD.into_iter().chain([CANARY_ALIVE]) {
        if !list.iter().any(|entry| entry.name == canary) {
            mistakes
                .push(format!("`{canary}`: missing: without it a silent run looks like success"));
        }
    }
    mistakes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(text: &str) -> Vec<Entry> {
        parse(text).expect("a list")
    }

    #[test]
    fn an_unknown_field_is_refused() {
        let text = r#"[(name: "a", file: "a.rs", find: "a", becoms: "b", why: "c")]"#;
        assert!(
            parse::<Vec<Entry>>(text).expect_err("a misspelt field").to_string().contains("becoms")
        );
    }

    #[test]
    fn a_name_taken_twice_is_told_once() {
        let entry =
            r#"(name: "a", file: "a.rs", find: "a", becomes: "b", why: "c", field: "x/y#1")"#;
        let mistakes = mistakes(&list(&format!("[{entry}, {entry}]")));
        assert_eq!(mistakes.iter().filter(|mistake| mistake.contains("taken twice")).count(), 1);
    }

    #[test]
    fn only_the_canary_may_change_nothing() {
        let text = r#"[(name: "a", file: "a.rs", find: "a", becomes: "a", why: "c")]"#;
        let mistakes = mistakes(&list(text));
        assert!(mistakes.iter().any(|mistake| mistake.contains("changes nothing")));
        assert!(mistakes.iter().any(|mistake| mistake.contains(CANARY_ALIVE)));
    }
}

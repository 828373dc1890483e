//! Names in scenario files: each is one of a known set, and a wrong one is told with what was
//! meant, most likely.

use std::sync::OnceLock;

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use softdock_attach::{CacheUse, Left, Outcome, ParseMode, Proof, Reason, Site, Undo};
use softdock_cpython::{Build, Table};
use softdock_process::FoundBy;

/// The known name nearest to a wrong one, if any is near.
#[must_use]
pub fn nearest<'n>(wrong: &str, known: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    known
        .into_iter()
        .map(|name| (strsim::damerau_levenshtein(wrong, name), name))
        .filter(|(distance, name)| *distance <= 2.max(name.len() / 3))
        .min()
        .map(|(_, name)| name)
}

/// "unknown site `veriffy`, did you mean `verify`?", or a list where nothing is near.
#[must_use]
pub fn unknown(what: &str, wrong: &str, known: &[&str]) -> String {
    match nearest(wrong, known.iter().copied()) {
        Some(name) => format!("unknown {what} `{wrong}`, did you mean `{name}`?"),
        None => format!("unknown {what} `{wrong}`, expected one of {}", known.join(", ")),
    }
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident = $type:ty, $what:literal, $all:expr) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct $name(pub $type);

        impl $name {
            /// What it can be.
            pub const ALL: &'static [$type] = &$all;
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<$name, D::Error> {
                let text = String::deserialize(from)?;
                let all = $name::ALL;
                match all.iter().find(|known| known.name() == text) {
                    Some(found) => Ok($name(*found)),
                    None => {
                        let names: Vec<&str> = all.iter().map(|known| known.name()).collect();
                        Err(D::Error::custom(unknown($what, &text, &names)))
                    }
                }
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.serialize_str(self.0.name())
            }
        }
    };
}

name!(/// A site.
    SiteName = Site, "site", Site::ALL);
name!(/// An outcome.
    OutcomeName = Outcome, "outcome", Outcome::ALL);
name!(/// A mode of parsing.
    ParseModeName = ParseMode, "parse mode", ParseMode::ALL);
name!(/// A way of proving the layout.
    ProofName = Proof, "proof", [Proof::Structural, Proof::Image]);
name!(/// What became of the cache entry.
    CacheName = CacheUse, "use of the cache",
    [CacheUse::Off, CacheUse::Miss, CacheUse::Hit, CacheUse::Stale]);
name!(/// What became of the writes.
    UndoName = Undo, "undo", [Undo::Clean, Undo::Late, Undo::Failed]);
name!(/// What is left in the target.
    LeftName = Left, "rest",
    [Left::Nothing, Left::Armed, Left::ArmedByOther, Left::Unknown]);
name!(/// How a runtime is found.
    FoundByName = FoundBy, "way of finding", [FoundBy::Section, FoundBy::Symbol, FoundBy::Scan]);
name!(/// A build of CPython.
    BuildName = Build, "build", Build::ALL);

/// A reason, by name only: some carry a detail that the name already tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct ReasonName(pub &'static str);

impl ReasonName {
    /// What it can be.
    #[must_use]
    pub fn all() -> &'static [&'static str] {
        static ALL: OnceLock<Vec<&str>> = OnceLock::new();
        ALL.get_or_init(|| Reason::names().collect())
    }
}

impl<'de> Deserialize<'de> for ReasonName {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<ReasonName, D::Error> {
        let text = String::deserialize(from)?;
        let names = ReasonName::all();
        match names.iter().find(|name| **name == text) {
            Some(name) => Ok(ReasonName(name)),
            None => Err(D::Error::custom(unknown("reason", &text, names))),
        }
    }
}

/// A word of the table, `group.field`, known to at least one build.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct WordName(pub &'static str);

impl WordName {
    /// What it can be; what several builds know is listed as often.
    #[must_use]
    pub fn all() -> &'static [&'static str] {
        static ALL: OnceLock<Vec<&str>> = OnceLock::new();
        ALL.get_or_init(|| {
            let tables = Build::ALL.into_iter().map(Table::of);
            tables.flat_map(|table| table.names().collect::<Vec<_>>()).collect()
        })
    }
}

impl<'de> Deserialize<'de> for WordName {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<WordName, D::Error> {
        let text = String::deserialize(from)?;
        let names = WordName::all();
        match names.iter().find(|name| **name == text) {
            Some(name) => Ok(WordName(name)),
            None => Err(D::Error::custom(unknown("word of the table", &text, names))),
        }
    }
}

/// A version of CPython, `3.14.10` or `3.15.0rc1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VersionText(pub softdock_cpython::Version);

impl<'de> Deserialize<'de> for VersionText {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<VersionText, D::Error> {
        let text = String::deserialize(from)?;
        parse_version(&text).map(VersionText).ok_or_else(|| {
            D::Error::custom(format!(
                "`{text}` is no version, expected one like 3.14.2 or 3.15.0rc1"
            ))
        })
    }
}

impl Serialize for VersionText {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(&self.0)
    }
}

fn parse_version(text: &str) -> Option<softdock_cpython::Version> {
    let mut parts = text.splitn(3, '.');
    let (major, minor, rest) = (parts.next()?, parts.next()?, parts.next()?);
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let (micro, level) = rest.split_at(end);
    let levels = [("rc", 0xC), ("a", 0xA), ("b", 0xB)];
    let (level, serial) = match levels.iter().find(|(word, _)| level.starts_with(word)) {
        Some((word, level_nibble)) => (*level_nibble, level[word.len()..].parse().ok()?),
        None if level.is_empty() => (0xF, 0),
        None => return None,
    };
    Some(softdock_cpython::Version {
        major: major.parse().ok()?,
        minor: minor.parse().ok()?,
        micro: micro.parse().ok()?,
        level,
        serial,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_as_they_are_written() {
        for text in ["3.14.10", "3.15.0rc1", "3.16.0a4", "3.13.0b12"] {
            assert_eq!(parse_version(text).map(|v| v.to_string()).as_deref(), Some(text));
        }
        for text in ["3.14", "3.14.", "3.14.0x1", "", "3.14.0rc"] {
            assert_eq!(parse_version(text), None, "{text}");
        }
    }

    #[test]
    fn a_wrong_name_is_told_with_the_right_one() {
        let sites: Vec<&str> = Site::ALL.iter().map(|site| site.name()).collect();
        assert_eq!(nearest("write-evalbreaker", sites.iter().copied()), Some("write-eval-breaker"));
        assert_eq!(nearest("xyzzy", sites.iter().copied()), None);
    }
}

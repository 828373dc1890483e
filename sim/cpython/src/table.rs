//! A `_Py_DebugOffsets` table: words with names, in order. It holds any values, sane or not; what
//! they mean is told in `layout`.

use crate::error::SpecError;
use crate::{Build, Version, tables};

/// A table of 8-byte words. A word is known by a name as CPython's header has it, `group.field`;
/// words that stand for fields of a future version have none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    words: Vec<(&'static str, u64)>,
}

/// The six words that an attach needs, in the order of CPython's header.
pub const SUPPORT: [&str; 6] = [
    "debugger_support.eval_breaker",
    "debugger_support.remote_debugger_support",
    "debugger_support.remote_debugging_enabled",
    "debugger_support.debugger_pending_call",
    "debugger_support.debugger_script_path",
    "debugger_support.debugger_script_path_size",
];

impl Table {
    /// The table of a build.
    #[must_use]
    pub fn of(build: Build) -> Table {
        Table { words: tables::words(build) }
    }

    /// The names, in order of position; for telling a user what could have been meant.
    pub fn names(&self) -> impl Iterator<Item = &'static str> + '_ {
        self.words.iter().map(|(name, _)| *name).filter(|name| !name.is_empty())
    }

    /// The value of a word.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<u64> {
        self.index(name).map(|index| self.words[index].1)
    }

    /// The byte position of a word.
    #[must_use]
    pub fn position(&self, name: &str) -> Option<u64> {
        self.index(name).map(|index| index as u64 * 8)
    }

    /// Changes a word.
    ///
    /// # Errors
    /// [`SpecError::UnknownWord`].
    pub fn set(&mut self, name: &str, value: u64) -> Result<(), SpecError> {
        let index = self.index(name).ok_or_else(|| SpecError::UnknownWord(name.into()))?;
        self.words[index].1 = value;
        Ok(())
    }

    /// Inserts nameless words at a byte position, which moves everything after it.
    ///
    /// # Errors
    /// [`SpecError::Position`] when that is not between two words.
    pub fn insert(&mut self, position: u64, values: &[u64]) -> Result<(), SpecError> {
        let index = (position / 8) as usize;
        if !position.is_multiple_of(8) || index > self.words.len() {
            return Err(SpecError::Position(position));
        }
        self.words.splice(index..index, values.iter().map(|value| ("", *value)));
        Ok(())
    }

    /// Puts these words into this order, at the positions that they have now.
    ///
    /// # Errors
    /// [`SpecError::UnknownWord`], or [`SpecError::Twice`] when one is named twice.
    pub fn order(&mut self, names: &[&str]) -> Result<(), SpecError> {
        let mut slots = Vec::new();
        for name in names {
            slots.push(self.index(name).ok_or_else(|| SpecError::UnknownWord((*name).into()))?);
        }
        let words: Vec<_> = slots.iter().map(|slot| self.words[*slot]).collect();
        slots.sort_unstable();
        if let Some(pair) = slots.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(SpecError::Twice(self.words[pair[0]].0.into()));
        }
        for (slot, word) in slots.into_iter().zip(words) {
            self.words[slot] = word;
        }
        Ok(())
    }

    /// The version it states, if the word holds nothing else.
    #[must_use]
    pub fn version(&self) -> Option<Version> {
        self.value("version").and_then(|word| u32::try_from(word).ok()).map(Version::from_hex)
    }

    /// Its length in bytes.
    #[must_use]
    pub fn len_bytes(&self) -> u64 {
        self.words.len() as u64 * 8
    }

    /// As it lies in memory.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        self.words.iter().flat_map(|(_, value)| value.to_le_bytes()).collect()
    }

    fn index(&self, name: &str) -> Option<usize> {
        self.words.iter().position(|(known, _)| *known == name && !known.is_empty())
    }
}

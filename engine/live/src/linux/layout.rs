//! The mappings of a process, read from its `maps` as far as somebody needs them.
//!
//! Printing that text is what a search spends most of its time on: 0.5 µs a line, more than any
//! other step. The executable has the lowest addresses, so where it is the interpreter itself, the
//! first few lines are enough.

use std::fs::File;
use std::io::Read;

use softdock_process::ErrorKind;

use super::handle::{Handle, kind_of_io};
use super::limits::{MAPS_BYTES_MAX, MAPS_HEAD_BYTES};
use super::maps::{self, Mapping};

/// See the head of this file.
#[derive(Debug, Default)]
pub(super) struct Layout {
    /// Where the rest of the text comes from; `None` once all is read. An open `maps` stays that of
    /// the program that ran when it was opened, and has no more lines after an `exec`.
    source: Option<File>,
    text: Vec<u8>,
    /// Bytes of the text whose lines are in `mappings`.
    parsed: usize,
    mappings: Vec<Mapping>,
}

impl Layout {
    /// Opens the text and reads its head. `None` where it is empty: nothing is mapped.
    pub(super) fn open(handle: &Handle) -> Result<Option<Layout>, ErrorKind> {
        let source = Some(handle.open_file("maps")?);
        let mut layout = Layout { source, ..Layout::default() };
        layout.read_on()?;
        Ok((!layout.text.is_empty()).then_some(layout))
    }

    /// A text that is all there.
    #[cfg(test)]
    pub(super) fn of_text(text: Vec<u8>) -> Layout {
        let mut layout = Layout { text, ..Layout::default() };
        layout.parse();
        layout
    }

    /// What was read so far, in the order of addresses.
    pub(super) fn mappings(&self) -> &[Mapping] {
        &self.mappings
    }

    /// Whether there is no more.
    pub(super) fn is_complete(&self) -> bool {
        self.source.is_none()
    }

    /// The path of one of them, as bytes.
    pub(super) fn path(&self, mapping: &Mapping) -> std::borrow::Cow<'_, [u8]> {
        mapping.path(&self.text)
    }

    /// The name of its file.
    pub(super) fn name(&self, mapping: &Mapping) -> Box<str> {
        String::from_utf8_lossy(maps::file_name(&self.path(mapping))).into()
    }

    /// Reads one more part of the head.
    pub(super) fn read_on(&mut self) -> Result<(), ErrorKind> {
        let before = self.text.len();
        self.read(MAPS_HEAD_BYTES)?;
        if self.text.len() == before {
            self.source = None;
        }
        self.parse();
        Ok(())
    }

    /// Reads the rest.
    pub(super) fn complete(&mut self) -> Result<(), ErrorKind> {
        self.text.reserve(16 << 10);
        self.read(MAPS_BYTES_MAX.saturating_sub(self.text.len() as u64))?;
        self.source = None;
        self.parse();
        Ok(())
    }

    /// Appends up to `bytes` more, as the kernel hands them out: at most a page at a time.
    fn read(&mut self, bytes: u64) -> Result<(), ErrorKind> {
        let Some(source) = &mut self.source else { return Ok(()) };
        let read = if bytes <= MAPS_HEAD_BYTES {
            let from = self.text.len();
            self.text.resize(from + usize::try_from(bytes).unwrap_or(0), 0);
            let read = source.read(self.text.get_mut(from..).unwrap_or_default());
            self.text.truncate(from + *read.as_ref().unwrap_or(&0));
            read
        } else {
            // `File` itself would first ask for a size, which files of `/proc` do not have.
            source.take(bytes).read_to_end(&mut self.text)
        };
        read.map(drop).map_err(|error| kind_of_io(&error))
    }

    /// Takes in the lines that are whole by now.
    fn parse(&mut self) {
        let whole = match self.source {
            None => self.text.len(),
            Some(_) => self.text.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1),
        };
        let lines = self.text.get(..whole).unwrap_or_default();
        maps::parse_from(lines, self.parsed, &mut self.mappings);
        self.parsed = whole;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Read in parts or at once, our own mappings are the same ones; what is mapped meanwhile is
    /// not looked at.
    #[test]
    fn the_parts_make_the_whole() {
        let handle = Handle::open(std::process::id()).unwrap();
        let mut parts = Layout::open(&handle).unwrap().unwrap();
        let head = parts.mappings().len();
        assert!(head > 2 && !parts.is_complete());
        let mut whole = Layout::open(&handle).unwrap().unwrap();
        whole.complete().unwrap();
        while !parts.is_complete() {
            parts.read_on().unwrap();
        }
        assert!(whole.mappings().len() > head);
        for (part, same) in parts.mappings().iter().zip(whole.mappings()).take(head) {
            assert_eq!(part, same);
            assert_eq!(parts.path(part), whole.path(same));
        }
        let stack =
            |layout: &Layout| layout.mappings().iter().any(|it| *layout.path(it) == *b"[stack]");
        assert!(stack(&parts) && stack(&whole));
    }
}

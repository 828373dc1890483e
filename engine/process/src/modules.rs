//! What the target has mapped, as far as an attach engine cares: where a CPython runtime may be,
//! and what the file behind a mapping says.

use crate::{Address, ErrorKind};

/// How a backend came to propose a candidate, in falling order of trust.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum FoundBy {
    /// A section of the mapped file is called `.PyRuntime` (ELF), `PyRuntime` (Mach-O) or
    /// `PyRuntim` (PE, whose names are cut to 8 bytes).
    Section,
    /// The dynamic symbol table of the mapped file exports `_PyRuntime`.
    Symbol,
    /// The cookie was found by scanning writable memory, as when section headers are stripped.
    Scan,
}

impl FoundBy {
    /// Its name in scenarios and reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            FoundBy::Section => "section",
            FoundBy::Symbol => "symbol",
            FoundBy::Scan => "scan",
        }
    }
}

/// A place where a CPython runtime may be: a proposal that the engine proves or drops.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Where `_PyRuntime`, and so its `_Py_DebugOffsets`, would start.
    pub at: Address,
    /// Bytes that may belong to it: the size of the section or symbol, else what is left of the
    /// mapping. A bound for reading, not a promise.
    pub extent: u64,
    /// How it was found.
    pub found_by: FoundBy,
    /// Name of the mapped file without its folders, lossy where it is not UTF-8.
    pub module: Box<str>,
}

/// A stretch of mapped memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryRange {
    /// Where it starts.
    pub start: Address,
    /// Its length in bytes.
    pub len: u64,
}

/// The modules of a target.
pub trait Modules {
    /// The candidate of this rank, the most trusted first; `None` after the last.
    ///
    /// A backend may look for candidates only as they are asked for: ranks that need a scan of
    /// memory come last and are paid for only when the earlier ones did not hold.
    ///
    /// # Errors
    /// When the modules could not be listed. An unreadable file behind one mapping is no error:
    /// it just gives no candidate.
    fn candidate(&mut self, rank: usize) -> Result<Option<&Candidate>, ErrorKind>;

    /// Reads what the *file* that is mapped at `at` holds for those bytes: the image as it was
    /// linked, whatever the process has done to its memory since.
    ///
    /// Returns `false`, with `into` unspecified, where no file can be had whose identity with the
    /// mapped one is certain (another file now has its path, permission is missing, the memory is
    /// anonymous).
    ///
    /// # Errors
    /// When the process could not be asked, as when it is gone.
    fn read_image(&mut self, at: Address, into: &mut [u8]) -> Result<bool, ErrorKind>;

    /// The `nth` stretch of private writable memory in which a program keeps its objects (heap and
    /// anonymous mappings, and the writable data of mapped files), lowest first; `None` after the
    /// last.
    ///
    /// # Errors
    /// When the memory map could not be read.
    fn writable(&mut self, nth: usize) -> Result<Option<MemoryRange>, ErrorKind>;
}

//! Where a CPython runtime may be mapped: every mapped ELF file is asked, none is believed for its
//! name or its path, and no more is read than the next rank needs.
//!
//! It proposes. Whether a candidate is a live runtime is for the engine to prove: the cookie is
//! static data, so a second, dead copy of libpython has it as well (python/cpython#144563).

use std::collections::BTreeMap;
use std::fs::File;

use softdock_process::{Address, Candidate, ErrorKind, FoundBy, MemoryRange};

use super::elf::{self, Image};
use super::files::Owner;
use super::layout::Layout;
use super::limits::{
    CANDIDATES_MAX, MAPS_HEAD_PARTS_MAX, RUNTIME_BYTES_MIN, SCAN_BYTES_MAX, SCAN_CHUNK_BYTES,
    SCAN_HITS_MAX, SCAN_TOTAL_BYTES_MAX,
};
use super::maps::{self, FileId, Mapping};

/// The first bytes of `_Py_DebugOffsets` since CPython 3.13.
const COOKIE: &[u8; 8] = b"xdebugpy";

/// The mapped files of a process and what was found in them so far.
#[derive(Debug)]
pub(super) struct Search {
    layout: Layout,
    /// Where objects may be, once somebody has asked.
    writable: Option<Vec<MemoryRange>>,
    /// Those that the layout shows so far, the likeliest first.
    modules: Vec<Module>,
    /// How many mappings they were made of.
    grouped: usize,
    /// Bytes that a scan may still read.
    scan_left: u64,
    stage: Stage,
    found: Vec<Candidate>,
    /// Told by a symbol: less trusted than any section, so held back until all files were asked.
    symbols: Vec<Candidate>,
    /// Without a cookie: CPython 3.10 to 3.12 have the section only. Last, so that an engine that
    /// found nothing better can say "too old".
    bare: Vec<Candidate>,
}

/// What the next rank is looked for in.
#[derive(Clone, Copy, Debug)]
enum Stage {
    /// The head of the layout, for an executable that is the interpreter.
    Head,
    /// The rest of the layout.
    Rest,
    /// The file of this module.
    File(usize),
    /// What symbols told.
    Symbols,
    /// The memory of this module.
    Scan(usize),
    /// What has no cookie.
    Bare,
    Done,
}

/// A file that is mapped writable and private somewhere, as every loaded module with data is.
#[derive(Debug)]
struct Module {
    id: FileId,
    /// The class of its name.
    likelihood: u8,
    /// Those of its mappings, in the order of addresses.
    mappings: Vec<usize>,
    backing: Backing,
}

/// What we know of a module's file.
#[derive(Debug)]
enum Backing {
    /// Not asked yet.
    Unknown,
    /// No file that is certainly this one can be had.
    Unavailable,
    /// Certainly the file, and no ELF file.
    Other,
    /// An ELF file. The handle is kept only where there is a runtime: a process maps hundreds.
    Elf { image: Image, file: Option<File> },
}

impl Search {
    /// Looks at nothing yet.
    pub(super) fn new(layout: Layout) -> Search {
        Search {
            layout,
            writable: None,
            modules: Vec::new(),
            grouped: 0,
            scan_left: SCAN_TOTAL_BYTES_MAX,
            stage: Stage::Head,
            found: Vec::new(),
            symbols: Vec::new(),
            bare: Vec::new(),
        }
    }

    /// The candidate of this rank, looking as far as needed.
    pub(super) fn candidate(
        &mut self,
        owner: &mut Owner<'_>,
        rank: usize,
    ) -> Result<Option<&Candidate>, ErrorKind> {
        while self.found.len() <= rank && !matches!(self.stage, Stage::Done) {
            self.advance(owner)?;
        }
        Ok(self.found.get(rank))
    }

    /// Does the next piece of work. On an error the piece is done again when asked again.
    fn advance(&mut self, owner: &mut Owner<'_>) -> Result<(), ErrorKind> {
        self.stage = match self.stage {
            Stage::Head => {
                self.ask_head(owner)?;
                Stage::Rest
            }
            Stage::Rest => {
                self.complete()?;
                Stage::File(0)
            }
            Stage::File(index) if index < self.modules.len() => {
                self.ask_file(owner, index)?;
                Stage::File(index + 1)
            }
            Stage::File(_) => Stage::Symbols,
            Stage::Symbols => {
                self.found.append(&mut self.symbols);
                Stage::Scan(0)
            }
            Stage::Scan(index) if index < self.modules.len() => {
                self.scan(owner, index)?;
                Stage::Scan(index + 1)
            }
            Stage::Scan(_) => Stage::Bare,
            Stage::Bare => {
                self.bare.sort_by_key(|candidate| candidate.found_by);
                self.found.append(&mut self.bare);
                Stage::Done
            }
            Stage::Done => Stage::Done,
        };
        if self.found.len() > CANDIDATES_MAX {
            self.found.truncate(CANDIDATES_MAX);
            self.stage = Stage::Done;
        }
        Ok(())
    }

    /// Asks the likeliest module that the head of the layout shows, if its name is good and its
    /// data large enough.
    fn ask_head(&mut self, owner: &mut Owner<'_>) -> Result<(), ErrorKind> {
        for _ in 0..MAPS_HEAD_PARTS_MAX {
            self.group();
            if self.modules.first().is_some_and(|module| self.is_promising(module)) {
                return self.ask_file(owner, 0);
            }
            self.layout.read_on()?;
        }
        Ok(())
    }

    fn is_promising(&self, module: &Module) -> bool {
        let mut data = self.mappings_of(module).filter(|mapping| is_module_data(mapping));
        module.likelihood <= LIKELY && data.any(|mapping| mapping.len() >= RUNTIME_BYTES_MIN)
    }

    /// Reads the rest of the layout.
    fn complete(&mut self) -> Result<(), ErrorKind> {
        self.layout.complete()?;
        self.group();
        Ok(())
    }

    /// Groups the mappings into modules again, keeping what is known of those from before.
    fn group(&mut self) {
        if self.grouped == self.layout.mappings().len() {
            return;
        }
        self.grouped = self.layout.mappings().len();
        let before = core::mem::take(&mut self.modules);
        self.modules = modules(&self.layout);
        for old in before {
            if let Some(module) = self.modules.iter_mut().find(|module| module.id == old.id) {
                module.backing = old.backing;
            }
        }
    }

    /// Whether this place was proposed already.
    fn knows(&self, at: Address) -> bool {
        let all = self.found.iter().chain(&self.symbols).chain(&self.bare);
        all.into_iter().any(|known| known.at == at)
    }

    /// Sorts what the file of a module tells into the lists.
    fn ask_file(&mut self, owner: &mut Owner<'_>, index: usize) -> Result<(), ErrorKind> {
        self.open(owner, index);
        let mut proposals = Vec::new();
        for candidate in self.told_by_file(index) {
            if !self.knows(candidate.at) {
                proposals.push((has_cookie(owner, candidate.at)?, candidate));
            }
        }
        for (cookie, candidate) in proposals {
            let list = match candidate.found_by {
                _ if !cookie => &mut self.bare,
                FoundBy::Section => &mut self.found,
                _ => &mut self.symbols,
            };
            if list.len() < CANDIDATES_MAX {
                list.push(candidate);
            }
        }
        Ok(())
    }

    /// Opens and reads the file of a module, once.
    fn open(&mut self, owner: &mut Owner<'_>, index: usize) {
        let Some(module) = self.modules.get(index) else { return };
        if matches!(module.backing, Backing::Unknown) {
            let backing = match self.open_file(owner, module) {
                Some(file) => read_image(file),
                None => Backing::Unavailable,
            };
            if let Some(module) = self.modules.get_mut(index) {
                module.backing = backing;
            }
        }
    }

    fn open_file(&self, owner: &mut Owner<'_>, module: &Module) -> Option<File> {
        let mappings: Vec<&Mapping> = self.mappings_of(module).collect();
        let path = self.layout.path(mappings.first()?);
        owner.open(&path, module.id, &mappings)
    }

    fn mappings_of<'s>(&'s self, module: &'s Module) -> impl Iterator<Item = &'s Mapping> {
        module.mappings.iter().filter_map(|index| self.layout.mappings().get(*index))
    }

    /// One candidate for each mapping that shows the runtime's first byte.
    fn told_by_file(&self, index: usize) -> Vec<Candidate> {
        let Some(module) = self.modules.get(index) else { return Vec::new() };
        let Backing::Elf { image, .. } = &module.backing else { return Vec::new() };
        let Some(runtime) = image.runtime else { return Vec::new() };
        let Some(place) = image.place(runtime.address) else { return Vec::new() };
        let shown = self.mappings_of(module).filter(|mapping| is_module_data(mapping));
        shown
            .filter_map(|mapping| {
                let at = mapping.address_of(place.offset)?.checked_add(place.beyond)?;
                let name = self.layout.name(mapping);
                let (extent, found_by) = (runtime.size, runtime.found_by);
                Some(Candidate { at: Address::new(at), extent, found_by, module: name })
            })
            .take(CANDIDATES_MAX)
            .collect()
    }

    /// Looks for cookies in the writable memory of a module, and in the zero-initialised memory
    /// behind it.
    fn scan(&mut self, owner: &mut Owner<'_>, index: usize) -> Result<(), ErrorKind> {
        let Some(module) = self.modules.get(index) else { return Ok(()) };
        if matches!(module.backing, Backing::Other) {
            return Ok(());
        }
        let (mut hits, mut left) = (Vec::new(), self.scan_left);
        for mapping in module.mappings.iter().copied() {
            for region in self.data_of(mapping) {
                let name = self.layout.mappings().get(mapping).map(|it| self.layout.name(it));
                let bytes = region.len().min(SCAN_BYTES_MAX).min(left);
                left -= bytes;
                let found = scan_region(owner, region, bytes)?;
                hits.extend(found.into_iter().map(|(at, extent)| Candidate {
                    at,
                    extent,
                    found_by: FoundBy::Scan,
                    module: name.clone().unwrap_or_default(),
                }));
            }
        }
        self.scan_left = left;
        hits.retain(|hit| !self.knows(hit.at));
        self.found.append(&mut hits);
        Ok(())
    }

    /// The mapping of this index if it is a module's data, and the anonymous one right behind it.
    fn data_of(&self, index: usize) -> impl Iterator<Item = &Mapping> {
        let data = self.layout.mappings().get(index).filter(|mapping| is_module_data(mapping));
        let behind = self.layout.mappings().get(index + 1).filter(move |next| {
            let touches = data.is_some_and(|data| data.end == next.start);
            touches && !next.has_file() && next.readable && next.writable
        });
        data.into_iter().chain(behind)
    }

    /// The stretch of this rank in which a program keeps its objects.
    pub(super) fn writable(&mut self, nth: usize) -> Result<Option<MemoryRange>, ErrorKind> {
        if self.writable.is_none() {
            self.complete()?;
            let all = self.layout.mappings().iter().filter(|mapping| self.holds_objects(mapping));
            let range =
                |each: &Mapping| MemoryRange { start: Address::new(each.start), len: each.len() };
            self.writable = Some(all.map(range).collect());
        }
        Ok(self.writable.as_ref().and_then(|all| all.get(nth).copied()))
    }

    /// Private, readable and writable; not the stack and not what the kernel itself maps.
    fn holds_objects(&self, mapping: &Mapping) -> bool {
        let path = self.layout.path(mapping);
        let special = path.starts_with(b"[") && !path.starts_with(b"[anon") && *path != *b"[heap]";
        mapping.readable && mapping.writable && mapping.private && !special
    }

    /// Reads from the file what the mapping at `at` was loaded from; whether it could.
    pub(super) fn read_image(
        &mut self,
        owner: &mut Owner<'_>,
        at: Address,
        into: &mut [u8],
    ) -> Result<bool, ErrorKind> {
        if self.backed_range(at, into.len()).is_none() && !self.layout.is_complete() {
            self.complete()?;
        }
        Ok(self.read_backed(owner, at, into).is_some())
    }

    fn read_backed(&mut self, owner: &mut Owner<'_>, at: Address, into: &mut [u8]) -> Option<()> {
        let (id, offset) = self.backed_range(at, into.len())?;
        if self.modules.is_empty() {
            self.group();
        }
        let index = self.modules.iter().position(|module| module.id == id)?;
        self.open(owner, index);
        let module = self.modules.get(index)?;
        let Backing::Elf { image, file } = &module.backing else { return None };
        image.loads(offset, u64::try_from(into.len()).ok()?).then_some(())?;
        let read = match file {
            Some(file) => elf::ReadAt::read_at(file, offset, into)?,
            None => elf::ReadAt::read_at(&self.open_file(owner, module)?, offset, into)?,
        };
        (read == into.len()).then_some(())
    }

    /// The file and the offset behind `len` bytes at `at`, which may cross from one mapping into
    /// the next where both show consecutive bytes of the same file: protection splits mappings.
    fn backed_range(&self, at: Address, len: usize) -> Option<(FileId, u64)> {
        let start = at.get();
        let end = start.checked_add(u64::try_from(len).ok()?)?;
        let all = self.layout.mappings();
        let first = all.partition_point(|mapping| mapping.end <= start);
        let mut mappings = all.get(first..)?.iter();
        let mapping = mappings.next()?;
        let offset = mapping.offset_of(start)?;
        mapping.has_file().then_some(())?;
        let mut reached = mapping.end;
        while reached < end {
            let next = mappings.next()?;
            let continues = next.start == reached
                && next.file == mapping.file
                && next.offset_of(reached) == offset.checked_add(reached - start);
            continues.then_some(())?;
            reached = next.end;
        }
        Some((mapping.file, offset))
    }
}

fn read_image(file: File) -> Backing {
    match elf::runtime_in(&file) {
        Some(image) => {
            let file = image.runtime.is_some().then_some(file);
            Backing::Elf { image, file }
        }
        None => Backing::Other,
    }
}

/// Whether it can be the data of a loaded module: the loader maps those private and writable, and
/// a program that maps a file to look at it rarely does.
fn is_module_data(mapping: &Mapping) -> bool {
    mapping.has_file() && mapping.readable && mapping.writable && mapping.private
}

/// Groups the mappings by file and puts the likeliest files first.
fn modules(layout: &Layout) -> Vec<Module> {
    let mut by_file: BTreeMap<FileId, Vec<usize>> = BTreeMap::new();
    for (index, mapping) in layout.mappings().iter().enumerate() {
        if mapping.has_file() {
            by_file.entry(mapping.file).or_default().push(index);
        }
    }
    let mut modules: Vec<Module> = by_file
        .into_iter()
        .filter_map(|(id, mappings)| {
            let mut own = mappings.iter().filter_map(|index| layout.mappings().get(*index));
            let path = layout.path(own.clone().next()?);
            own.any(is_module_data).then_some(())?;
            let likelihood = likelihood(maps::file_name(&path));
            Some(Module { id, likelihood, mappings, backing: Backing::Unknown })
        })
        .collect();
    modules.sort_by_key(|module| (module.likelihood, module.mappings.first().copied()));
    modules
}

/// The classes of files whose names say that they are the interpreter.
const LIKELY: u8 = 1;

/// In which class of its name a file is asked, the lowest first. Only a matter of speed: a file
/// that calls itself `python` falsely gives no candidate, and the search goes on
/// (CPython's own search ends at the first such file that it cannot read).
fn likelihood(name: &[u8]) -> u8 {
    let holds = |part: &[u8]| name.windows(part.len()).any(|window| window == part);
    match () {
        // An executable linked against libpython has no runtime of its own.
        () if name.starts_with(b"libpython") && !name.starts_with(b"libpython3.so") => 0,
        () if name.starts_with(b"python") => 1,
        // Extension modules are called `_datetime.cpython-314-x86_64-linux-gnu.so`.
        () if holds(b"python") && !holds(b".cpython-") => 2,
        () if holds(b".so") => 4,
        // Most likely the executable, under whatever name.
        () => 3,
    }
}

/// Whether the cookie is there. What cannot be read has none; what we may not read, or is gone, is
/// an error (python/cpython#149619: "section not found" instead of a missing permission).
fn has_cookie(owner: &mut Owner<'_>, at: Address) -> Result<bool, ErrorKind> {
    let mut bytes = [0; COOKIE.len()];
    match owner.memory.read(owner.handle, at, &mut bytes) {
        Ok(()) => Ok(bytes == *COOKIE),
        Err(error) => reachable(error.kind).map(|()| false),
    }
}

/// Sorts the errors that concern one address from those that concern the process.
fn reachable(kind: ErrorKind) -> Result<(), ErrorKind> {
    match kind {
        ErrorKind::Unmapped | ErrorKind::Short | ErrorKind::OutOfRange => Ok(()),
        kind => Err(kind),
    }
}

/// Where cookies stand in the first `bytes` of a mapping, each with the bytes left behind it.
///
/// Only multiples of 8 are looked at: the structure starts with a 64-bit number. Chunks are
/// multiples of 8 too, so that no cookie lies across two.
fn scan_region(
    owner: &mut Owner<'_>,
    region: &Mapping,
    bytes: u64,
) -> Result<Vec<(Address, u64)>, ErrorKind> {
    let mut hits = Vec::new();
    let end = region.start.saturating_add(bytes);
    let mut chunk = vec![0; SCAN_CHUNK_BYTES];
    let mut at = region.start;
    while at < end && hits.len() < SCAN_HITS_MAX {
        let len = usize::try_from(end - at).unwrap_or(usize::MAX).min(SCAN_CHUNK_BYTES);
        let part = chunk.get_mut(..len).unwrap_or_default();
        let (read, more) = match owner.memory.read(owner.handle, Address::new(at), part) {
            Ok(()) => (len, true),
            Err(error) => (error.done, reachable(error.kind).map(|()| false)?),
        };
        let words = part.get(..read).unwrap_or_default().chunks_exact(COOKIE.len());
        let found = words.enumerate().filter(|(_, word)| *word == COOKIE);
        hits.extend(found.map(|(index, _)| {
            let hit = at + (index * COOKIE.len()) as u64;
            (Address::new(hit), region.end - hit)
        }));
        if !more {
            break;
        }
        at += len as u64;
    }
    hits.truncate(SCAN_HITS_MAX);
    Ok(hits)
}

#[cfg(test)]
#[path = "candidates_tests.rs"]
mod tests;

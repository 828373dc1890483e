//! Where the runtime is: candidates in the backend's order, each proved down to a live
//! interpreter or dropped.
//!
//! Folklore: a cookie alone decides nothing. A second copy of libpython that some extension
//! loaded has a valid table as well, since the table is constant data of the file, and often lies
//! at the lower address; `sys.remote_exec` then reports "no running interpreter"
//! (python/cpython#144563; `attach/dead-second-copy.ron`).

use softdock_process::{Address, FoundBy};

use crate::attempt::{Attempt, Step, Stop, Target, is_about_memory};
use crate::layout::{self, Layout, Parsed, Proof, Slab};
use crate::limits::{
    CANDIDATES_MAX, HEADER_DUMP_BYTES, TABLE_BYTES_KNOWN_MAX, TABLE_BYTES_SEARCHED_MAX,
};
use crate::report::{Stage, StageResult};
use crate::tables::{COOKIE, FREE_THREADED, VERSION};
use crate::version::{Version, recognise};
use crate::words::u64_at;
use crate::{Host, LayoutFault, Outcome, Reason, Report, Site};

/// A candidate, without the backend's borrow.
#[derive(Clone, Copy, Debug)]
struct Place {
    rank: usize,
    at: Address,
    extent: u64,
    found_by: FoundBy,
    named: Option<(u8, u8)>,
}

/// A candidate whose table was looked through at length, and what came of it.
#[derive(Clone, Debug)]
pub(crate) struct Looked {
    place: Place,
    version: Version,
    parsed: Result<Parsed, (LayoutFault, Parsed)>,
}

impl<H: Host> Attempt<'_, H> {
    /// Tries every candidate; what is told of a failure is the one that came furthest. A search
    /// that is gone on from a candidate that was looked through has not failed at any before it.
    pub(crate) fn search(&mut self, looked: Option<Looked>) -> Step<Target> {
        let nothing =
            Stop { outcome: Outcome::Refused, site: Site::Locate, reason: Reason::NotPython };
        let (mut best, mut looked) = ((nothing, None), looked);
        for exported in [false, true] {
            if exported && !self.may_use_exports() {
                break;
            }
            if let Some(target) = self.search_among(exported, looked.take(), &mut best)? {
                return Ok(target);
            }
            self.search_goes_on = false;
        }
        let (stop, report) = best;
        if let Some(report) = report {
            self.report = report;
        }
        Err(stop)
    }

    /// Tries the candidates of one kind. Stops only where the whole attempt must; what became of
    /// the others goes into `best`.
    fn search_among(
        &mut self,
        exported: bool,
        mut looked: Option<Looked>,
        best: &mut (Stop, Option<Report>),
    ) -> Step<Option<Target>> {
        let first = looked.as_ref().map_or(0, |looked| looked.place.rank);
        for rank in first..CANDIDATES_MAX {
            let examined = match looked.take() {
                Some(looked) => self.examine_further(looked),
                None => {
                    let Some(place) = self.place(rank)? else { break };
                    if (place.found_by == FoundBy::Symbol) != exported {
                        continue;
                    }
                    self.examine(place)
                }
            };
            let stop = match examined {
                Ok(target) => return Ok(Some(target)),
                Err(stop) if is_final(stop) => return Err(stop),
                Err(stop) => stop,
            };
            let fresh = self.report.before_candidates();
            let failed = core::mem::replace(&mut self.report, fresh);
            self.search_goes_on = false;
            if best.1.is_none() || stop.site > best.0.site {
                *best = (stop, Some(failed));
            }
        }
        Ok(None)
    }

    fn may_use_exports(&mut self) -> bool {
        let allowed = self.config.allow_export && self.config.allow_export_fallback;
        let result = if allowed { StageResult::Done } else { StageResult::Off };
        self.report.set_stage(Stage::Export, result);
        allowed
    }

    fn place(&mut self, rank: usize) -> Step<Option<Place>> {
        self.at(Site::Locate);
        let candidate = self.host.candidate(rank).map(|candidate| {
            candidate.map(|candidate| Place {
                rank,
                at: candidate.at,
                extent: candidate.extent,
                found_by: candidate.found_by,
                named: recognise(&candidate.module),
            })
        });
        self.asked(candidate)
    }

    fn examine(&mut self, place: Place) -> Step<Target> {
        let version = self.read_slab(place)?;
        let parsed = self.parse_slab(place, version)?;
        self.examine_parsed(place, &parsed)
    }

    /// What [`Attempt::examine`] does after a look at length.
    fn examine_further(&mut self, looked: Looked) -> Step<Target> {
        let place = looked.place;
        let parsed = self.look_twice(looked)?;
        self.examine_parsed(place, &parsed)
    }

    fn examine_parsed(&mut self, place: Place, parsed: &Parsed) -> Step<Target> {
        let proof = self.prove_slab(place.at, parsed)?;
        self.report.proof = Some(proof);
        self.resolve(place.at, parsed)
    }

    /// Reads the table and judges its header.
    fn read_slab(&mut self, place: Place) -> Step<Version> {
        self.at(Site::ReadSlab);
        self.report.runtime = Some((place.at, place.found_by));
        self.fetch_slab(place, TABLE_BYTES_KNOWN_MAX)?;
        if !self.slab.starts_with(&COOKIE) {
            self.dump_header();
            return self.without_cookie(place);
        }
        self.at(Site::VersionGate);
        let version = u64_at(&self.slab, VERSION).and_then(Version::from_word);
        let Some(version) = version else { return self.refuse(Reason::VersionUnknown) };
        self.report.version = Some(version);
        self.report.free_threaded = u64_at(&self.slab, FREE_THREADED).map(|word| word == 1);
        match (version.major(), version.minor()) {
            (3, 14..) => Ok(version),
            (3, _) => self.refuse(Reason::VersionTooOld),
            _ => self.refuse(Reason::VersionUnknown),
        }
    }

    /// CPython 3.10 to 3.12 have the section, but no table in it: then the name may tell which.
    fn without_cookie<T>(&mut self, place: Place) -> Step<T> {
        match place.named {
            Some((major, minor)) if minor < 14 => {
                self.report.named_version = Some((major, minor));
                self.at(Site::VersionGate);
                self.refuse(Reason::VersionTooOld)
            }
            _ => self.refuse(Reason::Cookie),
        }
    }

    fn fetch_slab(&mut self, place: Place, bytes: usize) -> Step<()> {
        let extent = usize::try_from(place.extent).unwrap_or(usize::MAX);
        let bytes = bytes.min(extent);
        if bytes < HEADER_DUMP_BYTES {
            return self.refuse(Reason::Layout(LayoutFault::TooShort));
        }
        self.slab.resize(bytes, 0);
        let read = self.host.read(place.at, &mut self.slab);
        self.must(read)
    }

    fn dump_header(&mut self) {
        let mut header = [0; HEADER_DUMP_BYTES];
        for (to, from) in header.iter_mut().zip(&self.slab) {
            *to = *from;
        }
        self.report.header = Some(header);
    }

    /// Looks for a layout. A familiar table needs no more bytes than were read; anything else
    /// deserves a wider look, so that a second plausible place is seen.
    fn parse_slab(&mut self, place: Place, version: Version) -> Step<Parsed> {
        self.at(Site::ParseSlab);
        let slab = Slab { bytes: &self.slab, version, extent: place.extent };
        if let Some(parsed) = layout::parse_familiar(slab) {
            return self.accept(Ok(parsed));
        }
        self.at(Site::ReadSlab);
        self.fetch_slab(place, TABLE_BYTES_SEARCHED_MAX)?;
        self.at(Site::ParseSlab);
        let parsed = self.parse(version, place.extent);
        self.look_twice(Looked { place, version, parsed })
    }

    /// A wrong reading could hide the second of two plausible places.
    fn look_twice(&mut self, looked: Looked) -> Step<Parsed> {
        self.comes_to_looked(&looked);
        let Looked { place, version, parsed } = looked;
        if self.reads_otherwise(place)? && self.parse(version, place.extent) != parsed {
            return self.refuse(Reason::SlabUnstable);
        }
        self.accept(parsed)
    }

    fn accept(&mut self, parsed: Result<Parsed, (LayoutFault, Parsed)>) -> Step<Parsed> {
        match parsed {
            Ok(parsed) => {
                self.report.parse_mode = parsed.mode;
                self.report.parse_faults = parsed.faults;
                Ok(parsed)
            }
            Err((fault, parsed)) => {
                self.report.parse_faults = parsed.faults;
                self.dump_header();
                self.refuse(Reason::Layout(fault))
            }
        }
    }

    /// Reads the table once more, and says whether anything has changed, in the table itself or in
    /// the live words behind it.
    fn reads_otherwise(&mut self, place: Place) -> Step<bool> {
        self.at(Site::ReadSlab);
        // No thread state has been read yet: its buffer keeps the first reading.
        core::mem::swap(&mut self.slab, &mut self.state);
        self.fetch_slab(place, TABLE_BYTES_SEARCHED_MAX)?;
        self.at(Site::ParseSlab);
        Ok(self.slab != self.state)
    }

    fn parse(&self, version: Version, extent: u64) -> Result<Parsed, (LayoutFault, Parsed)> {
        layout::parse(Slab { bytes: &self.slab, version, extent }, self.config)
    }

    /// Where the mapped file can be read, it must hold the same table; where not, the table must
    /// at least read the same twice.
    pub(crate) fn prove_slab(&mut self, at: Address, parsed: &Parsed) -> Step<Proof> {
        self.at(Site::ProveSlab);
        let bytes = parsed.layouts.iter().map(|layout: &Layout| layout.table_bytes).max();
        let bytes = usize::try_from(bytes.unwrap_or(0)).unwrap_or(0);
        // No thread state has been read yet: its buffer serves for the second witness.
        self.state.resize(bytes, 0);
        if !self.read_witness(at)? {
            let read = self.host.read(at, &mut self.state);
            self.must(read)?;
            return match self.is_witnessed() {
                true => Ok(Proof::Structural),
                false => self.refuse(Reason::SlabUnstable),
            };
        }
        // Twice: a damaged table and one wrong reading of the file could agree.
        if self.is_witnessed() && self.read_witness(at)? && self.is_witnessed() {
            return Ok(Proof::Image);
        }
        self.refuse(Reason::ImageMismatch)
    }

    /// The table as the mapped file has it, if the file can be read.
    fn read_witness(&mut self, at: Address) -> Step<bool> {
        let image = self.host.read_image(at, &mut self.state);
        self.asked(image)
    }

    fn is_witnessed(&self) -> bool {
        self.slab.starts_with(&self.state)
    }
}

/// Whether the attempt ends here, instead of going on with the next candidate: the process cannot
/// be reached, or this candidate has led to an interpreter and so is the runtime.
fn is_final(stop: Stop) -> bool {
    match stop.reason {
        Reason::Memory(kind) if !is_about_memory(kind) => true,
        Reason::Process(_) => true,
        _ => stop.site > Site::WalkInterpreters,
    }
}

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

/// The candidate that came furthest, and failed.
struct Failed {
    stop: Stop,
    /// What became of it; `None` where that is still what the attempt reports.
    report: Option<Report>,
}

/// What came of looking for a layout.
type Parsing = Result<Parsed, (LayoutFault, Parsed)>;

/// A candidate, and how far it was examined.
#[derive(Clone, Debug)]
pub(crate) struct Examined {
    place: Place,
    /// The version of a table that has no familiar layout.
    version: Option<Version>,
    /// What came of a first look through such a table at length.
    parsing: Option<Parsing>,
}

impl<H: Host> Attempt<'_, H> {
    /// Tries every candidate; what is told of a failure is the one that came furthest. A search
    /// that is gone on from a candidate has not failed at any before it.
    pub(crate) fn search(&mut self, mut from: Option<&Examined>) -> Step<Target> {
        let mut best = None;
        for exported in [false, true] {
            if exported && !self.may_use_exports(best.is_some()) {
                break;
            }
            if let Some(target) = self.search_among(exported, from.take(), &mut best)? {
                return Ok(target);
            }
            self.search_goes_on = false;
        }
        let Some(Failed { stop, report }) = best else {
            let (outcome, reason) = (Outcome::Refused, Reason::NotPython);
            return Err(Stop { outcome, site: Site::Locate, reason });
        };
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
        mut from: Option<&Examined>,
        best: &mut Option<Failed>,
    ) -> Step<Option<Target>> {
        let first = from.map_or(0, |examined| examined.place.rank);
        for rank in first..CANDIDATES_MAX {
            let examined = match from.take() {
                Some(examined) => self.examine_further(examined),
                None => {
                    let place = self.place(rank);
                    let place = place.inspect_err(|_| self.set_aside(exported, best))?;
                    let Some(place) = place else { break };
                    if (place.found_by == FoundBy::Symbol) != exported {
                        continue;
                    }
                    self.set_aside(exported, best);
                    self.examine(place)
                }
            };
            let stop = match examined {
                Ok(target) => return Ok(Some(target)),
                Err(stop) if is_final(stop) => return Err(stop),
                Err(stop) => stop,
            };
            self.search_goes_on = false;
            if best.as_ref().is_none_or(|best| stop.site > best.stop.site) {
                *best = Some(Failed { stop, report: None });
            } else {
                self.report = self.report.before_candidates();
            }
        }
        Ok(None)
    }

    /// Begins a report of another candidate.
    fn set_aside(&mut self, exported: bool, best: &mut Option<Failed>) {
        if let Some(best @ Failed { report: None, .. }) = best {
            let fresh = self.report.before_candidates();
            best.report = Some(core::mem::replace(&mut self.report, fresh));
        }
        if exported {
            self.report.set_stage(Stage::Export, StageResult::Done);
        }
    }

    fn may_use_exports(&mut self, has_failed: bool) -> bool {
        let allowed = self.config.allow_export && self.config.allow_export_fallback;
        let result = if allowed { StageResult::Done } else { StageResult::Off };
        // What has failed is told as it was then.
        if !has_failed {
            self.report.set_stage(Stage::Export, result);
        }
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
        self.comes_to_examined(|| Examined { place, version: None, parsing: None });
        let version = self.read_slab(place)?;
        let parsed = self.parse_slab(place, version)?;
        self.examine_parsed(place, &parsed)
    }

    /// The rest of [`Attempt::examine`].
    fn examine_further(&mut self, examined: &Examined) -> Step<Target> {
        let Examined { place, version, parsing } = examined;
        let Some(version) = *version else { return self.examine(*place) };
        let parsed = match parsing {
            None => self.look_through(*place, version)?,
            Some(first) => self.look_twice(*place, version, first)?,
        };
        self.examine_parsed(*place, &parsed)
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

    /// Reads the table, and says whether it is not what was read before.
    fn fetch_slab(&mut self, place: Place, bytes: usize) -> Step<bool> {
        let extent = usize::try_from(place.extent).unwrap_or(usize::MAX);
        let bytes = bytes.min(extent);
        if bytes < HEADER_DUMP_BYTES {
            return self.refuse(Reason::Layout(LayoutFault::TooShort));
        }
        let read = self.read_table(place.at, bytes);
        self.must(read)
    }

    fn dump_header(&mut self) {
        let mut header = [0; HEADER_DUMP_BYTES];
        for (to, from) in header.iter_mut().zip(self.slab.iter()) {
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
        self.look_through(place, version)
    }

    fn look_through(&mut self, place: Place, version: Version) -> Step<Parsed> {
        self.comes_to_examined(|| Examined { place, version: Some(version), parsing: None });
        self.at(Site::ReadSlab);
        self.fetch_slab(place, TABLE_BYTES_SEARCHED_MAX)?;
        self.at(Site::ParseSlab);
        let first = self.parse(version, place.extent);
        self.look_twice(place, version, &first)
    }

    /// A wrong reading could hide the second of two plausible places. In the other one anything may
    /// have changed: the table itself, or the live words behind it.
    fn look_twice(&mut self, place: Place, version: Version, first: &Parsing) -> Step<Parsed> {
        let examined = || Examined { place, version: Some(version), parsing: Some(first.clone()) };
        self.comes_to_examined(examined);
        self.at(Site::ReadSlab);
        let is_new = self.fetch_slab(place, TABLE_BYTES_SEARCHED_MAX)?;
        self.at(Site::ParseSlab);
        if is_new && self.parse(version, place.extent) != *first {
            return self.refuse(Reason::SlabUnstable);
        }
        self.accept(first.clone())
    }

    fn accept(&mut self, parsing: Parsing) -> Step<Parsed> {
        match parsing {
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

    fn parse(&self, version: Version, extent: u64) -> Parsing {
        layout::parse(Slab { bytes: &self.slab, version, extent }, self.config)
    }

    /// Where the mapped file can be read, it must hold the same table; where not, the table must
    /// at least read the same twice.
    pub(crate) fn prove_slab(&mut self, at: Address, parsed: &Parsed) -> Step<Proof> {
        self.at(Site::ProveSlab);
        let bytes = parsed.layouts.iter().map(|layout: &Layout| layout.table_bytes).max();
        let bytes = usize::try_from(bytes.unwrap_or(0)).unwrap_or(0);
        self.scratch.resize(bytes, 0);
        if !self.read_witness(at)? {
            let read = self.host.read(at, &mut self.scratch);
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
        let image = self.host.read_image(at, &mut self.scratch);
        self.asked(image)
    }

    fn is_witnessed(&self) -> bool {
        self.slab.starts_with(&self.scratch)
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

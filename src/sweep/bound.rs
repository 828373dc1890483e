//! What a sweep leaves out. Nothing is left out that is not told here by name, in the certificate
//! of the scenario and at the end of the sweep.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::certificate::Totals;
use super::work::Sweep;
use crate::choice::{DENSE, DENSE_MAX};
use crate::scenario::Attach;

/// One kind of case that is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Bound {
    /// Not every byte of a long read.
    LongReads,
    /// Neither pairs nor lies in a run that moves megabytes.
    Bulk,
    /// No lie beside another.
    OwnLie,
    /// No second fault after each of the failures that are followed by the same.
    Classes,
}

/// A quiet run that moves more bytes than these takes a hundred times as long as others.
const BULK_BYTES: u64 = 128 * 1024;

impl Bound {
    /// Every one there is.
    pub const ALL: [Bound; 4] = [Bound::LongReads, Bound::Bulk, Bound::OwnLie, Bound::Classes];

    /// What this sweep leaves out of a scenario whose quiet run is this.
    #[must_use]
    pub fn of(sweep: &Sweep, scenario: &Attach, quiet: &Totals) -> Vec<Bound> {
        let is_bulk = quiet.read_bytes > BULK_BYTES;
        let goes_deeper = sweep.depth > 1;
        let holds = |bound: &Bound| match bound {
            Bound::LongReads => quiet.spots < quiet.read_bytes + quiet.image_bytes,
            Bound::Bulk => is_bulk && (goes_deeper || sweep.lies),
            Bound::OwnLie => sweep.lies && scenario.lies(),
            Bound::Classes => goes_deeper && !is_bulk,
        };
        Bound::ALL.into_iter().filter(holds).collect()
    }
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Bound::LongReads => write!(
                f,
                "of a read of more than {DENSE_MAX} bytes the first {DENSE} are cases, then one \
                 byte in {DENSE}"
            ),
            Bound::Bulk => {
                write!(f, "neither pairs nor lies: it moves more than {BULK_BYTES} bytes")
            }
            Bound::OwnLie => f.write_str("no lies: it tells one itself, and two can fool anybody"),
            Bound::Classes => f.write_str(
                "of neighbouring failures that are followed by the same, the first and the last \
                 get a second fault",
            ),
        }
    }
}

//! Who wants a breakpoint where, and what it replaced. One site an address, with any number of
//! rows: the first row puts the breakpoint into memory, the last one takes it out.
//!
//! Folklore: CoreCLR has a copy of the saved opcode in each row, and took "not 0" for "active". But
//! 0 is an opcode, `RET`: a breakpoint on a return could not be removed any more
//! (dotnet/runtime#124499), and a second row on one was never active (`stepping/rows-on-a-ret`).
//! Here a site exists exactly as long as its breakpoint is in memory, whatever it replaced.
//!
//! Folklore: where a breakpoint is in memory already, CoreCLR takes the row as not active and its
//! opcode as 0, so that a thread which goes on from there executes `RET`
//! (`stepping/breakpoint-on-a-break`). A program may have breakpoints of its own, by the
//! instruction `break`: what stands in for them is an instruction that does nothing.

use std::sync::Arc;

use softdock_process::{Address, MemoryError, ProcessMemory};

use crate::breakpoint::Refused;
use crate::control::{ExecutionControl, PatchError};
use crate::walker::{Instruction, Undecodable, decode};
use crate::{BreakpointId, StepperId, ThreadId};

/// Who wants it. Breakpoints come before steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Owner {
    /// A breakpoint, for every thread and every frame.
    Breakpoint(BreakpointId),
    /// A step.
    Stepper(StepperId),
}

/// One wish.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Row {
    /// Whose.
    pub owner: Owner,
    /// For this thread only.
    pub thread: Option<ThreadId>,
    /// For this method frame and its clauses only, by address.
    pub frame: Option<Address>,
}

/// An address with a breakpoint in memory.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Site {
    /// Where.
    pub at: Address,
    /// The opcode that was there.
    pub original: u32,
    /// Whether the breakpoint is the program's own: it was there before, and stays.
    pub is_own: bool,
    /// Who wants it, breakpoints first. Nobody, where it could not be taken out.
    pub rows: Vec<Row>,
}

impl Site {
    /// Nobody wanted the breakpoint until now. It may be torn since it was put in or taken out: a
    /// breakpoint that is reported set must be set.
    fn mend(
        &self,
        control: &impl ExecutionControl,
        memory: &mut impl ProcessMemory,
    ) -> Result<(), PatchError> {
        match control.apply(memory, self.at) {
            Ok(_) | Err(PatchError::AlreadyBreakpoint) => Ok(()),
            Err(PatchError::Torn(_)) => Err(PatchError::Torn(self.original)),
            Err(error) => Err(error),
        }
    }
}

/// All sites, by address; one list for all copies, until one of them changes it. Whoever tries
/// every schedule copies the debugger at each stop, and few stops change anything.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct PatchTable {
    sites: Arc<Vec<Site>>,
}

impl PatchTable {
    pub(crate) fn sites(&self) -> &[Site] {
        &self.sites
    }

    /// The site at this address.
    pub(crate) fn at(&self, at: Address) -> Option<&Site> {
        self.sites.iter().find(|site| site.at == at)
    }

    /// The word at this address, as if there were no breakpoints.
    pub(crate) fn word(
        &self,
        memory: &mut impl ProcessMemory,
        at: Address,
    ) -> Result<u32, MemoryError> {
        self.at(at).map_or_else(|| memory.read_u32(at), |site| Ok(site.original))
    }

    /// The instruction at this address, as if there were no breakpoints.
    pub(crate) fn instruction(
        &self,
        memory: &mut impl ProcessMemory,
        at: Address,
    ) -> Result<Instruction, Refused> {
        let opcode = self.word(memory, at);
        let opcode =
            opcode.map_err(|error| Refused::Undecodable(at, Undecodable::Memory(error)))?;
        decode(memory, at, opcode).map_err(|error| Refused::Undecodable(at, error))
    }

    /// Adds a row. One owner has one row for the same thread and frame, however often it asks. What
    /// is torn by that is kept, with nobody who wants it, and mended as soon as that can be.
    pub(crate) fn add(
        &mut self,
        control: &impl ExecutionControl,
        memory: &mut impl ProcessMemory,
        at: Address,
        row: Row,
    ) -> Result<(), PatchError> {
        let sites = Arc::make_mut(&mut self.sites);
        let place = sites.partition_point(|site| site.at < at);
        let known = sites.get_mut(place).filter(|site| site.at == at);
        if let Some(site) = known {
            if site.rows.is_empty() {
                site.mend(control, memory)?;
            }
            if !site.rows.contains(&row) {
                let nth = site.rows.partition_point(|other| other.owner <= row.owner);
                site.rows.insert(nth, row);
            }
            return Ok(());
        }
        let (original, is_own) = match control.apply(memory, at) {
            Err(PatchError::AlreadyBreakpoint) => (control.nothing(), true),
            Err(PatchError::Torn(original)) => {
                sites.insert(place, Site { at, original, is_own: false, rows: Vec::new() });
                return Err(PatchError::Torn(original));
            }
            applied => (applied?, false),
        };
        sites.insert(place, Site { at, original, is_own, rows: vec![row] });
        Ok(())
    }

    /// Removes all rows of an owner. A site whose breakpoint cannot be taken out stays, with nobody
    /// who wants it: threads get past it as past any other, and it is tried again next time.
    pub(crate) fn remove(
        &mut self,
        control: &impl ExecutionControl,
        memory: &mut impl ProcessMemory,
        owner: Owner,
    ) -> Result<(), (Address, PatchError)> {
        let mut result = Ok(());
        let sites = Arc::make_mut(&mut self.sites);
        for site in &mut *sites {
            site.rows.retain(|row| row.owner != owner);
        }
        sites.retain(|site| {
            if !site.rows.is_empty() {
                return true;
            }
            if site.is_own {
                return false;
            }
            let restored = control.unapply(memory, site.at, site.original);
            let restored = restored.map_err(|error| (site.at, error));
            let failed = restored.is_err();
            result = result.and(restored);
            failed
        });
        result
    }
}

#[cfg(test)]
mod tests {
    use softdock_process::ErrorKind;

    use super::*;
    use crate::control::{Bytecode, Native};

    /// Some words from address 4096 on; writes can be told to go wrong.
    struct Words {
        bytes: Vec<u8>,
        writes: Write,
    }

    enum Write {
        Land,
        Fail,
        Vanish,
        Half,
    }

    impl Words {
        fn new(words: &[u32]) -> Words {
            Words {
                bytes: words.iter().flat_map(|w| w.to_le_bytes()).collect(),
                writes: Write::Land,
            }
        }
    }

    impl ProcessMemory for Words {
        fn read(&mut self, at: Address, into: &mut [u8]) -> Result<(), MemoryError> {
            let at = (at.get() - 4096) as usize;
            into.copy_from_slice(&self.bytes[at..at + into.len()]);
            Ok(())
        }

        fn write(&mut self, at: Address, from: &[u8]) -> Result<(), MemoryError> {
            let start = (at.get() - 4096) as usize;
            let done = match self.writes {
                Write::Land => from.len(),
                Write::Fail | Write::Vanish => 0,
                Write::Half => from.len() / 2,
            };
            self.bytes[start..start + done].copy_from_slice(&from[..done]);
            if matches!(self.writes, Write::Fail) {
                return Err(MemoryError::untouched(ErrorKind::Denied, at, from.len()));
            }
            Ok(())
        }
    }

    const AT: Address = Address::new(4096);
    const BREAKPOINT: Owner = Owner::Breakpoint(BreakpointId(1));
    const STEP: Owner = Owner::Stepper(StepperId(1));

    const fn row(owner: Owner) -> Row {
        Row { owner, thread: None, frame: None }
    }

    fn both_ways(control: &impl ExecutionControl, word: u32, patched: u32) {
        for removed_first in [BREAKPOINT, STEP] {
            let (mut memory, mut table) = (Words::new(&[word]), PatchTable::default());
            table.add(control, &mut memory, AT, row(STEP)).unwrap();
            table.add(control, &mut memory, AT, row(BREAKPOINT)).unwrap();
            table.add(control, &mut memory, AT, row(STEP)).unwrap();
            let owners: Vec<Owner> =
                table.at(AT).unwrap().rows.iter().map(|row| row.owner).collect();
            assert_eq!(owners, [BREAKPOINT, STEP], "breakpoints first, nobody twice");
            assert_eq!(memory.read_u32(AT), Ok(patched));
            let last = if removed_first == STEP { BREAKPOINT } else { STEP };
            table.remove(control, &mut memory, removed_first).unwrap();
            assert_eq!(memory.read_u32(AT), Ok(patched), "one is left");
            table.remove(control, &mut memory, last).unwrap();
            assert_eq!((memory.read_u32(AT), table), (Ok(word), PatchTable::default()));
        }
    }

    /// 0 is `RET`: what was replaced says nothing about whether something was.
    #[test]
    fn the_last_one_out_restores_whatever_was_there() {
        for word in [0, 285, 204] {
            both_ways(&Bytecode, word, crate::BREAKPOINT);
        }
        // 204 is `SUB_I8`, and its lower byte an `int3`: to processors only.
        for word in [0, 285] {
            both_ways(&Native, word, word & !0xff | 0xcc);
        }
    }

    #[test]
    fn a_write_that_fails_or_does_not_land_sets_nothing() {
        for (writes, error) in [
            (Write::Fail, PatchError::Memory(ErrorKind::Denied)),
            (Write::Vanish, PatchError::NotWritten),
        ] {
            let (mut memory, mut table) = (Words::new(&[285]), PatchTable::default());
            memory.writes = writes;
            let added = table.add(&Bytecode, &mut memory, AT, row(STEP));
            assert_eq!((added, memory.read_u32(AT)), (Err(error), Ok(285)));
            assert_eq!(table, PatchTable::default());
        }
    }

    /// Half of the breakpoint is there and cannot be taken back: 285 is 0x11d, and 317 is 0x13d.
    #[test]
    fn a_write_that_lands_half_is_taken_back() {
        let (mut memory, mut table) = (Words::new(&[0x0001_011d]), PatchTable::default());
        memory.writes = Write::Half;
        let added = table.add(&Bytecode, &mut memory, AT, row(STEP));
        assert_eq!(added, Err(PatchError::NotWritten));
        assert_eq!(memory.read_u32(AT), Ok(0x0001_011d), "the lower half is put back");
    }

    #[test]
    fn a_breakpoint_of_the_program_is_used_and_stays() {
        let (mut memory, mut table) = (Words::new(&[317]), PatchTable::default());
        table.add(&Bytecode, &mut memory, AT, row(STEP)).unwrap();
        assert_eq!(table.at(AT).map(|site| (site.original, site.is_own)), Some((352, true)));
        table.remove(&Bytecode, &mut memory, STEP).unwrap();
        assert_eq!((memory.read_u32(AT), table), (Ok(317), PatchTable::default()));
    }

    /// Half of the breakpoint is there when the next one comes: 285 is 0x11d.
    #[test]
    fn a_torn_word_is_mended_before_anybody_waits_there() {
        let torn = Site { at: AT, original: 0x0001_011d, is_own: false, rows: Vec::new() };
        let mut memory = Words::new(&[0x0001_013d]);
        let mut table = PatchTable { sites: vec![torn.clone()].into() };
        memory.writes = Write::Fail;
        let added = table.add(&Bytecode, &mut memory, AT, row(STEP));
        assert_eq!(added, Err(PatchError::Memory(ErrorKind::Denied)));
        assert_eq!(table.sites(), [torn], "nobody waits where nothing stops");
        memory.writes = Write::Land;
        table.add(&Bytecode, &mut memory, AT, row(STEP)).unwrap();
        assert_eq!(memory.read_u32(AT), Ok(crate::BREAKPOINT));
        table.remove(&Bytecode, &mut memory, STEP).unwrap();
        assert_eq!((memory.read_u32(AT), table), (Ok(0x0001_011d), PatchTable::default()));
    }

    #[test]
    fn what_cannot_be_taken_out_stays_with_nobody_who_wants_it() {
        let (mut memory, mut table) = (Words::new(&[285]), PatchTable::default());
        table.add(&Bytecode, &mut memory, AT, row(STEP)).unwrap();
        memory.writes = Write::Fail;
        assert!(table.remove(&Bytecode, &mut memory, STEP).is_err());
        assert_eq!(table.at(AT).map(|site| (site.original, site.rows.len())), Some((285, 0)));
        memory.writes = Write::Land;
        table.remove(&Bytecode, &mut memory, BREAKPOINT).unwrap();
        assert_eq!((memory.read_u32(AT), table), (Ok(285), PatchTable::default()));
    }
}

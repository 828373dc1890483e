//! The damage of a scenario, done to the memory of its process before anybody looks at it. The
//! process knows nothing of it: its own books stay as they were.

use softdock_cpython::Process;
use softdock_memory::Protection;
use softdock_process::Address;

use super::{Unbuildable, address};
use crate::scenario::Damage;

/// Does it, by the true layout.
pub(super) fn inflict(process: &mut Process, damage: &Damage) -> Result<(), Unbuildable> {
    let at = |process: &Process, place| address(process, place, "damage");
    let poke = |process: &mut Process, at, bytes: &[u8]| {
        let poked = process.memory_mut().poke(at, bytes);
        poked.map_err(|error| Unbuildable::new("damage", error))
    };
    match damage {
        Damage::Word(place, value) => {
            let at = at(process, place)?;
            poke(process, at, &value.to_le_bytes())
        }
        Damage::Half(place, value) => {
            let at = at(process, place)?;
            poke(process, at, &value.to_le_bytes())
        }
        Damage::Point(from, to) => {
            let (from, to) = (at(process, from)?, at(process, to)?);
            poke(process, from, &to.get().to_le_bytes())
        }
        Damage::Bytes(place, bytes) => {
            let at = at(process, place)?;
            poke(process, at, bytes)
        }
        Damage::Fill(place, len, byte) => {
            let at = at(process, place)?;
            let len = usize::try_from(*len).unwrap_or(usize::MAX).min(1 << 20);
            poke(process, at, &vec![*byte; len])
        }
        Damage::Unmap(place, pages) => {
            let (start, len) = whole_pages(at(process, place)?, *pages);
            let done = process.memory_mut().unmap(start, len);
            done.map_err(|error| Unbuildable::new("Unmap", error))
        }
        Damage::ReadOnly(place, pages) => {
            let (start, len) = whole_pages(at(process, place)?, *pages);
            let done = process.memory_mut().protect(start, len, Protection::ReadOnly);
            done.map_err(|error| Unbuildable::new("ReadOnly", error))
        }
    }
}

fn whole_pages(at: Address, pages: u64) -> (Address, u64) {
    let page = softdock_memory::PAGE_BYTES;
    (Address::new(at.get() / page * page), pages.saturating_mul(page))
}

//! The virtual address space against the contract of the door and against its own invariants.
//! The same contract runs against real processes elsewhere.

use softdock_memory::{AddressSpace, Fill, LayoutError, Protection, Unmapped};
use softdock_process::contract::{Ground, check};
use softdock_process::{Address, ErrorKind, MemoryError, ProcessMemory};

const BASE: u64 = 0x7f00_0000_0000;
const PAGE: u64 = 4096;

fn at(offset: u64) -> Address {
    Address::new(BASE + offset)
}

/// The pages that the contract asks for.
fn ground() -> (AddressSpace, Ground) {
    let mut memory = AddressSpace::new();
    memory.map(at(0), 3 * PAGE, Protection::ReadWrite).unwrap();
    memory.map(at(4 * PAGE), 2 * PAGE, Protection::ReadWrite).unwrap();
    let pattern = |page: usize| (page * 4096..(page + 1) * 4096).map(Ground::pattern).collect();
    for page in [0, 1, 2, 4, 5] {
        let bytes: Vec<u8> = pattern(page);
        memory.poke(at(page as u64 * PAGE), &bytes).unwrap();
    }
    memory.protect(at(2 * PAGE), PAGE, Protection::ReadOnly).unwrap();
    memory.protect(at(5 * PAGE), PAGE, Protection::None).unwrap();
    memory.checkpoint();
    (memory, Ground { base: at(0), page: 4096 })
}

/// Everything an observer can tell: protections and bytes.
fn picture(memory: &AddressSpace) -> Vec<(u64, Protection, Vec<u8>)> {
    let mut pages = Vec::new();
    for mapping in memory.mappings() {
        for page in 0..mapping.len / PAGE {
            let start = mapping.start.checked_add(page * PAGE).unwrap();
            let bytes = memory.peek(start, 4096).unwrap();
            pages.push((start.get(), mapping.protection, bytes));
        }
    }
    pages
}

#[test]
fn keeps_the_contract() {
    let (mut memory, ground) = ground();
    check(&mut memory, ground);
}

#[test]
fn keeps_the_contract_after_a_restore() {
    let (mut memory, ground) = ground();
    let before = picture(&memory);
    check(&mut memory, ground);
    memory.unmap(at(0), 6 * PAGE).unwrap();
    memory.restore();
    assert_eq!(picture(&memory), before);
    check(&mut memory, ground);
}

#[test]
fn settling_changes_nothing_that_can_be_seen() {
    let (mut memory, _) = ground();
    memory.poke(at(0), &[7; 3]).unwrap();
    let before = picture(&memory);
    memory.settle(u64::MAX);
    assert_eq!((picture(&memory), memory.fingerprint()), (before.clone(), 0));
    memory.poke(at(0), &[9; 40]).unwrap();
    memory.restore();
    assert_eq!(picture(&memory), before, "settling is a checkpoint");
}

/// Pages that were written one by one, and those between them, are lent as one.
#[test]
fn settling_puts_neighbours_together() {
    let (mut memory, len) = (AddressSpace::new(), 4 * PAGE);
    memory.map(at(0), len, Protection::ReadWrite).unwrap();
    memory.map(at(len), PAGE, Protection::ReadOnly).unwrap();
    memory.poke(at(3 * PAGE), &[3; 8]).unwrap();
    memory.poke(at(PAGE), &[1; 8]).unwrap();
    let before = memory.peek(at(0), len as usize).unwrap();
    assert_eq!(memory.lend(at(0), len as usize), None);
    memory.settle(u64::MAX);
    assert_eq!(memory.lend(at(0), len as usize), Some(before.as_slice()));
    assert_eq!(memory.lend(at(0), len as usize + 1), None, "what may not be written is apart");
    memory.unmap(at(2 * PAGE), PAGE).unwrap();
    assert_eq!(memory.lend(at(PAGE), 2 * PAGE as usize), None);
    memory.restore();
    assert_eq!(memory.peek(at(0), len as usize).unwrap(), before);
}

#[test]
fn the_end_of_the_address_space_is_in_range_and_unmapped() {
    let mut memory = AddressSpace::new();
    let last = Address::new(u64::MAX - 7);
    let unmapped = Err(MemoryError::untouched(ErrorKind::Unmapped, last, 8));
    assert_eq!(memory.read(last, &mut [0; 8]), unmapped);
    assert_eq!(memory.read_u64(last).unwrap_err().kind, ErrorKind::Unmapped);
    let past = Address::new(u64::MAX - 6);
    assert_eq!(memory.read_u64(past).unwrap_err().kind, ErrorKind::OutOfRange);
}

#[test]
fn a_typed_read_across_regions_is_whole() {
    let mut memory = AddressSpace::new();
    memory.map(at(0), PAGE, Protection::ReadOnly).unwrap();
    memory.map(at(PAGE), PAGE, Protection::ReadWrite).unwrap();
    memory.poke_u64(at(PAGE - 3), 0x0102_0304_0506_0708).unwrap();
    assert_eq!(memory.read_u64(at(PAGE - 3)), Ok(0x0102_0304_0506_0708));
    assert_eq!(memory.read_u32(at(PAGE - 3)), Ok(0x0506_0708));
    memory.protect(at(PAGE), PAGE, Protection::None).unwrap();
    let cut = memory.read_u64(at(PAGE - 3)).unwrap_err();
    assert_eq!((cut.kind, cut.done), (ErrorKind::Short, 3));
}

#[test]
fn typed_reads_obey_protection_like_any_other() {
    let (mut memory, _) = ground();
    let guard = at(5 * PAGE + 8);
    let unmapped = |wanted| Err(MemoryError::untouched(ErrorKind::Unmapped, guard, wanted));
    assert_eq!(memory.read_u64(guard).map(drop), unmapped(8));
    assert_eq!(memory.read_u32(guard).map(drop), unmapped(4));
    assert!(memory.read_u64(at(2 * PAGE)).is_ok(), "read-only memory can be read");
}

#[test]
fn the_world_ignores_protection_but_not_holes() {
    let (mut memory, _) = ground();
    memory.poke_u64(at(5 * PAGE), 9).unwrap();
    assert_eq!(memory.peek_u64(at(5 * PAGE)), Ok(9));
    let before = picture(&memory);
    let hole = Unmapped { at: at(3 * PAGE) };
    assert_eq!(memory.poke(at(3 * PAGE - 4), &[1; 8]), Err(hole), "all or nothing");
    assert_eq!(memory.peek(at(3 * PAGE - 4), 8), Err(hole));
    assert_eq!(picture(&memory), before);
}

#[test]
fn restore_undoes_bytes_and_layout_in_any_mixture() {
    let (mut memory, _) = ground();
    let before = picture(&memory);
    memory.write(at(8), b"abc").unwrap();
    memory.unmap(at(0), PAGE).unwrap();
    memory.map_filled(at(0), PAGE, Protection::ReadWrite, Fill::Noise(5)).unwrap();
    memory.write(at(8), b"other page").unwrap();
    memory.protect(at(PAGE), PAGE, Protection::None).unwrap();
    memory.map(at(3 * PAGE), PAGE, Protection::ReadWrite).unwrap();
    memory.poke(at(3 * PAGE - 2), &[1, 2, 3, 4]).unwrap();
    memory.unmap_all();
    memory.restore();
    assert_eq!(picture(&memory), before);
    assert!(memory.is_unchanged() && memory.writes().is_empty());
    memory.restore();
    assert_eq!(picture(&memory), before, "a second restore has nothing to do");
}

#[test]
fn the_space_before_the_first_checkpoint_is_empty() {
    let mut memory = AddressSpace::new();
    memory.map(at(0), PAGE, Protection::ReadWrite).unwrap();
    memory.poke_u64(at(0), 1).unwrap();
    memory.restore();
    assert_eq!(memory.mappings().count(), 0);
}

#[test]
fn writes_are_the_door_s_and_tell_what_they_replaced() {
    let (mut memory, ground) = ground();
    memory.poke(at(16), b"world").unwrap();
    memory.write(at(17), b"OR").unwrap();
    memory.write(at(2 * PAGE - 2), b"torn").unwrap_err();
    memory.write(at(2 * PAGE), b"none").unwrap_err();
    let writes: Vec<_> = memory.writes().iter().map(|write| (write.at, write.len)).collect();
    assert_eq!(writes, [(at(17), 2), (at(2 * PAGE - 2), 2)]);
    assert_eq!(memory.replaced(memory.writes()[0]), b"or");
    let was = [Ground::pattern(2 * 4096 - 2), Ground::pattern(2 * 4096 - 1)];
    assert_eq!(memory.replaced(memory.writes()[1]), was);
    assert_eq!(ground.page, 4096);
}

#[test]
fn differences_compare_with_the_checkpoint_not_with_the_last_write() {
    let (mut memory, _) = ground();
    memory.poke(at(100), &[0, 0]).unwrap();
    memory.checkpoint();
    memory.write(at(100), &[1, 2]).unwrap();
    memory.write(at(101), &[0]).unwrap();
    let seen: Vec<_> = memory.differences().iter().map(|d| (d.at, d.was, d.is)).collect();
    assert_eq!(seen, [(at(100), 0, 1)]);
    memory.unmap(at(0), PAGE).unwrap();
    assert_eq!(memory.differences(), []);
}

#[test]
fn the_fingerprint_tells_content_not_order() {
    let (mut memory, _) = ground();
    assert_eq!(memory.fingerprint(), 0);
    let (first, second) = (at(100), at(PAGE - 4));
    memory.write(first, b"xyz").unwrap();
    memory.write(second, b"12345678").unwrap();
    let one = memory.fingerprint();
    memory.restore();
    assert_eq!(memory.fingerprint(), 0);
    memory.write(second, b"12345678").unwrap();
    memory.write(first, b"___").unwrap();
    assert_ne!(memory.fingerprint(), one);
    memory.write(first, b"xyz").unwrap();
    assert_eq!(memory.fingerprint(), one);
    let old = [
        memory.replaced(memory.writes()[1]).to_vec(),
        memory.replaced(memory.writes()[0]).to_vec(),
    ];
    memory.write(first, &old[0]).unwrap();
    memory.write(second, &old[1]).unwrap();
    assert_eq!(memory.fingerprint(), 0, "as it was, though written five times");
}

#[test]
fn the_fingerprint_tells_a_page_from_its_successor() {
    let (mut memory, _) = ground();
    let replace = |memory: &mut AddressSpace| {
        memory.unmap(at(0), PAGE).unwrap();
        memory.map(at(0), PAGE, Protection::ReadWrite).unwrap();
    };
    memory.poke_u64(at(0), 1).unwrap();
    replace(&mut memory);
    let written_before = memory.fingerprint();
    memory.restore();
    replace(&mut memory);
    memory.poke_u64(at(0), 1).unwrap();
    assert_ne!(memory.fingerprint(), written_before);
}

#[test]
fn untouched_pages_read_as_their_fill_and_keep_it_around_a_write() {
    let mut memory = AddressSpace::new();
    memory.map_filled(at(0), 4 * PAGE, Protection::ReadWrite, Fill::Noise(1)).unwrap();
    let mut before = memory.peek(at(0), 4 * 4096).unwrap();
    memory.write(at(2 * PAGE - 1), &[0, 0]).unwrap();
    before[2 * 4096 - 1..=2 * 4096].fill(0);
    assert_eq!(memory.peek(at(0), 4 * 4096).unwrap(), before);
}

#[test]
fn impossible_layouts_are_refused_and_change_nothing() {
    let (mut memory, _) = ground();
    let before = picture(&memory);
    let rw = Protection::ReadWrite;
    assert_eq!(memory.map(at(2 * PAGE), 2 * PAGE, rw), Err(LayoutError::Overlap));
    assert_eq!(memory.map(at(1), PAGE, rw), Err(LayoutError::NotPages));
    assert_eq!(memory.map(at(3 * PAGE), 0, rw), Err(LayoutError::NotPages));
    let last = Address::new(u64::MAX - (PAGE - 1));
    assert_eq!(memory.map(last, PAGE, rw), Err(LayoutError::PastEnd));
    assert_eq!(memory.protect(at(2 * PAGE), 2 * PAGE, rw), Err(LayoutError::NotMapped));
    assert_eq!(memory.unmap(at(0), 5), Err(LayoutError::NotPages));
    assert_eq!(picture(&memory), before);
    assert!(memory.is_unchanged());
}

/// A small model: a map from page to protection and bytes, driven by an unremarkable generator.
#[test]
fn agrees_with_a_naive_model() {
    let mut state = 1_u64;
    let mut draw = |bound: u64| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % bound
    };
    let mut memory = AddressSpace::new();
    let mut model: std::collections::BTreeMap<u64, (Protection, Vec<u8>)> = Default::default();
    let all = [Protection::None, Protection::ReadOnly, Protection::ReadWrite];
    let mut saved = model.clone();
    for _ in 0..20_000 {
        let (page, pages, offset) = (draw(8), 1 + draw(3), draw(4096));
        let protection = all[draw(3) as usize];
        let range = page..page + pages;
        match draw(8) {
            0 if !range.clone().any(|page| model.contains_key(&page)) => {
                memory.map(at(page * PAGE), pages * PAGE, protection).unwrap();
                model.extend(range.map(|page| (page, (protection, vec![0; 4096]))));
            }
            1 => {
                memory.unmap(at(page * PAGE), pages * PAGE).unwrap();
                model.retain(|page, _| !range.contains(page));
            }
            2 if range.clone().all(|page| model.contains_key(&page)) => {
                memory.protect(at(page * PAGE), pages * PAGE, protection).unwrap();
                range.for_each(|page| model.get_mut(&page).unwrap().0 = protection);
            }
            3 if draw(20) == 0 => (memory.checkpoint(), saved = model.clone()).0,
            4 if draw(20) == 0 => (memory.restore(), model = saved.clone()).0,
            _ => {
                let bytes = vec![draw(256) as u8; 1 + draw(6000) as usize];
                let start = page * PAGE + offset;
                let done = bytes.iter().enumerate().position(|(index, byte)| {
                    let place = start + index as u64;
                    let slot = model.get_mut(&(place / PAGE));
                    match slot.filter(|(protection, _)| *protection == Protection::ReadWrite) {
                        Some((_, content)) => content[(place % PAGE) as usize] = *byte,
                        None => return true,
                    }
                    false
                });
                let result = memory.write(at(start), &bytes).map_err(|error| error.done);
                assert_eq!(result, done.map_or(Ok(()), Err));
            }
        }
        let expected: Vec<_> = model
            .iter()
            .map(|(page, (p, bytes))| (BASE + page * PAGE, *p, bytes.clone()))
            .collect();
        if draw(16) == 0 {
            assert_eq!(picture(&memory), expected);
        }
    }
}

//! Every byte of a process, for telling whether anything has changed.

use softdock_cpython::Process;
use softdock_memory::Protection;
use softdock_process::Address;

/// All that the door shows.
pub(crate) fn picture(process: &Process) -> Vec<(u64, Protection, Vec<u8>)> {
    let memory = process.memory();
    let picture = |start: Address, len: u64| memory.peek(start, len as usize).unwrap();
    memory
        .mappings()
        .map(|mapping| {
            (mapping.start.get(), mapping.protection, picture(mapping.start, mapping.len))
        })
        .flat_map(|(start, protection, bytes)| {
            let pages = bytes.chunks(4096).map(<[u8]>::to_vec).enumerate();
            pages
                .map(move |(page, bytes)| (start + page as u64 * 4096, protection, bytes))
                .collect::<Vec<_>>()
        })
        .collect()
}

//! Virtual process memory: the bytes of a pretended process, with the page protection, the holes
//! and the short transfers of a real one, and a way back.
//!
//! It knows pages and bytes; it knows no Python, no faults and no scenario. A fault injector is
//! put around it, a process is built inside it.
//!
//! | who | reaches it through | obeys protection | seen in |
//! |---|---|---|---|
//! | the attacher | [`softdock_process::ProcessMemory`], the door | yes | [`AddressSpace::writes`] |
//! | the world: the target itself, a scenario's damage | [`AddressSpace::peek`], [`AddressSpace::poke`] | no | [`AddressSpace::differences`] |
//!
//! # Invariants
//!
//! 1. Regions are sorted, disjoint, never empty, and whole pages.
//! 2. [`AddressSpace::restore`] makes every byte, mapping and protection what it was at the last
//!    [`AddressSpace::checkpoint`], in time proportional to what was changed since.
//! 3. A transfer through the door moves exactly the bytes before the first unreachable one, as
//!    `process_vm_readv` and `process_vm_writev` do.
//! 4. A page costs nothing until its first write; until then it reads as its [`Fill`].
//! 5. [`AddressSpace::fingerprint`] depends on what is in memory and not on the order in which it
//!    got there, as long as the layout stays the same; it is 0 at the checkpoint.
//!
//! ```
//! use softdock_memory::{AddressSpace, Protection};
//! use softdock_process::{Address, ErrorKind, ProcessMemory};
//!
//! let mut memory = AddressSpace::new();
//! let page = Address::new(0x40_0000);
//! memory.map(page, 4096, Protection::ReadWrite)?;
//! memory.poke_u64(page, 7)?;
//! memory.checkpoint();
//!
//! memory.write(page, &[9])?;
//! assert_eq!(memory.read_u64(page), Ok(9));
//! assert_eq!(memory.replaced(memory.writes()[0]), [7]);
//! let end = Address::new(0x40_0ffc);
//! assert_eq!(memory.read_u64(end).unwrap_err().kind, ErrorKind::Short);
//!
//! memory.restore();
//! assert_eq!(memory.read_u64(page), Ok(7));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod door;
mod fill;
mod fingerprint;
mod journal;
mod layout;
mod region;
mod space;

pub use fill::Fill;
pub use journal::{Bookmark, Difference, Write};
pub use layout::LayoutError;
pub use region::{Mapping, Protection};
pub use space::{AddressSpace, PAGE_BYTES, Unmapped};

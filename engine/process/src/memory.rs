//! The one way to touch a target's memory.

use crate::{Address, MemoryError};

/// Reads and writes a target's memory.
///
/// A call transfers all its bytes or fails; a failure says how many were done (see
/// [`MemoryError`]). Implementations take `&mut self` because a virtual world moves inside each
/// access, and because a live one keeps scratch space. An empty transfer succeeds and touches
/// nothing. See [`crate::contract`] for the rest.
///
/// Typed reads are little-endian: softdock refuses big-endian targets.
pub trait ProcessMemory {
    /// Fills `into` from `at`.
    ///
    /// # Errors
    /// When not every byte could be read; `done` leading bytes of `into` are then valid.
    fn read(&mut self, at: Address, into: &mut [u8]) -> Result<(), MemoryError>;

    /// The `len` bytes from `at`, read into `scratch` as [`ProcessMemory::read`] does, or lent by
    /// whoever has them at hand. For what is looked at and not kept, or only where all is well.
    ///
    /// # Errors
    /// As [`ProcessMemory::read`]; `scratch` may then hold anything.
    fn view<'b>(
        &'b mut self,
        at: Address,
        len: usize,
        scratch: &'b mut Vec<u8>,
    ) -> Result<&'b [u8], MemoryError> {
        scratch.resize(len, 0);
        self.read(at, scratch).map(|()| scratch.as_slice())
    }

    /// Writes all of `from` at `at`.
    ///
    /// # Errors
    /// When not every byte could be written; `done` leading bytes are then in the target.
    fn write(&mut self, at: Address, from: &[u8]) -> Result<(), MemoryError>;

    /// Reads an unsigned 64-bit word.
    ///
    /// # Errors
    /// As [`ProcessMemory::read`].
    fn read_u64(&mut self, at: Address) -> Result<u64, MemoryError> {
        let mut bytes = [0; 8];
        self.read(at, &mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    /// Reads an unsigned 32-bit word.
    ///
    /// # Errors
    /// As [`ProcessMemory::read`].
    fn read_u32(&mut self, at: Address) -> Result<u32, MemoryError> {
        let mut bytes = [0; 4];
        self.read(at, &mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }

    /// Reads a signed 32-bit word.
    ///
    /// # Errors
    /// As [`ProcessMemory::read`].
    fn read_i32(&mut self, at: Address) -> Result<i32, MemoryError> {
        let mut bytes = [0; 4];
        self.read(at, &mut bytes)?;
        Ok(i32::from_le_bytes(bytes))
    }

    /// Reads a pointer of a 64-bit target.
    ///
    /// # Errors
    /// As [`ProcessMemory::read`].
    fn read_address(&mut self, at: Address) -> Result<Address, MemoryError> {
        self.read_u64(at).map(Address::new)
    }
}

//! Little-endian words out of bytes read from a target, without a way to panic.

/// `len` bytes at `at`.
pub(crate) fn slice(bytes: &[u8], at: u64, len: u64) -> Option<&[u8]> {
    let start = usize::try_from(at).ok()?;
    let end = usize::try_from(at.checked_add(len)?).ok()?;
    bytes.get(start..end)
}

/// All bytes from `at` on, none where there are fewer.
pub(crate) fn rest(bytes: &[u8], at: u64) -> &[u8] {
    usize::try_from(at).ok().and_then(|at| bytes.get(at..)).unwrap_or_default()
}

/// The 64-bit word at `at`.
pub(crate) fn u64_at(bytes: &[u8], at: u64) -> Option<u64> {
    slice(bytes, at, 8)?.try_into().ok().map(u64::from_le_bytes)
}

/// The 32-bit word at `at`.
pub(crate) fn u32_at(bytes: &[u8], at: u64) -> Option<u32> {
    slice(bytes, at, 4)?.try_into().ok().map(u32::from_le_bytes)
}

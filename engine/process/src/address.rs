//! An address in the target: always 64 bits, since the target may be wider than the host, and
//! never added to without a check.

use core::fmt;

/// A virtual address in the target process.
///
/// Arithmetic is checked: target memory is untrusted, and an offset that carries an address past
/// the end of the address space is a finding, not a wrap-around.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Address(u64);

impl Address {
    /// The null address, which ends CPython's lists.
    pub const NULL: Address = Address(0);

    /// The address with this value.
    #[must_use]
    pub const fn new(value: u64) -> Address {
        Address(value)
    }

    /// Its value.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// Whether it is 0.
    #[must_use]
    pub const fn is_null(self) -> bool {
        self.0 == 0
    }

    /// The address `bytes` further on, or `None` past the end of the address space.
    #[must_use]
    pub const fn checked_add(self, bytes: u64) -> Option<Address> {
        match self.0.checked_add(bytes) {
            Some(value) => Some(Address(value)),
            None => None,
        }
    }

    /// The distance in bytes from `base` up to this address, or `None` when `base` is above it.
    #[must_use]
    pub const fn checked_sub(self, base: Address) -> Option<u64> {
        self.0.checked_sub(base.0)
    }

    /// Whether it is a multiple of `bytes`; nothing is a multiple of 0.
    #[must_use]
    pub const fn is_aligned(self, bytes: u64) -> bool {
        matches!(self.0.checked_rem(bytes), Some(0))
    }

    /// Whether a user-space object can live here: above the first page, which no system maps, and
    /// in the lower half of a 47-bit address space (x86-64 and Windows; with 48 bits, arm64).
    ///
    /// The wider of the two limits is used: a limit too tight refuses healthy targets.
    #[must_use]
    pub const fn is_user_space(self) -> bool {
        self.0 >= 0x1000 && self.0 < 1 << 48
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_is_checked_at_both_ends() {
        assert_eq!(Address::new(u64::MAX).checked_add(1), None);
        assert_eq!(Address::new(8).checked_add(8), Some(Address::new(16)));
        assert_eq!(Address::new(8).checked_sub(Address::new(16)), None);
        assert_eq!(Address::new(16).checked_sub(Address::new(8)), Some(8));
    }

    #[test]
    fn user_space_has_two_edges() {
        assert!(!Address::new(0xfff).is_user_space());
        assert!(Address::new(0x1000).is_user_space());
        assert!(Address::new(0xffff_ffff_ffff).is_user_space());
        assert!(!Address::new(0x1_0000_0000_0000).is_user_space());
    }

    #[test]
    fn nothing_is_aligned_to_zero() {
        assert!(!Address::new(0).is_aligned(0));
        assert!(Address::new(24).is_aligned(8));
        assert!(!Address::new(20).is_aligned(8));
    }
}

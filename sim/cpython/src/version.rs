//! A CPython version, as `PY_VERSION_HEX` packs it.

use core::fmt;

/// A version of CPython. The default is 3.14.10 final.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// 3.
    pub major: u8,
    /// 14 in 3.14.10.
    pub minor: u8,
    /// 10 in 3.14.10.
    pub micro: u8,
    /// 0xA alpha, 0xB beta, 0xC release candidate, 0xF final. Four bits.
    pub level: u8,
    /// 1 in rc1; 0 for finals. Four bits.
    pub serial: u8,
}

impl Version {
    /// The final release of this number.
    #[must_use]
    pub const fn release(major: u8, minor: u8, micro: u8) -> Version {
        Version { major, minor, micro, level: 0xF, serial: 0 }
    }

    /// As `PY_VERSION_HEX`; bits beyond the four of level and serial are dropped.
    #[must_use]
    pub const fn to_hex(self) -> u32 {
        let low = (self.level << 4) | (self.serial & 0xf);
        u32::from_be_bytes([self.major, self.minor, self.micro, low])
    }

    /// From `PY_VERSION_HEX`.
    #[must_use]
    pub const fn from_hex(hex: u32) -> Version {
        let [major, minor, micro, low] = hex.to_be_bytes();
        Version { major, minor, micro, level: low >> 4, serial: low & 0xf }
    }
}

impl Default for Version {
    fn default() -> Version {
        Version::release(3, 14, 10)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Version { major, minor, micro, level, serial } = self;
        write!(f, "{major}.{minor}.{micro}")?;
        match level {
            0xA => write!(f, "a{serial}"),
            0xB => write!(f, "b{serial}"),
            0xC => write!(f, "rc{serial}"),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packs_as_cpython_does() {
        let candidate = Version { level: 0xC, serial: 1, ..Version::release(3, 15, 0) };
        assert_eq!(candidate.to_hex(), 0x030f_00c1);
        assert_eq!(candidate.to_string(), "3.15.0rc1");
        assert_eq!(Version::default().to_hex(), 0x030e_0af0);
        assert_eq!(Version::from_hex(0x030e_0af0), Version::default());
    }
}

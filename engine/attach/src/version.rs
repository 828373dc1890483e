//! CPython versions: the published version word, and versions recognised from file names.

use core::fmt;

/// A version word in the layout of `PY_VERSION_HEX`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(u32);

impl Version {
    /// Reads the 64-bit word of the table: its upper half is zero, the release level is one that
    /// CPython uses.
    #[must_use]
    pub fn from_word(word: u64) -> Option<Version> {
        let version = Version(u32::try_from(word).ok()?);
        matches!(version.level(), 0xA | 0xB | 0xC | 0xF).then_some(version)
    }

    /// The word itself, `PY_VERSION_HEX`.
    #[must_use]
    pub const fn hex(self) -> u32 {
        self.0
    }

    /// 3, so far.
    #[must_use]
    pub const fn major(self) -> u8 {
        self.0.to_be_bytes()[0]
    }

    /// 14 in 3.14.2.
    #[must_use]
    pub const fn minor(self) -> u8 {
        self.0.to_be_bytes()[1]
    }

    /// 2 in 3.14.2.
    #[must_use]
    pub const fn micro(self) -> u8 {
        self.0.to_be_bytes()[2]
    }

    const fn level(self) -> u8 {
        self.0.to_be_bytes()[3] >> 4
    }

    const fn serial(self) -> u8 {
        self.0.to_be_bytes()[3] & 0xF
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major(), self.minor(), self.micro())?;
        match self.level() {
            0xA => write!(f, "a{}", self.serial()),
            0xB => write!(f, "b{}", self.serial()),
            0xC => write!(f, "rc{}", self.serial()),
            _ => Ok(()),
        }
    }
}

impl fmt::Debug for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The version a file name speaks of: `python3.14`, `libpython3.14t.so.1.0`, `python314_d.dll`,
/// `python310.dll`. Only versions that exist, 3.5 to 3.15, are recognised, so that `python31.dll`
/// is nobody's and 3.1 is never taken for 3.10.
///
/// A name proves nothing: it only helps to say *which* old version a process runs whose runtime
/// has no table.
#[must_use]
pub fn recognise(name: &str) -> Option<(u8, u8)> {
    const STEM: &str = "python3";
    let mut stems = name.as_bytes().windows(STEM.len());
    let at = stems.rposition(|stem| stem.eq_ignore_ascii_case(STEM.as_bytes()))?;
    let after = name.get(at.saturating_add(STEM.len())..)?;
    let minor = after.strip_prefix('.').unwrap_or(after);
    let end = minor.bytes().position(|c| !c.is_ascii_digit()).unwrap_or(minor.len());
    let (digits, rest) = minor.split_at_checked(end)?;
    let next = rest.bytes().next().map(|c| c.to_ascii_lowercase());
    let plausible_end = next.is_none_or(|c| b"td_. -m".contains(&c));
    let minor = digits.parse().ok().filter(|minor| (5..=15).contains(minor))?;
    (plausible_end && !digits.starts_with('0')).then_some((3, minor))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_as_py_version_hex() {
        let version = Version::from_word(0x030e_0af0).map(|v| v.to_string());
        assert_eq!(version.as_deref(), Some("3.14.10"));
        let version = Version::from_word(0x030f_00c1).map(|v| v.to_string());
        assert_eq!(version.as_deref(), Some("3.15.0rc1"));
        assert_eq!(Version::from_word(0x0001_0000_030e_0af0), None, "upper half must be zero");
        assert_eq!(Version::from_word(0x030e_0a10), None, "no such release level");
    }

    #[test]
    fn names_are_recognised_with_one_or_two_digits() {
        for (name, expected) in [
            ("python3.14", Some((3, 14))),
            ("python3.14t", Some((3, 14))),
            ("python3.14d", Some((3, 14))),
            ("libpython3.14.so.1.0", Some((3, 14))),
            ("libpython3.14t.so.1.0", Some((3, 14))),
            ("python314.dll", Some((3, 14))),
            ("python311_d.dll", Some((3, 11))),
            ("python310.dll", Some((3, 10))),
            ("PYTHON39.DLL", Some((3, 9))),
            ("Python314T.dll", Some((3, 14))),
            ("python39 für python3.14 é", Some((3, 14))),
            ("python3.14é", None),
            ("python35.dll", Some((3, 5))),
            ("python315.dll", Some((3, 15))),
            ("python31.dll", None),
            ("python3.1", None),
            ("python316.dll", None),
            ("python3100.dll", None),
            ("python34.dll", None),
            ("python3", None),
            ("python3.dll", None),
            ("python", None),
            ("myapp", None),
            ("", None),
        ] {
            assert_eq!(recognise(name), expected, "{name}");
        }
    }
}

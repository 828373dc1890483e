//! Hosts, ports, and the names of sessions: what may stand in them, and how they are written.

use core::fmt;
use core::net::IpAddr;
use core::str::FromStr;

use serde::{Serialize, Serializer};

/// Longest host name of the domain name system.
const HOST_BYTES_MAX: usize = 253;

/// Longest name of a session; a GUID has 36, or 38 with its braces.
const SESSION_BYTES_MAX: usize = 64;

/// A host, by name or by number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Host(String);

impl Host {
    /// As it was written, without the brackets of an IPv6 number.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether only this machine can reach it.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        match self.0.parse::<IpAddr>() {
            Ok(number) => number.is_loopback(),
            Err(_) => self.0.eq_ignore_ascii_case("localhost"),
        }
    }

    /// Whether it stands for every address of the machine that listens.
    #[must_use]
    pub fn is_unspecified(&self) -> bool {
        self.0.parse::<IpAddr>().is_ok_and(|number| number.is_unspecified())
    }
}

impl FromStr for Host {
    type Err = String;

    fn from_str(text: &str) -> Result<Host, String> {
        let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
        let is_name = !bare.is_empty()
            && bare.len() <= HOST_BYTES_MAX
            && bare.bytes().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'.' | b'-' | b'_'));
        if is_name || bare.parse::<IpAddr>().is_ok() {
            return Ok(Host(bare.to_owned()));
        }
        Err(String::from("expected a host, as 127.0.0.1, ::1 or localhost"))
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where somebody listens, or shall.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Endpoint {
    /// The host, as the one who connects names it.
    pub host: Host,
    /// The port; 0 where any free one will do.
    pub port: u16,
}

impl FromStr for Endpoint {
    type Err = String;

    fn from_str(text: &str) -> Result<Endpoint, String> {
        const EXPECTED: &str = "expected HOST:PORT, as 127.0.0.1:5678 or [::1]:5678";
        let (host, port) = text.rsplit_once(':').ok_or(EXPECTED)?;
        if host.contains(':') && !host.starts_with('[') {
            return Err(EXPECTED.into());
        }
        let port = port.parse().ok().filter(|port| *port > 0).ok_or(EXPECTED)?;
        Ok(Endpoint { host: host.parse()?, port })
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Endpoint { host, port } = self;
        if host.0.contains(':') { write!(f, "[{host}]:{port}") } else { write!(f, "{host}:{port}") }
    }
}

/// The name of a session, by which a record is known to be an answer to this very request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionId(String);

impl SessionId {
    /// A name made of random bits, in the form of a GUID.
    #[must_use]
    pub fn from_bits(bits: u128) -> SessionId {
        // The fixed bits say: version 4, made at random.
        let bits = bits & !(0xf << 76) & !(0x3 << 62) | 0x4 << 76 | 0x2 << 62;
        let digits = format!("{bits:032x}");
        let groups = [0..8, 8..12, 12..16, 16..20, 20..32];
        SessionId(groups.map(|group| digits.get(group).unwrap_or_default()).join("-"))
    }

    /// As it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for SessionId {
    type Err = String;

    fn from_str(text: &str) -> Result<SessionId, String> {
        let fits =
            |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_' | b'.' | b'{' | b'}');
        if text.is_empty() || text.len() > SESSION_BYTES_MAX || !text.bytes().all(fits) {
            return Err(format!(
                "expected at most {SESSION_BYTES_MAX} letters, digits, hyphens, dots or underscores"
            ));
        }
        Ok(SessionId(text.to_owned()))
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for SessionId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &str) -> Option<String> {
        text.parse::<Endpoint>().ok().map(|endpoint| endpoint.to_string())
    }

    #[test]
    fn endpoints_are_read_and_written() {
        for good in ["127.0.0.1:5678", "[::1]:1", "localhost:65535", "build-7.example:80"] {
            assert_eq!(written(good).as_deref(), Some(good));
        }
        for bad in ["", "5678", ":5678", "a:", "a:0", "a:65536", "::1:5678", "a b:1", "a:1x", "ü:1"]
        {
            assert_eq!(written(bad), None, "{bad}");
        }
    }

    #[test]
    fn hosts_know_who_can_reach_them() {
        let host = |text: &str| text.parse::<Host>().unwrap();
        for local in ["127.0.0.1", "127.8.9.1", "::1", "[::1]", "LocalHost"] {
            assert!(host(local).is_loopback(), "{local}");
        }
        for open in ["0.0.0.0", "::", "10.0.0.7", "localhost.example"] {
            assert!(!host(open).is_loopback(), "{open}");
        }
        assert!(host("0.0.0.0").is_unspecified() && host("::").is_unspecified());
        assert!(!host("localhost").is_unspecified());
    }

    #[test]
    fn a_random_name_has_the_form_of_a_guid() {
        let zero = SessionId::from_bits(0);
        assert_eq!(zero.as_str(), "00000000-0000-4000-8000-000000000000");
        let ones = SessionId::from_bits(u128::MAX);
        assert_eq!(ones.as_str(), "ffffffff-ffff-4fff-bfff-ffffffffffff");
        assert_eq!(zero.as_str().parse(), Ok(zero));
    }

    #[test]
    fn a_name_is_short_and_plain() {
        for good in ["a", "{0F8FAD5B-D9CB-469F-A165-70867728950E}", "nightly_7.2"] {
            assert!(good.parse::<SessionId>().is_ok(), "{good}");
        }
        let long = "x".repeat(SESSION_BYTES_MAX + 1);
        for bad in ["", "a b", "é", "a\n", "\"", "../x", &long] {
            assert!(bad.parse::<SessionId>().is_err(), "{bad:?}");
        }
    }
}

//! Text and bytes as Python spells them, in ASCII only: whatever the encoding of the target, it
//! reads the same. Nothing of a path can end the literal that it stands in.

use core::fmt::Write;

/// A `str` literal.
#[must_use]
pub fn text(text: &str) -> String {
    let mut literal = String::from("'");
    for c in text.chars() {
        match c {
            '\'' | '\\' => literal.extend(['\\', c]),
            ' '..='~' => literal.push(c),
            _ => write_escape(&mut literal, c),
        }
    }
    literal + "'"
}

fn write_escape(literal: &mut String, c: char) {
    // Writing to a `String` does not fail.
    let _ = match u32::from(c) {
        code @ ..=0xff => write!(literal, "\\x{code:02x}"),
        code @ ..=0xffff => write!(literal, "\\u{code:04x}"),
        code => write!(literal, "\\U{code:08x}"),
    };
}

/// A `bytes` literal. Paths are bytes: which text they are depends on the target's locale.
#[must_use]
pub fn bytes(bytes: &[u8]) -> String {
    let mut literal = String::from("b'");
    for byte in bytes {
        match byte {
            b'\'' | b'\\' => literal.extend(['\\', char::from(*byte)]),
            b' '..=b'~' => literal.push(char::from(*byte)),
            _ => write_escape(&mut literal, char::from(*byte)),
        }
    }
    literal + "'"
}

/// `True` or `False`.
#[must_use]
pub const fn boolean(value: bool) -> &'static str {
    if value { "True" } else { "False" }
}

/// A `bytes` literal, or `None`.
#[must_use]
pub fn optional(path: Option<&[u8]>) -> String {
    path.map_or_else(|| String::from("None"), bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_spelled_in_ascii() {
        assert_eq!(text("a b~"), "'a b~'");
        assert_eq!(text("it's \"\\"), "'it\\'s \"\\\\'");
        assert_eq!(text("\n\t\0\u{7f}"), "'\\x0a\\x09\\x00\\x7f'");
        assert_eq!(text("é€😀"), "'\\xe9\\u20ac\\U0001f600'");
        assert_eq!(text("{}%s#"), "'{}%s#'");
    }

    #[test]
    fn bytes_are_spelled_in_ascii() {
        assert_eq!(bytes(b"/tmp/a b.py"), "b'/tmp/a b.py'");
        assert_eq!(bytes(b"it's\\\n"), "b'it\\'s\\\\\\x0a'");
        assert_eq!(bytes("é".as_bytes()), "b'\\xc3\\xa9'");
        assert_eq!(bytes(b"\xff\x00\""), "b'\\xff\\x00\"'");
    }

    /// No byte can end the literal, or the line.
    #[test]
    fn every_byte_stays_inside() {
        for byte in 0..=u8::MAX {
            let literal = bytes(&[byte]);
            let inner = literal.strip_prefix("b'").unwrap().strip_suffix('\'').unwrap();
            assert!(inner.bytes().all(|c| (b' '..=b'~').contains(&c)), "{literal}");
            let is_escaped = inner.starts_with('\\') && inner.len() > 1;
            assert!(is_escaped || inner.len() == 1 && !matches!(byte, b'\'' | b'\\'), "{literal}");
        }
    }

    #[test]
    fn other_constants_are_pythons() {
        assert_eq!([boolean(true), boolean(false)], ["True", "False"]);
        assert_eq!([optional(None), optional(Some(b"x"))], ["None", "b'x'"]);
    }
}

//! The text of `/proc/PID/maps`, as a parser of bytes. It opens nothing and believes no path.

use std::borrow::Cow;
use std::ops::Range;

/// The file behind a mapping, as the kernel numbers it. The inode alone says nothing: every file
/// system counts its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FileId {
    /// Major number of the device.
    pub major: u32,
    /// Minor number of the device.
    pub minor: u32,
    /// Inode.
    pub inode: u64,
}

/// One line of the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// First address.
    pub start: u64,
    /// First address after it; above `start`.
    pub end: u64,
    /// Whether it can be read.
    pub readable: bool,
    /// Whether it can be written.
    pub writable: bool,
    /// Whether it can be executed.
    pub executable: bool,
    /// Whether writes stay in the process: every loaded module is mapped so.
    pub private: bool,
    /// Offset of its first byte in the file.
    pub offset: u64,
    /// The file; inode 0 where there is none.
    pub file: FileId,
    /// Where its path stands in the text.
    path: Range<usize>,
}

impl Mapping {
    /// Whether it is backed by a file.
    #[must_use]
    pub fn has_file(&self) -> bool {
        self.file.inode != 0
    }

    /// Its length in bytes.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.end - self.start
    }

    /// Whether it has no bytes, which no parsed mapping does.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.end == self.start
    }

    /// Where this mapping shows the byte at `offset` of its file.
    #[must_use]
    pub fn address_of(&self, offset: u64) -> Option<u64> {
        let within = offset.checked_sub(self.offset)?;
        (within < self.len()).then(|| self.start + within)
    }

    /// Which byte of its file this mapping shows at `address`.
    #[must_use]
    pub fn offset_of(&self, address: u64) -> Option<u64> {
        let within = address.checked_sub(self.start)?;
        if within < self.len() { self.offset.checked_add(within) } else { None }
    }

    /// Its path as bytes, empty for anonymous memory; `text` is the text it was parsed from.
    ///
    /// Folklore: paths need not be UTF-8; a newline in one is printed as `\012`, and nothing else
    /// is escaped, not even the backslash: a path with a real `\012` in it cannot be told apart.
    #[must_use]
    pub fn path<'t>(&self, text: &'t [u8]) -> Cow<'t, [u8]> {
        let raw = text.get(self.path.clone()).unwrap_or_default();
        if raw.windows(ESCAPED_NEWLINE.len()).any(|part| part == ESCAPED_NEWLINE) {
            Cow::Owned(unescaped(raw))
        } else {
            Cow::Borrowed(raw)
        }
    }
}

const ESCAPED_NEWLINE: &[u8] = b"\\012";

fn unescaped(raw: &[u8]) -> Vec<u8> {
    let mut path = Vec::with_capacity(raw.len());
    let mut rest = raw;
    while let Some((first, tail)) = rest.split_first() {
        if let Some(after) = rest.strip_prefix(ESCAPED_NEWLINE) {
            path.push(b'\n');
            rest = after;
        } else {
            path.push(*first);
            rest = tail;
        }
    }
    path
}

/// What the kernel adds to the path of a file that has no name any more. A file may also really be
/// called so.
const DELETED: &[u8] = b" (deleted)";

/// The path without the mark of a deleted file.
#[must_use]
pub fn without_deleted(path: &[u8]) -> &[u8] {
    path.strip_suffix(DELETED).unwrap_or(path)
}

/// The name of the file without its folders and without the mark of a deleted file.
#[must_use]
pub fn file_name(path: &[u8]) -> &[u8] {
    let path = without_deleted(path);
    path.rsplit(|byte| *byte == b'/').next().unwrap_or(path)
}

/// The mappings of a text, in its order. A line that does not read is left out: the rest is worth
/// having, and the last one may be cut.
#[must_use]
pub fn parse(text: &[u8]) -> Vec<Mapping> {
    let mut mappings = Vec::new();
    parse_from(text, 0, &mut mappings);
    mappings
}

/// The same for the lines from byte `from` on, which starts one, added to those before.
pub(super) fn parse_from(text: &[u8], from: usize, mappings: &mut Vec<Mapping>) {
    let mut cursor = Cursor { text, at: from };
    while cursor.at < text.len() {
        mappings.extend(parse_line(&mut cursor));
        cursor.skip_line();
    }
}

/// `START-END rwxp OFFSET MAJOR:MINOR INODE      PATH`, all but the inode in hexadecimal.
fn parse_line(line: &mut Cursor<'_>) -> Option<Mapping> {
    let start = line.hex(b'-')?;
    let end = line.hex(b' ')?;
    let [r, w, x, p, b' '] = line.take()? else { return None };
    let offset = line.hex(b' ')?;
    let major = u32::try_from(line.hex(b':')?).ok()?;
    let minor = u32::try_from(line.hex(b' ')?).ok()?;
    let inode = line.decimal()?;
    (end > start).then(|| Mapping {
        start,
        end,
        readable: r == b'r',
        writable: w == b'w',
        executable: x == b'x',
        private: p == b'p',
        offset,
        file: FileId { major, minor, inode },
        path: line.path(),
    })
}

/// A place in the text. No step passes the end of its line, but [`Cursor::skip_line`].
struct Cursor<'t> {
    text: &'t [u8],
    at: usize,
}

impl Cursor<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied().filter(|byte| *byte != b'\n')
    }

    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let bytes: [u8; N] = self.text.get(self.at..)?.first_chunk().copied()?;
        let whole = !bytes.contains(&b'\n');
        whole.then(|| {
            self.at += N;
            bytes
        })
    }

    /// A hexadecimal number of at least one digit and at most 64 bits, and the byte that ends it.
    fn hex(&mut self, ends: u8) -> Option<u64> {
        let number = self.digits(16)?;
        (self.take()? == [ends]).then_some(number)
    }

    fn decimal(&mut self) -> Option<u64> {
        self.digits(10)
    }

    fn digits(&mut self, base: u32) -> Option<u64> {
        let from = self.at;
        let mut number = 0_u64;
        while let Some(digit) = self.peek().and_then(|byte| char::from(byte).to_digit(base)) {
            number = number.checked_mul(u64::from(base))?.checked_add(u64::from(digit))?;
            self.at += 1;
        }
        (self.at > from).then_some(number)
    }

    /// What follows the blanks, to the end of the line. A path may end in blanks, and none starts
    /// with one.
    fn path(&mut self) -> Range<usize> {
        while self.peek() == Some(b' ') {
            self.at += 1;
        }
        let from = self.at;
        self.at = self.line_end();
        from..self.at
    }

    fn line_end(&self) -> usize {
        let rest = self.text.get(self.at..).unwrap_or_default();
        rest.iter().position(|byte| *byte == b'\n').map_or(self.text.len(), |end| self.at + end)
    }

    fn skip_line(&mut self) {
        self.at = self.line_end().saturating_add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &[u8] =
        b"00400000-00422000 r--p 00001000 fe:00 5309257                            /usr/bin/python3\n\
        00b51000-00bee000 rw-s 00000000 103:1a 0 \n\
        ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0                  [vsyscall]\n";

    #[test]
    fn a_line_has_eight_facts() {
        let maps = parse(TEXT);
        assert_eq!(maps.len(), 3);
        let first = &maps[0];
        assert_eq!((first.start, first.end, first.offset), (0x40_0000, 0x42_2000, 0x1000));
        assert_eq!(first.file, FileId { major: 0xfe, minor: 0, inode: 5_309_257 });
        assert!(first.readable && !first.writable && !first.executable && first.private);
        assert_eq!(&*first.path(TEXT), b"/usr/bin/python3");
        assert!(first.has_file() && !maps[1].has_file() && !maps[1].private);
        assert_eq!((maps[1].file.major, maps[1].file.minor), (0x103, 0x1a));
        assert_eq!(&*maps[1].path(TEXT), b"");
        assert_eq!(maps[2].end, 0xffff_ffff_ff60_1000);
    }

    #[test]
    fn a_path_is_bytes_of_any_length() {
        let mut text = b"1000-2000 r-xp 0 0:1 9 /a\xff\\012b  ".to_vec();
        text.resize(9000, b'x');
        text.extend_from_slice(b"/c d (deleted)\n2000-3000 r--p 0 0:1 9 /e\n");
        let maps = parse(&text);
        assert_eq!(maps.len(), 2);
        let path = maps[0].path(&text);
        assert!(path.starts_with(b"/a\xff\nb  x") && path.ends_with(b"/c d (deleted)"));
        assert_eq!(file_name(&path), b"c d");
        assert_eq!(&*maps[1].path(&text), b"/e");
    }

    #[test]
    fn bad_lines_are_left_out_and_the_rest_is_kept() {
        for bad in [
            "",
            "zz",
            "1000-",
            "2000-1000 r--p 0 0:0 0",
            "1000-1000 r--p 0 0:0 0",
            "10000000000000000-2 r--p 0 0:0 0",
            "1000-2000 r-",
            "1000-2000 r--p 0 0:0 ",
            "1000-2000 r--p 0 100000000:0 1",
            "1000-2000 r--p 0 0:0 99999999999999999999999",
            "\u{fffd}",
        ] {
            let text = format!("{bad}\n1000-2000 r--p 0 0:0 1 /ok\n{bad}");
            let maps = parse(text.as_bytes());
            assert_eq!(maps.len(), 1, "{bad:?}");
            assert_eq!(&*maps[0].path(text.as_bytes()), b"/ok");
        }
    }

    #[test]
    fn every_prefix_reads() {
        for cut in 0..TEXT.len() {
            assert!(parse(&TEXT[..cut]).len() <= 3);
        }
    }

    #[test]
    fn offsets_and_addresses_answer_each_other_to_the_edge() {
        let text = b"ffffffffffff0000-ffffffffffffffff rw-p fffffffffffff000 0:1 1 /x\n";
        let mapping = &parse(text)[0];
        assert_eq!(mapping.offset_of(0xffff_ffff_ffff_0010), Some(0xffff_ffff_ffff_f010));
        assert_eq!(mapping.offset_of(0xffff_ffff_ffff_f000), None, "past the last offset");
        assert_eq!(mapping.offset_of(0x10), None);
        assert_eq!(mapping.address_of(0xffff_ffff_ffff_f010), Some(0xffff_ffff_ffff_0010));
        assert_eq!(mapping.address_of(0), None);
    }
}

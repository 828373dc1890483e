//! The texts `/proc/PID/stat` and `/proc/PID/status`, as parsers of bytes. They open nothing.

/// The flag of a kernel thread in field 9 of `stat`.
const KERNEL_THREAD: u64 = 0x0020_0000;

/// The bit of `CAP_DAC_OVERRIDE`, which reads every file, in a capability mask.
const CAP_DAC_OVERRIDE: u64 = 1 << 1;

/// The bit of `CAP_DAC_READ_SEARCH`, which reads every file as well.
const CAP_DAC_READ_SEARCH: u64 = 1 << 2;

/// The bit of `CAP_SYS_PTRACE` in a capability mask.
pub(crate) const CAP_SYS_PTRACE: u64 = 1 << 19;

/// What `/proc/PID/stat` says, as far as we care.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stat {
    /// Field 3: `Z` and `X` are dead.
    state: u8,
    /// Field 9.
    flags: u64,
    /// Field 20.
    threads: u64,
    /// Field 22: ticks since boot.
    pub(crate) started: u64,
}

impl Stat {
    /// Reads the one line of `stat`.
    ///
    /// Folklore: field 2 is the name of the program, in parentheses, and may contain `") "`
    /// itself; only the last parenthesis ends it.
    pub(crate) fn parse(text: &[u8]) -> Option<Stat> {
        let name_ends = text.iter().rposition(|byte| *byte == b')')?;
        let rest = core::str::from_utf8(text.get(name_ends + 1..)?).ok()?;
        let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
        let number = |field: usize| fields.get(field - 3)?.parse().ok();
        Some(Stat {
            state: *fields.first()?.as_bytes().first()?,
            flags: number(9)?,
            threads: number(20)?,
            started: number(22)?,
        })
    }

    /// Whether its first thread has ended, but was not reaped.
    pub(crate) fn is_zombie(&self) -> bool {
        matches!(self.state, b'Z' | b'X')
    }

    /// Whether all of it has ended: a first thread that called `pthread_exit` is a zombie too,
    /// while the others go on.
    pub(crate) fn is_dead(&self) -> bool {
        self.is_zombie() && self.threads <= 1
    }

    /// Whether it is a thread of the kernel, which has no memory of its own.
    pub(crate) fn is_kernel_thread(&self) -> bool {
        self.flags & KERNEL_THREAD != 0
    }
}

/// The value of one line of `status`, without the blanks around it.
pub(crate) fn line<'t>(status: &'t [u8], key: &str) -> Option<&'t str> {
    status.split(|byte| *byte == b'\n').find_map(|line| {
        let value = line.strip_prefix(key.as_bytes())?.strip_prefix(b":")?;
        core::str::from_utf8(value).ok().map(str::trim)
    })
}

/// The numbers of one line of `status`; none where there is no such line.
fn numbers(status: &[u8], key: &str) -> Vec<u32> {
    let fields = line(status, key).unwrap_or_default().split_ascii_whitespace();
    fields.filter_map(|field| field.parse().ok()).collect()
}

/// The ids of one thread in every PID namespace that has one for it, the outermost first; none on
/// kernels before 4.1.
pub(crate) fn namespace_ids(status: &[u8]) -> Vec<u32> {
    numbers(status, "NSpid")
}

/// The process that the id belongs to; differs from it for a thread that is not the first.
pub(crate) fn process_of_thread(status: &[u8]) -> Option<u32> {
    line(status, "Tgid")?.parse().ok()
}

/// The thread that traces this one, 0 if none does.
pub(crate) fn tracer(status: &[u8]) -> Option<u32> {
    line(status, "TracerPid")?.parse().ok()
}

/// Whether this thread has ended, though it may still be listed.
pub(crate) fn has_ended(status: &[u8]) -> bool {
    line(status, "State").is_some_and(|state| state.starts_with(['Z', 'X']))
}

/// The effective capabilities.
pub(crate) fn capabilities(status: &[u8]) -> u64 {
    line(status, "CapEff").and_then(|mask| u64::from_str_radix(mask, 16).ok()).unwrap_or(0)
}

/// The effective user id.
pub(crate) fn effective_uid(status: &[u8]) -> Option<u32> {
    numbers(status, "Uid").get(1).copied()
}

/// Who a process is when it opens a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Credentials {
    /// The user id for files: the fourth of the line, which all but old NFS servers keep equal to
    /// the effective one.
    pub(crate) uid: u32,
    /// The group ids for files, supplementary ones included.
    groups: Vec<u32>,
    /// Whether a capability opens every file to it.
    reads_all: bool,
}

impl Credentials {
    /// Reads them from `status`.
    pub(crate) fn parse(status: &[u8]) -> Option<Credentials> {
        let mut groups = numbers(status, "Groups");
        groups.push(*numbers(status, "Gid").get(3)?);
        let reads_all = capabilities(status) & (CAP_DAC_OVERRIDE | CAP_DAC_READ_SEARCH) != 0;
        Some(Credentials { uid: *numbers(status, "Uid").get(3)?, groups, reads_all })
    }

    /// Whether the mode bits grant `wanted` (4 to read, 1 to search), the owner's first: an owner
    /// without the bit is refused although everyone else has it.
    pub(crate) fn may(&self, wanted: u32, mode: u32, owner: u32, group: u32) -> bool {
        let class = match () {
            () if self.uid == owner => mode >> 6,
            () if self.groups.contains(&group) => mode >> 3,
            () => mode,
        };
        self.reads_all || class & wanted == wanted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAT: &[u8] = b"71 (a) b) (c) S 1 71 71 0 -1 4194304 81 0 0 0 0 0 0 0 20 0 3 0 987654 \
        1 2 3\n";

    #[test]
    fn a_name_may_hold_parentheses() {
        let stat = Stat::parse(STAT).unwrap();
        assert_eq!(stat.started, 987_654);
        assert_eq!(stat.threads, 3);
        assert!(!stat.is_zombie() && !stat.is_kernel_thread());
    }

    #[test]
    fn a_short_line_is_no_stat() {
        for cut in 0..60 {
            assert_eq!(Stat::parse(&STAT[..cut]), None);
        }
        assert_eq!(Stat::parse(b"\xff\xff"), None);
    }

    #[test]
    fn a_zombie_with_threads_is_not_dead() {
        let text = String::from_utf8_lossy(STAT).replace(") S ", ") Z ");
        let stat = Stat::parse(text.as_bytes()).unwrap();
        assert!(stat.is_zombie() && !stat.is_dead());
        let alone = text.replace(" 20 0 3 ", " 20 0 1 ");
        assert!(Stat::parse(alone.as_bytes()).unwrap().is_dead());
    }

    const STATUS: &[u8] =
        b"Name:\tUid: 7\nState:\tZ (zombie)\nTracerPid:\t12\nTgid:\t500\nNSpid:\t500\t12\t1\nUid:\t1000\t1000\t1000\t\
        1001\nGid:\t5\t5\t5\t6\nGroups:\t20 30 \nCapEff:\t0000000000000000\n";

    #[test]
    fn a_line_is_found_by_its_whole_key() {
        assert_eq!(process_of_thread(STATUS), Some(500));
        assert_eq!(namespace_ids(STATUS), [500, 12, 1]);
        assert_eq!(line(STATUS, "Name"), Some("Uid: 7"));
        assert_eq!((tracer(STATUS), has_ended(STATUS)), (Some(12), true));
        assert_eq!((tracer(b"TracerPid"), has_ended(b"State:\tD (disk sleep)\n")), (None, false));
        assert_eq!(line(STATUS, "NoSuch"), None);
        assert_eq!(namespace_ids(b"NSpid"), [0; 0]);
    }

    #[test]
    fn mode_bits_are_asked_in_the_kernels_order() {
        let who = Credentials::parse(STATUS).unwrap();
        assert_eq!(who.uid, 1001);
        assert!(who.may(4, 0o400, 1001, 0));
        assert!(!who.may(4, 0o044, 1001, 6), "the owner has only the owner's bits");
        assert!(who.may(4, 0o040, 0, 30), "a supplementary group");
        assert!(!who.may(4, 0o604, 0, 6), "a group without the bit, though others have it");
        assert!(who.may(4, 0o004, 0, 0));
        assert!(!who.may(4, 0o640, 0, 0));
    }

    #[test]
    fn a_capability_reads_all() {
        let text = String::from_utf8_lossy(STATUS).replace("0000000000000000", "0000000000000002");
        assert!(Credentials::parse(text.as_bytes()).unwrap().may(4, 0, 0, 0));
    }
}

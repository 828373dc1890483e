//! The builds of CPython whose tables are known. Not a list of what the engine supports.

use crate::Version;

/// The operating system a build is for: it decides the width of C's `unsigned long` and whether a
/// process has a main thread by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum System {
    /// Linux: 8 bytes, and the main thread's id is the process id.
    Linux,
    /// Windows: 4 bytes, and no thread is the main one.
    Windows,
}

impl System {
    /// Bytes in C's `unsigned long`, the type of `thread_id` and `native_thread_id`.
    #[must_use]
    pub const fn ulong_bytes(self) -> u64 {
        match self {
            System::Linux => 8,
            System::Windows => 4,
        }
    }
}

/// A build of CPython for 64-bit x86; a `t` at the end says free-threaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Build {
    /// 3.13.0, Linux: too old for remote attach.
    Linux3_13_0,
    /// 3.14.10, Linux.
    #[default]
    Linux3_14_10,
    /// 3.14.10, Linux, free-threaded: synthesised.
    Linux3_14_10t,
    /// 3.14.6, Windows.
    Windows3_14_6,
    /// 3.14.6, Windows, free-threaded.
    Windows3_14_6t,
    /// 3.15.2, Linux.
    Linux3_15_2,
    /// 3.15.2, Linux, free-threaded: synthesised.
    Linux3_15_2t,
    /// 3.15.0rc1, Windows.
    Windows3_15_0rc1,
    /// 3.15.0rc1, Windows, free-threaded.
    Windows3_15_0rc1t,
}

impl Build {
    /// All of them.
    pub const ALL: [Build; 9] = [
        Build::Linux3_13_0,
        Build::Linux3_14_10,
        Build::Linux3_14_10t,
        Build::Windows3_14_6,
        Build::Windows3_14_6t,
        Build::Linux3_15_2,
        Build::Linux3_15_2t,
        Build::Windows3_15_0rc1,
        Build::Windows3_15_0rc1t,
    ];

    /// Its name in scenarios and reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Build::Linux3_13_0 => "3.13.0-linux",
            Build::Linux3_14_10 => "3.14.10-linux",
            Build::Linux3_14_10t => "3.14.10t-linux",
            Build::Windows3_14_6 => "3.14.6-windows",
            Build::Windows3_14_6t => "3.14.6t-windows",
            Build::Linux3_15_2 => "3.15.2-linux",
            Build::Linux3_15_2t => "3.15.2t-linux",
            Build::Windows3_15_0rc1 => "3.15.0rc1-windows",
            Build::Windows3_15_0rc1t => "3.15.0rc1t-windows",
        }
    }

    /// The system it is for.
    #[must_use]
    pub const fn system(self) -> System {
        match self {
            Build::Windows3_14_6
            | Build::Windows3_14_6t
            | Build::Windows3_15_0rc1
            | Build::Windows3_15_0rc1t => System::Windows,
            _ => System::Linux,
        }
    }

    /// Whether it runs without the global lock.
    #[must_use]
    pub const fn is_free_threaded(self) -> bool {
        matches!(
            self,
            Build::Linux3_14_10t
                | Build::Windows3_14_6t
                | Build::Linux3_15_2t
                | Build::Windows3_15_0rc1t
        )
    }

    /// Whether its table was read from a real interpreter, rather than synthesised.
    #[must_use]
    pub const fn is_recorded(self) -> bool {
        !matches!(self, Build::Linux3_14_10t | Build::Linux3_15_2t)
    }

    /// Its version.
    #[must_use]
    pub const fn version(self) -> Version {
        match self {
            Build::Linux3_13_0 => Version::release(3, 13, 0),
            Build::Linux3_14_10 | Build::Linux3_14_10t => Version::release(3, 14, 10),
            Build::Windows3_14_6 | Build::Windows3_14_6t => Version::release(3, 14, 6),
            Build::Linux3_15_2 | Build::Linux3_15_2t => Version::release(3, 15, 2),
            Build::Windows3_15_0rc1 | Build::Windows3_15_0rc1t => Version::from_hex(0x030f_00c1),
        }
    }

    /// The build that stands for this minor version: micro versions share the layout of their
    /// table and differ only in a few sizes.
    #[must_use]
    pub fn standing_for(minor: u8, free_threaded: bool, system: System) -> Option<Build> {
        Build::ALL.into_iter().find(|build| {
            build.version().minor == minor
                && build.is_free_threaded() == free_threaded
                && build.system() == system
        })
    }

    /// How much larger the allocated thread state is than the part of it that
    /// `thread_state.size` counts: 936 − 832 bytes in 3.14.10 and 1104 − 888 in 3.15.2, by their
    /// debug information. The others are taken to be alike.
    pub(crate) const fn thread_tail_bytes(self) -> u64 {
        if self.version().minor < 15 { 104 } else { 216 }
    }

    /// Where the module is loaded when nobody says otherwise, and where `.PyRuntime` lies in it.
    /// Debian's builds are linked to a fixed address; the section starts in the middle of a page.
    pub(crate) const fn usual_place(self) -> (u64, u64) {
        match self {
            Build::Linux3_13_0 => (0x7fff_f780_0000, 0x5f_c2e0),
            Build::Linux3_14_10 | Build::Linux3_14_10t => (0x40_0000, 0x7a_07c0),
            Build::Linux3_15_2 | Build::Linux3_15_2t => (0x40_0000, 0x84_08a0),
            Build::Windows3_14_6 | Build::Windows3_14_6t => (0x7ffa_1c20_0000, 0x6a_1000),
            Build::Windows3_15_0rc1 | Build::Windows3_15_0rc1t => (0x7ffa_1c20_0000, 0x72_3000),
        }
    }

    /// The name of the file that holds the runtime.
    pub(crate) const fn usual_module(self) -> &'static str {
        match self {
            Build::Linux3_13_0 => "libpython3.13.so.1.0",
            Build::Linux3_14_10 => "python3.14",
            Build::Linux3_14_10t => "python3.14t",
            Build::Linux3_15_2 => "python3.15",
            Build::Linux3_15_2t => "python3.15t",
            Build::Windows3_14_6 => "python314.dll",
            Build::Windows3_14_6t => "python314t.dll",
            Build::Windows3_15_0rc1 => "python315.dll",
            Build::Windows3_15_0rc1t => "python315t.dll",
        }
    }
}

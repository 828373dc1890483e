//! The recorded tables, and the two that are synthesised for want of a recording. Data: what a
//! table means is told in `layout`, how it may be changed in `form`.

mod v3_13;
mod v3_14;
mod v3_15;

use crate::Build;

/// The first eight bytes of every table, `xdebugpy`, as a little-endian word.
const COOKIE: u64 = u64::from_le_bytes(*b"xdebugpy");

/// Byte position, name, and the value in each of `N` builds.
type Row<const N: usize> = (u64, &'static str, [u64; N]);

/// The columns of the 3.14 and 3.15 tables.
const LINUX: usize = 0;
const WINDOWS: usize = 1;
const WINDOWS_T: usize = 2;

/// The words of a build, in order of position.
pub(crate) fn words(build: Build) -> Vec<(&'static str, u64)> {
    match build {
        Build::Linux3_13_0 => column(v3_13::ROWS, 0),
        Build::Linux3_14_10 => column(v3_14::ROWS, LINUX),
        Build::Linux3_14_10t => synthesise(v3_14::ROWS),
        Build::Windows3_14_6 => column(v3_14::ROWS, WINDOWS),
        Build::Windows3_14_6t => column(v3_14::ROWS, WINDOWS_T),
        Build::Linux3_15_2 => column(v3_15::ROWS, LINUX),
        Build::Linux3_15_2t => synthesise(v3_15::ROWS),
        Build::Windows3_15_0rc1 => column(v3_15::ROWS, WINDOWS),
        Build::Windows3_15_0rc1t => column(v3_15::ROWS, WINDOWS_T),
    }
}

fn column<const N: usize>(rows: &[Row<N>], column: usize) -> Vec<(&'static str, u64)> {
    rows.iter().map(|(_, name, values)| (*name, values[column])).collect()
}

/// A free-threaded Linux build: the Linux one, plus what being free-threaded adds on Windows.
/// **Not recorded**: no such interpreter was at hand. The structures differ between the systems
/// only in the width of `unsigned long` and in what the C library puts into a lock, neither of
/// which free threading changes, so the sum should be near the truth; nothing hangs on it being
/// exact, since the fake process behaves by it.
fn synthesise(rows: &[Row<3>]) -> Vec<(&'static str, u64)> {
    let sum = |values: &[u64; 3]| values[LINUX] + values[WINDOWS_T] - values[WINDOWS];
    rows.iter().map(|(_, name, values)| (*name, sum(values))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn positions<const N: usize>(rows: &[Row<N>]) {
        for (index, (position, name, _)) in rows.iter().enumerate() {
            assert_eq!(*position, index as u64 * 8, "{name}");
        }
    }

    #[test]
    fn the_lists_have_no_gap() {
        positions(v3_13::ROWS);
        positions(v3_14::ROWS);
        positions(v3_15::ROWS);
    }

    #[test]
    fn names_are_unique() {
        for build in Build::ALL {
            let mut names: Vec<_> = words(build).into_iter().map(|(name, _)| name).collect();
            names.sort_unstable();
            assert!(names.windows(2).all(|pair| pair[0] != pair[1]), "{}", build.name());
        }
    }
}

//! Words that reports share: durations, threads, and bytes from elsewhere, for a person to read.

use std::time::Duration;

use softdock_attach::Report;

/// Three digits of it, in the unit that fits: `0.4 ms`. No floats.
#[must_use]
pub fn duration(duration: Duration) -> String {
    let micros = duration.as_micros();
    match micros {
        0..1000 => format!("{micros} µs"),
        1000..1_000_000 => format!("{}.{} ms", micros / 1000, micros % 1000 / 100),
        _ => format!("{}.{} s", micros / 1_000_000, micros % 1_000_000 / 100_000),
    }
}

/// Bytes from elsewhere, made fit for a terminal.
#[must_use]
pub fn clean(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for c in String::from_utf8_lossy(bytes).chars() {
        if c.is_control() {
            text.extend(c.escape_default());
        } else {
            text.push(c);
        }
    }
    text
}

/// The thread that was asked; `main_thread` is the system's number of the main one.
#[must_use]
pub fn thread(report: &Report, main_thread: Option<u64>) -> String {
    let thread = report.thread.map_or(0, |thread| thread.id);
    let is_main = main_thread.and_then(|id| i64::try_from(id).ok()) == Some(thread);
    let role = if is_main { " (main)" } else { "" };
    let version = report.version.map(|version| format!(" {version}")).unwrap_or_default();
    let interpreter = match report.interpreter {
        Some(interpreter) if interpreter.id != 0 => format!(" of interpreter {}", interpreter.id),
        _ => String::new(),
    };
    format!("thread {thread}{role}{interpreter} of CPython{version}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_written_short() {
        let of = |micros| duration(Duration::from_micros(micros));
        assert_eq!([of(7), of(430), of(999)], ["7 µs", "430 µs", "999 µs"]);
        assert_eq!([of(1049), of(999_999)], ["1.0 ms", "999.9 ms"]);
        assert_eq!([of(1_000_000), of(61_500_000)], ["1.0 s", "61.5 s"]);
    }

    #[test]
    fn a_terminal_is_safe_from_foreign_bytes() {
        assert_eq!(clean(b"/tmp/\x1b[31m\xff\n.py"), "/tmp/\\u{1b}[31m\u{fffd}\\n.py");
        assert_eq!(clean("/tmp/é.py".as_bytes()), "/tmp/é.py");
    }
}

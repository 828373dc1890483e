//! Durations as people write them (`5s`, `250ms`) and as they read them (`0.4 ms`). No floats.

use std::time::Duration;

/// The longest that can be asked for: a request that waits longer should be looked at by a person.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// Reads a whole number with `ms`, `s`, `m` or `h`; without a unit it is seconds.
pub(crate) fn parse(text: &str) -> Result<Duration, String> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, unit) = text.split_at(end);
    let millis_a_unit = match unit.trim_start() {
        "ms" => 1,
        "s" | "" => 1000,
        "m" | "min" => 60_000,
        "h" => 3_600_000,
        _ => return Err(String::from("expected a whole number and ms, s, m or h, as in 250ms")),
    };
    let number: u64 = digits.parse().map_err(|_| String::from("expected a number, as in 5s"))?;
    number
        .checked_mul(millis_a_unit)
        .map(Duration::from_millis)
        .filter(|duration| *duration <= LONGEST)
        .ok_or_else(|| String::from("at most 24h"))
}

/// Three digits of it, in the unit that fits.
pub(crate) fn text(duration: Duration) -> String {
    let micros = duration.as_micros();
    match micros {
        0..1000 => format!("{micros} µs"),
        1000..1_000_000 => format!("{}.{} ms", micros / 1000, micros % 1000 / 100),
        _ => format!("{}.{} s", micros / 1_000_000, micros % 1_000_000 / 100_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read() {
        let millis = |text| parse(text).ok().map(|duration| duration.as_millis());
        for (text, expected) in [
            ("5s", Some(5000)),
            ("5", Some(5000)),
            ("0", Some(0)),
            ("250ms", Some(250)),
            ("2 m", Some(120_000)),
            ("24h", Some(86_400_000)),
            ("25h", None),
            ("1.5s", None),
            ("-1s", None),
            ("s", None),
            ("", None),
            ("99999999999999999999s", None),
            ("9999999999999999h", None),
        ] {
            assert_eq!(millis(text), expected, "{text}");
        }
    }

    #[test]
    fn durations_are_written_short() {
        let of = |micros| text(Duration::from_micros(micros));
        assert_eq!([of(7), of(430), of(999)], ["7 µs", "430 µs", "999 µs"]);
        assert_eq!([of(1049), of(999_999)], ["1.0 ms", "999.9 ms"]);
        assert_eq!([of(1_000_000), of(61_500_000)], ["1.0 s", "61.5 s"]);
    }
}

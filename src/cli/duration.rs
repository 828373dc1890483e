//! Durations as people write them: `5s`, `250ms`.

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
}

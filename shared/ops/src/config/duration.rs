//! Lengths of time in a config: a number and its unit.

use std::time::Duration;

/// Ten years; more is a mistake.
const DURATION_S_MAX: u64 = 10 * 365 * 24 * 60 * 60;

/// Reads a number with a unit: `s`, `m`, `h` or `d`.
pub fn duration(text: &str) -> Result<Duration, String> {
    let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let factor = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 60 * 60,
        "d" => 24 * 60 * 60,
        _ => return Err("expected a number with a unit: s, m, h or d".into()),
    };
    let number: u64 = number.parse().map_err(|_| "expected a number with a unit: s, m, h or d")?;
    let seconds = number.checked_mul(factor).filter(|s| (1..=DURATION_S_MAX).contains(s));
    seconds.map(Duration::from_secs).ok_or_else(|| "expected something between 1 second and 10 years".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_units_and_bounds() {
        assert_eq!(duration("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("24h"), Ok(Duration::from_secs(86_400)));
        for text in ["", "24", "h", "1w", "-1s", "0s", "99999999999d"] {
            assert!(duration(text).is_err(), "{text:?}");
        }
    }
}

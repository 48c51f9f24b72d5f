//! The scalar types of section 4.2, read exactly: no floats, so that sums can be compared.

use std::time::Duration;

/// Longer than any presentation, and short enough that sums of durations never overflow.
const SECONDS_MAX: u64 = 1_000_000_000;

/// No server counts that far, and arithmetic with numbers below it never overflows.
const NUMBER_MAX: u64 = 1 << 53;

/// A decimal-integer.
pub(super) fn integer(text: &str) -> Result<u64, String> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = if digits { text.parse::<u64>().ok() } else { None };
    number.filter(|number| *number <= NUMBER_MAX).ok_or_else(|| format!("\"{text}\" is no decimal-integer"))
}

/// A decimal-floating-point number of seconds, to the nanosecond; further digits are dropped.
pub(super) fn seconds(text: &str) -> Result<Duration, String> {
    let wrong = || format!("\"{text}\" is no decimal-floating-point number");
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    if fraction.is_empty() || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(wrong());
    }
    let whole = integer(whole).map_err(|_| wrong())?;
    if whole > SECONDS_MAX {
        return Err(format!("\"{text}\" seconds are no duration"));
    }
    let nanos = fraction.bytes().chain(std::iter::repeat(b'0')).take(9);
    let nanos = nanos.fold(0_u32, |sum, digit| sum * 10 + u32::from(digit - b'0'));
    Ok(Duration::new(whole, nanos))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_exact() {
        assert_eq!(seconds("6"), Ok(Duration::from_secs(6)));
        assert_eq!(seconds("0.333340"), Ok(Duration::from_nanos(333_340_000)));
        assert_eq!(seconds("1.0000000019"), Ok(Duration::from_nanos(1_000_000_001)));
    }

    #[test]
    fn what_is_no_number_is_refused() {
        for text in ["", ".5", "5.", "-1", "+1", "1e3", " 1", "1,5", "99999999999"] {
            assert!(seconds(text).is_err(), "{text:?}");
        }
        assert!(integer("18446744073709551616").is_err());
    }
}

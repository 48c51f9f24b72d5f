//! Dates of `EXT-X-PROGRAM-DATE-TIME` and of date ranges.

use std::time::Duration;

/// A point of time, in nanoseconds since 1970 without leap seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct WallClock(pub i128);

impl WallClock {
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        Self(self.0 + nanos(duration))
    }

    /// How much later this is than `other`, in nanoseconds.
    #[must_use]
    pub fn since(self, other: Self) -> i128 {
        self.0 - other.0
    }

    /// Reads ISO 8601 with date, time and preferably a zone; without one it counts as UTC.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        read(text).ok_or_else(|| format!("\"{text}\" is no ISO 8601 date and time"))
    }
}

/// As the signed numbers of which dates are made.
fn nanos(duration: Duration) -> i128 {
    i128::try_from(duration.as_nanos()).unwrap_or(i128::MAX)
}

fn read(text: &str) -> Option<WallClock> {
    let (date, rest) = text.split_once('T')?;
    let mut fields = date.split('-');
    let (year, month, day) = (field(fields.next()?, 4)?, field(fields.next()?, 2)?, field(fields.next()?, 2)?);
    if fields.next().is_some() || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let (time, zone) = split_zone(rest);
    let mut fields = time.split(':');
    let (hour, minute, second) = (field(fields.next()?, 2)?, field(fields.next()?, 2)?, fields.next()?);
    if fields.next().is_some() || hour > 24 || minute > 59 {
        return None;
    }
    let whole = second.split(['.', ',']).next()?;
    let second = super::value::seconds(&second.replace(',', ".")).ok().filter(|_| whole.len() == 2)?;
    let minutes = (days(year, month, day) * 24 + hour) * 60 + minute - zone_minutes(zone)?;
    Some(WallClock(i128::from(minutes) * 60_000_000_000 + nanos(second)))
}

fn field(text: &str, digits: usize) -> Option<i64> {
    let well_formed = text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit());
    if well_formed { text.parse().ok() } else { None }
}

fn split_zone(text: &str) -> (&str, &str) {
    text.find(['Z', '+', '-']).map_or((text, "Z"), |at| text.split_at(at))
}

fn zone_minutes(zone: &str) -> Option<i64> {
    if zone == "Z" {
        return Some(0);
    }
    let sign = if zone.starts_with('-') { -1 } else { 1 };
    let digits = zone.get(1..)?.replace(':', "");
    let (hours, minutes) = match digits.len() {
        2 => (field(&digits, 2)?, 0),
        4 => (field(digits.get(..2)?, 2)?, field(digits.get(2..)?, 2)?),
        _ => return None,
    };
    Some(sign * (hours * 60 + minutes))
}

/// Days since 1970 in the Gregorian calendar: years begin in March, so that the leap day is their last.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    year * 365 + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + day_of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zones_and_fractions_are_understood() {
        let noon = WallClock(1_266_590_063_031_000_000);
        assert_eq!(WallClock::parse("2010-02-19T14:34:23.031Z"), Ok(noon));
        assert_eq!(WallClock::parse("2010-02-19T22:34:23.031+08:00"), Ok(noon));
        assert_eq!(WallClock::parse("2010-02-19T14:34:23.031+0000"), Ok(noon));
        assert_eq!(WallClock::parse("1970-01-01T00:00:00"), Ok(WallClock(0)));
        assert_eq!(
            WallClock::parse("2024-03-01T00:00:00Z").unwrap().since(WallClock::parse("2024-02-29T00:00:00Z").unwrap()),
            86_400_000_000_000
        );
    }

    #[test]
    fn what_is_no_date_is_refused() {
        for text in [
            "",
            "2010-02-19",
            "2010-13-19T00:00:00Z",
            "10-02-19T00:00:00Z",
            "2010-02-19T0:00:00Z",
            "2010-02-19T00:00:00+1",
        ] {
            assert!(WallClock::parse(text).is_err(), "{text:?}");
        }
    }
}

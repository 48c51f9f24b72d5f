//! Instants, moments of media and dates: three names of the same time.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use velella_hls::WallTime;
use velella_media::MediaTime;

/// Seconds between 1900, where NTP begins, and 1970.
const NTP_TO_UNIX_S: u64 = 2_208_988_800;

/// Tells them apart by one moment that has all three.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moments {
    origin: Instant,
    date: WallTime,
}

impl Moments {
    /// The moments of media count from `origin`, which is at `date`.
    pub(crate) fn new(origin: Instant, date: SystemTime) -> Self {
        let since = date.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        Self { origin, date: WallTime(i64::try_from(since.as_micros()).unwrap_or(i64::MAX)) }
    }

    /// When the moments of media begin.
    pub(crate) fn date(self) -> WallTime {
        self.date
    }

    pub(crate) fn of(self, instant: Instant) -> MediaTime {
        let since = instant.saturating_duration_since(self.origin);
        MediaTime(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
    }

    /// The date of decode time 0 of a track, of which one tick is known: `ticks` are at `time`.
    pub(crate) fn zero(self, time: MediaTime, ticks: u64, timescale: u32) -> WallTime {
        let ticks = MediaTime::from_ticks(i64::try_from(ticks).unwrap_or(i64::MAX), timescale);
        WallTime(self.date.0.saturating_add(time.0.saturating_sub(ticks.0) / 1_000))
    }
}

/// As sender reports say it, in units of 2⁻³² s since 1900.
pub(crate) fn ntp(date: SystemTime) -> u64 {
    let since = date.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    let seconds = since.as_secs().wrapping_add(NTP_TO_UNIX_S);
    (seconds << 32) | (u64::from(since.subsec_nanos()) * (1 << 32) / 1_000_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_is_a_second_in_all_of_them() {
        let moments = Moments::new(origin(), UNIX_EPOCH + Duration::from_secs(100));
        let later = moments.of(origin() + Duration::from_secs(3));
        assert_eq!(later, MediaTime(3_000_000_000));
        assert_eq!(moments.zero(later, 90_000, 90_000), WallTime(102_000_000));
        let difference = ntp(UNIX_EPOCH + Duration::from_millis(1_500)) - ntp(UNIX_EPOCH);
        assert_eq!(difference, 3 << 31);
    }

    #[allow(clippy::disallowed_methods, reason = "tests need a first instant")]
    fn origin() -> Instant {
        use std::sync::OnceLock;
        static ORIGIN: OnceLock<Instant> = OnceLock::new();
        *ORIGIN.get_or_init(Instant::now)
    }
}

//! When a frame was captured, in our own time.
//!
//! A source's clock has no relation to ours; all that is known is that a frame cannot arrive before it
//! was captured. So the frame with the shortest way ties the two together, for pictures and sound alike,
//! which keeps them in step.

use std::time::{Duration, Instant};

use velella_media::MediaTime;

/// A frame that is later than this against the tie begins a new one: the source was away, or its clock jumped.
const LATE_MAX: Duration = Duration::from_secs(1);

/// How much later the tie may move with each frame: follows 1000 ppm at 50 frames a second, and hardly a
/// queue that builds up.
const STEP_MAX: Duration = Duration::from_micros(20);

/// Ties a source's clock to ours.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Clock {
    tie: Option<(MediaTime, Instant)>,
}

impl Clock {
    /// When this frame, which arrives now, was captured. Never later than now.
    pub(crate) fn captured(&mut self, time: MediaTime, now: Instant) -> Instant {
        let late = self.map(time).and_then(|expected| now.checked_duration_since(expected));
        match (late, self.tie) {
            (Some(late), Some((tied, at))) if late <= LATE_MAX => {
                self.tie = Some((tied, at + late.min(STEP_MAX)));
                now.checked_sub(late.saturating_sub(STEP_MAX)).unwrap_or(now)
            }
            // Faster than any before, or much too late, or the first.
            _ => {
                self.tie = Some((time, now));
                now
            }
        }
    }

    fn map(&self, time: MediaTime) -> Option<Instant> {
        let (tied, at) = self.tie?;
        match time.since(tied) {
            Some(after) => at.checked_add(after),
            None => at.checked_sub(tied.since(time)?),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn at(ms: i64) -> MediaTime {
        MediaTime(ms * 1_000_000)
    }

    #[test]
    fn jitter_on_the_way_is_not_taken_for_time() {
        let (mut clock, t0) = (Clock::default(), Instant::now());
        assert_eq!(clock.captured(at(0), t0), t0);
        let captured = clock.captured(at(40), t0 + ms(70));
        assert!(captured.duration_since(t0 + ms(40)) <= ms(1));
        assert_eq!(clock.captured(at(80), t0 + ms(75)), t0 + ms(75), "a shorter way than the first");
        assert!(clock.captured(at(120), t0 + ms(115)).duration_since(t0 + ms(115)) <= ms(1));
    }

    #[test]
    fn a_source_that_comes_back_begins_anew() {
        let (mut clock, t0) = (Clock::default(), Instant::now());
        clock.captured(at(0), t0);
        assert_eq!(clock.captured(at(40), t0 + ms(5_000)), t0 + ms(5_000));
        assert_eq!(clock.captured(at(-90_000), t0 + ms(5_040)), t0 + ms(5_040));
    }

    #[test]
    fn a_slow_clock_is_followed() {
        let (mut clock, t0) = (Clock::default(), Instant::now());
        // 500 ppm slow: each of 25 frames a second comes 20 µs later than the one before.
        for n in 0..10_000_u32 {
            let now = t0 + Duration::from_micros(40_020) * n;
            let captured = clock.captured(at(i64::from(n) * 40), now);
            assert!(now.duration_since(captured) <= ms(1), "frame {n}");
        }
    }
}

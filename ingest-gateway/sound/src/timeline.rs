//! Where the next piece of sound belongs.
//!
//! Times are compared with where the sound before ends:
//! - Up to 40 ms off is jitter or drift. It is smoothed over 2 s and followed by making a tenth of it more or less
//!   sound per second, at most 5 ms/s: a clock that is 200 ppm off ends up 2 ms off.
//! - A hole of up to 200 ms is filled with silence.
//! - After a longer one the clock goes on and nothing is sent for it: whoever listens conceals it already, and a burst
//!   of silence would come too late for every jitter buffer.
//! - What is more than 40 ms behind overlaps, and is cut off, and so is what follows it until it overlaps no more.
//! - A piece that begins a second or more behind says that the source's clock was turned back: it begins anew.

use std::time::Duration;

use velella_media::MediaTime;

use crate::encoder::TICKS_PER_S;
use crate::resampler::CORRECTION_MAX;

/// What jitter or drift may amount to; lips seem out of sync from there on.
const FOLLOWED_S_MAX: f64 = 0.040;
/// Longest hole that is filled.
const FILLED_S_MAX: f64 = 0.200;
/// So far behind, the clock was turned back.
const TURNED_BACK_S: f64 = 1.0;
/// Over how long what is off is averaged: times of RTMP are rounded to milliseconds.
const SMOOTHED_S: f64 = 2.0;
/// The part of what is off that is made up for in a second.
const PER_SECOND: f64 = 0.1;
/// Once something overlapped, what is within this is no overlap any more.
const EXACT_S: f64 = 0.002;

/// What to do with a piece of sound.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Place {
    /// It follows; go this much faster.
    Follows { correction: f64 },
    /// Fill this long with silence first.
    Hole(Duration),
    /// Cut this long off its beginning.
    Overlap(Duration),
    /// End what came before, and go on at its time.
    Begins,
}

/// The clock of what comes out: 48 000 ticks in a second.
#[derive(Debug, Default)]
pub(crate) struct Timeline {
    /// Where it began last.
    origin: Option<Origin>,
    /// Ticks since.
    ticks: u64,
    begins: bool,
    off_s: f64,
    overlaps: bool,
}

#[derive(Clone, Copy, Debug)]
struct Origin {
    time: MediaTime,
    timestamp: u64,
}

impl Timeline {
    /// Where a piece of this length belongs that is to be heard at `time`, when `pending` ticks are still to come of
    /// what was placed before.
    pub(crate) fn place(&mut self, time: MediaTime, length: Duration, pending: f64) -> Place {
        let Some(end) = self.time() else { return Place::Begins };
        let off_s = seconds(time, end) - pending / f64::from(TICKS_PER_S);
        self.overlaps &= off_s < -EXACT_S;
        if off_s.abs() <= FOLLOWED_S_MAX && !self.overlaps {
            let weight = (length.as_secs_f64() / SMOOTHED_S).min(1.0);
            self.off_s += (off_s - self.off_s) * weight;
            let correction = (self.off_s * PER_SECOND).clamp(-CORRECTION_MAX, CORRECTION_MAX);
            return Place::Follows { correction };
        }
        self.off_s = 0.0;
        if off_s <= -TURNED_BACK_S || off_s > FILLED_S_MAX {
            return Place::Begins;
        }
        let off = Duration::from_secs_f64(off_s.abs());
        self.overlaps = off_s < 0.0;
        if self.overlaps { Place::Overlap(off) } else { Place::Hole(off) }
    }

    /// Begins again at this time. Timestamps follow it, but never go back.
    pub(crate) fn begin(&mut self, time: MediaTime) {
        let timestamp = match (self.origin, self.time()) {
            (Some(origin), Some(end)) => {
                let gap = time.since(end).unwrap_or_default();
                origin.timestamp + self.ticks + ticks(gap)
            }
            _ => 0,
        };
        *self = Self { origin: Some(Origin { time, timestamp }), ticks: 0, begins: true, off_s: 0.0, overlaps: false };
    }

    /// Gives time and timestamp of the next packet, and whether it is the first since [`Self::begin`].
    pub(crate) fn advance(&mut self, ticks: u32) -> Option<(MediaTime, u64, bool)> {
        let (origin, time) = (self.origin?, self.time()?);
        let timestamp = origin.timestamp + self.ticks;
        self.ticks += u64::from(ticks);
        Some((time, timestamp, std::mem::take(&mut self.begins)))
    }

    /// When the next packet is to be heard.
    fn time(&self) -> Option<MediaTime> {
        let since = MediaTime::from_ticks(i64::try_from(self.ticks).ok()?, TICKS_PER_S);
        Some(MediaTime(self.origin?.time.0.saturating_add(since.0)))
    }
}

/// How much later the first is than the second.
fn seconds(time: MediaTime, than: MediaTime) -> f64 {
    match (time.since(than), than.since(time)) {
        (Some(later), _) => later.as_secs_f64(),
        (None, Some(earlier)) => -earlier.as_secs_f64(),
        // Further apart than 64 bits of nanoseconds tell.
        (None, None) => f64::NEG_INFINITY,
    }
}

/// Rounded to the nearest.
fn ticks(of: Duration) -> u64 {
    let ticks = (of.as_nanos() * u128::from(TICKS_PER_S) + 500_000_000) / 1_000_000_000;
    u64::try_from(ticks).unwrap_or(u64::MAX / 4).min(u64::MAX / 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACKET: Duration = Duration::from_millis(20);

    fn ms(ms: i64) -> MediaTime {
        MediaTime::from_ticks(ms, 1_000)
    }

    /// That began at 1 s and has made a second.
    fn running() -> Timeline {
        let mut timeline = Timeline::default();
        timeline.begin(ms(1_000));
        (0..50).for_each(|_| {
            timeline.advance(960);
        });
        timeline
    }

    #[test]
    fn each_distance_has_its_own_answer() {
        let place = |at| running().place(ms(at), PACKET, 0.0);
        assert_eq!(Timeline::default().place(ms(7), PACKET, 0.0), Place::Begins);
        assert_eq!(place(2_000), Place::Follows { correction: 0.0 });
        assert!(matches!(place(2_040), Place::Follows { correction } if correction > 0.0));
        assert!(matches!(place(1_960), Place::Follows { correction } if correction < 0.0));
        assert_eq!(place(2_100), Place::Hole(Duration::from_millis(100)));
        assert_eq!(place(2_201), Place::Begins);
        assert_eq!(place(1_900), Place::Overlap(Duration::from_millis(100)));
        assert_eq!(place(1_001), Place::Overlap(Duration::from_millis(999)));
        assert_eq!(place(1_000), Place::Begins);
        assert_eq!(running().place(MediaTime(i64::MIN), PACKET, 0.0), Place::Begins);
    }

    #[test]
    fn what_is_pending_counts() {
        assert_eq!(running().place(ms(2_500), PACKET, 24_000.0), Place::Follows { correction: 0.0 });
    }

    #[test]
    fn timestamps_follow_the_time_but_never_go_back() {
        let mut timeline = running();
        timeline.begin(ms(5_000));
        assert_eq!(timeline.advance(960), Some((ms(5_000), 4 * 48_000, true)));
        assert_eq!(timeline.advance(960), Some((ms(5_020), 4 * 48_000 + 960, false)));
        timeline.begin(ms(0));
        assert_eq!(timeline.advance(960), Some((ms(0), 4 * 48_000 + 1_920, true)));
    }
}

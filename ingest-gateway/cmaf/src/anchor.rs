//! Where the decode time line of a track lies on the clock that all tracks share.

use velella_media::MediaTime;

/// Maps moments to ticks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Anchor {
    /// The moment that is decode time 0.
    zero: MediaTime,
}

impl Anchor {
    pub(crate) fn new(zero: MediaTime) -> Self {
        Self { zero }
    }

    /// To the nearest tick; negative before the beginning.
    pub(crate) fn ticks(self, time: MediaTime, timescale: u32) -> i64 {
        let half_a_tick = 500_000_000 / i64::from(timescale.max(1));
        let since = time.0.saturating_sub(self.zero.0).saturating_add(half_a_tick);
        MediaTime(since).ticks(timescale)
    }

    /// From now on this moment is at so many ticks.
    pub(crate) fn move_to(&mut self, time: MediaTime, ticks: u64, timescale: u32) {
        let ticks = i64::try_from(ticks).unwrap_or(i64::MAX);
        self.zero = MediaTime(time.0.saturating_sub(MediaTime::from_ticks(ticks, timescale).0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_of_a_source_come_back_exactly() {
        let anchor = Anchor::new(MediaTime::from_ticks(7, 90_000));
        for ticks in [0, 1, 3_003, 90_000 * 86_400 + 1] {
            assert_eq!(anchor.ticks(MediaTime::from_ticks(ticks + 7, 90_000), 90_000), ticks);
        }
        assert!(anchor.ticks(MediaTime(0), 90_000) < 0);
    }

    #[test]
    fn a_moment_can_be_moved() {
        let mut anchor = Anchor::new(MediaTime(0));
        anchor.move_to(MediaTime(5_000_000_000), 90_000, 90_000);
        assert_eq!(anchor.ticks(MediaTime(5_500_000_000), 90_000), 135_000);
    }
}

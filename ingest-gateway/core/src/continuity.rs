//! One line of time out of all openings of a source: each begins when it arrives, and what is sent never runs back.

use std::time::{Duration, Instant};

use velella_media::MediaTime;

/// An opening begins so long behind what the one before ended with, at least: a picture at 25 a second.
const GAP_MIN: Duration = Duration::from_millis(40);

/// Where the times of a source stand since the ingest began.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Continuity {
    began: Instant,
    /// From the source's own time, in nanoseconds; known with the first frame of an opening.
    shift: Option<i64>,
    latest: Option<MediaTime>,
}

impl Continuity {
    pub(crate) fn new(began: Instant) -> Self {
        Self { began, shift: None, latest: None }
    }

    /// The source is opened anew: its clock may begin anywhere.
    pub(crate) fn reopen(&mut self) {
        self.shift = None;
    }

    /// Where a frame of this time stands, that arrives now.
    pub(crate) fn place(&mut self, time: MediaTime, now: Instant) -> MediaTime {
        let arrived = MediaTime::default().later(now.saturating_duration_since(self.began));
        let behind = self.latest.map(|latest| latest.later(GAP_MIN));
        let first = behind.map_or(arrived, |behind| behind.max(arrived));
        let shift = *self.shift.get_or_insert_with(|| first.0.saturating_sub(time.0));
        let placed = MediaTime(time.0.saturating_add(shift));
        self.latest = self.latest.max(Some(placed));
        placed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: i64 = 1_000_000;

    #[test]
    fn an_opening_begins_when_it_arrives_and_keeps_its_own_pace() {
        let t0 = Instant::now();
        let mut line = Continuity::new(t0);
        assert_eq!(line.place(MediaTime(7_000 * MS), t0 + Duration::from_secs(2)).0, 2_000 * MS);
        assert_eq!(line.place(MediaTime(7_040 * MS), t0 + Duration::from_secs(9)).0, 2_040 * MS);
        line.reopen();
        assert_eq!(line.place(MediaTime(0), t0 + Duration::from_secs(60)).0, 60_000 * MS);
    }

    #[test]
    fn time_does_not_run_back_though_the_sources_clock_was_fast() {
        let t0 = Instant::now();
        let mut line = Continuity::new(t0);
        line.place(MediaTime(0), t0);
        line.place(MediaTime(5_000 * MS), t0 + Duration::from_secs(4));
        line.reopen();
        assert_eq!(line.place(MediaTime(0), t0 + Duration::from_secs(4)).0, 5_040 * MS);
        assert_eq!(line.place(MediaTime(i64::MAX), t0).0, i64::MAX, "absurd, and no panic");
    }
}

//! When the sound of a track plays: one frame after the other, in real time.
//!
//! An agent hands over seconds of speech at once, or small pieces that come a little late. Neither
//! must be heard: frames go out at their time, and a late one keeps its place in the stream, since
//! receivers smooth lateness themselves. What is too late for that follows a pause.

use std::time::{Duration, Instant};

/// Ticks of the RTP clock of Opus in a second (RFC 7587).
pub(super) const TICKS_PER_S: u32 = 48_000;
/// From this lateness on there was a pause. Receivers of WebRTC hold back up to about 200 ms.
const PAUSE_MIN: Duration = Duration::from_millis(100);

/// Where a frame belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// On the track's clock.
    pub(super) timestamp: u32,
    /// The first after a pause.
    pub(super) begins: bool,
}

/// The place of the next frame, if it follows the last without a pause.
#[derive(Debug)]
struct Next {
    due: Instant,
    timestamp: u32,
}

/// The clock of one track.
#[derive(Debug, Default)]
pub(super) struct Timeline {
    next: Option<Next>,
}

impl Timeline {
    /// When the next frame may play; `None` for the first one, which may at once.
    pub(super) fn due(&self) -> Option<Instant> {
        self.next.as_ref().map(|next| next.due)
    }

    /// Gives the frame that plays now its place.
    pub(super) fn place(&mut self, duration_ticks: u32, now: Instant) -> Place {
        let Some(next) = &mut self.next else {
            let due = now + time(duration_ticks);
            self.next = Some(Next { due, timestamp: duration_ticks });
            return Place { timestamp: 0, begins: true };
        };
        let late = now.saturating_duration_since(next.due);
        let begins = late >= PAUSE_MIN;
        if begins {
            next.timestamp = next.timestamp.wrapping_add(ticks(late));
            next.due = now;
        }
        let place = Place { timestamp: next.timestamp, begins };
        next.due += time(duration_ticks);
        next.timestamp = next.timestamp.wrapping_add(duration_ticks);
        place
    }
}

fn time(ticks: u32) -> Duration {
    Duration::from_micros(u64::from(ticks) * 1_000_000 / u64::from(TICKS_PER_S))
}

fn ticks(time: Duration) -> u32 {
    let ticks = time.as_micros() * u128::from(TICKS_PER_S) / 1_000_000;
    // Wraps like timestamps do.
    u32::try_from(ticks & u128::from(u32::MAX)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: u32 = 960;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn frames_follow_each_other_in_real_time() {
        let (mut timeline, t0) = (Timeline::default(), Instant::now());
        assert_eq!(timeline.due(), None);
        assert_eq!(timeline.place(FRAME, t0), Place { timestamp: 0, begins: true });
        assert_eq!(timeline.due(), Some(t0 + ms(20)));
        assert_eq!(timeline.place(FRAME, t0 + ms(20)), Place { timestamp: 960, begins: false });
        assert_eq!(timeline.due(), Some(t0 + ms(40)));
    }

    #[test]
    fn a_late_frame_keeps_its_place_and_the_next_ones_catch_up() {
        let (mut timeline, t0) = (Timeline::default(), Instant::now());
        timeline.place(FRAME, t0);
        assert_eq!(timeline.place(FRAME, t0 + ms(90)), Place { timestamp: 960, begins: false });
        assert_eq!(timeline.due(), Some(t0 + ms(40)));
    }

    #[test]
    fn a_pause_moves_the_clock_on_by_as_much() {
        let (mut timeline, t0) = (Timeline::default(), Instant::now());
        timeline.place(FRAME, t0);
        let later = t0 + ms(20) + Duration::from_secs(2);
        assert_eq!(timeline.place(FRAME, later), Place { timestamp: 960 + 96_000, begins: true });
        assert_eq!(timeline.due(), Some(later + ms(20)));
    }
}

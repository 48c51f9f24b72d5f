//! When a packet was captured, in our own time.
//!
//! Sender reports tie RTP timestamps to the publisher's wall clock. One offset per publisher, taken
//! from the report with the shortest way to us, maps that clock to ours. All of its tracks share
//! the offset, so that their lip sync survives: our own sender reports are made from these times.

use std::time::{Duration, Instant, SystemTime};

/// A capture time this far from the arrival is a broken clock; the arrival is used.
const CAPTURE_DISTANCE_MAX: Duration = Duration::from_secs(10);
/// How much later the offset may move per report: follows 500 ppm at one report a second, and does
/// not follow a queue that builds up.
const OFFSET_STEP_MAX: Duration = Duration::from_micros(500);
/// A report that is later than expected by this much is a stepped clock.
const OFFSET_JUMP: Duration = Duration::from_secs(1);

/// Maps the wall clock of one publisher to ours.
#[derive(Debug, Default)]
pub(crate) struct CaptureClock {
    anchor: Option<(SystemTime, Instant)>,
}

impl CaptureClock {
    /// A sender report of any of the publisher's streams.
    pub(crate) fn report(&mut self, sent: SystemTime, received_at: Instant) {
        let late = match self.map(sent) {
            Some(expected) if received_at >= expected => received_at - expected,
            // Faster than any before, or the first.
            _ => OFFSET_JUMP,
        };
        self.anchor = match self.anchor {
            Some((wall, at)) if late < OFFSET_JUMP => Some((wall, at + late.min(OFFSET_STEP_MAX))),
            _ => Some((sent, received_at)),
        };
    }

    /// Capture time of a packet: `report` is the last sender report of its stream, as wall clock
    /// and RTP time. Never later than `arrived_at`.
    pub(crate) fn capture(
        &self,
        report: Option<(SystemTime, u32)>,
        timestamp: u32,
        clock_rate: u32,
        arrived_at: Instant,
    ) -> Instant {
        let captured = report.and_then(|(wall, rtp)| {
            // The distance is signed: late packets lie before the report.
            let distance = timestamp.wrapping_sub(rtp).cast_signed();
            let duration = Duration::from_secs_f64(f64::from(distance.unsigned_abs()) / f64::from(clock_rate));
            let wall = if distance < 0 { wall.checked_sub(duration) } else { wall.checked_add(duration) };
            self.map(wall?)
        });
        match captured {
            Some(at) if at <= arrived_at && arrived_at - at <= CAPTURE_DISTANCE_MAX => at,
            _ => arrived_at,
        }
    }

    fn map(&self, wall: SystemTime) -> Option<Instant> {
        let (anchor_wall, anchor_at) = self.anchor?;
        match wall.duration_since(anchor_wall) {
            Ok(after) => anchor_at.checked_add(after),
            Err(before) => anchor_at.checked_sub(before.duration()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AUDIO: u32 = 48_000;
    const WALL: SystemTime = SystemTime::UNIX_EPOCH;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn audio_and_video_of_one_publisher_get_the_same_capture_time() {
        let (mut clock, t0) = (CaptureClock::default(), Instant::now() + ms(60_000));
        clock.report(WALL, t0 + ms(20));
        clock.report(WALL + ms(500), t0 + ms(580));
        // Both were captured one second after WALL; video arrives 70 ms later than audio.
        let audio = clock.capture(Some((WALL, 0)), AUDIO, AUDIO, t0 + ms(1_030));
        let video = clock.capture(Some((WALL + ms(500), 7)), 45_007, 90_000, t0 + ms(1_100));
        assert_eq!(audio, video);
    }

    #[test]
    fn without_a_report_the_arrival_counts() {
        let (clock, now) = (CaptureClock::default(), Instant::now());
        assert_eq!(clock.capture(None, 1, AUDIO, now), now);
    }

    #[test]
    fn an_absurd_report_does_not_move_a_packet_by_hours() {
        let (mut clock, now) = (CaptureClock::default(), Instant::now() + ms(60_000));
        clock.report(WALL, now);
        let far = WALL + Duration::from_secs(86_400 * 365 * 80);
        assert_eq!(clock.capture(Some((far, 0)), 0, AUDIO, now), now);
        clock.report(far, now + ms(1));
        assert_eq!(clock.capture(Some((far, 0)), 0, AUDIO, now + ms(2)), now + ms(1));
    }

    #[test]
    fn a_congested_report_moves_the_offset_by_a_step_only() {
        let (mut clock, t0) = (CaptureClock::default(), Instant::now());
        clock.report(WALL, t0);
        clock.report(WALL + ms(1_000), t0 + ms(1_300));
        let at = clock.capture(Some((WALL + ms(1_000), 0)), 0, AUDIO, t0 + ms(1_400));
        assert_eq!(at, t0 + ms(1_000) + OFFSET_STEP_MAX);
    }
}

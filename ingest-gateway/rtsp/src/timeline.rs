//! Makes one continuous time out of the RTP timestamps of a track.
//!
//! Its zero is the opening of the camera; a track begins when its first packet arrives. From there on
//! the camera's clock counts, but not where it jumps: then time goes on by what passed here.

use std::time::{Duration, Instant};

use velella_media::MediaTime;

const SECOND: i64 = 1_000_000_000;

/// Steps back beyond this are jumps; below, they are pictures that are shown before earlier ones.
const BACK_MAX: i64 = SECOND;

/// A step forward is a jump when it goes this much further than what passed here, and gets this much
/// ahead of the time of arrival: a late burst does only the former.
const AHEAD_MAX: i64 = SECOND;

/// A camera's time this far behind the time of arrival stands still. Late bursts are shorter.
const BEHIND_MAX: i64 = 10 * SECOND;

/// Clocks differ, so the distance between both times is forgotten: by one part in this many, well
/// above what crystals differ by.
const FORGET: i64 = 100;

/// The time of one track.
#[derive(Debug)]
pub(crate) struct Timeline {
    opened: Instant,
    rate_hz: u32,
    state: Option<State>,
}

#[derive(Debug)]
struct State {
    /// The latest timestamp, as it came, and counted on from the first one.
    timestamp: u32,
    ticks: i64,
    /// What lies between those ticks and our time, in nanoseconds.
    offset: i64,
    arrival: Instant,
    /// How far the camera's time is ahead of the time of arrival, in nanoseconds.
    lead: i64,
    /// The latest time that was given out.
    latest: MediaTime,
}

/// Where a frame stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Moment {
    pub(crate) time: MediaTime,
    /// How many nanoseconds the camera's clock jumped just before.
    pub(crate) jump: Option<i64>,
    /// It is to be seen before a frame that came earlier.
    pub(crate) reordered: bool,
}

impl Timeline {
    pub(crate) fn new(opened: Instant, rate_hz: u32) -> Self {
        Self { opened, rate_hz: rate_hz.max(1), state: None }
    }

    /// Where a frame with this timestamp stands, of which the last packet arrived now.
    pub(crate) fn place(&mut self, timestamp: u32, now: Instant) -> Moment {
        let rate_hz = self.rate_hz;
        let since_opened = nanos(now.saturating_duration_since(self.opened));
        let state = self.state.get_or_insert(State {
            timestamp,
            ticks: 0,
            offset: since_opened,
            arrival: now,
            lead: 0,
            latest: MediaTime(since_opened),
        });
        let elapsed = nanos(now.saturating_duration_since(state.arrival));
        let ticks = i64::from(timestamp.wrapping_sub(state.timestamp).cast_signed());
        let step = MediaTime::from_ticks(ticks, rate_hz).0;
        state.timestamp = timestamp;
        state.arrival = now;
        state.ticks += ticks;
        let jump = state.follow(step, elapsed);
        if jump.is_some() {
            state.offset = state.latest.0 + elapsed.max(1) - MediaTime::from_ticks(state.ticks, rate_hz).0;
        } else if step == 0 {
            // Some cameras write the same timestamp again and again; what passed here is all we know.
            state.offset += elapsed;
        }
        let time = MediaTime(MediaTime::from_ticks(state.ticks, rate_hz).0 + state.offset);
        let reordered = time < state.latest;
        state.latest = state.latest.max(time);
        Moment { time, jump, reordered }
    }

    /// Where this timestamp stands, if it is near the latest one.
    pub(crate) fn at(&self, timestamp: u32, near: Duration) -> Option<MediaTime> {
        let state = self.state.as_ref()?;
        let ticks = i64::from(timestamp.wrapping_sub(state.timestamp).cast_signed());
        let distance = MediaTime::from_ticks(ticks, self.rate_hz).0;
        let time = MediaTime::from_ticks(state.ticks + ticks, self.rate_hz).0 + state.offset;
        (distance.abs() <= nanos(near)).then_some(MediaTime(time))
    }

    /// Moves everything from here on by this many nanoseconds.
    pub(crate) fn shift(&mut self, by: i64) {
        if let Some(state) = &mut self.state {
            state.offset += by;
            state.latest.0 += by;
        }
    }
}

impl State {
    /// Compares the camera's step with what passed here; tells a jump.
    fn follow(&mut self, step: i64, elapsed: i64) -> Option<i64> {
        let lead = if step == 0 { self.lead } else { self.lead + step - elapsed };
        let back = step < -BACK_MAX || lead < -BEHIND_MAX;
        if back || (step - elapsed > AHEAD_MAX && lead > AHEAD_MAX) {
            self.lead = 0;
            return Some(step - elapsed);
        }
        self.lead = lead - lead.signum() * lead.abs().min(elapsed / FORGET);
        None
    }
}

fn nanos(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const FRAME: Duration = Duration::from_millis(40);
    const FRAME_TICKS: u32 = 3_600;
    const FRAME_NANOS: i64 = 40_000_000;

    /// A camera of 25 pictures a second.
    struct Camera {
        timeline: Timeline,
        timestamp: u32,
        now: Instant,
    }

    impl Camera {
        fn new(timestamp: u32) -> Self {
            let opened = Instant::now();
            Self { timeline: Timeline::new(opened, 90_000), timestamp, now: opened }
        }

        /// One picture later by its clock, and by ours.
        fn frame(&mut self, ticks: u32, passed: Duration) -> Moment {
            self.timestamp = self.timestamp.wrapping_add(ticks);
            self.now += passed;
            self.timeline.place(self.timestamp, self.now)
        }

        /// Some pictures as they should be; whether time went on evenly.
        fn plays_on(&mut self) -> bool {
            let first = self.frame(FRAME_TICKS, FRAME);
            (1..50).all(|count| {
                let moment = self.frame(FRAME_TICKS, FRAME);
                moment.jump.is_none() && moment.time.0 == first.time.0 + count * FRAME_NANOS
            })
        }
    }

    #[test]
    fn time_goes_on_where_timestamps_wrap() {
        let mut camera = Camera::new(u32::MAX - 5 * FRAME_TICKS);
        assert!(camera.plays_on());
    }

    #[test]
    fn a_jump_of_three_seconds_is_told_and_time_goes_on() {
        for (ticks, seconds) in [(3 * 90_000_u32, 3), ((-3 * 90_000_i32).cast_unsigned(), -3)] {
            let mut camera = Camera::new(0);
            assert!(camera.plays_on());
            let before = camera.frame(FRAME_TICKS, FRAME);
            let jumped = camera.frame(FRAME_TICKS.wrapping_add(ticks), FRAME);
            assert_eq!(jumped.jump, Some(seconds * SECOND));
            assert_eq!(jumped.time.0 - before.time.0, FRAME_NANOS);
            assert!(!jumped.reordered);
            assert!(camera.plays_on());
        }
    }

    #[test]
    fn a_pause_and_a_late_burst_are_no_jumps() {
        let mut camera = Camera::new(0);
        assert!(camera.plays_on());
        let before = camera.frame(FRAME_TICKS, FRAME);
        // Nothing for 4 s, then all of it at once.
        let first = camera.frame(FRAME_TICKS, Duration::from_secs(4));
        assert_eq!((first.jump, first.time.0 - before.time.0), (None, FRAME_NANOS));
        assert!((0..100).all(|_| camera.frame(FRAME_TICKS, Duration::ZERO).jump.is_none()));
        // Nothing for 4 s, and those pictures never come.
        let after = camera.frame(100 * FRAME_TICKS, Duration::from_secs(4));
        assert_eq!((after.jump, after.reordered), (None, false));
        assert!(camera.plays_on());
    }

    #[test]
    fn a_gap_after_an_early_burst_is_no_jump() {
        let mut camera = Camera::new(0);
        // Some servers begin with the pictures since the last key frame, all at once.
        assert!((0..100).all(|_| camera.frame(FRAME_TICKS, Duration::ZERO).jump.is_none()));
        assert_eq!(camera.frame(30 * FRAME_TICKS, 30 * FRAME).jump, None);
        assert!(camera.plays_on());
    }

    #[test]
    fn a_clock_that_is_wrong_by_500_ppm_never_jumps() {
        for frame in [40_020_000, 39_980_000] {
            let mut camera = Camera::new(0);
            // An hour and a half.
            assert!((0..150_000).all(|_| camera.frame(FRAME_TICKS, Duration::from_nanos(frame)).jump.is_none()));
            assert_eq!(camera.frame(FRAME_TICKS + 270_000, FRAME).jump, Some(3 * SECOND));
        }
    }

    #[test]
    fn pictures_that_are_shown_before_earlier_ones_are_told() {
        let mut camera = Camera::new(FRAME_TICKS * 9);
        camera.frame(0, FRAME);
        assert!(!camera.frame(2 * FRAME_TICKS, FRAME).reordered);
        let bidirectional = camera.frame(FRAME_TICKS.wrapping_neg(), FRAME);
        assert_eq!((bidirectional.reordered, bidirectional.jump), (true, None));
        assert!(!camera.frame(3 * FRAME_TICKS, FRAME).reordered);
    }

    #[test]
    fn a_camera_whose_timestamps_stand_still_is_timed_by_arrival() {
        let mut camera = Camera::new(7);
        let first = camera.frame(0, FRAME).time.0;
        assert!((1..500).all(|count| camera.frame(0, FRAME).time.0 == first + count * FRAME_NANOS));
    }

    #[test]
    fn a_camera_whose_clock_crawls_is_set_right_again_and_again() {
        let mut camera = Camera::new(7);
        let moments: Vec<_> = (0..1_000).map(|_| camera.frame(1, FRAME)).collect();
        assert!(moments.iter().any(|moment| moment.jump.is_some()));
        assert!(moments.windows(2).all(|pair| pair[0].time < pair[1].time));
    }

    proptest! {
        #[test]
        fn time_never_leaves_arrival_far_behind(steps: Vec<(u32, u16)>) {
            let mut camera = Camera::new(0);
            let first = camera.frame(0, Duration::ZERO).time.0;
            let mut passed = 0;
            for (ticks, millis) in steps {
                passed += i64::from(millis) * 1_000_000;
                let time = camera.frame(ticks, Duration::from_millis(millis.into())).time.0;
                let bound = 3 * SECOND + passed / 10;
                prop_assert!(time - first - passed <= bound + 100 * SECOND, "{} {}", time - first, passed);
            }
        }
    }
}

//! Timestamps of messages into times that only go forward.
//!
//! - 32 bits of milliseconds go on after 49 days; the shorter way round counts.
//! - A step back of up to 100 ms is the encoder's sloppiness: the frame gets the time of the one before.
//! - A step forward is believed as far as time has really passed since, and 2.5 s beyond it: that is how a paused
//!   encoder, a stalled network and a burst after it look.
//! - Anything else is a jump of the encoder's clock. The track goes on as if nothing were, and what it was moved by
//!   is told. When the other track jumps as well, it is moved by the same, so that lips stay in sync.

use std::time::{Duration, Instant};

/// How far back a timestamp may lie behind the one before.
const SLOPPY_MS: i64 = 100;
/// How far a timestamp may run ahead of the time that has passed.
const AHEAD_MS: i64 = 2_500;
/// What passes over a jump when the step before tells nothing of use.
const STEP_MS: i64 = 20;
/// Longest step before a jump that is taken for the usual one.
const STEP_MS_MAX: i64 = 100;

/// Of which track.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Medium {
    Audio,
    Video,
}

/// Where a message stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Moment {
    /// Never less than the one before of the same track.
    pub(crate) time_ms: i64,
    /// By how much the encoder's clock jumped just before, when it did.
    pub(crate) jumped_ms: Option<i64>,
}

/// The clock of one publisher.
#[derive(Debug, Default)]
pub(crate) struct Clock {
    /// The latest timestamp of either track, and the same on 64 bits.
    latest: Option<(u32, i64)>,
    audio: Track,
    video: Track,
}

#[derive(Clone, Copy, Debug, Default)]
struct Track {
    /// Added to timestamps.
    offset_ms: i64,
    last: Option<Last>,
}

#[derive(Clone, Copy, Debug)]
struct Last {
    time_ms: i64,
    step_ms: i64,
    arrived: Instant,
}

impl Clock {
    /// Places the next message of a track, which arrived at `now`.
    pub(crate) fn place(&mut self, medium: Medium, timestamp_ms: u32, now: Instant) -> Moment {
        let timestamp_ms = self.extend(timestamp_ms);
        let (track, other) = match medium {
            Medium::Audio => (&mut self.audio, self.video),
            Medium::Video => (&mut self.video, self.audio),
        };
        track.place(timestamp_ms, &other, now)
    }

    fn extend(&mut self, timestamp_ms: u32) -> i64 {
        let extended = match self.latest {
            Some((latest, extended)) => extended + i64::from(timestamp_ms.wrapping_sub(latest).cast_signed()),
            None => i64::from(timestamp_ms),
        };
        self.latest = Some((timestamp_ms, extended));
        extended
    }
}

impl Track {
    fn place(&mut self, timestamp_ms: i64, other: &Self, now: Instant) -> Moment {
        let Some(last) = self.last else {
            *self = Self { offset_ms: other.offset_ms, ..*self };
            let time_ms = timestamp_ms + self.offset_ms;
            self.last = Some(Last { time_ms, step_ms: STEP_MS, arrived: now });
            return Moment { time_ms, jumped_ms: None };
        };
        let passed = now.saturating_duration_since(last.arrived);
        let step = |offset_ms: i64| timestamp_ms + offset_ms - last.time_ms;
        let known =
            [self.offset_ms, other.offset_ms].into_iter().find(|offset_ms| believable(step(*offset_ms), passed));
        let jumped_ms = if known.is_some() { None } else { Some(step(self.offset_ms) - last.step_ms) };
        self.offset_ms = known.unwrap_or(last.time_ms + last.step_ms - timestamp_ms);
        let step_ms = step(self.offset_ms).max(0);
        let time_ms = last.time_ms + step_ms;
        let usual = (1..=STEP_MS_MAX).contains(&step_ms);
        self.last = Some(Last { time_ms, step_ms: if usual { step_ms } else { last.step_ms }, arrived: now });
        Moment { time_ms, jumped_ms }
    }
}

fn believable(step_ms: i64, passed: Duration) -> bool {
    let passed_ms = i64::try_from(passed.as_millis()).unwrap_or(i64::MAX);
    (-SLOPPY_MS..=passed_ms.saturating_add(AHEAD_MS)).contains(&step_ms)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Medium::{Audio, Video};
    use super::*;

    struct World {
        clock: Clock,
        now: Instant,
    }

    impl World {
        fn new() -> Self {
            Self { clock: Clock::default(), now: Instant::now() }
        }

        fn after(&mut self, ms: u64, medium: Medium, timestamp_ms: u32) -> (i64, Option<i64>) {
            self.now += Duration::from_millis(ms);
            let Moment { time_ms, jumped_ms } = self.clock.place(medium, timestamp_ms, self.now);
            (time_ms, jumped_ms)
        }
    }

    #[test]
    fn timestamps_go_on_after_49_days() {
        let mut world = World::new();
        assert_eq!(world.after(0, Video, u32::MAX - 10), (4_294_967_285, None));
        assert_eq!(world.after(40, Video, 29), (4_294_967_325, None));
        assert_eq!(world.after(0, Audio, u32::MAX), (4_294_967_295, None), "the other track is not over it yet");
        assert_eq!(world.after(40, Video, 69), (4_294_967_365, None));
    }

    #[test]
    fn a_jump_moves_both_tracks_by_the_same() {
        for jump in [3_000_i64, -3_000, 86_400_000, -900_000] {
            let mut world = World::new();
            let at = |ms: i64| u32::try_from(1_000_000 + ms).unwrap();
            world.after(0, Video, at(0));
            world.after(0, Audio, at(5));
            assert_eq!(world.after(40, Video, at(40)), (1_000_040, None));
            assert_eq!(world.after(40, Video, at(80 + jump)), (1_000_080, Some(jump)));
            assert_eq!(world.after(1, Audio, at(26 + jump)), (1_000_026, None), "jump {jump}");
            assert_eq!(world.after(40, Video, at(120 + jump)), (1_000_120, None));
            assert_eq!(world.after(1, Audio, at(47 + jump)), (1_000_047, None));
        }
    }

    #[test]
    fn a_pause_and_the_burst_after_a_stall_are_no_jumps() {
        let mut world = World::new();
        world.after(0, Video, 0);
        assert_eq!(world.after(9_000, Video, 9_000), (9_000, None), "the encoder was paused");
        assert_eq!(world.after(9_000, Video, 9_040), (9_040, None), "the network was");
        assert_eq!((1..200).map(|n| world.after(0, Video, 9_040 + n * 40).1).find(Option::is_some), None);
    }

    #[test]
    fn sloppy_timestamps_stand_still() {
        let mut world = World::new();
        world.after(0, Audio, 1_000);
        assert_eq!(world.after(20, Audio, 990), (1_000, None));
        assert_eq!(world.after(20, Audio, 1_030), (1_030, None));
    }

    proptest! {
        #[test]
        fn time_never_goes_back(steps: Vec<(bool, u32, u16)>) {
            let mut world = World::new();
            let mut last = [i64::MIN; 2];
            for (video, timestamp_ms, ms) in steps {
                let (medium, last) = if video { (Video, &mut last[0]) } else { (Audio, &mut last[1]) };
                let (time_ms, _) = world.after(ms.into(), medium, timestamp_ms);
                prop_assert!(time_ms >= *last);
                *last = time_ms;
            }
        }
    }
}

//! Timestamps of an encoder's stream into times that only go forward.
//!
//! - Timestamps go on where their bits end; the shorter way round counts.
//! - A step back of up to 100 ms is sloppiness: what comes gets the time of what came before.
//! - A step forward is believed as far as time has really passed since, and 2.5 s beyond it: that is how a paused
//!   encoder, a stalled network and a burst after it look.
//! - Anything else is a jump of the encoder's clock. The track goes on as if nothing were, and what it was moved by
//!   is told. When the other track jumps as well, it is moved by the same, so that lips stay in sync.

use std::time::{Duration, Instant};

use crate::frame::MediaTime;

/// How far back a timestamp may lie behind the one before.
const SLOPPY: Duration = Duration::from_millis(100);
/// How far a timestamp may run ahead of the time that has passed.
const AHEAD: Duration = Duration::from_millis(2_500);
/// What passes over a jump when the step before tells nothing of use.
const STEP: Duration = Duration::from_millis(20);
/// Longest step before a jump that is taken for the usual one; sound in large pieces has such.
const STEP_MAX: Duration = Duration::from_millis(250);

/// What something is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Medium {
    /// Pictures.
    Video,
    /// Sound.
    Audio,
}

/// Where something stands, in ticks of its clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// Never less than the one before of the same track.
    pub ticks: i64,
    /// By how much the encoder's clock jumped just before, when it did.
    pub jumped: Option<i64>,
}

/// The clock of one encoder, which has at most one track of each medium.
#[derive(Debug)]
pub struct Clock {
    rate_hz: u32,
    bits: u32,
    /// The latest timestamp of either track, on 64 bits.
    latest: Option<i64>,
    audio: Track,
    video: Track,
}

#[derive(Clone, Copy, Debug, Default)]
struct Track {
    /// Added to timestamps.
    offset: i64,
    last: Option<Last>,
}

#[derive(Clone, Copy, Debug)]
struct Last {
    ticks: i64,
    step: i64,
    arrived: Instant,
}

impl Clock {
    /// Of so many ticks a second, told in so many bits.
    #[must_use]
    pub fn new(rate_hz: u32, bits: u32) -> Self {
        Self { rate_hz, bits, latest: None, audio: Track::default(), video: Track::default() }
    }

    /// Places what comes next of a track, which arrived at `now`. Without a timestamp it comes a usual step later;
    /// `None` when there was nothing before that it could come after.
    pub fn place(&mut self, medium: Medium, timestamp: Option<u64>, now: Instant) -> Option<Moment> {
        let extended = timestamp.map(|timestamp| self.extend(timestamp));
        let rate_hz = self.rate_hz;
        let (track, other) = match medium {
            Medium::Audio => (&mut self.audio, self.video),
            Medium::Video => (&mut self.video, self.audio),
        };
        match extended {
            Some(extended) => Some(track.place(extended, other.offset, rate_hz, now)),
            None => track.go_on(rate_hz, now),
        }
    }

    /// How much later one timestamp is than another, the shorter way round.
    #[must_use]
    pub fn difference(&self, later: u64, earlier: u64) -> i64 {
        let unused = u64::BITS.saturating_sub(self.bits);
        (later.wrapping_sub(earlier) << unused).cast_signed() >> unused
    }

    fn extend(&mut self, timestamp: u64) -> i64 {
        let extended = match self.latest {
            Some(latest) => latest + self.difference(timestamp, latest.cast_unsigned()),
            None => timestamp.cast_signed(),
        };
        self.latest = Some(extended);
        extended
    }
}

impl Track {
    fn place(&mut self, timestamp: i64, other_offset: i64, rate_hz: u32, now: Instant) -> Moment {
        let Some(last) = self.last else {
            self.offset = other_offset;
            let ticks = timestamp + self.offset;
            self.last = Some(Last { ticks, step: ticks_of(STEP, rate_hz), arrived: now });
            return Moment { ticks, jumped: None };
        };
        let passed = now.saturating_duration_since(last.arrived);
        let believable = -ticks_of(SLOPPY, rate_hz)..=ticks_of(passed.saturating_add(AHEAD), rate_hz);
        let step = |offset: i64| timestamp + offset - last.ticks;
        let known = [self.offset, other_offset].into_iter().find(|offset| believable.contains(&step(*offset)));
        let jumped = if known.is_some() { None } else { Some(step(self.offset) - last.step) };
        self.offset = known.unwrap_or(last.ticks + last.step - timestamp);
        self.step(last, step(self.offset).max(0), jumped, rate_hz, now)
    }

    fn go_on(&mut self, rate_hz: u32, now: Instant) -> Option<Moment> {
        let last = self.last?;
        Some(self.step(last, last.step, None, rate_hz, now))
    }

    fn step(&mut self, last: Last, step: i64, jumped: Option<i64>, rate_hz: u32, now: Instant) -> Moment {
        let ticks = last.ticks + step;
        let is_usual = (1..=ticks_of(STEP_MAX, rate_hz)).contains(&step);
        self.last = Some(Last { ticks, step: if is_usual { step } else { last.step }, arrived: now });
        Moment { ticks, jumped }
    }
}

fn ticks_of(duration: Duration, rate_hz: u32) -> i64 {
    MediaTime(0).later(duration).ticks(rate_hz)
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
        /// Of milliseconds in 32 bits, as RTMP has them.
        fn new() -> Self {
            Self { clock: Clock::new(1_000, 32), now: Instant::now() }
        }

        fn after(&mut self, ms: u64, medium: Medium, timestamp: u32) -> (i64, Option<i64>) {
            self.now += Duration::from_millis(ms);
            let moment = self.clock.place(medium, Some(timestamp.into()), self.now).unwrap();
            (moment.ticks, moment.jumped)
        }
    }

    #[test]
    fn timestamps_go_on_where_their_bits_end() {
        let mut world = World::new();
        assert_eq!(world.after(0, Video, u32::MAX - 10), (4_294_967_285, None));
        assert_eq!(world.after(40, Video, 29), (4_294_967_325, None));
        assert_eq!(world.after(0, Audio, u32::MAX), (4_294_967_295, None), "the other track is not over it yet");
        assert_eq!(world.after(40, Video, 69), (4_294_967_365, None));
        let (mut clock, now, wrap) = (Clock::new(90_000, 33), Instant::now(), 1_u64 << 33);
        assert_eq!(clock.place(Video, Some(wrap - 1_800), now).map(|moment| moment.ticks), Some(8_589_932_792));
        assert_eq!(clock.place(Video, Some(1_800), now), Some(Moment { ticks: 8_589_936_392, jumped: None }));
        assert_eq!(clock.difference(900, wrap - 900), 1_800);
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

    #[test]
    fn what_has_no_timestamp_comes_a_step_later() {
        let mut world = World::new();
        assert_eq!(world.clock.place(Audio, None, world.now), None);
        world.after(0, Audio, 1_000);
        world.after(40, Audio, 1_040);
        assert_eq!(world.clock.place(Audio, None, world.now), Some(Moment { ticks: 1_080, jumped: None }));
    }

    proptest! {
        #[test]
        fn time_never_goes_back(steps: Vec<(bool, Option<u64>, u16)>, bits in 32_u32..=33) {
            let (mut clock, mut now) = (Clock::new(90_000, bits), Instant::now());
            let mut last = [i64::MIN; 2];
            for (video, timestamp, ms) in steps {
                let (medium, last) = if video { (Video, &mut last[0]) } else { (Audio, &mut last[1]) };
                now += Duration::from_millis(ms.into());
                let timestamp = timestamp.map(|ticks| ticks & ((1 << bits) - 1));
                let Some(moment) = clock.place(medium, timestamp, now) else { continue };
                prop_assert!(moment.ticks >= *last);
                *last = moment.ticks;
            }
        }
    }
}

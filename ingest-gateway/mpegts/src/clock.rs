//! Timestamps of 33 bits at 90 kHz into times that only go forward.
//!
//! They go on after 26.5 hours; the shorter way round counts. A step that no picture and no pause explains is a jump
//! of the encoder's clock: the track goes on as if nothing were, and what it was moved by is told. When the other
//! track jumps as well, it is moved by the same, so that lips stay in sync.

/// Ticks of the clock per second.
pub(crate) const RATE_HZ: u32 = 90_000;
/// Bits of a timestamp.
const BITS: u32 = 33;
/// How far back a decoding time may lie behind the one before: sound and pictures are sloppy, never so much.
const BACK: i64 = RATE_HZ as i64 / 2;
/// How far a step may lead: a pause longer than that ends a connection.
const AHEAD: i64 = 10 * RATE_HZ as i64;
/// What passes over a jump when the step before tells nothing of use: 20 ms.
const STEP: i64 = RATE_HZ as i64 / 50;
/// Longest step before a jump that is taken for the usual one: 250 ms, as sound in large pieces has it.
const STEP_MAX: i64 = RATE_HZ as i64 / 4;

/// What something is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Medium {
    /// Sound.
    Audio,
    /// Pictures.
    Video,
}

/// Where something stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Moment {
    /// Never less than the one before of the same track.
    pub(crate) ticks: i64,
    /// By how much the encoder's clock jumped just before, when it did.
    pub(crate) jumped: Option<i64>,
}

/// The clock of one stream.
#[derive(Debug, Default)]
pub(crate) struct Clock {
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
}

impl Clock {
    /// Places what comes next of a track. Without a timestamp it comes a usual step later; `None` when there was
    /// nothing before that it could come after.
    pub(crate) fn place(&mut self, medium: Medium, timestamp: Option<u64>) -> Option<Moment> {
        let extended = timestamp.map(|timestamp| self.extend(timestamp));
        let (track, other) = match medium {
            Medium::Audio => (&mut self.audio, self.video),
            Medium::Video => (&mut self.video, self.audio),
        };
        match extended {
            Some(extended) => Some(track.place(extended, &other)),
            None => track.go_on(),
        }
    }

    fn extend(&mut self, timestamp: u64) -> i64 {
        let extended = match self.latest {
            Some(latest) => latest + difference(timestamp, latest.cast_unsigned()),
            None => timestamp.cast_signed(),
        };
        self.latest = Some(extended);
        extended
    }
}

/// How much later one timestamp is than another, the shorter way round.
pub(crate) fn difference(later: u64, earlier: u64) -> i64 {
    let unused = u64::BITS - BITS;
    (later.wrapping_sub(earlier) << unused).cast_signed() >> unused
}

impl Track {
    fn place(&mut self, timestamp: i64, other: &Self) -> Moment {
        let Some(last) = self.last else {
            self.offset = other.offset;
            let ticks = timestamp + self.offset;
            self.last = Some(Last { ticks, step: STEP });
            return Moment { ticks, jumped: None };
        };
        let step = |offset: i64| timestamp + offset - last.ticks;
        let known = [self.offset, other.offset].into_iter().find(|offset| (-BACK..=AHEAD).contains(&step(*offset)));
        let jumped = if known.is_some() { None } else { Some(step(self.offset) - last.step) };
        self.offset = known.unwrap_or(last.ticks + last.step - timestamp);
        self.step(last, step(self.offset).max(0), jumped)
    }

    fn go_on(&mut self) -> Option<Moment> {
        let last = self.last?;
        Some(self.step(last, last.step, None))
    }

    fn step(&mut self, last: Last, step: i64, jumped: Option<i64>) -> Moment {
        let ticks = last.ticks + step;
        let is_usual = (1..=STEP_MAX).contains(&step);
        self.last = Some(Last { ticks, step: if is_usual { step } else { last.step } });
        Moment { ticks, jumped }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Medium::{Audio, Video};
    use super::*;

    const WRAP: i64 = 1 << BITS;

    fn place(clock: &mut Clock, medium: Medium, ticks: i64) -> (i64, Option<i64>) {
        let timestamp = ticks.rem_euclid(WRAP).cast_unsigned();
        let Moment { ticks, jumped } = clock.place(medium, Some(timestamp)).unwrap();
        (ticks, jumped)
    }

    #[test]
    fn timestamps_go_on_after_26_hours() {
        let mut clock = Clock::default();
        assert_eq!(place(&mut clock, Video, WRAP - 1_800), (WRAP - 1_800, None));
        assert_eq!(place(&mut clock, Video, WRAP + 1_800), (WRAP + 1_800, None));
        assert_eq!(place(&mut clock, Audio, WRAP - 900), (WRAP - 900, None), "the other track is not over it yet");
        assert_eq!(place(&mut clock, Video, WRAP + 5_400), (WRAP + 5_400, None));
    }

    #[test]
    fn a_jump_moves_both_tracks_by_the_same() {
        for jump in [3 * 90_000_i64, -3 * 90_000, 36_000 * 90_000, -900 * 90_000] {
            let forgiven = (0..AHEAD).contains(&jump);
            let mut clock = Clock::default();
            let at = |ticks| WRAP / 3 + ticks;
            place(&mut clock, Video, at(0));
            place(&mut clock, Audio, at(450));
            assert_eq!(place(&mut clock, Video, at(3_600)), (at(3_600), None));
            let (moved, jumped) = if forgiven { (jump, None) } else { (0, Some(jump)) };
            assert_eq!(place(&mut clock, Video, at(7_200 + jump)), (at(7_200 + moved), jumped));
            assert_eq!(place(&mut clock, Audio, at(2_250 + jump)), (at(2_250 + moved), None), "jump {jump}");
            assert_eq!(place(&mut clock, Video, at(10_800 + jump)), (at(10_800 + moved), None));
        }
    }

    #[test]
    fn what_has_no_timestamp_comes_a_step_later() {
        let mut clock = Clock::default();
        assert_eq!(clock.place(Audio, None), None);
        place(&mut clock, Audio, 1_000);
        place(&mut clock, Audio, 4_600);
        assert_eq!(clock.place(Audio, None), Some(Moment { ticks: 8_200, jumped: None }));
    }

    proptest! {
        #[test]
        fn time_never_goes_back(steps: Vec<(bool, Option<u64>)>) {
            let mut clock = Clock::default();
            let mut last = [i64::MIN; 2];
            for (video, timestamp) in steps {
                let (medium, last) = if video { (Video, &mut last[0]) } else { (Audio, &mut last[1]) };
                let Some(moment) = clock.place(medium, timestamp.map(|ticks| ticks & ((1 << BITS) - 1))) else {
                    continue;
                };
                prop_assert!(moment.ticks >= *last);
                *last = moment.ticks;
            }
        }
    }
}

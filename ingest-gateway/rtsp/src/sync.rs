//! Sets sound right against pictures, by what a camera reports of its clock (RFC 3550 6.4.1).
//!
//! Both begin when they arrive, which is right to a few hundredths of a second for most cameras. Their
//! reports would be exact, but the clocks of sound and pictures disagree in some cameras, and some
//! report the time since they were switched on in one of them. So a report is believed only as far as
//! what it asks for is small, and only when the next one says the same.

use velella_media::MediaTime;

use crate::event::Medium;
use crate::rtcp::NtpTime;

/// Below this nobody sees it (ITU-R BT.1359).
const SHIFT_MIN: i64 = 40_000_000;

/// More than this is not believed, in all that a camera asks for.
const SHIFT_MAX: i64 = 1_000_000_000;

/// Two reports that differ by less say the same.
const AGREEMENT: i64 = 20_000_000;

/// What both tracks of a camera reported.
#[derive(Debug, Default)]
pub(crate) struct Sync {
    /// Our time less the camera's, in nanoseconds.
    video: Option<i128>,
    audio: Option<i128>,
    /// What the last reports asked for.
    asked: Option<i64>,
    /// All that was done.
    done: i64,
}

impl Sync {
    /// Takes a report: this moment of the camera's clock is this time of ours. Gives by how many
    /// nanoseconds sound has to move.
    pub(crate) fn report(&mut self, medium: Medium, clock: NtpTime, time: MediaTime) -> Option<i64> {
        let origin = i128::from(time.0) - clock.nanos();
        match medium {
            Medium::Video => self.video = Some(origin),
            Medium::Audio => self.audio = Some(origin),
        }
        let asked = i64::try_from(self.video? - self.audio?).ok()?;
        let agreed = self.asked.replace(asked).is_some_and(|before| (before - asked).abs() <= AGREEMENT);
        let bearable = asked.abs() <= SHIFT_MAX && (self.done + asked).abs() <= SHIFT_MAX;
        if !agreed || !bearable || asked.abs() < SHIFT_MIN {
            return None;
        }
        self.done += asked;
        self.forget();
        Some(asked)
    }

    /// What was reported is void: a clock jumped, or times moved.
    pub(crate) fn forget(&mut self) {
        (self.video, self.audio, self.asked) = (None, None, None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MILLI: i64 = 1_000_000;

    /// A report of each track at the same moment of the camera; sound is early by so much.
    fn report(sync: &mut Sync, at_seconds: u64, early_millis: i64) -> Option<i64> {
        let clock = NtpTime(at_seconds << 32);
        let time = i64::try_from(at_seconds).unwrap() * 1_000 * MILLI;
        let first = sync.report(Medium::Video, clock, MediaTime(time));
        first.or_else(|| sync.report(Medium::Audio, clock, MediaTime(time - early_millis * MILLI)))
    }

    #[test]
    fn sound_moves_when_two_reports_agree() {
        let mut sync = Sync::default();
        assert_eq!(report(&mut sync, 1, 300), None);
        let moved = report(&mut sync, 6, 300);
        assert_eq!(moved, Some(300 * MILLI));
        assert_eq!(report(&mut sync, 11, 0), None);
        assert_eq!(report(&mut sync, 16, 0), None);
    }

    #[test]
    fn what_nobody_sees_is_left_alone() {
        let mut sync = Sync::default();
        assert!((1..9).all(|at| report(&mut sync, at, 30).is_none()));
    }

    #[test]
    fn wild_clocks_are_not_believed() {
        let mut sync = Sync::default();
        assert!((1..9).all(|at| report(&mut sync, at, 1_001).is_none()));
        assert!((1..9).all(|at| report(&mut sync, at, -36_000_000).is_none()));
        // Since 1900 in one track, since it was switched on in the other.
        sync.report(Medium::Video, NtpTime(u64::MAX), MediaTime(0));
        assert_eq!(sync.report(Medium::Audio, NtpTime(0), MediaTime(0)), None);
    }

    #[test]
    fn a_camera_that_asks_for_a_little_again_and_again_is_not_followed_for_ever() {
        let mut sync = Sync::default();
        let moved: i64 = (1..100).filter_map(|at| report(&mut sync, at, 90)).sum();
        assert!(moved <= SHIFT_MAX, "{moved}");
    }
}

//! What is fixed when a stream begins and never changes after (S1, S3, S4 of the checklist in the README).

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Longest target duration. A key frame every minute is the most that anybody should ask viewers to wait.
const TARGET_DURATION_MAX: Duration = Duration::from_secs(60);
/// Shortest part target: below it, requests cost more than they carry.
const PART_TARGET_MIN: Duration = Duration::from_millis(100);
/// How much longer than the target duration a segment may be: it is told rounded to whole seconds (4.4.3.1).
const ROUNDING: Duration = Duration::from_millis(400);

/// What is fixed when a stream begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// Whole seconds.
    pub target_duration: Duration,
    /// No part is longer. At most half the target duration.
    pub part_target: Duration,
    /// Whether playlists show parts.
    pub low_latency: bool,
    /// What of the past is listed.
    pub window: Window,
    /// How key frames come.
    pub key_frames: KeyFrames,
    /// Most bytes of media that are held. Above it, what left the playlists goes early; if that is not enough, new
    /// parts become gaps.
    pub bytes_max: usize,
}

/// What of the past a playlist lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Window {
    /// At least this much. Three target durations are always kept (6.2.2).
    Sliding(Duration),
    /// Everything, as `EXT-X-PLAYLIST-TYPE:EVENT`.
    Event,
}

/// How key frames come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum KeyFrames {
    /// Soon after they are requested, as from a WebRTC peer. Every segment begins with one and playlists say so; when
    /// one fails to come, its segment begins with a gap.
    OnRequest,
    /// When the source likes, as from a camera. When none comes in time, a segment begins without one: nothing is
    /// lost to those who watch already, and playlists promise nothing.
    Unasked,
}

impl Settings {
    /// Checks them.
    ///
    /// # Errors
    /// When playlists with them could not be legal.
    pub fn check(&self) -> Result<(), SettingsError> {
        let target = self.target_duration;
        if target.subsec_nanos() != 0 || target.is_zero() || target > TARGET_DURATION_MAX {
            return Err(SettingsError::TargetDuration(target));
        }
        if self.part_target < PART_TARGET_MIN || self.part_target * 2 > target {
            return Err(SettingsError::PartTarget(self.part_target));
        }
        if !self.part_target.subsec_nanos().is_multiple_of(1_000) {
            return Err(SettingsError::PartTarget(self.part_target));
        }
        Ok(())
    }

    /// No segment is longer.
    pub(crate) fn segment_max(&self) -> Duration {
        self.target_duration + ROUNDING
    }

    /// From here on, a key frame ends the segment. At most half of what a segment may last, so that key frames in any
    /// steady interval that fits into a segment do end segments.
    pub(crate) fn segment_min(&self) -> Duration {
        self.target_duration / 2
    }

    /// From here on, a key frame is wanted; a segment of sound ends here.
    pub(crate) fn segment_due(&self) -> Duration {
        self.target_duration * 3 / 4
    }

    /// A part below it needs an excuse (4.4.4.9).
    pub(crate) fn part_min(&self) -> Duration {
        self.part_target * 85 / 100
    }

    /// `PART-HOLD-BACK`: what is recommended, not only what is demanded (4.4.3.8).
    pub(crate) fn part_hold_back(&self) -> Duration {
        self.part_target * 3
    }

    /// `HOLD-BACK`.
    pub(crate) fn hold_back(&self) -> Duration {
        self.target_duration * 3
    }

    /// `CAN-SKIP-UNTIL`.
    pub(crate) fn skip_boundary(&self) -> Duration {
        self.target_duration * 6
    }

    /// How far back parts are listed, and the least of a live playlist (6.2.2).
    pub(crate) fn live_edge(&self) -> Duration {
        self.target_duration * 3
    }

    /// How long a request is left waiting (6.2.5.2).
    pub(crate) fn patience(&self) -> Duration {
        self.target_duration * 3
    }

    /// `Advance Part Limit` (6.2.5.2).
    pub(crate) fn advance_parts(&self) -> u64 {
        if self.part_target >= Duration::from_secs(1) {
            return 3;
        }
        u64::try_from(Duration::from_secs(3).as_micros().div_ceil(self.part_target.as_micros().max(1))).unwrap_or(3)
    }
}

/// Why a stream cannot begin with these settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// Not whole seconds, or out of bounds.
    #[error("the target duration has to be 1 to 60 whole seconds, not {0:?}")]
    TargetDuration(Duration),
    /// Out of bounds, or finer than a playlist prints.
    #[error("the part target has to be 100 ms to half the target duration in whole microseconds, not {0:?}")]
    PartTarget(Duration),
}

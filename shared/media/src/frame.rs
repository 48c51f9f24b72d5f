//! One picture or one piece of sound, with the time at which it is to be seen or heard.

use std::time::Duration;

use bytes::Bytes;

use crate::aac::AacConfig;

/// A moment on a source's own clock, in nanoseconds. Only differences mean something: where zero
/// lies is the source's choice, and pictures and sound of one source share it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MediaTime(pub i64);

impl MediaTime {
    /// From ticks of a clock of this rate. Exact to a nanosecond for every 64 bit count.
    #[must_use]
    pub fn from_ticks(ticks: i64, rate_hz: u32) -> Self {
        let nanos = i128::from(ticks) * 1_000_000_000 / i128::from(rate_hz.max(1));
        Self(i64::try_from(nanos).unwrap_or(if ticks < 0 { i64::MIN } else { i64::MAX }))
    }

    /// In ticks of a clock of this rate, rounded down.
    #[must_use]
    pub fn ticks(self, rate_hz: u32) -> i64 {
        let ticks = (i128::from(self.0) * i128::from(rate_hz)).div_euclid(1_000_000_000);
        i64::try_from(ticks).unwrap_or(i64::MAX)
    }

    /// How long after `earlier` this is; `None` when it is before.
    #[must_use]
    pub fn since(self, earlier: Self) -> Option<Duration> {
        u64::try_from(self.0.checked_sub(earlier.0)?).ok().map(Duration::from_nanos)
    }

    /// This much later.
    #[must_use]
    pub fn later(self, by: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(by.as_nanos()).unwrap_or(i64::MAX)))
    }
}

/// What a source gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// To be seen.
    Video(Picture),
    /// To be heard.
    Audio(Sound),
}

impl Frame {
    /// When it is to be seen or heard.
    #[must_use]
    pub fn time(&self) -> MediaTime {
        match self {
            Self::Video(picture) => picture.time,
            Self::Audio(sound) => sound.time,
        }
    }
}

/// One access unit of video.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    /// How it is encoded.
    pub codec: VideoCodec,
    /// When it is to be seen.
    pub time: MediaTime,
    /// Whether it decodes without any picture before it.
    pub keyframe: bool,
    /// Whether it may be shown before a picture that was sent earlier (B-frames), which WebRTC cannot do.
    pub reordered: bool,
    /// H.264 and H.265: Annex-B, a key frame with all parameter sets that it needs. VP8 and VP9: one frame or superframe.
    /// AV1: the OBUs of one temporal unit, each with its size.
    pub data: Bytes,
}

/// One piece of sound: an encoded packet, or samples of G.711.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sound {
    /// How it is encoded.
    pub format: AudioFormat,
    /// When its first sample is to be heard.
    pub time: MediaTime,
    /// One Opus packet, one raw AAC access unit (no ADTS header), or G.711 samples.
    pub data: Bytes,
}

/// How video is encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum VideoCodec {
    /// ITU-T H.264, AVC.
    H264,
    /// ITU-T H.265, HEVC.
    H265,
    /// RFC 6386.
    Vp8,
    /// VP9 Bitstream & Decoding Process Specification.
    Vp9,
    /// AV1 Bitstream & Decoding Process Specification.
    Av1,
}

/// How sound is encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AudioFormat {
    /// Opus, RFC 6716; its clock runs at 48 000 Hz whatever it carries.
    Opus {
        /// 1 or 2.
        channels: u8,
    },
    /// AAC, ISO/IEC 14496-3.
    Aac(AacConfig),
    /// G.711 µ-law, one channel.
    Pcmu {
        /// Usually 8 000; some cameras say 16 000.
        sample_rate_hz: u32,
    },
    /// G.711 A-law, one channel.
    Pcma {
        /// Usually 8 000; some cameras say 16 000.
        sample_rate_hz: u32,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_of_video_survive_the_way_there_and_back_for_a_day() {
        for ticks in [0, 1, 3_003, 90_000, 90_000 * 86_400 - 1, -3_003] {
            let there = MediaTime::from_ticks(ticks, 90_000);
            // Nanoseconds cut off a part of a tick, so read half a tick later.
            assert_eq!(MediaTime(there.0 + 5_000).ticks(90_000), ticks);
        }
    }

    #[test]
    fn absurd_ticks_are_the_end_of_time_and_no_panic() {
        assert_eq!(MediaTime::from_ticks(i64::MAX, 1).0, i64::MAX);
        assert_eq!(MediaTime::from_ticks(i64::MIN, 0).0, i64::MIN);
        assert_eq!(MediaTime(i64::MAX).later(Duration::MAX).0, i64::MAX);
        assert_eq!(MediaTime(0).since(MediaTime(1)), None);
    }
}

//! What media a room carries.

use serde::{Deserialize, Serialize};

/// Audio or video.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MediaKind {
    /// Sound.
    Audio,
    /// Pictures.
    Video,
}

/// The one video codec of a room. VP9 and AV1 are ours beyond the Fishjam API.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VideoCodec {
    /// H.264 constrained baseline, `42e01f`, packetization mode 1.
    #[default]
    H264,
    /// VP8.
    Vp8,
    /// VP9 profile 0.
    Vp9,
    /// AV1 main profile.
    Av1,
}

/// What a room is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RoomType {
    /// Everybody may send audio and video.
    #[default]
    Conference,
    /// Everybody may send audio; video lines are answered inactive.
    AudioOnly,
    /// One streamer, many viewers.
    Livestream,
    /// One streamer of audio, many viewers.
    AudioOnlyLivestream,
}

impl RoomType {
    /// Whether video is part of such a room.
    pub fn has_video(self) -> bool {
        matches!(self, Self::Conference | Self::Livestream)
    }

    /// Whether one streams and many watch.
    pub fn is_livestream(self) -> bool {
        matches!(self, Self::Livestream | Self::AudioOnlyLivestream)
    }
}

/// One simulcast encoding of a track, by its place in the ladder. Ordered: `Low < Medium < High`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Variant {
    /// rid `l`, a quarter of the height.
    Low,
    /// rid `m`, half of the height.
    Medium,
    /// rid `h`, or the only encoding of a track without simulcast.
    High,
}

impl Variant {
    /// All, lowest first.
    pub const ALL: [Self; 3] = [Self::Low, Self::Medium, Self::High];

    /// The RTP stream id that the published clients use for it.
    pub fn rid(self) -> &'static str {
        match self {
            Self::Low => "l",
            Self::Medium => "m",
            Self::High => "h",
        }
    }
}

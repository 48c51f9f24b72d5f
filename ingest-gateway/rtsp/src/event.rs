//! What a camera gives.

use std::time::Duration;

pub use velella_media::Medium;
use velella_media::{AudioFormat, Frame, VideoCodec};

/// What a camera offers and is asked for: at most one of each kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Track {
    /// Pictures.
    Video(VideoCodec),
    /// Sound.
    Audio(AudioFormat),
}

impl Track {
    /// Which of the two it is.
    #[must_use]
    pub fn medium(self) -> Medium {
        match self {
            Self::Video(_) => Medium::Video,
            Self::Audio(_) => Medium::Audio,
        }
    }
}

/// What happens while a camera plays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A picture or a piece of sound. The first picture is a key frame.
    Frame(Frame),
    /// Pictures arrive, but neither the description nor the stream told their parameter sets yet.
    /// Told once until it is over.
    ParameterSetsMissing,
    /// What comes next does not follow from what came before.
    Discontinuity(Medium, Discontinuity),
}

/// Why what comes next does not follow from what came before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Discontinuity {
    /// Packets were lost, or were of no use; a picture or a piece of sound is missing.
    Loss,
    /// The camera's clock jumped. The times of frames go on as if it had not.
    Jump {
        /// How far, in seconds; negative is back.
        seconds: i64,
    },
    /// The camera's reports say that sound belongs to other pictures; its times moved.
    Resynchronised {
        /// Whether sound is now later than before.
        later: bool,
        /// How far.
        by: Duration,
    },
}

/// What was counted since the camera was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// RTP packets that arrived.
    pub packets: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Packets that never came.
    pub lost: u64,
    /// Packets that came twice, or after they were given up.
    pub late: u64,
    /// Packets that nobody can make sense of, or that nobody asked for.
    pub malformed: u64,
    /// Pictures that were dropped since a part of them is missing or they are too large.
    pub damaged: u64,
    /// Pictures that were dropped since their key frame or parameter sets were not there.
    pub undecodable: u64,
    /// Bytes between messages that belong to none.
    pub noise_bytes: u64,
    /// Datagrams from elsewhere than the camera.
    pub foreign: u64,
}

//! What samplers give, and the policy by which they treat time that is missing or wrong.

use std::time::Duration;

use bytes::Bytes;
use velella_media::MediaTime;

use crate::configuration::Configuration;

/// One sample of a track, as it lies in a fragment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// In ticks of the track's timescale.
    pub decode_time: u64,
    /// What to add for the time at which it is shown, in ticks; 0 unless pictures are reordered.
    pub composition_offset: i32,
    /// In ticks, up to the next sample.
    pub duration: u32,
    /// Decodes without any sample before it.
    pub sync: bool,
    /// H.264 and H.265: NAL units behind 4 byte lengths, without parameter sets. AV1: without temporal delimiter.
    pub data: Bytes,
}

/// What a sampler gives, in the order of decode times.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// The samples that follow need this init segment. Comes before the first one, and whenever it changes.
    Configured(Configuration),
    /// The next sample.
    Sample(Sample),
    /// Nothing is known of this time; what follows goes on behind it.
    Gap {
        /// In ticks.
        from: u64,
        /// In ticks, more than 0.
        ticks: u64,
    },
    /// What follows does not continue what came before.
    Discontinuity {
        /// Of the next sample, in ticks. Never before the end of what came.
        decode_time: u64,
        /// The moment at which that one is to be seen or heard.
        time: MediaTime,
    },
}

/// What becomes of time for which no frame came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// A picture stands for at most so long, in place of the ones that are missing; then there is a gap.
    pub stretch_max: Duration,
    /// At most so much sound that is missing becomes silence; then there is a gap.
    pub silence_max: Duration,
    /// A longer gap is a discontinuity.
    pub gap_max: Duration,
}

impl Policy {
    /// For players that wait for the next part: a picture that stands is better than a stall.
    pub const LIVE: Self = Self {
        stretch_max: Duration::from_secs(1),
        silence_max: Duration::from_secs(30),
        gap_max: Duration::from_secs(30),
    };
    /// For files: what did not come is left out, and its time stays.
    pub const RECORDING: Self = Self {
        stretch_max: Duration::from_secs(1),
        silence_max: Duration::from_secs(1),
        gap_max: Duration::from_secs(30),
    };
}

/// What a sampler left out or added, counted since its beginning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Samples that were given, silence included.
    pub samples: u64,
    /// Pictures that nobody could decode: before the first key frame, after a loss, or empty.
    pub undecodable: u64,
    /// Frames for a time that was given already.
    pub late: u64,
    /// Frames above a bound, of a codec that cannot be packaged, or without what it takes to decode them.
    pub unusable: u64,
    /// Pieces of silence in place of sound that did not come.
    pub silences: u64,
    /// Gaps that were told.
    pub gaps: u64,
    /// Discontinuities that were told.
    pub discontinuities: u64,
}

//! The sound of agents: what they say, on its way to their worker, and what they hear, on its way back.
//!
//! At most once and not numbered, unlike signals: a lost message is a lost moment of sound and no
//! reason to end a session.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::Message;
use crate::{SessionId, TrackId};

/// Most sound in one message. A longer piece of an agent travels in several.
pub const SOUND_BYTES_MAX: usize = 64 * 1024;

/// Coordinator → worker: more sound for a track that an agent publishes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Said {
    /// The agent's session.
    pub session: SessionId,
    /// Which of its tracks.
    pub track: TrackId,
    /// In the encoding that the track was added with: whole samples of all channels, so that a lost
    /// message shifts nothing; one whole packet when that is Opus.
    pub sound: Bytes,
}

/// Worker → coordinator of the agent: sound of a track that it receives.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heard {
    /// The agent's session.
    pub session: SessionId,
    /// Somebody else's track.
    pub track: TrackId,
    /// PCM: 16 bits, little endian, one channel, at the rate of the agent's output.
    pub sound: Bytes,
}

/// How the sound of an agent's own track is encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Encoding {
    /// PCM: 16 bits, little endian, channels interleaved.
    Pcm16 {
        /// One of [`PCM_RATES_HZ`].
        sample_rate_hz: u32,
        /// 1 or 2.
        channels: u8,
    },
    /// One Opus packet in each message.
    Opus,
}

/// The rates at which Opus takes and gives samples without anybody resampling them.
pub const PCM_RATES_HZ: [u32; 5] = [8_000, 12_000, 16_000, 24_000, 48_000];

impl Message for Said {}
impl Message for Heard {}

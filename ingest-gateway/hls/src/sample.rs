//! What comes in: renditions, how they are decoded, and their samples.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// Longest name of a rendition or a group.
const NAME_BYTES_MAX: usize = 64;

/// A name in addresses and playlists: letters, digits, `-` and `_`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Name(String);

impl Name {
    /// As text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Name {
    type Error = NameError;

    fn try_from(name: String) -> Result<Self, NameError> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if name.is_empty() || name.len() > NAME_BYTES_MAX || !name.bytes().all(allowed) {
            return Err(NameError);
        }
        Ok(Self(name))
    }
}

impl From<Name> for String {
    fn from(name: Name) -> Self {
        name.0
    }
}

/// Not a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a name has 1 to 64 letters, digits, `-` and `_`")]
pub struct NameError;

/// Which rendition of a stream: its place in the order in which they were declared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RenditionId(pub(crate) usize);

/// One version of the stream: a video encoding, or sound in one codec.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Declaration {
    /// The name of its playlist and its folder; unique.
    pub name: Name,
    /// What is in it.
    pub medium: Medium,
    /// Ticks per second of its samples, more than 0.
    pub timescale: u32,
    /// What it takes at most; told as `BANDWIDTH` unless more is measured.
    pub bitrate_bps_max: u32,
}

/// What is in a rendition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Medium {
    /// Pictures. The first video that is alive says where segments end.
    Video,
    /// Sound: one of a group that players choose from. Groups are different codecs of the same.
    Audio {
        /// `GROUP-ID`.
        group: Name,
        /// `NAME`: who or what is heard. Control characters and quotes are left out of playlists.
        title: String,
        /// `CHANNELS`.
        channels: u8,
    },
}

/// How samples are decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Configuration {
    /// The media initialization section: `ftyp` and `moov`.
    pub init: Bytes,
    /// As in `CODECS` (RFC 6381).
    pub codecs: String,
    /// Of pictures.
    pub picture: Option<Picture>,
}

/// Size and rate of pictures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Picture {
    /// In pixels.
    pub width: u32,
    /// In pixels.
    pub height: u32,
    /// In thousandths of a picture per second, when it is known.
    pub rate_mhz: Option<u32>,
}

/// One sample, as it is to lie in a fragment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// In ticks of the rendition's timescale.
    pub decode_time: u64,
    /// What to add for the time at which it is shown, in ticks.
    pub composition_offset: i32,
    /// In ticks, up to the next sample.
    pub duration: u32,
    /// Decodes without any sample before it.
    pub sync: bool,
    /// What lies in `mdat`.
    pub data: Bytes,
}

/// Writes samples, which follow each other in decode time, as one fragment: `moof` and `mdat`. Gets them, the number of
/// the fragment, and the decode time of the first one on the stream's time line. Nothing, when they cannot be written.
pub type WriteFragment = fn(&[Sample], u32, u64) -> Option<Bytes>;

//! The lines of a sidecar, and the manifest. They are the index of a recording: what no line tells of is not there.

use serde::{Deserialize, Serialize};

/// What the recording is of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Of this description; 1.
    pub version: u32,
    /// The room.
    pub room: String,
    /// The moment of decode time 0 of all tracks, in milliseconds since 1970.
    pub zero_unix_ms: u64,
}

/// What a track holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// To be heard.
    Audio,
    /// To be seen.
    Video,
}

/// What a track is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    /// To be seen or heard.
    pub kind: Kind,
    /// Who published it.
    pub peer: String,
}

/// One line of a sidecar.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum Line {
    /// The first one.
    Opened(About),
    /// Another file begins, with this init segment.
    Configured(Configured),
    /// A fragment is there, whole.
    Fragment(Fragment),
    /// What follows does not continue what came before.
    Discontinuity {
        /// Of the next sample, in ticks.
        decode_time: u64,
        /// When that one was captured, in nanoseconds on the clock of the gateway.
        captured_ns: i64,
    },
    /// Samples were not kept.
    Lost {
        /// Why.
        reason: Loss,
        /// How many.
        samples: u64,
    },
    /// The last one: the track was closed in order.
    Ended,
}

/// Why samples were not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Loss {
    /// No space was left, or writing failed.
    Disk,
    /// Writing was slower than the media.
    Backlog,
}

/// How a file is decoded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Configured {
    /// Which of the track's.
    pub file: u32,
    /// Length of the init segment, with which it begins.
    pub init_bytes: u64,
    /// As in a playlist.
    pub codecs: String,
    /// Ticks in a second.
    pub timescale: u32,
    /// In pixels, of video.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<(u16, u16)>,
}

/// Where a fragment lies, and what is in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fragment {
    /// Which of the track's files.
    pub file: u32,
    /// Its first byte.
    pub from: u64,
    /// Its length.
    pub bytes: u64,
    /// Of the first sample, in ticks.
    pub decode_time: u64,
    /// The length of each sample; together the end of the fragment.
    pub sizes: Vec<u32>,
    /// How long samples last, in ticks: so many of this duration, and so on.
    pub durations: Vec<(u32, u32)>,
    /// Which samples decode without any before them; all of sound.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sync: Vec<u32>,
    /// Composition offsets in ticks, as `durations`; none when all are 0.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub offsets: Vec<(u32, i32)>,
}

impl Manifest {
    /// On a line of its own, even behind one that was cut short.
    #[must_use]
    pub fn to_text(&self) -> String {
        format!("\n{}\n", serde_json::to_string(self).unwrap_or_default())
    }

    /// Reads it back; `None` when it is not there.
    #[must_use]
    pub fn read(text: &[u8]) -> Option<Self> {
        text.split(|byte| *byte == b'\n').rev().find_map(|line| serde_json::from_slice(line).ok())
    }
}

impl Line {
    /// With its line feed.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = serde_json::to_string(self).unwrap_or_default();
        text.push('\n');
        text
    }
}

impl Fragment {
    /// From the first sample to the end of the last, in ticks.
    #[must_use]
    pub fn ticks(&self) -> u64 {
        self.durations.iter().map(|(count, ticks)| u64::from(*count) * u64::from(*ticks)).sum()
    }

    /// Bytes of all samples.
    #[must_use]
    pub fn payload_bytes(&self) -> u64 {
        self.sizes.iter().map(|size| u64::from(*size)).sum()
    }

    /// Whether the numbers fit each other; a line may be anything.
    pub(crate) fn is_sound(&self) -> bool {
        let samples = u64::try_from(self.sizes.len()).unwrap_or(u64::MAX);
        counted(&self.durations) == Some(samples)
            && (self.offsets.is_empty() || counted(&self.offsets) == Some(samples))
            && self.sync.iter().all(|index| u64::from(*index) < samples)
            && self.sync.is_sorted_by(|one, other| one < other)
            && samples > 0
            && self.payload_bytes() < self.bytes
            && self.from.checked_add(self.bytes).is_some()
            && self.decode_time.checked_add(self.ticks()).is_some()
    }
}

/// How many samples runs are of; `None` when one is of none.
fn counted<T>(runs: &[(u32, T)]) -> Option<u64> {
    runs.iter().map(|(count, _)| (*count > 0).then_some(u64::from(*count))).sum()
}

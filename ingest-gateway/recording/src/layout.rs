//! Which files a recording's directory holds.

use std::fmt;
use std::str::FromStr;

/// Longest name of a track.
const TRACK_ID_BYTES_MAX: usize = 64;

/// Names a track within a recording. Safe as part of a file name: letters, digits, `-` and `_`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TrackId(String);

impl FromStr for TrackId {
    type Err = TrackIdError;

    fn from_str(name: &str) -> Result<Self, TrackIdError> {
        let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
        let fits = plain && (1..=TRACK_ID_BYTES_MAX).contains(&name.len());
        fits.then(|| Self(name.to_owned())).ok_or(TrackIdError)
    }
}

impl fmt::Display for TrackId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A file of a recording, relative to its directory.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FileName {
    /// What the recording is of; written once.
    Manifest,
    /// When each fragment of a track is to be seen or heard: a JSON value a line.
    Sidecar(TrackId),
    /// Fragments of a track behind their init segment. Another configuration is another file.
    Media(TrackId, u32),
}

impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Manifest => f.write_str("recording.json"),
            Self::Sidecar(track) => write!(f, "{track}.times.jsonl"),
            Self::Media(track, number) => write!(f, "{track}.{number}.mp4"),
        }
    }
}

/// Not a name for a track.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a track is named by 1 to 64 letters, digits, - and _")]
pub struct TrackIdError;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_named_after_their_track() {
        let track: TrackId = "peer-1_video".parse().unwrap();
        assert_eq!(FileName::Media(track.clone(), 3).to_string(), "peer-1_video.3.mp4");
        assert_eq!(FileName::Sidecar(track).to_string(), "peer-1_video.times.jsonl");
    }

    #[test]
    fn no_name_leads_out_of_the_directory() {
        for name in ["", "..", "a/b", "a.b", "a\\b", "ä", &"x".repeat(65)] {
            assert_eq!(name.parse::<TrackId>(), Err(TrackIdError), "{name}");
        }
    }
}

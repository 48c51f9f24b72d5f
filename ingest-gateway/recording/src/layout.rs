//! Which files a recording's directory holds.

use std::fmt;
use std::str::FromStr;

/// Longest name of a track or a recording.
const NAME_BYTES_MAX: usize = 64;

/// Names a track within a recording. Safe as part of a file name: letters, digits, `-` and `_`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TrackId(String);

/// Names a recording, and with it its directory. As safe as that of a track.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordingId(String);

impl FromStr for TrackId {
    type Err = NameError;

    fn from_str(name: &str) -> Result<Self, NameError> {
        plain(name).map(Self)
    }
}

impl FromStr for RecordingId {
    type Err = NameError;

    fn from_str(name: &str) -> Result<Self, NameError> {
        plain(name).map(Self)
    }
}

fn plain(name: &str) -> Result<String, NameError> {
    let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    let fits = plain && (1..=NAME_BYTES_MAX).contains(&name.len());
    fits.then(|| name.to_owned()).ok_or(NameError)
}

impl fmt::Display for TrackId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for RecordingId {
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
    /// What plays the media files of a track where they lie.
    Playlist(TrackId),
    /// One file of a whole track.
    TrackMovie(TrackId),
    /// One file of everything.
    Movie,
    /// That it is finished, and what came of it.
    Finished,
    /// How far it is uploaded.
    Upload,
}

impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Manifest => f.write_str("recording.json"),
            Self::Sidecar(track) => write!(f, "{track}.times.jsonl"),
            Self::Media(track, number) => write!(f, "{track}.{number}.mp4"),
            Self::Playlist(track) => write!(f, "{track}.m3u8"),
            Self::TrackMovie(track) => write!(f, "{track}.movie.mp4"),
            Self::Movie => f.write_str("movie.mp4"),
            Self::Finished => f.write_str("finished.json"),
            Self::Upload => f.write_str("upload.json"),
        }
    }
}

impl FromStr for FileName {
    type Err = NameError;

    fn from_str(name: &str) -> Result<Self, NameError> {
        let known = [Self::Manifest, Self::Movie, Self::Finished, Self::Upload];
        if let Some(known) = known.into_iter().find(|known| known.to_string() == name) {
            return Ok(known);
        }
        // The name of a track has no dot.
        let (track, kind) = name.split_once('.').ok_or(NameError)?;
        let track = track.parse()?;
        match kind {
            "times.jsonl" => Ok(Self::Sidecar(track)),
            "m3u8" => Ok(Self::Playlist(track)),
            "movie.mp4" => Ok(Self::TrackMovie(track)),
            media => {
                let number = media.strip_suffix(".mp4").and_then(|number| number.parse().ok());
                let named = Self::Media(track, number.ok_or(NameError)?);
                // One file has one name: no sign, no zeros in front.
                if named.to_string() == name { Ok(named) } else { Err(NameError) }
            }
        }
    }
}

/// Not a name for a track or a recording, or none of its files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a name consists of 1 to 64 letters, digits, - and _")]
pub struct NameError;

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
    fn a_file_is_known_by_its_name() {
        let track: TrackId = "movie".parse().unwrap();
        for file in [
            FileName::Manifest,
            FileName::Sidecar(track.clone()),
            FileName::Media(track.clone(), 12),
            FileName::Playlist(track.clone()),
            FileName::TrackMovie(track),
            FileName::Movie,
            FileName::Finished,
            FileName::Upload,
        ] {
            assert_eq!(file.to_string().parse(), Ok(file));
        }
        for other in ["a.01.mp4", "a.+1.mp4", "a.mp4", "a.1.mp4.part", ".1.mp4", "../a.m3u8", "recording"] {
            assert_eq!(other.parse::<FileName>(), Err(NameError), "{other}");
        }
    }

    #[test]
    fn no_name_leads_out_of_the_directory() {
        for name in ["", "..", "a/b", "a.b", "a\\b", "ä", &"x".repeat(65)] {
            assert_eq!(name.parse::<TrackId>(), Err(NameError), "{name}");
        }
    }
}

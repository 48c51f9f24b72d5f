//! Which tracks of a peer form one media stream.
//!
//! Browsers play the tracks of one stream in sync, and hand the stream itself to the application,
//! which shows the first picture in it. So a face goes with its voice and a screen with its sound,
//! and the two stay apart. The kinds are those that the published React client writes into the
//! metadata of a track.

use str0m::media::Mid;
use velella_model::{Json, PeerId};

/// The name of the stream of a track; unique per peer and stream.
pub(crate) fn name(peer: &PeerId, mid: Mid, metadata: &Json) -> String {
    match metadata.value().get("type").and_then(|kind| kind.as_str()) {
        Some("screenShareVideo" | "screenShareAudio") => format!("{peer}-screen"),
        Some("customVideo" | "customAudio") => format!("{peer}-custom-{mid}"),
        // Camera, microphone, and whatever says nothing of itself.
        _ => peer.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(mid: &str, metadata: &str) -> String {
        name(&PeerId::parse("p").unwrap(), Mid::from(mid), &Json::parse(metadata).unwrap())
    }

    #[test]
    fn a_face_goes_with_its_voice_and_a_screen_with_its_sound() {
        assert_eq!(stream("0", r#"{"type":"camera"}"#), "p");
        assert_eq!(stream("1", r#"{"type":"microphone"}"#), "p");
        assert_eq!(stream("2", r#"{"type":"screenShareVideo"}"#), "p-screen");
        assert_eq!(stream("3", r#"{"type":"screenShareAudio"}"#), "p-screen");
    }

    #[test]
    fn custom_tracks_stand_alone() {
        assert_eq!(stream("4", r#"{"type":"customVideo"}"#), "p-custom-4");
        assert_eq!(stream("5", r#"{"type":"customVideo"}"#), "p-custom-5");
    }

    #[test]
    fn metadata_of_any_shape_gives_a_name() {
        for metadata in ["null", "[]", "7", r#"{"type":7}"#, r#""type""#] {
            assert_eq!(stream("0", metadata), "p");
        }
    }
}

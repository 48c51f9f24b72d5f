//! The edits that make str0m's answer what published clients need.
//!
//! str0m answers every receiving line of the peer as `sendonly` with random stream ids. Clients
//! throw on a sending line that is not in `mid_to_track_id`, and find tracks by `a=msid`.

use str0m::media::Mid;
use velella_model::MediaKind;

/// Where a publisher's bandwidth estimate starts, in kbit/s. Chrome's own start of 300 shows 180p
/// for the first ten seconds.
const START_BITRATE_KBPS: u32 = 1_000;

/// One m-line of an answer, as str0m wrote it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Line<'a> {
    pub(crate) mid: Mid,
    pub(crate) kind: MediaKind,
    pub(crate) direction: Direction,
    text: Vec<&'a str>,
}

/// Direction as the server sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    /// We may send: the peer offered to receive.
    Sending,
    /// The peer sends.
    Receiving,
    /// Neither.
    Inactive,
}

/// What a line is used for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Use {
    /// As str0m wrote it.
    Kept,
    /// The peer publishes on it.
    Published,
    /// Nothing flows.
    Idle,
    /// We send a track.
    Sent {
        /// Stream id of the msid; differs for every track that was ever on the line.
        stream: String,
        /// Track id of the msid.
        track: String,
    },
}

/// An answer taken apart.
#[derive(Debug)]
pub(crate) struct Answer<'a> {
    session: Vec<&'a str>,
    sections: Vec<Section<'a>>,
}

#[derive(Debug)]
enum Section<'a> {
    Media(Line<'a>),
    /// Data channels.
    Other(Vec<&'a str>),
}

impl<'a> Answer<'a> {
    /// Takes str0m's text apart.
    pub(crate) fn parse(text: &'a str) -> Self {
        let mut parts: Vec<Vec<&str>> = vec![Vec::new()];
        for line in text.lines() {
            if line.starts_with("m=") {
                parts.push(Vec::new());
            }
            parts.last_mut().expect("starts with one").push(line);
        }
        let mut parts = parts.into_iter();
        let session = parts.next().unwrap_or_default();
        Self { session, sections: parts.map(Section::parse).collect() }
    }

    /// Its audio and video lines.
    pub(crate) fn lines(&self) -> impl Iterator<Item = &Line<'a>> {
        self.sections.iter().filter_map(|s| match s {
            Section::Media(line) => Some(line),
            Section::Other(_) => None,
        })
    }

    /// The lines on which the peer sends something that we understand.
    pub(crate) fn published(&self) -> impl Iterator<Item = &Line<'a>> {
        self.lines().filter(|line| line.direction == Direction::Receiving && line.has_codec())
    }

    /// The text with every line set to its use.
    pub(crate) fn render(&self, purpose: impl Fn(&Line<'_>) -> Use) -> String {
        let mut out = String::new();
        let mut push = |line: &str| {
            out.push_str(line);
            out.push_str("\r\n");
        };
        self.session.iter().for_each(|l| push(l));
        for section in &self.sections {
            match section {
                Section::Other(text) => text.iter().for_each(|l| push(l)),
                Section::Media(line) => line.render(&purpose(line), &mut push),
            }
        }
        out
    }
}

impl<'a> Section<'a> {
    fn parse(text: Vec<&'a str>) -> Self {
        let attribute = |name: &str| text.iter().find_map(|l| l.strip_prefix("a=")?.strip_prefix(name));
        let kind = match text.first().map(|l| l.split(' ').next().unwrap_or_default()) {
            Some("m=audio") => MediaKind::Audio,
            Some("m=video") => MediaKind::Video,
            _ => return Self::Other(text),
        };
        let Some(mid) = attribute("mid:").map(Mid::from) else { return Self::Other(text) };
        let has = |direction: &str| text.contains(&direction);
        let direction = match () {
            () if has("a=sendonly") || has("a=sendrecv") => Direction::Sending,
            () if has("a=recvonly") => Direction::Receiving,
            () => Direction::Inactive,
        };
        Self::Media(Line { mid, kind, direction, text })
    }
}

impl Line<'_> {
    /// Whether str0m found a codec that both sides have.
    pub(crate) fn has_codec(&self) -> bool {
        self.text.iter().any(|l| l.starts_with("a=rtpmap:"))
    }

    /// Simulcast stream ids that the peer sends, in its order.
    pub(crate) fn received_rids(&self) -> Vec<&str> {
        self.text.iter().filter_map(|l| l.strip_prefix("a=rid:")?.split_once(" recv").map(|(rid, _)| rid)).collect()
    }

    fn render(&self, purpose: &Use, push: &mut impl FnMut(&str)) {
        let rejected = !self.has_codec();
        for (index, text) in self.text.iter().enumerate() {
            let is_direction = matches!(*text, "a=sendonly" | "a=recvonly" | "a=sendrecv");
            let is_msid = text.starts_with("a=msid:");
            match purpose {
                // Port 0 rejects a line for which there is no common codec (RFC 3264 section 6).
                _ if rejected && index == 0 => push(&reject(text)),
                _ if rejected && is_direction => push("a=inactive"),
                Use::Idle if is_direction => push("a=inactive"),
                Use::Idle if is_msid => {}
                Use::Sent { stream, track } if is_msid => push(&format!("a=msid:{stream} {track}")),
                Use::Published => push(&self.with_start_bitrate(text)),
                Use::Kept | Use::Idle | Use::Sent { .. } => push(text),
            }
        }
        if let (Use::Published, false, Some(payload_type)) = (purpose, rejected, self.bare_video_payload_type()) {
            push(&format!("a=fmtp:{payload_type} x-google-start-bitrate={START_BITRATE_KBPS}"));
        }
    }

    /// Adds the start bitrate to the format parameters of the room's codec.
    fn with_start_bitrate(&self, text: &str) -> String {
        let of_main = self.video_payload_type().is_some_and(|pt| text.starts_with(&format!("a=fmtp:{pt} ")));
        if of_main { format!("{text};x-google-start-bitrate={START_BITRATE_KBPS}") } else { text.to_owned() }
    }

    /// The first payload type of a video line.
    fn video_payload_type(&self) -> Option<&str> {
        let first = self.text.first().filter(|_| self.kind == MediaKind::Video)?;
        first.split(' ').nth(3)
    }

    /// The same, when the codec has no format parameters of its own.
    fn bare_video_payload_type(&self) -> Option<&str> {
        let payload_type = self.video_payload_type()?;
        let fmtp = format!("a=fmtp:{payload_type} ");
        (!self.text.iter().any(|l| l.starts_with(&fmtp))).then_some(payload_type)
    }
}

fn reject(first: &str) -> String {
    let mut words = first.split(' ');
    let media = words.next().unwrap_or_default();
    let protocol = words.nth(1).unwrap_or("UDP/TLS/RTP/SAVPF");
    format!("{media} 0 {protocol} 0")
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "v=0\r\na=ice-lite\r\n\
        m=video 9 UDP/TLS/RTP/SAVPF 96 97\r\na=mid:0\r\na=recvonly\r\na=rtpmap:96 VP8/90000\r\na=fmtp:97 apt=96\r\na=rid:l recv\r\na=rid:h recv\r\n\
        m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=msid:rnd rnd\r\na=mid:1\r\na=sendonly\r\na=rtpmap:111 opus/48000/2\r\n\
        m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=msid:rnd rnd\r\na=mid:2\r\na=sendonly\r\na=rtpmap:111 opus/48000/2\r\n\
        m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\na=mid:3\r\n";

    #[test]
    fn lines_are_told_apart_by_mid_kind_and_direction() {
        let answer = Answer::parse(TEXT);
        let lines: Vec<_> = answer.lines().map(|l| (l.mid.to_string(), l.kind, l.direction)).collect();
        assert_eq!(
            lines,
            [
                ("0".into(), MediaKind::Video, Direction::Receiving),
                ("1".into(), MediaKind::Audio, Direction::Sending),
                ("2".into(), MediaKind::Audio, Direction::Sending),
            ]
        );
        assert_eq!(answer.lines().next().unwrap().received_rids(), ["l", "h"]);
    }

    #[test]
    fn a_text_that_needs_no_edit_comes_back_unchanged() {
        assert_eq!(Answer::parse(TEXT).render(|_| Use::Kept), TEXT);
    }

    #[test]
    fn a_sent_track_gets_its_own_stream_and_an_idle_line_becomes_inactive() {
        let sent = Use::Sent { stream: "peer-1".into(), track: "peer:t".into() };
        let text = Answer::parse(TEXT).render(|l| if l.mid == Mid::from("1") { sent.clone() } else { Use::Idle });
        assert!(text.contains("a=msid:peer-1 peer:t\r\na=mid:1\r\na=sendonly\r\n"), "{text}");
        assert!(text.contains("m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:2\r\na=inactive\r\n"), "{text}");
    }

    #[test]
    fn a_published_video_starts_at_a_useful_bitrate() {
        let text = Answer::parse(TEXT).render(|_| Use::Published);
        assert!(text.contains("a=fmtp:96 x-google-start-bitrate=1000\r\nm=audio"), "{text}");
        let own = TEXT.replace("a=fmtp:97 apt=96", "a=fmtp:96 profile-level-id=42e01f\r\na=fmtp:97 apt=96");
        let text = Answer::parse(&own).render(|_| Use::Published);
        assert!(text.contains("a=fmtp:96 profile-level-id=42e01f;x-google-start-bitrate=1000\r\n"), "{text}");
    }

    #[test]
    fn a_line_without_a_common_codec_is_rejected() {
        let text = "v=0\r\nm=video 9 UDP/TLS/RTP/SAVPF \r\na=mid:0\r\na=recvonly\r\n";
        let out = Answer::parse(text).render(|_| Use::Published);
        assert_eq!(out, "v=0\r\nm=video 0 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\na=inactive\r\n");
    }
}

//! Frames of the agent socket: protobuf outside, the words of `velella_model::wire` inside.

use bytes::Bytes;
use velella_model::wire::agent::{Encoding, PCM_RATES_HZ};
use velella_model::wire::signal::PeerEvent;
use velella_model::{Id, Json, PeerId, TrackId};
use velella_proto::Message;
use velella_proto::fishjam::agent_request::add_track::CodecParameters;
use velella_proto::fishjam::agent_request::{AddTrack, Content};
use velella_proto::fishjam::agent_response::{self, Authenticated, TrackData};
use velella_proto::fishjam::{AgentRequest, AgentResponse, Track, TrackEncoding, TrackType};

use super::codec::{BadFrame, json};

/// What SDKs take when nobody says anything.
const SAMPLE_RATE_HZ_DEFAULT: u32 = 16_000;
const CHANNELS_DEFAULT: u8 = 1;

/// What a frame of an agent means.
#[derive(Debug, PartialEq)]
pub(crate) enum AgentFrame {
    /// The first one.
    Auth { token: String },
    /// Signalling.
    Event(PeerEvent),
    /// Sound for an own track, cut anywhere.
    Sound { track: TrackId, sound: Bytes },
    /// It wants a picture of somebody's video.
    CaptureImage,
    /// Nothing that concerns us.
    Nothing,
}

/// Why a frame of an agent cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BadAgentFrame {
    #[error(transparent)]
    Frame(#[from] BadFrame),
    #[error("an agent can add audio tracks only")]
    NotAudio,
    #[error("the sample rate of a track is one of 8000, 12000, 16000, 24000 and 48000")]
    SampleRate,
    #[error("a track has one or two channels")]
    Channels,
}

/// Reads a frame of an agent.
pub(crate) fn decode(bytes: Bytes) -> Result<AgentFrame, BadAgentFrame> {
    let track_id = |id: &str| Id::parse(id).map_err(BadFrame::from);
    let frame = match AgentRequest::decode(bytes).map_err(BadFrame::from)?.content {
        Some(Content::AuthRequest(auth)) => AgentFrame::Auth { token: auth.token },
        Some(Content::AddTrack(add)) => AgentFrame::Event(add_track(add)?),
        Some(Content::RemoveTrack(remove)) => {
            AgentFrame::Event(PeerEvent::RemoveTrack { track: track_id(&remove.track_id)? })
        }
        Some(Content::TrackData(data)) => AgentFrame::Sound { track: track_id(&data.track_id)?, sound: data.data },
        Some(Content::InterruptTrack(interrupt)) => {
            AgentFrame::Event(PeerEvent::InterruptTrack { track: track_id(&interrupt.track_id)? })
        }
        Some(Content::CaptureImage(_)) => AgentFrame::CaptureImage,
        None => AgentFrame::Nothing,
    };
    Ok(frame)
}

fn add_track(add: AddTrack) -> Result<PeerEvent, BadAgentFrame> {
    let track = add.track.unwrap_or_default();
    match track.r#type() {
        TrackType::Audio | TrackType::Unspecified => {}
        TrackType::Video => return Err(BadAgentFrame::NotAudio),
    }
    Ok(PeerEvent::AddTrack {
        track: Id::parse(&track.id).map_err(BadFrame::from)?,
        metadata: json(&track.metadata).map_err(BadFrame::from)?,
        encoding: encoding(&add.codec_params.unwrap_or_default())?,
    })
}

fn encoding(params: &CodecParameters) -> Result<Encoding, BadAgentFrame> {
    match params.encoding() {
        TrackEncoding::Opus => return Ok(Encoding::Opus),
        TrackEncoding::Unspecified | TrackEncoding::Pcm16 => {}
    }
    let sample_rate_hz = match params.sample_rate {
        0 => SAMPLE_RATE_HZ_DEFAULT,
        rate if PCM_RATES_HZ.contains(&rate) => rate,
        _ => return Err(BadAgentFrame::SampleRate),
    };
    let channels = match params.channels {
        0 => CHANNELS_DEFAULT,
        1 => 1,
        2 => 2,
        _ => return Err(BadAgentFrame::Channels),
    };
    Ok(Encoding::Pcm16 { sample_rate_hz, channels })
}

/// The frame that welcomes an authenticated agent.
pub(crate) fn encode_welcome() -> Vec<u8> {
    encode(agent_response::Content::Authenticated(Authenticated {}))
}

/// The frame of a piece of sound.
pub(crate) fn encode_sound(peer: &PeerId, track: &TrackId, metadata: &Json, sound: Bytes) -> Vec<u8> {
    let track = Track { id: track.to_string(), r#type: TrackType::Audio.into(), metadata: metadata.as_str().into() };
    encode(agent_response::Content::TrackData(TrackData { peer_id: peer.to_string(), track: Some(track), data: sound }))
}

fn encode(content: agent_response::Content) -> Vec<u8> {
    AgentResponse { content: Some(content) }.encode_to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PCM: Encoding = Encoding::Pcm16 { sample_rate_hz: 16_000, channels: 1 };

    fn track(id: &str) -> TrackId {
        TrackId::parse(id).unwrap()
    }

    fn add(kind: u8, params: &[u8]) -> Vec<u8> {
        let track = [&[0x0a, 0x01, b't', 0x10, kind, 0x1a, 0x04][..], b"null"].concat();
        let body = [&[0x0a, length(&track)][..], &track, &[0x12, length(params)], params].concat();
        [&[0x12, length(&body)][..], &body].concat()
    }

    fn length(bytes: &[u8]) -> u8 {
        u8::try_from(bytes.len()).unwrap()
    }

    fn decoded(bytes: &[u8]) -> Result<AgentFrame, BadAgentFrame> {
        decode(Bytes::copy_from_slice(bytes))
    }

    #[test]
    fn frames_as_the_published_sdks_send_them() {
        assert_eq!(decoded(&[0x0a, 0x03, 0x0a, 0x01, b'T']).unwrap(), AgentFrame::Auth { token: "T".into() });
        let defaults = [0x10, 0x80, 0x7d, 0x18, 0x01];
        let added = PeerEvent::AddTrack { track: track("t"), metadata: Json::null(), encoding: PCM };
        assert_eq!(decoded(&add(2, &defaults)).unwrap(), AgentFrame::Event(added));
        let sound = AgentFrame::Sound { track: track("t"), sound: Bytes::from_static(&[1, 2]) };
        assert_eq!(decoded(&[0x22, 0x07, 0x0a, 0x01, b't', 0x12, 0x02, 1, 2]).unwrap(), sound);
        let interrupted = PeerEvent::InterruptTrack { track: track("t") };
        assert_eq!(decoded(&[0x2a, 0x03, 0x0a, 0x01, b't']).unwrap(), AgentFrame::Event(interrupted));
        assert_eq!(decoded(&[0x32, 0x03, 0x0a, 0x01, b't']).unwrap(), AgentFrame::CaptureImage);
    }

    #[test]
    fn encodings_are_read_with_the_defaults_of_the_sdks() {
        let read = |params: &[u8]| match decoded(&add(2, params)) {
            Ok(AgentFrame::Event(PeerEvent::AddTrack { encoding, .. })) => Ok(encoding),
            Ok(other) => panic!("{other:?}"),
            Err(error) => Err(error.to_string()),
        };
        assert_eq!(read(&[]), Ok(PCM));
        assert_eq!(read(&[0x08, 0x02]), Ok(Encoding::Opus));
        let stereo = Encoding::Pcm16 { sample_rate_hz: 24_000, channels: 2 };
        assert_eq!(read(&[0x08, 0x01, 0x10, 0xc0, 0xbb, 0x01, 0x18, 0x02]), Ok(stereo));
        assert_eq!(read(&[0x10, 0x01]), Err(BadAgentFrame::SampleRate.to_string()));
        assert_eq!(read(&[0x18, 0x03]), Err(BadAgentFrame::Channels.to_string()));
        assert!(matches!(decoded(&add(1, &[])), Err(BadAgentFrame::NotAudio)));
    }

    #[test]
    fn the_welcome_is_empty_and_sound_names_its_track() {
        assert_eq!(encode_welcome(), [0x0a, 0x00]);
        let (peer, metadata) = (PeerId::parse("p").unwrap(), Json::parse("{}").unwrap());
        let frame = encode_sound(&peer, &track("t"), &metadata, Bytes::from_static(&[1, 2]));
        let named = [0x0a, 0x01, b't', 0x10, 0x02, 0x1a, 0x02, b'{', b'}'];
        let body = [&[0x0a, 0x01, b'p', 0x12, 0x09][..], &named, &[0x1a, 0x02, 1, 2]].concat();
        assert_eq!(frame, [&[0x12, length(&body)][..], &body].concat());
    }

    #[test]
    fn bad_frames_are_errors() {
        assert!(matches!(decoded(b"\xff\xff"), Err(BadAgentFrame::Frame(BadFrame::Protobuf(_)))));
        assert!(matches!(decoded(&[0x1a, 0x00]), Err(BadAgentFrame::Frame(BadFrame::Id(_)))));
        assert_eq!(decoded(&[]).unwrap(), AgentFrame::Nothing);
    }
}

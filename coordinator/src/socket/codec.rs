//! Frames of the peer socket: protobuf outside, the words of `velella_model::wire` inside.

use std::collections::BTreeMap;
use std::time::SystemTime;

use velella_coordinator_core::Said;
use velella_model::wire::signal::{PeerEvent, ServerEvent, Voice};
use velella_model::{Id, IdError, Json, JsonError, RoomType, TrackId, Variant};
use velella_proto::Message;
use velella_proto::fishjam::media_events::Variant as WireVariant;
use velella_proto::fishjam::media_events::peer::media_event as from_peer;
use velella_proto::fishjam::media_events::server::{MediaEvent, media_event as to_peer};
use velella_proto::fishjam::peer_message::{Authenticated, Content, RoomType as WireRoomType, SdkDeprecation};
use velella_proto::fishjam::{PeerMessage, media_events};

use crate::ice_servers::{IceServer, IceServers};

/// The kind of endpoint that clients expect to read.
const ENDPOINT_TYPE: &str = "exwebrtc";

/// Tracks and mids that one message may name; a room of 25 people has under 100 of each.
const NAMES_MAX: usize = 1024;

/// What a frame of a peer means.
#[derive(Debug, PartialEq)]
pub(crate) enum Frame {
    /// The first one.
    Auth { token: String, sdk_version: String },
    /// Signalling.
    Said(Said),
    /// `getStats` of the client.
    Stats,
    /// Nothing that concerns us: a word of another generation of the protocol.
    Nothing,
}

/// Why a frame cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BadFrame {
    #[error("the frame is no protobuf of this protocol")]
    Protobuf(#[from] velella_proto::DecodeError),
    #[error(transparent)]
    Id(#[from] IdError),
    #[error(transparent)]
    Json(#[from] JsonError),
    #[error("the frame names more than {NAMES_MAX} tracks")]
    TooMany,
}

/// Reads a frame of a peer.
pub(crate) fn decode(bytes: &[u8]) -> Result<Frame, BadFrame> {
    let frame = match PeerMessage::decode(bytes)?.content {
        Some(Content::AuthRequest(auth)) => Frame::Auth { token: auth.token, sdk_version: auth.sdk_version },
        Some(Content::PeerMediaEvent(event)) => match event.content {
            Some(event) => said(event)?.map_or(Frame::Nothing, Frame::Said),
            None => Frame::Nothing,
        },
        Some(Content::RtcStatsReport(_)) => Frame::Stats,
        Some(Content::Authenticated(_) | Content::ServerMediaEvent(_)) | None => Frame::Nothing,
    };
    Ok(frame)
}

fn said(event: from_peer::Content) -> Result<Option<Said>, BadFrame> {
    use from_peer::Content;
    let event = match event {
        Content::Connect(connect) => return Ok(Some(Said::Connect(json(&connect.metadata_json)?))),
        Content::Disconnect(_) => return Ok(Some(Said::Disconnect)),
        Content::UpdateEndpointMetadata(update) => return Ok(Some(Said::Metadata(json(&update.metadata_json)?))),
        Content::UpdateTrackMetadata(update) => {
            let (track, metadata) = (Id::parse(&update.track_id)?, json(&update.metadata_json)?);
            PeerEvent::UpdateTrackMetadata { track, metadata }
        }
        Content::RenegotiateTracks(_) => PeerEvent::RenegotiateTracks,
        Content::Candidate(candidate) => PeerEvent::Candidate { candidate: candidate.candidate },
        Content::SdpOffer(offer) => sdp_offer(offer)?,
        Content::TrackBitrates(bitrates) => PeerEvent::TrackBitrates {
            track: Id::parse(&bitrates.track_id)?,
            bitrates_bps: bitrates.variant_bitrates.iter().filter_map(bitrate).collect(),
        },
        Content::EnableTrackVariant(on) => {
            return on_variant(&on, |track, variant| PeerEvent::EnableTrackVariant { track, variant });
        }
        Content::DisableTrackVariant(off) => {
            return on_variant(&off, |track, variant| PeerEvent::DisableTrackVariant { track, variant });
        }
        Content::SetTargetTrackVariant(target) => {
            return on_variant(&target, |track, variant| PeerEvent::SetTargetTrackVariant { track, variant });
        }
        Content::UnmuteTrack(unmute) => PeerEvent::UnmuteTrack { track: Id::parse(&unmute.track_id)? },
    };
    Ok(Some(Said::Event(event)))
}

fn sdp_offer(offer: from_peer::SdpOffer) -> Result<PeerEvent, BadFrame> {
    let from_peer::SdpOffer { sdp, track_id_to_metadata_json, mid_to_track_id, .. } = offer;
    if track_id_to_metadata_json.len() > NAMES_MAX || mid_to_track_id.len() > NAMES_MAX {
        return Err(BadFrame::TooMany);
    }
    let mid_to_track = mid_to_track_id.into_iter().map(|(mid, track)| Ok((mid, Id::parse(&track)?)));
    let metadata = track_id_to_metadata_json.iter().map(|(track, metadata)| Ok((Id::parse(track)?, json(metadata)?)));
    Ok(PeerEvent::SdpOffer {
        sdp,
        mid_to_track: mid_to_track.collect::<Result<_, BadFrame>>()?,
        metadata: metadata.collect::<Result<_, BadFrame>>()?,
    })
}

/// An encoding that we do not know changes nothing.
fn on_variant(
    message: &from_peer::TrackVariant,
    event: fn(TrackId, Variant) -> PeerEvent,
) -> Result<Option<Said>, BadFrame> {
    let track = Id::parse(&message.track_id)?;
    Ok(variant(message.variant()).map(|variant| Said::Event(event(track, variant))))
}

fn bitrate(message: &from_peer::VariantBitrate) -> Option<(Variant, u32)> {
    Some((variant(message.variant())?, u32::try_from(message.bitrate).unwrap_or(0)))
}

fn variant(variant: WireVariant) -> Option<Variant> {
    match variant {
        WireVariant::Unspecified => None,
        WireVariant::Low => Some(Variant::Low),
        WireVariant::Medium => Some(Variant::Medium),
        WireVariant::High => Some(Variant::High),
    }
}

/// A client without metadata sends an empty text.
pub(super) fn json(text: &str) -> Result<Json, JsonError> {
    if text.is_empty() { Ok(Json::null()) } else { Json::parse(text) }
}

/// The frame that welcomes an authenticated peer.
pub(crate) fn encode_welcome(room_type: RoomType, sdk_deprecation: Option<SdkDeprecation>) -> Vec<u8> {
    let room_type = match room_type {
        RoomType::Conference => WireRoomType::Conference,
        RoomType::AudioOnly => WireRoomType::AudioOnly,
        RoomType::Livestream | RoomType::AudioOnlyLivestream => WireRoomType::Livestream,
    };
    let welcome = Content::Authenticated(Authenticated { room_type: room_type.into(), sdk_deprecation });
    PeerMessage { content: Some(welcome) }.encode_to_vec()
}

/// The frame of a server event.
pub(crate) fn encode(event: ServerEvent, ice_servers: &IceServers) -> Vec<u8> {
    let mut content = content(event);
    if let to_peer::Content::Connected(connected) = &mut content {
        connected.ice_servers = wire_ice_servers(ice_servers, &connected.endpoint_id);
    }
    let event = MediaEvent { content: Some(content) };
    PeerMessage { content: Some(Content::ServerMediaEvent(event)) }.encode_to_vec()
}

fn content(event: ServerEvent) -> to_peer::Content {
    use to_peer::Content;
    match event {
        ServerEvent::Connected { endpoint, endpoints } => Content::Connected(to_peer::Connected {
            endpoint_id: endpoint.into(),
            endpoint_id_to_endpoint: endpoints.into_iter().map(|(id, e)| (id.into(), wire_endpoint(e))).collect(),
            ice_servers: Vec::new(),
        }),
        ServerEvent::EndpointAdded { endpoint, metadata } => Content::EndpointAdded(to_peer::EndpointMetadata {
            endpoint_id: endpoint.into(),
            metadata_json: metadata.into(),
        }),
        ServerEvent::EndpointUpdated { endpoint, metadata } => Content::EndpointUpdated(to_peer::EndpointMetadata {
            endpoint_id: endpoint.into(),
            metadata_json: metadata.into(),
        }),
        ServerEvent::EndpointRemoved { endpoint } => {
            Content::EndpointRemoved(to_peer::EndpointRemoved { endpoint_id: endpoint.into() })
        }
        ServerEvent::TracksAdded { endpoint, tracks } => Content::TracksAdded(to_peer::TracksAdded {
            endpoint_id: endpoint.into(),
            track_id_to_track: wire_tracks(tracks),
        }),
        ServerEvent::TracksRemoved { endpoint, tracks } => Content::TracksRemoved(to_peer::TracksRemoved {
            endpoint_id: endpoint.into(),
            track_ids: tracks.into_iter().map(String::from).collect(),
        }),
        ServerEvent::TrackUpdated { endpoint, track, metadata } => Content::TrackUpdated(to_peer::TrackUpdated {
            endpoint_id: endpoint.into(),
            track_id: track.into(),
            metadata_json: metadata.into(),
        }),
        ServerEvent::OfferData { audio, video } => Content::OfferData(to_peer::OfferData {
            tracks_types: Some(to_peer::offer_data::TracksTypes { audio: count(audio), video: count(video) }),
        }),
        ServerEvent::SdpAnswer { sdp, mid_to_track } => Content::SdpAnswer(to_peer::SdpAnswer {
            sdp,
            mid_to_track_id: mid_to_track.into_iter().map(|(mid, track)| (mid, track.into())).collect(),
        }),
        ServerEvent::TrackVariantSwitched { endpoint, track, variant } => {
            Content::TrackVariantSwitched(track_variant(endpoint.into(), track, variant))
        }
        ServerEvent::TrackVariantDisabled { endpoint, track, variant } => {
            Content::TrackVariantDisabled(track_variant(endpoint.into(), track, variant))
        }
        ServerEvent::TrackVariantEnabled { endpoint, track, variant } => {
            Content::TrackVariantEnabled(track_variant(endpoint.into(), track, variant))
        }
        ServerEvent::VadNotification { track, voice } => Content::VadNotification(to_peer::VadNotification {
            track_id: track.into(),
            status: match voice {
                Voice::Silence => to_peer::vad_notification::Status::Silence,
                Voice::Speech => to_peer::vad_notification::Status::Speech,
            }
            .into(),
        }),
        ServerEvent::Error { message } => Content::Error(to_peer::Error { message }),
    }
}

fn wire_endpoint(endpoint: velella_model::wire::signal::Endpoint) -> to_peer::Endpoint {
    to_peer::Endpoint {
        endpoint_type: ENDPOINT_TYPE.into(),
        metadata_json: endpoint.metadata.into(),
        track_id_to_track: wire_tracks(endpoint.tracks),
    }
}

fn wire_tracks(tracks: BTreeMap<TrackId, velella_model::wire::signal::Track>) -> BTreeMap<String, to_peer::Track> {
    let track = |track: velella_model::wire::signal::Track| to_peer::Track {
        metadata_json: track.metadata.into(),
        simulcast_config: Some(simulcast(track.simulcast)),
    };
    tracks.into_iter().map(|(id, t)| (id.into(), track(t))).collect()
}

fn simulcast(simulcast: Option<velella_model::wire::signal::Simulcast>) -> to_peer::SimulcastConfig {
    let enabled = simulcast.is_some();
    let simulcast = simulcast.unwrap_or_default();
    let wire = |variants: Vec<Variant>| variants.into_iter().map(|v| wire_variant(v).into()).collect();
    to_peer::SimulcastConfig {
        enabled,
        enabled_variants: wire(simulcast.enabled),
        disabled_variants: wire(simulcast.disabled),
    }
}

fn track_variant(endpoint_id: String, track: TrackId, variant: Variant) -> to_peer::TrackVariant {
    to_peer::TrackVariant { endpoint_id, track_id: track.into(), variant: wire_variant(variant).into() }
}

fn wire_ice_servers(ice_servers: &IceServers, client: &str) -> Vec<to_peer::IceServer> {
    let wire = |server: IceServer| {
        let (username, credential) = server.login.unwrap_or_default();
        to_peer::IceServer { credential, urls: vec![server.url], username }
    };
    ice_servers.of_client(client, SystemTime::now()).into_iter().map(wire).collect()
}

fn wire_variant(variant: Variant) -> media_events::Variant {
    match variant {
        Variant::Low => WireVariant::Low,
        Variant::Medium => WireVariant::Medium,
        Variant::High => WireVariant::High,
    }
}

fn count(lines: u32) -> i32 {
    i32::try_from(lines).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use velella_model::PeerId;
    use velella_model::wire::signal::Endpoint;

    #[test]
    fn captured_frames_of_a_published_client_are_understood() {
        let auth = [&[0x12, 0x0f, 0x0a, 0x01, b't', 0x12, 0x0a], &b"web-0.25.1"[..]].concat();
        assert_eq!(decode(&auth).unwrap(), Frame::Auth { token: "t".into(), sdk_version: "web-0.25.1".into() });
        let connect = [&[0x2a, 0x0b, 0x0a, 0x09, 0x0a, 0x07], &b"{\"n\":1}"[..]].concat();
        let metadata = Json::parse("{\"n\":1}").unwrap();
        assert_eq!(decode(&connect).unwrap(), Frame::Said(Said::Connect(metadata)));
        let renegotiate = [0x2a, 0x02, 0x2a, 0x00];
        assert_eq!(decode(&renegotiate).unwrap(), Frame::Said(Said::Event(PeerEvent::RenegotiateTracks)));
    }

    #[test]
    fn a_client_without_metadata_says_null() {
        assert_eq!(decode(&[0x2a, 0x02, 0x0a, 0x00]).unwrap(), Frame::Said(Said::Connect(Json::null())));
    }

    #[test]
    fn the_welcome_is_the_captured_one() {
        assert_eq!(encode_welcome(RoomType::Conference, None), [0x0a, 0x02, 0x08, 0x01]);
    }

    #[test]
    fn connected_carries_the_peer_itself() {
        let peer = PeerId::parse("P1").unwrap();
        let own = Endpoint { metadata: Json::parse("{}").unwrap(), tracks: BTreeMap::new() };
        let event = ServerEvent::Connected { endpoint: peer.clone(), endpoints: [(peer, own)].into() };
        let bytes = encode(event, &IceServers::default());
        assert_eq!(bytes[..8], [0x32, bytes[1], 0x3a, bytes[3], 0x0a, 0x02, b'P', b'1']);
    }

    #[test]
    fn connected_carries_the_ice_servers() {
        let secret: velella_ops::Secret = "s".parse().unwrap();
        let urls = ["stun:a", "turn:b"].map(String::from).into();
        let servers = IceServers::new(urls, Some("u".into()), Some(secret), None).unwrap();
        let event = ServerEvent::Connected { endpoint: PeerId::parse("p").unwrap(), endpoints: BTreeMap::new() };
        let message = PeerMessage::decode(&encode(event, &servers)[..]).unwrap();
        let Some(Content::ServerMediaEvent(MediaEvent { content: Some(content) })) = message.content else { panic!() };
        let to_peer::Content::Connected(connected) = content else { panic!("connected") };
        let told =
            connected.ice_servers.iter().map(|s| (s.urls[0].as_str(), s.username.as_str(), s.credential.as_str()));
        assert_eq!(told.collect::<Vec<_>>(), [("stun:a", "", ""), ("turn:b", "u", "s")]);
    }

    #[test]
    fn bad_frames_are_errors() {
        assert!(matches!(decode(b"\xff\xff\xff"), Err(BadFrame::Protobuf(_))));
        let spaced_track = [0x2a, 0x07, 0x62, 0x05, 0x0a, 0x03, b'a', b' ', b'b'];
        assert!(matches!(decode(&spaced_track), Err(BadFrame::Id(_))));
        let broken_json = [0x2a, 0x05, 0x0a, 0x03, 0x0a, 0x01, b'{'];
        assert!(matches!(decode(&broken_json), Err(BadFrame::Json(_))));
        assert_eq!(decode(&[]).unwrap(), Frame::Nothing);
    }

    #[test]
    fn random_bytes_never_panic() {
        let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
        for _ in 0..20_000 {
            let mut bytes = [0_u8; 48];
            for byte in &mut bytes {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                *byte = seed.to_be_bytes()[0];
            }
            let _ = decode(&bytes);
        }
    }
}

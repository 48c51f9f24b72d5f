//! The signalling of one session, both ways, and voices.

use std::collections::{BTreeMap, BTreeSet};

use velella_model::record::Subscriptions;
use velella_model::wire::agent::Encoding;
use velella_model::wire::signal::{
    CloseReason, Endpoint, PeerEvent, ServerEvent, SessionEvent, Simulcast, ToHolder, ToWorker, Track, Voice,
    VoiceChanged,
};
use velella_model::{Json, MediaKind, PeerId, RoomId, SessionId, TrackId, Variant};

#[test]
fn what_peers_say_keeps_its_form() {
    let events = [
        PeerEvent::UpdateEndpointMetadata { metadata: json() },
        PeerEvent::UpdateTrackMetadata { track: track(), metadata: json() },
        PeerEvent::RenegotiateTracks,
        PeerEvent::Candidate { candidate: "candidate:1 1 UDP 2 192.0.2.1 9 typ host".into() },
        PeerEvent::SdpOffer {
            sdp: "v=0\r\n".into(),
            mid_to_track: mids(),
            metadata: BTreeMap::from([(track(), json())]),
        },
        PeerEvent::TrackBitrates { track: track(), bitrates_bps: BTreeMap::from([(Variant::High, 2_500_000)]) },
        PeerEvent::EnableTrackVariant { track: track(), variant: Variant::Low },
        PeerEvent::DisableTrackVariant { track: track(), variant: Variant::Medium },
        PeerEvent::SetTargetTrackVariant { track: track(), variant: Variant::High },
        PeerEvent::SetSubscriptions { subscriptions: subscriptions() },
        PeerEvent::UnmuteTrack { track: track() },
        PeerEvent::AddTrack { track: track(), metadata: json(), encoding: Encoding::Opus },
        PeerEvent::AddTrack { track: track(), metadata: json(), encoding: pcm() },
        PeerEvent::RemoveTrack { track: track() },
        PeerEvent::InterruptTrack { track: track() },
    ];
    let examples = events.map(|event| (said_by_peer(&event), ToWorker { session: session(), seq: 7, event }));
    crate::holds("to_worker", &examples);
}

/// A new event fails to compile here: it needs an example too.
fn said_by_peer(event: &PeerEvent) -> &'static str {
    match event {
        PeerEvent::UpdateEndpointMetadata { .. } => "update_endpoint_metadata",
        PeerEvent::UpdateTrackMetadata { .. } => "update_track_metadata",
        PeerEvent::RenegotiateTracks => "renegotiate_tracks",
        PeerEvent::Candidate { .. } => "candidate",
        PeerEvent::SdpOffer { .. } => "sdp_offer",
        PeerEvent::TrackBitrates { .. } => "track_bitrates",
        PeerEvent::EnableTrackVariant { .. } => "enable_track_variant",
        PeerEvent::DisableTrackVariant { .. } => "disable_track_variant",
        PeerEvent::SetTargetTrackVariant { .. } => "set_target_track_variant",
        PeerEvent::SetSubscriptions { .. } => "set_subscriptions",
        PeerEvent::UnmuteTrack { .. } => "unmute_track",
        PeerEvent::AddTrack { encoding: Encoding::Opus, .. } => "add_track of Opus",
        PeerEvent::AddTrack { encoding: Encoding::Pcm16 { .. }, .. } => "add_track of PCM",
        PeerEvent::RemoveTrack { .. } => "remove_track",
        PeerEvent::InterruptTrack { .. } => "interrupt_track",
    }
}

#[test]
fn what_happens_to_sessions_keeps_its_form() {
    let reasons = [
        CloseReason::Asked,
        CloseReason::TakenOver,
        CloseReason::IceTimeout,
        CloseReason::SignalLost,
        CloseReason::BadSignal,
        CloseReason::Crashed,
        CloseReason::RoomClosed,
        CloseReason::Full,
    ];
    let (audio, video) = (MediaKind::Audio, MediaKind::Video);
    let events = [
        SessionEvent::TrackAdded { track: track(), kind: audio, metadata: json() },
        SessionEvent::TrackMetadataUpdated { track: track(), kind: video, metadata: json() },
        SessionEvent::TrackRemoved { track: track(), kind: video, metadata: json() },
        SessionEvent::ChannelAdded { channel: "chat".into() },
        SessionEvent::ChannelRemoved { channel: "chat".into() },
        SessionEvent::Adopted { offer: "v=0\r\n".into() },
    ];
    let to_peer = said_to_peer().into_iter().map(|event| SessionEvent::ToPeer { event });
    let closed = reasons.into_iter().map(|reason| SessionEvent::Closed { reason });
    let examples: Vec<_> = to_peer
        .chain(events)
        .chain(closed)
        .map(|event| (happened(&event), ToHolder { session: session(), seq: 7, event }))
        .collect();
    crate::holds("to_holder", &examples);
}

/// A new event or reason fails to compile here: it needs an example too.
fn happened(event: &SessionEvent) -> &'static str {
    match event {
        SessionEvent::ToPeer { event } => said_to_peer_name(event),
        SessionEvent::TrackAdded { .. } => "track_added",
        SessionEvent::TrackMetadataUpdated { .. } => "track_metadata_updated",
        SessionEvent::TrackRemoved { .. } => "track_removed",
        SessionEvent::ChannelAdded { .. } => "channel_added",
        SessionEvent::ChannelRemoved { .. } => "channel_removed",
        SessionEvent::Adopted { .. } => "adopted",
        SessionEvent::Closed { reason } => match reason {
            CloseReason::Asked => "closed: asked",
            CloseReason::TakenOver => "closed: taken over",
            CloseReason::IceTimeout => "closed: ice timeout",
            CloseReason::SignalLost => "closed: signal lost",
            CloseReason::BadSignal => "closed: bad signal",
            CloseReason::Crashed => "closed: crashed",
            CloseReason::RoomClosed => "closed: room closed",
            CloseReason::Full => "closed: full",
        },
    }
}

fn said_to_peer() -> Vec<ServerEvent> {
    let simulcast = Simulcast { enabled: vec![Variant::Low, Variant::High], disabled: vec![Variant::Medium] };
    let tracks = BTreeMap::from([
        (track(), Track { metadata: json(), simulcast: Some(simulcast) }),
        (TrackId::parse("p1:t2").unwrap(), Track { metadata: Json::null(), simulcast: None }),
    ]);
    let endpoints = BTreeMap::from([(peer(), Endpoint { metadata: json(), tracks: tracks.clone() })]);
    vec![
        ServerEvent::Connected { endpoint: peer(), endpoints },
        ServerEvent::EndpointAdded { endpoint: peer(), metadata: json() },
        ServerEvent::EndpointUpdated { endpoint: peer(), metadata: json() },
        ServerEvent::EndpointRemoved { endpoint: peer() },
        ServerEvent::TracksAdded { endpoint: peer(), tracks },
        ServerEvent::TracksRemoved { endpoint: peer(), tracks: vec![track()] },
        ServerEvent::TrackUpdated { endpoint: peer(), track: track(), metadata: json() },
        ServerEvent::OfferData { audio: 3, video: 4 },
        ServerEvent::SdpAnswer { sdp: "v=0\r\n".into(), mid_to_track: mids() },
        ServerEvent::TrackVariantSwitched { endpoint: peer(), track: track(), variant: Variant::Low },
        ServerEvent::TrackVariantDisabled { endpoint: peer(), track: track(), variant: Variant::Medium },
        ServerEvent::TrackVariantEnabled { endpoint: peer(), track: track(), variant: Variant::High },
        ServerEvent::VadNotification { track: track(), voice: Voice::Speech },
        ServerEvent::Error { message: "room is full".into() },
    ]
}

/// A new event fails to compile here: it needs an example too.
fn said_to_peer_name(event: &ServerEvent) -> &'static str {
    match event {
        ServerEvent::Connected { .. } => "to_peer: connected",
        ServerEvent::EndpointAdded { .. } => "to_peer: endpoint_added",
        ServerEvent::EndpointUpdated { .. } => "to_peer: endpoint_updated",
        ServerEvent::EndpointRemoved { .. } => "to_peer: endpoint_removed",
        ServerEvent::TracksAdded { .. } => "to_peer: tracks_added",
        ServerEvent::TracksRemoved { .. } => "to_peer: tracks_removed",
        ServerEvent::TrackUpdated { .. } => "to_peer: track_updated",
        ServerEvent::OfferData { .. } => "to_peer: offer_data",
        ServerEvent::SdpAnswer { .. } => "to_peer: sdp_answer",
        ServerEvent::TrackVariantSwitched { .. } => "to_peer: track_variant_switched",
        ServerEvent::TrackVariantDisabled { .. } => "to_peer: track_variant_disabled",
        ServerEvent::TrackVariantEnabled { .. } => "to_peer: track_variant_enabled",
        ServerEvent::VadNotification { .. } => "to_peer: vad_notification",
        ServerEvent::Error { .. } => "to_peer: error",
    }
}

#[test]
fn voices_keep_their_form() {
    let room = RoomId::parse("r1").unwrap();
    let changed = |voice| VoiceChanged { room: room.clone(), peer: peer(), track: track(), voice };
    crate::holds("voice_changed", &[("silence", changed(Voice::Silence)), ("speech", changed(Voice::Speech))]);
}

fn session() -> SessionId {
    SessionId::parse("s1").unwrap()
}

fn peer() -> PeerId {
    PeerId::parse("p1").unwrap()
}

fn track() -> TrackId {
    TrackId::parse("p1:t1").unwrap()
}

fn json() -> Json {
    Json::parse(r#"{"peer":{"name":"Ada"},"server":null}"#).unwrap()
}

fn mids() -> BTreeMap<String, TrackId> {
    BTreeMap::from([("0".to_owned(), track())])
}

fn subscriptions() -> Subscriptions {
    Subscriptions { peers: BTreeSet::from([peer()]), tracks: BTreeSet::from([track()]) }
}

fn pcm() -> Encoding {
    Encoding::Pcm16 { sample_rate_hz: 24_000, channels: 1 }
}

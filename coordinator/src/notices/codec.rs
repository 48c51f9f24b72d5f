//! Notifications as protobuf, the same bytes for every socket and webhook.

use bytes::Bytes;
use velella_coordinator_core::{Notice, PeerTold, Publisher, Told, TrackTold};
use velella_model::record::{PeerKind, TrackRecord};
use velella_model::wire::signal::Voice;
use velella_model::{MediaKind, PeerId, TrackId};
use velella_proto::Message;
use velella_proto::fishjam::server_message::{
    ChannelEvent, ComponentEvent, Content, PeerCrashed, PeerEvent, PeerMetadataUpdated, RoomEvent, StreamerEvent,
    TrackEvent, VadNotification, ViewerEvent, channel_event, track_event, vad_notification,
};
use velella_proto::fishjam::{PeerType, ServerMessage, Track, TrackType};

/// A notification with its number.
pub(crate) fn encode(notice: &Notice, noticed_at_ms: u64) -> Bytes {
    let content = Some(content(notice.room.to_string(), &notice.told));
    let sequence = notice.sequence.map_or(0, |sequence| sequence.0);
    ServerMessage { content, sequence, noticed_at_ms }.encode_to_vec().into()
}

fn content(room_id: String, told: &Told) -> Content {
    match told {
        Told::RoomCreated => Content::RoomCreated(RoomEvent { room_id }),
        Told::RoomDeleted => Content::RoomDeleted(RoomEvent { room_id }),
        Told::Peer(peer, kind, event) => of_peer(room_id, peer, *kind, event),
        Told::Track(publisher, id, event) => of_track(room_id, publisher, id, event),
        Told::ComponentCrashed(component, trouble) => {
            let component_id = component.to_string();
            let (trouble_code, trouble_sentence) = trouble.clone().map(|t| (t.code, t.sentence)).unwrap_or_default();
            Content::ComponentCrashed(ComponentEvent { room_id, component_id, trouble_code, trouble_sentence })
        }
        Told::Playable(component) => {
            let component_id = component.to_string();
            Content::HlsPlayable(ComponentEvent { room_id, component_id, ..ComponentEvent::default() })
        }
        Told::ChannelAdded(peer, label) => Content::ChannelAdded(channel(room_id, peer, label)),
        Told::ChannelRemoved(peer, label) => Content::ChannelRemoved(channel(room_id, peer, label)),
        Told::VoiceChanged(peer, track, voice) => {
            let status = match voice {
                Voice::Silence => vad_notification::Status::Silence,
                Voice::Speech => vad_notification::Status::Speech,
            };
            let (peer_id, track_id) = (peer.to_string(), track.to_string());
            Content::VadNotification(VadNotification { room_id, peer_id, track_id, status: status.into() })
        }
    }
}

/// Who takes part in a livestream has words of its own; its stream has the id of the room.
fn of_peer(room_id: String, peer: &PeerId, kind: PeerKind, event: &PeerTold) -> Content {
    let (peer_id, stream_id) = (peer.to_string(), &room_id);
    let streamer = || StreamerEvent { stream_id: stream_id.clone(), streamer_id: peer_id.clone() };
    let viewer = || ViewerEvent { stream_id: stream_id.clone(), viewer_id: peer_id.clone() };
    match (kind, event) {
        (PeerKind::Streamer, PeerTold::Connected) => Content::StreamerConnected(streamer()),
        (PeerKind::Streamer, PeerTold::Disconnected) => Content::StreamerDisconnected(streamer()),
        (PeerKind::Viewer, PeerTold::Connected) => Content::ViewerConnected(viewer()),
        (PeerKind::Viewer, PeerTold::Disconnected) => Content::ViewerDisconnected(viewer()),
        (_, event) => of_member(room_id, peer_id, peer_type(kind), event),
    }
}

fn of_member(room_id: String, peer_id: String, peer_type: PeerType, event: &PeerTold) -> Content {
    let peer_type = peer_type.into();
    match event {
        PeerTold::Metadata(metadata) => {
            let metadata = metadata.as_str().to_owned();
            Content::PeerMetadataUpdated(PeerMetadataUpdated { room_id, peer_id, metadata, peer_type })
        }
        PeerTold::Crashed(reason) => {
            Content::PeerCrashed(PeerCrashed { room_id, peer_id, reason: reason.clone(), peer_type })
        }
        PeerTold::Added => Content::PeerAdded(PeerEvent { room_id, peer_id, peer_type }),
        PeerTold::Connected => Content::PeerConnected(PeerEvent { room_id, peer_id, peer_type }),
        PeerTold::Disconnected => Content::PeerDisconnected(PeerEvent { room_id, peer_id, peer_type }),
        PeerTold::Deleted => Content::PeerDeleted(PeerEvent { room_id, peer_id, peer_type }),
    }
}

fn peer_type(kind: PeerKind) -> PeerType {
    match kind {
        PeerKind::Webrtc => PeerType::Webrtc,
        PeerKind::Agent => PeerType::Agent,
        PeerKind::Streamer | PeerKind::Viewer => PeerType::Unspecified,
    }
}

fn of_track(room_id: String, publisher: &Publisher, id: &TrackId, event: &TrackTold) -> Content {
    let endpoint_info = match publisher {
        Publisher::Peer(peer) => track_event::EndpointInfo::PeerId(peer.to_string()),
        Publisher::Component(component) => track_event::EndpointInfo::ComponentId(component.to_string()),
    };
    let event_of = |record: &TrackRecord| TrackEvent {
        room_id,
        endpoint_info: Some(endpoint_info),
        track: Some(track(id, record)),
    };
    match event {
        TrackTold::Added(record) => Content::TrackAdded(event_of(record)),
        TrackTold::Updated(record) => Content::TrackMetadataUpdated(event_of(record)),
        TrackTold::Removed(record) => Content::TrackRemoved(event_of(record)),
    }
}

fn track(id: &TrackId, record: &TrackRecord) -> Track {
    let kind = match record.kind {
        MediaKind::Audio => TrackType::Audio,
        MediaKind::Video => TrackType::Video,
    };
    Track { id: id.to_string(), r#type: kind.into(), metadata: record.metadata.as_str().to_owned() }
}

fn channel(room_id: String, peer: &PeerId, label: &str) -> ChannelEvent {
    let endpoint_info = Some(channel_event::EndpointInfo::PeerId(peer.to_string()));
    ChannelEvent { room_id, endpoint_info, channel_id: label.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use velella_coordinator_core::Hook;
    use velella_coordinator_core::chronicle::Sequence;
    use velella_model::{ComponentId, Json, RoomId};

    #[test]
    fn a_room_is_told_of_in_the_captured_bytes_and_our_own_fields_follow() {
        let bytes = encode(&notice(Told::RoomCreated), 1);
        assert_eq!(bytes[..6], [0x52, 0x04, 0x0a, 0x02, b'r', b'1']);
        let own = [0xc0, 0x3e, 7, 0xd0, 0x3e, 1];
        assert_eq!(bytes[6..], own);
    }

    #[test]
    fn a_broadcast_is_told_of_in_the_bytes_of_fishjam() {
        let bytes = encode(&notice(Told::Playable(ComponentId::parse("c1").unwrap())), 1);
        assert_eq!(bytes[..10], [0x6a, 0x08, 0x0a, 0x02, b'r', b'1', 0x12, 0x02, b'c', b'1']);
    }

    #[test]
    fn a_track_names_its_peer_its_kind_and_its_metadata() {
        let record = TrackRecord { kind: MediaKind::Audio, metadata: Json::parse(r#"{"a":1}"#).unwrap() };
        let told = Told::Track(
            Publisher::Peer(PeerId::parse("p").unwrap()),
            TrackId::parse("t").unwrap(),
            TrackTold::Added(record),
        );
        let message = ServerMessage::decode(encode(&notice(told), 1)).unwrap();
        let Some(Content::TrackAdded(event)) = message.content else { panic!("{message:?}") };
        let track = Track { id: "t".into(), r#type: TrackType::Audio.into(), metadata: r#"{"a":1}"#.into() };
        assert_eq!(event.endpoint_info, Some(track_event::EndpointInfo::PeerId("p".into())));
        assert_eq!(event.track, Some(track));
    }

    fn notice(told: Told) -> Notice {
        Notice { room: RoomId::parse("r1").unwrap(), told, hook: Hook::default(), sequence: Some(Sequence(7)) }
    }
}

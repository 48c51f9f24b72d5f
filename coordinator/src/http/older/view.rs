//! Rooms and peers with exactly the keys of Fishjam 0.6: its SDKs compare whole values.

use serde::Serialize;
use serde_json::value::RawValue;
use velella_coordinator_core::RoomView;
use velella_model::PeerId;
use velella_model::record::PeerRecord;

use crate::http::component_view::{self, OlderComponent};
use crate::http::view::{self, Track};

#[derive(Serialize)]
pub(crate) struct Room<'a> {
    id: &'a str,
    config: Config<'a>,
    components: Vec<OlderComponent<'a>>,
    peers: Vec<Peer<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Config<'a> {
    room_id: &'a str,
    max_peers: Option<u32>,
    video_codec: Option<&'static str>,
    webhook_url: Option<&'a str>,
    peerless_purge_timeout: Option<u32>,
    peer_disconnected_timeout: Option<u32>,
}

#[derive(Serialize)]
pub(crate) struct Peer<'a> {
    id: &'a str,
    r#type: &'static str,
    status: &'static str,
    tracks: Vec<Track<'a>>,
    /// What the peer said of itself; null before it said anything.
    metadata: &'a RawValue,
}

pub(crate) fn room(view: &RoomView) -> Room<'_> {
    let spec = &view.record.spec;
    let listed = view.peers.iter().filter(|(_, record)| !record.kind.is_of_livestream());
    let codec = view::video_codec_name(spec.video_codec);
    Room {
        id: view.room.as_str(),
        config: Config {
            room_id: view.room.as_str(),
            max_peers: spec.peers_max,
            video_codec: Some(codec).filter(|_| !spec.video_codec_by_default),
            webhook_url: spec.webhook_url.as_deref(),
            peerless_purge_timeout: spec.peerless_purge_s,
            peer_disconnected_timeout: spec.peer_purge_s,
        },
        components: view.components.iter().map(|view| component_view::older(view, None)).collect(),
        peers: listed.map(|(id, record)| peer(id, record)).collect(),
    }
}

/// Agents came later; these SDKs know one type.
pub(crate) fn peer<'a>(id: &'a PeerId, record: &'a PeerRecord) -> Peer<'a> {
    let silent = record.peer_metadata.as_str() == "{}";
    Peer {
        id: id.as_str(),
        r#type: "webrtc",
        status: view::status(record),
        tracks: view::tracks(&record.tracks),
        metadata: if silent { RawValue::NULL } else { view::raw(&record.peer_metadata) },
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{json, to_value};
    use velella_model::record::{PeerKind, Placement, RoomRecord, RoomSpec};
    use velella_model::wire::command::SubscribeMode;
    use velella_model::{Generation, Incarnation, Json, RoomId, WorkerId};

    use super::*;

    #[test]
    fn a_fresh_room_and_its_peer_have_exactly_these_keys() {
        let record = PeerRecord::new(PeerKind::Webrtc, Json::parse("{}").unwrap(), SubscribeMode::Auto);
        let placement = Placement {
            worker: WorkerId::parse("w").unwrap(),
            incarnation: Incarnation(1),
            generation: Generation(1),
            endpoints: Vec::new(),
            candidates: Vec::new(),
        };
        let spec = RoomSpec { video_codec_by_default: true, ..RoomSpec::default() };
        let view = RoomView {
            room: RoomId::parse("r").unwrap(),
            record: RoomRecord { spec, placement, streaming: None }.into(),
            peers: vec![(PeerId::parse("p").unwrap(), record.into())],
            components: Vec::new(),
        };
        let peer = json!({"id": "p", "type": "webrtc", "status": "disconnected", "tracks": [], "metadata": null});
        let config = json!({
            "roomId": "r", "maxPeers": null, "videoCodec": null, "webhookUrl": null,
            "peerlessPurgeTimeout": null, "peerDisconnectedTimeout": null,
        });
        let wanted = json!({"id": "r", "config": config, "components": [], "peers": [peer]});
        assert_eq!(to_value(room(&view)).unwrap(), wanted);
    }
}

//! Rooms, peers and tracks as the API shows them.
//!
//! `Peer` has exactly these keys: the published Python SDK compares peers with all their keys.

use serde_json::{Value, json};
use velella_coordinator_core::RoomView;
use velella_model::record::{PeerKind, PeerRecord, RoomSpec};
use velella_model::wire::command::SubscribeMode;
use velella_model::{MediaKind, PeerId, RoomType, VideoCodec};

pub(crate) fn room(view: &RoomView) -> Value {
    let peers: Vec<Value> = view.peers.iter().map(|(id, record)| peer(id, record)).collect();
    json!({ "id": view.room.as_str(), "config": config(&view.record.spec), "peers": peers })
}

fn config(spec: &RoomSpec) -> Value {
    json!({
        "maxPeers": spec.peers_max.unwrap_or(0),
        "public": spec.public,
        "roomType": room_type_name(spec.room_type),
        "videoCodec": video_codec_name(spec.video_codec),
        "webhookUrl": spec.webhook_url,
        "batchWebhookNotifications": spec.batch_webhook_notifications,
    })
}

pub(crate) fn peer(id: &PeerId, record: &PeerRecord) -> Value {
    let tracks = record.tracks.iter().map(|(id, track)| {
        let kind = match track.kind {
            MediaKind::Audio => "audio",
            MediaKind::Video => "video",
        };
        json!({ "id": id.as_str(), "type": kind, "metadata": track.metadata.value() })
    });
    json!({
        "id": id.as_str(),
        "type": match record.kind {
            PeerKind::Webrtc => "webrtc",
            PeerKind::Agent => "agent",
        },
        "status": if record.connection.is_some() { "connected" } else { "disconnected" },
        "tracks": tracks.collect::<Vec<Value>>(),
        "metadata": { "peer": record.peer_metadata.value(), "server": record.server_metadata.value() },
        "subscribeMode": match record.subscribe_mode {
            SubscribeMode::Auto => "auto",
            SubscribeMode::Manual => "manual",
        },
        "subscriptions": { "peers": [], "tracks": [] },
    })
}

pub(crate) fn room_type_name(room_type: RoomType) -> &'static str {
    match room_type {
        RoomType::Conference => "conference",
        RoomType::AudioOnly => "audio_only",
        RoomType::Livestream => "livestream",
        RoomType::AudioOnlyLivestream => "audio_only_livestream",
    }
}

/// The names of the API, those of older servers among them.
pub(crate) fn room_type(name: &str) -> Option<RoomType> {
    match name {
        "conference" | "full_feature" => Some(RoomType::Conference),
        "audio_only" => Some(RoomType::AudioOnly),
        "livestream" | "broadcaster" => Some(RoomType::Livestream),
        "audio_only_livestream" => Some(RoomType::AudioOnlyLivestream),
        _ => None,
    }
}

pub(crate) fn video_codec_name(codec: VideoCodec) -> &'static str {
    match codec {
        VideoCodec::H264 => "h264",
        VideoCodec::Vp8 => "vp8",
        VideoCodec::Vp9 => "vp9",
        VideoCodec::Av1 => "av1",
    }
}

/// VP9 and AV1 are ours beyond the published API.
pub(crate) fn video_codec(name: &str) -> Option<VideoCodec> {
    [VideoCodec::H264, VideoCodec::Vp8, VideoCodec::Vp9, VideoCodec::Av1]
        .into_iter()
        .find(|codec| video_codec_name(*codec) == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use velella_model::Json;

    #[test]
    fn a_fresh_peer_has_exactly_these_keys() {
        let record = PeerRecord::new(PeerKind::Webrtc, Json::parse("{}").unwrap(), SubscribeMode::Auto);
        let wanted = json!({
            "id": "p", "type": "webrtc", "status": "disconnected", "tracks": [],
            "metadata": {"peer": {}, "server": {}},
            "subscribeMode": "auto", "subscriptions": {"peers": [], "tracks": []},
        });
        assert_eq!(peer(&PeerId::parse("p").unwrap(), &record), wanted);
    }

    #[test]
    fn a_default_config_is_complete() {
        let wanted = json!({
            "maxPeers": 0, "public": false, "roomType": "conference", "videoCodec": "h264",
            "webhookUrl": null, "batchWebhookNotifications": false,
        });
        assert_eq!(config(&RoomSpec::default()), wanted);
    }
}

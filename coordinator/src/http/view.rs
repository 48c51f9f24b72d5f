//! Rooms, peers, tracks and livestreams as the API shows them.
//!
//! `Peer` has exactly these keys: the published Python SDK compares peers with all their keys.
//! Metadata goes through as the text that it is.

use std::collections::BTreeMap;

use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;
use velella_coordinator_core::RoomView;
use velella_model::record::{PeerKind, PeerRecord, RoomSpec, TrackRecord};
use velella_model::wire::command::SubscribeMode;
use velella_model::{Json, MediaKind, PeerId, RoomType, TrackId, VideoCodec};

use crate::http::component_view::{Component, component};
use crate::http::failure::Failure;

/// What a room of a list takes as JSON, about: one allocation instead of twenty that each copy.
const LISTED_ROOM_BYTES: usize = 768;

/// A list of so many rooms as an answer.
pub(crate) fn room_list(rooms: usize, list: &impl Serialize) -> Result<Response, Failure> {
    let mut body = Vec::with_capacity((rooms + 1) * LISTED_ROOM_BYTES);
    serde_json::to_writer(&mut body, list).map_err(|_| Failure::INTERNAL)?;
    Ok(([(header::CONTENT_TYPE, "application/json")], body).into_response())
}

/// `{"data":…}`, as nearly every answer is wrapped.
#[derive(Serialize, ToSchema)]
pub(crate) struct Data<T> {
    pub(crate) data: T,
}

/// A room.
#[derive(Serialize, ToSchema)]
pub(crate) struct Room<'a> {
    id: &'a str,
    config: RoomConfig<'a>,
    peers: Vec<Peer<'a>>,
    components: Vec<Component<'a>>,
}

/// A room as it was asked for, with all defaults.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RoomConfig<'a> {
    /// 0 is no limit.
    max_peers: u32,
    public: bool,
    room_type: &'static str,
    video_codec: &'static str,
    webhook_url: Option<&'a str>,
    batch_webhook_notifications: bool,
    /// Seconds; absent unless asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    peerless_purge_timeout: Option<u32>,
    /// Seconds; absent unless asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    peer_disconnected_timeout: Option<u32>,
}

/// A peer of a room.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Peer<'a> {
    id: &'a str,
    /// `webrtc` or `agent`.
    r#type: &'static str,
    /// `connected` or `disconnected`.
    status: &'static str,
    tracks: Vec<Track<'a>>,
    metadata: Metadata<'a>,
    /// `auto` or `manual`.
    subscribe_mode: &'static str,
    subscriptions: Subscriptions<'a>,
}

/// What a peer says about itself and what its server attached to it.
#[derive(Serialize, ToSchema)]
pub(crate) struct Metadata<'a> {
    #[schema(value_type = Object)]
    peer: &'a RawValue,
    #[schema(value_type = Object)]
    server: &'a RawValue,
}

/// A published track.
#[derive(Serialize, ToSchema)]
pub(crate) struct Track<'a> {
    id: &'a str,
    /// `audio` or `video`.
    r#type: &'static str,
    #[schema(value_type = Object)]
    metadata: &'a RawValue,
}

/// What a peer in manual mode receives.
#[derive(Serialize, ToSchema)]
pub(crate) struct Subscriptions<'a> {
    peers: Vec<&'a str>,
    tracks: Vec<&'a str>,
}

pub(crate) fn room(view: &RoomView) -> Room<'_> {
    let listed = view.peers.iter().filter(|(_, record)| !record.kind.is_of_livestream());
    Room {
        id: view.room.as_str(),
        config: config(&view.record.spec),
        peers: listed.map(|(id, record)| peer(id, record)).collect(),
        components: view.components.iter().map(|of| component(&view.room, of, None)).collect(),
    }
}

fn config(spec: &RoomSpec) -> RoomConfig<'_> {
    RoomConfig {
        max_peers: spec.peers_max.unwrap_or(0),
        public: spec.public,
        room_type: room_type_name(spec.room_type),
        video_codec: video_codec_name(spec.video_codec),
        webhook_url: spec.webhook_url.as_deref(),
        batch_webhook_notifications: spec.batch_webhook_notifications,
        peerless_purge_timeout: spec.peerless_purge_s,
        peer_disconnected_timeout: spec.peer_purge_s,
    }
}

pub(crate) fn peer<'a>(id: &'a PeerId, record: &'a PeerRecord) -> Peer<'a> {
    Peer {
        id: id.as_str(),
        r#type: kind_name(record.kind),
        status: status(record),
        tracks: tracks(&record.tracks),
        metadata: Metadata { peer: raw(&record.peer_metadata), server: raw(&record.server_metadata) },
        subscribe_mode: match record.subscribe_mode {
            SubscribeMode::Auto => "auto",
            SubscribeMode::Manual => "manual",
        },
        subscriptions: Subscriptions {
            peers: record.subscriptions.peers.iter().map(PeerId::as_str).collect(),
            tracks: record.subscriptions.tracks.iter().map(TrackId::as_str).collect(),
        },
    }
}

pub(crate) fn tracks(tracks: &BTreeMap<TrackId, TrackRecord>) -> Vec<Track<'_>> {
    tracks
        .iter()
        .map(|(id, track)| Track {
            id: id.as_str(),
            r#type: match track.kind {
                MediaKind::Audio => "audio",
                MediaKind::Video => "video",
            },
            metadata: raw(&track.metadata),
        })
        .collect()
}

pub(crate) fn status(record: &PeerRecord) -> &'static str {
    if record.connection.is_some() { "connected" } else { "disconnected" }
}

/// Metadata was checked when it came in; what lies in the store by another hand shows as null.
pub(crate) fn raw(json: &Json) -> &RawValue {
    serde_json::from_str(json.as_str()).unwrap_or(RawValue::NULL)
}

fn kind_name(kind: PeerKind) -> &'static str {
    match kind {
        PeerKind::Webrtc => "webrtc",
        PeerKind::Agent => "agent",
        PeerKind::Streamer => "streamer",
        PeerKind::Viewer => "viewer",
    }
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
    use serde_json::{json, to_value};

    use super::*;

    #[test]
    fn a_fresh_peer_has_exactly_these_keys() {
        let record = PeerRecord::new(PeerKind::Webrtc, Json::parse("{}").unwrap(), SubscribeMode::Auto);
        let wanted = json!({
            "id": "p", "type": "webrtc", "status": "disconnected", "tracks": [],
            "metadata": {"peer": {}, "server": {}},
            "subscribeMode": "auto", "subscriptions": {"peers": [], "tracks": []},
        });
        assert_eq!(to_value(peer(&PeerId::parse("p").unwrap(), &record)).unwrap(), wanted);
    }

    #[test]
    fn a_default_config_is_complete() {
        let wanted = json!({
            "maxPeers": 0, "public": false, "roomType": "conference", "videoCodec": "h264",
            "webhookUrl": null, "batchWebhookNotifications": false,
        });
        assert_eq!(to_value(config(&RoomSpec::default())).unwrap(), wanted);
    }
}

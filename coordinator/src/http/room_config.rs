//! A `RoomConfig`, of every generation of the API, and what of it may change later.

use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;
use velella_coordinator_core::RoomPatch;
use velella_model::RoomId;
use velella_model::record::RoomSpec;

use crate::http::body::{boolean, echo, expected, positive, said, unexpected};
use crate::http::failure::Failure;
use crate::http::view;

/// Longest URL that common HTTP servers take.
const WEBHOOK_URL_BYTES_MAX: usize = 8192;

/// What a room shall be. Everything may be left out.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "bodies are read by hand, in the words that clients know; this is their description")]
pub(crate) struct RoomConfigBody {
    /// Its id: letters, digits, hyphens and underscores. A random one if absent.
    room_id: Option<String>,
    /// Peers that it takes; 0 is no limit.
    max_peers: Option<u32>,
    /// Livestreams: whether anybody may watch.
    public: Option<bool>,
    /// `conference`, `audio_only`, `livestream` or `audio_only_livestream`.
    room_type: Option<String>,
    /// `h264`, `vp8`, `vp9` or `av1`.
    video_codec: Option<String>,
    /// Where notifications go.
    webhook_url: Option<String>,
    /// Several notifications in one webhook call.
    batch_webhook_notifications: Option<bool>,
    /// Seconds after which the room is removed when nobody is connected.
    peerless_purge_timeout: Option<u32>,
    /// Seconds after which a disconnected peer is removed.
    peer_disconnected_timeout: Option<u32>,
}

/// A room as it is asked for.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct RoomWish {
    pub(crate) id: Option<RoomId>,
    pub(crate) spec: RoomSpec,
}

/// Reads a `RoomConfig`. Nulls are as good as absent; unknown keys are refused.
pub(crate) fn read(config: &Map<String, Value>) -> Result<RoomWish, Failure> {
    let mut id = None;
    let mut spec = RoomSpec { video_codec_by_default: true, ..RoomSpec::default() };
    for (key, value) in said(config) {
        match key {
            "roomId" => id = Some(chosen_id(value)?),
            "roomType" => {
                let known = value.as_str().and_then(view::room_type);
                spec.room_type = known.ok_or_else(|| expected("roomType to be a known type", value))?;
            }
            "videoCodec" => {
                let known = value.as_str().and_then(view::video_codec);
                spec.video_codec = known.ok_or_else(|| expected("videoCodec to be 'h264' or 'vp8'", value))?;
                spec.video_codec_by_default = false;
            }
            "maxPeers" => spec.peers_max = peers_max(value)?,
            "public" => spec.public = boolean(key, value)?,
            "webhookUrl" => spec.webhook_url = Some(webhook_url(value)?),
            "batchWebhookNotifications" => spec.batch_webhook_notifications = boolean(key, value)?,
            "peerlessPurgeTimeout" => spec.peerless_purge_s = Some(positive(key, value)?),
            "peerDisconnectedTimeout" => spec.peer_purge_s = Some(positive(key, value)?),
            _ => return Err(unexpected(key)),
        }
    }
    Ok(RoomWish { id, spec })
}

/// Reads what shall change of a room. Null takes a setting back to its default.
pub(crate) fn read_patch(config: &Map<String, Value>) -> Result<RoomPatch, Failure> {
    let mut patch = RoomPatch::default();
    for (key, value) in config {
        match key.as_str() {
            "maxPeers" => patch.peers_max = Some(unless_null(value, peers_max)?.flatten()),
            "public" => patch.public = Some(unless_null(value, |v| boolean(key, v))?.unwrap_or_default()),
            "webhookUrl" => patch.webhook_url = Some(unless_null(value, webhook_url)?),
            "batchWebhookNotifications" => {
                let batch = unless_null(value, |value| boolean(key, value))?;
                patch.batch_webhook_notifications = Some(batch.unwrap_or_default());
            }
            "peerlessPurgeTimeout" => patch.peerless_purge_s = Some(unless_null(value, |v| positive(key, v))?),
            "peerDisconnectedTimeout" => patch.peer_purge_s = Some(unless_null(value, |v| positive(key, v))?),
            "roomId" | "roomType" | "videoCodec" => return Err(Failure::immutable(key)),
            _ => return Err(unexpected(key)),
        }
    }
    Ok(patch)
}

fn unless_null<T>(value: &Value, read: impl Fn(&Value) -> Result<T, Failure>) -> Result<Option<T>, Failure> {
    if value.is_null() { Ok(None) } else { read(value).map(Some) }
}

/// Narrower than what an id may be: as the servers before this one had it.
fn chosen_id(value: &Value) -> Result<RoomId, Failure> {
    let allowed = |text: &&str| text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'));
    let id = value.as_str().filter(allowed).and_then(|text| RoomId::parse(text).ok());
    id.ok_or_else(|| {
        let got = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let rule = "roomId may contain only alphanumeric characters, hyphens and underscores";
        Failure::bad_request(format!("Cannot add room with id \"{}\" - {rule}", echo(&got)))
    })
}

fn peers_max(value: &Value) -> Result<Option<u32>, Failure> {
    let number = value.as_u64().and_then(|number| u32::try_from(number).ok());
    let number = number.ok_or_else(|| expected("maxPeers to be a number", value))?;
    Ok(Some(number).filter(|max| *max > 0))
}

pub(crate) fn webhook_url(value: &Value) -> Result<String, Failure> {
    let host_and_path = |url: &str| url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"))?.find('/');
    let url = value.as_str().filter(|url| url.len() <= WEBHOOK_URL_BYTES_MAX);
    let url = url.filter(|url| host_and_path(url).is_some_and(|host_len| host_len > 0));
    url.map(str::to_owned).ok_or_else(|| expected("webhookUrl to be valid URL", value))
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use utoipa::PartialSchema;
    use velella_model::{RoomType, VideoCodec};

    use super::*;

    #[test]
    fn a_config_is_read_with_its_aliases() {
        let wish = of(json!({"maxPeers": 3, "roomType": "full_feature", "videoCodec": "vp8", "webhookUrl": null}));
        let RoomWish { id, spec } = wish.unwrap();
        assert_eq!((id, spec.peers_max, spec.room_type), (None, Some(3), RoomType::Conference));
        assert_eq!((spec.video_codec, spec.video_codec_by_default), (VideoCodec::Vp8, false));
        assert_eq!(of(json!({"maxPeers": 0})).unwrap().spec.peers_max, None);
        let wish = of(json!({"roomId": "a_B-1", "peerlessPurgeTimeout": 1, "peerDisconnectedTimeout": 2})).unwrap();
        assert_eq!(wish.id.unwrap().as_str(), "a_B-1");
        assert_eq!((wish.spec.peerless_purge_s, wish.spec.peer_purge_s), (Some(1), Some(2)));
    }

    #[test]
    fn what_is_wrong_is_told_in_the_servers_known_words() {
        let ids = "roomId may contain only alphanumeric characters, hyphens and underscores";
        let table = [
            (json!({"maxPeers": "x"}), "Expected maxPeers to be a number, got: x"),
            (json!({"maxPeers": -1}), "Expected maxPeers to be a number, got: -1"),
            (json!({"videoCodec": "mpeg"}), "Expected videoCodec to be 'h264' or 'vp8', got: mpeg"),
            (json!({"webhookUrl": "ftp://x/y"}), "Expected webhookUrl to be valid URL, got: ftp://x/y"),
            (json!({"webhookUrl": "http:///"}), "Expected webhookUrl to be valid URL, got: http:///"),
            (json!({"roomType": 1}), "Expected roomType to be a known type, got: 1"),
            (json!({"peerlessPurgeTimeout": 0}), "Expected peerlessPurgeTimeout to be a positive integer, got: 0"),
            (
                json!({"peerDisconnectedTimeout": "nan"}),
                "Expected peerDisconnectedTimeout to be a positive integer, got: nan",
            ),
            (json!({"roomId": "a.b"}), &format!("Cannot add room with id \"a.b\" - {ids}")),
            (json!({"roomId": 7}), &format!("Cannot add room with id \"7\" - {ids}")),
            (json!({"color": "red"}), "Unexpected field: color"),
        ];
        for (config, errors) in table {
            assert_eq!(of(config), Err(Failure::bad_request(errors.into())));
        }
    }

    #[test]
    fn a_patch_changes_what_it_names_and_null_is_the_default() {
        let patch = patch_of(json!({"maxPeers": null, "public": true, "peerlessPurgeTimeout": 5})).unwrap();
        let wanted = RoomPatch {
            peers_max: Some(None),
            public: Some(true),
            peerless_purge_s: Some(Some(5)),
            ..RoomPatch::default()
        };
        assert_eq!(patch, wanted);
        assert_eq!(patch_of(json!({"videoCodec": "vp8"})), Err(Failure::immutable("videoCodec")));
        assert_eq!(patch_of(json!({"color": null})), Err(unexpected("color")));
    }

    #[test]
    fn every_documented_key_is_read() {
        let schema = serde_json::to_value(RoomConfigBody::schema()).unwrap();
        for key in schema["properties"].as_object().unwrap().keys() {
            let wrong = of(json!({ key.as_str(): [] })).unwrap_err();
            assert_ne!(wrong, unexpected(key), "{key}");
        }
    }

    fn of(config: Value) -> Result<RoomWish, Failure> {
        read(config.as_object().unwrap())
    }

    fn patch_of(config: Value) -> Result<RoomPatch, Failure> {
        read_patch(config.as_object().unwrap())
    }
}

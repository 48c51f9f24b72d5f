//! `/room`: create, list, show, delete.

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use uuid::Uuid;
use velella_coordinator_core::{Reply, Request, RoomView};
use velella_model::RoomId;
use velella_model::record::RoomSpec;

use crate::http::failure::Failure;
use crate::http::{Api, public, view};

/// The room of a path; `app` and whatever else the path holds is left alone.
#[derive(Deserialize)]
pub(crate) struct RoomPath {
    room: String,
}

impl RoomPath {
    pub(crate) fn id(&self) -> Result<RoomId, Failure> {
        room_id(&self.room)
    }
}

pub(crate) fn room_id(text: &str) -> Result<RoomId, Failure> {
    RoomId::parse(text).map_err(|_| Failure::bad_request(format!("Invalid room ID: {text}")))
}

pub(crate) async fn list(State(api): State<Api>) -> Result<Json<Value>, Failure> {
    let Reply::Rooms(rooms) = api.ask(Request::ListRooms).await? else { return Err(Failure::INTERNAL) };
    let rooms: Vec<Value> = rooms.iter().map(view::room).collect();
    Ok(Json(json!({ "data": rooms })))
}

/// The address is always the public one: some published SDKs insist on the key, and none needs another node.
pub(crate) async fn create(
    State(api): State<Api>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<(StatusCode, Json<Value>), Failure> {
    let spec = spec(&object(body)?)?;
    let room = new_room_id();
    let room = room_of(api.ask(Request::CreateRoom { room, spec, reuse: false }).await?)?;
    let data = json!({ "room": view::room(&room), "fishjam_address": public::address(&api, &headers) });
    Ok((StatusCode::CREATED, Json(json!({ "data": data }))))
}

pub(crate) async fn show(State(api): State<Api>, Path(path): Path<RoomPath>) -> Result<Json<Value>, Failure> {
    let room = room_of(api.ask(Request::ShowRoom { room: path.id()? }).await?)?;
    Ok(Json(json!({ "data": view::room(&room) })))
}

pub(crate) async fn remove(State(api): State<Api>, Path(path): Path<RoomPath>) -> Result<StatusCode, Failure> {
    api.ask(Request::DeleteRoom { room: path.id()? }).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(crate) fn room_of(reply: Reply) -> Result<RoomView, Failure> {
    if let Reply::Room(room) = reply { Ok(room) } else { Err(Failure::INTERNAL) }
}

fn new_room_id() -> RoomId {
    RoomId::parse(&Uuid::new_v4().to_string()).expect("a uuid is an id")
}

/// A body as a JSON object. An empty one is an empty object, whatever its content type says.
pub(crate) fn object(body: Result<Bytes, BytesRejection>) -> Result<Map<String, Value>, Failure> {
    let body = body.map_err(|_| Failure::too_large())?;
    if body.iter().all(u8::is_ascii_whitespace) {
        return Ok(Map::new());
    }
    serde_json::from_slice(&body).map_err(|_| Failure::BAD_BODY)
}

/// Reads a `RoomConfig`. Nulls are as good as absent; unknown keys are refused.
fn spec(config: &Map<String, Value>) -> Result<RoomSpec, Failure> {
    let mut spec = RoomSpec::default();
    for (key, value) in config.iter().filter(|(_, value)| !value.is_null()) {
        match key.as_str() {
            "maxPeers" => spec.peers_max = Some(peers_max(value)?).filter(|max| *max > 0),
            "public" => spec.public = boolean(key, value)?,
            "roomType" => {
                let known = value.as_str().and_then(view::room_type);
                spec.room_type = known.ok_or_else(|| expected("roomType to be a known type", value))?;
            }
            "videoCodec" => {
                let known = value.as_str().and_then(view::video_codec);
                spec.video_codec = known.ok_or_else(|| expected("videoCodec to be 'h264' or 'vp8'", value))?;
            }
            "webhookUrl" => spec.webhook_url = Some(webhook_url(value)?),
            "batchWebhookNotifications" => spec.batch_webhook_notifications = boolean(key, value)?,
            _ => return Err(Failure::bad_request(format!("Unexpected field: {key}"))),
        }
    }
    Ok(spec)
}

fn peers_max(value: &Value) -> Result<u32, Failure> {
    let number = value.as_u64().and_then(|number| u32::try_from(number).ok());
    number.ok_or_else(|| expected("maxPeers to be a number", value))
}

fn boolean(key: &str, value: &Value) -> Result<bool, Failure> {
    value.as_bool().ok_or_else(|| expected(&format!("{key} to be a boolean"), value))
}

fn webhook_url(value: &Value) -> Result<String, Failure> {
    let host_and_path = |url: &str| url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"))?.find('/');
    let url = value.as_str().filter(|url| url.len() <= WEBHOOK_URL_BYTES_MAX);
    let url = url.filter(|url| host_and_path(url).is_some_and(|host_len| host_len > 0));
    url.map(str::to_owned).ok_or_else(|| expected("webhookUrl to be valid URL", value))
}

/// Longest URL that common HTTP servers take.
const WEBHOOK_URL_BYTES_MAX: usize = 8192;

fn expected(what: &str, got: &Value) -> Failure {
    let got = got.as_str().map_or_else(|| got.to_string(), str::to_owned);
    let got: String = got.chars().take(ECHO_CHARS_MAX).collect();
    Failure::bad_request(format!("Expected {what}, got: {got}"))
}

/// How much of a wrong value is told back.
const ECHO_CHARS_MAX: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;
    use velella_model::{RoomType, VideoCodec};

    #[test]
    fn a_config_is_read_with_its_aliases() {
        let spec = read(json!({"maxPeers": 3, "roomType": "full_feature", "videoCodec": "vp8", "webhookUrl": null}));
        let spec = spec.unwrap();
        assert_eq!(
            (spec.peers_max, spec.room_type, spec.video_codec),
            (Some(3), RoomType::Conference, VideoCodec::Vp8)
        );
        assert_eq!(read(json!({"maxPeers": 0})).unwrap().peers_max, None);
    }

    #[test]
    fn what_is_wrong_is_told_in_the_servers_known_words() {
        let table = [
            (json!({"maxPeers": "x"}), "Expected maxPeers to be a number, got: x"),
            (json!({"maxPeers": -1}), "Expected maxPeers to be a number, got: -1"),
            (json!({"videoCodec": "mpeg"}), "Expected videoCodec to be 'h264' or 'vp8', got: mpeg"),
            (json!({"webhookUrl": "ftp://x/y"}), "Expected webhookUrl to be valid URL, got: ftp://x/y"),
            (json!({"webhookUrl": "http:///"}), "Expected webhookUrl to be valid URL, got: http:///"),
            (json!({"roomType": 1}), "Expected roomType to be a known type, got: 1"),
            (json!({"color": "red"}), "Unexpected field: color"),
        ];
        for (config, errors) in table {
            assert_eq!(read(config), Err(Failure::bad_request(errors.into())));
        }
    }

    #[test]
    fn a_body_is_an_object_or_empty() {
        assert!(object(Ok(Bytes::from_static(b" \n"))).unwrap().is_empty());
        assert_eq!(object(Ok(Bytes::from_static(b"[1]"))), Err(Failure::BAD_BODY));
        assert_eq!(object(Ok(Bytes::from_static(b"{"))), Err(Failure::BAD_BODY));
    }

    fn read(config: Value) -> Result<RoomSpec, Failure> {
        spec(config.as_object().unwrap())
    }
}

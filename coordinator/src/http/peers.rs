//! `/room/{room}/peer`: add, remove, renew the token.

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use uuid::Uuid;
use velella_coordinator_core::{PeerSpec, Reply, Request};
use velella_model::record::{PeerKind, PeerRecord};
use velella_model::wire::command::SubscribeMode;
use velella_model::{PeerId, RoomId};

use crate::http::failure::Failure;
use crate::http::rooms::{RoomPath, object, room_id};
use crate::http::{Api, public, view};

/// The room and peer of a path.
#[derive(Deserialize)]
pub(crate) struct PeerPath {
    room: String,
    peer: String,
}

impl PeerPath {
    fn ids(&self) -> Result<(RoomId, PeerId), Failure> {
        let peer = PeerId::parse(&self.peer);
        let peer = peer.map_err(|_| Failure::bad_request(format!("Invalid peer ID: {}", self.peer)))?;
        Ok((room_id(&self.room)?, peer))
    }
}

/// The part of the path below which a server SDK works.
#[derive(Deserialize)]
pub(crate) struct AppPath {
    app: String,
}

pub(crate) async fn add(
    State(api): State<Api>,
    Path(path): Path<RoomPath>,
    Path(AppPath { app }): Path<AppPath>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<(StatusCode, Json<Value>), Failure> {
    let room = path.id()?;
    let spec = spec(&object(body)?)?;
    let (peer, record, token) = api.add_peer(room, spec).await?;
    let mut data = json!({ "peer": view::peer(&peer, &record), "token": token });
    if let (Some(url), Some(data)) = (public::socket_base(&api, &headers, &app), data.as_object_mut()) {
        data.insert("peer_websocket_url".into(), format!("{url}/socket/peer/websocket").into());
    }
    Ok((StatusCode::CREATED, Json(json!({ "data": data }))))
}

pub(crate) async fn remove(State(api): State<Api>, Path(path): Path<PeerPath>) -> Result<StatusCode, Failure> {
    let (room, peer) = path.ids()?;
    api.ask(Request::DeletePeer { room, peer }).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(crate) async fn refresh_token(
    State(api): State<Api>,
    Path(path): Path<PeerPath>,
) -> Result<(StatusCode, Json<Value>), Failure> {
    let (room, peer) = path.ids()?;
    api.ask(Request::ShowPeer { room: room.clone(), peer: peer.clone() }).await?;
    let token = api.sign(&room, &peer)?;
    Ok((StatusCode::CREATED, Json(json!({ "data": { "token": token } }))))
}

impl Api {
    /// Adds a peer and signs its token.
    pub(crate) async fn add_peer(&self, room: RoomId, spec: PeerSpec) -> Result<(PeerId, PeerRecord, String), Failure> {
        let peer = PeerId::parse(&Uuid::new_v4().to_string()).expect("a uuid is an id");
        let reply = self.ask(Request::AddPeer { room: room.clone(), peer, spec }).await?;
        let Reply::Peer(peer, record) = reply else { return Err(Failure::INTERNAL) };
        let token = self.sign(&room, &peer)?;
        Ok((peer, record, token))
    }

    fn sign(&self, room: &RoomId, peer: &PeerId) -> Result<String, Failure> {
        self.0.sockets.tokens.sign(room, peer).map_err(|error| {
            tracing::error!(%error, "a token cannot be signed");
            Failure::INTERNAL
        })
    }
}

/// Reads a `PeerConfig`; options that we do not know are left alone, older SDKs send some.
fn spec(config: &Map<String, Value>) -> Result<PeerSpec, Failure> {
    match config.get("type").and_then(Value::as_str) {
        Some("webrtc") => {}
        Some("agent") => return Err(Failure::not_supported("Peers of type agent")),
        Some("vapi") => return Err(Failure::not_supported("Peers of type vapi")),
        Some(_) => return Err(Failure::bad_request("Invalid peer type".into())),
        None => return Err(Failure::BAD_BODY),
    }
    let none = Map::new();
    let options = match config.get("options") {
        None | Some(Value::Null) => &none,
        Some(options) => options.as_object().ok_or(Failure::BAD_BODY)?,
    };
    let subscribe_mode = match options.get("subscribeMode").map(|mode| mode.as_str()) {
        None | Some(Some("auto")) => SubscribeMode::Auto,
        Some(Some("manual")) => SubscribeMode::Manual,
        Some(_) => return Err(Failure::bad_request("Expected subscribeMode to be 'auto' or 'manual'".into())),
    };
    Ok(PeerSpec { kind: PeerKind::Webrtc, server_metadata: metadata(options.get("metadata"))?, subscribe_mode })
}

fn metadata(value: Option<&Value>) -> Result<velella_model::Json, Failure> {
    let metadata = match value {
        None | Some(Value::Null) => json!({}),
        Some(metadata) if metadata.is_object() => metadata.clone(),
        Some(_) => return Err(Failure::bad_request("Expected metadata to be an object".into())),
    };
    velella_model::Json::parse(&metadata.to_string()).map_err(|error| Failure::bad_request(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_webrtc_peer_may_bring_metadata_and_a_mode() {
        let spec =
            read(json!({"type": "webrtc", "options": {"metadata": {"a": 1}, "subscribeMode": "manual"}})).unwrap();
        assert_eq!((spec.server_metadata.as_str(), spec.subscribe_mode), (r#"{"a":1}"#, SubscribeMode::Manual));
        let older = read(json!({"type": "webrtc", "options": {"enableSimulcast": true}})).unwrap();
        assert_eq!(older.server_metadata.as_str(), "{}");
    }

    #[test]
    fn other_peers_are_refused_with_a_reason() {
        assert_eq!(read(json!({"type": "agent"})), Err(Failure::not_supported("Peers of type agent")));
        assert_eq!(read(json!({"type": "robot"})), Err(Failure::bad_request("Invalid peer type".into())));
        assert_eq!(read(json!({})), Err(Failure::BAD_BODY));
        assert_eq!(read(json!({"type": "webrtc", "options": []})), Err(Failure::BAD_BODY));
        assert!(read(json!({"type": "webrtc", "options": {"metadata": "x"}})).is_err());
        assert!(read(json!({"type": "webrtc", "options": {"subscribeMode": "x"}})).is_err());
    }

    fn read(config: Value) -> Result<PeerSpec, Failure> {
        spec(config.as_object().unwrap())
    }
}

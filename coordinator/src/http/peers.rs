//! `/room/{room}/peer`: add, change, remove; its tokens.

use std::time::Duration;

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;
use uuid::Uuid;
use velella_coordinator_core::{PeerEdit, PeerSpec, Reply, Request};
use velella_model::record::{PeerKind, PeerRecord};
use velella_model::{PeerId, RoomId};

use crate::http::body::{echo, object, only_token_ttl, unexpected};
use crate::http::failure::{Failure, Failures};
use crate::http::peer_config::{self, PeerConfigBody, PeerWish};
use crate::http::rooms::{RoomPath, room_id};
use crate::http::{Api, public, view};
use crate::tokens::Grant;

/// Longest reason of a removal; most of it fits into a close frame.
const REASON_CHARS_MAX: usize = 100;

/// The room and peer of a path.
#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct PeerPath {
    /// The room's id.
    room: String,
    /// The peer's id.
    peer: String,
}

impl PeerPath {
    pub(crate) fn ids(&self) -> Result<(RoomId, PeerId), Failure> {
        Ok((room_id(&self.room)?, peer_id(&self.peer)?))
    }
}

pub(crate) fn peer_id(text: &str) -> Result<PeerId, Failure> {
    PeerId::parse(text).map_err(|_| Failure::bad_request(format!("Invalid peer ID: {}", echo(text))))
}

/// The part of the path below which a server SDK works.
#[derive(Deserialize)]
pub(crate) struct AppPath {
    app: String,
}

/// A new peer and how it comes in.
#[derive(Serialize, ToSchema)]
pub(crate) struct Added<'a> {
    peer: view::Peer<'a>,
    token: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    peer_websocket_url: Option<String>,
}

/// A token.
#[derive(Serialize, ToSchema)]
pub(crate) struct Token {
    pub(crate) token: String,
}

/// How long a token shall be valid.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "bodies are read by hand; this is their description")]
pub(crate) struct TokenBody {
    /// Seconds; as configured if absent.
    token_ttl: Option<u64>,
}

/// Add a peer
#[utoipa::path(post, path = "/room/{room}/peer", tag = "peers", operation_id = "add_peer", params(RoomPath),
    request_body = inline(PeerConfigBody),
    responses((status = 201, body = view::Data<Added<'_>>), Failures))]
pub(crate) async fn add(
    State(api): State<Api>,
    Path(path): Path<RoomPath>,
    Path(AppPath { app }): Path<AppPath>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<(StatusCode, Json<Value>), Failure> {
    let room = path.id()?;
    let (peer, record, token) = api.add_peer(room, peer_config::read(&object(body)?)?).await?;
    let socket = match record.kind {
        PeerKind::Agent => "agent",
        PeerKind::Webrtc | PeerKind::Streamer | PeerKind::Viewer => "peer",
    };
    let base = public::socket_base(&api, &headers, &app);
    let peer_websocket_url = base.map(|base| format!("{base}/socket/{socket}/websocket"));
    let data = Added { peer: view::peer(&peer, &record), token: &token, peer_websocket_url };
    Ok((StatusCode::CREATED, Json(json!({ "data": data }))))
}

/// What shall change of a peer.
#[derive(Deserialize, ToSchema)]
#[expect(dead_code, reason = "bodies are read by hand; this is their description")]
pub(crate) struct PeerPatchBody {
    /// What the server attaches to it, whole; others hear of the change.
    #[schema(value_type = Object)]
    metadata: Value,
}

/// Change what the server attached to a peer
#[utoipa::path(patch, path = "/room/{room}/peer/{peer}", tag = "peers", operation_id = "change_peer",
    params(PeerPath), request_body = inline(PeerPatchBody),
    responses((status = 200, body = view::Data<view::Peer<'_>>), Failures))]
pub(crate) async fn patch(
    State(api): State<Api>,
    Path(path): Path<PeerPath>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<Value>, Failure> {
    let (ids, body) = (path.ids()?, object(body)?);
    if let Some(key) = body.keys().find(|key| *key != "metadata") {
        return Err(unexpected(key));
    }
    let metadata = peer_config::metadata(Some(body.get("metadata").ok_or(Failure::BAD_BODY)?))?;
    let (peer, record) = api.edit_peer(ids, PeerEdit::ServerMetadata(metadata)).await?;
    Ok(Json(json!({ "data": view::peer(&peer, &record) })))
}

/// Why a peer is removed.
#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Why {
    /// Told to the peer as the reason of its closed socket: `Peer removed: <reason>`.
    reason: Option<String>,
}

/// Remove a peer
#[utoipa::path(delete, path = "/room/{room}/peer/{peer}", tag = "peers", operation_id = "remove_peer",
    params(PeerPath, Why), responses((status = 204), Failures))]
pub(crate) async fn remove(
    State(api): State<Api>,
    Path(path): Path<PeerPath>,
    why: Result<Query<Why>, QueryRejection>,
) -> Result<StatusCode, Failure> {
    let (room, peer) = path.ids()?;
    let Query(Why { reason }) = why.map_err(|rejection| Failure::bad_request(rejection.body_text()))?;
    let reason = reason.filter(|reason| !reason.is_empty());
    let is_plain = |text: &String| text.chars().count() <= REASON_CHARS_MAX && !text.chars().any(char::is_control);
    if reason.as_ref().is_some_and(|reason| !is_plain(reason)) {
        return Err(Failure::bad_request(format!("A reason has at most {REASON_CHARS_MAX} characters on one line")));
    }
    api.ask(Request::DeletePeer { room, peer, reason }).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Sign one more token for a peer
#[utoipa::path(post, path = "/room/{room}/peer/{peer}/refresh_token", tag = "peers", operation_id = "refresh_token",
    params(PeerPath), request_body = inline(Option<TokenBody>),
    responses((status = 201, body = view::Data<Token>), Failures))]
pub(crate) async fn refresh_token(
    State(api): State<Api>,
    Path(path): Path<PeerPath>,
    body: Result<Bytes, BytesRejection>,
) -> Result<(StatusCode, Json<Value>), Failure> {
    let ((room, peer), ttl) = (path.ids()?, only_token_ttl(body)?);
    let (peer, record) = peer_of(api.ask(Request::ShowPeer { room: room.clone(), peer }).await?)?;
    let token = api.sign(&Grant::of(&room, &peer, &record), ttl)?;
    Ok((StatusCode::CREATED, Json(json!({ "data": Token { token } }))))
}

/// Revoke all tokens of a peer
///
/// Tokens that were signed before are refused from now on and a socket that showed one is closed.
#[utoipa::path(post, path = "/room/{room}/peer/{peer}/revoke_tokens", tag = "peers", operation_id = "revoke_tokens",
    params(PeerPath), responses((status = 204), Failures))]
pub(crate) async fn revoke_tokens(State(api): State<Api>, Path(path): Path<PeerPath>) -> Result<StatusCode, Failure> {
    api.edit_peer(path.ids()?, PeerEdit::RevokeTokens).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(crate) fn peer_of(reply: Reply) -> Result<(PeerId, PeerRecord), Failure> {
    if let Reply::Peer(peer, record) = reply { Ok((peer, record)) } else { Err(Failure::INTERNAL) }
}

impl Api {
    /// Adds a peer and signs its token.
    pub(crate) async fn add_peer(&self, room: RoomId, wish: PeerWish) -> Result<(PeerId, PeerRecord, String), Failure> {
        let PeerWish { spec, token_ttl } = wish;
        let (peer, record) = self.add(room.clone(), spec).await?;
        let token = self.sign(&Grant::of(&room, &peer, &record), token_ttl)?;
        Ok((peer, record, token))
    }

    async fn add(&self, room: RoomId, spec: PeerSpec) -> Result<(PeerId, PeerRecord), Failure> {
        let peer = PeerId::parse(&Uuid::new_v4().to_string()).expect("a uuid is an id");
        peer_of(self.ask(Request::AddPeer { room, peer, spec }).await?)
    }

    pub(crate) async fn edit_peer(
        &self,
        (room, peer): (RoomId, PeerId),
        edit: PeerEdit,
    ) -> Result<(PeerId, PeerRecord), Failure> {
        peer_of(self.ask(Request::EditPeer { room, peer, edit }).await?)
    }

    pub(crate) fn sign(&self, grant: &Grant, ttl: Option<Duration>) -> Result<String, Failure> {
        self.0.sockets.tokens.sign(grant, ttl).map_err(|error| {
            tracing::error!(%error, "a token cannot be signed");
            Failure::INTERNAL
        })
    }
}

//! Livestreams: a livestream is a room of such a type, who streams and who watches are peers of
//! such a kind. The API has words of its own for them, and tokens that open no peer's socket.

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;
use uuid::Uuid;
use velella_coordinator_core::{PeerSpec, Request, RoomQuery, RoomView};
use velella_model::record::{PeerKind, PeerRecord, RoomSpec, Scopes};
use velella_model::wire::command::{Rights, SubscribeMode};
use velella_model::{PeerId, RoomId, RoomType};

use crate::http::body::{boolean, object, only_token_ttl, said, unexpected};
use crate::http::failure::{Failure, Failures};
use crate::http::peer_config::PeerWish;
use crate::http::peers::{Token, TokenBody, peer_id};
use crate::http::room_config::{RoomWish, webhook_url};
use crate::http::rooms::{RoomPath, room_id};
use crate::http::{Api, view};
use crate::tokens::Grant;

/// The livestream of a path.
#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct StreamPath {
    /// The livestream's id.
    stream: String,
}

/// The livestream and the streamer or viewer of a path.
#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct MemberPath {
    /// The livestream's id.
    stream: String,
    /// The streamer's or viewer's id.
    member: String,
}

/// What a livestream shall be. Everything may be left out.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "bodies are read by hand; this is their description")]
pub(crate) struct StreamConfigBody {
    audio_only: Option<bool>,
    /// Whether anybody may watch.
    public: Option<bool>,
    webhook_url: Option<String>,
    batch_webhook_notifications: Option<bool>,
}

/// A livestream.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Stream {
    id: String,
    public: bool,
    audio_only: bool,
    streamers: Vec<Streamer>,
    viewers: Vec<Viewer>,
}

/// Who streams.
#[derive(Serialize, ToSchema)]
pub(crate) struct Streamer {
    id: String,
    /// `connected` or `disconnected`.
    status: &'static str,
    /// Signed for this answer; earlier ones stay valid.
    token: String,
}

/// Who watches.
#[derive(Serialize, ToSchema)]
pub(crate) struct Viewer {
    id: String,
    /// Signed for this answer; earlier ones stay valid.
    token: String,
}

/// List livestreams
#[utoipa::path(get, path = "/livestream", tag = "livestreams", operation_id = "list_streams",
    responses((status = 200, body = view::Data<Vec<Stream>>), Failures))]
pub(crate) async fn list(State(api): State<Api>) -> Result<Json<Value>, Failure> {
    let types = vec![RoomType::Livestream, RoomType::AudioOnlyLivestream];
    let rooms = api.list_rooms(RoomQuery { types, ..RoomQuery::default() }).await?;
    let streams = rooms.iter().map(|room| api.stream(room)).collect::<Result<Vec<Stream>, Failure>>()?;
    Ok(Json(json!({ "data": streams })))
}

/// Create a livestream
#[utoipa::path(post, path = "/livestream", tag = "livestreams", operation_id = "create_stream",
    request_body = inline(Option<StreamConfigBody>),
    responses((status = 201, body = view::Data<Stream>), Failures))]
pub(crate) async fn create(
    State(api): State<Api>,
    body: Result<Bytes, BytesRejection>,
) -> Result<(StatusCode, Json<Value>), Failure> {
    let mut spec = RoomSpec { room_type: RoomType::Livestream, ..RoomSpec::default() };
    for (key, value) in said(&object(body)?) {
        match key {
            "audioOnly" if boolean(key, value)? => spec.room_type = RoomType::AudioOnlyLivestream,
            "audioOnly" => {}
            "public" => spec.public = boolean(key, value)?,
            "webhookUrl" => spec.webhook_url = Some(webhook_url(value)?),
            "batchWebhookNotifications" => spec.batch_webhook_notifications = boolean(key, value)?,
            _ => return Err(unexpected(key)),
        }
    }
    let room = api.create_room(RoomWish { id: None, spec }).await?;
    Ok((StatusCode::CREATED, Json(json!({ "data": api.stream(&room)? }))))
}

/// Show a livestream
#[utoipa::path(get, path = "/livestream/{stream}", tag = "livestreams", operation_id = "show_stream",
    params(StreamPath), responses((status = 200, body = view::Data<Stream>), Failures))]
pub(crate) async fn show(State(api): State<Api>, Path(path): Path<StreamPath>) -> Result<Json<Value>, Failure> {
    let room = api.stream_room(&path.stream).await?;
    Ok(Json(json!({ "data": api.stream(&room)? })))
}

/// Delete a livestream
#[utoipa::path(delete, path = "/livestream/{stream}", tag = "livestreams", operation_id = "delete_stream",
    params(StreamPath), responses((status = 204), Failures))]
pub(crate) async fn remove(State(api): State<Api>, Path(path): Path<StreamPath>) -> Result<StatusCode, Failure> {
    let RoomView { room, .. } = api.stream_room(&path.stream).await?;
    api.ask(Request::DeleteRoom { room }).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Add who streams
#[utoipa::path(post, path = "/livestream/{stream}/streamer", tag = "livestreams", operation_id = "add_streamer",
    params(StreamPath), request_body = inline(Option<TokenBody>),
    responses((status = 201, body = view::Data<Streamer>), Failures))]
pub(crate) async fn add_streamer(
    State(api): State<Api>,
    Path(path): Path<StreamPath>,
    body: Result<Bytes, BytesRejection>,
) -> Result<(StatusCode, Json<Value>), Failure> {
    let (id, record, token) = api.add_member(&path.stream, PeerKind::Streamer, body).await?;
    let streamer = Streamer { id: id.into(), status: view::status(&record), token };
    Ok((StatusCode::CREATED, Json(json!({ "data": streamer }))))
}

/// Add who watches
#[utoipa::path(post, path = "/livestream/{stream}/viewer", tag = "livestreams", operation_id = "add_viewer",
    params(StreamPath), request_body = inline(Option<TokenBody>),
    responses((status = 201, body = view::Data<Viewer>), Failures))]
pub(crate) async fn add_viewer(
    State(api): State<Api>,
    Path(path): Path<StreamPath>,
    body: Result<Bytes, BytesRejection>,
) -> Result<(StatusCode, Json<Value>), Failure> {
    let (id, _, token) = api.add_member(&path.stream, PeerKind::Viewer, body).await?;
    Ok((StatusCode::CREATED, Json(json!({ "data": Viewer { id: id.into(), token } }))))
}

/// Remove who streams
#[utoipa::path(delete, path = "/livestream/{stream}/streamer/{member}", tag = "livestreams",
    operation_id = "remove_streamer", params(MemberPath), responses((status = 204), Failures))]
pub(crate) async fn remove_streamer(
    State(api): State<Api>,
    Path(path): Path<MemberPath>,
) -> Result<StatusCode, Failure> {
    api.remove_member(&path, PeerKind::Streamer).await
}

/// Remove who watches
#[utoipa::path(delete, path = "/livestream/{stream}/viewer/{member}", tag = "livestreams",
    operation_id = "remove_viewer", params(MemberPath), responses((status = 204), Failures))]
pub(crate) async fn remove_viewer(State(api): State<Api>, Path(path): Path<MemberPath>) -> Result<StatusCode, Failure> {
    api.remove_member(&path, PeerKind::Viewer).await
}

/// Sign a token for whoever will stream
///
/// For rooms of a livestream type. Nobody is listed before somebody comes with it, nor for long after it
/// went; so removing who came with it does not keep it out, only its end does.
#[utoipa::path(post, path = "/room/{room}/streamer", tag = "livestreams", operation_id = "streamer_token",
    params(RoomPath), request_body = inline(Option<TokenBody>), responses((status = 201, body = Token), Failures))]
pub(crate) async fn streamer_token(
    State(api): State<Api>,
    Path(path): Path<RoomPath>,
    body: Result<Bytes, BytesRejection>,
) -> Result<(StatusCode, Json<Token>), Failure> {
    api.stream_token(path.id()?, PeerKind::Streamer, body).await
}

/// Sign a token for whoever will watch
///
/// For rooms of a livestream type. Nobody is listed before somebody comes with it, nor for long after it
/// went; so removing who came with it does not keep it out, only its end does.
#[utoipa::path(post, path = "/room/{room}/viewer", tag = "livestreams", operation_id = "viewer_token",
    params(RoomPath), request_body = inline(Option<TokenBody>), responses((status = 201, body = Token), Failures))]
pub(crate) async fn viewer_token(
    State(api): State<Api>,
    Path(path): Path<RoomPath>,
    body: Result<Bytes, BytesRejection>,
) -> Result<(StatusCode, Json<Token>), Failure> {
    api.stream_token(path.id()?, PeerKind::Viewer, body).await
}

pub(crate) fn scopes(kind: PeerKind) -> Scopes {
    let publish = kind == PeerKind::Streamer;
    Scopes { rights: Rights { publish, subscribe: !publish }, admin: false }
}

impl Api {
    async fn stream_room(&self, stream: &str) -> Result<RoomView, Failure> {
        let missing = || Failure::not_found("stream_not_found", format!("Stream {stream} does not exist"));
        let room = match self.show_room(room_id(stream)?).await {
            Err(failure) if failure.is("room_not_found") => return Err(missing()),
            other => other?,
        };
        if room.record.spec.room_type.is_livestream() { Ok(room) } else { Err(missing()) }
    }

    fn stream(&self, view: &RoomView) -> Result<Stream, Failure> {
        let (mut streamers, mut viewers) = (Vec::new(), Vec::new());
        for (peer, record) in &view.peers {
            let (id, token) = (peer.to_string(), || self.sign(&Grant::of(&view.room, peer, record), None));
            match record.kind {
                PeerKind::Streamer => streamers.push(Streamer { id, status: view::status(record), token: token()? }),
                PeerKind::Viewer => viewers.push(Viewer { id, token: token()? }),
                PeerKind::Webrtc | PeerKind::Agent => {}
            }
        }
        let spec = &view.record.spec;
        let audio_only = spec.room_type == RoomType::AudioOnlyLivestream;
        Ok(Stream { id: view.room.to_string(), public: spec.public, audio_only, streamers, viewers })
    }

    async fn add_member(
        &self,
        stream: &str,
        kind: PeerKind,
        body: Result<Bytes, BytesRejection>,
    ) -> Result<(PeerId, PeerRecord, String), Failure> {
        let token_ttl = only_token_ttl(body)?;
        let RoomView { room, .. } = self.stream_room(stream).await?;
        let spec = PeerSpec {
            kind,
            server_metadata: json!({}).into(),
            subscribe_mode: SubscribeMode::Auto,
            agent_output: None,
            scopes: scopes(kind),
        };
        self.add_peer(room, PeerWish { spec, token_ttl }).await
    }

    async fn remove_member(&self, path: &MemberPath, kind: PeerKind) -> Result<StatusCode, Failure> {
        let view = self.stream_room(&path.stream).await?;
        let member = peer_id(&path.member)?;
        if !view.peers.iter().any(|(peer, record)| *peer == member && record.kind == kind) {
            let (code, noun) = match kind {
                PeerKind::Streamer => ("streamer_not_found", "Streamer"),
                PeerKind::Webrtc | PeerKind::Agent | PeerKind::Viewer => ("viewer_not_found", "Viewer"),
            };
            return Err(Failure::not_found(code, format!("{noun} {member} does not exist")));
        }
        self.ask(Request::DeletePeer { room: view.room, peer: member, reason: None }).await?;
        Ok(StatusCode::NO_CONTENT)
    }

    async fn stream_token(
        &self,
        room: RoomId,
        kind: PeerKind,
        body: Result<Bytes, BytesRejection>,
    ) -> Result<(StatusCode, Json<Token>), Failure> {
        let ttl = only_token_ttl(body)?;
        let view = self.show_room(room).await?;
        if !view.record.spec.room_type.is_livestream() {
            let errors = format!("Room {} is not a livestream", view.room);
            return Err(Failure::not_found("not_a_livestream", errors));
        }
        let peer = PeerId::parse(&Uuid::new_v4().to_string()).expect("a uuid is an id");
        let grant = Grant { kind, room: view.room, peer, scopes: scopes(kind), series: 0, newcomer: true };
        Ok((StatusCode::CREATED, Json(Token { token: self.sign(&grant, ttl)? })))
    }
}

//! `POST /demo/join`: a room and a token for the page, without the management token.
//!
//! Only where the operator wants it. Rooms made this way have ids of their own (`demo-<name>`),
//! are bounded in number and go away when nobody is in them.

use std::sync::PoisonError;
use std::time::{Duration, Instant};

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;
use velella_coordinator_core::{PeerSpec, Request, RoomQuery, RoomView};
use velella_model::record::{PeerKind, PeerRecord, RoomSpec, Scopes};
use velella_model::wire::command::SubscribeMode;
use velella_model::{PeerId, RoomId, VideoCodec};

use crate::http::body::object;
use crate::http::failure::{Failure, Failures};
use crate::http::peer_config::PeerWish;
use crate::http::rooms::room_of;
use crate::http::{Api, public, view};
use crate::rate::Rate;

/// The app name in the URL that the page gets.
const APP: &str = "demo";

/// How ids of rooms of the page begin.
const ROOM_PREFIX: &str = "demo-";

/// Rooms that may be open through the demo.
const DEMO_ROOMS_MAX: usize = 200;

/// Peers in one such room, those that just left included.
const DEMO_PEERS_MAX: u32 = 64;

/// Empty rooms and peers that left go away after this.
const DEMO_PURGE_S: u32 = 60;

/// Longest name of a room or person.
const NAME_CHARS_MAX: usize = 64;

/// Joins at once, and how soon one more, over all clients.
const JOINS_BURST: u32 = 100;
const JOIN_REFILL: Duration = Duration::from_millis(50);

pub(crate) fn rate(now: Instant) -> Rate {
    Rate::new(JOINS_BURST, JOIN_REFILL, now)
}

/// Beside the body.
#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Wish {
    /// The codec of a room that does not exist yet: `vp8` or `h264`.
    codec: Option<String>,
}

/// Who joins what.
#[derive(Deserialize, ToSchema)]
#[expect(dead_code, reason = "bodies are read by hand; this is their description")]
pub(crate) struct JoinBody {
    /// Name of the room.
    room: String,
    /// Name of the person.
    name: Option<String>,
}

/// A way into a room of the page.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Joined {
    /// What a React app gives to its provider: an `http` or `https` URL.
    fishjam_id: Option<String>,
    /// The same for the plain TypeScript client: a `ws` or `wss` URL.
    url: Option<String>,
    peer_token: String,
    room: String,
    peer: String,
    /// Whether the token may remove others from the room.
    moderator: bool,
    /// Where the room is when one joins.
    worker: String,
}

/// Join a room of the page
///
/// The room is made if it is not there. Whoever finds no moderator in it becomes the moderator.
#[utoipa::path(post, path = "/demo/join", tag = "page", operation_id = "join_demo", params(Wish),
    request_body = inline(JoinBody), responses((status = 200, body = Joined), Failures))]
pub(crate) async fn join(
    State(api): State<Api>,
    Query(wish): Query<Wish>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<Joined>, Failure> {
    if !api.0.demo {
        return Err(Failure::NOT_FOUND);
    }
    if !api.0.demo_rate.lock().unwrap_or_else(PoisonError::into_inner).allows(Instant::now()) {
        return Err(Failure::TOO_MANY);
    }
    let body = object(body)?;
    let text = |key| body.get(key).and_then(Value::as_str).map(str::trim).unwrap_or_default();
    let room = room_id(text("room"))?;
    let name = display_name(text("name"))?;
    let codec = codec(wish.codec.as_deref())?;
    let (view, (peer, record, peer_token)) = enter(&api, &room, name, codec).await?;
    let url = public::socket_base(&api, &headers, APP);
    Ok(Json(Joined {
        fishjam_id: url.as_ref().map(|url| url.replacen("ws", "http", 1)),
        url,
        peer_token,
        room: room.into(),
        peer: peer.into(),
        moderator: record.scopes.admin,
        worker: view.record.placement.worker.clone().into(),
    }))
}

/// One at a time, so that of two who come at once only one finds no moderator. Two replicas may
/// still make two: both are told so, and no harm is done.
async fn enter(
    api: &Api,
    room: &RoomId,
    name: &str,
    codec: VideoCodec,
) -> Result<(RoomView, (PeerId, PeerRecord, String)), Failure> {
    let _turn = api.0.demo_turn.lock().await;
    let view = open_room(api, room, codec).await?;
    let admin = !view.peers.iter().any(|(_, record)| record.scopes.admin);
    let role = if admin { "moderator" } else { "member" };
    let spec = PeerSpec {
        kind: PeerKind::Webrtc,
        server_metadata: json!({ "name": name, "role": role }).into(),
        subscribe_mode: SubscribeMode::Auto,
        agent_output: None,
        scopes: Scopes { admin, ..Scopes::default() },
    };
    let entered = api.add_peer(room.clone(), PeerWish { spec, token_ttl: None }).await?;
    Ok((view, entered))
}

async fn open_room(api: &Api, room: &RoomId, video_codec: VideoCodec) -> Result<RoomView, Failure> {
    match api.show_room(room.clone()).await {
        Err(failure) if failure.is("room_not_found") => {}
        other => return other,
    }
    let query = RoomQuery { id_prefix: ROOM_PREFIX.into(), limit: Some(DEMO_ROOMS_MAX), ..RoomQuery::default() };
    if api.list_rooms(query).await?.len() >= DEMO_ROOMS_MAX {
        return Err(Failure::TOO_MANY);
    }
    let spec = RoomSpec {
        peers_max: Some(DEMO_PEERS_MAX),
        video_codec,
        peerless_purge_s: Some(DEMO_PURGE_S),
        peer_purge_s: Some(DEMO_PURGE_S),
        ..RoomSpec::default()
    };
    room_of(api.ask(Request::CreateRoom { room: room.clone(), spec, reuse: true }).await?)
}

/// Names of people become ids: letters in lower case, everything unusual as its code point.
fn room_id(name: &str) -> Result<RoomId, Failure> {
    if name.is_empty() || name.chars().count() > NAME_CHARS_MAX {
        return Err(Failure::bad_request(format!("A room name has 1 to {NAME_CHARS_MAX} characters")));
    }
    let mut id = String::from(ROOM_PREFIX);
    for c in name.to_lowercase().chars() {
        match c {
            'a'..='z' | '0'..='9' | '-' | '_' => id.push(c),
            other => id.push_str(&format!(".{:x}", u32::from(other))),
        }
    }
    RoomId::parse(&id).map_err(|_| Failure::bad_request("This room name is too long".into()))
}

fn display_name(name: &str) -> Result<&str, Failure> {
    if name.chars().count() > NAME_CHARS_MAX {
        return Err(Failure::bad_request(format!("A name has at most {NAME_CHARS_MAX} characters")));
    }
    Ok(name)
}

fn codec(wish: Option<&str>) -> Result<VideoCodec, Failure> {
    let unknown = || Failure::bad_request("Expected codec to be 'vp8' or 'h264'".into());
    wish.map_or(Ok(VideoCodec::Vp8), |name| view::video_codec(name).ok_or_else(unknown))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn different_names_are_different_rooms() {
        let id = |name| room_id(name).map(String::from).ok();
        assert_eq!(id("Bay-1").as_deref(), Some("demo-bay-1"));
        assert_eq!(id("ä b").as_deref(), Some("demo-.e4.20b"));
        assert_ne!(id("ä"), id(".e4"));
        assert_eq!((id(""), id(&"x".repeat(65))), (None, None));
    }

    #[test]
    fn rooms_are_vp8_unless_asked_otherwise() {
        assert_eq!(codec(None), Ok(VideoCodec::Vp8));
        assert_eq!(codec(Some("h264")), Ok(VideoCodec::H264));
        assert!(codec(Some("mpeg")).is_err());
    }
}

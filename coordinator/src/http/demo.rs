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
use serde::Deserialize;
use serde_json::{Value, json};
use velella_coordinator_core::{PeerSpec, Reply, Request};
use velella_model::record::{PeerKind, RoomSpec};
use velella_model::wire::command::SubscribeMode;
use velella_model::{RoomId, VideoCodec};

use crate::http::failure::Failure;
use crate::http::rooms::{object, room_of};
use crate::http::{Api, public, view};
use crate::rate::Rate;

/// The app name in the URL that the page gets.
const APP: &str = "demo";

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

/// `?codec=` chooses the codec of a room that does not exist yet.
#[derive(Deserialize)]
pub(crate) struct Wish {
    codec: Option<String>,
}

pub(crate) async fn join(
    State(api): State<Api>,
    Query(wish): Query<Wish>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<Value>, Failure> {
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
    open_room(&api, &room, codec).await?;
    let server_metadata = json!({ "name": name }).into();
    let spec = PeerSpec { kind: PeerKind::Webrtc, server_metadata, subscribe_mode: SubscribeMode::Auto };
    let (peer, _, token) = api.add_peer(room.clone(), spec).await?;
    let url = public::socket_base(&api, &headers, APP);
    Ok(Json(json!({ "url": url, "peerToken": token, "room": room, "peer": peer })))
}

async fn open_room(api: &Api, room: &RoomId, video_codec: VideoCodec) -> Result<(), Failure> {
    if api.ask(Request::ShowRoom { room: room.clone() }).await.is_ok() {
        return Ok(());
    }
    let Reply::Rooms(rooms) = api.ask(Request::ListRooms).await? else { return Err(Failure::INTERNAL) };
    if rooms.iter().filter(|view| view.record.spec.peerless_purge_s.is_some()).count() >= DEMO_ROOMS_MAX {
        return Err(Failure::TOO_MANY);
    }
    let spec = RoomSpec {
        peers_max: Some(DEMO_PEERS_MAX),
        video_codec,
        peerless_purge_s: Some(DEMO_PURGE_S),
        peer_purge_s: Some(DEMO_PURGE_S),
        ..RoomSpec::default()
    };
    room_of(api.ask(Request::CreateRoom { room: room.clone(), spec, reuse: true }).await?)?;
    Ok(())
}

/// Names of people become ids: letters in lower case, everything unusual as its code point.
fn room_id(name: &str) -> Result<RoomId, Failure> {
    if name.is_empty() || name.chars().count() > NAME_CHARS_MAX {
        return Err(Failure::bad_request(format!("A room name has 1 to {NAME_CHARS_MAX} characters")));
    }
    let mut id = String::from("demo-");
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

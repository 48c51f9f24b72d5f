//! The API of the open-source Fishjam 0.6 and of Jellyfish, at the root: the same rooms and peers
//! in the shapes and with the literal messages that their SDKs know.
//!
//! An SDK of the current generation that is pointed at the root names itself in a header and is
//! served by the current API.

pub(crate) mod components;
pub(crate) mod files;
mod view;

use std::borrow::Cow;

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, Request, State};
use axum::http::uri::PathAndQuery;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::Response;
use serde_json::{Value, json};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use velella_coordinator_core::{Request as Ask, RoomQuery};
use velella_model::RoomId;
use velella_model::record::PeerKind;

use crate::http::body::object;
use crate::http::failure::{Failure, Failures};
use crate::http::peers::PeerPath;
use crate::http::rooms::RoomPath;
use crate::http::view::{Data, room_list};
use crate::http::{API_CLIENT, Api, peer_config, public, room_config};

/// What wants the management token.
pub(crate) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(health))
        .routes(routes!(list_rooms, create_room))
        .routes(routes!(show_room, delete_room))
        .routes(routes!(add_peer))
        .routes(routes!(remove_peer))
        .routes(routes!(components::add))
        .routes(routes!(components::remove))
        .routes(routes!(components::subscribe))
        .routes(routes!(components::call, components::hang_up))
        .routes(routes!(files::recordings))
        .routes(routes!(files::delete_recording))
}

/// What anybody may ask for.
pub(crate) fn open_routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(files::recording_file))
}

/// The app name in the path of a current SDK that is pointed at the root.
const ROOT_APP: &str = "root";

/// What the current API has at its base.
const CURRENT_NOUNS: [&str; 5] = ["validate", "room", "livestream", "moq", "recordings"];

/// Leads a current SDK from the root to the current API.
pub(crate) async fn lead_current_sdks(mut request: Request) -> Request {
    if request.headers().contains_key(API_CLIENT)
        && let Some(uri) = current(request.uri())
    {
        *request.uri_mut() = uri;
    }
    request
}

fn current(uri: &Uri) -> Option<Uri> {
    let noun = uri.path().trim_start_matches('/').split('/').next()?;
    let path_and_query = uri.path_and_query()?.as_str();
    let led = CURRENT_NOUNS.contains(&noun).then(|| format!("/api/v1/connect/{ROOT_APP}{path_and_query}"))?;
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(led).ok()?);
    Uri::from_parts(parts).ok()
}

/// Health of this server
#[utoipa::path(get, path = "/health", tag = "Fishjam 0.6", operation_id = "older_health",
    responses((status = 200, body = Object), Failures))]
pub(crate) async fn health(State(api): State<Api>) -> Json<Value> {
    Json(json!({ "data": {
        "status": "UP",
        "uptime": api.0.started.elapsed().as_secs(),
        "version": env!("CARGO_PKG_VERSION"),
        "gitCommit": option_env!("VELELLA_GIT_COMMIT").unwrap_or("dev"),
        "distribution": { "enabled": false, "nodeStatus": "DOWN", "nodesInCluster": 0 },
    } }))
}

/// List rooms
#[utoipa::path(get, path = "/room", tag = "Fishjam 0.6", operation_id = "older_list_rooms",
    responses((status = 200, body = Object), Failures))]
pub(crate) async fn list_rooms(State(api): State<Api>) -> Result<Response, Failure> {
    let rooms = api.list_rooms(RoomQuery::default()).await?;
    // Not by way of a JSON value: there may be ten thousand.
    room_list(rooms.len(), &Data { data: rooms.iter().map(view::room).collect::<Vec<_>>() })
}

/// Create a room
#[utoipa::path(post, path = "/room", tag = "Fishjam 0.6", operation_id = "older_create_room",
    request_body = inline(Option<room_config::RoomConfigBody>),
    responses((status = 201, body = Object), Failures))]
pub(crate) async fn create_room(
    State(api): State<Api>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<(StatusCode, Json<Value>), Failure> {
    let room = api.create_room(room_config::read(&object(body)?)?).await.map_err(as_older)?;
    let address = public::address(&api, &headers);
    let data = json!({ "room": view::room(&room), "fishjam_address": address, "jellyfish_address": address });
    Ok((StatusCode::CREATED, Json(json!({ "data": data }))))
}

/// Show a room
#[utoipa::path(get, path = "/room/{room}", tag = "Fishjam 0.6", operation_id = "older_show_room", params(RoomPath),
    responses((status = 200, body = Object), Failures))]
pub(crate) async fn show_room(State(api): State<Api>, Path(path): Path<RoomPath>) -> Result<Json<Value>, Failure> {
    let room = api.show_room(path.id()?).await?;
    Ok(Json(json!({ "data": view::room(&room) })))
}

/// Delete a room
#[utoipa::path(delete, path = "/room/{room}", tag = "Fishjam 0.6", operation_id = "older_delete_room",
    params(RoomPath), responses((status = 204), Failures))]
pub(crate) async fn delete_room(State(api): State<Api>, Path(path): Path<RoomPath>) -> Result<StatusCode, Failure> {
    api.ask(Ask::DeleteRoom { room: path.id()? }).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Add a peer
#[utoipa::path(post, path = "/room/{room}/peer", tag = "Fishjam 0.6", operation_id = "older_add_peer",
    params(RoomPath), request_body = inline(peer_config::PeerConfigBody),
    responses((status = 201, body = Object), Failures))]
pub(crate) async fn add_peer(
    State(api): State<Api>,
    Path(path): Path<RoomPath>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<(StatusCode, Json<Value>), Failure> {
    let room = path.id()?;
    let wish = peer_config::read(&object(body)?)?;
    if wish.spec.kind != PeerKind::Webrtc {
        return Err(Failure::bad_request("Invalid peer type".into()));
    }
    let (peer, record, token) = api.add_peer(room.clone(), wish).await.map_err(|failure| too_many(failure, &room))?;
    // These SDKs put the scheme before it.
    let socket = public::address(&api, &headers).map(|address| format!("{address}/socket/peer/websocket"));
    let data = json!({ "peer": view::peer(&peer, &record), "token": token, "peer_websocket_url": socket });
    Ok((StatusCode::CREATED, Json(json!({ "data": data }))))
}

/// Remove a peer
#[utoipa::path(delete, path = "/room/{room}/peer/{peer}", tag = "Fishjam 0.6", operation_id = "older_remove_peer",
    params(PeerPath), responses((status = 204), Failures))]
pub(crate) async fn remove_peer(State(api): State<Api>, Path(path): Path<PeerPath>) -> Result<StatusCode, Failure> {
    let (room, peer) = path.ids()?;
    api.ask(Ask::DeletePeer { room, peer, reason: None }).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A taken id was a bad request then.
fn as_older(failure: Failure) -> Failure {
    if failure.is("room_exists") { failure.with_status(StatusCode::BAD_REQUEST) } else { failure }
}

/// A full room was an unavailable service then.
fn too_many(failure: Failure, room: &RoomId) -> Failure {
    if !failure.is("peers_limit") {
        return failure;
    }
    let errors = Cow::Owned(format!("Reached webrtc peers limit in room {room}"));
    failure.with_status(StatusCode::SERVICE_UNAVAILABLE).with_errors(errors)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn current_sdks_are_led_to_the_current_api() {
        let table = [
            ("/room", Some("/api/v1/connect/root/room")),
            ("/room/r/peer?a=b", Some("/api/v1/connect/root/room/r/peer?a=b")),
            ("/validate", Some("/api/v1/connect/root/validate")),
            ("/recordings", Some("/api/v1/connect/root/recordings")),
            ("/recording", None),
            ("/health", None),
            ("/", None),
            ("/r/room", None),
            ("/api/v1/connect/x/room", None),
        ];
        for (path, wanted) in table {
            let led = current(&path.parse().unwrap()).map(|uri| uri.to_string());
            assert_eq!(led.as_deref(), wanted, "{path}");
        }
    }
}

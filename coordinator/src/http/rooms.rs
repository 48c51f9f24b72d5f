//! `/room`: create, list, show, change, delete.

use std::fmt::Write;

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{OriginalUri, Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;
use uuid::Uuid;
use velella_coordinator_core::{Reply, Request, RoomQuery, RoomView};
use velella_model::{Id, RoomId};

use crate::http::body::{echo, object};
use crate::http::failure::{Failure, Failures};
use crate::http::room_config::{self, RoomConfigBody, RoomWish};
use crate::http::{Api, public, view};

/// Rooms of one page.
const PAGE_ROOMS_MAX: usize = 1000;

/// The room of a path; `app` and whatever else the path holds is left alone.
#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct RoomPath {
    /// The room's id.
    room: String,
}

impl RoomPath {
    pub(crate) fn id(&self) -> Result<RoomId, Failure> {
        room_id(&self.room)
    }
}

pub(crate) fn room_id(text: &str) -> Result<RoomId, Failure> {
    RoomId::parse(text).map_err(|_| Failure::bad_request(format!("Invalid room ID: {}", echo(text))))
}

/// Which rooms are listed. Without any of these: all of them.
#[derive(Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListQuery {
    /// Only those placed at this worker.
    worker: Option<String>,
    /// Only those of this type.
    room_type: Option<String>,
    /// `some`: only those with a connected peer; `none`: only those without.
    peers: Option<String>,
    /// Only those whose id begins so.
    id_prefix: Option<String>,
    /// At most this many; the answer then says where the next page begins.
    limit: Option<usize>,
    /// Only those after this room, in the order of their ids.
    after: Option<String>,
}

impl ListQuery {
    fn read(&self) -> Result<RoomQuery, Failure> {
        let types = self.room_type.as_deref().map(|name| {
            view::room_type(name).ok_or_else(|| Failure::bad_request("Expected roomType to be a known type".into()))
        });
        let in_use = match self.peers.as_deref() {
            None => None,
            Some("some") => Some(true),
            Some("none") => Some(false),
            Some(_) => return Err(Failure::bad_request("Expected peers to be 'none' or 'some'".into())),
        };
        if self.limit.is_some_and(|limit| !(1..=PAGE_ROOMS_MAX).contains(&limit)) {
            return Err(Failure::bad_request(format!("Expected limit to be a number from 1 to {PAGE_ROOMS_MAX}")));
        }
        let id_prefix = id::<velella_model::kind::Room>("idPrefix", self.id_prefix.as_deref())?;
        Ok(RoomQuery {
            worker: id("worker", self.worker.as_deref())?,
            types: types.transpose()?.into_iter().collect(),
            in_use,
            id_prefix: id_prefix.map(String::from).unwrap_or_default(),
            after: id("after", self.after.as_deref())?,
            limit: self.limit,
        })
    }
}

fn id<K>(name: &str, text: Option<&str>) -> Result<Option<Id<K>>, Failure> {
    text.map(Id::parse).transpose().map_err(|error| Failure::bad_request(format!("{name}: {error}")))
}

/// A list of rooms.
#[derive(Serialize, ToSchema)]
pub(crate) struct Rooms<'a> {
    data: Vec<view::Room<'a>>,
    /// What to pass as `after` for the next page; null on the last one. Only with a `limit`.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<Option<&'a str>>,
}

/// The room that was created.
#[derive(Serialize, ToSchema)]
pub(crate) struct Created<'a> {
    room: view::Room<'a>,
    /// Host and port of the public entry.
    fishjam_address: String,
}

/// List rooms
#[utoipa::path(get, path = "/room", tag = "rooms", operation_id = "list_rooms", params(ListQuery),
    responses((status = 200, body = Rooms<'_>), Failures))]
pub(crate) async fn list(
    State(api): State<Api>,
    OriginalUri(uri): OriginalUri,
    query: Result<Query<ListQuery>, axum::extract::rejection::QueryRejection>,
) -> Result<Response, Failure> {
    let Query(query) = query.map_err(|rejection| Failure::bad_request(rejection.body_text()))?;
    let Reply::Rooms { rooms, more } = api.ask(Request::ListRooms { query: query.read()? }).await? else {
        return Err(Failure::INTERNAL);
    };
    let next = rooms.last().filter(|_| more).map(|view| view.room.as_str());
    let link = next.map(|next| (header::LINK, format!("<{}?{}>; rel=\"next\"", uri.path(), query.after(next))));
    let data = rooms.iter().map(view::room).collect();
    let body = view::room_list(rooms.len(), &Rooms { data, next: query.limit.map(|_| next) })?;
    Ok((axum::response::AppendHeaders(link), body).into_response())
}

impl ListQuery {
    /// The same query for the page after a room. Its values were checked: none needs an escape.
    fn after(&self, room: &str) -> String {
        let given = [
            ("worker", &self.worker),
            ("roomType", &self.room_type),
            ("peers", &self.peers),
            ("idPrefix", &self.id_prefix),
        ];
        let mut query = format!("after={room}");
        for (name, value) in given {
            if let Some(value) = value {
                let _ = write!(query, "&{name}={value}");
            }
        }
        if let Some(limit) = self.limit {
            let _ = write!(query, "&limit={limit}");
        }
        query
    }
}

/// Create a room
///
/// The address is always the public one: some published SDKs insist on the key, and none needs another node.
#[utoipa::path(post, path = "/room", tag = "rooms", operation_id = "create_room",
    request_body = inline(Option<RoomConfigBody>),
    responses((status = 201, body = view::Data<Created<'_>>), Failures))]
pub(crate) async fn create(
    State(api): State<Api>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<(StatusCode, Json<Value>), Failure> {
    let room = api.create_room(room_config::read(&object(body)?)?).await?;
    let created =
        Created { room: view::room(&room), fishjam_address: public::address(&api, &headers).unwrap_or_default() };
    Ok((StatusCode::CREATED, Json(json!({ "data": created }))))
}

/// Show a room
#[utoipa::path(get, path = "/room/{room}", tag = "rooms", operation_id = "show_room", params(RoomPath),
    responses((status = 200, body = view::Data<view::Room<'_>>), Failures))]
pub(crate) async fn show(State(api): State<Api>, Path(path): Path<RoomPath>) -> Result<Json<Value>, Failure> {
    let room = api.show_room(path.id()?).await?;
    Ok(Json(json!({ "data": view::room(&room) })))
}

/// Change a room
///
/// What is left out stays, null takes a setting back to its default. `roomType`, `videoCodec` and
/// `roomId` cannot change.
#[utoipa::path(patch, path = "/room/{room}", tag = "rooms", operation_id = "change_room", params(RoomPath),
    request_body = inline(RoomConfigBody),
    responses((status = 200, body = view::Data<view::Room<'_>>), Failures))]
pub(crate) async fn patch(
    State(api): State<Api>,
    Path(path): Path<RoomPath>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<Value>, Failure> {
    let (room, patch) = (path.id()?, room_config::read_patch(&object(body)?)?);
    let room = room_of(api.ask(Request::EditRoom { room, patch }).await?)?;
    Ok(Json(json!({ "data": view::room(&room) })))
}

/// Delete a room with everybody in it
#[utoipa::path(delete, path = "/room/{room}", tag = "rooms", operation_id = "delete_room", params(RoomPath),
    responses((status = 204), Failures))]
pub(crate) async fn remove(State(api): State<Api>, Path(path): Path<RoomPath>) -> Result<StatusCode, Failure> {
    api.ask(Request::DeleteRoom { room: path.id()? }).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(crate) fn room_of(reply: Reply) -> Result<RoomView, Failure> {
    if let Reply::Room(room) = reply { Ok(room) } else { Err(Failure::INTERNAL) }
}

impl Api {
    pub(crate) async fn create_room(&self, wish: RoomWish) -> Result<RoomView, Failure> {
        let RoomWish { id, spec } = wish;
        let room = id.unwrap_or_else(|| RoomId::parse(&Uuid::new_v4().to_string()).expect("a uuid is an id"));
        room_of(self.ask(Request::CreateRoom { room, spec, reuse: false }).await?)
    }

    pub(crate) async fn show_room(&self, room: RoomId) -> Result<RoomView, Failure> {
        room_of(self.ask(Request::ShowRoom { room }).await?)
    }

    pub(crate) async fn list_rooms(&self, query: RoomQuery) -> Result<Vec<RoomView>, Failure> {
        let Reply::Rooms { rooms, .. } = self.ask(Request::ListRooms { query }).await? else {
            return Err(Failure::INTERNAL);
        };
        Ok(rooms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_read_and_lead_to_the_next_page() {
        let query = of("/room?roomType=audio_only&peers=some&idPrefix=a&limit=2").unwrap();
        let read = query.read().unwrap();
        assert_eq!((read.in_use, read.id_prefix.as_str(), read.limit), (Some(true), "a", Some(2)));
        assert_eq!(query.after("a2"), "after=a2&roomType=audio_only&peers=some&idPrefix=a&limit=2");
        assert_eq!(of("/room").unwrap().read(), Ok(RoomQuery::default()));
    }

    #[test]
    fn wrong_queries_are_refused() {
        for query in ["peers=2", "roomType=x", "limit=0", "limit=1001", "after=a/b", "worker=", "idPrefix=%20"] {
            assert!(of(&format!("/room?{query}")).unwrap().read().is_err(), "{query}");
        }
        assert!(of("/room?color=red").is_none());
        assert!(of("/room?limit=x").is_none());
    }

    fn of(uri: &str) -> Option<ListQuery> {
        Some(Query::try_from_uri(&uri.parse().unwrap()).ok()?.0)
    }
}

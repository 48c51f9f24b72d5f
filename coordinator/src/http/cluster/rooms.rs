//! `GET /cluster/rooms`: rooms as operators want to see them, a page at a time in the order of ids.
//!
//! `?after=` is the last id of the page before, `?limit=` the length of a page, `?prefix=` how ids
//! begin, `?worker=` where they live, `?in_use=` whether somebody is connected. The answer:
//! `{"rooms":[{"room","room_type","video_codec","peers_connected","peers","components","tracks","worker",
//! "generation"}],"more"}`.

use axum::Json;
use axum::extract::{Query as Pairs, State};
use serde_json::{Value, json};
use velella_coordinator_core::{Reply, Request, RoomQuery, RoomView};

use crate::http::Api;
use crate::http::cluster::query::Query;
use crate::http::failure::{Failure, Failures};

/// List rooms with their peers and places
#[utoipa::path(get, path = "/rooms", tag = "cluster", operation_id = "list_placed_rooms",
    params(("worker" = Option<String>, Query, description = "Only those placed at this worker"),
        ("in_use" = Option<bool>, Query, description = "Only those with, or without, a connected peer"),
        ("prefix" = Option<String>, Query, description = "Only those whose id begins so"),
        ("after" = Option<String>, Query, description = "Only those after this room, in the order of their ids"),
        ("limit" = Option<usize>, Query, description = "At most this many")),
    responses((status = 200, body = Object), Failures))]
pub(crate) async fn list(
    State(api): State<Api>,
    Pairs(pairs): Pairs<Vec<(String, String)>>,
) -> Result<Json<Value>, Failure> {
    let mut query = Query::new(pairs);
    let asked = RoomQuery {
        worker: query.take("worker")?,
        types: Vec::new(),
        in_use: query.take("in_use")?,
        id_prefix: query.take("prefix")?.unwrap_or_default(),
        after: query.take("after")?,
        limit: Some(query.limit()?),
    };
    query.finish()?;
    let Reply::Rooms { rooms, more } = api.ask(Request::ListRooms { query: asked }).await? else {
        return Err(Failure::INTERNAL);
    };
    Ok(Json(json!({ "rooms": rooms.iter().map(room).collect::<Vec<Value>>(), "more": more })))
}

fn room(view: &RoomView) -> Value {
    let RoomView { room, record, peers, components } = view;
    let ingested =
        components.iter().filter_map(|component| component.ingest.as_ref()).map(|ingest| ingest.tracks.len());
    json!({
        "room": room,
        "room_type": record.spec.room_type,
        "video_codec": record.spec.video_codec,
        "peers_connected": peers.iter().filter(|(_, peer)| peer.connection.is_some()).count(),
        "peers": peers.len(),
        "components": components.len(),
        "tracks": peers.iter().map(|(_, peer)| peer.tracks.len()).chain(ingested).sum::<usize>(),
        "worker": record.placement.worker,
        "generation": record.placement.generation,
    })
}

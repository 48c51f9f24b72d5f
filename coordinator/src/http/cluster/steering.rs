//! What operators ask of workers and rooms.
//!
//! - `POST /cluster/workers/{worker}/cordon`: it keeps its rooms and takes no new ones.
//! - `POST /cluster/workers/{worker}/drain`: its rooms are moved away as well; `rooms_placed` of
//!   `GET /cluster/workers` tells how many are left.
//! - `POST /cluster/workers/{worker}/uncordon`: back to normal.
//!
//! All three outlive a restart of the worker, are answered with the worker, and may be repeated.
//!
//! - `POST /cluster/rooms/{room}/move` with `{"worker":…}`, or without for the best other worker, is
//!   answered with the new placement once the other worker has the room.

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, State};
use serde::Deserialize;
use serde_json::Value;
use velella_coordinator_core::{Reply, Request};
use velella_model::WorkerId;
use velella_model::record::Cordon;

use super::{placement_of, worker};
use crate::http::Api;
use crate::http::body::{expected, object, unexpected};
use crate::http::failure::{Failure, Failures};
use crate::http::rooms::{RoomPath, room_of};

/// The worker of a path.
#[derive(Deserialize, utoipa::IntoParams)]
pub(crate) struct WorkerPath {
    /// Its id.
    worker: String,
}

/// Let a worker take no new rooms
#[utoipa::path(post, path = "/workers/{worker}/cordon", tag = "cluster", operation_id = "cordon_worker",
    params(WorkerPath), responses((status = 200, body = Object), Failures))]
pub(crate) async fn cordon(State(api): State<Api>, Path(path): Path<WorkerPath>) -> Result<Json<Value>, Failure> {
    steer(&api, path, Some(Cordon { drain: false })).await
}

/// Move the rooms of a worker away
#[utoipa::path(post, path = "/workers/{worker}/drain", tag = "cluster", operation_id = "drain_worker",
    params(WorkerPath), responses((status = 200, body = Object), Failures))]
pub(crate) async fn drain(State(api): State<Api>, Path(path): Path<WorkerPath>) -> Result<Json<Value>, Failure> {
    steer(&api, path, Some(Cordon { drain: true })).await
}

/// Let a worker take rooms again
#[utoipa::path(post, path = "/workers/{worker}/uncordon", tag = "cluster", operation_id = "uncordon_worker",
    params(WorkerPath), responses((status = 200, body = Object), Failures))]
pub(crate) async fn uncordon(State(api): State<Api>, Path(path): Path<WorkerPath>) -> Result<Json<Value>, Failure> {
    steer(&api, path, None).await
}

async fn steer(api: &Api, path: WorkerPath, cordon: Option<Cordon>) -> Result<Json<Value>, Failure> {
    let id = WorkerId::parse(&path.worker).map_err(|_| Failure::worker_not_found(&path.worker))?;
    let request = Request::CordonWorker { worker: id.clone(), cordon };
    let Reply::Workers(workers) = api.ask(request).await? else { return Err(Failure::INTERNAL) };
    // One that is cordoned and gone is not listed.
    let steered = workers.iter().find(|view| view.announce.worker == id);
    Ok(Json(steered.map_or_else(|| serde_json::json!({ "worker": id }), worker)))
}

/// Move a room to another worker
#[utoipa::path(post, path = "/rooms/{room}/move", tag = "cluster", operation_id = "move_room",
    params(RoomPath), request_body = inline(Option<MoveBody>), responses((status = 200, body = Object), Failures))]
pub(crate) async fn move_room(
    State(api): State<Api>,
    Path(path): Path<RoomPath>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<Value>, Failure> {
    let body = object(body)?;
    if let Some(key) = body.keys().find(|key| *key != "worker") {
        return Err(unexpected(key));
    }
    let to = match body.get("worker") {
        None | Some(Value::Null) => None,
        Some(value) => {
            let id = value.as_str().and_then(|text| WorkerId::parse(text).ok());
            Some(id.ok_or_else(|| expected("worker to be the id of a worker", value))?)
        }
    };
    let room = room_of(api.ask(Request::MoveRoom { room: path.id()?, to }).await?)?;
    Ok(Json(placement_of(&room)))
}

/// Where a room shall go.
#[derive(utoipa::ToSchema)]
#[expect(dead_code, reason = "says in the API's description what is read by hand above")]
struct MoveBody {
    /// The best other worker unless it is named.
    #[schema(nullable = false)]
    worker: Option<String>,
}

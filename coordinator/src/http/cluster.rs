//! `/cluster`: what the coordinator knows and why it decided as it did. For operators.
//!
//! - `GET /cluster/workers` → `{"workers":[{"worker","incarnation","state","cordon","region","version",
//!   "endpoints","alive","suspect","silent_ms","effective_load_permille","rooms_placed","capacity","load"}]}`
//! - `GET /cluster/rooms/{room}/placement` → `{"room","worker","incarnation","generation",
//!   "endpoints","candidates":[{"worker","verdict"}]}`; a verdict is `scored` with its score, in
//!   order of importance, or `excluded` with the reason.
//! - `GET /cluster/gateways` is described at its file.
//! - `GET /cluster/totals` → `{"rooms","peers","peers_connected","workers","workers_ready"}`
//! - `GET /cluster/rooms`, `GET /cluster/history`, and what can be asked of workers and rooms, are described
//!   at their files.
//!
//! Incarnations are strings: they are larger than what JavaScript takes for an exact number.

pub(crate) mod gateways;
pub(crate) mod history;
mod query;
pub(crate) mod rooms;
pub(crate) mod steering;

use axum::Json;
use axum::extract::{Path, State};
use serde_json::{Value, json};
use velella_coordinator_core::{Reply, Request, RoomView, Totals, WorkerView};
use velella_model::record::Placement;

use crate::http::Api;
use crate::http::failure::{Failure, Failures};
use crate::http::rooms::RoomPath;

/// List workers with their load
#[utoipa::path(get, path = "/workers", tag = "cluster", operation_id = "list_workers",
    responses((status = 200, body = Object), Failures))]
pub(crate) async fn workers(State(api): State<Api>) -> Result<Json<Value>, Failure> {
    let Reply::Workers(workers) = api.ask(Request::ListWorkers).await? else { return Err(Failure::INTERNAL) };
    Ok(Json(json!({ "workers": workers.iter().map(worker).collect::<Vec<Value>>() })))
}

fn worker(view: &WorkerView) -> Value {
    let announce = &view.announce;
    json!({
        "worker": announce.worker,
        "incarnation": announce.incarnation.0.to_string(),
        "state": announce.state,
        "cordon": view.cordon.map(|cordon| if cordon.drain { "drain" } else { "cordon" }),
        "alive": view.lives,
        "region": announce.region,
        "version": announce.version,
        "endpoints": announce.endpoints,
        "suspect": view.suspect,
        "silent_ms": u64::try_from(view.silent_for.as_millis()).unwrap_or(u64::MAX),
        "effective_load_permille": view.effective_load_permille,
        "rooms_placed": view.rooms_placed,
        "capacity": announce.capacity,
        "load": announce.load,
    })
}

/// Count rooms, peers and workers
#[utoipa::path(get, path = "/totals", tag = "cluster", operation_id = "show_totals",
    responses((status = 200, body = Object), Failures))]
pub(crate) async fn totals(State(api): State<Api>) -> Result<Json<Value>, Failure> {
    let Reply::Totals(totals) = api.ask(Request::ShowTotals).await? else { return Err(Failure::INTERNAL) };
    let Totals { rooms, peers, peers_connected, workers, workers_ready } = totals;
    Ok(Json(json!({
        "rooms": rooms,
        "peers": peers,
        "peers_connected": peers_connected,
        "workers": workers,
        "workers_ready": workers_ready,
    })))
}

/// Show where a room lives and why
#[utoipa::path(get, path = "/rooms/{room}/placement", tag = "cluster", operation_id = "show_placement",
    params(RoomPath), responses((status = 200, body = Object), Failures))]
pub(crate) async fn placement(State(api): State<Api>, Path(path): Path<RoomPath>) -> Result<Json<Value>, Failure> {
    Ok(Json(placement_of(&api.show_room(path.id()?).await?)))
}

fn placement_of(view: &RoomView) -> Value {
    let Placement { worker, incarnation, generation, endpoints, candidates } = &view.record.placement;
    json!({
        "room": view.room,
        "worker": worker,
        "incarnation": incarnation.0.to_string(),
        "generation": generation,
        "endpoints": endpoints,
        "candidates": candidates,
    })
}

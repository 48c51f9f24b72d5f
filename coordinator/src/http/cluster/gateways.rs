//! `GET /cluster/gateways` → `{"gateways":[{"gateway","incarnation","state","alive","region","version","suspect",
//! "silent_ms","offers","listens","listens_encrypted","serves","transcoder","capacity_permille","load_permille",
//! "effective_load_permille","jobs","jobs_given","ingests"}]}`; `offers` tells what a job of each kind is expected to cost,
//! in permille of a core, `serves` where broadcasts can be watched (`{"public","inner"}`), and `ingests` how each goes: `[{"room","component","type","state","flow","warnings",
//! "lastTrouble"}]`, the last three as `…/component/{id}` tells them.

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};
use velella_coordinator_core::{ComponentView, GatewayView, Reply, Request};
use velella_model::RoomId;

use crate::http::Api;
use crate::http::component_view;
use crate::http::failure::{Failure, Failures};

/// List gateways with their load
#[utoipa::path(get, path = "/gateways", tag = "cluster", operation_id = "list_gateways",
    responses((status = 200, body = Object), Failures))]
pub(crate) async fn list(State(api): State<Api>) -> Result<Json<Value>, Failure> {
    let Reply::Gateways(gateways) = api.ask(Request::ListGateways).await? else { return Err(Failure::INTERNAL) };
    Ok(Json(json!({ "gateways": gateways.iter().map(gateway).collect::<Vec<Value>>() })))
}

fn gateway(view: &GatewayView) -> Value {
    let announce = &view.announce;
    json!({
        "gateway": announce.gateway,
        "incarnation": announce.incarnation.0.to_string(),
        "state": announce.state,
        "alive": view.lives,
        "region": announce.region,
        "version": announce.version,
        "suspect": view.suspect,
        "silent_ms": u64::try_from(view.silent_for.as_millis()).unwrap_or(u64::MAX),
        "offers": announce.offers,
        "listens": announce.listens,
        "transcoder": announce.transcoder,
        "listens_encrypted": announce.listens_encrypted,
        "serves": announce.serves,
        "capacity_permille": announce.capacity_permille,
        "load_permille": announce.load_permille,
        "effective_load_permille": view.effective_load_permille,
        "jobs": announce.jobs,
        "jobs_given": view.jobs_given,
        "ingests": view.ingests.iter().map(|(room, view)| ingest(room, view)).collect::<Vec<Value>>(),
    })
}

fn ingest(room: &RoomId, view: &ComponentView) -> Value {
    json!({
        "room": room,
        "component": view.component,
        "type": view.record.spec.kind().name(),
        "state": view.state().name(),
        "flow": view.flow.as_ref().map(component_view::flow),
        "warnings": component_view::warnings(view),
        "lastTrouble": view.last_trouble.as_ref().map(component_view::past),
    })
}

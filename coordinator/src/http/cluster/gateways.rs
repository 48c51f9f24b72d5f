//! `GET /cluster/gateways` → `{"gateways":[{"gateway","incarnation","state","alive","region","version","suspect",
//! "silent_ms","offers","listens","listens_encrypted","capacity_permille","load_permille","effective_load_permille","jobs",
//! "jobs_given"}]}`; `offers` tells what a job of each kind is expected to cost, in permille of a core.

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};
use velella_coordinator_core::{GatewayView, Reply, Request};

use crate::http::Api;
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
        "listens_encrypted": announce.listens_encrypted,
        "capacity_permille": announce.capacity_permille,
        "load_permille": announce.load_permille,
        "effective_load_permille": view.effective_load_permille,
        "jobs": announce.jobs,
        "jobs_given": view.jobs_given,
    })
}

//! `/room/{room}/component` and `/sip`, with the keys and the literal messages of Fishjam 0.6.

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde_json::{Value, json};
use velella_model::VideoCodec;
use velella_model::record::RoomSpec;

use crate::http::Api;
use crate::http::body::object;
use crate::http::component_config::{ComponentConfigBody, Kind};
use crate::http::component_view::older;
use crate::http::components::{Added, ComponentPath, OriginsBody};
use crate::http::failure::{Failure, Failures};
use crate::http::rooms::RoomPath;

/// Add a component
#[utoipa::path(
    post,
    path = "/room/{room}/component",
    tag = "Fishjam 0.6",
    operation_id = "older_add_component",
    params(RoomPath),
    request_body = inline(ComponentConfigBody),
    responses((status = 201, body = Object), Failures)
)]
pub(crate) async fn add(
    State(api): State<Api>,
    Path(path): Path<RoomPath>,
    body: Result<Bytes, BytesRejection>,
) -> Result<(StatusCode, Json<Value>), Failure> {
    let Added { view, publishing } =
        api.add_component(path.id()?, &object(body)?, asked_for_h264).await.map_err(as_older)?;
    Ok((StatusCode::CREATED, Json(json!({ "data": older(&view, publishing.as_ref()) }))))
}

/// A room of no codec in particular was none of H.264 then.
fn asked_for_h264(_: Kind, spec: &RoomSpec) -> bool {
    spec.video_codec == VideoCodec::H264 && !spec.video_codec_by_default
}

/// These SDKs take a 503 here for an answer and stumble over it.
fn as_older(failure: Failure) -> Failure {
    if failure.is("no_gateway") { failure.with_status(StatusCode::BAD_REQUEST) } else { failure }
}

/// Remove a component
#[utoipa::path(
    delete,
    path = "/room/{room}/component/{component}",
    tag = "Fishjam 0.6",
    operation_id = "older_remove_component",
    params(ComponentPath),
    responses((status = 204), Failures)
)]
pub(crate) async fn remove(State(api): State<Api>, Path(path): Path<ComponentPath>) -> Result<StatusCode, Failure> {
    api.remove_component(&path).await
}

/// Subscribe a component of type `hls` to peers and other components
#[utoipa::path(
    post,
    path = "/room/{room}/component/{component}/subscribe",
    tag = "Fishjam 0.6",
    operation_id = "older_subscribe_component",
    params(ComponentPath),
    request_body = inline(OriginsBody),
    responses((status = 201, body = String), Failures)
)]
pub(crate) async fn subscribe(
    State(api): State<Api>,
    Path(path): Path<ComponentPath>,
    body: Result<Bytes, BytesRejection>,
) -> Result<(StatusCode, &'static str), Failure> {
    api.subscribe_component(&path, body).await.map_err(|failure| {
        if failure.is("component_not_found") { failure.with_status(StatusCode::BAD_REQUEST) } else { failure }
    })
}

/// Call a phone number: there is no SIP component
#[utoipa::path(
    post,
    path = "/sip/{room}/{component}/call",
    tag = "Fishjam 0.6",
    operation_id = "older_call",
    params(ComponentPath),
    responses(Failures)
)]
pub(crate) async fn call(State(api): State<Api>, Path(path): Path<ComponentPath>) -> Result<(), Failure> {
    api.cannot(&path, no_sip).await
}

/// Hang up: there is no SIP component
#[utoipa::path(
    delete,
    path = "/sip/{room}/{component}/call",
    tag = "Fishjam 0.6",
    operation_id = "older_hang_up",
    params(ComponentPath),
    responses(Failures)
)]
pub(crate) async fn hang_up(State(api): State<Api>, Path(path): Path<ComponentPath>) -> Result<(), Failure> {
    api.cannot(&path, no_sip).await
}

fn no_sip(component: &str) -> String {
    format!("Component {component} is not a SIP component")
}

impl Api {
    /// A component that is not there is a bad request here, where a removal says that it is not found: as the
    /// server of these SDKs did.
    async fn cannot(&self, path: &ComponentPath, errors: fn(&str) -> String) -> Result<(), Failure> {
        let room = self.show_room(path.room_id()?).await?;
        match path.find(&room) {
            Some(view) => Err(Failure::bad_request(errors(view.component.as_str()))),
            None => Err(path.not_found().with_status(StatusCode::BAD_REQUEST)),
        }
    }
}

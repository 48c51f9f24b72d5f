//! What the published API has and this server does not: compositions, their recordings, MoQ. Each
//! gets a clean answer, so that an SDK tells it from a wrong address.

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, State};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::http::Api;
use crate::http::body::{echo, object};
use crate::http::failure::{Failure, Failures};
use crate::http::rooms::RoomPath;

/// The recording of a path.
#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct RecordingPath {
    /// The recording's id.
    recording: String,
}

/// Forward tracks to a composition: not supported
#[utoipa::path(post, path = "/room/{room}/track_forwardings", tag = "not supported",
    operation_id = "create_track_forwarding", params(RoomPath), responses((status = 501), Failures))]
pub(crate) async fn forward_tracks(State(api): State<Api>, Path(path): Path<RoomPath>) -> Result<(), Failure> {
    api.show_room(path.id()?).await?;
    Err(Failure::not_supported("Track forwardings"))
}

/// Give access to a MoQ relay: not supported
#[utoipa::path(post, path = "/moq/access", tag = "not supported", operation_id = "create_moq_access",
    responses((status = 501), Failures))]
pub(crate) async fn moq(body: Result<Bytes, BytesRejection>) -> Result<(), Failure> {
    let body = object(body)?;
    let named = |key| body.get(key).and_then(Value::as_str).is_some_and(|path| !path.is_empty());
    if !named("publishPath") && !named("subscribePath") {
        return Err(Failure::bad_request("Expected publishPath or subscribePath".into()));
    }
    Err(Failure::not_supported("MoQ relays"))
}

/// List recordings of compositions: there are none
#[utoipa::path(get, path = "/recordings", tag = "not supported", operation_id = "list_recordings",
    responses((status = 200, body = Object), Failures))]
pub(crate) async fn recordings() -> Json<Value> {
    Json(json!({ "data": [] }))
}

/// Record a composition: not supported
#[utoipa::path(post, path = "/recordings", tag = "not supported", operation_id = "create_recording",
    responses((status = 501), Failures))]
pub(crate) async fn record() -> Failure {
    Failure::not_supported("Recordings of compositions")
}

/// Show a recording of a composition: there is none
#[utoipa::path(
    get,
    path = "/recordings/{recording}",
    tag = "not supported",
    operation_id = "show_recording",
    params(RecordingPath),
    responses(Failures)
)]
pub(crate) async fn show_recording(Path(path): Path<RecordingPath>) -> Failure {
    no_recording(&path)
}

/// Delete a recording of a composition: there is none
#[utoipa::path(
    delete,
    path = "/recordings/{recording}",
    tag = "not supported",
    operation_id = "delete_recording",
    params(RecordingPath),
    responses(Failures)
)]
pub(crate) async fn delete_recording(Path(path): Path<RecordingPath>) -> Failure {
    no_recording(&path)
}

/// Stop a recording of a composition: there is none
#[utoipa::path(
    post,
    path = "/recordings/{recording}/stop",
    tag = "not supported",
    operation_id = "stop_recording",
    params(RecordingPath),
    responses(Failures)
)]
pub(crate) async fn stop_recording(Path(path): Path<RecordingPath>) -> Failure {
    no_recording(&path)
}

fn no_recording(path: &RecordingPath) -> Failure {
    Failure::not_found("recording_not_found", format!("Recording {} does not exist", echo(&path.recording)))
}

//! `/recording`: nothing is recorded yet, so nothing is found.

use axum::Json;
use axum::extract::Path;
use serde::Deserialize;
use serde_json::{Value, json};
use velella_model::RoomId;

use crate::http::body::echo;
use crate::http::failure::{Failure, Failures};

/// The recording of a path.
#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct RecordingPath {
    /// The recording's id.
    recording: String,
}

/// The recording and file of a path.
#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct RecordingFilePath {
    /// The recording's id.
    recording: String,
    /// The file's name.
    file: String,
}

/// List recordings: there are none
#[utoipa::path(get, path = "/recording", tag = "Fishjam 0.6", operation_id = "older_list_recordings",
    responses((status = 200, body = Object), Failures))]
pub(crate) async fn recordings() -> Json<Value> {
    Json(json!({ "data": [] }))
}

/// Delete a recording: there is none
#[utoipa::path(
    delete,
    path = "/recording/{recording}",
    tag = "Fishjam 0.6",
    operation_id = "older_delete_recording",
    params(RecordingPath),
    responses(Failures)
)]
pub(crate) async fn delete_recording(Path(path): Path<RecordingPath>) -> Failure {
    no_recording(&path.recording)
        .unwrap_or_else(|| Failure::not_found("recording_not_found", "Recording not found".into()))
}

/// A file of a recording: there is none
#[utoipa::path(
    get,
    path = "/recording/{recording}/{file}",
    tag = "Fishjam 0.6",
    operation_id = "older_recording_file",
    params(RecordingFilePath),
    responses(Failures)
)]
pub(crate) async fn recording_file(Path(path): Path<RecordingFilePath>) -> Failure {
    no_recording(&path.recording).unwrap_or_else(|| no_file(&path.file))
}

fn no_recording(id: &str) -> Option<Failure> {
    let wrong = || Failure::bad_request(format!("Invalid recording id, got: {}", echo(id)));
    RoomId::parse(id).is_err().then(wrong)
}

/// Names that lead elsewhere are wrong, all others are missing.
fn no_file(name: &str) -> Failure {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if name.is_empty() || name.contains("..") || !name.chars().all(is_plain) {
        return Failure::bad_request(format!("Invalid filename, got {}", echo(name)));
    }
    Failure::FILE_NOT_FOUND
}

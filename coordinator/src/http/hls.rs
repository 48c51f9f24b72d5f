//! `/hls`: where viewers begin. They are sent on to a gateway, and stay there: everything that playlists name is
//! relative.

use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use velella_coordinator_core::{Reply, Request};
use velella_model::RoomId;

use crate::http::Api;
use crate::http::body::echo;
use crate::http::failure::{Failure, Failures};

/// Longer than any name in a stream.
const NAME_BYTES_MAX: usize = 100;

/// The playlist of a path.
#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct PlaylistPath {
    /// The room's id.
    room: String,
    /// The file's name; `index.m3u8` to begin with.
    file: String,
}

/// The segment, part or header of a path.
#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct MediaPath {
    /// The room's id.
    room: String,
    /// The stream's epoch.
    epoch: String,
    /// The rendition's name.
    rendition: String,
    /// The file's name.
    file: String,
}

/// Watch a broadcast
///
/// Leads to a gateway that serves it. The query goes along.
#[utoipa::path(get, path = "/hls/{room}/{file}", tag = "Fishjam 0.6", operation_id = "older_hls_file",
    params(PlaylistPath), responses((status = 302, description = "There it is"), Failures))]
pub(crate) async fn playlist(
    State(api): State<Api>,
    Path(PlaylistPath { room, file }): Path<PlaylistPath>,
    RawQuery(query): RawQuery,
) -> Result<Response, Failure> {
    api.lead_viewer(&room, &[&file], query).await
}

/// Media of a broadcast
///
/// For players that take relative addresses for those of this server.
#[utoipa::path(get, path = "/hls/{room}/{epoch}/{rendition}/{file}", tag = "Fishjam 0.6", operation_id = "hls_media",
    params(MediaPath), responses((status = 302, description = "There it is"), Failures))]
pub(crate) async fn media(
    State(api): State<Api>,
    Path(MediaPath { room, epoch, rendition, file }): Path<MediaPath>,
    RawQuery(query): RawQuery,
) -> Result<Response, Failure> {
    api.lead_viewer(&room, &[&epoch, &rendition, &file], query).await
}

impl Api {
    async fn lead_viewer(&self, room: &str, names: &[&str], query: Option<String>) -> Result<Response, Failure> {
        let file = names.join("/");
        if !names.iter().all(|name| is_name(name)) {
            return Err(Failure::bad_request(format!("Invalid filename, got {}", echo(&file))));
        }
        let room = RoomId::parse(room).map_err(|_| Failure::FILE_NOT_FOUND)?;
        let ask = Request::FindBroadcast { room: room.clone() };
        let Reply::ServedAt(base) = self.ask(ask).await? else { return Err(Failure::INTERNAL) };
        let query = query.map(|query| format!("?{query}")).unwrap_or_default();
        let to = format!("{}/hls/{room}/{file}{query}", base.trim_end_matches('/'));
        let to = HeaderValue::try_from(to).map_err(|_| Failure::INTERNAL)?;
        // It may be another gateway's the next time.
        let headers = [(header::LOCATION, to), (header::CACHE_CONTROL, HeaderValue::from_static("no-store"))];
        Ok((StatusCode::FOUND, headers).into_response())
    }
}

/// What may be a part of the address of something in a stream; no path leads elsewhere with it.
fn is_name(name: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    !name.is_empty() && name.len() <= NAME_BYTES_MAX && !name.contains("..") && name.chars().all(is_plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_leads_nowhere_else() {
        for name in ["index.m3u8", "high.m3u8", "7", "12.4.m4s", "init.0.mp4"] {
            assert!(is_name(name), "{name}");
        }
        for name in ["", "..", "../x", "a/b", "a%2f", "@evil.example", "a?b", "a\r\nb", &"x".repeat(101)] {
            assert!(!is_name(name), "{name}");
        }
    }
}

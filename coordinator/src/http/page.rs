//! The page, built into the program. A build without it says how to get it.

use axum::extract::Path;
use axum::http::{HeaderName, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use rust_embed::{Embed, EmbeddedFile};

use crate::http::failure::Failure;

#[derive(Embed)]
#[folder = "web/dist/"]
struct Dist;

const INDEX: &str = "index.html";
const ADMIN: &str = "admin.html";

/// Names of assets carry a hash of their content.
const FOR_EVER: &str = "public, max-age=31536000, immutable";
const ASK_AGAIN: &str = "no-cache";

const NOT_BUILT: &str = "The page is not part of this build. Run `make web`, then build again.\n";

/// The operators' page handles the management token: it runs its own files, talks to nobody but this
/// server, and stands in nobody's frame.
const ADMIN_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
    connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// For pages that show and ask for nothing else.
const NO_DEVICES: &str = "camera=(), microphone=(), display-capture=(), geolocation=()";

/// What the player may do: nothing but what comes from here, and media from anywhere.
const WATCH_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; \
    connect-src 'self' http: https:; media-src 'self' blob: http: https:; base-uri 'none'; form-action 'self'; \
    frame-ancestors 'self'";

/// `/` and the links to rooms.
pub(crate) async fn index() -> Response {
    page(INDEX)
}

/// `/watch` and a room: its player. A broadcast comes from whatever gateway or CDN it is served by, and plays out of
/// blobs; the page itself handles no secret.
pub(crate) async fn watch() -> Response {
    let headers = [
        (header::CONTENT_SECURITY_POLICY, WATCH_POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (HeaderName::from_static("permissions-policy"), NO_DEVICES),
    ];
    (headers, page(INDEX)).into_response()
}

/// `/admin`.
pub(crate) async fn admin() -> Response {
    let headers = [
        (header::CONTENT_SECURITY_POLICY, ADMIN_POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (HeaderName::from_static("permissions-policy"), NO_DEVICES),
    ];
    (headers, page(ADMIN)).into_response()
}

fn page(name: &str) -> Response {
    match Dist::get(name) {
        Some(file) => serve(name, file, ASK_AGAIN),
        None => (StatusCode::NOT_FOUND, NOT_BUILT).into_response(),
    }
}

pub(crate) async fn asset(Path(path): Path<String>) -> Response {
    match Dist::get(&format!("assets/{path}")) {
        Some(file) => serve(&path, file, FOR_EVER),
        None => Failure::NOT_FOUND.into_response(),
    }
}

/// Whatever else lies beside the page, an icon for example; everything unknown is JSON.
pub(crate) async fn other(uri: Uri) -> Response {
    match uri.path().trim_start_matches('/') {
        ADMIN => admin().await,
        path => match Dist::get(path) {
            Some(file) => serve(path, file, ASK_AGAIN),
            None => Failure::NOT_FOUND.into_response(),
        },
    }
}

fn serve(path: &str, file: EmbeddedFile, cache: &'static str) -> Response {
    ([(header::CONTENT_TYPE, content_type(path)), (header::CACHE_CONTROL, cache)], file.data).into_response()
}

/// The kinds of file that a build of the page makes.
fn content_type(path: &str) -> &'static str {
    match path.rsplit_once('.').map(|(_, extension)| extension) {
        Some("html") => "text/html; charset=utf-8",
        Some("js" | "mjs") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("json" | "map") => "application/json",
        Some("webmanifest") => "application/manifest+json",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("ico") => "image/x-icon",
        Some("woff2") => "font/woff2",
        Some("wasm") => "application/wasm",
        Some("txt") => "text/plain; charset=utf-8",
        Some(_) | None => "application/octet-stream",
    }
}

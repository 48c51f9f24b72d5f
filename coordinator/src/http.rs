//! HTTP: the management API under `/api/v1/connect/{app}`, the cluster's own view under
//! `/cluster`, the demo, and the page.

mod absent;
mod auth;
mod body;
mod cluster;
mod demo;
mod failure;
mod livestreams;
mod origin;
mod page;
mod peer_config;
mod peers;
mod policy;
mod public;
mod room_config;
mod rooms;
mod slashes;
mod subscriptions;
mod view;

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::{DefaultBodyLimit, MatchedPath, Request, State, WebSocketUpgrade};
use axum::http::{HeaderName, Method, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::cors::{Any, CorsLayer};
use tracing::Instrument;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use velella_coordinator_core::{Reply, Request as Ask};
use velella_ops::Secret;

use crate::http::failure::Failure;
use crate::metrics::Metrics;
use crate::rate::Rate;
use crate::socket::{FRAME_BYTES_READ_MAX, Sockets};

/// Largest body of a request.
const BODY_BYTES_MAX: usize = 256 * 1024;

/// Time for a whole request, its body included. The slowest answer takes three workers that do
/// not answer and a store that is down.
const REQUEST_PATIENCE: Duration = Duration::from_secs(30);

/// The header by which server SDKs name themselves.
const API_CLIENT: HeaderName = HeaderName::from_static("x-fishjam-api-client");

/// What all handlers share.
#[derive(Clone)]
pub(crate) struct Api(Arc<Shared>);

struct Shared {
    sockets: Sockets,
    management_token: Secret,
    public_url: Option<String>,
    demo: bool,
    demo_rate: Mutex<Rate>,
    /// Whose turn it is to enter a room of the page.
    demo_turn: tokio::sync::Mutex<()>,
}

impl Api {
    pub(crate) fn new(sockets: Sockets, management_token: Secret, public_url: Option<String>, demo: bool) -> Self {
        let demo_rate = Mutex::new(demo::rate(Instant::now()));
        let demo_turn = tokio::sync::Mutex::new(());
        Self(Arc::new(Shared { sockets, management_token, public_url, demo, demo_rate, demo_turn }))
    }

    pub(crate) fn metrics(&self) -> Arc<Metrics> {
        Arc::clone(&self.0.sockets.metrics)
    }

    /// Asks the core; denials become failures.
    async fn ask(&self, ask: Ask) -> Result<Reply, Failure> {
        let name = failure::Subject::of(&ask);
        let reply = self.0.sockets.mailbox.ask(ask).await?;
        if let Reply::Denied(denial) = &reply {
            return Err(Failure::denied(denial, &name));
        }
        Ok(reply)
    }
}

/// Everything that is served. Sockets only to pages of `allowed_origins`, where there are any.
pub(crate) fn router(api: Api, allowed_origins: &[String]) -> Router {
    let check_origin = middleware::from_fn_with_state(allowed_origins.into(), origin::check);
    let moderated = middleware::from_fn_with_state(api.clone(), auth::require_management_token_or_moderator);
    let cluster = Router::new()
        .route("/workers", get(cluster::workers))
        .route("/totals", get(cluster::totals))
        .route("/history", get(cluster::history::show))
        .route("/rooms", get(cluster::rooms::list))
        .route("/rooms/{room}/placement", get(cluster::placement));
    let guard = middleware::from_fn_with_state(api.clone(), auth::require_management_token);
    let routes = Router::new()
        .nest(
            "/api/v1/connect/{app}",
            connect().split_for_parts().0.route_layer(moderated).merge(open().split_for_parts().0),
        )
        .nest("/cluster", cluster.route_layer(guard))
        .route("/api/v1/connect/{app}/socket/peer/websocket", get(peer_socket))
        .route("/demo/join", post(demo::join))
        .route("/", get(page::index))
        .route("/admin", get(page::admin))
        .route("/r/{room}", get(page::index))
        .route("/assets/{*path}", get(page::asset))
        .fallback(page::other)
        .method_not_allowed_fallback(async || Failure::METHOD_NOT_ALLOWED)
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(middleware::map_response_with_state(api.clone(), policy::apply))
        .layer(middleware::from_fn(in_time))
        .layer(middleware::from_fn_with_state(api.clone(), count))
        .with_state(api.clone());
    // Slashes are collapsed before anything is routed.
    Router::new()
        .fallback_service(routes)
        .layer(middleware::map_request(slashes::collapse))
        .layer(check_origin)
        .layer(CatchPanicLayer::custom(move |_| panicked(&api.metrics())))
        .layer(cors())
}

/// What answers without a token as well.
fn open() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(auth::validate))
}

/// The management API of the current generation.
fn connect() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(rooms::list, rooms::create))
        .routes(routes!(rooms::show, rooms::patch, rooms::remove))
        .routes(routes!(peers::add))
        .routes(routes!(peers::patch, peers::remove))
        .routes(routes!(peers::refresh_token))
        .routes(routes!(peers::revoke_tokens))
        .routes(routes!(subscriptions::subscribe_peer))
        .routes(routes!(subscriptions::unsubscribe_peer))
        .routes(routes!(subscriptions::subscribe_tracks))
        .routes(routes!(subscriptions::unsubscribe_tracks))
        .routes(routes!(livestreams::streamer_token))
        .routes(routes!(livestreams::viewer_token))
        .routes(routes!(livestreams::list, livestreams::create))
        .routes(routes!(livestreams::show, livestreams::remove))
        .routes(routes!(livestreams::add_streamer))
        .routes(routes!(livestreams::remove_streamer))
        .routes(routes!(livestreams::add_viewer))
        .routes(routes!(livestreams::remove_viewer))
        .routes(routes!(absent::forward_tracks))
        .routes(routes!(absent::moq))
        .routes(routes!(absent::recordings, absent::record))
        .routes(routes!(absent::show_recording, absent::delete_recording))
        .routes(routes!(absent::stop_recording))
}

/// Held by every open socket. The library's own 128 KiB would cost 1.3 GB for ten thousand silent ones;
/// an offer of four people fits into this.
const READ_BUFFER_BYTES: usize = 8 * 1024;

async fn peer_socket(
    State(api): State<Api>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Failure> {
    let upgrade = upgrade.map_err(|rejection| Failure::bad_request(rejection.body_text()))?;
    let sockets = api.0.sockets.clone();
    let upgrade = upgrade
        .read_buffer_size(READ_BUFFER_BYTES)
        .max_frame_size(FRAME_BYTES_READ_MAX)
        .max_message_size(FRAME_BYTES_READ_MAX);
    Ok(upgrade.on_upgrade(move |socket| sockets.serve(socket)))
}

async fn in_time(request: Request, next: Next) -> Result<Response, Failure> {
    tokio::time::timeout(REQUEST_PATIENCE, next.run(request)).await.map_err(|_| Failure::TOO_SLOW)
}

async fn count(State(api): State<Api>, request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    let method = known_method(request.method());
    // The path names room and peer; a query may hold a token.
    let span = tracing::error_span!("http", method, path = request.uri().path());
    let response = next.run(request).instrument(span).await;
    let status = match response.status().as_u16() {
        ..200 => "1xx",
        200..300 => "2xx",
        300..400 => "3xx",
        400..500 => "4xx",
        500.. => "5xx",
    };
    let route = route.as_deref().unwrap_or("other");
    api.0.sockets.metrics.requests.with_label_values(&[route, method, status]).inc();
    response
}

/// Clients may invent methods; labels must not.
fn known_method(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

fn panicked(metrics: &Metrics) -> Response {
    metrics.panics.inc();
    Failure::INTERNAL.into_response()
}

fn cors() -> CorsLayer {
    CorsLayer::new()
        .allow_origin(Any)
        .allow_methods([Method::GET, Method::POST, Method::PATCH, Method::DELETE, Method::OPTIONS])
        .allow_headers([header::AUTHORIZATION, header::CONTENT_TYPE, header::IF_MATCH, API_CLIENT])
        .expose_headers([header::LOCATION, header::LINK, header::ETAG, header::RETRY_AFTER])
}

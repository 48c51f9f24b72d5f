//! HTTP: the management API under `/api/v1/connect/{app}`, that of older SDKs at the root, livestreams
//! under `/api/v1/live`, the cluster's own view under `/cluster`, the demo, the page, and the description of all of them.

mod absent;
mod auth;
mod body;
mod broadcast_config;
mod cluster;
mod component_config;
mod component_view;
mod components;
mod demo;
mod docs;
mod failure;
mod hls;
mod leftover;
mod live;
mod livestreams;
mod older;
mod once;
mod origin;
mod page;
mod peer_config;
mod peers;
mod policy;
mod public;
mod room_config;
mod rooms;
mod slashes;
mod source_uri;
mod stream_key;
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
use axum::routing::get;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::cors::{Any, CorsLayer};
use tracing::Instrument;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use velella_bus::Bus;
use velella_coordinator_core::{Reply, Request as Ask};
use velella_ops::{Seal, Secret};

use crate::http::failure::Failure;
use crate::ledger::Ledger;
use crate::metrics::Metrics;
use crate::rate::Rate;
use crate::resources::Resources;
use crate::socket::agent::AGENT_FRAME_BYTES_READ_MAX;
use crate::socket::{FRAME_BYTES_READ_MAX, Sockets, server};
use crate::sounds::Sounds;

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
    /// Viewers without a token.
    strangers: Mutex<Rate>,
    resources: Resources,
    ledger: Ledger,
    seal: Seal,
    started: Instant,
}

impl Api {
    pub(crate) fn new(
        (sockets, resources): (Sockets, Resources),
        management_token: Secret,
        (ledger, seal): (Ledger, Seal),
        public_url: Option<String>,
        demo: bool,
    ) -> Self {
        let started = Instant::now();
        Self(Arc::new(Shared {
            sockets,
            management_token,
            public_url,
            demo,
            demo_rate: Mutex::new(demo::rate(started)),
            demo_turn: tokio::sync::Mutex::default(),
            strangers: Mutex::new(live::rate(started)),
            resources,
            ledger,
            seal,
            started,
        }))
    }

    pub(crate) fn sounds(&self) -> Sounds {
        self.0.sockets.sounds.clone()
    }

    pub(crate) fn resources(&self) -> Resources {
        self.0.resources.clone()
    }

    pub(crate) fn sockets(&self) -> Sockets {
        self.0.sockets.clone()
    }

    pub(crate) fn bus(&self) -> Arc<dyn Bus> {
        Arc::clone(&self.0.sockets.bus)
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
    let routes = routes(&api)
        .0
        .fallback(page::other)
        .method_not_allowed_fallback(async || Failure::METHOD_NOT_ALLOWED)
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(middleware::from_fn(leftover::read))
        .layer(middleware::map_response_with_state(api.clone(), policy::apply))
        .layer(middleware::from_fn(in_time))
        .layer(middleware::from_fn_with_state(api.clone(), count))
        .with_state(api.clone());
    // Paths are put right before anything is routed.
    Router::new()
        .fallback_service(routes)
        .layer(middleware::map_request(older::lead_current_sdks))
        .layer(middleware::map_request(slashes::collapse))
        .layer(check_origin)
        .layer(CatchPanicLayer::custom(move |_| panicked(&api.metrics())))
        .layer(cors())
}

/// All routes, and the description of those that are operations.
fn routes(api: &Api) -> (Router<Api>, OpenApi) {
    let (operations, doc) = operations(api).split_for_parts();
    let doc = docs::describe(doc);
    let routes = operations
        .merge(docs::routes(doc.clone()))
        .route("/", get(page::index))
        .route("/admin", get(page::admin))
        .route("/r/{room}", get(page::index))
        .route("/watch/{room}", get(page::watch))
        .route("/assets/{*path}", get(page::asset));
    (routes, doc)
}

/// Everything that describes itself, behind its guards.
fn operations(api: &Api) -> OpenApiRouter<Api> {
    let guard = middleware::from_fn_with_state(api.clone(), auth::require_management_token);
    let moderated = middleware::from_fn_with_state(api.clone(), auth::require_management_token_or_moderator);
    let once = middleware::from_fn_with_state(api.clone(), once::once);
    let cluster = OpenApiRouter::new()
        .routes(routes!(cluster::workers))
        .routes(routes!(cluster::gateways::list))
        .routes(routes!(cluster::totals))
        .routes(routes!(cluster::history::show))
        .routes(routes!(cluster::rooms::list))
        .routes(routes!(cluster::steering::cordon))
        .routes(routes!(cluster::steering::drain))
        .routes(routes!(cluster::steering::uncordon))
        .routes(routes!(cluster::steering::move_room))
        .routes(routes!(cluster::placement));
    OpenApiRouter::new()
        .nest("/api/v1/connect/{app}", connect().route_layer(once).route_layer(moderated))
        .nest("/api/v1/connect/{app}", OpenApiRouter::new().routes(routes!(auth::validate)).merge(sockets()))
        .nest(live::BASE, live())
        .nest("/cluster", cluster.route_layer(guard.clone()))
        .merge(older::routes().route_layer(guard))
        .merge(older::open_routes())
        .merge(OpenApiRouter::new().routes(routes!(hls::playlist)).routes(routes!(hls::media)))
        .merge(sockets())
        .routes(routes!(demo::join))
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
        .routes(routes!(components::add))
        .routes(routes!(components::show, components::remove))
        .routes(routes!(components::subscribe))
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

/// What asks for a token of its own, or for none.
fn live() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(live::whip))
        .routes(routes!(live::whep))
        .routes(routes!(live::whep_public))
        .routes(routes!(live::patch, live::end))
}

/// Below both bases.
fn sockets() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(peer_socket)).routes(routes!(agent_socket)).routes(routes!(server_socket))
}

/// Held by every open socket. The library's own 128 KiB would cost 1.3 GB for ten thousand silent ones;
/// an offer of four people fits into this.
const READ_BUFFER_BYTES: usize = 8 * 1024;

/// The socket of a peer
///
/// A WebSocket of binary protobuf frames; the first one brings the peer's token.
#[utoipa::path(get, path = "/socket/peer/websocket", tag = "sockets", operation_id = "peer_socket",
    responses((status = 101, description = "The socket is open"), failure::Failures))]
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

/// The socket of an agent
///
/// As a peer's, with larger frames: they hold sound.
#[utoipa::path(get, path = "/socket/agent/websocket", tag = "sockets", operation_id = "agent_socket",
    responses((status = 101, description = "The socket is open"), failure::Failures))]
async fn agent_socket(
    State(api): State<Api>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Failure> {
    let upgrade = upgrade.map_err(|rejection| Failure::bad_request(rejection.body_text()))?;
    let sockets = api.0.sockets.clone();
    let upgrade = upgrade
        .read_buffer_size(READ_BUFFER_BYTES)
        .max_frame_size(AGENT_FRAME_BYTES_READ_MAX)
        .max_message_size(AGENT_FRAME_BYTES_READ_MAX);
    Ok(upgrade.on_upgrade(move |socket| sockets.serve_agent(socket)))
}

/// The socket of a server
///
/// A WebSocket of binary protobuf frames: the management token first, then subscriptions. What follows
/// is numbered; a subscription may name rooms, and a number to go on after.
#[utoipa::path(get, path = "/socket/server/websocket", tag = "sockets", operation_id = "server_socket",
    responses((status = 101, description = "The socket is open"), failure::Failures))]
async fn server_socket(
    State(api): State<Api>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Failure> {
    let upgrade = upgrade.map_err(|rejection| Failure::bad_request(rejection.body_text()))?;
    let sockets = api.0.sockets.clone();
    let upgrade = server::bounded(upgrade.read_buffer_size(READ_BUFFER_BYTES));
    Ok(upgrade.on_upgrade(move |socket| sockets.serve_server(socket)))
}

async fn in_time(request: Request, next: Next) -> Result<Response, Failure> {
    tokio::time::timeout(REQUEST_PATIENCE, next.run(request)).await.map_err(|_| Failure::TOO_SLOW)
}

async fn count(State(api): State<Api>, request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    let method = known_method(request.method());
    // The path names room and peer; a query may hold a token.
    let span = tracing::error_span!("http", method, path = live::without_secret(request.uri().path()));
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
        Method::PATCH => "PATCH",
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
        .allow_headers([
            header::AUTHORIZATION,
            header::CONTENT_TYPE,
            header::IF_MATCH,
            header::RANGE,
            API_CLIENT,
            once::IDEMPOTENCY_KEY,
        ])
        .expose_headers([header::LOCATION, header::LINK, header::ETAG, header::RETRY_AFTER, once::REPLAYED])
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::convert::Infallible;

    use axum::body::{Body, Bytes};
    use axum::http::StatusCode;
    use axum::routing::post;
    use tokio_util::sync::CancellationToken;
    use tower::ServiceExt;
    use velella_bus::memory::MemoryBus;
    use velella_ops::Lobby;
    use velella_store::memory::MemoryStore;

    use super::*;
    use crate::driver::Mailbox;
    use crate::notices::log::Log;
    use crate::notices::report::Reports;
    use crate::tokens::Tokens;

    /// Pages for people, and the description itself, are no operations.
    const PAGES: [&str; 9] = [
        "/",
        "/admin",
        "/r/{room}",
        "/watch/{room}",
        "/assets/{*path}",
        "/docs",
        "/docs/",
        "/docs/{*rest}",
        "/openapi.json",
    ];

    #[test]
    fn every_route_is_described() {
        let (router, doc) = routes(&api());
        let described: BTreeSet<String> = doc.paths.paths.into_keys().collect();
        let served = paths(&format!("{router:?}"));
        assert!(served.len() > 40, "the router shows its paths: {served:?}");
        let missing: Vec<_> = served.difference(&described).filter(|path| !PAGES.contains(&path.as_str())).collect();
        assert!(missing.is_empty(), "served and not described: {missing:?}");
    }

    /// What a router shows of itself for debugging holds its paths and no other text with a slash,
    /// but for the name of its fallback.
    fn paths(debug: &str) -> BTreeSet<String> {
        let is_path = |text: &&str| text.starts_with('/') && !text.contains("__private");
        debug.split('"').filter(is_path).map(str::to_owned).collect()
    }

    fn api() -> Api {
        let metrics = Arc::new(Metrics::new(&prometheus::Registry::new()).unwrap());
        let secret: Secret = "0123456789abcdef0123456789abcdef".parse().unwrap();
        let sockets = Sockets {
            mailbox: Mailbox::to_nobody(),
            tokens: Arc::new(Tokens::new(&secret, Duration::from_secs(60))),
            lobby: Lobby::new(1, metrics.lobby_evictions.with_label_values(&["socket"])),
            bus: Arc::new(MemoryBus::new()),
            sounds: Sounds::default(),
            metrics,
            management_token: Arc::new(secret.clone()),
            log: Log::new(),
            reports: Reports::default(),
            ice_servers: Arc::default(),
            shutdown: CancellationToken::new(),
        };
        let ledger = Ledger::new(Arc::new(MemoryStore::new()), &secret);
        let resources = Resources::new(velella_model::CoordinatorId::parse("c").unwrap());
        Api::new((sockets, resources), secret.clone(), (ledger, Seal::new(&secret)), None, true)
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_never_ends_is_not_waited_for() {
        let router = Router::new().route("/", post(|_: Bytes| async {})).layer(middleware::from_fn(in_time));
        let endless = Body::from_stream(futures_util::stream::pending::<Result<Bytes, Infallible>>());
        let began = tokio::time::Instant::now();
        let answer = router.oneshot(axum::http::Request::post("/").body(endless).unwrap()).await.unwrap();
        assert_eq!(answer.status(), StatusCode::REQUEST_TIMEOUT);
        assert_eq!(began.elapsed().as_secs(), REQUEST_PATIENCE.as_secs());
    }
}

//! The admin port: is the process alive, is it ready, what does it measure, how is it set.
//!
//! For probes and scrapers inside the cluster; it asks for no token, so it must not be public.

use std::sync::Arc;

use anyhow::Context;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use prometheus::{Registry, TEXT_FORMAT, TextEncoder};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::{Inquiries, Readiness};

/// What the admin port can tell.
#[derive(Clone, Debug)]
pub struct Admin {
    /// What is measured.
    pub registry: Registry,
    /// What is waited for at the start.
    pub readiness: Readiness,
    /// Who can be asked for the present state.
    pub inquiries: Inquiries,
    /// Cancelled when the process shall end: from then on it is not ready.
    pub shutdown: CancellationToken,
    /// Name and version of the process.
    pub version: String,
    /// The settings, with stars for secrets.
    pub listing: String,
}

impl Admin {
    /// Serves to the end of the process, so that a shutdown can be watched.
    pub async fn serve(self, listener: TcpListener) -> anyhow::Result<()> {
        axum::serve(listener, router(self)).await.context("the admin port failed")
    }
}

fn router(admin: Admin) -> Router {
    Router::new()
        .route("/livez", get(async || "alive\n"))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .route("/debug/version", get(async |State(admin): State<Arc<Admin>>| admin.version.clone()))
        .route("/debug/config", get(async |State(admin): State<Arc<Admin>>| admin.listing.clone()))
        .route("/debug/state", get(state))
        .with_state(Arc::new(admin))
}

async fn ready(State(admin): State<Arc<Admin>>) -> (StatusCode, String) {
    if admin.shutdown.is_cancelled() {
        return (StatusCode::SERVICE_UNAVAILABLE, "shutting down\n".to_owned());
    }
    let waiting = admin.readiness.waiting();
    if waiting.is_empty() {
        return (StatusCode::OK, "ready\n".to_owned());
    }
    let lines = waiting.iter().map(|name| format!("waiting for {name}\n")).collect();
    (StatusCode::SERVICE_UNAVAILABLE, lines)
}

async fn metrics(State(admin): State<Arc<Admin>>) -> Response {
    match TextEncoder::new().encode_to_string(&admin.registry.gather()) {
        Ok(text) => ([(header::CONTENT_TYPE, TEXT_FORMAT)], text).into_response(),
        Err(error) => {
            tracing::error!(%error, "metrics cannot be encoded");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

async fn state(State(admin): State<Arc<Admin>>) -> Response {
    match admin.inquiries.ask().await {
        Some(states) => Json(states).into_response(),
        None => (StatusCode::SERVICE_UNAVAILABLE, "no service has time to answer\n").into_response(),
    }
}

#[cfg(test)]
mod tests {
    use axum::body::{Body, to_bytes};
    use axum::http::Request;
    use prometheus::IntCounter;
    use tower::ServiceExt;

    use super::*;

    fn admin() -> Admin {
        Admin {
            registry: Registry::new(),
            readiness: Readiness::new(),
            inquiries: Inquiries::new(),
            shutdown: CancellationToken::new(),
            version: "velella 0\n".to_owned(),
            listing: "listen = \"::1\"  # flag\n".to_owned(),
        }
    }

    #[tokio::test]
    async fn it_is_alive_before_it_is_ready_and_after() {
        let admin = admin();
        let (bus, udp) = (admin.readiness.latch("bus"), admin.readiness.latch("udp"));
        let (shutdown, router) = (admin.shutdown.clone(), router(admin));
        assert_eq!(get(&router, "/livez").await, (StatusCode::OK, "alive\n".to_owned()));
        let waiting = (StatusCode::SERVICE_UNAVAILABLE, "waiting for bus\nwaiting for udp\n".to_owned());
        assert_eq!(get(&router, "/readyz").await, waiting);

        drop((bus, udp));
        assert_eq!(get(&router, "/readyz").await, (StatusCode::OK, "ready\n".to_owned()));

        shutdown.cancel();
        assert_eq!(get(&router, "/readyz").await, (StatusCode::SERVICE_UNAVAILABLE, "shutting down\n".to_owned()));
        assert_eq!(get(&router, "/livez").await.0, StatusCode::OK);
    }

    #[tokio::test]
    async fn metrics_are_prometheus_text() {
        let admin = admin();
        let counter = IntCounter::new("velella_test_total", "Counts.").unwrap();
        admin.registry.register(Box::new(counter.clone())).unwrap();
        counter.inc();
        let (status, text) = get(&router(admin), "/metrics").await;
        assert_eq!(status, StatusCode::OK);
        assert_eq!(
            text,
            "# HELP velella_test_total Counts.\n# TYPE velella_test_total counter\nvelella_test_total 1\n"
        );
    }

    #[tokio::test]
    async fn it_tells_version_and_config() {
        let router = router(admin());
        assert_eq!(get(&router, "/debug/version").await.1, "velella 0\n");
        assert_eq!(get(&router, "/debug/config").await.1, "listen = \"::1\"  # flag\n");
    }

    async fn get(admin: &Router, path: &str) -> (StatusCode, String) {
        let request = Request::get(path).body(Body::empty()).unwrap();
        let response = admin.clone().oneshot(request).await.unwrap();
        let status = response.status();
        let body = to_bytes(response.into_body(), 10_000).await.unwrap();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }
}

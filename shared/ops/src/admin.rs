//! The admin port: is the process alive, is it ready, what does it measure.
//!
//! For probes and scrapers inside the cluster; it asks for no token, so it must not be public.

use anyhow::Context;
use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use prometheus::{Registry, TEXT_FORMAT, TextEncoder};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::Readiness;

/// Serves until `shutdown`.
pub async fn serve(
    listener: TcpListener,
    registry: Registry,
    readiness: Readiness,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    axum::serve(listener, router(registry, readiness))
        .with_graceful_shutdown(shutdown.cancelled_owned())
        .await
        .context("the admin port failed")
}

fn router(registry: Registry, readiness: Readiness) -> Router {
    Router::new()
        .route("/livez", get(async || "alive\n"))
        .route("/readyz", get(ready).with_state(readiness))
        .route("/metrics", get(metrics).with_state(registry))
}

async fn ready(State(readiness): State<Readiness>) -> (StatusCode, String) {
    let waiting = readiness.waiting();
    if waiting.is_empty() {
        return (StatusCode::OK, "ready\n".to_owned());
    }
    (StatusCode::SERVICE_UNAVAILABLE, format!("waiting for {}\n", waiting.join(", ")))
}

async fn metrics(State(registry): State<Registry>) -> Response {
    match TextEncoder::new().encode_to_string(&registry.gather()) {
        Ok(text) => ([(header::CONTENT_TYPE, TEXT_FORMAT)], text).into_response(),
        Err(error) => {
            tracing::error!(%error, "metrics cannot be encoded");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::body::{Body, to_bytes};
    use axum::http::Request;
    use prometheus::IntCounter;
    use tower::ServiceExt;

    use super::*;

    #[tokio::test]
    async fn it_is_alive_before_it_is_ready() {
        let readiness = Readiness::new();
        let (bus, udp) = (readiness.latch("bus"), readiness.latch("udp"));
        let admin = router(Registry::new(), readiness);
        assert_eq!(get(&admin, "/livez").await, (StatusCode::OK, "alive\n".to_owned()));
        let waiting = (StatusCode::SERVICE_UNAVAILABLE, "waiting for bus, udp\n".to_owned());
        assert_eq!(get(&admin, "/readyz").await, waiting);

        drop((bus, udp));
        assert_eq!(get(&admin, "/readyz").await, (StatusCode::OK, "ready\n".to_owned()));
    }

    #[tokio::test]
    async fn metrics_are_prometheus_text() {
        let registry = Registry::new();
        let counter = IntCounter::new("velella_test_total", "Counts.").unwrap();
        registry.register(Box::new(counter.clone())).unwrap();
        counter.inc();
        let (status, text) = get(&router(registry, Readiness::new()), "/metrics").await;
        assert_eq!(status, StatusCode::OK);
        assert_eq!(
            text,
            "# HELP velella_test_total Counts.\n# TYPE velella_test_total counter\nvelella_test_total 1\n"
        );
    }

    #[tokio::test]
    async fn it_stops_with_the_process() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let shutdown = CancellationToken::new();
        let serving = tokio::spawn(serve(listener, Registry::new(), Readiness::new(), shutdown.clone()));
        shutdown.cancel();
        serving.await.unwrap().unwrap();
    }

    async fn get(admin: &Router, path: &str) -> (StatusCode, String) {
        let request = Request::get(path).body(Body::empty()).unwrap();
        let response = admin.clone().oneshot(request).await.unwrap();
        let status = response.status();
        let body = to_bytes(response.into_body(), 10_000).await.unwrap();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }
}

//! Accepting connections, with an end for those that never ask anything.

mod held;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use velella_ops::{Lobby, Seat};

use crate::accept::held::Held;
use crate::metrics::Metrics;

/// Connections that speak HTTP at once; the oldest is closed for a newcomer. Sockets of peers are
/// not among them.
const CONNECTIONS_MAX: usize = 4096;

/// Time for the headers of a request, the idle time between two requests included.
const HEADERS_PATIENCE: Duration = Duration::from_secs(15);

/// Wait after the process ran out of file descriptors.
const ACCEPT_RETRY: Duration = Duration::from_millis(50);

/// Time for running requests and closing sockets at the end. A peer that does not answer a close
/// costs 2 s of it.
const SHUTDOWN_PATIENCE: Duration = Duration::from_secs(5);

/// Serves until shutdown: then takes no more connections, and returns when those it has are done.
pub(crate) async fn serve(listener: TcpListener, router: Router, metrics: Arc<Metrics>, shutdown: CancellationToken) {
    let lobby = Lobby::new(CONNECTIONS_MAX, metrics.lobby_evictions.with_label_values(&["http"]));
    let mut connections = JoinSet::new();
    // Sockets leave `connections` when they are upgraded, but hold their stream to the end.
    let streams = TaskTracker::new();
    loop {
        tokio::select! {
            () = shutdown.cancelled() => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    // Signalling is small and urgent.
                    let _ = stream.set_nodelay(true);
                    let stream = Held::new(stream, streams.token());
                    connections.spawn(connection(stream, router.clone(), lobby.enter(), shutdown.clone()));
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection cannot be accepted");
                    tokio::time::sleep(ACCEPT_RETRY).await;
                }
            }
        }
    }
    drop(listener);
    streams.close();
    if tokio::time::timeout(SHUTDOWN_PATIENCE, streams.wait()).await.is_err() {
        tracing::warn!(connections = streams.len(), "connections that did not end in time are cut");
    }
}

async fn connection(stream: Held<TcpStream>, router: Router, seat: Seat, shutdown: CancellationToken) {
    let service = TowerToHyperService::new(router);
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADERS_PATIENCE)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    tokio::pin!(served);
    tokio::select! {
        () = seat.evicted() => {}
        // A client that hangs up or sends garbage is its own problem.
        _ = served.as_mut() => {}
        () = shutdown.cancelled() => {
            served.as_mut().graceful_shutdown();
            let _ = served.await;
        }
    }
}

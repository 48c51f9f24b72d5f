//! What the client library tells aside: into counters and the log.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_nats::{Event, ServerError};
use tokio::sync::Notify;

/// How the server begins when a subject is not allowed.
const FORBIDDEN: &str = "permissions violation";

#[derive(Debug, Default)]
pub(super) struct Counters {
    forbidden: AtomicU64,
    lost: AtomicU64,
}

impl Counters {
    pub(super) fn forbidden(&self) -> u64 {
        self.forbidden.load(Ordering::Relaxed)
    }

    pub(super) fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }
}

/// Called with every event; `changed` is told of what concerns the connection.
pub(super) fn listener(counters: Arc<Counters>, changed: Arc<Notify>) -> impl Fn(Event) + Send + Sync + 'static {
    move |event| match event {
        Event::Connected | Event::Disconnected | Event::Closed => changed.notify_one(),
        Event::ServerError(ServerError::Other(text)) if text.to_ascii_lowercase().contains(FORBIDDEN) => {
            counters.forbidden.fetch_add(1, Ordering::Relaxed);
            tracing::error!(server = text, "NATS forbids a subject: the permissions of this user do not suffice");
        }
        Event::ServerError(error) => tracing::warn!(%error, "an error of the NATS server"),
        Event::ClientError(error) => tracing::warn!(%error, "NATS cannot be reached"),
        Event::SlowConsumer(_) => {
            counters.lost.fetch_add(1, Ordering::Relaxed);
        }
        Event::LameDuckMode => tracing::info!("the NATS server is about to leave"),
        Event::Draining => {}
    }
}

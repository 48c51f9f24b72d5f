//! An edge on a port of its own, and what it is told of origins.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use prometheus::{Registry, TextEncoder};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use velella_edge::{Directory, Edge, Limits, Origin};
use velella_model::RoomId;

/// The room of all tests.
pub(crate) const ROOM: &str = "room";

pub(crate) fn room() -> RoomId {
    RoomId::parse(ROOM).unwrap()
}

#[derive(Default)]
struct Book(Mutex<BTreeMap<RoomId, Origin>>);

impl Directory for Book {
    fn origin_of(&self, room: &RoomId) -> Origin {
        self.0.lock().unwrap().get(room).cloned().unwrap_or(Origin::Nowhere)
    }
}

/// An edge that serves until it is dropped.
pub(crate) struct Served {
    pub(crate) at: SocketAddr,
    registry: Registry,
    book: Arc<Book>,
    shutdown: CancellationToken,
    task: JoinHandle<()>,
}

impl Served {
    pub(crate) async fn plain(origin: Origin) -> Self {
        Self::begin(origin, None, Limits::default()).await
    }

    pub(crate) async fn begin(origin: Origin, tls: Option<rustls::ServerConfig>, limits: Limits) -> Self {
        let (registry, book, shutdown) = (Registry::new(), Arc::new(Book::default()), CancellationToken::new());
        let edge = Edge::bind("127.0.0.1:0".parse().unwrap(), tls, limits, &registry).await.unwrap();
        let at = edge.local_addr().unwrap();
        let task = tokio::spawn(edge.run(Arc::<Book>::clone(&book), shutdown.clone()));
        let served = Self { at, registry, book, shutdown, task };
        served.moves_to(origin);
        served
    }

    /// From now on the room's stream comes from there.
    pub(crate) fn moves_to(&self, origin: Origin) {
        self.book.0.lock().unwrap().insert(room(), origin);
    }

    /// Where other edges find it.
    pub(crate) fn inner(&self) -> Origin {
        Origin::There(format!("http://{}", self.at).parse().unwrap())
    }

    /// What it counted under this name and these labels, 0 if nothing.
    pub(crate) fn count(&self, metric: &str) -> u64 {
        let text = TextEncoder::new().encode_to_string(&self.registry.gather()).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix(&format!("velella_edge_{metric} ")));
        line.map_or(0, |value| value.parse().unwrap())
    }

    /// Ends as a process does that is told to.
    pub(crate) async fn shut_down(mut self) {
        self.shutdown.cancel();
        (&mut self.task).await.unwrap();
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.task.abort();
    }
}

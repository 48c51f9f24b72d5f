//! An edge on a port of its own, and what it is told of origins.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use prometheus::{Registry, TextEncoder};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use velella_edge::{Directory, Edge, Limits, Origin, Passes};
use velella_model::{ComponentId, RoomId};
use velella_ops::Secret;

/// The room of all tests.
pub(crate) const ROOM: &str = "room";

fn room() -> RoomId {
    RoomId::parse(ROOM).unwrap()
}

/// Longer than anything may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// The usual ones, but nobody waits long for a gateway that does not come.
pub(crate) fn limits() -> Limits {
    Limits { move_patience: Duration::from_millis(700), ..Limits::default() }
}

/// Of each room where its stream comes from, and which it is.
#[derive(Default)]
struct Book(Mutex<BTreeMap<RoomId, (Origin, ComponentId)>>);

impl Directory for Book {
    fn origin_of(&self, room: &RoomId) -> Origin {
        self.0.lock().unwrap().get(room).map_or(Origin::Nowhere, |(origin, _)| origin.clone())
    }

    fn stream_of(&self, room: &RoomId) -> Option<ComponentId> {
        self.0.lock().unwrap().get(room).map(|(_, stream)| stream.clone())
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
        Self::begin(origin, None, limits()).await
    }

    pub(crate) async fn begin(origin: Origin, tls: Option<rustls::ServerConfig>, limits: Limits) -> Self {
        let registry = Registry::new();
        let edge = Edge::bind("127.0.0.1:0".parse().unwrap(), tls, limits, &registry).await.unwrap();
        Self::run(edge, registry, origin)
    }

    /// For those with a pass.
    pub(crate) async fn guarded(origin: Origin, secret: &Secret) -> Self {
        let registry = Registry::new();
        let edge = Edge::bind("127.0.0.1:0".parse().unwrap(), None, limits(), &registry).await.unwrap();
        Self::run(edge.guarded(Passes::new(secret)), registry, origin)
    }

    fn run(edge: Edge, registry: Registry, origin: Origin) -> Self {
        let (book, shutdown) = (Arc::new(Book::default()), CancellationToken::new());
        let at = edge.local_addr().unwrap();
        let task = tokio::spawn(edge.run(Arc::<Book>::clone(&book), shutdown.clone()));
        let served = Self { at, registry, book, shutdown, task };
        served.moves_to(origin);
        served
    }

    /// From now on the room's stream comes from there.
    pub(crate) fn moves_to(&self, origin: Origin) {
        self.has(origin, "first");
    }

    /// From now on this is the room's stream, and comes from there.
    pub(crate) fn has(&self, origin: Origin, stream: &str) {
        self.book.0.lock().unwrap().insert(room(), (origin, ComponentId::parse(stream).unwrap()));
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

    /// Until it counted as many.
    pub(crate) async fn reaches(&self, metric: &str, count: u64) {
        let reached = async {
            while self.count(metric) < count {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(PATIENCE, reached).await.expect(metric);
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

//! The listener.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use prometheus::Registry;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use velella_ops::Lobby;

use crate::cache::Cache;
use crate::connection;
use crate::directory::Directory;
use crate::fetch::Fetcher;
use crate::limits::Limits;
use crate::metrics::Metrics;
use crate::pass::Passes;
use crate::service::House;

/// What we speak, as TLS names it; best first.
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// Wait after a connection could not be accepted: no more open files, usually.
const ACCEPT_RETRY: Duration = Duration::from_millis(100);

/// How often it is told how much is held.
const CACHE_LOOK: Duration = Duration::from_secs(5);

/// Time for answers that are under way at the end. Who waits for something new gets none.
const SHUTDOWN_PATIENCE: Duration = Duration::from_secs(5);

/// Serves streams: `/hls/{room}/{path}` to viewers, `/origin/{room}/{path}` to other edges.
pub struct Edge {
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    limits: Limits,
    metrics: Arc<Metrics>,
    passes: Option<Arc<Passes>>,
}

impl Edge {
    /// Binds its port. With `tls` it speaks HTTP/2 and HTTP/1.1 as clients choose (ALPN is set here); without, HTTP/1.1
    /// and HTTP/2 with prior knowledge. Other edges may come without TLS in any case.
    ///
    /// # Errors
    /// When the port or a metric's name is taken.
    pub async fn bind(
        at: SocketAddr,
        tls: Option<rustls::ServerConfig>,
        limits: Limits,
        registry: &Registry,
    ) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(at).await.with_context(|| format!("cannot serve streams on {at}"))?;
        let tls = tls.map(|mut config| {
            config.alpn_protocols = PROTOCOLS.map(Vec::from).to_vec();
            TlsAcceptor::from(Arc::new(config))
        });
        Ok(Self { listener, tls, limits, metrics: Metrics::register(registry)?, passes: None })
    }

    /// Lets nobody in without a pass: viewers show it as a folder, `/hls/{room}/{pass}/index.m3u8`, and other edges, who
    /// need the same secret, in a header.
    #[must_use]
    pub fn guarded(self, passes: Passes) -> Self {
        Self { passes: Some(Arc::new(passes)), ..self }
    }

    /// Where it listens.
    ///
    /// # Errors
    /// When the system does not tell.
    pub fn local_addr(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves until shutdown: then takes no more connections, and returns when what is under way is done.
    pub async fn run(self, directory: Arc<dyn Directory>, shutdown: CancellationToken) {
        let Self { listener, tls, limits, metrics, passes } = self;
        let house = Arc::new(House {
            cache: Cache::new(limits.cache_bytes, metrics.objects_evicted.clone()),
            fetcher: Fetcher::new(directory, passes.clone(), limits.move_patience, Arc::clone(&metrics)),
            waiting: Semaphore::new(limits.waiting),
            limits,
            metrics: Arc::clone(&metrics),
            passes,
        });
        let lobby = Lobby::new(limits.connections, metrics.connections_evicted.clone());
        let mut connections = JoinSet::new();
        let mut looks = tokio::time::interval(CACHE_LOOK);
        loop {
            tokio::select! {
                () = shutdown.cancelled() => break,
                Some(_) = connections.join_next() => {}
                _ = looks.tick() => metrics.cache_bytes.set(i64::try_from(house.cache.bytes().await).unwrap_or(i64::MAX)),
                accepted = listener.accept() => match accepted {
                    Ok((socket, _)) => {
                        let house = Arc::clone(&house);
                        let served = connection::serve(socket, tls.clone(), house, lobby.enter(), shutdown.clone());
                        connections.spawn(served);
                    }
                    Err(error) => {
                        tracing::warn!(%error, "a viewer's connection cannot be accepted");
                        tokio::time::sleep(ACCEPT_RETRY).await;
                    }
                }
            }
        }
        drop(listener);
        let done = async { while connections.join_next().await.is_some() {} };
        if tokio::time::timeout(SHUTDOWN_PATIENCE, done).await.is_err() {
            tracing::info!(connections = connections.len(), "viewers whose answers did not end in time are cut");
        }
    }
}

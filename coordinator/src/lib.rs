//! The front door: REST, peer sockets, the page; places rooms on workers.
//!
//! A shell around `velella_coordinator_core`: `driver` owns the core, `http` and `socket`
//! bring it questions, `effects` and `watch` join it to the store and the bus.

mod accept;
mod config;
mod driver;
mod effects;
mod http;
mod ledger;
mod lobby;
mod metrics;
mod rate;
mod socket;
mod tokens;
mod watch;

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context, bail};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use velella_model::CoordinatorId;
use velella_ops::{Deps, Latch, Secret};

pub use config::{Config, TOKEN_SECRET_BYTES_MIN};

use crate::driver::Driver;
use crate::effects::Effects;
use crate::http::Api;
use crate::lobby::Lobby;
use crate::metrics::Metrics;
use crate::socket::Sockets;
use crate::tokens::Tokens;

/// Sockets that may wait without a token; the oldest is closed for a newcomer.
const UNAUTHENTICATED_SOCKETS_MAX: usize = 1024;

/// A coordinator that is ready to run.
pub struct Service {
    listener: TcpListener,
    driver: Driver,
    api: Api,
    listed: Latch,
    shutdown: CancellationToken,
}

/// Binds, subscribes and registers; nothing is served yet.
pub async fn build(config: Config, deps: Deps) -> anyhow::Result<Service> {
    let Some(management_token) = config.management_token else {
        bail!("set VELELLA_MANAGEMENT_TOKEN: without it nobody could use the management API");
    };
    let secret = token_secret(config.token_secret)?;
    let listed = deps.readiness.latch("store");
    let metrics = Arc::new(Metrics::new(&deps.registry).context("metrics cannot be registered")?);
    let id = config.coordinator_id.unwrap_or_else(random_id);
    let effects = Effects { bus: deps.bus, store: deps.store, metrics: Arc::clone(&metrics) };
    let (driver, mailbox) = Driver::start(id, config.prefer_region, effects).await.context("the bus is not there")?;
    let listener = TcpListener::bind(config.listen)
        .await
        .with_context(|| format!("cannot listen on {} (VELELLA_LISTEN)", config.listen))?;
    let evictions = metrics.lobby_evictions.with_label_values(&["socket"]);
    let sockets = Sockets {
        mailbox,
        tokens: Arc::new(Tokens::new(&secret, config.token_ttl)),
        lobby: Lobby::new(UNAUTHENTICATED_SOCKETS_MAX, evictions),
        metrics,
        shutdown: deps.shutdown.clone(),
    };
    let api = Api::new(sockets, management_token, config.public_url, config.demo);
    Ok(Service { listener, driver, api, listed, shutdown: deps.shutdown })
}

impl Service {
    /// Where HTTP is served; tells the port when the config said 0.
    pub fn local_addr(&self) -> anyhow::Result<SocketAddr> {
        self.listener.local_addr().context("a bound socket has an address")
    }

    /// Serves until shutdown.
    pub async fn run(self) -> anyhow::Result<()> {
        let Self { listener, driver, api, listed, shutdown } = self;
        let metrics = api.metrics();
        let serving = accept::serve(listener, http::router(api), metrics, shutdown.clone());
        // Whichever ends first takes the other with it: a front door without its core is no use.
        let driving = async {
            let ended = driver.run(shutdown.clone(), listed).await;
            shutdown.cancel();
            ended
        };
        let (driven, ()) = tokio::join!(driving, serving);
        driven
    }
}

fn token_secret(secret: Option<Secret>) -> anyhow::Result<Secret> {
    let Some(secret) = secret else {
        bail!("set VELELLA_TOKEN_SECRET: it signs peer tokens, and all coordinators must share it");
    };
    if secret.expose().len() < TOKEN_SECRET_BYTES_MIN {
        bail!("VELELLA_TOKEN_SECRET needs at least {TOKEN_SECRET_BYTES_MIN} bytes");
    }
    Ok(secret)
}

fn random_id() -> CoordinatorId {
    let id = format!("coordinator-{}", Uuid::new_v4());
    CoordinatorId::parse(&id).expect("letters, hyphens and a uuid are an id")
}

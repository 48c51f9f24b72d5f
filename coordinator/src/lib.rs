//! The front door: REST, peer sockets, the page; places rooms on workers.
//!
//! A shell around `velella_coordinator_core`: `driver` owns the core, `http` and `socket`
//! bring it questions, `effects` and `watch` join it to the store and the bus.

mod accept;
mod config;
mod driver;
mod effects;
mod http;
mod ice_servers;
mod leadership;
mod ledger;
mod metrics;
mod notices;
mod rate;
mod resources;
mod sdp;
mod socket;
mod sounds;
mod streams;
mod tokens;
mod watch;

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context, bail};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use velella_bus::Subscription;
use velella_model::record::CoordinatorRecord;
use velella_model::wire::encode;
use velella_model::{CoordinatorId, key, subject};
use velella_ops::config::Mistake;
use velella_ops::{Deps, Latch, Lobby, Seal, process};
use velella_store::{Keeper, Store};

pub use config::{Config, TOKEN_SECRET_BYTES_MIN};

use crate::driver::Driver;
use crate::effects::Effects;
use crate::http::Api;
use crate::ice_servers::IceServers;
use crate::leadership::Leadership;
use crate::ledger::Ledger;
use crate::metrics::Metrics;
use crate::notices::Notices;
use crate::notices::log::Log;
use crate::notices::post::Post;
use crate::notices::report::Reports;
use crate::resources::{ADOPTIONS_MAX, Adoption, Resources};
use crate::socket::Sockets;
use crate::sounds::Sounds;
use crate::tokens::Tokens;

/// Sockets that may wait without a token; the oldest is closed for a newcomer.
const UNAUTHENTICATED_SOCKETS_MAX: usize = 1024;

/// A coordinator that is ready to run.
pub struct Service {
    id: CoordinatorId,
    store: Arc<dyn Store>,
    listener: TcpListener,
    driver: Driver,
    post: Post,
    log: Log,
    api: Api,
    allowed_origins: Vec<String>,
    listed: Latch,
    founded: Latch,
    heard: Subscription,
    errands: Subscription,
    adoptions: mpsc::Receiver<Adoption>,
    shutdown: CancellationToken,
}

/// Binds, subscribes and registers; nothing is served yet.
pub async fn build(config: Config, deps: Deps) -> anyhow::Result<Service> {
    let Some(management_token) = config.management_token else {
        bail!(Mistake::new("set VELELLA_MANAGEMENT_TOKEN: without it nobody could use the management API"));
    };
    let Some(secret) = config.token_secret else {
        bail!(Mistake::new("set VELELLA_TOKEN_SECRET: it signs peer tokens, and all coordinators must share it"));
    };
    let ice_servers =
        IceServers::new(config.ice_servers, config.turn_username, config.turn_credential, config.turn_secret)?;
    let (listed, founded) = (deps.readiness.latch("store"), deps.readiness.latch("webhooks"));
    let metrics = Arc::new(Metrics::new(&deps.registry).context("metrics cannot be registered")?);
    let id = config.coordinator_id.unwrap_or_else(random_id);
    let heard =
        deps.bus.subscribe(&subject::holder_agents(&id.clone().into())).await.context("the bus is not there")?;
    let errands = deps.bus.subscribe(&subject::coordinator_resources(&id)).await.context("the bus is not there")?;
    let effects = Effects { bus: Arc::clone(&deps.bus), store: Arc::clone(&deps.store), metrics: Arc::clone(&metrics) };
    let (log, reports) = (Log::new(), Reports::default());
    let secret_of_hooks = config.webhook_secret.as_ref();
    let voices = deps.bus.subscribe(subject::VOICES).await.context("the bus is not there")?;
    let post = Post::new(id.clone(), effects.clone(), voices, config.webhook_url, secret_of_hooks);
    let notices = Notices { log: log.clone(), metrics: Arc::clone(&metrics) };
    let (adopted, adoptions) = mpsc::channel(ADOPTIONS_MAX);
    let outlets = (notices, reports.clone());
    let (driver, mailbox) = Driver::start(id.clone(), config.prefer_region, effects, adopted, outlets)
        .await
        .context("the bus is not there")?;
    let listener = process::bind(config.listen, "VELELLA_LISTEN").await?;
    let evictions = metrics.lobby_evictions.with_label_values(&["socket"]);
    let sockets = Sockets {
        mailbox,
        tokens: Arc::new(Tokens::new(&secret, config.token_ttl)),
        lobby: Lobby::new(UNAUTHENTICATED_SOCKETS_MAX, evictions),
        bus: deps.bus,
        sounds: Sounds::default(),
        metrics,
        management_token: Arc::new(management_token.clone()),
        log: log.clone(),
        reports,
        ice_servers: Arc::new(ice_servers),
        shutdown: deps.shutdown.clone(),
    };
    let ledger = Ledger::new(Arc::clone(&deps.store), &secret);
    let seal = Seal::new(config.source_secret.as_ref().unwrap_or(&secret));
    let (doors, kept) = ((sockets, Resources::new(id.clone())), (ledger, seal));
    let api = Api::new(doors, management_token, kept, config.public_url, config.demo);
    let allowed_origins = config.allowed_origins;
    let (store, shutdown) = (deps.store, deps.shutdown);
    Ok(Service {
        id,
        store,
        listener,
        driver,
        post,
        log,
        api,
        allowed_origins,
        listed,
        founded,
        heard,
        errands,
        adoptions,
        shutdown,
    })
}

impl Service {
    /// Where HTTP is served; tells the port when the config said 0.
    pub fn local_addr(&self) -> anyhow::Result<SocketAddr> {
        self.listener.local_addr().context("a bound socket has an address")
    }

    /// Serves until shutdown.
    pub async fn run(self) -> anyhow::Result<()> {
        let Self { id, store, listener, driver, post, log, api, .. } = self;
        let Self { allowed_origins, listed, founded, heard, errands, adoptions, shutdown, .. } = self;
        let presence = Keeper::start(store.clone(), key::coordinator(&id), encode(&CoordinatorRecord {}).into());
        let leadership = Leadership::seek(store.clone(), &id, api.bus().connected());
        let metrics = api.metrics();
        let sounds = api.sounds().run(heard, Arc::clone(&metrics));
        let errands = Box::pin(api.resources().run(errands, adoptions, api.sockets()));
        let serving = accept::serve(listener, http::router(api, &allowed_origins), metrics, shutdown.clone());
        // The core works until the last request is answered and the last socket closed; and a front
        // door without its core is no use.
        let served = CancellationToken::new();
        let driving = async {
            let ended = tokio::select! {
                ended = Box::pin(driver.run(served.clone(), listed, leadership.standing())) => ended,
                () = sounds => Err(anyhow::anyhow!("the bus closed the subscription to sound")),
                never = streams::sweep(store, leadership.standing()) => match never {},
                () = errands => Err(anyhow::anyhow!("the bus closed the subscription to errands")),
            };
            shutdown.cancel();
            ended
        };
        let telling = log.pulse(served.clone());
        let posting = post.run(founded, leadership.standing(), served.clone());
        let serving = async {
            serving.await;
            served.cancel();
        };
        let (driven, (), (), ()) = tokio::join!(driving, serving, telling, posting);
        leadership.resign().await;
        presence.resign().await;
        driven
    }
}

fn random_id() -> CoordinatorId {
    let id = format!("coordinator-{}", Uuid::new_v4());
    CoordinatorId::parse(&id).expect("letters, hyphens and a uuid are an id")
}

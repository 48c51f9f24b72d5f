//! Puts a gateway together and runs it.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::Context;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;
use velella_bus::Subscription;
use velella_model::component::{GatewayRecord, JobKind};
use velella_model::wire::announce::{GatewayState, Transcoder};
use velella_model::wire::encode;
use velella_model::{Incarnation, key, subject};
use velella_ops::{Deps, Latch};
use velella_store::Keeper;

use crate::allowance::Allowance;
use crate::announce::{self, Identity, Standing};
use crate::config::Config;
use crate::driver::{Driver, Ears, Wiring};
use crate::life;
use crate::listen::{ASKS_MAX, Door, Listeners};
use crate::metrics::Metrics;
use crate::origins::Origins;
use crate::source::Means;
use crate::viewers::Viewers;

/// Expected cost of a file that is played, in permille of a core.
const FILE_PERMILLE: u32 = 20;

/// Expected cost of an encoder of 4 Mbit/s with its sound, in permille of a core.
const ENCODER_PERMILLE: u32 = 60;

/// Expected cost of a camera of 4 Mbit/s, in permille of a core.
const CAMERA_PERMILLE: u32 = 30;

/// Expected cost of broadcasting a room in three sizes, 3.4 Mbit/s together, in permille of a core. A guess: it is a
/// camera's work, and writing the parts.
const BROADCAST_PERMILLE: u32 = 40;

/// Expected cost of transcoding 1080p at 25 pictures a second beside that, in permille of a core: 650 from H.264 and 800
/// from H.265 were measured.
const TRANSCODING_PERMILLE: u32 = 800;

/// A gateway whose ears are open.
pub struct Service {
    identity: Identity,
    means: Means,
    metrics: Arc<Metrics>,
    listeners: Listeners,
    viewers: Option<Viewers>,
    signals: Subscription,
    questions: Subscription,
    claimed: Latch,
    drain_deadline: Duration,
    standing: watch::Sender<Standing>,
    deps: Deps,
}

/// Subscribes; nobody knows of the gateway before [`Service::run`] announces it.
pub async fn build(config: Config, deps: Deps) -> anyhow::Result<Service> {
    let latch = deps.readiness.latch("gateway bus");
    let claimed = deps.readiness.latch("gateway lease");
    let gateway = config.gateway_id.clone();
    let probe = config.probe(deps.admin);
    let capacity_permille = config.capacity_permille();
    let listeners = Listeners::open(&config, &deps.registry).await?;
    let viewers = Viewers::open(&config, &deps).await?;
    let signals = deps.bus.subscribe(&subject::holder_signals(&gateway.clone().into())).await?;
    let questions = deps.bus.subscribe(&subject::gateway_life(&gateway)).await?;
    let means = config.means().await?;
    let files = config.files.iter().map(|_| (JobKind::File, FILE_PERMILLE));
    let cameras = means.seal.iter().map(|_| (JobKind::Rtsp, CAMERA_PERMILLE));
    let encoders = listeners.urls.keys().chain(listeners.encrypted_urls.keys());
    let encoders = encoders.map(|kind| (*kind, ENCODER_PERMILLE));
    let broadcasts = viewers.iter().map(|_| (JobKind::Hls, BROADCAST_PERMILLE));
    let offers = files.chain(cameras).chain(encoders).chain(broadcasts).collect();
    let transcoder = means.engine.as_ref().map(|engine| {
        tracing::info!(version = engine.version, "streams that need it can be transcoded");
        Transcoder { version: engine.version.clone(), cost_permille: TRANSCODING_PERMILLE }
    });
    let identity = Identity {
        gateway,
        incarnation: Incarnation(boot_number()?),
        region: config.gateway_region,
        probe,
        offers,
        listens: listeners.urls.clone(),
        transcoder,
        listens_encrypted: listeners.encrypted_urls.clone(),
        serves: viewers.as_ref().map(|viewers| viewers.serves.clone()),
        capacity_permille,
    };
    let (standing, watched) = watch::channel(Standing { state: None, jobs: 0 });
    let metrics = Arc::new(Metrics::register(&deps.registry, watched, means.workload.clone())?);
    drop(latch);
    let drain_deadline = config.gateway_drain_deadline;
    Ok(Service {
        identity,
        means,
        metrics,
        listeners,
        viewers,
        signals,
        questions,
        claimed,
        drain_deadline,
        standing,
        deps,
    })
}

impl Service {
    /// Serves until its jobs are with others after a shutdown, or the deadline for that passes.
    pub async fn run(self) -> anyhow::Result<()> {
        let Self { identity, means, metrics, listeners, viewers, signals, questions, .. } = self;
        let Self { claimed, drain_deadline, standing, deps, .. } = self;
        let span = tracing::error_span!("gateway", gateway = %identity.gateway);
        let record = encode(&GatewayRecord { incarnation: identity.incarnation });
        let keeper = Keeper::start(deps.store.clone(), key::gateway(&identity.gateway), record.into());
        let (drain, draining) = watch::channel(false);
        let (watched, workload) = (standing.subscribe(), means.workload.clone());
        let (load, load_permille) = watch::channel(0);
        let (offers, capacity_permille) = (identity.offers.clone(), identity.capacity_permille);
        let origins = Arc::new(Origins::default());
        let wiring = Wiring {
            gateway: identity.gateway.clone(),
            incarnation: identity.incarnation,
            bus: deps.bus.clone(),
            store: deps.store.clone(),
            means,
            metrics,
            allowance: Allowance { offers, capacity_permille, load_permille },
            origins: origins.clone(),
            lease: keeper.lease(),
            standing,
        };
        // It outlives its work: whoever announces it listens to it.
        let mut driver = Driver::new(wiring);
        let (asks_in, asks) = mpsc::channel(ASKS_MAX);
        let door = Door::new(asks_in);
        let (closing, is_watched) = (CancellationToken::new(), viewers.is_some());
        let working = async {
            driver.run(Ears { signals, asks }, keeper.standing(), draining).await?;
            door.is_empty().await;
            tracing::info!("all jobs were given away");
            closing.cancel();
            if is_watched {
                // The edge ends it all, once what it has under way is done.
                std::future::pending().await
            }
            Ok(())
        };
        let streaming = async {
            match viewers {
                // It is large.
                Some(viewers) => Box::pin(viewers.run(origins, closing.clone())).await,
                None => std::future::pending().await,
            }
        };
        let serving = async {
            tokio::select! {
                () = shut_down(&deps.shutdown, drain, watched.clone(), drain_deadline) => Ok(()),
                result = working => result,
                result = listeners.run(door.clone()) => result,
                result = streaming => result,
                result = announce::run(deps.bus.clone(), identity, watched.clone(), load, &workload) => result,
                () = life::run(deps.bus.clone(), questions) => Ok(()),
                () = ready(watched.clone(), claimed) => Ok(()),
            }
        };
        let ended = serving.instrument(span).await;
        keeper.resign().await;
        ended
    }
}

/// Ready once others count it as alive; never ends.
async fn ready(mut standing: watch::Receiver<Standing>, claimed: Latch) {
    // An error means that the driver is gone, and with it the gateway.
    let _ = standing.wait_for(|standing| standing.state == Some(GatewayState::Ready)).await;
    drop(claimed);
    std::future::pending().await
}

/// Begins the drain when a shutdown is asked for, and ends when that has taken too long.
async fn shut_down(
    shutdown: &CancellationToken,
    drain: watch::Sender<bool>,
    standing: watch::Receiver<Standing>,
    deadline: Duration,
) {
    shutdown.cancelled().await;
    tracing::info!(jobs = standing.borrow().jobs, ?deadline, "giving the jobs away before the end");
    drain.send_replace(true);
    tokio::time::sleep(deadline).await;
    tracing::info!(jobs = standing.borrow().jobs, "the deadline for giving them away has passed");
}

/// Differs from boot to boot of one gateway; nothing compares it but for equality and age.
fn boot_number() -> anyhow::Result<u64> {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).context("the clock stands before 1970")?;
    Ok(u64::try_from(since.as_nanos())?)
}

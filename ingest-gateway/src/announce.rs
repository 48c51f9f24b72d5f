//! Tells the cluster what this gateway does and how loaded it is.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};
use tokio::sync::watch;
use velella_bus::Bus;
use velella_model::component::JobKind;
use velella_model::wire::announce::{ANNOUNCE_INTERVAL_MS, GatewayAnnounce, GatewayState, Serves, Transcoder};
use velella_model::wire::encode;
use velella_model::{GatewayId, Incarnation, subject};

use crate::transcoder::Workload;

/// What does not change during a boot.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    pub(crate) gateway: GatewayId,
    pub(crate) incarnation: Incarnation,
    pub(crate) region: String,
    pub(crate) probe: Option<SocketAddr>,
    pub(crate) offers: BTreeMap<JobKind, u32>,
    pub(crate) listens: BTreeMap<JobKind, String>,
    pub(crate) transcoder: Option<Transcoder>,
    pub(crate) listens_encrypted: BTreeMap<JobKind, String>,
    pub(crate) serves: Option<Serves>,
    pub(crate) capacity_permille: u32,
}

/// What the driver knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Standing {
    /// `None` until the key is claimed for the first time.
    pub(crate) state: Option<GatewayState>,
    pub(crate) jobs: u32,
}

/// Announces until the driver is gone.
pub(crate) async fn run(
    bus: Arc<dyn Bus>,
    identity: Identity,
    mut standing: watch::Receiver<Standing>,
    load: watch::Sender<u32>,
    workload: &Workload,
) -> anyhow::Result<()> {
    let mut interval = tokio::time::interval(Duration::from_millis(ANNOUNCE_INTERVAL_MS));
    let (mut seq, mut meter, mut announced) = (0, Meter::new(), None);
    loop {
        tokio::select! {
            _ = interval.tick() => {}
            changed = standing.changed() => {
                changed?;
                // Counts go out with the beat, a new state at once.
                if announced == standing.borrow().state {
                    continue;
                }
            }
        }
        let Standing { state, jobs } = *standing.borrow_and_update();
        let Some(state) = state else { continue };
        announced = Some(state);
        let load_permille = meter.permille(Instant::now(), workload.spent());
        load.send_replace(load_permille);
        let Identity { gateway, incarnation, region, probe, offers, capacity_permille, .. } = identity.clone();
        let Identity { listens, listens_encrypted, transcoder, serves, .. } = identity.clone();
        let version = env!("CARGO_PKG_VERSION").into();
        let announce = GatewayAnnounce {
            gateway,
            incarnation,
            seq,
            state,
            region,
            version,
            probe,
            offers,
            listens,
            transcoder,
            listens_encrypted,
            serves,
            capacity_permille,
            load_permille,
            jobs,
        };
        seq += 1;
        if let Err(error) = bus.publish(subject::GATEWAY_ANNOUNCEMENTS, encode(&announce).into()).await {
            tracing::warn!(%error, "not announced");
        }
    }
}

/// What the process costs, and its transcoders. In one process with others it counts their work too, which errs to the
/// safe side.
struct Meter {
    last: Option<(Instant, Duration)>,
}

impl Meter {
    fn new() -> Self {
        Self { last: None }
    }

    fn permille(&mut self, now: Instant, transcoders: Duration) -> u32 {
        let spent = clock_gettime(ClockId::ProcessCPUTime);
        let spent = Duration::new(spent.tv_sec.unsigned_abs(), u32::try_from(spent.tv_nsec).unwrap_or(0));
        let spent = spent + transcoders;
        let before = self.last.replace((now, spent));
        let Some((at, spent_before)) = before else { return 0 };
        let (elapsed, cost) = (now.saturating_duration_since(at), spent.saturating_sub(spent_before));
        let permille = cost.as_micros().saturating_mul(1_000) / elapsed.as_micros().max(1);
        u32::try_from(permille).unwrap_or(u32::MAX)
    }
}

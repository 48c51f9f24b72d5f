//! The only file that knows Prometheus here.

use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{IntCounter, IntGauge, Registry};
use tokio::sync::watch;
use velella_gateway_core::Counts;

use crate::announce::Standing;

/// What all ingests of this gateway count together.
pub(crate) struct Metrics {
    pictures: IntCounter,
    sounds: IntCounter,
    bytes: IntCounter,
    dropped: IntCounter,
    reopened: IntCounter,
    /// Publishers that were sent away.
    pub(crate) publishers_refused: IntCounter,
    /// Publishers that a drain has sent to other gateways.
    pub(crate) publishers_sent_on: IntCounter,
    /// Ingests that ended in a bug.
    pub(crate) crashed: IntCounter,
}

/// Reads what the driver says of itself whenever it is asked.
struct Jobs {
    standing: watch::Receiver<Standing>,
    jobs: IntGauge,
}

impl Metrics {
    /// Registers what a gateway counts.
    pub(crate) fn register(registry: &Registry, standing: watch::Receiver<Standing>) -> prometheus::Result<Self> {
        let jobs = IntGauge::new("velella_gateway_jobs", "Ingests that this gateway runs")?;
        registry.register(Box::new(Jobs { standing, jobs }))?;
        let count = |name: &str, help: &str| {
            let counter = IntCounter::new(format!("velella_gateway_{name}_total"), help)?;
            registry.register(Box::new(counter.clone()))?;
            Ok::<_, prometheus::Error>(counter)
        };
        Ok(Self {
            pictures: count("pictures", "Pictures that sources gave")?,
            sounds: count("sounds", "Packets of sound that sources gave")?,
            bytes: count("bytes", "Bytes of pictures and sound that sources gave")?,
            dropped: count("dropped", "Pictures and packets of sound that found no way into their room")?,
            reopened: count("reopened", "Attempts to open a source again")?,
            publishers_refused: count("publishers_refused", "Publishers that were sent away")?,
            publishers_sent_on: count("publishers_sent_on", "Publishers that a drain has sent to other gateways")?,
            crashed: count("ingests_crashed", "Ingests that ended in a bug of the gateway, and began again")?,
        })
    }

    /// What one ingest counted since the last time.
    pub(crate) fn add(&self, before: Counts, now: Counts) {
        self.pictures.inc_by(now.pictures - before.pictures);
        self.sounds.inc_by(now.sounds - before.sounds);
        self.bytes.inc_by(now.bytes - before.bytes);
        self.dropped.inc_by(now.dropped - before.dropped);
        self.reopened.inc_by(now.reopened - before.reopened);
    }
}

/// Counts datagrams that a publisher's task was too far behind to take.
pub(crate) struct Dropped(IntCounter);

impl Dropped {
    /// Registers it.
    pub(crate) fn register(registry: &Registry) -> prometheus::Result<Self> {
        let help = "Datagrams of SRT encoders that were dropped because their task was behind; SRT asks for them again";
        let counter = IntCounter::new("velella_gateway_srt_dropped_total", help)?;
        registry.register(Box::new(counter.clone()))?;
        Ok(Self(counter))
    }

    /// One more; how many there are now.
    pub(crate) fn count(&self) -> u64 {
        self.0.inc();
        self.0.get()
    }
}

impl Collector for Jobs {
    fn desc(&self) -> Vec<&Desc> {
        self.jobs.desc()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        self.jobs.set(self.standing.borrow().jobs.into());
        self.jobs.collect()
    }
}

//! The only module that knows Prometheus here.

mod streams;

use std::sync::Arc;

use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{IntCounter, IntCounterVec, IntGauge, Opts, Registry};
use tokio::sync::watch;
use velella_gateway_core::Counts;

pub(crate) use self::streams::{Share, Streams};
use crate::announce::Standing;
use crate::transcoder::Workload;

/// What all ingests of this gateway count together.
pub(crate) struct Metrics {
    pictures: IntCounter,
    sounds: IntCounter,
    bytes: IntCounter,
    dropped: IntCounter,
    reopened: IntCounter,
    lost: IntCounter,
    transcoders_failed: IntCounter,
    /// Publishers that were sent away, by the code of the reason.
    pub(crate) publishers_refused: IntCounterVec,
    /// Publishers that a drain has sent to other gateways.
    pub(crate) publishers_sent_on: IntCounter,
    /// Ingests that ended in a bug.
    pub(crate) crashed: IntCounter,
    /// Of broadcasts.
    pub(crate) streams: Streams,
}

/// Reads what runs whenever it is asked.
struct Running {
    standing: watch::Receiver<Standing>,
    workload: Arc<Workload>,
    jobs: IntGauge,
    transcoders: IntGauge,
}

impl Metrics {
    /// Registers what a gateway counts.
    pub(crate) fn register(
        registry: &Registry,
        standing: watch::Receiver<Standing>,
        workload: Arc<Workload>,
    ) -> prometheus::Result<Self> {
        let jobs = IntGauge::new("velella_gateway_jobs", "Ingests that this gateway runs")?;
        let transcoders = IntGauge::new("velella_gateway_transcoders", "Transcoders that this gateway runs")?;
        registry.register(Box::new(Running { standing, workload, jobs, transcoders }))?;
        let refused = Opts::new("velella_gateway_publishers_refused_total", "Publishers that were sent away");
        let publishers_refused = IntCounterVec::new(refused, &["reason"])?;
        registry.register(Box::new(publishers_refused.clone()))?;
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
            lost: count("packets_lost", "Packets that were lost on the way from sources")?,
            transcoders_failed: count("transcoders_failed", "Transcoders that failed, and were started again")?,
            publishers_refused,
            publishers_sent_on: count("publishers_sent_on", "Publishers that a drain has sent to other gateways")?,
            crashed: count("ingests_crashed", "Ingests that ended in a bug of the gateway, and began again")?,
            streams: Streams::register(registry)?,
        })
    }

    /// What one ingest counted since the last time.
    pub(crate) fn add(&self, before: Counts, now: Counts) {
        self.pictures.inc_by(now.pictures - before.pictures);
        self.sounds.inc_by(now.sounds - before.sounds);
        self.bytes.inc_by(now.bytes - before.bytes);
        self.dropped.inc_by(now.dropped - before.dropped);
        self.reopened.inc_by(now.reopened - before.reopened);
        self.lost.inc_by(now.lost - before.lost);
        self.transcoders_failed.inc_by(now.transcoders_failed - before.transcoders_failed);
    }
}

/// Counts connections of RTMP that published nothing and were closed for newer ones.
pub(crate) fn rtmp_evictions(registry: &Registry) -> prometheus::Result<IntCounter> {
    let help = "Connections over RTMP that had published nothing yet and were closed for newer ones";
    let counter = IntCounter::new("velella_gateway_rtmp_evictions_total", help)?;
    registry.register(Box::new(counter.clone()))?;
    Ok(counter)
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

impl Collector for Running {
    fn desc(&self) -> Vec<&Desc> {
        [self.jobs.desc(), self.transcoders.desc()].concat()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        self.jobs.set(self.standing.borrow().jobs.into());
        self.transcoders.set(i64::try_from(self.workload.running()).unwrap_or(i64::MAX));
        [self.jobs.collect(), self.transcoders.collect()].concat()
    }
}

//! The only file that knows Prometheus here.

use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{IntGauge, Registry};
use tokio::sync::watch;

use crate::announce::Standing;

/// Reads what the driver says of itself whenever it is asked.
struct Jobs {
    standing: watch::Receiver<Standing>,
    jobs: IntGauge,
}

/// Registers what a gateway counts.
pub(crate) fn register(registry: &Registry, standing: watch::Receiver<Standing>) -> prometheus::Result<()> {
    let jobs = IntGauge::new("velella_gateway_jobs", "Ingests that this gateway runs")?;
    registry.register(Box::new(Jobs { standing, jobs }))
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

//! Totals that somebody else keeps, as metrics.

use std::fmt;

use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{IntCounter, Registry};

/// A counter that is brought up to date whenever somebody scrapes.
struct Counted<F> {
    counter: IntCounter,
    total: F,
}

/// Registers a counter that follows `total`, which only grows.
pub(crate) fn count(
    registry: &Registry,
    name: &str,
    help: &str,
    total: impl Fn() -> u64 + Send + Sync + 'static,
) -> prometheus::Result<()> {
    registry.register(Box::new(Counted { counter: IntCounter::new(name, help)?, total }))
}

impl<F: Fn() -> u64 + Send + Sync> Collector for Counted<F> {
    fn desc(&self) -> Vec<&Desc> {
        self.counter.desc()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        self.counter.inc_by((self.total)().saturating_sub(self.counter.get()));
        self.counter.collect()
    }
}

impl<F> fmt::Debug for Counted<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Counted").field("counter", &self.counter).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    #[test]
    fn a_scrape_shows_the_total_of_the_moment() {
        let (registry, total) = (Registry::new(), Arc::new(AtomicU64::new(3)));
        let counted = Arc::clone(&total);
        count(&registry, "velella_test_total", "Counts.", move || counted.load(Ordering::Relaxed)).unwrap();
        let shown = || registry.gather()[0].get_metric()[0].get_counter().get_value();
        assert_eq!(shown(), 3.0);
        total.store(5, Ordering::Relaxed);
        assert_eq!([shown(), shown()], [5.0, 5.0]);
    }
}

//! What gateways say comes through of components, and what went wrong with each last.
//!
//! The store does not know it: every coordinator hears it from the gateways, again and again.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use velella_model::component::Job;
use velella_model::wire::ingest::{Flow, IngestReading, IngestReport, PastTrouble};

use crate::components::Key;

/// A flow that was not told again for so long is not known any more: five reports.
pub(crate) const FLOW_FORGET_AFTER: Duration = Duration::from_secs(10);

/// What was heard last of each component.
#[derive(Debug, Default)]
pub(crate) struct Readings {
    flows: BTreeMap<Key, Heard>,
    troubles: BTreeMap<Key, PastTrouble>,
}

#[derive(Debug)]
struct Heard {
    by: Job,
    flow: Flow,
    at: Instant,
}

impl Readings {
    /// Takes what a gateway says of components that are known here: so there are no more of them.
    pub(crate) fn hear(&mut self, report: IngestReport, is_known: impl Fn(&Key) -> bool, now: Instant) {
        let by = Job { gateway: report.gateway, incarnation: report.incarnation };
        for IngestReading { room, component, flow, last_trouble } in report.ingests {
            let key = (room, component);
            if !is_known(&key) {
                continue;
            }
            // Publishers may have been sent away by several gateways.
            let at_ms = self.troubles.get(&key).map_or(0, |known| known.at_ms);
            if let Some(past) = last_trouble.filter(|past| past.at_ms >= at_ms) {
                self.troubles.insert(key.clone(), past);
            }
            if let Some(flow) = flow {
                self.flows.insert(key, Heard { by: by.clone(), flow, at: now });
            }
        }
    }

    /// What comes through by way of this boot of a gateway.
    pub(crate) fn flow(&self, key: &Key, by: &Job) -> Option<Flow> {
        self.flows.get(key).filter(|heard| heard.by == *by).map(|heard| heard.flow)
    }

    pub(crate) fn last_trouble(&self, key: &Key) -> Option<&PastTrouble> {
        self.troubles.get(key)
    }

    /// The component is gone.
    pub(crate) fn forget(&mut self, key: &Key) {
        self.flows.remove(key);
        self.troubles.remove(key);
    }

    pub(crate) fn forget_silent(&mut self, now: Instant) {
        self.flows.retain(|_, heard| now.saturating_duration_since(heard.at) < FLOW_FORGET_AFTER);
    }
}

#[cfg(test)]
mod tests {
    use velella_model::component::Trouble;

    use super::*;
    use crate::testing::{component, gateway, job, room, start};

    #[test]
    fn the_flow_counts_that_the_present_gateway_told_a_moment_ago() {
        let (mut readings, t0) = (Readings::default(), start());
        readings.hear(report("g1", Some(flow(7)), None), |_| true, t0);
        assert_eq!(readings.flow(&key(), &job("g1", 1)), Some(flow(7)));
        assert_eq!(readings.flow(&key(), &job("g2", 1)), None);
        readings.hear(report("g1", Some(flow(8)), None), |_| true, t0);
        assert_eq!(readings.flow(&key(), &job("g1", 1)), Some(flow(8)));
        readings.forget_silent(t0 + FLOW_FORGET_AFTER);
        assert_eq!(readings.flow(&key(), &job("g1", 1)), None);
    }

    #[test]
    fn the_latest_trouble_counts_whoever_told_it() {
        let (mut readings, t0) = (Readings::default(), start());
        readings.hear(report("g1", None, Some(past("in_use", 20))), |_| true, t0);
        readings.hear(report("g2", None, Some(past("b_frames", 10))), |_| true, t0);
        assert_eq!(readings.last_trouble(&key()), Some(&past("in_use", 20)));
        readings.hear(report("g2", None, Some(past("b_frames", 30))), |_| true, t0);
        readings.forget_silent(t0 + FLOW_FORGET_AFTER);
        assert_eq!(readings.last_trouble(&key()), Some(&past("b_frames", 30)));
        readings.forget(&key());
        assert_eq!(readings.last_trouble(&key()), None);
    }

    #[test]
    fn nothing_is_kept_of_a_component_that_is_not_known() {
        let (mut readings, t0) = (Readings::default(), start());
        readings.hear(report("g1", Some(flow(7)), Some(past("full", 1))), |_| false, t0);
        assert_eq!((readings.flow(&key(), &job("g1", 1)), readings.last_trouble(&key())), (None, None));
    }

    fn key() -> Key {
        (room("r"), component("c"))
    }

    fn report(by: &str, flow: Option<Flow>, last_trouble: Option<PastTrouble>) -> IngestReport {
        let reading = IngestReading { room: room("r"), component: component("c"), flow, last_trouble };
        IngestReport { gateway: gateway(by), incarnation: job(by, 1).incarnation, ingests: vec![reading] }
    }

    fn flow(bitrate_bps: u64) -> Flow {
        Flow { bitrate_bps, pictures_per_1000_s: 25_000, key_frame_interval_ms: None, packets_lost: 0 }
    }

    fn past(code: &str, at_ms: u64) -> PastTrouble {
        PastTrouble { trouble: Trouble { code: code.into(), sentence: "It did.".into() }, at_ms }
    }
}

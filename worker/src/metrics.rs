//! The only file of the worker that knows Prometheus: copies the shards' reports into it.

use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{CounterVec, GaugeVec, Opts, Registry};
use tokio::sync::watch;

use crate::shard_thread::Report;

/// One metric: name, help, value of a shard, and whether it only grows.
struct Metric {
    name: &'static str,
    help: &'static str,
    grows: bool,
    value: fn(&Report) -> f64,
}

#[expect(clippy::cast_precision_loss, reason = "Prometheus values are floats; 2^53 packets take centuries")]
const METRICS: &[Metric] = &[
    grows("datagrams_received_total", "UDP datagrams received", |r| r.stats.datagrams_in as f64),
    grows("received_bytes_total", "Bytes in received datagrams", |r| r.stats.bytes_in as f64),
    grows("datagrams_sent_total", "UDP datagrams sent", |r| r.stats.datagrams_out as f64),
    grows("sent_bytes_total", "Bytes in sent datagrams", |r| r.stats.bytes_out as f64),
    grows("send_calls_total", "System calls that sent datagrams", |r| r.send_calls as f64),
    grows("send_dropped_total", "Datagrams that the kernel did not take", |r| r.send_dropped as f64),
    grows("rtp_received_total", "RTP packets of published tracks", |r| r.stats.rtp_in as f64),
    grows("rtp_forwarded_total", "RTP packets written to subscribers", |r| r.stats.rtp_forwarded as f64),
    grows("unknown_source_total", "Datagrams of no session, dropped", |r| r.stats.unknown_source as f64),
    grows("unknown_track_total", "RTP packets of no track, dropped", |r| r.stats.unknown_track as f64),
    grows("strays_total", "Datagrams handed to another shard", |r| r.strays_out as f64),
    grows("strays_dropped_total", "Datagrams another shard had no room for", |r| r.strays_dropped as f64),
    grows("signals_dropped_total", "Signals dropped on the way to a coordinator", |r| r.signals_dropped as f64),
    grows("voices_dropped_total", "Beginnings and ends of speech not told", |r| r.voices_dropped as f64),
    grows("keyframe_requests_total", "Keyframes asked of publishers", |r| r.stats.keyframe_requests as f64),
    grows("offers_total", "SDP offers answered", |r| r.stats.offers as f64),
    grows("bad_signals_total", "Signals that could not be used", |r| r.stats.bad_signals as f64),
    grows("late_signals_total", "Signals about what is gone", |r| r.stats.late_signals as f64),
    grows("ignored_signals_total", "Subscriptions for sessions without a list", |r| r.stats.ignored_signals as f64),
    grows("channels_refused_total", "Data channels beyond the limits, closed", |r| r.stats.channels_refused as f64),
    grows("messages_total", "Data channel messages passed on", |r| r.stats.messages as f64),
    grows("messages_dropped_total", "Data channel messages dropped", |r| r.stats.messages_dropped as f64),
    grows("tracks_not_allowed_total", "Tracks offered without the right", |r| r.stats.tracks_not_allowed as f64),
    grows("messages_not_allowed_total", "Messages sent without the right", |r| r.stats.messages_not_allowed as f64),
    grows("crashes_total", "Sessions ended by a panic or an engine error", |r| r.stats.crashes as f64),
    grows("ice_timeouts_total", "Sessions ended by silence", |r| r.stats.ice_timeouts as f64),
    grows("cpu_seconds_total", "CPU time of the shard's thread", |r| r.cpu.as_secs_f64()),
    Metric { name: "rooms", help: "Rooms held", grows: false, value: |r| f64::from(r.stats.rooms) },
    Metric { name: "sessions", help: "Sessions held", grows: false, value: |r| f64::from(r.stats.sessions) },
    Metric { name: "tracks", help: "Published tracks held", grows: false, value: |r| f64::from(r.stats.tracks) },
];

const fn grows(name: &'static str, help: &'static str, value: fn(&Report) -> f64) -> Metric {
    Metric { name, help, grows: true, value }
}

/// Exports the reports of one worker's shards.
pub(crate) fn register(registry: &Registry, worker: &str, reports: Vec<watch::Receiver<Report>>) -> anyhow::Result<()> {
    let exported = METRICS.iter().map(|metric| Exported::new(metric, worker)).collect::<Result<_, _>>()?;
    registry.register(Box::new(Shards { reports, exported }))?;
    Ok(())
}

/// Brings the numbers up to date whenever somebody scrapes.
struct Shards {
    reports: Vec<watch::Receiver<Report>>,
    exported: Vec<Exported>,
}

struct Exported {
    value: fn(&Report) -> f64,
    vec: Family,
}

enum Family {
    Grows(CounterVec),
    Moves(GaugeVec),
}

impl Exported {
    fn new(metric: &Metric, worker: &str) -> prometheus::Result<Self> {
        let name = format!("velella_worker_{}", metric.name);
        let opts = Opts::new(name, metric.help).const_label("worker", worker);
        let vec = match metric.grows {
            true => Family::Grows(CounterVec::new(opts, &["shard"])?),
            false => Family::Moves(GaugeVec::new(opts, &["shard"])?),
        };
        Ok(Self { value: metric.value, vec })
    }

    fn update(&self, shard: &str, report: &Report) {
        let value = (self.value)(report);
        match &self.vec {
            Family::Moves(gauges) => gauges.with_label_values(&[shard]).set(value),
            Family::Grows(counters) => {
                let counter = counters.with_label_values(&[shard]);
                counter.inc_by((value - counter.get()).max(0.0));
            }
        }
    }

    fn collector(&self) -> &dyn Collector {
        match &self.vec {
            Family::Grows(counters) => counters,
            Family::Moves(gauges) => gauges,
        }
    }
}

impl Collector for Shards {
    fn desc(&self) -> Vec<&Desc> {
        self.exported.iter().flat_map(|e| e.collector().desc()).collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        for (shard, report) in self.reports.iter().enumerate() {
            let (shard, report) = (shard.to_string(), *report.borrow());
            self.exported.iter().for_each(|e| e.update(&shard, &report));
        }
        self.exported.iter().flat_map(|e| e.collector().collect()).collect()
    }
}

#[cfg(test)]
mod tests {
    use velella_worker_core::Stats;

    use super::*;

    #[test]
    fn two_workers_of_one_process_share_a_registry() {
        let registry = Registry::new();
        let (report, watched) = watch::channel(Report::default());
        register(&registry, "a", vec![watched.clone()]).unwrap();
        register(&registry, "b", vec![watched]).unwrap();
        report.send_replace(Report { stats: Stats { rtp_in: 7, ..Stats::default() }, ..Report::default() });
        let families = registry.gather();
        let family = families.iter().find(|f| f.name() == "velella_worker_rtp_received_total").unwrap();
        let values: Vec<_> = family.get_metric().iter().map(|m| m.get_counter().get_value()).collect();
        assert_eq!(values, [7.0, 7.0]);
    }
}

//! The only file of the worker that knows Prometheus: copies the shards' reports into it.

use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{CounterVec, GaugeVec, Opts, Registry};
use tokio::sync::watch;
use velella_model::wire::announce::WorkerState;

use crate::agents::AgentReport;
use crate::announce::Standing;
use crate::shard_thread::Report;

/// One metric: name, help, value in a report, and whether it only grows.
struct Metric<R> {
    name: &'static str,
    help: &'static str,
    grows: bool,
    value: fn(&R) -> f64,
}

#[expect(clippy::cast_precision_loss, reason = "Prometheus values are floats; 2^53 packets take centuries")]
const SHARD_METRICS: &[Metric<Report>] = &[
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
    grows("agent_news_dropped_total", "Packets agents should have heard, dropped", |r| r.agent_news_dropped as f64),
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

#[expect(clippy::cast_precision_loss, reason = "as above")]
const AGENT_METRICS: &[Metric<AgentReport>] = &[
    grows("agents_said_total", "Pieces of sound of agents", |r| r.stats.said as f64),
    grows("agents_said_astray_total", "Those for no track that is here", |r| r.stats.said_astray as f64),
    grows("agents_said_dropped_total", "Those too far ahead of what is heard", |r| r.stats.said_dropped as f64),
    grows("agents_said_lost_total", "Those the bus lost on the last yard", |r| r.said_lost as f64),
    grows("agents_said_malformed_total", "Those that are no such message", |r| r.said_malformed as f64),
    grows("agents_spoken_total", "Packets that agents said", |r| r.stats.spoken as f64),
    grows("agents_spoken_dropped_total", "Those a shard had no room for", |r| r.spoken_dropped as f64),
    grows("agents_heard_total", "Pieces of sound for agents", |r| r.stats.heard as f64),
    grows("agents_heard_dropped_total", "Those the bus was too slow for", |r| r.heard_dropped as f64),
    grows("agents_heard_lost_total", "Packets lost before an agent heard them", |r| r.stats.heard_lost as f64),
    grows("agents_heard_late_total", "Packets too late for an agent", |r| r.stats.heard_late as f64),
    grows("agents_heard_malformed_total", "Packets that are no Opus", |r| r.stats.heard_malformed as f64),
    grows("agents_cpu_seconds_total", "CPU time of the agents' thread", |r| r.cpu.as_secs_f64()),
    Metric { name: "agents", help: "Agents served", grows: false, value: |r| f64::from(r.stats.agents) },
    Metric { name: "agents_hearings", help: "Decoders in use", grows: false, value: |r| f64::from(r.stats.hearings) },
];

#[expect(clippy::cast_precision_loss, reason = "as above")]
const CONTROL_METRICS: &[Metric<Standing>] = &[
    grows("messages_bad_total", "Messages of coordinators that cannot be read", |s| s.bad_messages as f64),
    Metric {
        name: "fenced",
        help: "1 while nobody is let in, since others may count this worker as gone",
        grows: false,
        value: |s| f64::from(u8::from(s.state == WorkerState::Fenced)),
    },
    Metric {
        name: "name_taken",
        help: "1 while another process is this worker",
        grows: false,
        value: |s| f64::from(u8::from(s.taken)),
    },
];

const fn grows<R>(name: &'static str, help: &'static str, value: fn(&R) -> f64) -> Metric<R> {
    Metric { name, help, grows: true, value }
}

/// Exports the reports of one worker's threads.
pub(crate) fn register(
    registry: &Registry,
    worker: &str,
    shards: Vec<watch::Receiver<Report>>,
    agents: watch::Receiver<AgentReport>,
    control: watch::Receiver<Standing>,
) -> anyhow::Result<()> {
    export(registry, SHARD_METRICS, (worker, "shard"), &shards)?;
    export(registry, AGENT_METRICS, (worker, "thread"), &[agents])?;
    export(registry, CONTROL_METRICS, (worker, "thread"), &[control])
}

/// One collector each: the registry knows a collector by the sum of its families' hashes, and the sums of
/// many workers' thirty families have met.
fn export<R: Copy + Send + Sync + 'static>(
    registry: &Registry,
    metrics: &[Metric<R>],
    (worker, label): (&str, &str),
    reports: &[watch::Receiver<R>],
) -> anyhow::Result<()> {
    for metric in metrics {
        registry.register(Box::new(Exported::new(metric, (worker, label), reports.to_vec())?))?;
    }
    Ok(())
}

/// Brings its numbers up to date whenever somebody scrapes.
struct Exported<R> {
    reports: Vec<watch::Receiver<R>>,
    value: fn(&R) -> f64,
    family: Family,
}

enum Family {
    Grows(CounterVec),
    Moves(GaugeVec),
}

impl<R> Exported<R> {
    fn new(
        metric: &Metric<R>,
        (worker, label): (&str, &str),
        reports: Vec<watch::Receiver<R>>,
    ) -> prometheus::Result<Self> {
        let name = format!("velella_worker_{}", metric.name);
        let opts = Opts::new(name, metric.help).const_label("worker", worker);
        let family = match metric.grows {
            true => Family::Grows(CounterVec::new(opts, &[label])?),
            false => Family::Moves(GaugeVec::new(opts, &[label])?),
        };
        Ok(Self { reports, value: metric.value, family })
    }

    fn update(&self, thread: &str, report: &R) {
        let value = (self.value)(report);
        match &self.family {
            Family::Moves(gauges) => gauges.with_label_values(&[thread]).set(value),
            Family::Grows(counters) => {
                let counter = counters.with_label_values(&[thread]);
                counter.inc_by((value - counter.get()).max(0.0));
            }
        }
    }

    fn collector(&self) -> &dyn Collector {
        match &self.family {
            Family::Grows(counters) => counters,
            Family::Moves(gauges) => gauges,
        }
    }
}

impl<R: Copy + Send + Sync> Collector for Exported<R> {
    fn desc(&self) -> Vec<&Desc> {
        self.collector().desc()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        for (thread, report) in self.reports.iter().enumerate() {
            let report = *report.borrow();
            self.update(&thread.to_string(), &report);
        }
        self.collector().collect()
    }
}

#[cfg(test)]
mod tests {
    use velella_worker_core::Stats;

    use super::*;

    #[test]
    fn the_workers_of_one_process_share_a_registry() {
        let registry = Registry::new();
        let (report, watched) = watch::channel(Report::default());
        let (_, agents) = watch::channel(AgentReport::default());
        let (_, control) = watch::channel(Standing::default());
        for n in 1..=64 {
            register(&registry, &format!("worker-{n}"), vec![watched.clone()], agents.clone(), control.clone())
                .unwrap();
        }
        report.send_replace(Report { stats: Stats { rtp_in: 7, ..Stats::default() }, ..Report::default() });
        let families = registry.gather();
        let family = families.iter().find(|f| f.name() == "velella_worker_rtp_received_total").unwrap();
        let values: Vec<_> = family.get_metric().iter().map(|m| m.get_counter().get_value()).collect();
        assert_eq!(values, [7.0; 64]);
    }
}

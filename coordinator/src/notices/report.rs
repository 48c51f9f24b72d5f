//! `METRICS` of the older generation of the API: one JSON object a second, for those who asked.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Value, json};
use tokio::sync::watch;
use velella_coordinator_core::{Stats, WorkerView};
use velella_proto::Message;
use velella_proto::fishjam::ServerMessage;
use velella_proto::fishjam::server_message::{Content, MetricsReport};

/// The newest report; a slow reader misses those between.
#[derive(Clone, Default)]
pub(crate) struct Reports(Arc<watch::Sender<Bytes>>);

impl Reports {
    /// Publishes a report, if anybody reads.
    pub(crate) fn publish(&self, report: impl FnOnce() -> Bytes) {
        if self.0.receiver_count() > 0 {
            self.0.send_replace(report());
        }
    }

    /// Changes with each report.
    pub(crate) fn subscribe(&self) -> watch::Receiver<Bytes> {
        self.0.subscribe()
    }
}

/// What this coordinator knows of the cluster.
pub(crate) fn encode(stats: Stats, workers: &[WorkerView]) -> Bytes {
    let workers: BTreeMap<&str, Value> =
        workers.iter().map(|view| (view.announce.worker.as_str(), worker(view))).collect();
    let report = json!({ "rooms": stats.rooms, "peers": stats.peers, "sockets": stats.sessions, "workers": workers });
    let content = Some(Content::MetricsReport(MetricsReport { metrics: report.to_string() }));
    ServerMessage { content, ..ServerMessage::default() }.encode_to_vec().into()
}

fn worker(view: &WorkerView) -> Value {
    let load = &view.announce.load;
    json!({
        "rooms": load.rooms,
        "sessions": load.sessions,
        "tracks": load.tracks,
        "cpu_permille": load.cpu_permille,
        "packets_in_per_s": load.packets_in_per_s,
        "packets_out_per_s": load.packets_out_per_s,
        "bits_in_per_s": load.bits_in_per_s,
        "bits_out_per_s": load.bits_out_per_s,
    })
}

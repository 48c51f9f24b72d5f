//! How a process joins a cluster: NATS is its bus, etcd its store.

use std::sync::Arc;

use prometheus::{IntGauge, Registry};
use tokio::sync::watch;
use velella_bus::Bus;
use velella_bus::nats::{NatsBus, NatsStats};
use velella_store::etcd::{EtcdStats, EtcdStore};

use crate::config::Mistake;
use crate::counted::count;
use crate::process::Process;
use crate::{Deps, EtcdConfig, NatsConfig};

/// What joins the processes of a cluster.
#[derive(Clone, Debug, clap::Args)]
#[group(id = "cluster")]
pub struct ClusterConfig {
    /// The bus.
    #[command(flatten)]
    pub nats: NatsConfig,

    /// The store.
    #[command(flatten)]
    pub etcd: EtcdConfig,
}

impl ClusterConfig {
    /// Connects as `name`, for as long as it takes; `None` when the process shall end before that. What another
    /// attempt would not change is a [`Mistake`].
    pub async fn join(&self, name: &str, process: Process) -> anyhow::Result<Option<Deps>> {
        let (nats, etcd) = (process.readiness.latch("NATS"), process.readiness.latch("etcd"));
        let bus = async {
            let bus = self.nats.connect(name).await?;
            drop(nats);
            Ok::<_, Mistake>(bus)
        };
        let store = async {
            let store = self.etcd.connect().await?;
            drop(etcd);
            Ok::<_, Mistake>(store)
        };
        // Once a process, and large.
        let joined = Box::pin(async { tokio::try_join!(bus, store) });
        let (bus, store) = tokio::select! {
            joined = joined => joined?,
            () = process.shutdown.cancelled() => return Ok(None),
        };
        show(&process.registry, "velella_nats_connected", "1 while NATS can be reached", bus.connected())?;
        show(&process.registry, "velella_etcd_reachable", "1 while a member of etcd answers", store.reachable())?;
        count_links(&process.registry, &bus, &store)?;
        Ok(Some(Deps::new(Arc::new(bus), Arc::new(store), process)))
    }
}

/// What the connections went through.
fn count_links(registry: &Registry, bus: &NatsBus, store: &EtcdStore) -> prometheus::Result<()> {
    let nats = |name: &str, help: &str, total: fn(NatsStats) -> u64| {
        let bus = bus.clone();
        count(registry, &format!("velella_nats_{name}_total"), help, move || total(bus.stats()))
    };
    nats("reconnects", "Times that the connection to NATS came back", |s| s.reconnects)?;
    nats("refused", "Messages not sent because NATS was away or stalled", |s| s.refused)?;
    nats("forbidden", "Times that NATS forbade a subject to this user", |s| s.forbidden)?;
    nats("lost", "Messages lost because this process was too slow", |s| s.lost)?;
    let etcd = |name: &str, help: &str, total: fn(EtcdStats) -> u64| {
        let store = store.clone();
        count(registry, &format!("velella_etcd_{name}_total"), help, move || total(store.stats()))
    };
    etcd("failovers", "Times that a member of etcd was left for the next one", |s| s.failovers)?;
    etcd("watches_resumed", "Watches that went on after a lost connection", |s| s.watches_resumed)?;
    etcd("watches_lost", "Watches that ended because changes were lost to them", |s| s.watches_lost)
}

/// Readiness tells only of the start; what comes and goes later is a metric.
fn show(registry: &Registry, name: &str, help: &str, mut state: watch::Receiver<bool>) -> anyhow::Result<()> {
    let gauge = IntGauge::new(name, help)?;
    registry.register(Box::new(gauge.clone()))?;
    gauge.set(i64::from(*state.borrow_and_update()));
    tokio::spawn(async move {
        while state.changed().await.is_ok() {
            gauge.set(i64::from(*state.borrow_and_update()));
        }
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::{Inquiries, Readiness};

    #[derive(Debug, Parser)]
    struct Cli {
        #[command(flatten)]
        cluster: ClusterConfig,
    }

    #[tokio::test]
    async fn a_process_that_waits_for_its_cluster_can_be_ended() {
        // Nothing listens on port 1.
        let nowhere = ["velella", "--nats-url=nats://127.0.0.1:1", "--etcd-url=http://127.0.0.1:1"];
        let cluster = Cli::try_parse_from(nowhere).unwrap().cluster;
        let (readiness, shutdown) = (Readiness::new(), CancellationToken::new());
        let process = Process {
            registry: Registry::new(),
            admin: None,
            readiness: readiness.clone(),
            inquiries: Inquiries::new(),
            shutdown: shutdown.clone(),
        };
        let joining = tokio::spawn(async move { cluster.join("test", process).await });
        while readiness.is_ready() {
            tokio::task::yield_now().await;
        }
        assert_eq!(readiness.waiting(), ["NATS", "etcd"]);
        shutdown.cancel();
        assert!(joining.await.unwrap().unwrap().is_none());
    }

    #[tokio::test]
    async fn a_lost_connection_shows_in_a_gauge() {
        let (registry, (sender, receiver)) = (Registry::new(), watch::channel(true));
        show(&registry, "velella_test", "Shows.", receiver).unwrap();
        let shown = || registry.gather()[0].get_metric()[0].get_gauge().get_value();
        assert_eq!(shown(), 1.0);
        sender.send(false).unwrap();
        while shown() != 0.0 {
            tokio::task::yield_now().await;
        }
    }
}

//! What no healthy cluster says or meets: nonsense on the bus, names that are used twice, servers without
//! room or rights. Each is refused, told of in a log and a metric, and nothing is lost.

use std::time::Duration;

use anyhow::{Context, ensure};
use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use velella_bus::Bus;
use velella_bus::nats::{NatsBus, NatsOptions};
use velella_model::wire::announce::{Announce, Capacity, Load, WorkerState};
use velella_model::wire::holding::Holding;
use velella_model::wire::{decode, encode};
use velella_model::{CoordinatorId, Generation, Incarnation, WorkerId, key, subject};
use velella_store::etcd::{EtcdOptions, EtcdStore};
use velella_store::{Expect, Store};

use crate::cluster::{Cluster, eventually, is_ready, metric, start_twin};
use crate::hosts::{Wall, cut};
use crate::row::{Act, Deed, Media, Owners, Rooms, Row, Sighting};
use crate::servers::{ETCD, NATS, Servers, configure_nats};
use crate::watch::states;

/// Announcements that lie, before it is enough: three seconds of three workers.
const LIES: usize = 18;

/// Longer than coordinators wait for an announcement, and shorter than a worker waits for its bus.
const SILENT: Duration = Duration::from_millis(1_500);

/// As long as a worker may believe in its lease.
const BELIEVED: Duration = Duration::from_secs(5);

/// A version that nobody speaks yet.
const ANOTHER_MAJOR: u8 = 99;

const fn row(name: &'static str, act: Act, media: Media) -> Row {
    Row {
        name,
        quick: true,
        servers: Servers::One,
        deed: Deed::Act(act),
        rooms: Rooms::Stay,
        media,
        owners: Owners::One,
        camera: Sighting::May,
    }
}

pub(crate) const ROWS: &[Row] = &[
    row("another_version_is_spoken", another_version, Media::NoGap),
    row("workers_announce_nonsense", nonsense, Media::NoGap),
    row("two_workers_have_one_name", twin, Media::NoGap),
    Row { rooms: Rooms::Leave, ..row("an_older_boot_comes_back", revenant, Media::Back) },
    row("nats_forbids_a_subject", forbidden, Media::NoGap),
    Row { rooms: Rooms::May, owners: Owners::Two, ..row("the_oracle_sees_a_false_verdict", verdict, Media::Back) },
];

/// Every conversation, in a version that nobody here speaks, and in none at all.
fn another_version(cluster: &mut Cluster) -> LocalBoxFuture<'_, anyhow::Result<()>> {
    async move {
        let bus = bus(cluster).await?;
        let worker = WorkerId::parse("w1")?;
        let holding = Holding { worker: worker.clone(), incarnation: Incarnation(1), rooms: Vec::new() };
        publish(&bus, subject::ANNOUNCEMENTS, other_version(encode(&lie(&worker)))?).await?;
        publish(&bus, subject::HOLDINGS, other_version(encode(&holding))?).await?;
        publish(&bus, subject::VOICES, b"nonsense".to_vec()).await?;
        for coordinator in ["c1", "c2"] {
            let id = CoordinatorId::parse(coordinator)?;
            publish(&bus, &subject::holder_signals(&id.into()), vec![0xc1; 64]).await?;
        }
        publish(&bus, &subject::worker_commands(&worker), other_version(encode(&lie(&worker)))?).await?;
        publish(&bus, &subject::worker_signals(&worker), b"nonsense".to_vec()).await?;
        for (name, counted, count) in [
            ("c1", "velella_coordinator_bus_messages_bad_total", 4.0),
            ("c2", "velella_coordinator_bus_messages_bad_total", 4.0),
            ("w1", "velella_worker_messages_bad_total", 2.0),
        ] {
            tells(cluster, name, counted, count, "the sender speaks version 99").await?;
        }
        Ok(())
    }
    .boxed_local()
}

/// Loads beyond all measure of workers that exist, and an idle worker that does not.
fn nonsense(cluster: &mut Cluster) -> LocalBoxFuture<'_, anyhow::Result<()>> {
    async move {
        let bus = bus(cluster).await?;
        let mut announced = bus.subscribe(subject::ANNOUNCEMENTS).await?;
        let nobody = Announce { state: WorkerState::Ready, ..lie(&WorkerId::parse("nobody")?) };
        let mut told = 0;
        while told < LIES {
            let truth: Announce = decode(&announced.next().await.context("the bus closed")?.payload)?;
            // Not to one's own.
            if truth.load.rooms == u32::MAX || truth.worker == nobody.worker {
                continue;
            }
            told += 1;
            let seq = truth.seq + 1;
            let lie = Announce { seq, load: lie(&truth.worker).load, assigned_total: u64::MAX, ..truth };
            publish(&bus, subject::ANNOUNCEMENTS, encode(&lie)).await?;
            let idle = Announce { seq: told as u64, load: Load::default(), ..nobody.clone() };
            publish(&bus, subject::ANNOUNCEMENTS, encode(&idle)).await?;
        }
        // The truth that comes under a number that was used is old.
        tells(cluster, "c1", "velella_coordinator_announcements_ignored_total", 1.0, "").await
    }
    .boxed_local()
}

/// A second process takes a name that is in use.
fn twin(cluster: &mut Cluster) -> LocalBoxFuture<'_, anyhow::Result<()>> {
    async move {
        cluster.twin = Some(start_twin(cluster, "w1")?);
        tells(cluster, "spare", "velella_worker_name_taken", 1.0, "another process is this worker").await?;
        let spare = cluster.spare.ip;
        ensure!(!is_ready(spare).await, "it counts as ready");
        ensure!(states(spare, crate::http::PATIENCE).await.iter().all(|state| state.admits_for_ms == 0), "it admits");
        cluster.twin = None;
        Ok(())
    }
    .boxed_local()
}

/// A worker sleeps until it is buried and another boot has its name; then it wakes.
fn revenant(cluster: &mut Cluster) -> LocalBoxFuture<'_, anyhow::Result<()>> {
    async move {
        let name = cluster.serving().await?.host.name;
        cluster.process(name)?.pause()?;
        let (store, buried) = (store(cluster).await?, key::worker(&WorkerId::parse(name)?));
        eventually("its key has run out", async || matches!(store.get(&buried).await, Ok(None))).await?;
        cluster.twin = Some(start_twin(cluster, name)?);
        let spare = cluster.spare.ip;
        eventually("the new boot is ready", async || is_ready(spare).await).await?;
        cluster.process(name)?.resume()?;
        tells(cluster, name, "velella_worker_name_taken", 1.0, "another process is this worker").await?;
        let old = cluster.process(name)?.host.ip;
        eventually("the old boot gives everything up", async || {
            let states = states(old, crate::http::PATIENCE).await;
            !states.is_empty() && states.iter().all(|state| state.admits_for_ms == 0 && state.rooms.is_empty())
        })
        .await?;
        // The name is given back to its host, under a boot that is newer than both.
        cluster.process(name)?.kill()?;
        cluster.twin = None;
        cluster.process(name)?.restart()
    }
    .boxed_local()
}

/// The server's rules are narrower than they should be.
fn forbidden(cluster: &mut Cluster) -> LocalBoxFuture<'_, anyhow::Result<()>> {
    async move {
        let holdings = subject::HOLDINGS;
        let user = format!("user: all, password: x, permissions: {{ publish: {{ deny: [\"{holdings}\"] }} }}");
        let host = cluster.nats_host()?.clone();
        let rules = format!("authorization {{ users: [{{ {user} }}] }}\nno_auth_user: all\n");
        configure_nats(&host, &[], &cluster.logs, &rules)?;
        cluster.process(host.name)?.restart()?;
        tells(cluster, "w1", "velella_nats_forbidden_total", 1.0, "NATS forbids a subject").await?;
        configure_nats(&host, &[], &cluster.logs, "")?;
        cluster.process(host.name)?.restart()
    }
    .boxed_local()
}

/// A worker that is not heard is declared dead, and cannot hear of it: the one thing that makes two owners.
fn verdict(cluster: &mut Cluster) -> LocalBoxFuture<'_, anyhow::Result<()>> {
    async move {
        let store = store(cluster).await?;
        let worker = cluster.serving().await?.host.clone();
        cluster.nats_host()?.refuse(&worker, Wall::Drop)?;
        tokio::time::sleep(SILENT).await;
        cut(&worker, cluster.etcd_host()?, Wall::Drop)?;
        store.delete(&key::worker(&WorkerId::parse(worker.name)?), Expect::Any).await?;
        tokio::time::sleep(BELIEVED).await;
        cluster.heal()
    }
    .boxed_local()
}

/// A metric has grown to this, and the log says why.
async fn tells(cluster: &mut Cluster, name: &str, counted: &str, count: f64, says: &str) -> anyhow::Result<()> {
    let ip = if name == "spare" { cluster.spare.ip } else { cluster.process(name)?.host.ip };
    eventually(&format!("{name} counts {counted}"), async || metric(ip, counted).await >= count).await?;
    let log = std::fs::read_to_string(cluster.logs.join(format!("{name}.log")))?;
    ensure!(log.contains(says), "the log of {name} does not say: {says}");
    Ok(())
}

async fn store(cluster: &Cluster) -> anyhow::Result<EtcdStore> {
    let endpoints = vec![format!("http://{}:{ETCD}", cluster.etcd_host()?.ip)];
    Ok(EtcdStore::connect(EtcdOptions { endpoints, ..EtcdOptions::default() }).await?)
}

async fn bus(cluster: &Cluster) -> anyhow::Result<NatsBus> {
    let servers = vec![format!("nats://{}:{NATS}", cluster.nats_host()?.ip)];
    Ok(NatsBus::connect(NatsOptions { servers, name: "faults".to_owned(), ..NatsOptions::default() }).await?)
}

async fn publish(bus: &NatsBus, subject: &str, payload: Vec<u8>) -> anyhow::Result<()> {
    Ok(bus.publish(subject, Bytes::from(payload)).await?)
}

/// An announcement without any truth in it.
fn lie(worker: &WorkerId) -> Announce {
    let load = Load {
        cpu_permille: u32::MAX,
        packets_in_per_s: u64::MAX,
        packets_out_per_s: u64::MAX,
        bits_in_per_s: u64::MAX,
        bits_out_per_s: u64::MAX,
        rooms: u32::MAX,
        sessions: u32::MAX,
        tracks: u32::MAX,
    };
    Announce {
        worker: worker.clone(),
        incarnation: Incarnation(1),
        seq: 1,
        state: WorkerState::Starting,
        region: String::new(),
        labels: std::collections::BTreeMap::new(),
        version: "0".to_owned(),
        endpoints: Vec::new(),
        probe: None,
        capacity: Capacity { load_permille_max: u32::MAX, rooms_max: u32::MAX, sessions_max: u32::MAX },
        load,
        assigned_total: u64::MAX,
        generation: Generation(u64::MAX),
    }
}

/// The same message in another major version: the envelope is a map that begins with `v`.
fn other_version(mut message: Vec<u8>) -> anyhow::Result<Vec<u8>> {
    let version = message.get_mut(3).filter(|version| **version == 1).context("no envelope of version 1")?;
    *version = ANOTHER_MAJOR;
    Ok(message)
}

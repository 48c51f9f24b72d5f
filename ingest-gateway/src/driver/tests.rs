//! The driver over the store and the bus in memory, which pass the contract of the real ones.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use bytes::Bytes;
use prometheus::Registry;
use tokio::task::JoinHandle;
use velella_bus::memory::MemoryBus;
use velella_bus::{BusError, Delivery};
use velella_model::component::{ComponentRecord, FileSpec, IngestRecord, IngestState};
use velella_model::record::{Placement, RoomSpec};
use velella_model::wire::command::{Command, CommandReply, OpenSession, Order};
use velella_model::wire::{decode, encode};
use velella_model::{ComponentId, Json, WorkerId, subject};
use velella_store::Expect;
use velella_store::memory::MemoryStore;

use super::*;

/// Longer than anything takes that is not measured.
const PATIENCE: Duration = Duration::from_secs(20);

/// One picture of H.264.
const PICTURE: &[u8] = &[0, 0, 0, 1, 0x67, 0x42, 0, 0, 0, 1, 0x68, 0xce, 0, 0, 0, 1, 0x65, 0x88, 0x80];

#[tokio::test]
async fn an_ingest_that_ends_in_a_bug_is_told_as_retrying_and_begins_again() {
    let mut world = World::start().await;
    let first = world.opened().await;
    let told = world.told(|record| record.as_ref().is_some_and(|record| record.trouble.is_some())).await.unwrap();
    assert_eq!((told.state, told.trouble.unwrap().code.as_str()), (IngestState::Retrying, "crashed"));
    let second = world.opened().await;
    assert_ne!(Name::job_of(&second.session), Name::job_of(&first.session), "signals for the first are not mixed up");
    assert_eq!((world.metrics.crashed.get(), world.driving.is_finished()), (1, false));
}

#[tokio::test]
async fn an_ingest_that_ended_in_a_bug_is_over_when_it_is_asked_for_no_more() {
    let mut world = World::start().await;
    world.opened().await;
    world.told(|record| record.as_ref().is_some_and(|record| record.trouble.is_some())).await;
    world.store.delete(&key::component(&room(), &component()), Expect::Any).await.unwrap();
    world.told(Option::is_none).await;
    world.drain.send_replace(true);
    tokio::time::timeout(PATIENCE, &mut world.driving).await.expect("nothing is left to do").unwrap();
}

/// A bus on which the first offer to a worker meets a bug.
struct Flawed {
    bus: MemoryBus,
    flawed: AtomicBool,
}

#[async_trait::async_trait]
impl Bus for Flawed {
    async fn publish(&self, subject: &str, payload: Bytes) -> Result<(), BusError> {
        let is_offer = subject == subject::worker_signals(&worker());
        assert!(!is_offer || !self.flawed.swap(false, Ordering::SeqCst), "the planted bug");
        self.bus.publish(subject, payload).await
    }

    async fn subscribe(&self, subject: &str) -> Result<Subscription, BusError> {
        self.bus.subscribe(subject).await
    }

    async fn request(&self, subject: &str, payload: Bytes, timeout: Duration) -> Result<Bytes, BusError> {
        self.bus.request(subject, payload, timeout).await
    }

    fn connected(&self) -> watch::Receiver<bool> {
        self.bus.connected()
    }
}

/// A gateway that has a file to play, and what its worker hears.
struct World {
    store: Arc<dyn Store>,
    bus: Arc<dyn Bus>,
    metrics: Arc<Metrics>,
    commands: Subscription,
    drain: watch::Sender<bool>,
    driving: JoinHandle<()>,
    files: PathBuf,
    // The driver ends without them.
    _held: (watch::Sender<Tenure>, watch::Sender<Option<LeaseId>>, mpsc::Sender<Ask>),
}

impl World {
    async fn start() -> Self {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
        let bus: Arc<dyn Bus> = Arc::new(Flawed { bus: MemoryBus::new(), flawed: AtomicBool::new(true) });
        let commands = bus.subscribe(&subject::worker_commands(&worker())).await.unwrap();
        let (standing, watched) = watch::channel(Standing { state: None, jobs: 0 });
        let metrics = Arc::new(Metrics::register(&Registry::new(), watched, Arc::default()).unwrap());
        let (lease, leased) = watch::channel(Some(store.grant(PATIENCE * 2).await.unwrap()));
        let (_, unmeasured) = watch::channel(0);
        let files = files();
        let means = Means { files: Some(Arc::new(files.clone())), ..Means::default() };
        let mut driver = Driver::new(Wiring {
            gateway: gateway(),
            incarnation: Incarnation(1),
            bus: bus.clone(),
            store: store.clone(),
            means,
            metrics: metrics.clone(),
            allowance: Allowance { offers: BTreeMap::new(), capacity_permille: 1_000, load_permille: unmeasured },
            origins: Arc::default(),
            lease: leased,
            standing,
        });
        let signals = bus.subscribe(&subject::holder_signals(&gateway().into())).await.unwrap();
        let (asks, asked) = mpsc::channel(1);
        let (drain, draining) = watch::channel(false);
        let (tenure, held) = watch::channel(Tenure::Held { claim: 1, until: Instant::now() + PATIENCE * 2 });
        let driving = tokio::spawn(async move {
            driver.run(Ears { signals, asks: asked }, held, draining).await.unwrap();
        });
        let _held = (tenure, lease, asks);
        let world = Self { store, bus, metrics, commands, drain, driving, files, _held };
        world.put(&key::room(&room()), encode(&room_record())).await;
        world.put(&key::component(&room(), &component()), encode(&component_record())).await;
        world
    }

    async fn put(&self, key: &str, value: Vec<u8>) {
        self.store.put(key, value.into(), Expect::Any, None).await.unwrap();
    }

    /// The next session that the worker is asked for; it agrees.
    async fn opened(&mut self) -> OpenSession {
        loop {
            let heard = tokio::time::timeout(PATIENCE, self.commands.next()).await.expect("in time");
            let Delivery { payload, reply } = heard.unwrap();
            if let Order::OpenSession { session } = decode::<Command>(&payload).unwrap().order {
                self.bus.publish(&reply.unwrap(), encode(&CommandReply::Done).into()).await.unwrap();
                return session;
            }
        }
    }

    /// What the store says of the ingest, as soon as it is this.
    async fn told(&self, wanted: impl Fn(&Option<IngestRecord>) -> bool) -> Option<IngestRecord> {
        let reached = async {
            loop {
                let stands = self.store.get(&key::ingest(&room(), &component())).await.unwrap();
                let record = stands.map(|stands| decode(&stands.value).unwrap());
                if wanted(&record) {
                    return record;
                }
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, reached).await.expect("in time")
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.files);
    }
}

fn files() -> PathBuf {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::SeqCst);
    let files = std::env::temp_dir().join(format!("velella-driver-{}-{number}", std::process::id()));
    std::fs::create_dir_all(&files).unwrap();
    std::fs::write(files.join("a.h264"), PICTURE).unwrap();
    files
}

fn room_record() -> RoomRecord {
    let endpoints = vec!["127.0.0.1:9".parse().unwrap()];
    let (worker, incarnation, generation) = (worker(), Incarnation(1), Generation(1));
    let placement = Placement { worker, incarnation, generation, endpoints, candidates: Vec::new() };
    RoomRecord { spec: RoomSpec::default(), placement, streaming: None }
}

fn component_record() -> ComponentRecord {
    let spec = ComponentSpec::File(FileSpec { path: "a.h264".into(), framerate: None });
    let job = Some(Assigned { gateway: gateway(), incarnation: Incarnation(1) });
    ComponentRecord { spec, metadata: Json::null(), transcode: false, subscriptions: None, job }
}

fn gateway() -> GatewayId {
    GatewayId::parse("g").unwrap()
}

fn worker() -> WorkerId {
    WorkerId::parse("w").unwrap()
}

fn room() -> RoomId {
    RoomId::parse("r").unwrap()
}

fn component() -> ComponentId {
    ComponentId::parse("door").unwrap()
}

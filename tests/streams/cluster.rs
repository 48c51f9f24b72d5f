//! A worker and gateways over one bus and one store in memory, and a room.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use velella_bus::{Bus, Subscription, memory::MemoryBus};
use velella_model::component::{ComponentRecord, ComponentSpec, FileSpec, IngestRecord, Job};
use velella_model::record::{Placement, RoomRecord, RoomSpec};
use velella_model::wire::announce::{Announce, GatewayAnnounce, GatewayState, Serves};
use velella_model::wire::{Message, decode, encode};
use velella_model::{
    ComponentId, GatewayId, Generation, Incarnation, Json, RoomId, VideoCodec, WorkerId, key, subject,
};
use velella_ops::{Deps, Inquiries, Readiness};
use velella_store::memory::MemoryStore;
use velella_store::{Expect, Store};

use crate::film;

/// Longer than anything here takes; only a failure waits for it.
const PATIENCE: Duration = Duration::from_secs(20);

#[derive(clap::Parser)]
struct WorkerFlags {
    #[command(flatten)]
    worker: velella_worker::Config,
}

#[derive(clap::Parser)]
struct GatewayFlags {
    #[command(flatten)]
    gateway: velella_gateway::Config,
}

pub(crate) struct Cluster {
    bus: Arc<dyn Bus>,
    store: Arc<dyn Store>,
    announcements: Subscription,
    files: PathBuf,
    shutdown: CancellationToken,
}

/// A gateway that is ready.
pub(crate) struct Gateway {
    pub(crate) id: GatewayId,
    pub(crate) serves: Serves,
    incarnation: Incarnation,
}

impl Cluster {
    /// A worker that has the room.
    pub(crate) async fn start() -> Self {
        let bus: Arc<dyn Bus> = Arc::new(MemoryBus::new());
        let mut workers = bus.subscribe(subject::ANNOUNCEMENTS).await.unwrap();
        let announcements = bus.subscribe(subject::GATEWAY_ANNOUNCEMENTS).await.unwrap();
        let files = std::env::temp_dir().join(format!("velella-streams-{}", std::process::id()));
        std::fs::create_dir_all(&files).unwrap();
        std::fs::write(files.join("film.h264"), film::second()).unwrap();
        let store = Arc::new(MemoryStore::new());
        let cluster = Self { bus, store, announcements, files, shutdown: CancellationToken::new() };
        let arguments = ["test", "--worker-id", "w", "--udp", "127.0.0.1:0", "--shards", "1"];
        let flags = <WorkerFlags as clap::Parser>::parse_from(arguments);
        tokio::spawn(velella_worker::build(flags.worker, cluster.deps()).await.unwrap().run());
        let Announce { incarnation, endpoints, .. } = next(&mut workers).await;
        let (worker, generation) = (WorkerId::parse("w").unwrap(), Generation(1));
        let placement = Placement { worker, incarnation, generation, endpoints, candidates: Vec::new() };
        let record = RoomRecord {
            spec: RoomSpec { video_codec: VideoCodec::H264, ..RoomSpec::default() },
            placement,
            streaming: None,
        };
        cluster.put(&key::room(&room()), encode(&record)).await;
        cluster
    }

    /// Another gateway.
    pub(crate) async fn gateway(&mut self, id: &str) -> Gateway {
        let files = self.files.to_str().unwrap();
        let arguments = ["test", "--gateway-id", id, "--files", files, "--hls", "127.0.0.1:0"];
        let flags = <GatewayFlags as clap::Parser>::parse_from(arguments);
        tokio::spawn(velella_gateway::build(flags.gateway, self.deps()).await.unwrap().run());
        loop {
            let GatewayAnnounce { gateway, incarnation, state, serves, .. } = next(&mut self.announcements).await;
            if gateway.as_str() == id && state == GatewayState::Ready {
                return Gateway { id: gateway, serves: serves.unwrap(), incarnation };
            }
        }
    }

    /// Something is shown in the room.
    pub(crate) async fn film(&self, at: &Gateway) {
        let film = FileSpec { path: "film.h264".into(), framerate: Some(film::RATE) };
        self.component("film", ComponentSpec::File(film), at).await;
    }

    /// A component, at this gateway from now on.
    pub(crate) async fn component(&self, id: &str, spec: ComponentSpec, at: &Gateway) {
        let job = Some(Job { gateway: at.id.clone(), incarnation: at.incarnation });
        let record = ComponentRecord { spec, metadata: Json::null(), transcode: false, subscriptions: None, job };
        self.put(&key::component(&room(), &component(id)), encode(&record)).await;
    }

    pub(crate) async fn delete(&self, id: &str) {
        self.store.delete(&key::component(&room(), &component(id)), Expect::Any).await.unwrap();
    }

    /// Waits until the store says this of it.
    pub(crate) async fn ingest(&self, id: &str, wanted: impl Fn(&IngestRecord) -> bool) {
        let mut watch = self.store.watch(&key::ingest(&room(), &component(id)), Default::default()).await.unwrap();
        let seen = async {
            loop {
                let standing = self.store.get(&key::ingest(&room(), &component(id))).await.unwrap();
                if standing.is_some_and(|standing| wanted(&decode(&standing.value).unwrap())) {
                    return;
                }
                watch.next().await.unwrap();
            }
        };
        tokio::time::timeout(PATIENCE, seen).await.expect("in time");
    }

    /// Waits until nothing of its stream is left.
    pub(crate) async fn until_absent(&self, id: &str) {
        let stream = key::stream(&room(), &component(id));
        let mut watch = self.store.watch(&stream, Default::default()).await.unwrap();
        let gone = async {
            while self.store.get(&stream).await.unwrap().is_some() {
                watch.next().await.unwrap();
            }
        };
        tokio::time::timeout(PATIENCE, gone).await.expect("in time");
    }

    async fn put(&self, key: &str, value: Vec<u8>) {
        self.store.put(key, value.into(), Expect::Any, None).await.unwrap();
    }

    fn deps(&self) -> Deps {
        Deps {
            bus: self.bus.clone(),
            store: self.store.clone(),
            registry: prometheus::Registry::new(),
            admin: None,
            readiness: Readiness::new(),
            inquiries: Inquiries::new(),
            shutdown: self.shutdown.clone(),
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.shutdown.cancel();
        let _ = std::fs::remove_dir_all(&self.files);
    }
}

async fn next<M: Message>(subscription: &mut Subscription) -> M {
    let delivery = tokio::time::timeout(PATIENCE, subscription.next()).await.expect("in time").unwrap();
    decode(&delivery.payload).unwrap()
}

fn room() -> RoomId {
    RoomId::parse("r").unwrap()
}

fn component(id: &str) -> ComponentId {
    ComponentId::parse(id).unwrap()
}

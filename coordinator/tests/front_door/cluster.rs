//! A coordinator on a port of its own, and what stands around it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use serde_json::Value;
use tokio_util::sync::CancellationToken;
use velella_bus::memory::MemoryBus;
use velella_coordinator::Config;
use velella_model::record::WorkerRecord;
use velella_model::wire::encode;
use velella_model::{Incarnation, WorkerId, key};
use velella_ops::{Deps, Readiness};
use velella_store::memory::MemoryStore;
use velella_store::{Expect, Store};

use crate::client::{Answer, request};
use crate::worker::Worker;

pub(crate) const TOKEN: &str = "management";
const ANNOUNCE_INTERVAL: Duration = Duration::from_millis(300);
pub(crate) const SECRET: &str = "0123456789abcdef0123456789abcdef";

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    config: Config,
}

pub(crate) struct Cluster {
    pub(crate) addr: SocketAddr,
    pub(crate) bus: MemoryBus,
    pub(crate) store: MemoryStore,
    pub(crate) registry: prometheus::Registry,
    worker: Option<Worker>,
    shutdown: CancellationToken,
}

impl Cluster {
    /// With one worker, `w1`.
    pub(crate) async fn start() -> Self {
        let mut cluster = Self::start_with(&[]).await;
        cluster.worker = Some(cluster.worker("w1", 1).await);
        cluster
    }

    /// Without any worker.
    pub(crate) async fn start_with(args: &[&str]) -> Self {
        Self::join(MemoryBus::new(), MemoryStore::new(), args).await
    }

    /// One more coordinator on the same bus and store.
    pub(crate) async fn replica(&self) -> Self {
        Self::join(self.bus.clone(), self.store.clone(), &[]).await
    }

    /// Over a store that may hold something already.
    pub(crate) async fn join(bus: MemoryBus, store: MemoryStore, args: &[&str]) -> Self {
        let fixed = ["c", "--listen", "127.0.0.1:0", "--management-token", TOKEN, "--token-secret", SECRET];
        let config = Cli::parse_from(fixed.iter().chain(args)).config;
        let (registry, readiness, shutdown) = (prometheus::Registry::new(), Readiness::new(), CancellationToken::new());
        let deps = Deps {
            bus: Arc::new(bus.clone()),
            store: Arc::new(store.clone()),
            registry: registry.clone(),
            admin: None,
            readiness,
            inquiries: velella_ops::Inquiries::new(),
            shutdown: shutdown.clone(),
        };
        let service = velella_coordinator::build(config, deps).await.unwrap();
        let addr = service.local_addr().unwrap();
        tokio::spawn(service.run());
        Self { addr, bus, store, registry, worker: None, shutdown }
    }

    /// Starts a scripted worker and waits until it is known.
    pub(crate) async fn worker(&self, id: &str, incarnation: u64) -> Worker {
        self.worker_that_announces(id, incarnation, Some(ANNOUNCE_INTERVAL)).await
    }

    /// The same with `every` between announcements.
    pub(crate) async fn worker_that_announces(&self, id: &str, incarnation: u64, every: Option<Duration>) -> Worker {
        self.claim_worker_key(id, incarnation).await;
        let worker = Worker::start(&self.bus, id, incarnation, every).await;
        let boot = incarnation.to_string();
        self.until(|workers| {
            let known = |w: &Value| w["worker"] == id && w["incarnation"] == boot.as_str();
            workers["workers"].as_array().unwrap().iter().any(|w| known(w) && w["alive"] == true)
        })
        .await;
        worker
    }

    /// What the lease of a living worker holds; a scripted one lives until somebody deletes it.
    async fn claim_worker_key(&self, id: &str, incarnation: u64) {
        let record = encode(&WorkerRecord { incarnation: Incarnation(incarnation) });
        let key = key::worker(&WorkerId::parse(id).unwrap());
        self.store.put(&key, record.into(), Expect::Any, None).await.unwrap();
    }

    /// Waits until the list of workers is as wished.
    pub(crate) async fn until(&self, holds: impl Fn(&Value) -> bool) {
        while !holds(&self.get("/cluster/workers").await.json) {
            tokio::task::yield_now().await;
        }
    }

    pub(crate) fn api(&self, path: &str) -> String {
        format!("/api/v1/connect/app{path}")
    }

    pub(crate) fn socket_url(&self) -> String {
        format!("ws://{}/api/v1/connect/app/socket/peer/websocket", self.addr)
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        request(self.addr, "GET", path, Some(TOKEN), None).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        request(self.addr, "POST", path, Some(TOKEN), Some(body.to_string())).await
    }

    pub(crate) async fn patch(&self, path: &str, body: Value) -> Answer {
        request(self.addr, "PATCH", path, Some(TOKEN), Some(body.to_string())).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        request(self.addr, "DELETE", path, Some(TOKEN), None).await
    }

    pub(crate) async fn create_room(&self) -> String {
        let answer = self.post(&self.api("/room"), serde_json::json!({})).await;
        assert_eq!(answer.status, 201, "{}", answer.json);
        answer.json["data"]["room"]["id"].as_str().unwrap().to_owned()
    }

    /// Adds a peer; returns its id and token.
    pub(crate) async fn add_peer(&self, room: &str) -> (String, String) {
        let path = self.api(&format!("/room/{room}/peer"));
        let answer = self.post(&path, serde_json::json!({"type": "webrtc", "options": {"metadata": {"s": 2}}})).await;
        assert_eq!(answer.status, 201, "{}", answer.json);
        let data = &answer.json["data"];
        (data["peer"]["id"].as_str().unwrap().to_owned(), data["token"].as_str().unwrap().to_owned())
    }

    /// What a counter of this name and label has come to.
    pub(crate) fn count(&self, name: &str, label: &str) -> f64 {
        let family = self.registry.gather().into_iter().find(|family| family.name() == name).expect(name);
        let has_label = |m: &&prometheus::proto::Metric| m.get_label().iter().any(|pair| pair.value() == label);
        family.get_metric().iter().filter(has_label).map(|m| m.get_counter().get_value()).sum()
    }

    /// The sum of all counters and gauges of this name.
    pub(crate) fn metric(&self, name: &str) -> f64 {
        let family = self.registry.gather().into_iter().find(|family| family.name() == name).expect(name);
        let value = |m: &prometheus::proto::Metric| m.get_counter().get_value() + m.get_gauge().get_value();
        family.get_metric().iter().map(value).sum()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

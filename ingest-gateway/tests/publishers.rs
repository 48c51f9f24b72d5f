//! The gateway as encoders and coordinators see it: real ffmpeg over RTMP, and what is told on the bus.

#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use tokio::process::{Child, Command};
use tokio_util::sync::CancellationToken;
use velella_bus::{Subscription, memory::MemoryBus};
use velella_model::component::{ComponentRecord, ComponentSpec, JobKind, PublishSpec};
use velella_model::wire::announce::{GatewayAnnounce, GatewayState};
use velella_model::wire::ingest::{IngestReading, IngestReport};
use velella_model::wire::{decode, encode};
use velella_model::{ComponentId, Json, RoomId, key, subject};
use velella_ops::{Deps, Inquiries, Readiness};
use velella_store::memory::MemoryStore;
use velella_store::{Expect, Store};

/// Longer than anything here takes; only a failure waits for it.
const PATIENCE: Duration = Duration::from_secs(30);

#[tokio::test]
async fn what_comes_through_of_a_stream_is_told_and_that_its_key_frames_are_far_apart() {
    let mut gateway = Gateway::start(&[]).await;
    gateway.component("c").await;
    let _encoder = gateway.encoder("c", &["-bf", "0", "-g", "500"]);
    let flows = |reading: &IngestReading| reading.flow.is_some_and(|flow| flow.pictures_per_1000_s > 10_000);
    let flow = gateway.until("c", flows).await.flow.unwrap();
    assert!((10_000..10_000_000).contains(&flow.bitrate_bps) && flow.packets_lost == 0, "{flow:?}");
    assert_eq!(flow.warnings().count(), 0, "nobody knows it yet");
    let warned = gateway.until("c", |reading| reading.flow.is_some_and(|flow| flow.warnings().count() > 0)).await;
    assert!(warned.flow.unwrap().key_frame_interval_ms.unwrap() > 4_000);
    assert_eq!(warned.last_trouble, None);
}

#[tokio::test]
async fn a_publisher_that_is_sent_away_for_b_frames_leaves_word_of_it() {
    let mut gateway = Gateway::start(&[]).await;
    gateway.component("c").await;
    let mut encoder = gateway.encoder("c", &["-bf", "2", "-g", "50"]);
    let gone = gateway.until("c", |reading| reading.last_trouble.is_some() && reading.flow.is_none()).await;
    assert_eq!(gone.last_trouble.unwrap().trouble.code, "b_frames");
    assert!(!encoder.wait().await.unwrap().success(), "it was told");
}

#[tokio::test]
async fn a_publisher_that_costs_more_than_the_operator_allows_is_refused() {
    let mut gateway = Gateway::start(&["--jobs-permille-max", "59"]).await;
    gateway.component("c").await;
    let mut encoder = gateway.encoder("c", &["-bf", "0"]);
    let refused = gateway.until("c", |reading| reading.last_trouble.is_some()).await.last_trouble.unwrap().trouble;
    assert_eq!(
        (refused.code.as_str(), refused.sentence.as_str()),
        ("full", "This gateway is full; try again in a moment, or at another one.")
    );
    assert!(!encoder.wait().await.unwrap().success(), "it was told");
    assert_eq!(gateway.refused("full"), 1.0);
}

#[derive(clap::Parser)]
struct Flags {
    #[command(flatten)]
    gateway: velella_gateway::Config,
}

struct Gateway {
    store: Arc<dyn Store>,
    registry: prometheus::Registry,
    reports: Subscription,
    /// Where encoders go.
    url: String,
    shutdown: CancellationToken,
}

impl Gateway {
    async fn start(more: &[&str]) -> Self {
        let arguments = [&["test", "--gateway-id", "g", "--rtmp", "127.0.0.1:0"], more].concat();
        let flags = <Flags as clap::Parser>::parse_from(arguments);
        let deps = Deps {
            bus: Arc::new(MemoryBus::new()),
            store: Arc::new(MemoryStore::new()),
            registry: prometheus::Registry::new(),
            admin: None,
            readiness: Readiness::new(),
            inquiries: Inquiries::new(),
            shutdown: CancellationToken::new(),
        };
        let mut announcements = deps.bus.subscribe(subject::GATEWAY_ANNOUNCEMENTS).await.unwrap();
        let reports = deps.bus.subscribe(subject::INGEST_REPORTS).await.unwrap();
        let service = velella_gateway::build(flags.gateway, deps.clone()).await.unwrap();
        tokio::spawn(service.run());
        let url = loop {
            let GatewayAnnounce { state, listens, .. } = next(&mut announcements).await;
            if state == GatewayState::Ready {
                break listens.get(&JobKind::Rtmp).unwrap().clone();
            }
        };
        Self { store: deps.store, registry: deps.registry, reports, url, shutdown: deps.shutdown }
    }

    /// One that waits for an encoder, whose key is its id.
    async fn component(&self, id: &str) {
        let digest = digest(&SHA256, id.as_bytes());
        let key_digest = digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        let spec = ComponentSpec::Rtmp(PublishSpec { key_digest, takeover: false });
        let record = ComponentRecord { spec, metadata: Json::null(), transcode: false, subscriptions: None, job: None };
        let key = key::component(&RoomId::parse("r").unwrap(), &ComponentId::parse(id).unwrap());
        self.store.put(&key, encode(&record).into(), Expect::Absent, None).await.unwrap();
    }

    fn encoder(&self, key: &str, options: &[&str]) -> Child {
        Command::new("ffmpeg")
            .args(["-v", "error", "-re", "-f", "lavfi", "-i", "testsrc=size=320x240:rate=25"])
            .args(["-c:v", "libx264", "-preset", "ultrafast", "-x264-params", "scenecut=0"])
            .args(options)
            .args(["-f", "flv", &format!("{}/{key}", self.url)])
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("ffmpeg is installed")
    }

    /// What is told of a component once it is so.
    async fn until(&mut self, id: &str, wanted: impl Fn(&IngestReading) -> bool) -> IngestReading {
        loop {
            let report: IngestReport = next(&mut self.reports).await;
            let of = |reading: &IngestReading| reading.component.as_str() == id;
            if let Some(reading) = report.ingests.into_iter().find(|reading| of(reading) && wanted(reading)) {
                return reading;
            }
        }
    }

    /// How many publishers were sent away for this.
    fn refused(&self, reason: &str) -> f64 {
        let families = self.registry.gather();
        let family =
            families.iter().find(|family| family.name() == "velella_gateway_publishers_refused_total").unwrap();
        let of = |metric: &&prometheus::proto::Metric| metric.get_label().iter().any(|label| label.value() == reason);
        family.get_metric().iter().find(of).unwrap().get_counter().get_value()
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

async fn next<M: velella_model::wire::Message>(subscription: &mut Subscription) -> M {
    let delivery = tokio::time::timeout(PATIENCE, subscription.next()).await.expect("in time").unwrap();
    decode(&delivery.payload).unwrap()
}

//! A scripted gateway: claims its key, announces itself, answers for its life, and follows the components in the
//! store. What names it is live a moment later.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use velella_bus::Bus;
use velella_bus::memory::MemoryBus;
use velella_model::component::{ComponentRecord, GatewayRecord, IngestRecord, IngestState, Job, JobKind, Trouble};
use velella_model::key::{self, Key};
use velella_model::record::TrackRecord;
use velella_model::wire::announce::{GatewayAnnounce, GatewayState, Serves};
use velella_model::wire::ingest::{Flow, IngestReading, IngestReport, PastTrouble};
use velella_model::wire::{decode, encode};
use velella_model::{GatewayId, Generation, Incarnation, Json, MediaKind, TrackId, subject};
use velella_store::memory::MemoryStore;
use velella_store::{Change, Expect, Revision, Store, Written};

const ANNOUNCE_INTERVAL: Duration = Duration::from_millis(300);

/// Nobody listens there: a gateway that does not answer either is proven dead.
const PROBE: &str = "127.0.0.1:1";

/// A running gateway; dropping it kills the process, so to say: its key stays.
pub(crate) struct Gateway {
    /// The records that it saw itself named in.
    pub(crate) given: Arc<Mutex<BTreeMap<String, ComponentRecord>>>,
    announce: Arc<Mutex<GatewayAnnounce>>,
    task: tokio::task::JoinHandle<()>,
}

struct Script {
    bus: MemoryBus,
    store: MemoryStore,
    job: Job,
    given: Arc<Mutex<BTreeMap<String, ComponentRecord>>>,
    announce: Arc<Mutex<GatewayAnnounce>>,
    /// With the revisions of what it says of each.
    doing: BTreeMap<String, Revision>,
}

impl Gateway {
    pub(crate) async fn start(bus: &MemoryBus, store: &MemoryStore, id: &str, incarnation: u64) -> Self {
        let job = Job { gateway: GatewayId::parse(id).unwrap(), incarnation: Incarnation(incarnation) };
        let record = encode(&GatewayRecord { incarnation: job.incarnation });
        store.put(&key::gateway(&job.gateway), record.into(), Expect::Any, None).await.unwrap();
        let announce = Arc::new(Mutex::new(announce(&job)));
        let given = Arc::<Mutex<BTreeMap<_, _>>>::default();
        let script = Script {
            bus: bus.clone(),
            store: store.clone(),
            job,
            given: Arc::clone(&given),
            announce: Arc::clone(&announce),
            doing: BTreeMap::new(),
        };
        Self { given, announce, task: tokio::spawn(script.run()) }
    }

    /// From the next announcement on.
    pub(crate) fn serve_nothing(&self) {
        self.announce.lock().unwrap().serves = None;
    }

    /// From the next announcement on.
    pub(crate) fn drain(&self) {
        self.announce.lock().unwrap().state = GatewayState::Draining;
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Script {
    async fn run(mut self) {
        let mut life = self.bus.subscribe(&subject::gateway_life(&self.job.gateway)).await.unwrap();
        let mut announce = tokio::time::interval(ANNOUNCE_INTERVAL);
        let listing = self.store.list(key::COMPONENTS).await.unwrap();
        let mut watch = self.store.watch(key::COMPONENTS, listing.revision).await.unwrap();
        for (key, versioned) in listing.entries {
            self.stands(&key, &versioned.value, versioned.revision.0).await;
        }
        loop {
            tokio::select! {
                _ = announce.tick() => {
                    let announce = {
                        let mut announce = self.announce.lock().unwrap();
                        announce.seq += 1;
                        encode(&*announce)
                    };
                    self.bus.publish(subject::GATEWAY_ANNOUNCEMENTS, announce.into()).await.unwrap();
                    let report = encode(&self.report()).into();
                    self.bus.publish(subject::INGEST_REPORTS, report).await.unwrap();
                }
                Some(request) = life.next() => {
                    self.bus.publish(&request.reply.unwrap(), bytes::Bytes::new()).await.unwrap();
                }
                Some(change) = watch.next() => match change {
                    Change::Put { key, versioned } => {
                        self.stands(&key, &versioned.value, versioned.revision.0).await;
                    }
                    Change::Deleted { key, .. } => self.ends(&key).await,
                    Change::Lost => panic!("the test is too slow"),
                },
                else => return,
            }
        }
    }

    /// All have a key frame every five seconds, and were unreachable once.
    fn report(&self) -> IngestReport {
        let trouble = Trouble { code: "unreachable".into(), sentence: "The camera cannot be reached.".into() };
        let flow = Flow {
            bitrate_bps: 4_000_000,
            pictures_per_1000_s: 29_970,
            key_frame_interval_ms: Some(5_000),
            packets_lost: 3,
        };
        let reading = |key: &String| {
            let Some(Key::Component(room, component)) = key::parse(key) else { panic!("a component") };
            let last_trouble = Some(PastTrouble { trouble: trouble.clone(), at_ms: 1_790_000_000_000 });
            IngestReading { room, component, flow: Some(flow), last_trouble }
        };
        let Job { gateway, incarnation } = self.job.clone();
        IngestReport { gateway, incarnation, ingests: self.doing.keys().map(reading).collect() }
    }

    async fn stands(&mut self, key: &str, value: &[u8], revision: u64) {
        let record: ComponentRecord = decode(value).unwrap();
        if record.job.as_ref() != Some(&self.job) {
            return self.ends(key).await;
        }
        let (tracks, state, trouble) = match record.metadata.value()["name"].as_str() {
            // The password is wrong, say.
            Some("stopped") => {
                let (code, sentence) = ("login_refused".into(), "The camera refuses the password.".into());
                (BTreeMap::new(), IngestState::Stopped, Some(Trouble { code, sentence }))
            }
            // A broadcast publishes nothing.
            _ if record.spec.kind() == JobKind::Hls => (BTreeMap::new(), IngestState::Live, None),
            _ => (tracks(key), IngestState::Live, None),
        };
        self.given.lock().unwrap().insert(key.to_owned(), record);
        let job = self.job.clone();
        let ingest = IngestRecord { job, generation: Generation(revision), state, trouble, tracks };
        let written = self.store.put(&ingest_key(key), encode(&ingest).into(), Expect::Any, None).await.unwrap();
        let Written::Done(revision) = written else { panic!("{written:?}") };
        self.doing.insert(key.to_owned(), revision);
    }

    async fn ends(&mut self, key: &str) {
        if let Some(revision) = self.doing.remove(key) {
            // Another gateway may say something of it by now.
            self.store.delete(&ingest_key(key), Expect::Revision(revision)).await.unwrap();
        }
    }
}

fn ingest_key(component: &str) -> String {
    let Some(Key::Component(room, id)) = key::parse(component) else { panic!("a component") };
    key::ingest(&room, &id)
}

/// One of video, with the id of its component in it.
fn tracks(key: &str) -> BTreeMap<TrackId, TrackRecord> {
    let Some(Key::Component(_, id)) = key::parse(key) else { panic!("a component") };
    let metadata = Json::parse(r#"{"type":"camera"}"#).unwrap();
    let track = TrackRecord { kind: MediaKind::Video, metadata };
    BTreeMap::from([(TrackId::parse(&format!("{id}:v")).unwrap(), track)])
}

fn announce(job: &Job) -> GatewayAnnounce {
    let probe: SocketAddr = PROBE.parse().unwrap();
    GatewayAnnounce {
        gateway: job.gateway.clone(),
        incarnation: job.incarnation,
        seq: 0,
        state: GatewayState::Ready,
        region: String::new(),
        version: "0".into(),
        probe: Some(probe),
        offers: [(JobKind::Rtsp, 50), (JobKind::File, 20), (JobKind::Rtmp, 100), (JobKind::Hls, 50)].into(),
        listens: [(JobKind::Rtmp, format!("rtmp://{}:1935/live", job.gateway))].into(),
        transcoder: None,
        listens_encrypted: [].into(),
        serves: Some(Serves {
            public: format!("https://{}.example.com", job.gateway),
            inner: format!("http://{}:9580", job.gateway),
        }),
        capacity_permille: 1000,
        load_permille: 0,
        jobs: 0,
    }
}

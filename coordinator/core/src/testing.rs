//! Short ways to name things in tests.

use std::time::Instant;

use velella_model::component::{
    ComponentRecord, ComponentSpec, GatewayRecord, HlsSpec, IngestRecord, IngestState, Job, JobKind, PublishSpec,
    RtspSpec,
};
use velella_model::record::{
    Connection, PeerKind, PeerRecord, Placement, RoomRecord, RoomSpec, TrackRecord, WorkerRecord,
};
use velella_model::wire::announce::{Announce, Capacity, GatewayAnnounce, GatewayState, Load, Serves, WorkerState};
use velella_model::wire::command::SubscribeMode;
use velella_model::{
    ComponentId, CoordinatorId, GatewayId, Generation, Incarnation, Json, MediaKind, PeerId, RoomId, SessionId,
    TrackId, WorkerId,
};

use crate::{Fact, FleetFact};

#[expect(clippy::disallowed_methods, reason = "tests need some instant to count from")]
pub(crate) fn start() -> Instant {
    Instant::now()
}

pub(crate) fn room(id: &str) -> RoomId {
    RoomId::parse(id).unwrap()
}

pub(crate) fn peer(id: &str) -> PeerId {
    PeerId::parse(id).unwrap()
}

pub(crate) fn session(id: &str) -> SessionId {
    SessionId::parse(id).unwrap()
}

pub(crate) fn worker(id: &str) -> WorkerId {
    WorkerId::parse(id).unwrap()
}

pub(crate) fn coordinator_id() -> CoordinatorId {
    CoordinatorId::parse("c1").unwrap()
}

pub(crate) fn announce(id: &str, incarnation: u64, seq: u64) -> Announce {
    Announce {
        worker: worker(id),
        incarnation: Incarnation(incarnation),
        seq,
        state: WorkerState::Ready,
        region: String::new(),
        labels: std::collections::BTreeMap::new(),
        version: "0".into(),
        endpoints: Vec::new(),
        probe: None,
        capacity: Capacity { load_permille_max: 800, rooms_max: 100, sessions_max: 1000 },
        load: Load::default(),
        assigned_total: 0,
        generation: Generation(0),
    }
}

/// The key of a worker that lives.
pub(crate) fn alive(id: &str, incarnation: u64) -> Fact {
    let record = WorkerRecord { incarnation: Incarnation(incarnation) };
    Fact::Fleet(FleetFact::Worker(worker(id), Some(record)))
}

/// The absence of its key.
pub(crate) fn dead(id: &str) -> Fact {
    Fact::Fleet(FleetFact::Worker(worker(id), None))
}

pub(crate) fn room_record(at: &str) -> RoomRecord {
    let placement = Placement {
        worker: worker(at),
        incarnation: Incarnation(1),
        generation: Generation(1),
        endpoints: Vec::new(),
        candidates: Vec::new(),
    };
    RoomRecord { spec: RoomSpec::default(), placement, streaming: None }
}

pub(crate) fn peer_record() -> PeerRecord {
    PeerRecord {
        peer_metadata: Json::null(),
        ..PeerRecord::new(PeerKind::Webrtc, Json::parse("{}").unwrap(), SubscribeMode::Auto)
    }
}

/// Joined, with a track `t` and a channel `chat`.
pub(crate) fn publishing(id: &str) -> PeerRecord {
    let connection = Connection { coordinator: coordinator_id(), session: session(id), joined: true, offered: false };
    let mut record = PeerRecord { connection: Some(connection), ..peer_record() };
    let track = TrackRecord { kind: MediaKind::Audio, metadata: Json::null() };
    record.tracks.insert(TrackId::parse("t").unwrap(), track);
    record.channels.insert("chat".into());
    record
}

pub(crate) fn component(id: &str) -> ComponentId {
    ComponentId::parse(id).unwrap()
}

pub(crate) fn gateway(id: &str) -> GatewayId {
    GatewayId::parse(id).unwrap()
}

pub(crate) fn job(id: &str, incarnation: u64) -> Job {
    Job { gateway: gateway(id), incarnation: Incarnation(incarnation) }
}

/// It takes cameras and encoders.
pub(crate) fn gateway_announce(id: &str, incarnation: u64, seq: u64) -> GatewayAnnounce {
    GatewayAnnounce {
        gateway: gateway(id),
        incarnation: Incarnation(incarnation),
        seq,
        state: GatewayState::Ready,
        region: String::new(),
        version: "0".into(),
        probe: None,
        offers: [(JobKind::Rtsp, 50), (JobKind::Rtmp, 50)].into(),
        listens: [(JobKind::Rtmp, format!("rtmp://{id}/live"))].into(),
        transcoder: None,
        listens_encrypted: [].into(),
        serves: None,
        capacity_permille: 1000,
        load_permille: 0,
        jobs: 0,
    }
}

/// The same of one that broadcasts, with this URL for viewers.
pub(crate) fn serving(id: &str, seq: u64, public: &str) -> GatewayAnnounce {
    let announce = gateway_announce(id, 1, seq);
    let offers = announce.offers.clone().into_iter().chain([(JobKind::Hls, 100)]).collect();
    let serves = Some(Serves { public: public.into(), inner: String::new() });
    GatewayAnnounce { offers, serves, ..announce }
}

/// The key of a gateway that lives.
pub(crate) fn gateway_lives(id: &str, incarnation: u64) -> Fact {
    Fact::Gateway(gateway(id), Some(GatewayRecord { incarnation: Incarnation(incarnation) }))
}

pub(crate) fn camera(job: Option<Job>) -> ComponentRecord {
    ComponentRecord { spec: camera_spec(), metadata: Json::null(), transcode: false, subscriptions: None, job }
}

pub(crate) fn camera_spec() -> ComponentSpec {
    ComponentSpec::Rtsp(RtspSpec {
        shown: "rtsp://camera/".into(),
        source: velella_model::record::Sealed { nonce: Vec::new().into(), sealed: Vec::new().into() },
        sub: None,
        reconnect_delay_ms: 15_000,
        keep_alive_interval_ms: 15_000,
        rtp_port: 20_000,
        pierce_nat: true,
        on_demand: false,
    })
}

pub(crate) fn encoder() -> ComponentRecord {
    let spec = ComponentSpec::Rtmp(PublishSpec { key_digest: "ab".into(), takeover: false });
    ComponentRecord { spec, metadata: Json::null(), transcode: false, subscriptions: None, job: None }
}

pub(crate) fn broadcast(job: Option<Job>) -> ComponentRecord {
    ComponentRecord { spec: broadcast_spec(), metadata: Json::null(), transcode: false, subscriptions: None, job }
}

pub(crate) fn broadcast_spec() -> ComponentSpec {
    ComponentSpec::Hls(HlsSpec {
        low_latency: true,
        target_duration_s: 4,
        part_target_ms: 500,
        window_s: None,
        persistent: false,
    })
}

pub(crate) fn ingest(job: Job, state: IngestState) -> IngestRecord {
    IngestRecord { job, generation: Generation(1), state, trouble: None, tracks: std::collections::BTreeMap::new() }
}

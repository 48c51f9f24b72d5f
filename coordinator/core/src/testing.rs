//! Short ways to name things in tests.

use std::time::Instant;

use velella_model::record::{
    Connection, PeerKind, PeerRecord, Placement, RoomRecord, RoomSpec, TrackRecord, WorkerRecord,
};
use velella_model::wire::announce::{Announce, Capacity, Load, WorkerState};
use velella_model::wire::command::SubscribeMode;
use velella_model::{
    CoordinatorId, Generation, Incarnation, Json, MediaKind, PeerId, RoomId, SessionId, TrackId, WorkerId,
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
    RoomRecord { spec: RoomSpec::default(), placement }
}

pub(crate) fn peer_record() -> PeerRecord {
    PeerRecord {
        peer_metadata: Json::null(),
        ..PeerRecord::new(PeerKind::Webrtc, Json::parse("{}").unwrap(), SubscribeMode::Auto)
    }
}

/// Joined, with a track `t` and a channel `chat`.
pub(crate) fn publishing(id: &str) -> PeerRecord {
    let connection = Connection { coordinator: coordinator_id(), session: session(id), joined: true };
    let mut record = PeerRecord { connection: Some(connection), ..peer_record() };
    let track = TrackRecord { kind: MediaKind::Audio, metadata: Json::null() };
    record.tracks.insert(TrackId::parse("t").unwrap(), track);
    record.channels.insert("chat".into());
    record
}

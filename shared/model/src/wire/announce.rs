//! Worker or gateway → everybody: who I am, what I can take, how loaded I am.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use super::Message;
use crate::component::JobKind;
use crate::{GatewayId, Generation, Incarnation, WorkerId};

/// Published every [`ANNOUNCE_INTERVAL_MS`] and at once on a change of state.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Announce {
    /// Stable name of the worker.
    pub worker: WorkerId,
    /// This boot of it.
    pub incarnation: Incarnation,
    /// Grows by one with every announcement of this incarnation.
    pub seq: u64,
    /// Readiness for work.
    pub state: WorkerState,
    /// Region name, empty when the operator names none.
    #[serde(default)]
    pub region: String,
    /// Free labels for matching rules.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// Software version.
    pub version: String,
    /// UDP addresses that clients reach it at.
    pub endpoints: Vec<SocketAddr>,
    /// TCP address that refuses connections once the process is gone; `None` when it has none that others reach.
    #[serde(default)]
    pub probe: Option<SocketAddr>,
    /// Limits set by the operator.
    pub capacity: Capacity,
    /// Load at the time of sending.
    pub load: Load,
    /// Rooms assigned since boot. A coordinator drops its reservation of a room when this count,
    /// at the time of the assignment, is covered.
    pub assigned_total: u64,
    /// Highest placement generation seen.
    pub generation: Generation,
}

/// Interval between announcements.
pub const ANNOUNCE_INTERVAL_MS: u64 = 500;

/// Whether a worker takes work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WorkerState {
    /// Not serving yet.
    Starting,
    /// Takes rooms.
    Ready,
    /// Keeps its rooms, takes no new ones.
    Cordoned,
    /// Its rooms are being moved away.
    Draining,
    /// Its lease may have run out: keeps its rooms, takes nobody in until it counts as alive again.
    Fenced,
}

/// Admission limits of a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capacity {
    /// No new room above this load, in permille of one shard.
    pub load_permille_max: u32,
    /// No new room when this many are held.
    pub rooms_max: u32,
    /// No new session when this many are held.
    pub sessions_max: u32,
}

/// Load of a worker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Load {
    /// CPU share of the busiest shard, 0 to 1000.
    pub cpu_permille: u32,
    /// RTP and other datagrams received per second.
    pub packets_in_per_s: u64,
    /// Datagrams sent per second.
    pub packets_out_per_s: u64,
    /// Bits received per second.
    pub bits_in_per_s: u64,
    /// Bits sent per second.
    pub bits_out_per_s: u64,
    /// Rooms held.
    pub rooms: u32,
    /// Sessions held.
    pub sessions: u32,
    /// Published tracks held.
    pub tracks: u32,
}

/// A gateway's announcement, as often as a worker's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GatewayAnnounce {
    /// Stable name of the gateway.
    pub gateway: GatewayId,
    /// This boot of it.
    pub incarnation: Incarnation,
    /// Grows by one with every announcement of this incarnation.
    pub seq: u64,
    /// Readiness for work.
    pub state: GatewayState,
    /// Region name, empty when the operator names none.
    pub region: String,
    /// Software version.
    pub version: String,
    /// TCP address that refuses connections once the process is gone; `None` when it has none that others reach.
    pub probe: Option<SocketAddr>,
    /// What it does, and what one such job is expected to cost, in permille of a core.
    pub offers: BTreeMap<JobKind, u32>,
    /// Where publishers find it, by kind: `rtmp://host:1935/live`.
    pub listens: BTreeMap<JobKind, String>,
    /// What it can transcode with; `None` when it cannot.
    #[serde(default)]
    pub transcoder: Option<Transcoder>,
    /// Where they find it over TLS: `rtmps://host:1936/live`.
    #[serde(default)]
    pub listens_encrypted: BTreeMap<JobKind, String>,
    /// Where streams can be watched; `None` when it serves none.
    #[serde(default)]
    pub serves: Option<Serves>,
    /// All jobs together may cost this much, in permille of a core.
    pub capacity_permille: u32,
    /// What they cost now, measured.
    pub load_permille: u32,
    /// How many there are.
    pub jobs: u32,
}

/// Where a gateway serves streams, as URLs that the path of a stream follows. Every gateway serves the streams of all.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Serves {
    /// For viewers: `https://live.example.com`. Several gateways may share it, or a CDN stand before them.
    pub public: String,
    /// For other gateways, who fetch there what this one packages: `http://10.0.0.7:9580`.
    pub inner: String,
}

/// What a gateway transcodes with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transcoder {
    /// As it calls itself.
    pub version: String,
    /// What one job that is transcoded is expected to cost beside what any of its kind costs, in permille of a core.
    pub cost_permille: u32,
}

/// Whether a gateway takes work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GatewayState {
    /// Takes jobs.
    Ready,
    /// Its jobs are being moved away.
    Draining,
    /// Its lease may have run out: it stops what others may have begun.
    Fenced,
}

impl Message for Announce {}
impl Message for GatewayAnnounce {}

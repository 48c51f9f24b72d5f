//! The answers of `/cluster`, as far as they are shown. What is not known here is left alone.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

/// `GET /cluster/workers`, each still as it came.
#[derive(Deserialize)]
pub(crate) struct Workers {
    pub(crate) workers: Vec<Box<RawValue>>,
}

/// One of them. Of a worker that is cordoned and gone, only the id is known.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Worker {
    pub(crate) worker: String,
    pub(crate) state: String,
    pub(crate) cordon: Option<String>,
    pub(crate) alive: bool,
    pub(crate) suspect: bool,
    pub(crate) region: String,
    pub(crate) version: String,
    pub(crate) effective_load_permille: u64,
    pub(crate) rooms_placed: u64,
    pub(crate) load: Load,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Load {
    pub(crate) sessions: u64,
    pub(crate) bits_in_per_s: u64,
    pub(crate) bits_out_per_s: u64,
}

/// `GET /cluster/gateways`, each still as it came.
#[derive(Deserialize)]
pub(crate) struct Gateways {
    pub(crate) gateways: Vec<Box<RawValue>>,
}

/// One of them.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Gateway {
    pub(crate) gateway: String,
    pub(crate) state: String,
    pub(crate) alive: bool,
    pub(crate) suspect: bool,
    pub(crate) region: String,
    pub(crate) version: String,
    pub(crate) offers: BTreeMap<String, u64>,
    pub(crate) listens: BTreeMap<String, String>,
    pub(crate) listens_encrypted: BTreeMap<String, String>,
    pub(crate) serves: Option<Serves>,
    pub(crate) capacity_permille: u64,
    pub(crate) effective_load_permille: u64,
    pub(crate) jobs: u64,
    pub(crate) ingests: Vec<Ingest>,
}

/// Where it serves broadcasts.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Serves {
    pub(crate) public: String,
}

/// What a gateway does.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Ingest {
    pub(crate) room: String,
    pub(crate) component: String,
    pub(crate) r#type: String,
    pub(crate) state: String,
    pub(crate) flow: Option<Flow>,
    pub(crate) warnings: Vec<String>,
    pub(crate) last_trouble: Option<Trouble>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Flow {
    pub(crate) bitrate: u64,
    pub(crate) frame_rate: f64,
    pub(crate) key_frame_interval: Option<f64>,
    pub(crate) packets_lost: u64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Trouble {
    pub(crate) code: String,
}

/// A page of `GET /cluster/rooms`.
#[derive(Deserialize)]
pub(crate) struct Rooms {
    pub(crate) rooms: Vec<Box<RawValue>>,
    pub(crate) more: bool,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Room {
    pub(crate) room: String,
    pub(crate) room_type: String,
    pub(crate) video_codec: String,
    pub(crate) peers_connected: u64,
    pub(crate) peers: u64,
    pub(crate) tracks: u64,
    pub(crate) worker: String,
    pub(crate) generation: u64,
}

/// `GET /cluster/rooms/{room}/placement`, and what a move is answered with.
#[derive(Debug, Deserialize)]
pub(crate) struct Placement {
    pub(crate) room: String,
    pub(crate) worker: String,
    pub(crate) generation: u64,
    pub(crate) endpoints: Vec<String>,
    pub(crate) candidates: Vec<Candidate>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Candidate {
    pub(crate) worker: String,
    pub(crate) verdict: Verdict,
}

#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Verdict {
    Scored { region_miss: bool, load_permille: u64, rooms: u64 },
    Excluded { reason: String },
}

/// `GET /cluster/totals`.
#[derive(Debug, Deserialize)]
pub(crate) struct Totals {
    pub(crate) rooms: u64,
    pub(crate) peers: u64,
    pub(crate) peers_connected: u64,
    pub(crate) workers: u64,
    pub(crate) workers_ready: u64,
}

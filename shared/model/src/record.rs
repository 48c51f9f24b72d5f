//! What the store keeps: the truth about rooms and peers.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::wire::Message;
use crate::wire::command::{Rights, SubscribeMode};
use crate::{
    CoordinatorId, Generation, Incarnation, Json, MediaKind, PeerId, RoomId, RoomType, SessionId, TrackId, VideoCodec,
    WorkerId,
};

/// A room: what was asked for and where it lives.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoomRecord {
    /// As asked for.
    pub spec: RoomSpec,
    /// Where it lives.
    pub placement: Placement,
    /// The session that may stream into it, as long as it is the connection of a peer. `None` after each move, which
    /// ends all sessions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub streaming: Option<SessionId>,
}

/// A room as the management API describes it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoomSpec {
    /// `None` is no limit.
    pub peers_max: Option<u32>,
    /// What it is for.
    pub room_type: RoomType,
    /// Its one video codec.
    pub video_codec: VideoCodec,
    /// Nobody asked for a codec; older generations of the API then say that there is none.
    #[serde(default)]
    pub video_codec_by_default: bool,
    /// Viewable without a token (livestreams).
    pub public: bool,
    /// Where notifications go.
    pub webhook_url: Option<String>,
    /// Several notifications in one webhook call.
    pub batch_webhook_notifications: bool,
    /// Remove the room when no peer was connected for this long.
    #[serde(default)]
    pub peerless_purge_s: Option<u32>,
    /// Remove a peer that was disconnected for this long.
    #[serde(default)]
    pub peer_purge_s: Option<u32>,
}

impl RoomRecord {
    /// As it is to be understood when it was last written at this revision of the store.
    #[must_use]
    pub fn read_at(mut self, revision: u64) -> Self {
        if self.placement.generation == Generation(0) {
            self.placement.generation = Generation(revision);
        }
        self
    }
}

/// Where a room lives, and why there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Placement {
    /// The worker.
    pub worker: WorkerId,
    /// Its boot.
    pub incarnation: Incarnation,
    /// Grows with every move of the room. 0 in the write that places the room, whose revision it is to be;
    /// see [`RoomRecord::read_at`].
    pub generation: Generation,
    /// Media addresses of the worker at that time.
    pub endpoints: Vec<SocketAddr>,
    /// What every known worker scored when the choice was made.
    pub candidates: Vec<Candidate>,
}

/// One worker in the choice of a placement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Candidate {
    /// The worker.
    pub worker: WorkerId,
    /// Its score, or why it was left out.
    pub verdict: Verdict,
}

/// How a worker did in the choice; lower scores are better, fields compare top to bottom.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Verdict {
    /// It could have taken the room.
    Scored {
        /// Whether it lies outside the wanted region.
        region_miss: bool,
        /// Announced load plus what was placed there since, in permille.
        load_permille: u32,
        /// Rooms it holds or was given.
        rooms: u32,
    },
    /// It was not considered.
    Excluded {
        /// `draining`, `full`, `silent`, …
        reason: String,
    },
}

/// A peer of a room.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerRecord {
    /// Kind of client.
    pub kind: PeerKind,
    /// What the server attached to it (REST `options.metadata`).
    pub server_metadata: Json,
    /// What the client said about itself.
    pub peer_metadata: Json,
    /// Which tracks it receives.
    pub subscribe_mode: SubscribeMode,
    /// Its living connection.
    pub connection: Option<Connection>,
    /// Its published tracks.
    pub tracks: BTreeMap<TrackId, TrackRecord>,
    /// Its open data channels, by label.
    #[serde(default)]
    pub channels: BTreeSet<String>,
    /// What it receives when its mode is manual.
    #[serde(default)]
    pub subscriptions: Subscriptions,
    /// What an agent hears; `None` for every other kind, and for an agent that only speaks.
    #[serde(default)]
    pub agent_output: Option<AgentOutput>,
    /// What its tokens allow.
    #[serde(default)]
    pub scopes: Scopes,
    /// Grows when its tokens are revoked; those of an earlier series are good for nothing.
    #[serde(default)]
    pub token_series: u64,
    /// It is being removed, for this reason; the record follows in a moment.
    #[serde(default)]
    pub kicked: Option<String>,
    /// Why its last connection crashed, if it did; gone with the next connection.
    #[serde(default)]
    pub crashed: Option<String>,
    /// Nobody asked for it: it came with a token, or to a public stream, and goes when its connection has gone.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub passing: bool,
}

/// What the tokens of a peer allow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scopes {
    /// With media.
    pub rights: Rights,
    /// See its own room over HTTP and remove peers from it: a moderator.
    pub admin: bool,
}

/// The sound that an agent receives: PCM, 16 bits, one channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentOutput {
    /// 16 000 or 24 000.
    pub sample_rate_hz: u32,
}

/// What the management API asked for on behalf of a peer in manual mode.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subscriptions {
    /// All tracks of these peers, present and future.
    pub peers: BTreeSet<PeerId>,
    /// These tracks.
    pub tracks: BTreeSet<TrackId>,
}

impl PeerRecord {
    /// A peer that nobody has connected to yet.
    pub fn new(kind: PeerKind, server_metadata: Json, subscribe_mode: SubscribeMode) -> Self {
        Self {
            kind,
            server_metadata,
            peer_metadata: Json::from(serde_json::json!({})),
            subscribe_mode,
            connection: None,
            tracks: BTreeMap::new(),
            channels: BTreeSet::new(),
            subscriptions: Subscriptions::default(),
            agent_output: None,
            scopes: Scopes::default(),
            token_series: 0,
            kicked: None,
            crashed: None,
            passing: false,
        }
    }
}

/// Kind of client behind a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PeerKind {
    /// A browser or mobile SDK.
    Webrtc,
    /// A server-side agent.
    Agent,
    /// Who sends a livestream. The API lists it with its stream, not among the peers.
    Streamer,
    /// Who watches a livestream. The API lists it with its stream, not among the peers.
    Viewer,
}

impl PeerKind {
    /// Whether it takes part in a livestream, where the API has other words for it than peer.
    pub fn is_of_livestream(self) -> bool {
        match self {
            Self::Streamer | Self::Viewer => true,
            Self::Webrtc | Self::Agent => false,
        }
    }
}

/// The socket of a connected peer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Connection {
    /// Who holds the socket.
    pub coordinator: CoordinatorId,
    /// The session, new for each socket.
    pub session: SessionId,
    /// It said `connect`, so its metadata is known.
    #[serde(default)]
    pub joined: bool,
    /// It came with an offer: its client needs no coordinator to go on, so it outlives this one.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub offered: bool,
}

/// A published track.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrackRecord {
    /// Audio or video.
    pub kind: MediaKind,
    /// As its publisher set it.
    pub metadata: Json,
}

/// A worker that lives, under its lease: whoever deletes it declares the worker dead.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkerRecord {
    /// Its boot.
    pub incarnation: Incarnation,
}

/// What an operator wants of a worker, whatever boot of it runs. Without one it takes rooms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cordon {
    /// Its rooms are moved away; otherwise it keeps them and takes no new ones.
    pub drain: bool,
}

/// A coordinator that lives, under its lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CoordinatorRecord {}

/// How far webhooks are delivered or given up, in revisions of the store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebhookCursor {
    /// Who delivers them; another one's write shows that it does so now.
    pub by: CoordinatorId,
    /// Everything up to this revision, but for the rooms below.
    pub through: u64,
    /// Rooms whose receivers are behind, with the revision up to which they have everything.
    pub behind: BTreeMap<RoomId, u64>,
}

/// A request that carries an `Idempotency-Key`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OnceRecord {
    /// Of what was asked.
    pub fingerprint: String,
    /// `None` while it is being done.
    pub answer: Option<Sealed>,
}

/// Encrypted for those who share the cluster's secret, and bound to the key of the store where it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sealed {
    /// Names this use of the key of encryption.
    pub nonce: Bytes,
    /// The content, with its seal.
    pub sealed: Bytes,
}

/// An answer before it is sealed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnswerRecord {
    /// Of HTTP.
    pub status: u16,
    /// In their order.
    pub headers: Vec<(String, Bytes)>,
    /// As it was sent.
    pub body: Bytes,
}

impl Message for WebhookCursor {}
impl Message for OnceRecord {}
impl Message for AnswerRecord {}
impl Message for RoomRecord {}
impl Message for WorkerRecord {}
impl Message for Cordon {}
impl Message for CoordinatorRecord {}
impl Message for PeerRecord {}

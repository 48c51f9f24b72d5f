//! What can happen to a coordinator. Answers from outside (a lost CAS, a silent worker) are
//! inputs like any other.

use std::collections::BTreeSet;

use velella_model::component::{ComponentRecord, ComponentSpec, GatewayRecord, IngestRecord};
use velella_model::record::{
    AgentOutput, CoordinatorRecord, Cordon, PeerKind, PeerRecord, RoomRecord, RoomSpec, Scopes, Subscriptions,
    WorkerRecord,
};
use velella_model::wire::announce::{Announce, GatewayAnnounce};
use velella_model::wire::command::{Refusal, Rights, SubscribeMode};
use velella_model::wire::holding::Holding;
use velella_model::wire::ingest::IngestReport;
use velella_model::wire::signal::{PeerEvent, ToHolder};
use velella_model::{
    ComponentId, CoordinatorId, GatewayId, Incarnation, Json, PeerId, RoomId, RoomType, SessionId, WorkerId,
};

use crate::output::Suspect;

/// Names one request of the management API; the reply carries it back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// Names one effect whose outcome comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OpId(pub u64);

/// A revision of the store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Revision(pub u64);

/// What happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// A worker announced itself.
    Announced(Announce),
    /// A gateway announced itself.
    GatewayAnnounced(GatewayAnnounce),
    /// A gateway told what comes through of its components.
    IngestsReported(IngestReport),
    /// A worker told what it holds.
    Holds(Holding),
    /// What became of a `Probe`.
    Probed {
        /// Whom.
        whom: Suspect,
        /// Which boot of it.
        incarnation: Incarnation,
        /// Nobody answers for it, and its port refuses connections.
        dead: bool,
    },
    /// This coordinator leads from now on, or no longer.
    Leads(bool),
    /// All rooms, or all peers, and so on, as the store holds them at a revision.
    Listed {
        /// Which part of the store.
        noun: Noun,
        /// All entries of it.
        entries: Vec<Entry>,
        /// Of the listing.
        revision: Revision,
    },
    /// The watch saw a write.
    Changed(Entry),
    /// Somebody asks something.
    Requested {
        /// Goes into the reply.
        ticket: Ticket,
        /// What.
        request: Request,
    },
    /// How a `Put` or `Delete` went.
    Written {
        /// Which.
        op: OpId,
        /// How.
        outcome: WriteOutcome,
    },
    /// What a `Load` found; `None` when the store is down.
    Loaded {
        /// Which.
        op: OpId,
        /// The room with its peers and components.
        entries: Option<Vec<Entry>>,
    },
    /// How a `Command` went.
    Answered {
        /// Which.
        op: OpId,
        /// How.
        outcome: CommandOutcome,
    },
    /// A socket or an offer brought a valid token.
    Arrived(Arrival),
    /// A socket is gone.
    SocketClosed {
        /// Whose.
        session: SessionId,
    },
    /// A peer said something.
    PeerSaid {
        /// On which socket.
        session: SessionId,
        /// What.
        said: Said,
    },
    /// A worker said something about a session.
    Signalled(ToHolder),
    /// A signal could not be published.
    SignalFailed {
        /// Whose.
        session: SessionId,
    },
    /// The time of `poll_timeout` came.
    Timeout,
}

/// Somebody at the door, with a valid token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// New for this socket or offer.
    pub session: SessionId,
    /// From the token.
    pub room: RoomId,
    /// From the token.
    pub peer: PeerId,
    /// Whom the token, or the socket, is for.
    pub kind: PeerKind,
    /// What else the token says.
    pub pass: Pass,
    /// Where.
    pub door: Door,
}

/// The ways into a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// A socket, on which it says everything else.
    Socket,
    /// An offer over HTTP, which says everything there is to say (WHIP, WHEP).
    Offer,
}

/// What a token allows, and until when it counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pass {
    /// With media.
    pub rights: Rights,
    /// Tokens of an earlier series than the record's were revoked.
    pub token_series: u64,
    /// The peer need not be there: then it is made, and goes with its connection.
    pub newcomer: bool,
}

/// What a peer can say.
#[derive(Clone, Debug, PartialEq)]
pub enum Said {
    /// It joins, with its own metadata.
    Connect(Json),
    /// It leaves.
    Disconnect,
    /// It changed its own metadata (not enveloped).
    Metadata(Json),
    /// Anything that only the worker understands.
    Event(PeerEvent),
}

/// The parts of the store that the coordinator watches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Noun {
    /// Rooms.
    Rooms,
    /// Peers.
    Peers,
    /// Components.
    Components,
    /// What gateways say of components.
    Ingests,
    /// Living gateways.
    Gateways,
    /// Living workers.
    Workers,
    /// What operators want of workers.
    Cordons,
    /// Living coordinators.
    Coordinators,
}

/// One key of the store and what stands there.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// What stands there.
    pub fact: Fact,
    /// Of its last write.
    pub revision: Revision,
}

/// What stands at a key of the store; `None` is a deleted key.
#[derive(Clone, Debug, PartialEq)]
pub enum Fact {
    /// A room.
    Room(RoomId, Option<RoomRecord>),
    /// A peer of a room.
    Peer(RoomId, PeerId, Option<PeerRecord>),
    /// A component of a room.
    Component(RoomId, ComponentId, Option<ComponentRecord>),
    /// What a gateway says of a component.
    Ingest(RoomId, ComponentId, Option<IngestRecord>),
    /// A gateway that lives.
    Gateway(GatewayId, Option<GatewayRecord>),
    /// A process that rooms and peers need.
    Fleet(FleetFact),
}

/// What stands at a key about a process; `None` is a deleted key.
#[derive(Clone, Debug, PartialEq)]
pub enum FleetFact {
    /// A worker that lives.
    Worker(WorkerId, Option<WorkerRecord>),
    /// What an operator wants of a worker.
    Cordon(WorkerId, Option<Cordon>),
    /// A coordinator that lives.
    Coordinator(CoordinatorId, Option<CoordinatorRecord>),
}

/// How a write went.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "an outcome lives for one step; a box would cost more than it saves")]
pub enum WriteOutcome {
    /// It happened.
    Done(Revision),
    /// The precondition did not hold; this stands there (`None`: nothing).
    Conflict(Option<Entry>),
    /// The store is down; whether it happened is unknown.
    Failed,
}

/// How a command went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommandOutcome {
    /// The worker did it.
    Done,
    /// The worker refused it.
    Refused(Refusal),
    /// Nobody is subscribed there: the process is gone.
    NoResponders,
    /// No answer in time; whether it happened is unknown.
    TimedOut,
}

/// A question of the management API.
#[derive(Clone, Debug, PartialEq)]
pub enum Request {
    /// Make a room. With `reuse`, an existing room of that id is as good.
    CreateRoom {
        /// Its id.
        room: RoomId,
        /// What is asked for.
        spec: RoomSpec,
        /// Whether an existing one will do.
        reuse: bool,
    },
    /// Close a room and everything in it.
    DeleteRoom {
        /// Which.
        room: RoomId,
    },
    /// Rooms, in the order of their ids.
    ListRooms {
        /// Which.
        query: RoomQuery,
    },
    /// Change what may change of a room.
    EditRoom {
        /// Which.
        room: RoomId,
        /// What of it.
        patch: RoomPatch,
    },
    /// One room with its peers.
    ShowRoom {
        /// Which.
        room: RoomId,
    },
    /// Add a peer to a room.
    AddPeer {
        /// Where.
        room: RoomId,
        /// Its id.
        peer: PeerId,
        /// What is asked for.
        spec: PeerSpec,
    },
    /// Whether a peer exists (before its token is renewed).
    ShowPeer {
        /// Where.
        room: RoomId,
        /// Which.
        peer: PeerId,
    },
    /// Speak for the session of a peer that came with an offer to another coordinator, which is gone.
    AdoptPeer {
        /// Where.
        room: RoomId,
        /// Whose.
        peer: PeerId,
    },
    /// Change the record of a peer.
    EditPeer {
        /// Where.
        room: RoomId,
        /// Whose.
        peer: PeerId,
        /// How.
        edit: PeerEdit,
    },
    /// Remove a peer and close its socket.
    DeletePeer {
        /// Where.
        room: RoomId,
        /// Which.
        peer: PeerId,
        /// What it is told.
        reason: Option<String>,
    },
    /// Add a component to a room.
    AddComponent {
        /// Where.
        room: RoomId,
        /// Its id.
        component: ComponentId,
        /// What is asked for.
        spec: Box<ComponentSpec>,
        /// What the server attaches to it.
        metadata: Json,
        /// Whether it may be transcoded.
        transcode: bool,
        /// Whom it receives of; everybody if absent.
        subscriptions: Option<Subscriptions>,
    },
    /// Let a component receive of more.
    SubscribeComponent {
        /// Where.
        room: RoomId,
        /// Which.
        component: ComponentId,
        /// Peers and components of the room, present or not.
        origins: BTreeSet<PeerId>,
    },
    /// Where the broadcast of a room can be watched.
    FindBroadcast {
        /// Of which.
        room: RoomId,
    },
    /// One component.
    ShowComponent {
        /// Where.
        room: RoomId,
        /// Which.
        component: ComponentId,
    },
    /// Remove a component.
    DeleteComponent {
        /// Where.
        room: RoomId,
        /// Which.
        component: ComponentId,
    },
    /// All known gateways.
    ListGateways,
    /// All known workers.
    ListWorkers,
    /// Take a worker out of the choice, with or without moving its rooms away, or back in.
    CordonWorker {
        /// Which.
        worker: WorkerId,
        /// `None` takes it back in.
        cordon: Option<Cordon>,
    },
    /// Place a room anew.
    MoveRoom {
        /// Which.
        room: RoomId,
        /// Where; `None` for the best other worker.
        to: Option<WorkerId>,
    },
    /// How much is going on.
    ShowTotals,
    /// How much was going on, and the loads of workers.
    ShowHistory {
        /// Of which workers.
        query: HistoryQuery,
    },
}

/// A peer as the management API asks for it.
#[derive(Clone, Debug, PartialEq)]
pub struct PeerSpec {
    /// Kind of client.
    pub kind: PeerKind,
    /// What the server attaches to it.
    pub server_metadata: Json,
    /// Which tracks it receives.
    pub subscribe_mode: SubscribeMode,
    /// What it hears, if it is an agent.
    pub agent_output: Option<AgentOutput>,
    /// What its tokens allow.
    pub scopes: Scopes,
}

/// What the management API changes in the record of a peer.
#[derive(Clone, Debug, PartialEq)]
pub enum PeerEdit {
    /// It receives these as well. For peers in manual mode.
    Subscribe(Subscriptions),
    /// It no longer receives these. For peers in manual mode.
    Unsubscribe(Subscriptions),
    /// What its server attached to it.
    ServerMetadata(Json),
    /// Tokens issued before are good for nothing.
    RevokeTokens,
}

/// What may change of a room; `None` leaves it as it is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RoomPatch {
    /// How many peers it takes.
    pub peers_max: Option<Option<u32>>,
    /// Viewable without a token.
    pub public: Option<bool>,
    /// Where notifications go.
    pub webhook_url: Option<Option<String>>,
    /// Several notifications in one webhook call.
    pub batch_webhook_notifications: Option<bool>,
    /// When it is removed for being empty.
    pub peerless_purge_s: Option<Option<u32>>,
    /// When a peer is removed for being disconnected.
    pub peer_purge_s: Option<Option<u32>>,
}

/// Which rooms are listed. The default is all of them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RoomQuery {
    /// Placed at this worker.
    pub worker: Option<WorkerId>,
    /// Of one of these types; empty for any.
    pub types: Vec<RoomType>,
    /// Whether somebody is connected.
    pub in_use: Option<bool>,
    /// Whose id begins so.
    pub id_prefix: String,
    /// Whose id comes after this one.
    pub after: Option<RoomId>,
    /// This many at most.
    pub limit: Option<usize>,
}

/// Of which workers the history is told.
#[derive(Clone, Debug, PartialEq)]
pub struct HistoryQuery {
    /// Of this one; `None` for any.
    pub worker: Option<WorkerId>,
    /// Of those whose ids come after this one.
    pub after: Option<WorkerId>,
    /// Of this many at most.
    pub limit: usize,
}

//! What a coordinator wants done. Effects with an [`OpId`] report back with it.

use std::net::SocketAddr;
use std::time::Duration;

use velella_model::component::JobKind;
use velella_model::record::{Candidate, Cordon, PeerRecord, RoomRecord};
use velella_model::wire::announce::{Announce, GatewayAnnounce};
use velella_model::wire::command::Order;
use velella_model::wire::signal::{ServerEvent, ToWorker};
use velella_model::{GatewayId, Incarnation, PeerId, RoomId, RoomType, SessionId, Shared, TrackId, WorkerId};

use crate::close::Close;
use crate::components::ComponentView;
use crate::history::{HistoryView, Totals};
use crate::input::{Fact, OpId, Revision, Ticket};

/// What to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// Write a record, or delete it when the fact holds none; answer with `Written`.
    Write {
        /// For the answer.
        op: OpId,
        /// The key and what shall stand there.
        fact: Fact,
        /// What must hold.
        expect: Expect,
    },
    /// Read a room with its peers and components past the cache; answer with `Loaded`.
    Load {
        /// For the answer.
        op: OpId,
        /// Which.
        room: RoomId,
    },
    /// Ask a worker; answer with `Answered`.
    Command {
        /// For the answer.
        op: OpId,
        /// Whom.
        worker: WorkerId,
        /// Which boot of it.
        incarnation: Incarnation,
        /// What.
        order: Order,
    },
    /// See whether a silent process is dead; answer with `Probed`.
    Probe {
        /// Whom.
        whom: Suspect,
        /// Which boot of it.
        incarnation: Incarnation,
        /// TCP address that refuses when it is; without one nothing can be proven.
        at: Option<SocketAddr>,
    },
    /// Publish to a worker, in the order of these outputs.
    Signal {
        /// To whom.
        worker: WorkerId,
        /// What.
        message: ToWorker,
    },
    /// Tell a socket that its token is good.
    Welcome {
        /// Which.
        session: SessionId,
        /// What the room is for.
        room_type: RoomType,
    },
    /// Tell a socket.
    ToSocket {
        /// Which.
        session: SessionId,
        /// What.
        event: ServerEvent,
    },
    /// Tell an agent's socket which worker takes the sound of its track.
    TrackTaken {
        /// Which.
        session: SessionId,
        /// An own track.
        track: TrackId,
        /// Whom.
        worker: WorkerId,
    },
    /// Hold a session that came with an offer to another coordinator; what is told to it follows.
    Adopt {
        /// Which.
        session: SessionId,
    },
    /// Its worker tells us of it from now on.
    Adopted {
        /// Which.
        session: SessionId,
        /// What its client offered last.
        offer: String,
    },
    /// Close a socket; the session is already forgotten here.
    CloseSocket {
        /// Which.
        session: SessionId,
        /// Why.
        close: Close,
    },
    /// Answer a request.
    Reply {
        /// Which.
        ticket: Ticket,
        /// With.
        reply: Reply,
    },
}

/// A process that may be dead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Suspect {
    /// A worker.
    Worker(WorkerId),
    /// A gateway.
    Gateway(GatewayId),
}

/// What must hold for a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    /// Anything.
    Any,
    /// Nothing stands there.
    Absent,
    /// What stands there has this revision.
    Revision(Revision),
}

/// The answer to a request.
#[derive(Clone, Debug, PartialEq)]
pub enum Reply {
    /// Done, nothing to say.
    Done,
    /// A room.
    Room(RoomView),
    /// Rooms, without what was considered when they were placed.
    Rooms {
        /// In the order of their ids.
        rooms: Vec<RoomView>,
        /// Whether more follow.
        more: bool,
    },
    /// A peer.
    Peer(PeerId, PeerRecord),
    /// A component.
    Component {
        /// It.
        view: ComponentView,
        /// If it was added now: where gateways wait for its publisher, the best first; nowhere for what is pulled.
        listens: Vec<String>,
    },
    /// Under which URL a gateway serves broadcasts.
    ServedAt(String),
    /// Gateways.
    Gateways(Vec<GatewayView>),
    /// Workers.
    Workers(Vec<WorkerView>),
    /// How much is going on.
    Totals(Totals),
    /// How much was going on.
    History(HistoryView),
    /// No.
    Denied(Denial),
}

/// A room with its peers.
#[derive(Clone, Debug, PartialEq)]
pub struct RoomView {
    /// Its id.
    pub room: RoomId,
    /// What is known of it.
    pub record: Shared<RoomRecord>,
    /// Its peers.
    pub peers: Vec<(PeerId, Shared<PeerRecord>)>,
    /// Its components.
    pub components: Vec<ComponentView>,
}

/// A gateway as this coordinator sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct GatewayView {
    /// Its last announcement.
    pub announce: GatewayAnnounce,
    /// How long ago that came.
    pub silent_for: Duration,
    /// Too long silent for new jobs.
    pub suspect: bool,
    /// Its key stands.
    pub lives: bool,
    /// What it is expected to cost with everything that it was given.
    pub effective_load_permille: u32,
    /// Jobs that the records give to it.
    pub jobs_given: u32,
    /// What it does, each with its room.
    pub ingests: Vec<(RoomId, ComponentView)>,
}

/// A worker as this coordinator sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct WorkerView {
    /// Its last announcement.
    pub announce: Announce,
    /// How long ago that came.
    pub silent_for: Duration,
    /// Too long silent for new rooms.
    pub suspect: bool,
    /// Load with what was placed there since.
    pub effective_load_permille: u32,
    /// Rooms that the records place there.
    pub rooms_placed: u32,
    /// Nobody has declared it dead.
    pub lives: bool,
    /// What an operator wants of it.
    pub cordon: Option<Cordon>,
}

/// Why a request is not granted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Denial {
    /// No such room.
    #[error("the room does not exist")]
    RoomNotFound,
    /// No such peer.
    #[error("the peer does not exist")]
    PeerNotFound,
    /// No such worker.
    #[error("the worker does not exist")]
    WorkerNotFound,
    /// No such component.
    #[error("the component does not exist")]
    ComponentNotFound,
    /// The room has as many components as one may have.
    #[error("the room has too many components")]
    ComponentsLimit,
    /// The room has a broadcast already.
    #[error("the room has a broadcast")]
    BroadcastsLimit,
    /// The room has no broadcast.
    #[error("the room has no broadcast")]
    BroadcastNotFound,
    /// Nobody serves broadcasts at the moment.
    #[error("no gateway serves broadcasts")]
    NobodyServes,
    /// The component receives nothing.
    #[error("the component does not subscribe")]
    NotSubscribing,
    /// No gateway can take the component; why each was left out.
    #[error("no gateway can take the component")]
    NoGateway(JobKind, Vec<&'static str>),
    /// What may have to be transcoded cannot be anywhere.
    #[error("no gateway has a transcoder")]
    NoTranscoder,
    /// The room is on its way to another worker.
    #[error("the room is moving")]
    RoomMoving,
    /// The id is taken.
    #[error("the room exists")]
    RoomExists,
    /// No such peer to subscribe to.
    #[error("the other peer does not exist")]
    OtherPeerNotFound(PeerId),
    /// No such track to subscribe to.
    #[error("the track does not exist")]
    TrackNotFound(TrackId),
    /// A peer or component in automatic mode receives everything already.
    #[error("it does not subscribe manually")]
    NotManual,
    /// The peer or component would have more subscriptions than one may have.
    #[error("too many subscriptions")]
    SubscriptionsLimit,
    /// The room has as many peers as it may have.
    #[error("the room is full")]
    PeersLimit,
    /// No worker can take the room; what each said.
    #[error("no worker can take the room")]
    NoWorker(Vec<Candidate>),
    /// The store did not answer.
    #[error("the store is down")]
    StoreDown,
}

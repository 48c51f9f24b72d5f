//! Coordinator → one incarnation of a worker, request and reply.

use serde::{Deserialize, Serialize};

use super::Message;
use crate::record::{AgentOutput, Subscriptions};
use crate::{
    CoordinatorId, GatewayId, Generation, Incarnation, Json, PeerId, RoomId, RoomType, SessionId, Variant, VideoCodec,
};

/// A command with its addressee: a worker that restarted refuses commands meant for its last life.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Command {
    /// The boot it is meant for.
    pub incarnation: Incarnation,
    /// What to do.
    pub order: Order,
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Order {
    /// Hold this room. Repeating it with the same generation changes nothing.
    AssignRoom {
        /// The room.
        assignment: Assignment,
    },
    /// Close the room and all of its sessions.
    CloseRoom {
        /// The room.
        room: RoomId,
        /// Refused when the worker has seen a newer one.
        generation: Generation,
    },
    /// Open a transport for a peer. A living session of the same peer is closed first, unless it does a newer job.
    OpenSession {
        /// The session.
        session: OpenSession,
    },
    /// Close one session; unknown ones are answered as done.
    CloseSession {
        /// The session.
        session: SessionId,
    },
    /// Tell another holder what becomes of a session that came with an offer; both count their signals anew, beginning
    /// with [`SessionEvent::Adopted`](super::signal::SessionEvent::Adopted).
    AdoptSession {
        /// The session.
        session: SessionId,
        /// Who speaks for it from now on.
        holder: Holder,
    },
    /// Nothing: the answer tells that this boot lives.
    Ping,
}

/// A room with what the worker must know of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assignment {
    /// The room.
    pub room: RoomId,
    /// Fencing number of this placement.
    pub generation: Generation,
    /// What the room is for.
    pub room_type: RoomType,
    /// Its video codec.
    pub video_codec: VideoCodec,
}

/// A new session of a peer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenSession {
    /// The room, carried whole so that a worker that missed the assignment still serves it.
    pub assignment: Assignment,
    /// New for each connection.
    pub session: SessionId,
    /// Whose it is; also its endpoint id on the wire.
    pub peer: PeerId,
    /// Where the worker sends this session's signalling.
    pub holder: Holder,
    /// Endpoint metadata as others see it: `{"peer":…,"server":…}`.
    pub metadata: Json,
    /// Whether it receives every track, or only those asked for by REST.
    pub subscribe_mode: SubscribeMode,
    /// What it receives when its mode is manual.
    #[serde(default)]
    pub subscriptions: Subscriptions,
    /// What its token allows.
    #[serde(default)]
    pub rights: Rights,
    /// How it is connected.
    #[serde(default)]
    pub client: Client,
    /// Of a component: the generation of the job that it does, which is refused beside a session of a newer one.
    /// Peers have none: the newest session is theirs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<Generation>,
}

/// Who holds a session: has its socket, or is its client, and takes its signalling.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Holder {
    /// Of a peer.
    Coordinator {
        /// Which.
        coordinator: CoordinatorId,
    },
    /// Of a component.
    Gateway {
        /// Which.
        gateway: GatewayId,
    },
}

impl From<CoordinatorId> for Holder {
    fn from(coordinator: CoordinatorId) -> Self {
        Self::Coordinator { coordinator }
    }
}

impl From<GatewayId> for Holder {
    fn from(gateway: GatewayId) -> Self {
        Self::Gateway { gateway }
    }
}

/// What kind of client a session serves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Client {
    /// It sends and receives media itself.
    #[default]
    Webrtc,
    /// The same, but it offers once and for all (WHIP, WHEP): tracks come and go on the lines that it
    /// offered, and it is told of nothing but the answer.
    OneOffer,
    /// It broadcasts or records the room: it receives only, and others are not told of it.
    Listener {
        /// Whether it receives sound.
        audio: bool,
        /// The encoding of each track of video that it receives, and never another in its place.
        video: Option<Variant>,
    },
    /// Its sound goes through its coordinator.
    Agent {
        /// What it hears; `None` when it only speaks.
        output: Option<AgentOutput>,
    },
}

/// What the holder of a peer token may do with media.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rights {
    /// Publish tracks; without it, all lines of its offers are answered as not sending.
    pub publish: bool,
    /// Receive tracks; without it, none is offered to it.
    pub subscribe: bool,
}

impl Default for Rights {
    fn default() -> Self {
        Self { publish: true, subscribe: true }
    }
}

/// Which tracks a peer receives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SubscribeMode {
    /// All tracks of the room.
    #[default]
    Auto,
    /// Those that the management API asks for.
    Manual,
}

/// The answer to a [`Command`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum CommandReply {
    /// Done.
    Done,
    /// Not done.
    Refused {
        /// Why.
        reason: Refusal,
    },
}

/// Why a worker refuses a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// The worker restarted since.
    #[error("the command was meant for an earlier boot of the worker")]
    WrongIncarnation,
    /// A newer placement of the room is known, or another gateway does a newer job for the component.
    #[error("a newer generation is known")]
    StaleGeneration,
    /// Cordoned or draining.
    #[error("the worker takes no new rooms")]
    Draining,
    /// Its lease may have run out: others may think it gone.
    #[error("the worker cannot tell whether it still counts as alive")]
    Fenced,
    /// At its admission limit.
    #[error("the worker is full")]
    Full,
    /// There is nothing to adopt.
    #[error("there is no such session")]
    NoSession,
    /// Not understood.
    #[error("the worker did not understand the command")]
    Malformed,
}

impl Message for Command {}
impl Message for CommandReply {}

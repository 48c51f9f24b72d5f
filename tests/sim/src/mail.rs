//! What reaches a process or a peer.

use std::time::Duration;

use velella_coordinator_core::{Close, CommandOutcome, Entry, Noun, Request};
use velella_model::wire::announce::{Announce, GatewayAnnounce};
use velella_model::wire::command::Command;
use velella_model::wire::holding::Holding;
use velella_model::wire::signal::ToHolder;
use velella_model::{PeerId, RoomId, SessionId};

use crate::net::Node;
use crate::store::Answer;

/// To a process.
#[derive(Clone, Debug)]
pub(crate) enum Mail {
    /// The store answers a call.
    Stored(u64, Box<Answer>),
    /// It did not in time.
    StoreLate(u64),
    /// A step of a watch.
    Changed(u64, Box<Entry>),
    /// A watch ended.
    WatchLost(Noun, u64),
    Announced(Box<Announce>),
    GatewayAnnounced(Box<GatewayAnnounce>),
    Holds(Holding),
    Signalled(Box<ToHolder>),
    /// A signal for a session; what it says does not matter here.
    Signal,
    Ordered {
        from: Node,
        boot: u32,
        id: u64,
        command: Box<Command>,
    },
    /// A request was answered.
    Answered(u64, CommandOutcome),
    /// It was not in time.
    BusLate(u64),
    Asked(u64, Box<Request>),
    SocketOpened {
        socket: usize,
        session: SessionId,
        room: RoomId,
        peer: PeerId,
    },
    SocketSaysConnect(SessionId),
    SocketClosed(SessionId),
    Timer(Timer),
}

/// What a process reminds itself of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Timer {
    Core(Duration),
    Keep(usize),
    Follow(Noun),
    Observe,
    Announce,
    Hold,
    Audit,
}

/// To a peer.
#[derive(Debug)]
pub(crate) enum PeerMail {
    /// It is time to come.
    Come,
    Welcome(SessionId),
    Connected(SessionId),
    /// Its socket is closed, by the coordinator or because that died.
    Closed(SessionId, Option<Close>),
    /// It waited long enough for being connected.
    Impatient(SessionId),
}

//! Why sockets are closed, in the words that the published clients understand.
//!
//! A client stays out for good on a few texts with code 1000 (wrong token, no such room) and
//! joins again on anything else, so each reason here decides whether its peer comes back.

use std::borrow::Cow;

use velella_model::wire::signal::CloseReason;

/// Normal closure.
pub(crate) const NORMAL: u16 = 1000;
/// The server could not go on; the client joins again.
pub(crate) const INTERNAL: u16 = 1011;

/// Longest reason of a close frame: a control frame holds 125 bytes, two of them are the code.
const REASON_BYTES_MAX: usize = 123;

/// Why a socket is closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Close {
    /// The token names a room that is not there. Stays out.
    RoomNotFound,
    /// The token names a peer that is not there. Stays out.
    PeerNotFound,
    /// The room has its number of peers. Stays out.
    PeersLimit,
    /// A newer socket of the same peer took over. Stays out, or two tabs would fight for ever.
    TakenOver,
    /// The token is that of another kind of peer. Stays out.
    WrongSocket,
    /// Another streamer is connected to the livestream. Stays out.
    StreamTaken,
    /// The peer was removed by the management API, perhaps for a reason; it returns once and finds
    /// no peer.
    PeerRemoved(Option<Box<str>>),
    /// Its token was revoked. Stays out.
    TokenRevoked,
    /// The room was removed; it returns once and finds no room.
    RoomStopped,
    /// The peer said goodbye.
    Left,
    /// A message between coordinator and worker was lost. Joins again.
    SignalLost,
    /// No worker took the session in time. Joins again.
    NoWorker,
    /// The store did not take the connection. Joins again.
    StoreDown,
    /// The worker lost its memory. Joins again.
    WorkerRestarted,
    /// The worker ended the session. Joins again.
    SessionEnded(CloseReason),
    /// The peer says more than can be held while its session opens. Joins again.
    TooMuchHeld,
}

impl Close {
    /// WebSocket close code.
    pub fn code(&self) -> u16 {
        match self {
            Self::RoomNotFound
            | Self::PeerNotFound
            | Self::PeersLimit
            | Self::TakenOver
            | Self::WrongSocket
            | Self::StreamTaken
            | Self::PeerRemoved(_)
            | Self::TokenRevoked
            | Self::RoomStopped
            | Self::Left => NORMAL,
            Self::SignalLost
            | Self::NoWorker
            | Self::StoreDown
            | Self::WorkerRestarted
            | Self::SessionEnded(_)
            | Self::TooMuchHeld => INTERNAL,
        }
    }

    /// Why, in fixed words.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::RoomNotFound => "room not found",
            Self::PeerNotFound => "peer not found",
            Self::PeersLimit => "reached peers limit",
            Self::TakenOver | Self::WrongSocket | Self::TokenRevoked => "invalid token",
            Self::StreamTaken => "streamer already connected",
            Self::PeerRemoved(_) => "Peer removed",
            Self::RoomStopped => "Room stopped",
            Self::Left => "left",
            Self::SignalLost => "signalling was interrupted",
            Self::NoWorker => "no worker answers",
            Self::StoreDown => "the store is down",
            Self::WorkerRestarted => "the worker restarted",
            Self::SessionEnded(reason) => ended(*reason),
            Self::TooMuchHeld => "too many messages before connected",
        }
    }

    /// WebSocket close reason: the fixed words, and what somebody wrote for this one peer.
    pub fn text(&self) -> Cow<'static, str> {
        let Self::PeerRemoved(Some(why)) = self else { return self.reason().into() };
        let mut text = format!("{}: {why}", self.reason());
        text.truncate(text.floor_char_boundary(REASON_BYTES_MAX));
        text.into()
    }
}

fn ended(reason: CloseReason) -> &'static str {
    match reason {
        CloseReason::Asked | CloseReason::TakenOver => "the session was replaced",
        CloseReason::IceTimeout => "no media connectivity",
        CloseReason::SignalLost => "signalling was interrupted",
        CloseReason::BadSignal => "bad signalling message",
        CloseReason::Crashed => "Internal server error",
        CloseReason::RoomClosed => "the room moved",
        CloseReason::Full => "the worker is full",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_of_a_removal_fits_into_a_close_frame() {
        assert_eq!(Close::PeerRemoved(None).text(), "Peer removed");
        assert_eq!(Close::PeerRemoved(Some("spam".into())).text(), "Peer removed: spam");
        let long = Close::PeerRemoved(Some("ä".repeat(100).into()));
        assert_eq!(long.text().len(), 122, "no half letters");
    }
}

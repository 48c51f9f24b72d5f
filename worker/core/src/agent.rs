//! Sound on its way between a shard and whoever turns the sound of agents into Opus and back.
//!
//! A shard knows packets only. It says here which agents and tracks there are and what they hear;
//! packets that agents say come in as [`SpokenPacket`].

use velella_model::record::AgentOutput;
use velella_model::wire::agent::Encoding;
use velella_model::wire::command::Holder;
use velella_model::{SessionId, TrackId};

use crate::transport::Payload;

/// What a shard says about its agents, in order.
#[derive(Debug, PartialEq, Eq)]
pub enum AgentNews {
    /// An agent joined.
    Joined {
        /// Its session.
        session: SessionId,
        /// Where what it hears goes.
        holder: Holder,
        /// How it wants to hear it; `None` when it only speaks.
        output: Option<AgentOutput>,
    },
    /// It publishes a track from now on.
    TrackAdded {
        /// Its session.
        session: SessionId,
        /// New to the room.
        track: TrackId,
        /// How its sound comes.
        encoding: Encoding,
    },
    /// It takes back what was not played yet.
    TrackInterrupted {
        /// Its session.
        session: SessionId,
        /// Own track.
        track: TrackId,
    },
    /// It no longer publishes a track.
    TrackRemoved {
        /// Its session.
        session: SessionId,
        /// Own track.
        track: TrackId,
    },
    /// A packet of a track that it receives.
    Heard {
        /// Its session.
        session: SessionId,
        /// Somebody else's track.
        track: TrackId,
        /// As it arrived: maybe out of order, maybe after others were lost.
        packet: SoundPacket,
    },
    /// It is gone with everything above.
    Left {
        /// Its session.
        session: SessionId,
    },
}

/// One Opus packet of a track.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SoundPacket {
    /// Another one when the publisher begins anew with the two numbers below.
    pub stream: u32,
    /// Grows by one from packet to packet.
    pub sequence: u64,
    /// At 48 000 per second, wraps.
    pub timestamp: u32,
    /// Opus.
    pub payload: Payload,
}

/// One Opus packet that an agent says, at the moment when it is to be heard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpokenPacket {
    /// The agent's session.
    pub session: SessionId,
    /// Its track.
    pub track: TrackId,
    /// When it plays on the track's own clock of 48 000 per second, wraps.
    pub timestamp: u32,
    /// The first after a pause.
    pub begins: bool,
    /// How loud it is, -127 to 0; `None` when nobody looked.
    pub level_dbov: Option<i8>,
    /// Opus.
    pub payload: Payload,
}

//! The SFU of one shard: sessions, negotiation, forwarding.
//!
//! Pure: no sockets, threads, clock or locks. [`Shard`] takes datagrams, orders and signals with
//! the time they came, and hands out datagrams, signals and the time it wants to be woken.
//! [`Ledger`] decides which commands a worker accepts and on which shard a room lives.
//!
//! One exception to "no `Arc`": str0m shares RTP payloads as `Arc<[u8]>`.

#![warn(missing_docs)]
#![cfg_attr(
    test,
    allow(
        clippy::disallowed_methods,
        clippy::disallowed_types,
        reason = "tests need a first instant; proptest uses Arc"
    )
)]

mod agent;
mod answer;
mod capture_clock;
mod channels;
mod classify;
mod demux;
mod forwarder;
mod keyframe;
mod ledger;
mod negotiation;
mod red;
mod rewriter;
mod room;
mod selector;
mod session;
mod shard;
mod stats;
mod streams;
mod timers;
mod transport;
mod voice;
mod wishes;

pub use agent::{AgentNews, SoundPacket, SpokenPacket};
pub use demux::local_ufrag;
pub use ledger::{Ledger, Routed};
pub use shard::{Admission, Datagram, Entrance, Input, Output, Routing, Shard};
pub use stats::Stats;
pub use transport::{UFRAG_MARK_LETTERS, rtc_config};

//! One ingest: a source on one side, a session at the room's worker on the other. Pure: no sockets, no
//! clock, no locks.
//!
//! [`Ingest`] is the machine. It wants a source opened, and opened again after it failed; it opens a
//! session at the worker where the room lives, and another when the room moves; it puts pictures and sound
//! into packets, and what browsers could not show through a transcoder. [`Board`] tells which ingests a gateway has to run at all, from what the store says.
//!
//! One exception to "no `Arc`": str0m takes payloads as `Arc<[u8]>`.

#![warn(missing_docs)]
#![cfg_attr(test, allow(clippy::disallowed_methods, reason = "tests need a first instant"))]

mod backoff;
mod board;
mod clock;
mod continuity;
mod ear;
mod errand;
mod gate;
mod gop;
mod ingest;
mod leg;
mod listener;
mod sub_stream;
mod transcode;
mod uplink;

pub use backoff::Backoff;
pub use board::{Board, Change, Task};
pub use ear::{Heard, HeardCodec};
pub use errand::Errand;
pub use ingest::{Counts, Ingest, Input, Name, Output, Progress};
pub use leg::{Home, Packet, Published};
pub use listener::{Listener, ListenerInput, ListenerOutput, Listening};
pub use transcode::{Coded, Encoding, OWED_MAX, TRANSCODER_HZ, Transcoding};

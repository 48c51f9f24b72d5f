//! One ingest: a source on one side, a session at the room's worker on the other. Pure: no sockets, no
//! clock, no locks.
//!
//! [`Ingest`] is the machine. It wants a source opened, and opened again after it failed; it opens a
//! session at the worker where the room lives, and another when the room moves; it puts pictures and sound
//! into packets. [`Board`] tells which ingests a gateway has to run at all, from what the store says.
//!
//! One exception to "no `Arc`": str0m takes payloads as `Arc<[u8]>`.

#![warn(missing_docs)]
#![cfg_attr(test, allow(clippy::disallowed_methods, reason = "tests need a first instant"))]

mod backoff;
mod board;
mod clock;
mod gop;
mod ingest;
mod leg;
mod uplink;

pub use backoff::Backoff;
pub use board::{Board, Change, Task};
pub use gop::GOP_LONG;
pub use ingest::{Counts, Ingest, Input, Name, Output, Progress};
pub use leg::{Home, Packet, Published};

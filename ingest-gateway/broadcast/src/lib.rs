//! A room as a stream of low-latency HLS. Pure: no sockets, no clock, no locks.
//!
//! [`Broadcast`] listens to a room, one session for each size of its pictures ([`velella_gateway_core::Listener`]), shows
//! one participant at a time, puts the clocks of all onto one time line ([`velella_timeline`]), makes samples of frames
//! ([`velella_cmaf`]) and gives them to the packager ([`velella_hls`]). Nothing is transcoded: each size that somebody
//! sends is a rendition.

#![warn(missing_docs)]

mod broadcast;
mod feed;
mod ladder;
mod moments;
mod sender;
mod stage;
mod standing;

pub use broadcast::{Broadcast, BroadcastError, Input, Output, Stats};
pub use ladder::LISTENERS;

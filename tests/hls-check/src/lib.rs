//! Watches a live HLS stream, of any server, and tells which rules of rfc8216bis-22 it breaks *across reloads*.
//!
//! Start at `checker.rs`, which is fed with what was asked and answered and knows no network; `itinerary.rs`
//! decides what to ask next, as purely; `watch.rs` joins both with HTTP.

pub mod checker;
pub mod fragment;
pub mod itinerary;
pub mod observation;
pub mod playlist;
pub mod report;
pub mod rule;
#[cfg(feature = "http")]
pub mod watch;

#[cfg(feature = "http")]
mod client;

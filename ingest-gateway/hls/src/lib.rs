//! Samples into low-latency HLS (draft-pantos-hls-rfc8216bis-22, here "the draft").
//!
//! [`Packager`] has the doors of a core. Samples of a stream's renditions go in; playlists, segments and parts are asked
//! for, and whoever has to wait is told until when. Sockets, caches, HTTP and storage are the caller's, fragments are
//! written by a function it gives. How it cuts, and how it meets the draft, stands in the README beside this crate.
//!
//! Behind it, each on its own: a rendition cuts parts and segments, boundaries keep the numbers of segments the same in
//! all of them, a history keeps what is listed and what may still be asked for, and playlists are written from that.

#![warn(missing_docs)]
#![cfg_attr(test, allow(clippy::disallowed_methods, reason = "tests need some instant to count from"))]

pub mod address;
mod boundary;
mod history;
mod packager;
mod playlist;
mod rendition;
mod request;
mod sample;
mod segment;
mod settings;
mod snapshot;
mod stats;
mod stream;
#[cfg(test)]
mod tests;
mod time;

pub use packager::{DeclarationError, Input, Packager, RENDITIONS_MAX};
pub use request::{Answer, Directives, DirectivesError, Refusal, Skip};
pub use sample::{Configuration, Declaration, Medium, Name, NameError, Picture, RenditionId, Sample, WriteFragment};
pub use settings::{KeyFrames, Settings, SettingsError, Window};
pub use snapshot::{ResumeError, Snapshot};
pub use stats::Stats;
pub use stream::Output;
pub use time::{StreamTime, WallTime};

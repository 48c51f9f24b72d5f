//! Samples into low-latency HLS (draft-pantos-hls-rfc8216bis-22, here "the draft").

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

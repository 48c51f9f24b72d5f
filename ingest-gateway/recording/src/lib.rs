//! What a recording keeps, how it survives a crash, and how it becomes files that play.
//!
//! A recording is a directory. [`Recorder`] says what to append to which file while it runs: fragments of a second for
//! each track, and after each a line in the track's sidecar. [`Track::recover`] reads a sidecar back, whatever a crash
//! left of it. [`Movie`] plans one MP4 from tracks, and [`media_playlist`] plays them where they lie. [`retention`] and
//! [`Space`] say what to delete and when to stop.
//!
//! No I/O: a shell executes what is told here, on a disk or in a bucket.

#![warn(missing_docs)]

mod layout;
mod movie;
mod playlist;
mod recorder;
mod recovery;
pub mod retention;
mod sidecar;
mod space;

pub use layout::{FileName, NameError, RecordingId, TrackId};
pub use movie::{Copy, Movie, MovieError, MovieTrack};
pub use playlist::media_playlist;
pub use recorder::{Command, Input, Recorder, Stats};
pub use recovery::Track;
pub use sidecar::{About, Configured, Fragment, Kind, Line, Loss, Manifest};
pub use space::{Space, SpaceLimits};

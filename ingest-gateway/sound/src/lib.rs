//! Sound of a source into Opus packets of 20 ms at 48 kHz, as rooms take it.
//!
//! AAC-LC and G.711 are decoded and encoded again; Opus is passed through. HE-AAC plays with the half of its band that
//! its core carries. What a source's clock does to it is in [`Transcoder`]'s rules.
//!
//! No I/O and no clock: the times of frames are all that is known of time.

#![warn(missing_docs)]

mod decoder;
mod encoder;
mod g711;
mod resampler;
mod timeline;
mod transcoder;

pub use transcoder::{OpusPacket, PACKETS_MAX, SoundStats, Transcoder};

//! The server's side of an RTMP publish: bytes in, answers and frames out.
//!
//! Adobe's RTMP 1.0 with the plain handshake, AMF0, and Enhanced RTMP 2 as far as rooms can use it: H.264, HEVC,
//! AAC, Opus, G.711. Playing is refused. Sockets, TLS and who may publish are the caller's.
//!
//! [`Session`] has the doors of a core. Behind it, each on its own: [`chunk`] takes the wire apart, [`amf`] reads
//! values, [`flv`] reads tags, and [`Publication`] makes frames of them. All of them are bounded by what their
//! constants name, whatever a peer says. That is why chunks and values are read here and not by `rml_rtmp`: it keeps
//! one message for all chunk streams (interleaved ones of other lengths make it panic), reserves what a header names,
//! follows values to any depth, and reads the clock.

#![warn(missing_docs)]
#![cfg_attr(test, allow(clippy::disallowed_methods, reason = "tests need some instant to count from"))]

pub mod amf;
pub mod chunk;
mod command;
mod decoder_config;
pub mod flv;
mod handshake;
mod publication;
mod session;

pub use command::Metadata;
pub use decoder_config::{DecoderConfig, DecoderConfigError};
pub use publication::{Event, Publication, PublicationStats, Reordering};
pub use session::{CloseReason, Output, PublishRequest, Session, SessionStats};

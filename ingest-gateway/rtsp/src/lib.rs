//! One connection to one RTSP camera (RFC 2326): what it sends, as frames.
//!
//! [`Camera::open`] asks the guard for the camera's address, speaks to it until it plays, and
//! [`Camera::next`] gives frames until the connection ends. Whether and when to come back is the
//! caller's decision; [`Error::is_retryable`] says whether it would help.
//!
//! The conversation is written as it is held, question after question, over TCP or TLS. All that is
//! read is taken apart by pure functions and machines: messages, SDP, RTP, RTCP, access units, time.
//!
//! Cameras are lenient with the standards, so this is lenient with cameras, but not with what could
//! hurt: media comes from the address that was checked and goes nowhere else, whatever SDP `c=` or
//! `Transport` say, and every length has a bound.

#![warn(missing_docs)]

mod aac;
mod access_units;
mod camera;
mod connection;
mod dialogue;
mod error;
mod event;
mod format;
mod framer;
#[doc(hidden)]
pub mod fuzzing;
mod keep_alive;
mod login;
mod message;
mod options;
mod reception;
mod reorder;
mod report;
mod rtcp;
mod rtp;
mod sdp;
mod sync;
mod timeline;
mod track;
mod transport;
mod udp;

pub use camera::Camera;
pub use error::Error;
pub use event::{Discontinuity, Event, Medium, Stats, Track};
pub use options::{Options, Transport};

//! What encoders send over SRT until they are let in: [`gate`] says which datagrams get to the machines of
//! `srt-protocol`, [`handshake`] takes these over a caller's handshake, and [`stream_id`] tells what it asks for.
//! Sockets, cookies, and who may publish are the caller's.

#![warn(missing_docs)]

pub mod gate;
pub mod handshake;
pub mod stream_id;
#[doc(hidden)]
pub mod testing;

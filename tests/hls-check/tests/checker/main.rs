//! The checker against a scripted server in virtual time: a legal stream passes, whatever it is made of, and each
//! rule is shown to find a planted violation. And against a real server with what ffmpeg writes.

#![allow(
    clippy::cast_possible_truncation,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "test code"
)]

#[cfg(feature = "http")]
mod classic;
mod fmp4;
mod legal;
#[cfg(feature = "http")]
mod live;
mod planted;
mod script;
mod server;

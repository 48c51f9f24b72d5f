//! The Fishjam protobufs, compiled from our own `.proto` files in `proto/`.
//!
//! Field numbers are the contract with the published SDKs; message and package names are not on
//! the wire. Only the codecs at the edge of the coordinator and the data channels of the worker
//! read these types; everything between speaks `velella_model::wire`.

/// Frames of the peer, server and agent sockets, and media events below.
pub mod fishjam {
    include!(concat!(env!("OUT_DIR"), "/fishjam.rs"));

    /// Types shared by both directions.
    pub mod media_events {
        include!(concat!(env!("OUT_DIR"), "/fishjam.media_events.rs"));

        /// What a peer says.
        pub mod peer {
            include!(concat!(env!("OUT_DIR"), "/fishjam.media_events.peer.rs"));
        }

        /// What the server says.
        pub mod server {
            include!(concat!(env!("OUT_DIR"), "/fishjam.media_events.server.rs"));
        }
    }
}

pub use prost::{DecodeError, Message};

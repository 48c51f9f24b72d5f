//! Every message that crosses a process, one file per conversation.
//!
//! MessagePack with named fields inside an envelope with the version: unknown fields are ignored, so fields can be
//! added both ways; an unknown major version is refused.

pub mod agent;
pub mod announce;
pub mod command;
pub mod holding;
pub mod ingest;
pub mod resource;
pub mod signal;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// Largest encoded message. A 25-person SDP offer is about 60 KiB.
pub const MESSAGE_BYTES_MAX: usize = 512 * 1024;

/// A message with the version of its conversation.
pub trait Message: Serialize + DeserializeOwned {
    /// Raised when an old reader would misunderstand a new message.
    const VERSION: u16 = 1;
}

#[derive(Serialize, Deserialize)]
struct Envelope<M> {
    v: u16,
    m: M,
}

#[derive(Deserialize)]
struct VersionOnly {
    v: u16,
}

/// Encodes a message for the bus.
pub fn encode<M: Message>(message: &M) -> Vec<u8> {
    rmp_serde::to_vec_named(&Envelope { v: M::VERSION, m: message })
        .expect("our own messages hold nothing that MessagePack cannot carry")
}

/// Decodes a message from the bus.
pub fn decode<M: Message>(bytes: &[u8]) -> Result<M, WireError> {
    if bytes.len() > MESSAGE_BYTES_MAX {
        return Err(WireError::TooLong { bytes: bytes.len() });
    }
    let VersionOnly { v } = rmp_serde::from_slice(bytes).map_err(|e| WireError::Malformed(e.to_string()))?;
    if v != M::VERSION {
        return Err(WireError::Version { theirs: v, ours: M::VERSION });
    }
    let envelope: Envelope<M> = rmp_serde::from_slice(bytes).map_err(|e| WireError::Malformed(e.to_string()))?;
    Ok(envelope.m)
}

/// Why bytes from the bus are no message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// Larger than [`MESSAGE_BYTES_MAX`].
    #[error("a message of {bytes} bytes is over the limit of {MESSAGE_BYTES_MAX}")]
    TooLong {
        /// Its size.
        bytes: usize,
    },
    /// Not MessagePack, or not this message.
    #[error("malformed message: {0}")]
    Malformed(String),
    /// Another major version.
    #[error("the sender speaks version {theirs} of this message, this process speaks {ours}; upgrade the older one")]
    Version {
        /// Version in the message.
        theirs: u16,
        /// Version of this build.
        ours: u16,
    },
}

#[cfg(test)]
mod tests;

//! The bus between processes: publish, subscribe, request.
//!
//! At most once and in order per publisher and subject, as core NATS gives it; it holds no truth.
//! [`nats`] is for a cluster, [`memory`] its twin for one process; both pass `contract`.

#![warn(missing_docs)]

#[cfg(test)]
mod contract;
pub mod memory;
pub mod nats;
mod subscription;

use std::time::Duration;

use bytes::Bytes;
pub use subscription::Subscription;
use tokio::sync::watch;

/// Messages that one subscription may hold. A subscriber that falls further behind loses the newest
/// messages, which its subscription counts.
pub const SUBSCRIPTION_MESSAGES_MAX: usize = 65_536;

/// Largest payload of one message: what NATS servers take unless told otherwise.
pub const PAYLOAD_BYTES_MAX: usize = 1024 * 1024;

/// Publish, subscribe, request.
#[async_trait::async_trait]
pub trait Bus: Send + Sync {
    /// Sends to everyone subscribed to `subject` now; nobody listening is no error. What is sent while
    /// the bus is down is refused, not kept.
    async fn publish(&self, subject: &str, payload: Bytes) -> Result<(), BusError>;

    /// Receives what is published to `subject` from now on, through whatever handle. A token `*` stands
    /// for any one token, a trailing `>` for one or more.
    async fn subscribe(&self, subject: &str) -> Result<Subscription, BusError>;

    /// Sends and waits for one reply. Nobody subscribed is [`BusError::NoResponders`] at once,
    /// which callers read as "that process is gone".
    async fn request(&self, subject: &str, payload: Bytes, timeout: Duration) -> Result<Bytes, BusError>;

    /// Whether the bus can be reached, and every change of that. A server that hangs is noticed within
    /// about 6 s.
    fn connected(&self) -> watch::Receiver<bool>;
}

/// One received message.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// The message.
    pub payload: Bytes,
    /// Where an answer goes: publish it there.
    pub reply: Option<String>,
}

/// Why a message could not be sent or answered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BusError {
    /// Nobody is subscribed.
    #[error("nobody answers on {subject}")]
    NoResponders {
        /// The subject.
        subject: String,
    },
    /// Somebody is subscribed and did not answer in time.
    #[error("no answer on {subject} within {timeout:?}")]
    TimedOut {
        /// The subject.
        subject: String,
        /// The limit.
        timeout: Duration,
    },
    /// The message is over [`PAYLOAD_BYTES_MAX`].
    #[error("a message of {bytes} bytes is over the limit of {PAYLOAD_BYTES_MAX}")]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
    /// The bus itself cannot be reached.
    #[error("the bus is down: {0}")]
    Down(String),
}

fn within_bound(payload: &Bytes) -> Result<(), BusError> {
    if payload.len() > PAYLOAD_BYTES_MAX { Err(BusError::TooLarge { bytes: payload.len() }) } else { Ok(()) }
}

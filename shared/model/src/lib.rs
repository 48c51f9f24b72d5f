//! The nouns of Velella and every message that crosses a process.
//!
//! Nothing here does I/O. [`wire`] holds the messages, [`subject`] and [`key`] are the only
//! places that spell NATS subjects and etcd keys, [`record`] is what the store keeps.

#![warn(missing_docs)]

pub mod component;
pub mod id;
pub mod json;
pub mod key;
mod media;
pub mod record;
mod shared;
pub mod subject;
pub mod wire;

pub use id::{
    ComponentId, CoordinatorId, GatewayId, Generation, Id, IdError, Incarnation, PeerId, RoomId, SessionId, TrackId,
    WorkerId, kind,
};
pub use json::{Json, JsonError};
pub use media::{MediaKind, RoomType, Variant, VideoCodec};
pub use shared::Shared;

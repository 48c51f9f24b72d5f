//! The worker: the SFU's shell around `velella-worker-core`.
//!
//! One thread per shard moves datagrams (`shard_thread`); one task talks to the coordinators
//! (`control`), lets people in while the worker's key in the store is its own (`audit`), and says what it
//! holds (`state`); one announces the worker (`announce`); one more thread turns the sound of agents
//! (`agents`). Decisions are made in the core.

#![warn(missing_docs)]

mod agents;
mod announce;
mod audit;
mod config;
mod control;
mod dtls;
mod egress;
mod engine;
mod metrics;
mod service;
mod shard_thread;
mod socket;
mod state;
mod strays;
mod voices;

pub use config::Config;
pub use service::{Service, build};

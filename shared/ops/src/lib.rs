//! What every process shares: config, logs, metrics, admin port, readiness, shutdown.
//!
//! A `main` reads its config, picks adapters, puts them into [`Deps`] and lets [`process::run`] do
//! the rest; nothing below it asks which adapters they are.

#![warn(missing_docs)]

pub mod admin;
mod cluster;
pub mod config;
mod counted;
mod deps;
mod etcd;
mod inquiry;
mod lobby;
pub mod logs;
mod nats;
pub mod nofile;
pub mod process;
mod readiness;
mod seal;
mod secret;
pub mod shutdown;
mod trust;

pub use cluster::ClusterConfig;
pub use deps::Deps;
pub use etcd::EtcdConfig;
pub use inquiry::{Inquiries, Question};
pub use lobby::{Lobby, Seat};
pub use nats::NatsConfig;
pub use readiness::{Latch, Readiness};
pub use seal::Seal;
pub use secret::{EmptySecret, Secret};
pub use trust::{tls_client, tls_server};

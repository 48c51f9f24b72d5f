//! What every process shares: config, logs, metrics, admin port, readiness, shutdown.
//!
//! A `main` picks adapters and puts them into [`Deps`]; nothing below it asks which ones they are.

#![warn(missing_docs)]

pub mod admin;
pub mod config;
mod deps;
pub mod logs;
pub mod nofile;
mod readiness;
mod secret;
pub mod shutdown;

pub use deps::Deps;
pub use readiness::{Latch, Readiness};
pub use secret::{EmptySecret, Secret};

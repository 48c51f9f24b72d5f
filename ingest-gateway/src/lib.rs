//! The shell of the ingest gateway: it brings cameras, encoders and files into rooms.
//!
//! [`build`] opens its ears, [`Service::run`] serves. One task runs each ingest; the driver starts and stops
//! them by what the store says. What to do when is decided in `velella-gateway-core`.

#![warn(missing_docs)]

mod allowance;
mod announce;
mod broadcast;
mod config;
mod courier;
mod driver;
mod job;
mod letter;
mod life;
mod listen;
mod metrics;
mod origins;
mod readings;
mod report;
mod service;
mod source;
mod transcoder;
mod uplink_socket;
mod viewers;

pub use config::{Config, source_secret};
pub use service::{Service, build};

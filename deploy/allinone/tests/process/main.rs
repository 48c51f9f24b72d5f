//! The real binary, from outside: what it refuses, what it tells, how it ends.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail loudly")]

mod admin;
mod commands;
mod config;
mod logs;
mod metrics;
mod mistakes;
mod shutdown;
mod velella;

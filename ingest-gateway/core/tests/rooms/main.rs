//! Components that publish into a room or listen to it, with the real shard of a worker, in virtual time.

#![allow(clippy::disallowed_methods, reason = "virtual time starts at some instant")]
#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

mod listening;
mod publishing;
mod world;

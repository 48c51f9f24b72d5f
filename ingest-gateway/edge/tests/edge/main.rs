//! Edges with real sockets before a real packager.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail loudly")]

mod bounds;
mod checked;
mod origins;
mod serving;
mod support;

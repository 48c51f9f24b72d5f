//! Edges with real sockets before a real packager.

mod bounds;
mod checked;
mod origins;
mod serving;
mod support;

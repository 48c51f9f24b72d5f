//! The coordinator against real HTTP and WebSockets, with a memory bus and store. Workers are
//! scripted: processes that speak the real wire protocol and do nothing else.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail loudly")]

mod abuse;
mod agents;
mod beyond;
mod broadcasts;
mod client;
mod cluster;
mod components;
mod demo;
mod describe;
mod gateway;
mod live;
mod livestreams;
mod moderators;
mod notifications;
mod older;
mod operators;
mod rooms;
mod sockets;
mod subscriber;
mod subscriptions;
mod webhooks;
mod worker;

//! The coordinator against real HTTP and WebSockets, with a memory bus and store. Workers are
//! scripted: processes that speak the real wire protocol and do nothing else.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail loudly")]

mod abuse;
mod agents;
mod beyond;
mod client;
mod cluster;
mod demo;
<<<<<<< HEAD
mod describe;
mod livestreams;
mod moderators;
mod older;
mod operators;
mod rooms;
mod sockets;
mod subscriptions;
=======
mod notifications;
mod rooms;
mod sockets;
mod subscriber;
mod webhooks;
>>>>>>> 10c47b2 (wip)
mod worker;

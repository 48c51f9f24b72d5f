//! Real NATS and etcd servers for tests: on loopback ports of their own, in directories of their
//! own, ended with the value that started them.
//!
//! What goes wrong here is a broken test bench, so everything panics with the server's log.

#![warn(missing_docs)]

mod ca;
mod etcd;
mod nats;
mod port;
mod server;

pub use ca::{Ca, Identity};
pub use etcd::{EtcdCluster, EtcdServer};
pub use nats::NatsServer;
pub use port::Port;

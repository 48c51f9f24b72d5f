//! Coordinator and workers in one process, over a bus and a store in memory.
//!
//! The same services as in a cluster; only the adapters and a few defaults are chosen here. Leases,
//! announcements and commands happen all the same.

mod config;

use std::sync::Arc;

use anyhow::Context;
use tokio::task::JoinSet;
use velella_bus::memory::MemoryBus;
use velella_ops::{Deps, Readiness, logs, nofile, shutdown};
use velella_store::memory::MemoryStore;

use crate::config::Config;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let config: Config = velella_ops::config::parse_or_exit();
    logs::init()?;
    let files = nofile::raise()?;
    tracing::debug!(files, "open files allowed");
    let deps = Deps {
        bus: Arc::new(MemoryBus::new()),
        store: Arc::new(MemoryStore::new()),
        registry: prometheus::Registry::new(),
        readiness: Readiness::new(),
        shutdown: shutdown::on_signal()?,
    };
    let mut services = JoinSet::new();
    for index in 1..=config.workers {
        let worker = velella_worker::build(config.worker(index), deps.clone()).await?;
        services.spawn(worker.run());
    }
    let coordinator = velella_coordinator::build(config.coordinator(), deps.clone()).await?;
    let address = coordinator.local_address();
    services.spawn(coordinator.run());
    config::print_welcome(address).context("cannot write to standard output")?;
    while let Some(ended) = services.join_next().await {
        // One service that fails takes the process down; so does a shutdown, without an error.
        deps.shutdown.cancel();
        ended.context("a service panicked")??;
    }
    Ok(())
}

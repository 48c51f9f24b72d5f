//! Coordinator and workers in one process, over a bus and a store in memory.
//!
//! The same services as in a cluster; only the adapters and a few defaults are chosen here.
//! Announcements, leases and commands happen all the same.

mod config;
mod welcome;

use std::io;
use std::sync::Arc;

use anyhow::Context;
use tokio::task::JoinSet;
use velella_bus::memory::MemoryBus;
use velella_model::subject;
use velella_ops::{Deps, Readiness, logs, nofile, shutdown};
use velella_store::memory::MemoryStore;

use crate::config::Config;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let config: Config = velella_ops::config::parse_or_exit();
    logs::init(&config.logs)?;
    let open_files = nofile::raise().context("cannot raise the limit of open files")?;
    tracing::debug!(?open_files, "limit of open files");
    if config.is_development() {
        tracing::warn!(
            "the management token is `development`, known to everybody: set VELELLA_MANAGEMENT_TOKEN before others can \
             reach this address"
        );
    }
    let deps = Deps {
        bus: Arc::new(MemoryBus::new()),
        store: Arc::new(MemoryStore::new()),
        registry: prometheus::Registry::new(),
        readiness: Readiness::new(),
        shutdown: shutdown::on_signals()?,
    };
    run(&config, deps).await
}

async fn run(config: &Config, deps: Deps) -> anyhow::Result<()> {
    // The coordinator listens to the bus first, so that it knows the workers when people read the welcome.
    let coordinator = velella_coordinator::build(config.coordinator()?, deps.clone()).await?;
    let listening = coordinator.local_addr()?;
    let mut announcements = deps.bus.subscribe(subject::ANNOUNCEMENTS).await?;
    let mut services = JoinSet::new();
    services.spawn(coordinator.run());
    for number in 1..=config.workers {
        let worker = velella_worker::build(config.worker(number)?, deps.clone()).await?;
        services.spawn(worker.run());
    }
    // The first announces itself as soon as it runs; without one, every room would be refused.
    announcements.next().await.context("the bus closed")?;
    drop(announcements);
    welcome::write(&mut io::stdout().lock(), listening, config.is_development())?;
    while let Some(ended) = services.join_next().await {
        // A service that fails takes the process down; a shutdown ends all of them without error.
        deps.shutdown.cancel();
        ended.context("a service panicked")??;
    }
    Ok(())
}

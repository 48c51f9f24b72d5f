//! Coordinator, workers and a gateway in one process, over a bus and a store in memory.
//!
//! The same services as in a cluster; only the adapters and a few defaults are chosen here.
//! Announcements, leases and commands happen all the same. A first word instead of a flag calls the
//! operators' command line.

mod config;
mod fishjam;
mod welcome;

use std::io;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use velella_bus::Subscription;
use velella_bus::memory::MemoryBus;
use velella_model::subject;
use velella_ops::Deps;
use velella_ops::config::{load_or_exit, parse_or_exit};
use velella_ops::process::{self, Process};
use velella_store::memory::MemoryStore;

use crate::config::Config;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What `--version` prints.
const VERSION: &str = concat!("velella ", env!("CARGO_PKG_VERSION"));

fn main() -> ExitCode {
    if velella_cli::is_called(std::env::args_os().skip(1)) {
        return velella_cli::run(&parse_or_exit());
    }
    let loaded = load_or_exit::<Config>(fishjam::settings);
    let settings = loaded.config.process.clone();
    process::run(VERSION, loaded, &settings, run)
}

async fn run(config: Config, process: Process) -> anyhow::Result<()> {
    if config.is_development() {
        tracing::warn!(
            "the management token is `development`, known to everybody: set VELELLA_MANAGEMENT_TOKEN before others can \
             reach this address"
        );
    }
    let deps = Deps::new(Arc::new(MemoryBus::new()), Arc::new(MemoryStore::new()), process);
    let started = deps.readiness.latch("services");
    let coordinator = config.coordinator()?;
    let gateway = config.gateway(&coordinator);
    // The coordinator listens to the bus first, so that it knows the workers when people read the welcome.
    let coordinator = velella_coordinator::build(coordinator, deps.clone()).await?;
    let listening = coordinator.local_addr()?;
    let mut announcements = deps.bus.subscribe(subject::ANNOUNCEMENTS).await?;
    let mut services = JoinSet::new();
    // Workers end last: requests that are still being answered need them.
    let served = CancellationToken::new();
    let front_door_closed = served.clone().drop_guard();
    services.spawn(async move {
        let _closed = front_door_closed;
        coordinator.run().await
    });
    for number in 1..=config.workers {
        let deps = Deps { shutdown: served.clone(), ..deps.clone() };
        let worker = velella_worker::build(config.worker(number)?, deps).await?;
        services.spawn(worker.run());
    }
    let gateway = velella_gateway::build(gateway, Deps { shutdown: served.clone(), ..deps.clone() }).await?;
    services.spawn(gateway.run());
    until_ready(&mut announcements, &deps).await?;
    drop((announcements, started));
    if let Err(error) = welcome::write(&mut io::stdout().lock(), listening, config.is_development()) {
        tracing::debug!(%error, "nobody reads the welcome");
    }
    while let Some(ended) = services.join_next().await {
        // A service that fails takes the process down; a shutdown ends all of them without error.
        deps.shutdown.cancel();
        ended.context("a service panicked")??;
    }
    Ok(())
}

/// Until only the caller's latch is left, and a worker has announced itself: without one, every room would be
/// refused. Announcements come again and again, so each is a moment to look.
async fn until_ready(announcements: &mut Subscription, deps: &Deps) -> anyhow::Result<()> {
    loop {
        tokio::select! {
            heard = announcements.next() => heard.context("the bus closed").map(drop)?,
            () = deps.shutdown.cancelled() => return Ok(()),
        }
        if deps.readiness.waiting().len() <= 1 {
            return Ok(());
        }
    }
}

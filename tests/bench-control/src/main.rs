//! `velella-bench-control`: a coordinator in this process, many subscribers over real sockets, and a
//! store that changes at a steady pace. Prints what arrived, how late, and the memory it took.

mod memory;
mod producer;
mod subscriber;

use std::io::Write;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use clap::Parser;
use hdrhistogram::Histogram;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use velella_bus::memory::MemoryBus;
use velella_ops::{Deps, Readiness};
use velella_store::memory::MemoryStore;

use crate::memory::Memory;

/// How long a subscriber may wait for the last notifications.
const PATIENCE: Duration = Duration::from_secs(30);

/// The token that both sides use; nobody else reaches this process.
const TOKEN: &str = "bench-control";

#[derive(Parser)]
#[command(about)]
struct Config {
    /// Sockets that subscribe to all notifications
    #[arg(long, default_value_t = 1000)]
    subscribers: u32,

    /// Notifications made each second
    #[arg(long, default_value_t = 1000)]
    events_per_s: u32,

    /// How long
    #[arg(long, default_value_t = 30)]
    seconds: u32,
}

#[derive(Parser)]
struct Coordinator {
    #[command(flatten)]
    config: velella_coordinator::Config,
}

struct Summary {
    made: u64,
    delivered: u64,
    wanted: u64,
    took: Duration,
    delays_ms: Histogram<u64>,
    memory: [(&'static str, Memory); 3],
}

fn main() -> ExitCode {
    let outcome = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("a runtime")
        .and_then(|runtime| runtime.block_on(measure(&Config::parse())));
    let said = match &outcome {
        Ok(summary) => table(summary),
        Err(error) => writeln!(std::io::stderr(), "velella-bench-control: {error:#}"),
    };
    let good = outcome.is_ok_and(|summary| summary.delivered == summary.wanted);
    if good && said.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

async fn measure(config: &Config) -> Result<Summary> {
    velella_ops::nofile::raise().context("each subscriber is two open files")?;
    let (store, shutdown) = (MemoryStore::new(), CancellationToken::new());
    let addr = coordinator(store.clone(), shutdown.clone()).await?;
    let mut producer = producer::Producer::start(store).await?;
    let idle = Memory::now()?;
    let made = u64::from(config.events_per_s) * u64::from(config.seconds);
    let mut subscribers = JoinSet::new();
    for _ in 0..config.subscribers {
        let subscriber = subscriber::Subscriber::connect(addr, TOKEN).await?;
        subscribers.spawn(async move { subscriber.receive(made, PATIENCE).await });
    }
    let attached = Memory::now()?;
    let start = Instant::now();
    producer.produce(config.events_per_s, made).await?;
    let (mut delivered, mut delays_ms) = (0, Histogram::new(3)?);
    while let Some(received) = subscribers.join_next().await {
        let received = received?;
        delivered += received.count;
        delays_ms.add(&received.delays_ms)?;
    }
    let (took, after) = (start.elapsed(), Memory::now()?);
    shutdown.cancel();
    let memory = [("before subscribers", idle), ("subscribers attached", attached), ("after the run", after)];
    Ok(Summary { made, delivered, wanted: made * u64::from(config.subscribers), took, delays_ms, memory })
}

async fn coordinator(store: MemoryStore, shutdown: CancellationToken) -> Result<SocketAddr> {
    let secret = "a secret of thirty-two bytes or more";
    let args = ["c", "--listen", "127.0.0.1:0", "--management-token", TOKEN, "--token-secret", secret];
    let deps = Deps {
        bus: Arc::new(MemoryBus::new()),
        store: Arc::new(store),
        registry: prometheus::Registry::new(),
        readiness: Readiness::new(),
        shutdown,
    };
    let service = velella_coordinator::build(Coordinator::try_parse_from(args)?.config, deps).await?;
    let addr = service.local_addr()?;
    tokio::spawn(service.run());
    Ok(addr)
}

fn table(summary: &Summary) -> std::io::Result<()> {
    let Summary { made, delivered, wanted, took, delays_ms, memory } = summary;
    let out = &mut std::io::stdout().lock();
    let mut row = |name: &str, value: String| writeln!(out, "{name:<28}{value:>14}");
    row("notifications made", made.to_string())?;
    row("delivered", delivered.to_string())?;
    row("lost", wanted.saturating_sub(*delivered).to_string())?;
    row(
        "delivered per second",
        format!("{:.0}", f64::from(u32::try_from(*delivered).unwrap_or(u32::MAX)) / took.as_secs_f64()),
    )?;
    row("delay p50, ms", delays_ms.value_at_quantile(0.5).to_string())?;
    row("delay p99, ms", delays_ms.value_at_quantile(0.99).to_string())?;
    row("delay max, ms", delays_ms.max().to_string())?;
    for (when, Memory { resident_kib, .. }) in memory {
        row(&format!("memory {when}"), format!("{} MiB", resident_kib / 1024))?;
    }
    row("memory at its peak", format!("{} MiB", memory[2].1.peak_kib / 1024))
}

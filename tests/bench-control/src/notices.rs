//! Many subscribers to all notifications over real sockets, and a store that changes at a steady pace:
//! what arrived, how late, and the memory it took.

use std::io::Write;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use clap::Args;
use hdrhistogram::Histogram;
use tokio::task::JoinSet;
use velella_store::memory::MemoryStore;

use crate::memory::Memory;
use crate::{TOKEN, coordinator, producer, subscriber};

/// How long a subscriber may wait for the last notifications.
const PATIENCE: Duration = Duration::from_secs(30);

/// Notifications to many subscribers
#[derive(Args)]
pub(crate) struct Notices {
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

struct Summary {
    made: u64,
    delivered: u64,
    wanted: u64,
    took: Duration,
    delays_ms: Histogram<u64>,
    memory: [(&'static str, Memory); 3],
}

pub(crate) async fn measure(config: &Notices) -> Result<bool> {
    velella_ops::nofile::raise().context("each subscriber is two open files")?;
    let store = MemoryStore::new();
    let (addr, _running) = coordinator(store.clone()).await?;
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
    let memory = [("before subscribers", idle), ("subscribers attached", attached), ("after the run", after)];
    let wanted = made * u64::from(config.subscribers);
    table(&Summary { made, delivered, wanted, took, delays_ms, memory })?;
    Ok(delivered == wanted)
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

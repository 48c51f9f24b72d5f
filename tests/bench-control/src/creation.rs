//! How long `POST /room` takes at a steady rate on a cluster that runs already.
//!
//! Open loop: a request is due when its time has come, whether or not the ones before it were answered, and
//! its latency counts from then. A slow server cannot slow the question down.

use std::io::Write;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use clap::Args;
use hdrhistogram::Histogram;
use ureq::Agent;

/// A coordinator that takes longer than this does not serve.
const TIMEOUT: Duration = Duration::from_secs(10);

/// `POST /room` at a steady rate, at coordinators that run already
#[derive(Args)]
pub(crate) struct Creation {
    /// Base URLs, taken in turn
    #[arg(long = "url", value_delimiter = ',', default_value = "http://127.0.0.1:5002")]
    urls: Vec<String>,

    /// Their management token
    #[arg(long, env = "VELELLA_MANAGEMENT_TOKEN", hide_env_values = true, default_value = "development")]
    token: String,

    /// Rooms per second
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..))]
    rate: u32,

    /// Rooms in all
    #[arg(long, default_value_t = 5_000)]
    rooms: u32,

    /// Requests that may be under way at once
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..))]
    clients: u32,
}

/// What one client saw.
struct Seen {
    took_us: Histogram<u64>,
    refused: u32,
    first_refusal: Option<String>,
}

pub(crate) fn measure(config: &Creation) -> Result<bool> {
    let (next, start) = (AtomicU32::new(0), Instant::now());
    let seen: Vec<Seen> = thread::scope(|scope| {
        let clients: Vec<_> = (0..config.clients).map(|_| scope.spawn(|| client(config, &next, start))).collect();
        let joined = clients.into_iter().map(|client| client.join().ok().context("a client panicked")?);
        joined.collect::<Result<_>>()
    })?;
    let seconds = start.elapsed().as_secs_f64();
    let mut took_us = Histogram::<u64>::new(3)?;
    let (mut refused, mut refusal) = (0, None);
    for client in seen {
        took_us.add(client.took_us)?;
        refused += client.refused;
        refusal = refusal.or(client.first_refusal);
    }
    let out = &mut std::io::stdout().lock();
    let ms = |us: u64| format!("{}.{}", us / 1000, us % 1000 / 100);
    let [p50, p95, p99, max] = [0.5, 0.95, 0.99, 1.0].map(|q| ms(took_us.value_at_quantile(q)));
    let rate = f64::from(config.rooms) / seconds;
    writeln!(out, "{} rooms at {rate:.0}/s of {}/s asked for, {refused} refused", config.rooms, config.rate)?;
    writeln!(out, "POST /room   p50 {p50} ms  p95 {p95} ms  p99 {p99} ms  max {max} ms")?;
    if let Some(refusal) = refusal {
        writeln!(out, "first refusal: {refusal}")?;
    }
    Ok(refused == 0)
}

/// Takes the next request that nobody has taken, waits for its time, and asks.
fn client(config: &Creation, next: &AtomicU32, start: Instant) -> Result<Seen> {
    let agent: Agent = Agent::config_builder().timeout_global(Some(TIMEOUT)).http_status_as_error(false).build().into();
    let mut seen = Seen { took_us: Histogram::new(3)?, refused: 0, first_refusal: None };
    loop {
        let n = next.fetch_add(1, Ordering::Relaxed);
        if n >= config.rooms {
            return Ok(seen);
        }
        let due = start + Duration::from_secs(1) * n / config.rate;
        wait_until(due);
        let refusal = create(&agent, config, n);
        seen.took_us.record(u64::try_from(due.elapsed().as_micros())?)?;
        if let Err(error) = refusal {
            seen.refused += 1;
            seen.first_refusal.get_or_insert_with(|| format!("{error:#}"));
        }
    }
}

fn create(agent: &Agent, config: &Creation, n: u32) -> Result<()> {
    let turn = usize::try_from(n)? % config.urls.len().max(1);
    let url = config.urls.get(turn).context("one URL at least")?;
    let request = agent.post(format!("{url}/api/v1/connect/bench/room"));
    let mut answer =
        request.header("Authorization", format!("Bearer {}", config.token)).send_json(serde_json::json!({}))?;
    let (status, body) = (answer.status(), answer.body_mut().read_to_string()?);
    anyhow::ensure!(status.is_success(), "{status}: {body}");
    Ok(())
}

/// These threads are clients: nobody shares them.
#[expect(clippy::disallowed_methods, reason = "a thread of its own, not one of a runtime")]
fn wait_until(due: Instant) {
    thread::sleep(due.saturating_duration_since(Instant::now()));
}

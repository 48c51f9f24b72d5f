//! What peers receive while it happens: a line of JSON every quarter second, for tests that break a server meanwhile.

use std::convert::Infallible;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Result;
use rustix::time::{ClockId, clock_gettime};
use serde::Serialize;

use crate::report;

const EVERY: Duration = Duration::from_millis(250);

/// Packets that each peer has received from the others, by its number.
#[derive(Debug)]
pub(crate) struct Tally(Vec<AtomicU64>);

#[derive(Serialize)]
struct Line {
    /// On `CLOCK_MONOTONIC`, which all processes of a machine share.
    at_ms: f64,
    received: Vec<u64>,
}

impl Tally {
    pub(crate) fn new(peers: usize) -> Self {
        Self((0..peers).map(|_| AtomicU64::new(0)).collect())
    }

    pub(crate) fn received(&self, peer: usize) {
        if let Some(count) = self.0.get(peer) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Until somebody ends the run.
    pub(crate) async fn tell(&self) -> Result<Infallible> {
        loop {
            let received = self.0.iter().map(|count| count.load(Ordering::Relaxed)).collect();
            report::line(&Line { at_ms: now_ms(), received })?;
            tokio::time::sleep(EVERY).await;
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "milliseconds since the boot are far below 2^52")]
fn now_ms() -> f64 {
    let time = clock_gettime(ClockId::Monotonic);
    time.tv_sec as f64 * 1e3 + time.tv_nsec as f64 / 1e6
}

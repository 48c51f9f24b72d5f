//! Asks every worker all the time what it holds, and feeds the oracle.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::Deserialize;
use tokio::task::JoinSet;

use crate::cluster::ADMIN;
use crate::http;
use crate::oracle::{Oracle, Sample};

/// Wait between two questions to one worker.
const EVERY: Duration = Duration::from_millis(50);

/// A worker that does not answer is asked again after so long; what it says late is worth little.
const PATIENCE: Duration = Duration::from_millis(500);

/// What the admin port of a worker says (`worker/src/state.rs`).
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct State {
    pub(crate) worker: String,
    pub(crate) incarnation: u64,
    pub(crate) state: String,
    claim: u64,
    pub(crate) admits_for_ms: u64,
    pub(crate) rooms: BTreeMap<String, u64>,
}

/// The questions go on for as long as this lives.
pub(crate) struct Watch {
    oracle: Arc<Mutex<Oracle>>,
    _asking: JoinSet<()>,
}

impl Watch {
    pub(crate) fn start(workers: impl IntoIterator<Item = Ipv4Addr>) -> Self {
        let oracle = Arc::new(Mutex::new(Oracle::default()));
        let (mut asking, epoch) = (JoinSet::new(), Instant::now());
        for worker in workers {
            asking.spawn(ask_on(worker, epoch, Arc::clone(&oracle)));
        }
        Self { oracle, _asking: asking }
    }

    pub(crate) fn oracle(&self) -> MutexGuard<'_, Oracle> {
        self.oracle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn ask_on(worker: Ipv4Addr, epoch: Instant, oracle: Arc<Mutex<Oracle>>) {
    loop {
        let asked = epoch.elapsed();
        let states = states(worker, PATIENCE).await;
        let answered = epoch.elapsed();
        for State { worker, incarnation, claim, admits_for_ms, rooms, .. } in states {
            let admits_for = Duration::from_millis(admits_for_ms);
            let sample = Sample { worker, incarnation, claim, asked, answered, admits_for, rooms };
            oracle.lock().unwrap_or_else(PoisonError::into_inner).observe(sample);
        }
        tokio::time::sleep(EVERY).await;
    }
}

/// What the workers of one process say; nothing when it does not answer.
pub(crate) async fn states(at: Ipv4Addr, patience: Duration) -> Vec<State> {
    let Ok(answer) = http::get(at, ADMIN, "/debug/state", patience).await else { return Vec::new() };
    serde_json::from_str(&answer.body).unwrap_or_default()
}

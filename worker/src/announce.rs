//! Tells the cluster what this worker is and how loaded it is.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use velella_bus::Bus;
use velella_model::wire::announce::{ANNOUNCE_INTERVAL_MS, Announce, Capacity, Load, WorkerState};
use velella_model::wire::encode;
use velella_model::{Generation, Incarnation, WorkerId, subject};

use crate::shard_thread::Report;

/// What the control task knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) state: WorkerState,
    pub(crate) rooms: u32,
    pub(crate) sessions: u32,
    pub(crate) generation: Generation,
    pub(crate) assigned_total: u64,
    /// Messages of the bus that could not be read.
    pub(crate) bad_messages: u64,
    /// Another process holds this worker's key.
    pub(crate) taken: bool,
}

impl Default for Standing {
    /// Of a worker that has not claimed its key yet.
    fn default() -> Self {
        let (state, generation) = (WorkerState::Starting, Generation(0));
        Self { state, rooms: 0, sessions: 0, generation, assigned_total: 0, bad_messages: 0, taken: false }
    }
}

/// What does not change during a boot.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    pub(crate) worker: WorkerId,
    pub(crate) incarnation: Incarnation,
    pub(crate) region: String,
    pub(crate) endpoints: Vec<SocketAddr>,
    pub(crate) probe: Option<SocketAddr>,
    pub(crate) capacity: Capacity,
}

/// Announces from its first claim on, until the control task is gone.
pub(crate) async fn run(
    bus: Arc<dyn Bus>,
    identity: Identity,
    mut standing: watch::Receiver<Standing>,
    reports: Vec<watch::Receiver<Report>>,
) -> anyhow::Result<()> {
    let mut interval = tokio::time::interval(Duration::from_millis(ANNOUNCE_INTERVAL_MS));
    let mut meter = Meter::new(reports.len());
    let mut seq = 0;
    let mut announced_state = None;
    loop {
        tokio::select! {
            _ = interval.tick() => {}
            changed = standing.changed() => {
                changed?;
                // Counts go out with the beat, a new state at once.
                if announced_state == Some(standing.borrow().state) {
                    continue;
                }
            }
        }
        let now_standing = *standing.borrow_and_update();
        if now_standing.state == WorkerState::Starting {
            continue;
        }
        announced_state = Some(now_standing.state);
        let latest: Vec<Report> = reports.iter().map(|r| *r.borrow()).collect();
        let load = meter.measure(&latest, now_standing, Instant::now());
        let announce = announce(&identity, now_standing, seq, load);
        seq += 1;
        if let Err(error) = bus.publish(subject::ANNOUNCEMENTS, encode(&announce).into()).await {
            tracing::warn!(%error, "not announced");
        }
    }
}

fn announce(identity: &Identity, standing: Standing, seq: u64, load: Load) -> Announce {
    let Identity { worker, incarnation, region, endpoints, probe, capacity } = identity.clone();
    Announce {
        worker,
        incarnation,
        seq,
        state: standing.state,
        region,
        labels: BTreeMap::new(),
        version: env!("CARGO_PKG_VERSION").into(),
        endpoints,
        probe,
        capacity,
        load,
        assigned_total: standing.assigned_total,
        generation: standing.generation,
    }
}

/// Turns counters into rates.
struct Meter {
    last: Vec<Report>,
    last_at: Option<Instant>,
}

impl Meter {
    fn new(shards: usize) -> Self {
        Self { last: vec![Report::default(); shards], last_at: None }
    }

    fn measure(&mut self, latest: &[Report], standing: Standing, now: Instant) -> Load {
        let elapsed = self.last_at.map_or(Duration::ZERO, |at| now.saturating_duration_since(at));
        let pairs = || self.last.iter().zip(latest);
        let rate = |count: fn(&Report) -> u64| {
            let delta: u64 = pairs().map(|(old, new)| count(new).saturating_sub(count(old))).sum();
            u64::try_from(u128::from(delta) * 1_000 / elapsed.as_millis().max(1)).unwrap_or(u64::MAX)
        };
        let share = |(old, new): (&Report, &Report)| {
            let used = new.cpu.saturating_sub(old.cpu).as_micros() * 1_000 / elapsed.as_micros().max(1);
            u32::try_from(used.min(1_000)).unwrap_or(1_000)
        };
        let measured = Load {
            cpu_permille: pairs().map(share).max().unwrap_or(0),
            packets_in_per_s: rate(|r| r.stats.datagrams_in),
            packets_out_per_s: rate(|r| r.stats.datagrams_out),
            bits_in_per_s: rate(|r| r.stats.bytes_in * 8),
            bits_out_per_s: rate(|r| r.stats.bytes_out * 8),
            rooms: standing.rooms,
            sessions: standing.sessions,
            tracks: latest.iter().map(|r| r.stats.tracks).sum(),
        };
        let load = match self.last_at {
            Some(_) => measured,
            None => Load { rooms: measured.rooms, sessions: measured.sessions, ..Load::default() },
        };
        self.last = latest.to_vec();
        self.last_at = Some(now);
        load
    }
}

#[cfg(test)]
mod tests {
    use velella_worker_core::Stats;

    use super::*;

    fn report(cpu_ms: u64, datagrams_out: u64) -> Report {
        let stats = Stats { datagrams_out, ..Stats::default() };
        Report { stats, cpu: Duration::from_millis(cpu_ms), ..Report::default() }
    }

    #[test]
    fn the_busiest_shard_is_the_load_and_packets_add_up() {
        let standing = Standing { state: WorkerState::Ready, rooms: 3, sessions: 9, ..Standing::default() };
        let (mut meter, t0) = (Meter::new(2), Instant::now());
        assert_eq!(meter.measure(&[report(500, 70), report(0, 0)], standing, t0).cpu_permille, 0, "no rate yet");
        let later = t0 + Duration::from_millis(500);
        let load = meter.measure(&[report(600, 570), report(300, 500)], standing, later);
        assert_eq!((load.cpu_permille, load.packets_out_per_s, load.rooms), (600, 2_000, 3));
    }
}

//! One run from beginning to end: room, publishers, subscribers, warm-up, measured window, tally.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use str0m::crypto::from_feature_flags;
use tokio::sync::{mpsc, watch};
use tokio::task::spawn_blocking;
use tokio::time::{MissedTickBehavior, interval, sleep_until, timeout};
use uuid::Uuid;

use crate::config::Config;
use crate::cpu::{self, Sample, Usage};
use crate::crew::{Crew, ThreadReport};
use crate::live::Tally;
use crate::peer::{Decided, Launch, Surroundings};
use crate::record::Measurement;
use crate::report;
use crate::room::Room;
use crate::session::Part;
use crate::summary::Summary;

/// Time after the window in which its last packets may still arrive, retransmissions included.
const GRACE: Duration = Duration::from_secs(1);
/// The window must open later than now; this is the least warm-up.
const WARMUP_MIN: Duration = Duration::from_millis(200);
/// How often joining is reported.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(1);
/// Decisions that wait for the conductor; peers wait when it is full.
const DECIDED_LEN: usize = 1024;

/// Runs the whole plan and removes the room afterwards, also after an interrupt.
pub(crate) async fn run(config: &Config) -> Result<Summary> {
    // Before anyone joins: a wrong process id should not cost a run.
    server_sample(config)?;
    let rooms = create_rooms(config).await?;
    let summary = tokio::select! {
        summary = conduct(config, &rooms) => summary,
        interrupt = tokio::signal::ctrl_c() => interrupt.map_err(Into::into).and_then(|()| anyhow::bail!("interrupted")),
    };
    for room in rooms {
        if let Err(error) = spawn_blocking(move || room.delete()).await? {
            report::progress(&format!("room not deleted: {error:#}"))?;
        }
    }
    summary
}

async fn create_rooms(config: &Config) -> Result<Vec<Room>> {
    let mut rooms = Vec::new();
    for _ in 0..config.rooms {
        let (urls, token, codec) = (config.urls.clone(), config.token.clone(), config.codec.name());
        let room = spawn_blocking(move || Room::create(&urls, &token, codec)).await?.context("cannot create a room")?;
        report::progress(&format!("room {}", room.id))?;
        rooms.push(room);
    }
    Ok(rooms)
}

async fn conduct(config: &Config, rooms: &[Room]) -> Result<Summary> {
    let (finish, finishing) = watch::channel(false);
    let (deciding, decided) = mpsc::channel(DECIDED_LEN);
    let around = Surroundings {
        measurement: Arc::new(Measurement::new(run_id(), Instant::now())),
        tally: Arc::new(Tally::new(size(config.rooms * (config.publishers() + config.subscribers())))),
        cert: from_feature_flags().dtls_provider.generate_certificate().context("no DTLS certificate")?,
        finish: finishing,
        decided: deciding,
    };
    let mut stage = Stage { config, rooms, decided, launched: 0, ports: BTreeSet::new(), failed: 0 };
    let mut publishers = Crew::start("pub", config.threads(), &around)?;
    let mut subscribers = Crew::start("sub", config.threads(), &around)?;
    stage.join_all("publishers", &mut publishers, publishing_parts(config)).await?;
    stage.join_all("subscribers", &mut subscribers, receiving_parts(config)).await?;

    if config.live {
        around.tally.tell().await?;
    }
    let observed = stage.observe(&around.measurement).await?;
    finish.send_replace(true);
    let threads = spawn_blocking(move || join_crews([publishers, subscribers])).await??;
    Ok(Summary::new(config, &observed, threads))
}

/// What was seen from outside the peers.
pub(crate) struct Observed {
    pub(crate) bot: Usage,
    pub(crate) server: Option<Usage>,
    pub(crate) bot_socket_drops: u64,
}

struct Stage<'a> {
    config: &'a Config,
    rooms: &'a [Room],
    decided: mpsc::Receiver<Decided>,
    launched: usize,
    ports: BTreeSet<u16>,
    failed: usize,
}

impl Stage<'_> {
    /// Launches one peer per part at the join rate, then waits until each has joined or failed.
    async fn join_all(&mut self, who: &str, crew: &mut Crew, parts: Vec<(u32, Part)>) -> Result<()> {
        if parts.is_empty() {
            return Ok(());
        }
        let (total, joined_before, failed_before) = (parts.len(), self.ports.len(), self.failed);
        let mut pace = interval(Duration::from_secs_f64(1.0 / self.config.join_rate));
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut reported = Instant::now();
        for (room, part) in parts {
            pace.tick().await;
            crew.launch(self.launch(room, part).await?).await?;
            self.launched += 1;
            while let Ok(decided) = self.decided.try_recv() {
                self.note(decided);
            }
            if reported.elapsed() >= PROGRESS_INTERVAL {
                reported = Instant::now();
                report::joining(who, self.ports.len() - joined_before, self.failed - failed_before, total)?;
            }
        }
        loop {
            let (joined, failed) = (self.ports.len() - joined_before, self.failed - failed_before);
            if joined + failed >= total {
                return Ok(report::joining(who, joined, failed, total)?);
            }
            match timeout(PROGRESS_INTERVAL, self.decided.recv()).await {
                Ok(decided) => self.note(decided.context("every load thread ended")?),
                Err(_) => report::joining(who, joined, failed, total)?,
            }
        }
    }

    async fn launch(&self, at: u32, part: Part) -> Result<Launch> {
        let receives = part.publishes.is_empty() || self.config.publishers_receive;
        let room = self.rooms.get(size(at)).context("every part has a room")?.clone();
        let mut socket_urls = room.peer_socket_urls();
        // All of a room at one coordinator: what another one's death costs a room can then be told.
        let turn = size(at) % socket_urls.len().max(1);
        socket_urls.rotate_left(turn);
        let token = spawn_blocking(move || room.add_peer(receives)).await?.context("cannot add a peer")?;
        let (reconnect, address) = (self.config.reconnect, self.config.bind);
        Ok(Launch { part, number: self.launched, room: at, socket_urls, reconnect, token, address })
    }

    fn note(&mut self, decided: Decided) {
        match decided.port {
            Some(port) => drop(self.ports.insert(port)),
            None => self.failed += 1,
        }
    }

    async fn observe(&self, measurement: &Measurement) -> Result<Observed> {
        let start = Instant::now() + self.config.warmup.max(WARMUP_MIN);
        let end = start + self.config.duration;
        measurement.open(start, self.config.duration);
        report::progress(&format!("warm-up {:?}, then measuring {:?}", self.config.warmup, self.config.duration))?;
        sleep_until(start.into()).await;
        let (before, drops_before) = (self.sample()?, cpu::dropped_datagrams(&self.ports)?);
        sleep_until(end.into()).await;
        let after = self.sample()?;
        sleep_until((end + GRACE).into()).await;
        Ok(Observed {
            bot: before.0.until(&after.0),
            server: before.1.zip(after.1).map(|(before, after)| before.until(&after)),
            bot_socket_drops: cpu::dropped_datagrams(&self.ports)?.saturating_sub(drops_before),
        })
    }

    fn sample(&self) -> Result<(Sample, Option<Sample>)> {
        Ok((Sample::take(std::process::id())?, server_sample(self.config)?))
    }
}

fn server_sample(config: &Config) -> Result<Option<Sample>> {
    let sample = |pid| Sample::take(pid).with_context(|| format!("cannot read CPU times of process {pid}"));
    config.server_pid.map(sample).transpose()
}

/// Who publishes, with their rooms; every track of the run has a source number of its own.
fn publishing_parts(config: &Config) -> Vec<(u32, Part)> {
    let traffic = config.traffic();
    let per_peer = u32::try_from(traffic.len()).unwrap_or(u32::MAX);
    let tracks = |peer: u32| (peer * per_peer..).zip(traffic.iter().copied()).collect();
    let part = |peer| Part { video: config.codec.shape(), publishes: tracks(peer) };
    let publishers = config.publishers();
    (0..config.rooms * publishers).map(|peer| (peer / publishers, part(peer))).collect()
}

fn receiving_parts(config: &Config) -> Vec<(u32, Part)> {
    let part = Part { video: config.codec.shape(), publishes: Vec::new() };
    (0..config.rooms).flat_map(|room| vec![(room, part.clone()); size(config.subscribers())]).collect()
}

fn join_crews(crews: [Crew; 2]) -> Result<Vec<ThreadReport>> {
    let mut threads = Vec::new();
    for crew in crews {
        threads.extend(crew.join()?);
    }
    Ok(threads)
}

/// Tells the packets of this run from those of another that is still in flight.
fn run_id() -> u32 {
    let [a, b, c, d, ..] = Uuid::new_v4().into_bytes();
    u32::from_be_bytes([a, b, c, d])
}

fn size(count: u32) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}

//! How long `GET /room` takes when there are many rooms, and what they weigh.

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use clap::Args;
use hdrhistogram::Histogram;
use velella_model::record::{PeerKind, PeerRecord, Placement, RoomRecord, RoomSpec, WorkerRecord};
use velella_model::wire::command::SubscribeMode;
use velella_model::wire::encode;
use velella_model::{Generation, Id, Incarnation, Json, WorkerId, key};
use velella_store::memory::MemoryStore;
use velella_store::{Expect, Store};

use crate::memory::Memory;
use crate::{TOKEN, coordinator};

/// Workers that hold the rooms.
const WORKERS: u32 = 100;

/// Time for the coordinator to have taken what was written.
const SETTLE: Duration = Duration::from_secs(2);

/// `GET /room` when there are many
#[derive(Args)]
pub(crate) struct Rooms {
    /// Rooms
    #[arg(long, default_value_t = 10_000)]
    rooms: u32,

    /// Peers of each
    #[arg(long, default_value_t = 2)]
    peers: u32,

    /// Requests of each kind, one after another
    #[arg(long, default_value_t = 200)]
    requests: u32,
}

pub(crate) async fn measure(config: Rooms) -> Result<bool> {
    let store = MemoryStore::new();
    let (addr, _running) = coordinator(store.clone()).await?;
    let before = Memory::now()?;
    for worker in 0..WORKERS {
        live(&store, worker).await?;
    }
    for room in 0..config.rooms {
        fill(&store, room, config.peers).await?;
    }
    tokio::time::sleep(SETTLE).await;
    let weight = Memory::now()?.resident_kib.saturating_sub(before.resident_kib);
    tokio::task::spawn_blocking(move || report(addr, &config, weight)).await?
}

/// The key of a worker: the rooms of one without are moved away.
async fn live(store: &MemoryStore, n: u32) -> Result<()> {
    let record = WorkerRecord { incarnation: Incarnation(1) };
    store.put(&key::worker(&worker(n)?), encode(&record).into(), Expect::Any, None).await?;
    Ok(())
}

fn worker(n: u32) -> Result<WorkerId> {
    Ok(Id::parse(&format!("worker-{n}"))?)
}

/// A room as a coordinator of so many workers would have placed it.
async fn fill(store: &MemoryStore, n: u32, peers: u32) -> Result<()> {
    let room = Id::parse(&format!("room-{n:05}"))?;
    let placement = Placement {
        worker: worker(n % WORKERS)?,
        incarnation: Incarnation(1),
        generation: Generation(1),
        endpoints: vec!["192.0.2.1:10000".parse()?],
        candidates: Vec::new(),
    };
    let record = RoomRecord { spec: RoomSpec::default(), placement, streaming: None };
    store.put(&key::room(&room), encode(&record).into(), Expect::Any, None).await?;
    for peer in 0..peers {
        let metadata = Json::parse(r#"{"name":"somebody","role":"guest"}"#)?;
        let record = PeerRecord::new(PeerKind::Webrtc, metadata, SubscribeMode::Auto);
        let key = key::peer(&room, &Id::parse(&format!("peer-{n:05}-{peer}"))?);
        store.put(&key, encode(&record).into(), Expect::Any, None).await?;
    }
    Ok(())
}

fn report(addr: SocketAddr, config: &Rooms, weight_kib: u64) -> Result<bool> {
    let out = &mut std::io::stdout().lock();
    let things = u64::from(config.rooms) * u64::from(1 + config.peers);
    writeln!(out, "{} rooms with {} peers each", config.rooms, config.peers)?;
    writeln!(
        out,
        "memory for each room or peer, store and coordinator: {} bytes\n",
        weight_kib * 1024 / things.max(1)
    )?;
    writeln!(out, "{:<52}{:>7}{:>8}{:>8}{:>8}", "GET", "KiB", "p50 ms", "p99 ms", "max ms")?;
    let base = "/api/v1/connect/bench";
    for query in ["", "?limit=100", "?limit=100&after=room-05000", "?worker=worker-7"] {
        row(out, addr, config, &format!("{base}/room{query}"))?;
    }
    row(out, addr, config, "/room")?;
    Ok(true)
}

fn row(out: &mut impl Write, addr: SocketAddr, config: &Rooms, path: &str) -> Result<()> {
    let (bytes, times) = repeat(&format!("http://{addr}{path}"), config.requests)?;
    let ms = |us: u64| format!("{}.{}", us / 1000, us % 1000 / 100);
    let [p50, p99, max] = [times.value_at_quantile(0.5), times.value_at_quantile(0.99), times.max()].map(ms);
    writeln!(out, "{path:<52}{:>7}{p50:>8}{p99:>8}{max:>8}", bytes / 1024)?;
    Ok(())
}

/// How much the client takes at once. It keeps nothing: this is about the server.
const READ_BYTES: usize = 256 * 1024;

/// Size of the answer, and how long each took from the request to its last byte, in microseconds.
fn repeat(url: &str, times: u32) -> Result<(u64, Histogram<u64>)> {
    let (mut bytes, mut took_us, mut buffer) = (0, Histogram::new(3)?, vec![0; READ_BYTES]);
    for _ in 0..times {
        let start = Instant::now();
        let answer = ureq::get(url).header("Authorization", format!("Bearer {TOKEN}")).call();
        let mut body = answer.context("the coordinator refuses")?.into_body().into_reader();
        bytes = 0;
        loop {
            match body.read(&mut buffer)? {
                0 => break,
                read => bytes += u64::try_from(read)?,
            }
        }
        took_us.record(u64::try_from(start.elapsed().as_micros())?)?;
    }
    Ok((bytes, took_us))
}

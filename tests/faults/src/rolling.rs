//! Workers and gateways that are replaced on purpose, as an upgrade does it.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use serde_json::{Value, json};

use crate::camera::{Encoder, add_component, live_at};
use crate::cluster::{Cluster, create_room_of, delete_room, eventually, is_ready, made, ready_workers};
use crate::front::FRONT;
use crate::row::{Deed, Media, Owners, PICTURE_BACK, Rooms, Row, Sighting};
use crate::servers::Servers;

/// From the beginning of a drain until an encoder is asked to go: it tells of the drain first.
const SENT_ON: Duration = Duration::from_secs(5);

pub(crate) const ROWS: &[Row] = &[
    Row {
        name: "all_workers_are_replaced",
        quick: true,
        servers: Servers::One,
        deed: Deed::Act(replace_all),
        rooms: Rooms::May,
        media: Media::Kept,
        owners: Owners::One,
        camera: Sighting::May,
    },
    Row {
        name: "gateway_is_drained",
        quick: true,
        servers: Servers::One,
        deed: Deed::Act(drain_gateway),
        rooms: Rooms::Stay,
        media: Media::NoGap,
        owners: Owners::One,
        camera: Sighting::Moves(PICTURE_BACK),
    },
];

/// Each is told to end, gives its rooms away, ends well, and is started again.
fn replace_all(cluster: &mut Cluster) -> LocalBoxFuture<'_, anyhow::Result<()>> {
    async move {
        let workers: Vec<_> = cluster.workers.iter().map(|worker| worker.host.clone()).collect();
        for host in workers {
            cluster.process(host.name)?.terminate()?;
            ends_well(cluster, host.name).await?;
            let process = cluster.process(host.name)?;
            let log = process.log();
            let last = log.lines().rfind(|line| line.contains("draining has ended")).unwrap_or_default();
            ensure!(!last.contains("drained=false"), "{} kept rooms: {last}", host.name);
            process.restart()?;
            eventually(&format!("{} is back", host.name), async || {
                is_ready(host.ip).await && ready_workers(FRONT).await == Some(3)
            })
            .await?;
        }
        Ok(())
    }
    .boxed_local()
}

/// The one with the camera is told to end while an encoder publishes to it. It gives the camera away, asks the
/// encoder to go, which finds the other one, and ends well.
fn drain_gateway(cluster: &mut Cluster) -> LocalBoxFuture<'_, anyhow::Result<()>> {
    async move {
        let host = cluster.playing().await?.host.clone();
        let others = cluster.gateways.iter().map(|gateway| gateway.host.clone());
        let other = others.into_iter().find(|other| other.ip != host.ip).context("there are two gateways")?;
        let room = made(&create_room_of(FRONT, "h264").await?).context("a room was refused")?;
        let published = add_component(&room, "rtmp", json!({})).await?;
        let id = published.get("id").and_then(Value::as_str).context("no id")?;
        let key = published.pointer("/properties/streamKey").and_then(Value::as_str).context("no key")?;
        let is_live_at = async |name| live_at(&room, id).await.as_deref() == Some(name);
        let mut encoder = Encoder::start(&cluster.pages, host.ip, key)?;
        eventually("the encoder is live", async || is_live_at(host.name).await).await?;
        let asked = Instant::now();
        cluster.process(host.name)?.terminate()?;
        eventually("the encoder is sent away", async || encoder.has_ended()).await?;
        ensure!(asked.elapsed() < SENT_ON, "the encoder was sent away after {:?}", asked.elapsed());
        let _encoder = Encoder::start(&cluster.pages, other.ip, key)?;
        eventually("the encoder is live again", async || is_live_at(other.name).await).await?;
        ends_well(cluster, host.name).await?;
        cluster.process(host.name)?.restart()?;
        eventually(&format!("{} is back", host.name), async || is_ready(host.ip).await).await?;
        ensure!(delete_room(FRONT, &room).await?, "{room} cannot be deleted");
        Ok(())
    }
    .boxed_local()
}

async fn ends_well(cluster: &mut Cluster, name: &str) -> anyhow::Result<()> {
    let process = cluster.process(name)?;
    let mut ended = None;
    eventually(&format!("{name} ends"), async || {
        ended = process.ended();
        ended.is_some()
    })
    .await?;
    ensure!(ended.is_some_and(|status| status.success()), "{name} ended with {ended:?}");
    Ok(())
}

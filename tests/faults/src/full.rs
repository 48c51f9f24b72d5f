//! etcd without room: over its quota, and on a full disk.

use std::fs::{self, File};
use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, ensure};
use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use serde_json::{Value, json};
use velella_store::etcd::{EtcdOptions, EtcdStore};
use velella_store::{Expect, Store};

use crate::cluster::{Cluster, create_room, eventually, made};
use crate::front::FRONT;
use crate::hosts::run;
use crate::http;
use crate::row::{Act, Deed, Media, Owners, Rooms, Row, Sighting};
use crate::servers::{ETCD, ETCD_DISK, Servers};

/// Less than any database of etcd.
const TINY_QUOTA: &str = "--quota-backend-bytes=16384";

/// Two segments of its log, which etcd makes before it needs them, and little else.
const DISK: &str = "size=192m";

/// How long etcd has no room.
const FULL: Duration = Duration::from_secs(6);

/// What fills the database: less than a request may hold, and enough of it for any disk.
const BRICK_BYTES: usize = 1_000_000;
const BRICKS_MAX: usize = 100;

const fn row(name: &'static str, act: Act) -> Row {
    Row {
        name,
        quick: true,
        servers: Servers::One,
        deed: Deed::Act(act),
        rooms: Rooms::Stay,
        media: Media::NoGap,
        owners: Owners::One,
        camera: Sighting::May,
    }
}

pub(crate) const ROWS: &[Row] =
    &[row("etcd_is_over_its_quota", over_quota), row("the_disk_of_etcd_is_full", full_disk)];

/// The disk of etcd, which goes when this is dropped.
pub(crate) struct Disk(PathBuf);

impl Disk {
    pub(crate) fn mount(at: &Path) -> anyhow::Result<Self> {
        fs::create_dir_all(at)?;
        run(Command::new("mount").args(["-t", "tmpfs", "-o", DISK, "velella-faults"]).arg(at))?;
        Ok(Self(at.to_owned()))
    }

    /// Of a run that was killed.
    pub(crate) fn unmount(at: &Path) {
        // Usually there is none.
        let _ = Command::new("umount").arg(at).stderr(std::process::Stdio::null()).status();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        Self::unmount(&self.0);
    }
}

/// Nothing is written while the alarm stands, what was written can be read, and nobody loses a lease.
fn over_quota(cluster: &mut Cluster) -> LocalBoxFuture<'_, anyhow::Result<()>> {
    async move {
        cluster.process(ETCD_DISK)?.restart_with(&[TINY_QUOTA])?;
        eventually("a room is refused", async || {
            create_room(FRONT).await.is_ok_and(|answer| made(&answer).is_none() && answer.status == 503)
        })
        .await?;
        tokio::time::sleep(FULL).await;
        says_full(cluster)?;
        cluster.process(ETCD_DISK)?.restart_with(&[])?;
        eventually("the alarm ends", async || disarm(cluster).await).await
    }
    .boxed_local()
}

/// etcd ends when it cannot write; with room again it goes on where it was.
fn full_disk(cluster: &mut Cluster) -> LocalBoxFuture<'_, anyhow::Result<()>> {
    async move {
        let ballast = cluster.disk().join("ballast");
        fill(&ballast)?;
        let endpoints = vec![format!("http://{}:{ETCD}", cluster.etcd_host()?.ip)];
        let store = EtcdStore::connect(EtcdOptions { endpoints, ..EtcdOptions::default() }).await?;
        let mut refused = false;
        for _ in 0..BRICKS_MAX {
            let brick = Bytes::from(vec![0; BRICK_BYTES]);
            refused = store.put("velella-faults/brick", brick, Expect::Any, None).await.is_err();
            if refused {
                break;
            }
        }
        ensure!(refused, "the disk is not full");
        tokio::time::sleep(FULL).await;
        fs::remove_file(&ballast)?;
        let log = cluster.process(ETCD_DISK)?.log();
        ensure!(log.contains("no space left on device"), "the log of etcd does not say that its disk is full");
        cluster.process(ETCD_DISK)?.restart()?;
        eventually("what filled it is gone", async || store.delete("velella-faults/brick", Expect::Any).await.is_ok())
            .await
    }
    .boxed_local()
}

fn says_full(cluster: &Cluster) -> anyhow::Result<()> {
    let logs = cluster.coordinators.iter().map(|coordinator| coordinator.log()).collect::<String>();
    ensure!(logs.contains("full"), "no coordinator says that etcd is full");
    Ok(())
}

/// Ends every alarm; whether there was none left.
async fn disarm(cluster: &Cluster) -> bool {
    let Ok(etcd) = cluster.etcd_host() else { return false };
    let at = SocketAddr::from((etcd.ip, ETCD));
    let alarm = async |what: Value| {
        let lines = http::body(None, &what);
        http::send(at, "POST", "/v3/maintenance/alarm", &lines, http::PATIENCE).await.map(|answer| answer.json())
    };
    let Ok(standing) = alarm(json!({ "action": "GET" })).await else { return false };
    let Some(alarms) = standing.get("alarms").and_then(Value::as_array) else { return standing.is_object() };
    for member in alarms.iter().filter_map(|alarm| alarm.get("memberID")) {
        // Asked again until none is left.
        let _ = alarm(json!({ "action": "DEACTIVATE", "memberID": member, "alarm": "NOSPACE" })).await;
    }
    false
}

/// To the last byte.
fn fill(path: &Path) -> anyhow::Result<()> {
    let mut file = File::create(path).context("no file for the ballast")?;
    let block = vec![0; 1 << 20];
    while file.write_all(&block).is_ok() {}
    Ok(())
}

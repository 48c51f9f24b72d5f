//! Workers that are replaced on purpose, one after another, as an upgrade does it.

use anyhow::ensure;
use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;

use crate::cluster::{Cluster, eventually, is_ready, ready_workers};
use crate::front::FRONT;
use crate::row::{Deed, Media, Owners, Rooms, Row};
use crate::servers::Servers;

pub(crate) const ROWS: &[Row] = &[Row {
    name: "all_workers_are_replaced",
    quick: true,
    servers: Servers::One,
    deed: Deed::Act(replace_all),
    rooms: Rooms::May,
    media: Media::Kept,
    owners: Owners::One,
}];

/// Each is told to end, gives its rooms away, ends well, and is started again.
fn replace_all(cluster: &mut Cluster) -> LocalBoxFuture<'_, anyhow::Result<()>> {
    async move {
        let workers: Vec<_> = cluster.workers.iter().map(|worker| worker.host.clone()).collect();
        for host in workers {
            let process = cluster.process(host.name)?;
            process.terminate()?;
            let mut ended = None;
            eventually(&format!("{} ends", host.name), async || {
                ended = process.ended();
                ended.is_some()
            })
            .await?;
            ensure!(ended.is_some_and(|status| status.success()), "{} ended with {ended:?}", host.name);
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

//! Rooms that are broadcast: a worker and two gateways in one process, as viewers see them.

#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

mod cluster;
mod film;
mod viewer;

use std::time::Duration;

use velella_hls_check::report::Outcome as Judged;
use velella_hls_check::rule::Rule;
use velella_hls_check::watch::{Outcome, Settings, watch};
use velella_model::component::{ComponentSpec, HlsSpec, IngestState};

use crate::cluster::Cluster;
use crate::viewer::Viewer;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_room_is_watched_and_goes_on_at_another_gateway() {
    let mut cluster = Cluster::start().await;
    let [first, second] = [cluster.gateway("g1").await, cluster.gateway("g2").await];
    cluster.film(&first).await;
    cluster.component("live", stream(), &first).await;
    cluster.ingest("live", |ingest| ingest.state == IngestState::Live).await;

    let [here, elsewhere] = [Viewer::of(&first), Viewer::of(&second)];
    let all = here.text("index.m3u8").await;
    assert!(all.contains("high.m3u8") && !all.contains("low.m3u8"), "{all}");
    let before = here.playlist("high").await;
    assert!(here.bytes(before.media.last().unwrap()).await > 500);
    let next = elsewhere.playlist_from("high", before.last_msn + 1).await;
    assert!(next.last_msn > before.last_msn, "whoever is elsewhere waits for the next segment as well");
    assert!(elsewhere.bytes(next.media.last().unwrap()).await > 500);

    let judging = tokio::spawn(judge(second.serves.public.clone()));
    cluster.component("live", stream(), &second).await;
    cluster.ingest("live", |ingest| ingest.job.gateway == second.id && ingest.state == IngestState::Live).await;
    let after = here.playlist_from("high", next.last_msn + 2).await;
    assert!(after.epoch > next.epoch && after.sequence >= next.sequence, "{after:?} after {next:?}");
    assert!(after.discontinuities > 0 && here.bytes(after.media.last().unwrap()).await > 500, "{after:?}");
    judging.await.unwrap();

    cluster.delete("live").await;
    cluster.until_absent("live").await;
    assert_eq!(here.status("high.m3u8").await, 404);
}

/// Watches with the checker of playlists while the stream goes on elsewhere.
async fn judge(base: String) {
    let url = format!("{base}/hls/r/index.m3u8").parse().unwrap();
    let duration = Duration::from_millis(2_000);
    let settings = Settings { url, duration, slack: Duration::from_secs(2), http2_only: false };
    let Outcome { report, failed, last_failure } = watch(&settings).await.unwrap();
    assert_eq!(failed, 0, "{last_failure:?}");
    // What the gateway before had is listed, and gone with it.
    let kept = |outcome: &&Judged| !matches!(outcome.rule, Rule::S6 | Rule::S7);
    let broken: u64 = report.rules.iter().filter(kept).map(|outcome| outcome.row.must).sum();
    assert_eq!(broken, 0, "{}", report.table());
}

fn stream() -> ComponentSpec {
    ComponentSpec::Hls(HlsSpec {
        low_latency: true,
        target_duration_s: 1,
        part_target_ms: 200,
        window_s: Some(20),
        persistent: false,
    })
}

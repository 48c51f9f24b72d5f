//! A stream as the checker of live playlists sees it, through an edge before an edge.

use std::time::Duration;

use velella_edge::Origin;
use velella_hls_check::rule::{Level, Rule};
use velella_hls_check::watch::{Outcome, Settings, watch};

use crate::support::{Job, Served};

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_is_legal_behind_two_edges() {
    let job = Job::begin(7, Duration::from_secs(5));
    let origin = Served::plain(Origin::Here(job.questions.clone())).await;
    let edge = Served::plain(origin.inner()).await;
    let url = format!("http://{}/hls/room/index.m3u8", edge.at).parse().unwrap();
    let settings = Settings { url, duration: Duration::from_secs(3), slack: Duration::from_secs(1), http2_only: true };
    let Outcome { report, failed, last_failure } = watch(&settings).await.unwrap();
    assert_eq!((failed, last_failure), (0, None));
    // How punctual parts are depends on the machine that runs this; the packager's own tests hold that, on their own clock.
    let broken = report.violations().any(|broken| broken.level == Level::Must && broken.rule != Rule::S10);
    assert!(!broken, "{}", report.table());
    let checked = report.row(Rule::Syntax).is_some_and(|outcome| outcome.row.checked > 0);
    assert!(checked, "{}", report.table());
}

//! What is too old or too much is deleted.

use std::time::Duration;

use velella_recording::FileName;
use velella_recording::retention::Limits;

use crate::room::{MOVIE, begin, finished, id, open, scratch, with_noise};

#[tokio::test]
async fn the_oldest_go_first_and_what_runs_stays() {
    let scratch = scratch();
    let archive = open(scratch.path(), MOVIE).await;
    let take = with_noise(begin(&archive, "a-runs").await);
    for name in ["b", "c", "d"] {
        finished(&archive, name, 1, 10_000).await;
    }
    // The second one ended at the beginning of time.
    let list = archive.path(&id("c"), &FileName::Finished);
    let mut described = archive.finished(&id("c")).await.unwrap().unwrap();
    described.ended_unix_ms = 1_000;
    std::fs::write(list, serde_json::to_string(&described).unwrap()).unwrap();

    let age = Limits { age_max: Some(Duration::from_secs(3_600)), bytes_max: None };
    assert_eq!(archive.expire(age).await.unwrap(), [id("c")]);
    assert!(archive.expire(age).await.unwrap().is_empty());
    let bytes = Limits { age_max: None, bytes_max: Some(20_000) };
    assert_eq!(archive.expire(bytes).await.unwrap(), [id("b")], "each has somewhat more than 10 000");
    let left = archive.idle().await.unwrap();
    assert_eq!((left.finished, left.unfinished), (vec![id("d")], vec![]));
    take.end().await;
    assert!(scratch.path().join("a-runs").exists() && !scratch.path().join("b").exists());
}

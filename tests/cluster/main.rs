//! The real binaries over real NATS and etcd, and what becomes of rooms when one of them ends.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail loudly")]

mod cluster;
mod live;
mod once;
mod process;
mod receiver;
mod webhooks;

use std::time::{Duration, Instant};

use crate::cluster::{Cluster, eventually};

/// From the death of a worker to the new place of its rooms: its lease lasts 5 s.
const MOVED_WITHIN: Duration = Duration::from_secs(8);

/// Longer than clients of NATS wait before they try again.
const OUTAGE: Duration = Duration::from_secs(3);

#[tokio::test]
async fn a_dead_workers_room_moves_with_a_higher_generation() {
    let mut cluster = Cluster::start().await;
    let [a, b] = &cluster.coordinators;
    let room = a.create_room().unwrap();
    let before = eventually("B knows the room", || b.placement(&room)).await;

    cluster.worker(&before.worker).kill();
    let killed = Instant::now();
    let [_, b] = &cluster.coordinators;
    let after =
        eventually("the room has moved", || b.placement(&room).filter(|now| now.generation > before.generation)).await;
    assert!(killed.elapsed() < MOVED_WITHIN, "{:?}", killed.elapsed());
    assert_ne!(after.worker, before.worker);
}

#[tokio::test]
async fn one_coordinator_goes_on_without_the_other() {
    let mut cluster = Cluster::start().await;
    let [a, b] = &mut cluster.coordinators;
    let room = a.create_room().unwrap();
    eventually("B knows the room", || b.placement(&room)).await;

    a.kill();
    assert!(b.placement(&room).is_some());
    let other = eventually("B makes a room", || b.create_room()).await;
    assert!(b.placement(&other).is_some());
}

#[tokio::test]
async fn rooms_are_made_again_when_nats_is_back() {
    let mut cluster = Cluster::start().await;
    let room = cluster.coordinators[0].create_room().unwrap();
    let before = cluster.coordinators[0].placement(&room).unwrap();

    cluster.nats.kill();
    tokio::time::sleep(OUTAGE).await;
    cluster.nats.restart().await;
    for coordinator in &cluster.coordinators {
        eventually("a room is made", || coordinator.create_room()).await;
        assert_eq!(coordinator.placement(&room).unwrap(), before, "nobody has died");
    }
}

#[tokio::test]
async fn a_worker_that_is_told_to_end_gives_its_rooms_away_first() {
    let mut cluster = Cluster::start().await;
    let room = cluster.coordinators[0].create_room().unwrap();
    let before = cluster.coordinators[0].placement(&room).unwrap();

    let worker = cluster.worker(&before.worker);
    worker.terminate();
    let status = worker.ended().await;
    assert!(status.success(), "{status}: {}", worker.log());
    let after = cluster.coordinators[0].placement(&room).unwrap();
    assert_ne!(after.worker, before.worker);
    assert!(after.generation > before.generation);
}

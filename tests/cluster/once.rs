//! Requests with an `Idempotency-Key`, repeated at another coordinator.

use crate::cluster::{Cluster, eventually};

#[tokio::test]
async fn a_key_that_is_repeated_at_another_coordinator_makes_no_second_room() {
    let mut cluster = Cluster::start().await;
    let [a, b] = &mut cluster.coordinators;
    let (status, first) = a.create_room_once("k");
    assert_eq!(status, 201);
    assert_eq!(b.create_room_once("k"), (201, first.clone()));
    a.kill();
    assert_eq!(b.create_room_once("k"), (201, first), "whoever answered it first");
    eventually("B has no other room", || b.rooms().filter(|rooms| rooms.len() == 1)).await;

    cluster.etcd.kill();
    let (status, refusal) = cluster.coordinators[1].create_room_once("k");
    assert_eq!((status, refusal["code"].as_str()), (503, Some("store_down")));
}

//! Additions to the published API: filters and pages, changes of rooms, idempotency keys.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use velella_bus::memory::MemoryBus;
use velella_model::record::{Candidate, Placement, RoomRecord, RoomSpec, Verdict};
use velella_model::wire::encode;
use velella_model::{Generation, Incarnation, RoomId, WorkerId};
use velella_store::memory::MemoryStore;
use velella_store::{Expect, Store};

use crate::client::{Answer, Peer, request_with};
use crate::cluster::{Cluster, TOKEN};

#[tokio::test]
async fn rooms_are_listed_by_filters_and_in_pages() {
    let cluster = Cluster::start().await;
    for id in ["a1", "a2", "a3", "b1"] {
        cluster.post(&cluster.api("/room"), json!({"roomId": id, "roomType": "audio_only"})).await;
    }
    let (_, token) = cluster.add_peer("a2").await;
    let _socket = Peer::join(&cluster.socket_url(), &token).await;
    let table: [(&str, &[&str]); 7] = [
        ("", &["a1", "a2", "a3", "b1"]),
        ("?idPrefix=a&peers=none", &["a1", "a3"]),
        ("?peers=some", &["a2"]),
        ("?roomType=conference", &[]),
        ("?worker=w1&after=a2", &["a3", "b1"]),
        ("?worker=w2", &[]),
        ("?limit=1000", &["a1", "a2", "a3", "b1"]),
    ];
    for (query, ids) in table {
        assert_eq!(cluster.get(&cluster.api(&format!("/room{query}"))).await.ids(), ids, "{query}");
    }
    let mut path = cluster.api("/room?limit=2&roomType=audio_only");
    let mut seen = Vec::new();
    loop {
        let page = cluster.get(&path).await;
        seen.extend(page.ids().into_iter().map(str::to_owned));
        let Some(link) = page.headers.get("link") else {
            assert_eq!(page.json["next"], Value::Null);
            break;
        };
        let link = link.to_str().unwrap();
        path = link.trim_start_matches('<').split_once(">; rel=\"next\"").unwrap().0.to_owned();
        assert_eq!(page.json["next"], seen.last().unwrap().as_str());
    }
    assert_eq!(seen, ["a1", "a2", "a3", "b1"]);
    assert!(cluster.get(&cluster.api("/room")).await.json.get("next").is_none(), "as published without a limit");
    for query in ["limit=0", "limit=x", "peers=2", "color=red", "after=%2F"] {
        assert_eq!(cluster.get(&cluster.api(&format!("/room?{query}"))).await.status, 400, "{query}");
    }
}

#[tokio::test]
async fn what_may_change_of_a_room_changes_at_every_replica() {
    let cluster = Cluster::start().await;
    let replica = cluster.replica().await;
    let room = cluster.create_room().await;
    let path = cluster.api(&format!("/room/{room}"));
    let patch = json!({"maxPeers": 1, "webhookUrl": "https://x/y", "peerlessPurgeTimeout": 60});
    let patched = replica.patch(&path, patch).await;
    assert_eq!(patched.status, 200, "{}", patched.text);
    assert_eq!(patched.json["data"]["config"]["webhookUrl"], "https://x/y");
    cluster.add_peer(&room).await;
    let full = cluster.post(&format!("{path}/peer"), json!({"type": "webrtc"})).await;
    assert_eq!(full.status, 409);
    let reset = cluster.patch(&path, json!({"maxPeers": null, "webhookUrl": null})).await;
    let config = &reset.json["data"]["config"];
    assert_eq!((&config["maxPeers"], &config["webhookUrl"]), (&json!(0), &Value::Null));
    assert_eq!(config["peerlessPurgeTimeout"], 60, "what is not named stays");
    for (body, code) in [(json!({"videoCodec": "vp8"}), "immutable"), (json!({"color": 1}), "bad_request")] {
        let answer = cluster.patch(&path, body).await;
        assert_eq!((answer.status, answer.json["code"].as_str()), (400, Some(code)));
    }
    assert_eq!(cluster.patch(&cluster.api("/room/unknown"), json!({})).await.status, 404);
}

#[tokio::test]
async fn a_chosen_id_is_taken_once() {
    let cluster = Cluster::start().await;
    let path = cluster.api("/room");
    let create = || cluster.post(&path, json!({"roomId": "mine"}));
    assert_eq!(create().await.json["data"]["room"]["id"], "mine");
    let again = create().await;
    assert_eq!((again.status, again.json["code"].as_str()), (409, Some("room_exists")));
}

#[tokio::test]
async fn a_request_with_a_key_is_done_once() {
    let cluster = Cluster::start().await;
    let (path, body) = (cluster.api("/room"), json!({"maxPeers": 3}));
    let post = async |key: &str, body: &Value| -> Answer {
        let header = Some(("idempotency-key", key));
        request_with(cluster.addr, "POST", &path, Some(TOKEN), Some(body.to_string()), header).await
    };
    let (first, again) = (post("k", &body).await, post("k", &body).await);
    assert_eq!((first.status, again.status), (201, 201));
    assert_eq!((&first.text, first.headers.get("idempotent-replayed")), (&again.text, None));
    assert_eq!(again.headers["idempotent-replayed"], "true");
    assert_eq!(again.headers["content-type"], "application/json");
    let misused = post("k", &json!({"maxPeers": 4})).await;
    assert_eq!((misused.status, misused.json["code"].as_str()), (422, Some("idempotency_misused")));
    let replica = cluster.replica().await;
    let header = Some(("idempotency-key", "k"));
    let there = request_with(replica.addr, "POST", &path, Some(TOKEN), Some(body.to_string()), header).await;
    assert_eq!((there.status, &there.text), (201, &first.text), "at any coordinator");
    assert_eq!(there.headers["idempotent-replayed"], "true");
    assert_eq!(post("other", &body).await.status, 201);
    assert_eq!(cluster.get(&path).await.ids().len(), 2);
    assert_eq!(post(&"k".repeat(201), &body).await.status, 400);
    assert_eq!(post("huge", &json!("x".repeat(300_000))).await.status, 413);
    assert_eq!(cluster.metric("velella_coordinator_idempotency_total"), 4.0);
}

#[tokio::test]
async fn what_failed_for_a_while_is_tried_again_with_the_same_key() {
    let cluster = Cluster::start_with(&[]).await;
    let path = cluster.api("/room");
    let post =
        async || request_with(cluster.addr, "POST", &path, Some(TOKEN), None, Some(("idempotency-key", "k"))).await;
    assert_eq!(post().await.status, 503, "no worker yet");
    let _worker = cluster.worker("w1", 1).await;
    assert_eq!(post().await.status, 201);
}

/// The bound is generous: this build is not optimised and its machine is shared.
#[tokio::test]
async fn ten_thousand_rooms_are_listed_at_once() {
    let store = MemoryStore::new();
    for n in 0..ROOMS {
        let room = RoomId::parse(&format!("room-{n}")).unwrap();
        let key = velella_model::key::room(&room);
        store.put(&key, encode(&record()).into(), Expect::Any, None).await.unwrap();
    }
    let cluster = Cluster::join(MemoryBus::new(), store, &[]).await;
    while cluster.get(&cluster.api("/room?limit=1")).await.ids().is_empty() {
        tokio::task::yield_now().await;
    }
    let began = Instant::now();
    let listed = cluster.get(&cluster.api("/room")).await;
    let took = began.elapsed();
    assert_eq!(listed.ids().len(), ROOMS);
    assert!(took < Duration::from_secs(5), "{took:?}");
    let page = cluster.get(&cluster.api("/room?limit=1000")).await;
    assert_eq!((page.ids().len(), page.json["next"].is_string()), (1000, true));
}

const ROOMS: usize = 10_000;

fn record() -> RoomRecord {
    let worker = WorkerId::parse("w1").unwrap();
    let verdict = Verdict::Scored { region_miss: false, load_permille: 1, rooms: 1 };
    let placement = Placement {
        worker: worker.clone(),
        incarnation: Incarnation(1),
        generation: Generation(1),
        endpoints: Vec::new(),
        candidates: vec![Candidate { worker, verdict }],
    };
    RoomRecord { spec: RoomSpec::default(), placement, streaming: None }
}

impl Answer {
    fn ids(&self) -> Vec<&str> {
        self.json["data"].as_array().unwrap().iter().map(|room| room["id"].as_str().unwrap()).collect()
    }
}

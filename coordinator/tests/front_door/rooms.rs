//! The management API.

use std::collections::BTreeMap;

use serde_json::json;
use velella_model::wire::command::Order;

use crate::client::request;
use crate::cluster::{Cluster, TOKEN};

#[tokio::test]
async fn a_room_lives_from_post_to_delete() {
    let cluster = Cluster::start().await;
    assert_eq!(cluster.get(&cluster.api("/validate")).await.status, 200);
    let config = json!({"maxPeers": 2, "videoCodec": "vp8", "roomType": "conference"});
    let created = cluster.post(&cluster.api("/room"), config).await;
    assert_eq!(created.status, 201);
    assert_eq!(created.json["data"]["fishjam_address"], cluster.addr.to_string());
    let room = &created.json["data"]["room"];
    let config = json!({
        "maxPeers": 2, "public": false, "roomType": "conference", "videoCodec": "vp8",
        "webhookUrl": null, "batchWebhookNotifications": false,
    });
    assert_eq!((&room["config"], &room["peers"]), (&config, &json!([])));
    let path = cluster.api(&format!("/room/{}", room["id"].as_str().unwrap()));
    assert_eq!(cluster.get(&path).await.json["data"], *room);
    assert_eq!(cluster.get(&cluster.api("/room")).await.json["data"], json!([room]));
    assert_eq!(cluster.delete(&path).await.status, 204);
    let gone = cluster.get(&path).await;
    assert_eq!((gone.status, gone.json["code"].as_str()), (404, Some("room_not_found")));
}

#[tokio::test]
async fn peers_are_added_shown_limited_and_removed() {
    let cluster = Cluster::start().await;
    let created = cluster.post(&cluster.api("/room"), json!({"maxPeers": 1})).await;
    let room = cluster.api(&format!("/room/{}", created.json["data"]["room"]["id"].as_str().unwrap()));
    let peers = format!("{room}/peer");
    let added = cluster.post(&peers, json!({"type": "webrtc", "options": {"metadata": {"s": 2}}})).await;
    let data = &added.json["data"];
    assert_eq!((added.status, data["peer"]["metadata"].clone()), (201, json!({"peer": {}, "server": {"s": 2}})));
    let url = data["peer_websocket_url"].as_str().unwrap();
    assert_eq!(url, cluster.socket_url());
    assert_eq!(cluster.get(&room).await.json["data"]["peers"], json!([data["peer"]]));

    let limit = cluster.post(&peers, json!({"type": "webrtc"})).await;
    assert_eq!((limit.status, limit.json["code"].as_str()), (409, Some("peers_limit")));

    let peer = format!("{peers}/{}", data["peer"]["id"].as_str().unwrap());
    let refreshed = request(cluster.addr, "POST", &format!("{peer}/refresh_token"), Some(TOKEN), None).await;
    assert_eq!(refreshed.status, 201);
    assert_ne!(refreshed.json["data"]["token"], data["token"]);
    assert_eq!(cluster.delete(&peer).await.status, 204);
    let gone = cluster.delete(&peer).await;
    assert_eq!((gone.status, gone.json["code"].as_str()), (404, Some("peer_not_found")));
}

#[tokio::test]
async fn twenty_rooms_at_once_spread_over_four_workers_within_one() {
    let cluster = Cluster::start_with(&[]).await;
    let mut workers = Vec::new();
    for id in ["w1", "w2", "w3", "w4"] {
        workers.push(cluster.worker_that_announces(id, 1, None).await);
    }
    let rooms = futures_util::future::join_all((0..20).map(|_| cluster.create_room())).await;
    let mut placed = BTreeMap::<String, u32>::new();
    for room in rooms {
        let placement = cluster.get(&format!("/cluster/rooms/{room}/placement")).await.json;
        *placed.entry(placement["worker"].as_str().unwrap().to_owned()).or_default() += 1;
        assert_eq!(placement["candidates"].as_array().unwrap().len(), 4);
        assert_eq!(placement["candidates"][0]["verdict"]["type"], "scored");
    }
    assert_eq!(placed.values().copied().collect::<Vec<_>>(), [5, 5, 5, 5], "{placed:?}");
    for worker in workers {
        assert_eq!(worker.heard(|order| matches!(order, Order::AssignRoom { .. })), 5);
    }
}

#[tokio::test]
async fn nobody_fits_is_a_503_that_says_when_to_come_back() {
    let cluster = Cluster::start_with(&[]).await;
    let answer = cluster.post(&cluster.api("/room"), json!({})).await;
    assert_eq!((answer.status, answer.json["code"].as_str()), (503, Some("no_worker")));
    assert!(answer.headers.contains_key("retry-after"));
    assert_eq!(cluster.get(&cluster.api("/room")).await.json["data"], json!([]));
}

#[tokio::test]
async fn the_api_wants_the_management_token() {
    let cluster = Cluster::start().await;
    for path in [cluster.api("/room"), "/cluster/workers".into()] {
        let missing = request(cluster.addr, "GET", &path, None, None).await;
        assert_eq!((missing.status, missing.json["errors"].as_str()), (401, Some("Missing token")), "{path}");
        let wrong = request(cluster.addr, "GET", &path, Some("wrong"), None).await;
        assert_eq!((wrong.status, wrong.json["errors"].as_str()), (401, Some("Invalid token")), "{path}");
    }
}

#[tokio::test]
async fn wrong_credentials_are_not_found() {
    let cluster = Cluster::start().await;
    for token in [None, Some("wrong")] {
        assert_eq!(request(cluster.addr, "GET", &cluster.api("/validate"), token, None).await.status, 404);
    }
}

#[tokio::test]
async fn every_wrong_request_gets_json() {
    let cluster = Cluster::start().await;
    let table = [
        ("GET", "/nowhere".to_owned(), None, 404),
        ("GET", cluster.api("/nowhere"), None, 404),
        ("PUT", cluster.api("/room"), None, 405),
        ("GET", cluster.api("/room/unknown"), None, 404),
        ("GET", cluster.api("/room/b%20d"), None, 400),
        ("POST", cluster.api("/room"), Some("{".to_owned()), 400),
        ("POST", cluster.api("/room"), Some(r#"{"color":"red"}"#.to_owned()), 400),
        ("POST", cluster.api("/room"), Some(format!(r#"{{"maxPeers":{}"#, "[".repeat(100_000))), 400),
        ("POST", cluster.api("/room"), Some("\u{0}".to_owned()), 400),
        ("POST", cluster.api("/room"), Some(format!("\"{}\"", "x".repeat(300_000))), 413),
        ("POST", cluster.api("/room/unknown/peer"), Some(r#"{"type":"webrtc"}"#.to_owned()), 404),
        ("POST", cluster.api("/room/unknown/peer"), Some(r#"{"type":"vapi"}"#.to_owned()), 501),
        ("GET", cluster.api("/socket/peer/websocket"), None, 400),
    ];
    for (method, path, body, status) in table {
        let answer = request(cluster.addr, method, &path, Some(TOKEN), body).await;
        assert_eq!(answer.status, status, "{method} {path}: {}", answer.text);
        assert!(answer.json["errors"].is_string(), "{method} {path}: {}", answer.text);
    }
}

#[tokio::test]
async fn what_sdks_and_browsers_do_is_understood() {
    let cluster = Cluster::start().await;
    let head = request(cluster.addr, "HEAD", &cluster.api("/room"), Some(TOKEN), None).await;
    assert_eq!(head.status, 200);
    let doubled = cluster.get("/api/v1/connect/app//room").await;
    assert_eq!(doubled.status, 200);
    let bodiless = request(cluster.addr, "POST", &cluster.api("/room"), Some(TOKEN), None).await;
    assert_eq!(bodiless.status, 201);
    assert_eq!(bodiless.headers["access-control-allow-origin"], "*");
}

#[tokio::test]
async fn a_room_made_at_one_coordinator_is_known_at_another_at_once() {
    let cluster = Cluster::start().await;
    let replica = cluster.replica().await;
    let room = cluster.create_room().await;
    let shown = replica.get(&replica.api(&format!("/room/{room}"))).await;
    assert_eq!(shown.status, 200);
}

//! The API of Fishjam 0.6 and Jellyfish at the root: exact keys, literal messages.

use serde_json::{Value, json};

use crate::client::{Answer, Peer, request, request_with};
use crate::cluster::{Cluster, TOKEN};

#[tokio::test]
async fn a_room_and_its_peer_live_in_the_older_shapes() {
    let cluster = Cluster::start().await;
    let wish = json!({"roomId": "r-1", "peerlessPurgeTimeout": 60, "webhookUrl": null, "maxPeers": 1});
    let created = cluster.post("/room", wish).await;
    assert_eq!(created.status, 201, "{}", created.text);
    let data = &created.json["data"];
    let address = cluster.addr.to_string();
    assert_eq!(data["fishjam_address"], address.as_str());
    assert_eq!(data["jellyfish_address"], address.as_str());
    let config = json!({
        "roomId": "r-1", "maxPeers": 1, "videoCodec": null, "webhookUrl": null,
        "peerlessPurgeTimeout": 60, "peerDisconnectedTimeout": null,
    });
    assert_eq!(data["room"], json!({"id": "r-1", "config": config, "components": [], "peers": []}));

    let added = cluster.post("/room/r-1/peer", json!({"type": "webrtc", "options": {"enableSimulcast": true}})).await;
    assert_eq!(added.status, 201, "{}", added.text);
    let added = &added.json["data"];
    assert_eq!(added["peer_websocket_url"], format!("{address}/socket/peer/websocket"));
    let id = added["peer"]["id"].clone();
    let peer = json!({"id": id, "type": "webrtc", "status": "disconnected", "tracks": [], "metadata": null});
    assert_eq!(added["peer"], peer);
    let url = format!("ws://{}", added["peer_websocket_url"].as_str().unwrap());
    Peer::join(&url, added["token"].as_str().unwrap()).await;
    let shown = cluster.get("/room/r-1").await.json;
    assert_eq!(shown["data"]["peers"][0]["metadata"], json!({"n": 1}), "not in an envelope");
    assert_eq!(cluster.get("/room").await.json["data"].as_array().unwrap().len(), 1);
    assert_eq!(cluster.delete(&format!("/room/r-1/peer/{}", id.as_str().unwrap())).await.status, 204);
    assert_eq!(cluster.delete("/room/r-1").await.status, 204);
}

#[tokio::test]
async fn mistakes_are_told_in_the_words_that_older_sdks_know() {
    let cluster = Cluster::start().await;
    cluster.post("/room", json!({"roomId": "full", "maxPeers": 1, "videoCodec": "h264"})).await;
    cluster.post("/room/full/peer", json!({"type": "webrtc"})).await;
    cluster.post("/room", json!({"roomId": "vp8", "videoCodec": "vp8"})).await;
    let ids = "roomId may contain only alphanumeric characters, hyphens and underscores";
    let s3 = "S3 credentials has to be passed either by request or at application startup as envs";
    let table: [(&str, &str, Value, u16, &str); 30] = [
        ("POST", "/room", json!({"maxPeers": "10"}), 400, "Expected maxPeers to be a number, got: 10"),
        ("POST", "/room", json!({"videoCodec": "x"}), 400, "Expected videoCodec to be 'h264' or 'vp8', got: x"),
        ("POST", "/room", json!({"webhookUrl": "x"}), 400, "Expected webhookUrl to be valid URL, got: x"),
        (
            "POST",
            "/room",
            json!({"peerlessPurgeTimeout": -1}),
            400,
            "Expected peerlessPurgeTimeout to be a positive integer, got: -1",
        ),
        ("POST", "/room", json!({"roomId": "full"}), 400, "Cannot add room with id \"full\" - room already exists"),
        ("POST", "/room", json!({"roomId": "a/b"}), 400, &format!("Cannot add room with id \"a/b\" - {ids}")),
        ("GET", "/room/x", json!({}), 404, "Room x does not exist"),
        ("DELETE", "/room/x", json!({}), 404, "Room x does not exist"),
        ("GET", "/room/a%20b", json!({}), 400, "Invalid room ID: a b"),
        ("POST", "/room/full/peer", json!({"type": "webrtc"}), 503, "Reached webrtc peers limit in room full"),
        ("POST", "/room/full/peer", json!({"type": "robot"}), 400, "Invalid peer type"),
        ("POST", "/room/full/peer", json!({"type": "agent"}), 400, "Invalid peer type"),
        ("POST", "/room/full/peer", json!({}), 400, "Invalid request body structure"),
        ("DELETE", "/room/full/peer/x", json!({}), 404, "Peer x does not exist"),
        ("POST", "/room/full/component", json!({}), 400, "Invalid request body structure"),
        ("POST", "/room/full/component", json!({"type": "x"}), 400, "Invalid component type"),
        ("POST", "/room/full/component", json!({"type": "rtsp"}), 400, "Required field \"sourceUri\" missing"),
        ("POST", "/room/full/component", json!({"type": "recording"}), 400, s3),
        (
            "POST",
            "/room/full/component",
            json!({"type": "hls", "options": {}}),
            400,
            "No gateway can take a component of type hls: none is known",
        ),
        (
            "POST",
            "/room/full/component",
            json!({"type": "hls", "options": {"subscribeMode": "all"}}),
            400,
            "Expected subscribeMode to be 'auto' or 'manual'",
        ),
        ("POST", "/room/vp8/component", json!({"type": "hls"}), 400, "Incompatible video codec enforced in room vp8"),
        ("DELETE", "/room/full/component/c", json!({}), 404, "Component c does not exist"),
        ("POST", "/room/full/component/c/subscribe", json!({"origins": []}), 400, "Component c does not exist"),
        ("POST", "/sip/full/c/call", json!({"phoneNumber": "1"}), 400, "Component c does not exist"),
        ("DELETE", "/sip/full/c/call", json!({}), 400, "Component c does not exist"),
        ("DELETE", "/recording/r", json!({}), 404, "Recording not found"),
        ("GET", "/hls/full/index.m3u8", json!({}), 404, "File not found"),
        ("GET", "/hls/full/..%2Fx", json!({}), 400, "Invalid filename, got ../x"),
        ("GET", "/hls/full/1/high/%40x", json!({}), 400, "Invalid filename, got 1/high/@x"),
        ("POST", "/room/full/component/c/subscribe", json!({}), 400, "Invalid request body structure"),
    ];
    for (method, path, body, status, errors) in table {
        let answer = match method {
            "POST" => cluster.post(path, body.clone()).await,
            "GET" => cluster.get(path).await,
            _ => cluster.delete(path).await,
        };
        let got = (answer.status, answer.json["errors"].as_str());
        assert_eq!(got, (status, Some(errors)), "{method} {path} {body}");
    }
}

#[tokio::test]
async fn health_and_recordings_are_as_they_were() {
    let cluster = Cluster::start().await;
    let health = cluster.get("/health").await.json["data"].take();
    assert_eq!((&health["status"], health["uptime"].is_u64()), (&json!("UP"), true));
    let distribution = json!({"enabled": false, "nodeStatus": "DOWN", "nodesInCluster": 0});
    assert_eq!(health["distribution"], distribution);
    assert_eq!(cluster.get("/recording").await.json, json!({"data": []}));
    for path in ["/health", "/room", "/recording"] {
        let denied = request(cluster.addr, "GET", path, None, None).await;
        assert_eq!((denied.status, denied.json["errors"].as_str()), (401, Some("Missing token")), "{path}");
    }
    for path in ["/hls/r/index.m3u8", "/recording/r/index.m3u8"] {
        assert_eq!(request(cluster.addr, "GET", path, None, None).await.status, 404, "{path} is open to all");
    }
}

#[tokio::test]
async fn a_current_sdk_at_the_root_gets_the_current_shapes() {
    let cluster = Cluster::start().await;
    let ask = async |method, path: &str, body: Value| -> Answer {
        let header = Some(("x-fishjam-api-client", "js-server/0.28.0"));
        request_with(cluster.addr, method, path, Some(TOKEN), Some(body.to_string()), header).await
    };
    assert_eq!(ask("GET", "/validate", json!({})).await.status, 200);
    let created = ask("POST", "//room", json!({"maxPeers": 1})).await.json["data"]["room"].take();
    assert_eq!(created["config"]["roomType"], "conference");
    let path = format!("/room/{}/peer", created["id"].as_str().unwrap());
    let added = ask("POST", &path, json!({"type": "webrtc", "options": {}})).await;
    let data = &added.json["data"];
    assert_eq!(data["peer"]["subscribeMode"], "auto");
    Peer::join(data["peer_websocket_url"].as_str().unwrap(), data["token"].as_str().unwrap()).await;
    assert_eq!(ask("POST", &path, json!({"type": "webrtc", "options": {}})).await.status, 409);
}

//! Tokens: what they allow, for how long, and their revocation.

use serde_json::{Value, json};
use velella_model::wire::command::{Order, Rights};
use velella_model::wire::signal::PeerEvent;

use crate::client::{Answer, Peer, request};
use crate::cluster::Cluster;

#[tokio::test]
async fn a_moderator_sees_its_room_and_removes_peers_from_it_and_nothing_else() {
    let cluster = Cluster::start().await;
    let (room, other) = (cluster.create_room().await, cluster.create_room().await);
    let (_, admin) = cluster.add_with(&room, json!({"scopes": ["publish", "subscribe", "admin"]})).await;
    let (peer, plain) = cluster.add_peer(&room).await;
    let mut kicked = Peer::join(&cluster.socket_url(), &plain).await;

    let ask = async |method, path: &str, token: &str| -> Answer {
        request(cluster.addr, method, &cluster.api(path), Some(token), None).await
    };
    assert_eq!(ask("GET", &format!("/room/{room}"), &admin).await.status, 200);
    let table = [
        ("GET", "/room".to_owned()),
        ("GET", format!("/room/{other}")),
        ("DELETE", format!("/room/{room}")),
        ("PATCH", format!("/room/{room}")),
        ("POST", format!("/room/{room}/peer")),
        ("PATCH", format!("/room/{room}/peer/{peer}")),
        ("POST", format!("/room/{room}/peer/{peer}/refresh_token")),
        ("DELETE", format!("/room/{other}/peer/{peer}")),
    ];
    for (method, path) in table {
        let denied = ask(method, &path, &admin).await;
        assert_eq!((denied.status, denied.json["code"].as_str()), (403, Some("forbidden")), "{method} {path}");
        assert_eq!(ask(method, &path, &plain).await.status, 401, "{method} {path}");
    }
    assert_eq!(ask("GET", &format!("/room/{room}"), &plain).await.status, 401);
    assert_eq!(request(cluster.addr, "GET", "/cluster/workers", Some(&admin), None).await.status, 401);
    assert_eq!(request(cluster.addr, "GET", "/room", Some(&admin), None).await.status, 401);

    let path = format!("/room/{room}/peer/{peer}?reason=too%20loud");
    assert_eq!(ask("DELETE", &path, &admin).await.status, 204);
    assert_eq!(kicked.closed().await, (1000, "Peer removed: too loud".to_owned()));
    let mut back = Peer::authenticate(&cluster.socket_url(), &plain).await;
    assert_eq!(back.closed().await, (1000, "peer not found".to_owned()), "stays out");
}

#[tokio::test]
async fn scopes_reach_the_worker() {
    let cluster = Cluster::start_with(&[]).await;
    let worker = cluster.worker("w1", 1).await;
    let room = cluster.create_room().await;
    let (peer, token) = cluster.add_with(&room, json!({"scopes": ["subscribe"]})).await;
    let refreshed = cluster.post(&cluster.api(&format!("/room/{room}/peer/{peer}/refresh_token")), json!({})).await;
    for token in [token.as_str(), refreshed.json["data"]["token"].as_str().unwrap()] {
        Peer::join(&cluster.socket_url(), token).await;
    }
    let wanted = Rights { publish: false, subscribe: true };
    let listens = |order: &Order| matches!(order, Order::OpenSession { session } if session.rights == wanted);
    assert_eq!(worker.heard(listens), 2);
}

#[tokio::test]
async fn revoked_tokens_stop_working_at_every_replica() {
    let cluster = Cluster::start().await;
    let replica = cluster.replica().await;
    let room = cluster.create_room().await;
    let (peer, token) = cluster.add_with(&room, json!({"scopes": ["publish", "admin"]})).await;
    let mut socket = Peer::join(&cluster.socket_url(), &token).await;
    let path = cluster.api(&format!("/room/{room}/peer/{peer}"));
    assert_eq!(replica.post(&format!("{path}/revoke_tokens"), json!({})).await.status, 204);
    assert_eq!(socket.closed().await, (1000, "invalid token".to_owned()));
    for at in [&cluster, &replica] {
        let mut again = Peer::authenticate(&at.socket_url(), &token).await;
        assert_eq!(again.closed().await, (1000, "invalid token".to_owned()));
        let room = cluster.api(&format!("/room/{room}"));
        assert_eq!(request(at.addr, "GET", &room, Some(&token), None).await.status, 401);
    }
    let fresh = replica.post(&format!("{path}/refresh_token"), json!({"tokenTtl": 60})).await;
    Peer::join(&cluster.socket_url(), fresh.json["data"]["token"].as_str().unwrap()).await;
}

#[tokio::test]
async fn what_a_server_attached_to_a_peer_can_change_while_it_is_connected() {
    let cluster = Cluster::start_with(&[]).await;
    let worker = cluster.worker("w1", 1).await;
    let room = cluster.create_room().await;
    let (peer, token) = cluster.add_peer(&room).await;
    let _socket = Peer::join(&cluster.socket_url(), &token).await;
    let path = cluster.api(&format!("/room/{room}/peer/{peer}"));
    let patched = cluster.patch(&path, json!({"metadata": {"role": "host"}})).await;
    assert_eq!((patched.status, &patched.json["data"]["metadata"]["server"]), (200, &json!({"role": "host"})));
    let envelope = json!({"peer": {"n": 1}, "server": {"role": "host"}});
    worker
        .until_said(
            |event| matches!(event, PeerEvent::UpdateEndpointMetadata { metadata } if metadata.value() == envelope),
        )
        .await;
}

#[tokio::test]
async fn wrong_wishes_about_peers_are_refused() {
    let cluster = Cluster::start().await;
    let room = cluster.create_room().await;
    let (peer, _) = cluster.add_peer(&room).await;
    let peers = cluster.api(&format!("/room/{room}/peer"));
    let wrong_options = [
        json!({"scopes": "admin"}),
        json!({"scopes": ["root"]}),
        json!({"tokenTtl": 1}),
        json!({"tokenTtl": 10_000_000}),
        json!({"subscribeMode": "sometimes"}),
        json!({"metadata": [1]}),
    ];
    for options in wrong_options {
        let answer = cluster.post(&peers, json!({"type": "webrtc", "options": options})).await;
        assert_eq!((answer.status, answer.json["errors"].is_string()), (400, true), "{options}");
    }
    for body in [json!({}), json!({"metadata": 1}), json!({"metadata": {}, "type": "agent"})] {
        assert_eq!(cluster.patch(&format!("{peers}/{peer}"), body.clone()).await.status, 400, "{body}");
    }
    let long = cluster.delete(&format!("{peers}/{peer}?reason={}", "x".repeat(101))).await;
    assert_eq!(long.status, 400);
    let agent = json!({"type": "agent", "options": {"output": {"audioFormat": "pcm16", "audioSampleRate": 24000}}});
    let agent = cluster.post(&peers, agent).await;
    assert_eq!((agent.status, agent.json["data"]["peer"]["type"].as_str()), (201, Some("agent")));
    assert!(agent.json["data"]["peer_websocket_url"].as_str().unwrap().ends_with("/socket/agent/websocket"));
}

impl Cluster {
    async fn add_with(&self, room: &str, options: Value) -> (String, String) {
        let body = json!({"type": "webrtc", "options": options});
        let answer = self.post(&self.api(&format!("/room/{room}/peer")), body).await;
        let data = &answer.json["data"];
        (data["peer"]["id"].as_str().unwrap().to_owned(), data["token"].as_str().unwrap().to_owned())
    }
}

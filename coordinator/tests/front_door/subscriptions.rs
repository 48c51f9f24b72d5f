//! Peers that receive what their server asks for.

use serde_json::{Value, json};
use velella_model::wire::signal::PeerEvent;

use crate::client::Peer;
use crate::cluster::Cluster;

#[tokio::test]
async fn a_server_subscribes_a_manual_peer_also_from_another_replica() {
    let cluster = Cluster::start_with(&[]).await;
    let worker = cluster.worker("w1", 1).await;
    let replica = cluster.replica().await;
    let room = cluster.create_room().await;
    let (other, _) = cluster.add_peer(&room).await;
    let (peer, token) = cluster.add_manual_peer(&room).await;
    let _socket = Peer::join(&cluster.socket_url(), &token).await;

    let path = cluster.api(&format!("/room/{room}/peer/{peer}"));
    let subscribed = replica.post(&format!("{path}/subscribe_peer?peer_id={other}"), json!({})).await;
    assert_eq!(subscribed.status, 200, "{}", subscribed.text);
    let told = |wanted: Vec<String>| {
        move |event: &PeerEvent| {
            let PeerEvent::SetSubscriptions { subscriptions } = event else { return false };
            subscriptions.peers.iter().map(ToString::to_string).collect::<Vec<_>>() == wanted
        }
    };
    worker.until_said(told(vec![other.clone()])).await;
    let shown = replica.get(&cluster.api(&format!("/room/{room}"))).await.json;
    let shown = shown["data"]["peers"].as_array().unwrap().iter().find(|shown| shown["id"] == peer.as_str()).unwrap();
    assert_eq!(shown["subscriptions"], json!({"peers": [other], "tracks": []}));

    let back = cluster.post(&format!("{path}/unsubscribe_peer?peer_id={other}"), json!({})).await;
    assert_eq!((back.status, &back.json["data"]["subscriptions"]["peers"]), (200, &json!([])));
    worker.until_said(told(vec![])).await;
}

#[tokio::test]
async fn wrong_subscriptions_are_told_apart() {
    let cluster = Cluster::start().await;
    let room = cluster.create_room().await;
    let (auto, _) = cluster.add_peer(&room).await;
    let (manual, _) = cluster.add_manual_peer(&room).await;
    let many: Vec<String> = (0..1025).map(|n| format!("t{n}")).collect();
    let table: [(&str, &str, Value, u16, &str); 12] = [
        (&manual, "subscribe_peer?peer_id=nobody", json!({}), 404, "peer_not_found"),
        (&manual, "subscribe_peer", json!({}), 400, "bad_request"),
        (&manual, "subscribe_peer?peer_id=a%20b", json!({}), 400, "bad_request"),
        (&manual, &format!("subscribe_peer?peer_id={manual}"), json!({}), 400, "bad_request"),
        (&auto, &format!("subscribe_peer?peer_id={manual}"), json!({}), 400, "not_manual"),
        ("nobody", &format!("subscribe_peer?peer_id={manual}"), json!({}), 404, "peer_not_found"),
        (&manual, "subscribe_tracks", json!({"track_ids": ["t"]}), 404, "track_not_found"),
        (&manual, "subscribe_tracks", json!({"track_ids": "t"}), 400, "bad_request"),
        (&manual, "subscribe_tracks", json!({"track_ids": [1]}), 400, "bad_request"),
        (&manual, "subscribe_tracks", json!({}), 400, "bad_request"),
        (&manual, "subscribe_tracks", json!({"track_ids": [], "color": 1}), 400, "bad_request"),
        (&manual, "subscribe_tracks", json!({"track_ids": many}), 400, "subscriptions_limit"),
    ];
    for (peer, action, body, status, code) in table {
        let answer = cluster.post(&cluster.api(&format!("/room/{room}/peer/{peer}/{action}")), body).await;
        assert_eq!((answer.status, answer.json["code"].as_str()), (status, Some(code)), "{action}: {}", answer.text);
    }
}

impl Cluster {
    async fn add_manual_peer(&self, room: &str) -> (String, String) {
        let body = json!({"type": "webrtc", "options": {"subscribeMode": "manual"}});
        let data = self.post(&self.api(&format!("/room/{room}/peer")), body).await.json["data"].take();
        assert_eq!(data["peer"]["subscribeMode"], "manual");
        (data["peer"]["id"].as_str().unwrap().to_owned(), data["token"].as_str().unwrap().to_owned())
    }
}

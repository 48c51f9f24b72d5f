//! Livestreams, and what of the published API is answered with a clean no.

use serde_json::{Value, json};
use velella_model::record::{Connection, PeerRecord, TrackRecord};
use velella_model::wire::{decode, encode};
use velella_model::{Id, Json, MediaKind, key};
use velella_proto::fishjam::ServerMessage;
use velella_proto::fishjam::server_message::Content;
use velella_store::{Expect, Store};

use crate::client::Peer;
use crate::cluster::Cluster;
use crate::subscriber::{Subscriber, word};

#[tokio::test]
async fn a_livestream_lists_who_streams_and_watches_until_they_are_removed() {
    let cluster = Cluster::start().await;
    let created = cluster.post(&cluster.api("/livestream"), json!({"public": true, "audioOnly": true})).await;
    assert_eq!(created.status, 201, "{}", created.text);
    let id = created.json["data"]["id"].as_str().unwrap();
    let empty = json!({"id": id, "public": true, "audioOnly": true, "streamers": [], "viewers": []});
    assert_eq!(created.json["data"], empty);
    let path = cluster.api(&format!("/livestream/{id}"));

    let streamer = cluster.post(&format!("{path}/streamer"), json!({})).await;
    assert_eq!((streamer.status, streamer.json["data"]["status"].as_str()), (201, Some("disconnected")));
    let viewer = cluster.post(&format!("{path}/viewer"), json!({"tokenTtl": 60})).await;
    assert_eq!(viewer.status, 201, "{}", viewer.text);
    let shown = cluster.get(&path).await.json["data"].take();
    assert_eq!((&shown["streamers"][0]["id"], &shown["viewers"][0]["id"]), (&streamer.id(), &viewer.id()));
    assert!(shown["viewers"][0]["token"].is_string());
    assert_eq!(cluster.get(&cluster.api("/livestream")).await.json["data"].as_array().unwrap().len(), 1);
    let room = cluster.get(&cluster.api(&format!("/room/{id}"))).await.json["data"].take();
    assert_eq!(room["peers"], json!([]), "they are no peers");
    assert_eq!(room["config"]["roomType"], "audio_only_livestream");

    for (kind, member) in [("streamer", &streamer), ("viewer", &viewer)] {
        let path = format!("{path}/{kind}/{}", member.id().as_str().unwrap());
        assert_eq!(cluster.delete(&path).await.status, 204);
        assert_eq!(cluster.delete(&path).await.status, 404);
    }
    assert_eq!(cluster.get(&path).await.json["data"], empty);
    assert_eq!(cluster.delete(&path).await.status, 204);
    let gone = cluster.get(&path).await;
    assert_eq!((gone.status, gone.json["code"].as_str()), (404, Some("stream_not_found")));
}

#[tokio::test]
async fn tokens_of_a_livestream_room_open_no_peers_socket() {
    let cluster = Cluster::start().await;
    let created = cluster.post(&cluster.api("/room"), json!({"roomType": "livestream"})).await.json;
    let room = created["data"]["room"]["id"].as_str().unwrap();
    let conference = cluster.create_room().await;
    for kind in ["viewer", "streamer"] {
        let signed = cluster.post(&cluster.api(&format!("/room/{room}/{kind}")), json!({})).await;
        assert_eq!(signed.status, 201);
        let mut peer = Peer::authenticate(&cluster.socket_url(), signed.json["token"].as_str().unwrap()).await;
        assert_eq!(peer.closed().await, (1000, "invalid token".to_owned()));
        let wrong = cluster.post(&cluster.api(&format!("/room/{conference}/{kind}")), json!({})).await;
        assert_eq!((wrong.status, wrong.json["code"].as_str()), (404, Some("not_a_livestream")));
    }
    let stream = cluster.get(&cluster.api(&format!("/livestream/{conference}"))).await;
    assert_eq!(stream.status, 404);
}

#[tokio::test]
async fn who_streams_and_who_watches_is_told_of_in_words_of_their_own() {
    let cluster = Cluster::start().await;
    let mut server = Subscriber::subscribed(&cluster).await;
    let stream = cluster.post(&cluster.api("/livestream"), json!({})).await.id();
    let stream = stream.as_str().unwrap();
    let path = cluster.api(&format!("/livestream/{stream}"));
    assert_eq!(server.words(1).await, ["room_created"]);
    let words = [
        ("streamer", ["streamer_connected", "streamer_disconnected"]),
        ("viewer", ["viewer_connected", "viewer_disconnected"]),
    ];
    for (kind, [comes, goes]) in words {
        let member = cluster.post(&format!("{path}/{kind}"), json!({})).await.id();
        let member = member.as_str().unwrap();
        let told = |word| (word, stream.to_owned(), member.to_owned());
        arrive(&cluster, stream, member).await;
        assert_eq!(named(server.next().await), told(comes));
        cluster.delete(&format!("{path}/{kind}/{member}")).await;
        assert_eq!(named(server.next().await), told(goes));
    }
    cluster.delete(&path).await;
    assert_eq!(server.words(1).await, ["room_deleted"]);
}

/// Word, stream and member of a notification.
fn named(message: ServerMessage) -> (&'static str, String, String) {
    let word = word(&message);
    match message.content {
        Some(Content::StreamerConnected(event) | Content::StreamerDisconnected(event)) => {
            (word, event.stream_id, event.streamer_id)
        }
        Some(Content::ViewerConnected(event) | Content::ViewerDisconnected(event)) => {
            (word, event.stream_id, event.viewer_id)
        }
        other => panic!("{other:?}"),
    }
}

/// What the record of somebody says whose media another coordinator let in.
async fn arrive(cluster: &Cluster, stream: &str, member: &str) {
    let key = key::peer(&Id::parse(stream).unwrap(), &Id::parse(member).unwrap());
    let stored = cluster.store.get(&key).await.unwrap().unwrap();
    let mut record: PeerRecord = decode(&stored.value).unwrap();
    let (coordinator, session) = (Id::parse("elsewhere").unwrap(), Id::parse("s").unwrap());
    record.connection = Some(Connection { coordinator, session, joined: true, offered: false });
    let track = TrackRecord { kind: MediaKind::Audio, metadata: Json::null() };
    record.tracks.insert(Id::parse("t").unwrap(), track);
    cluster.store.put(&key, encode(&record).into(), Expect::Any, None).await.unwrap();
}

#[tokio::test]
async fn what_is_not_offered_is_said_so() {
    let cluster = Cluster::start().await;
    let room = cluster.create_room().await;
    let vapi = json!({"type": "vapi", "options": {"apiKey": "k", "callId": "c"}});
    let table: [(&str, &str, Value, u16); 11] = [
        ("POST", &format!("/room/{room}/peer"), vapi, 501),
        ("POST", &format!("/room/{room}/track_forwardings"), json!({"compositionURL": "https://c/x"}), 501),
        ("POST", "/room/unknown/track_forwardings", json!({"compositionURL": "https://c/x"}), 404),
        ("POST", "/moq/access", json!({"publishPath": "a"}), 501),
        ("POST", "/moq/access", json!({}), 400),
        ("POST", "/recordings", json!({"source": {}}), 501),
        ("GET", "/recordings/r", json!({}), 404),
        ("DELETE", "/recordings/r", json!({}), 404),
        ("POST", "/recordings/r/stop", json!({}), 404),
        ("POST", "/livestream", json!({"color": 1}), 400),
        ("POST", "/livestream/unknown/viewer", json!({}), 404),
    ];
    for (method, path, body, status) in table {
        let answer = match method {
            "POST" => cluster.post(&cluster.api(path), body).await,
            "GET" => cluster.get(&cluster.api(path)).await,
            _ => cluster.delete(&cluster.api(path)).await,
        };
        assert_eq!(answer.status, status, "{method} {path}: {}", answer.text);
        assert!(answer.json["errors"].is_string() && answer.json["code"].is_string(), "{path}: {}", answer.text);
    }
    let none = cluster.get(&cluster.api("/recordings?metadata[a]=b")).await;
    assert_eq!((none.status, none.json), (200, json!({"data": []})));
}

impl crate::client::Answer {
    fn id(&self) -> Value {
        self.json["data"]["id"].clone()
    }
}

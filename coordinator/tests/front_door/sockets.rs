//! Peer sockets that behave.

use velella_model::wire::command::Order;
use velella_proto::fishjam::media_events::peer::media_event as said;
use velella_proto::fishjam::media_events::server::media_event as heard;
use velella_proto::fishjam::peer_message::Content;

use crate::client::{Peer, auth, request};
use crate::cluster::{Cluster, SECRET, TOKEN};

#[tokio::test]
async fn a_peer_joins_speaks_and_leaves() {
    let cluster = Cluster::start_with(&[]).await;
    let worker = cluster.worker("w1", 1).await;
    let room = cluster.create_room().await;
    let (id, token) = cluster.add_peer(&room).await;
    let mut peer = Peer::authenticate(&cluster.socket_url(), &token).await;
    let Content::Authenticated(welcome) = peer.next().await else { panic!("no welcome") };
    assert_eq!(welcome.room_type, 1);
    peer.say(said::Content::Connect(said::Connect { metadata_json: r#"{"n":1}"#.into() })).await;
    let heard::Content::Connected(connected) = peer.hear().await else { panic!("not connected") };
    assert_eq!(connected.endpoint_id, id);
    let own = &connected.endpoint_id_to_endpoint[&id];
    assert_eq!(own.endpoint_type, "exwebrtc");
    let metadata: serde_json::Value = serde_json::from_str(&own.metadata_json).unwrap();
    assert_eq!(metadata, serde_json::json!({"peer": {"n": 1}, "server": {"s": 2}}));

    for lines in 0..3 {
        peer.say(said::Content::RenegotiateTracks(said::RenegotiateTracks {})).await;
        let heard::Content::OfferData(offer) = peer.hear().await else { panic!("no offer data") };
        assert_eq!(offer.tracks_types.unwrap().audio, lines, "numbered from 0 towards the worker");
    }
    let shown = cluster.get(&cluster.api(&format!("/room/{room}"))).await;
    assert_eq!(shown.json["data"]["peers"][0]["status"], "connected");
    drop(peer);
    worker.until(|order| matches!(order, Order::CloseSession { .. })).await;
}

#[tokio::test]
async fn wrong_tokens_are_told_apart_in_the_words_that_clients_know() {
    let cluster = Cluster::start().await;
    let room = cluster.create_room().await;
    let (peer, token) = cluster.add_peer(&room).await;
    let (_, stopped) = cluster.add_peer(&cluster.create_room().await).await;
    let gone = cluster.add_peer(&room).await;
    cluster.delete(&cluster.api(&format!("/room/{room}/peer/{}", gone.0))).await;
    let rooms = cluster.get(&cluster.api("/room")).await.json;
    for other in rooms["data"].as_array().unwrap().iter().filter(|r| r["id"] != room.as_str()) {
        cluster.delete(&cluster.api(&format!("/room/{}", other["id"].as_str().unwrap()))).await;
    }
    let table = [
        ("", "missing token"),
        ("garbage", "invalid token"),
        (&format!("{token}x"), "invalid token"),
        (TOKEN, "invalid token"),
        (&gone.1, "peer not found"),
        (&stopped, "room not found"),
    ];
    for (token, reason) in table {
        let mut peer = Peer::authenticate(&cluster.socket_url(), token).await;
        assert_eq!(peer.closed().await, (1000, reason.to_owned()));
    }
    let refresh = cluster.api(&format!("/room/{room}/peer/{peer}/refresh_token"));
    let fresh = request(cluster.addr, "POST", &refresh, Some(TOKEN), None).await.json;
    for token in [&token, fresh["data"]["token"].as_str().unwrap()] {
        Peer::join(&cluster.socket_url(), token).await;
    }
}

#[tokio::test]
async fn an_expired_token_is_told_so() {
    let cluster = Cluster::start().await;
    let room = cluster.create_room().await;
    let (peer, _) = cluster.add_peer(&room).await;
    let claims = serde_json::json!({
        "iss": "velella", "aud": "velella-peer", "sub": peer, "room": room, "iat": 0, "exp": 1, "jti": "1",
    });
    let key = jsonwebtoken::EncodingKey::from_secret(SECRET.as_bytes());
    let token = jsonwebtoken::encode(&jsonwebtoken::Header::default(), &claims, &key).unwrap();
    let mut peer = Peer::authenticate(&cluster.socket_url(), &token).await;
    assert_eq!(peer.closed().await, (1000, "expired token".to_owned()));
}

#[tokio::test]
async fn a_second_socket_takes_over_and_keeps_the_first_one_out() {
    let cluster = Cluster::start().await;
    let (_, token) = cluster.add_peer(&cluster.create_room().await).await;
    let mut first = Peer::join(&cluster.socket_url(), &token).await;
    let mut second = Peer::join(&cluster.socket_url(), &token).await;
    assert_eq!(first.closed().await, (1000, "invalid token".to_owned()));
    second.say(said::Content::RenegotiateTracks(said::RenegotiateTracks {})).await;
    assert!(matches!(second.hear().await, heard::Content::OfferData(_)));
}

#[tokio::test]
async fn a_second_socket_at_another_coordinator_takes_over_too() {
    let cluster = Cluster::start().await;
    let replica = cluster.replica().await;
    let (_, token) = cluster.add_peer(&cluster.create_room().await).await;
    let mut first = Peer::join(&cluster.socket_url(), &token).await;
    let _second = Peer::join(&replica.socket_url(), &token).await;
    assert_eq!(first.closed().await, (1000, "invalid token".to_owned()));
}

#[tokio::test]
async fn deleting_the_peer_or_the_room_closes_the_socket() {
    let cluster = Cluster::start().await;
    let room = cluster.create_room().await;
    let (one, two) = (cluster.add_peer(&room).await, cluster.add_peer(&room).await);
    let mut first = Peer::join(&cluster.socket_url(), &one.1).await;
    let mut second = Peer::join(&cluster.socket_url(), &two.1).await;
    cluster.delete(&cluster.api(&format!("/room/{room}/peer/{}", one.0))).await;
    assert_eq!(first.closed().await, (1000, "Peer removed".to_owned()));
    cluster.delete(&cluster.api(&format!("/room/{room}"))).await;
    assert_eq!(second.closed().await, (1000, "Room stopped".to_owned()));
}

#[tokio::test]
async fn a_peer_whose_worker_is_gone_is_opened_at_another_one() {
    let cluster = Cluster::start_with(&[]).await;
    let first = cluster.worker("w1", 1).await;
    let room = cluster.create_room().await;
    let (_, token) = cluster.add_peer(&room).await;
    let before = cluster.get(&format!("/cluster/rooms/{room}/placement")).await.json;
    drop(first);
    let _second = cluster.worker("w2", 1).await;
    Peer::join(&cluster.socket_url(), &token).await;
    let after = cluster.get(&format!("/cluster/rooms/{room}/placement")).await.json;
    assert_eq!((before["worker"].as_str(), after["worker"].as_str()), (Some("w1"), Some("w2")));
    assert!(after["generation"].as_u64() > before["generation"].as_u64());
}

#[tokio::test]
async fn goodbye_and_harmless_frames_are_understood() {
    let cluster = Cluster::start().await;
    let (_, token) = cluster.add_peer(&cluster.create_room().await).await;
    let mut peer = Peer::connect(&cluster.socket_url()).await;
    peer.send_text("text is not for us").await;
    peer.send(auth(&token)).await;
    assert!(matches!(peer.next().await, Content::Authenticated(_)));
    peer.say(said::Content::Connect(said::Connect { metadata_json: String::new() })).await;
    assert!(matches!(peer.hear().await, heard::Content::Connected(_)));
    peer.send_text("nor here").await;
    let report = velella_proto::fishjam::peer_message::RtcStatsReport { data: "{}".into() };
    peer.send(Content::RtcStatsReport(report)).await;
    peer.say(said::Content::Disconnect(said::Disconnect {})).await;
    assert_eq!(peer.closed().await.0, 1000);
    assert_eq!(cluster.metric("velella_coordinator_peer_stats_reports_total"), 1.0);
}

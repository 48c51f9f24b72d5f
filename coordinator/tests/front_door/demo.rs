//! The page and its rooms.

use serde_json::json;

use crate::client::{Peer, request};
use crate::cluster::Cluster;

#[tokio::test]
async fn two_people_meet_in_a_named_room_without_a_management_token() {
    let cluster = Cluster::start_with(&["--demo"]).await;
    let _worker = cluster.worker("w1", 1).await;
    let join = |name: &str| {
        let body = json!({"room": "Bay", "name": name}).to_string();
        request(cluster.addr, "POST", "/demo/join?codec=h264", None, Some(body))
    };
    let (ann, bob) = tokio::join!(join("Ann"), join("Bob"));
    assert_eq!((ann.status, ann.json["room"].as_str()), (200, Some("demo-bay")), "{}", ann.text);
    assert_eq!(ann.json["room"], bob.json["room"]);
    assert_ne!(ann.json["peer"], bob.json["peer"]);
    let base = format!("{}/api/v1/connect/demo", cluster.addr);
    assert_eq!(ann.json["fishjamId"], format!("http://{base}"));
    assert_eq!(ann.json["url"], format!("ws://{base}"));
    let url = format!("{}/socket/peer/websocket", ann.json["url"].as_str().unwrap());
    Peer::join(&url, ann.json["peerToken"].as_str().unwrap()).await;
    let shown = cluster.get(&cluster.api("/room/demo-bay")).await.json;
    assert_eq!(shown["data"]["config"]["videoCodec"], "h264");
}

#[tokio::test]
async fn who_comes_first_moderates() {
    let cluster = Cluster::start_with(&["--demo"]).await;
    let _worker = cluster.worker("w1", 1).await;
    let join = |name: &str| {
        let body = json!({"room": "Bay", "name": name}).to_string();
        request(cluster.addr, "POST", "/demo/join", None, Some(body))
    };
    let (ann, bob) = tokio::join!(join("Ann"), join("Bob"));
    let moderators = [&ann, &bob].into_iter().filter(|joined| joined.json["moderator"] == true);
    assert_eq!(moderators.count(), 1, "also when two come at once");
    let (first, other) = if ann.json["moderator"] == true { (&ann, &bob) } else { (&bob, &ann) };
    let path = cluster.api(&format!("/room/demo-bay/peer/{}", other.json["peer"].as_str().unwrap()));
    let token = |joined: &crate::client::Answer| joined.json["peerToken"].as_str().unwrap().to_owned();
    assert_eq!(request(cluster.addr, "DELETE", &path, Some(&token(other)), None).await.status, 401);
    let room = cluster.get(&cluster.api("/room/demo-bay")).await.json;
    let roles: Vec<_> =
        room["data"]["peers"].as_array().unwrap().iter().map(|p| p["metadata"]["server"]["role"].clone()).collect();
    assert!(roles.contains(&json!("moderator")) && roles.contains(&json!("member")), "{roles:?}");
    assert_eq!(request(cluster.addr, "DELETE", &path, Some(&token(first)), None).await.status, 204);
    assert_eq!(join("Cid").await.json["moderator"], false, "there is one already");
}

#[tokio::test]
async fn the_demo_is_off_unless_switched_on() {
    let cluster = Cluster::start().await;
    let body = json!({"room": "Bay", "name": "Ann"}).to_string();
    let answer = request(cluster.addr, "POST", "/demo/join", None, Some(body)).await;
    assert_eq!(answer.status, 404);
}

#[tokio::test]
async fn bad_names_and_codecs_are_refused() {
    let cluster = Cluster::start_with(&["--demo"]).await;
    let _worker = cluster.worker("w1", 1).await;
    for (query, body) in [("", json!({})), ("", json!({"room": "x".repeat(65)})), ("?codec=x", json!({"room": "r"}))] {
        let answer = request(cluster.addr, "POST", &format!("/demo/join{query}"), None, Some(body.to_string())).await;
        assert_eq!((answer.status, answer.json["errors"].is_string()), (400, true), "{}", answer.text);
    }
}

#[tokio::test]
async fn links_to_rooms_and_the_root_lead_to_the_page_or_say_how_to_build_it() {
    let cluster = Cluster::start().await;
    for path in ["/", "/r/bay"] {
        let answer = request(cluster.addr, "GET", path, None, None).await;
        match answer.status {
            200 => {
                assert_eq!(answer.headers["content-type"], "text/html; charset=utf-8");
                let policy = answer.headers["content-security-policy"].to_str().unwrap();
                assert!(policy.contains("script-src 'self'") && !policy.contains("unsafe"), "{policy}");
            }
            404 => assert!(answer.text.contains("make web")),
            status => panic!("{status}"),
        }
    }
}

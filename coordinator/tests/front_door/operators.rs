//! `/cluster` and the page of operators.

use serde_json::{Value, json};

use crate::client::{Peer, request};
use crate::cluster::Cluster;

#[tokio::test]
async fn operators_see_totals_rooms_and_where_they_live() {
    let cluster = Cluster::start().await;
    let room = cluster.create_room().await;
    let (_, token) = cluster.add_peer(&room).await;
    cluster.add_peer(&room).await;
    let _peer = Peer::join(&cluster.socket_url(), &token).await;

    let totals = cluster.get("/cluster/totals").await.json;
    let counted = ["rooms", "peers", "peers_connected", "workers", "workers_ready"].map(|key| totals[key].as_u64());
    assert_eq!(counted, [1, 2, 1, 1, 1].map(Some));

    let rooms = cluster.get("/cluster/rooms").await.json;
    let wanted = serde_json::json!({
        "room": room, "room_type": "conference", "video_codec": "h264", "peers_connected": 1, "peers": 2,
        "components": 0, "tracks": 0, "worker": "w1", "generation": rooms["rooms"][0]["generation"],
    });
    assert_eq!((&rooms["rooms"], rooms["more"].as_bool()), (&serde_json::json!([wanted]), Some(false)));
    let idle = cluster.get("/cluster/rooms?in_use=false").await.json;
    assert_eq!(idle["rooms"].as_array().map(Vec::len), Some(0));
}

#[tokio::test]
async fn rooms_come_in_pages_without_a_gap() {
    let cluster = Cluster::start().await;
    let mut made = Vec::new();
    for _ in 0..5 {
        made.push(cluster.create_room().await);
    }
    made.sort();
    let (mut seen, mut after) = (Vec::new(), String::new());
    loop {
        let page = cluster.get(&format!("/cluster/rooms?limit=2&worker=w1&after={after}")).await.json;
        seen.extend(page["rooms"].as_array().unwrap().iter().map(|room| room["room"].as_str().unwrap().to_owned()));
        if page["more"] == false {
            break;
        }
        after.clone_from(seen.last().unwrap());
    }
    assert_eq!(seen, made);
    let begins = cluster.get(&format!("/cluster/rooms?prefix={}", &made[3])).await.json;
    assert_eq!(begins["rooms"][0]["room"], made[3].as_str());
}

#[tokio::test]
async fn the_history_has_a_column_for_each_worker_that_was_heard() {
    let cluster = Cluster::start().await;
    let _second = cluster.worker("w2", 1).await;
    let history = cluster.get("/cluster/history").await.json;
    let ticks = history["at_ms"].as_array().unwrap().len();
    assert!(ticks >= 1, "the first sample is taken with the first announcement");
    assert_eq!((history["interval_ms"].as_u64(), history["more"].as_bool()), (Some(5000), Some(false)));
    assert_eq!(history["totals"]["workers_ready"].as_array().unwrap().len(), ticks);
    assert_eq!(history["workers"][0]["worker"], "w1");
    assert_eq!(history["workers"][0]["bits_out_per_s"].as_array().unwrap().len(), ticks);
    let one = cluster.get("/cluster/history?worker=nobody").await.json;
    assert_eq!(one["workers"], serde_json::json!([]));
}

#[tokio::test]
async fn what_a_query_gets_wrong_is_told() {
    let cluster = Cluster::start().await;
    let table = [
        ("rooms?limit=0", "Expected limit to be between 1 and 500, got: 0"),
        ("rooms?colour=red", "Unexpected parameter: colour"),
        ("history?limit=9999", "Expected limit to be between 1 and 500, got: 9999"),
    ];
    for (path, errors) in table {
        let answer = cluster.get(&format!("/cluster/{path}")).await;
        assert_eq!((answer.status, answer.json["errors"].as_str()), (400, Some(errors)));
    }
    for path in ["rooms?worker=a%20b", "rooms?in_use=perhaps", "history?after=%2F"] {
        assert_eq!(cluster.get(&format!("/cluster/{path}")).await.status, 400, "{path}");
    }
}

#[tokio::test]
async fn the_cluster_is_shown_to_the_management_token_only() {
    let cluster = Cluster::start().await;
    for path in ["workers", "totals", "rooms", "history", "rooms/r/placement"] {
        let path = format!("/cluster/{path}");
        assert_eq!(request(cluster.addr, "GET", &path, None, None).await.status, 401, "{path}");
        assert_eq!(request(cluster.addr, "GET", &path, Some("guess"), None).await.status, 401, "{path}");
    }
}

#[tokio::test]
async fn the_page_runs_no_script_but_its_own_and_in_no_frame() {
    let cluster = Cluster::start().await;
    for path in ["/admin", "/admin.html"] {
        let answer = request(cluster.addr, "GET", path, None, None).await;
        let policy = answer.headers["content-security-policy"].to_str().unwrap();
        assert!(policy.contains("script-src 'self'") && policy.contains("frame-ancestors 'none'"), "{path}: {policy}");
        assert!(!policy.contains("unsafe"), "{path}: {policy}");
        let is_built = answer.headers["content-type"] == "text/html; charset=utf-8";
        assert!(is_built || answer.text.contains("make web"), "{path}: {}", answer.text);
    }
}

#[tokio::test]
async fn operators_cordon_drain_and_uncordon_a_worker_and_move_a_room() {
    let cluster = Cluster::start().await;
    let room = cluster.create_room().await;
    let _second = cluster.worker("w2", 1).await;

    let moved = cluster.post(&format!("/cluster/rooms/{room}/move"), json!({"worker": "w2"})).await;
    assert_eq!((moved.status, &moved.json["worker"]), (200, &"w2".into()));
    let cordoned = cluster.post("/cluster/workers/w1/cordon", json!({})).await;
    assert_eq!((cordoned.status, &cordoned.json["cordon"]), (200, &"cordon".into()));
    let nowhere = cluster.post(&format!("/cluster/rooms/{room}/move"), json!({})).await;
    assert_eq!((nowhere.status, &nowhere.json["code"]), (503, &"no_worker".into()));
    let freed = cluster.post("/cluster/workers/w1/uncordon", json!({})).await;
    assert_eq!((freed.status, &freed.json["cordon"]), (200, &Value::Null));

    cluster.post("/cluster/workers/w2/drain", json!({})).await;
    let is_empty = |worker: &Value| worker["worker"] == "w2" && worker["rooms_placed"] == 0;
    cluster.until(|workers| workers["workers"].as_array().unwrap().iter().any(is_empty)).await;
    let place = cluster.get(&format!("/cluster/rooms/{room}/placement")).await.json;
    assert_eq!(place["worker"], "w1");
}

#[tokio::test]
async fn what_is_not_there_cannot_be_steered() {
    let cluster = Cluster::start().await;
    let answers = [
        cluster.post("/cluster/workers/w9/drain", json!({})).await,
        cluster.post("/cluster/rooms/none/move", json!({})).await,
        cluster.post("/cluster/rooms/none/move", json!({"to": "w2"})).await,
    ];
    let codes = answers.map(|answer| (answer.status, answer.json["code"].as_str().unwrap().to_owned()));
    let wanted = [(404, "worker_not_found"), (404, "room_not_found"), (400, "bad_request")];
    assert_eq!(codes, wanted.map(|(status, code)| (status, code.to_owned())));
}

//! Broadcasts over both generations of the API, and where their viewers are led.

use bytes::Bytes;
use serde_json::{Value, json};
use velella_model::component::{ComponentRecord, Job, StreamRecord};
use velella_model::wire::{decode, encode};
use velella_model::{ComponentId, GatewayId, Generation, Incarnation, RoomId, key};
use velella_proto::fishjam::server_message::Content;
use velella_store::{Expect, Store};

use crate::client::{PATIENCE, request, send};
use crate::cluster::Cluster;
use crate::subscriber::Subscriber;

#[tokio::test]
async fn a_broadcast_lives_in_the_older_shapes() {
    let cluster = Cluster::start().await;
    let _gateway = cluster.gateway("g1", 1).await;
    cluster.post("/room", json!({"roomId": "r", "videoCodec": "h264"})).await;
    cluster.post("/room", json!({"roomId": "any"})).await;
    let options = json!({"lowLatency": true, "targetWindowDuration": 60, "persistent": false, "s3": null});
    let added = cluster.post("/room/r/component", json!({"type": "hls", "options": options})).await;
    assert_eq!(added.status, 201, "{}", added.text);
    let id = added.json["data"]["id"].as_str().unwrap().to_owned();
    let shown = |playable: bool| {
        let properties = json!({
            "playable": playable, "lowLatency": true, "persistent": false, "targetWindowDuration": 60,
            "subscribeMode": "auto", "s3": null,
        });
        json!({"id": id, "type": "hls", "properties": properties, "tracks": []})
    };
    assert_eq!(added.json, json!({"data": shown(false)}));
    cluster.until_shown("/room/r", |room| room["components"] == json!([shown(true)])).await;
    let hls = || json!({"type": "hls"});
    for (room, errors) in
        [("r", "Reached hls components limit in room r"), ("any", "Incompatible video codec enforced in room any")]
    {
        let refused = cluster.post(&format!("/room/{room}/component"), hls()).await;
        assert_eq!((refused.status, refused.json["errors"].as_str()), (400, Some(errors)));
    }
    let path = format!("/room/r/component/{id}");
    let refused = cluster.post(&format!("{path}/subscribe"), json!({"origins": ["p"]})).await;
    let errors = format!("Component {id} option `subscribe_mode` is set to :auto");
    assert_eq!((refused.status, refused.json["errors"].as_str()), (400, Some(errors.as_str())));
    assert_eq!(cluster.delete(&path).await.status, 204);
    assert_eq!(cluster.post("/room/r/component", hls()).await.status, 201);
}

#[tokio::test]
async fn it_can_be_chosen_whom_a_broadcast_shows() {
    let cluster = Cluster::start().await;
    let _gateway = cluster.gateway("g1", 1).await;
    let room = cluster.create_room().await;
    let base = cluster.api(&format!("/room/{room}/component"));
    let options = json!({"subscribeMode": "manual", "targetDuration": 2, "partDuration": 0.2});
    let added = cluster.post(&base, json!({"type": "hls", "options": options})).await;
    assert_eq!(added.status, 201, "{}", added.text);
    let id = added.json["data"]["id"].as_str().unwrap();
    let expected = json!({
        "playable": false, "lowLatency": false, "persistent": false, "targetWindowDuration": null,
        "subscribeMode": "manual", "s3": null, "targetDuration": 2, "partDuration": 0.2, "origins": [],
        "url": format!("/hls/{room}/index.m3u8"),
    });
    assert_eq!(added.json["data"]["properties"], expected);
    let (peer, _) = cluster.add_peer(&room).await;
    for path in [format!("{base}/{id}/subscribe"), format!("/room/{room}/component/{id}/subscribe")] {
        let done = cluster.post(&path, json!({"origins": [peer, id]})).await;
        assert_eq!((done.status, done.text.as_str()), (201, "Successfully subscribed for tracks"));
    }
    let store_key = key::component(&RoomId::parse(&room).unwrap(), &ComponentId::parse(id).unwrap());
    let stored = cluster.store.get(&store_key).await.unwrap().unwrap().value;
    let mut origins = [peer.as_str(), id];
    origins.sort_unstable();
    let subscriptions = decode::<ComponentRecord>(&stored).unwrap().subscriptions.unwrap();
    assert_eq!(subscriptions.peers.iter().map(|peer| peer.as_str()).collect::<Vec<_>>(), origins);
    let shown = cluster.get(&format!("{base}/{id}")).await.json["data"]["properties"].take();
    assert_eq!(shown["origins"], json!(origins));
    let current = cluster.post(&format!("{base}/x/subscribe"), json!({"origins": []})).await;
    let older = cluster.post(&format!("/room/{room}/component/x/subscribe"), json!({"origins": []})).await;
    assert_eq!((current.status, older.status), (404, 400), "{}", older.text);
    let many: Vec<String> = (0..1025).map(|n| n.to_string()).collect();
    let refused = cluster.post(&format!("{base}/{id}/subscribe"), json!({"origins": many})).await;
    assert_eq!(refused.json["code"], "subscriptions_limit");
}

#[tokio::test]
async fn what_no_player_takes_is_refused_in_a_sentence() {
    let cluster = Cluster::start().await;
    let _gateway = cluster.gateway("g1", 1).await;
    for (codec, status) in [("vp8", 400), ("vp9", 201), ("av1", 201), ("h264", 201)] {
        let room = cluster.post(&cluster.api("/room"), json!({"videoCodec": codec})).await;
        let room = room.json["data"]["room"]["id"].as_str().unwrap().to_owned();
        let path = cluster.api(&format!("/room/{room}/component"));
        assert_eq!(cluster.post(&path, json!({"type": "hls"})).await.status, status, "{codec}");
    }
}

#[tokio::test]
async fn viewers_are_led_to_the_gateway_without_any_token() {
    let cluster = Cluster::start().await;
    let gateway = cluster.gateway("g1", 1).await;
    let room = cluster.create_room().await;
    let base = cluster.api(&format!("/room/{room}/component"));
    let playlist = format!("/hls/{room}/index.m3u8");
    assert_eq!(request(cluster.addr, "GET", &playlist, None, None).await.json["errors"], "File not found");
    cluster.post(&base, json!({"type": "hls"})).await;
    let queried = format!("/hls/{room}/high.m3u8?_HLS_msn=7&_HLS_part=2");
    let media = format!("/hls/{room}/1/high/7.2.m4s");
    for path in [&playlist, &queried, &media] {
        for method in ["GET", "HEAD"] {
            let led = send(cluster.addr, method, path, &[("origin", "https://page.example")], String::new()).await;
            assert_eq!(led.status, 302, "{}", led.text);
            assert_eq!(led.headers["location"], format!("https://g1.example.com{path}").as_str());
            let (cache, cors) = (&led.headers["cache-control"], &led.headers["access-control-allow-origin"]);
            assert_eq!((cache.as_bytes(), cors.as_bytes()), (&b"no-store"[..], &b"*"[..]));
        }
    }
    let asks = [("origin", "https://page.example"), ("access-control-request-method", "GET")];
    let preflight = send(cluster.addr, "OPTIONS", &playlist, &asks, String::new()).await;
    assert_eq!((preflight.status, &preflight.headers["access-control-allow-origin"]), (200, &"*".parse().unwrap()));
    gateway.serve_nothing();
    let nobody = async {
        while request(cluster.addr, "GET", &playlist, None, None).await.status != 503 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, nobody).await.expect("announced in time");
}

#[tokio::test]
async fn the_player_may_fetch_from_wherever_viewers_are_led() {
    let cluster = Cluster::start().await;
    let page = request(cluster.addr, "GET", "/watch/r", None, None).await;
    let policy = page.headers["content-security-policy"].to_str().unwrap();
    assert!(policy.contains("connect-src 'self' http: https:;") && policy.contains("blob:"), "{policy}");
    assert!(policy.contains("script-src 'self';") && !policy.contains("unsafe"), "{policy}");
}

#[tokio::test]
async fn servers_are_told_once_that_a_broadcast_can_be_watched() {
    let cluster = Cluster::start().await;
    let first = cluster.gateway("g1", 1).await;
    let room = cluster.create_room().await;
    let mut server = Subscriber::subscribed(&cluster).await;
    let base = cluster.api(&format!("/room/{room}/component"));
    let added = cluster.post(&base, json!({"type": "hls"})).await;
    let id = added.json["data"]["id"].as_str().unwrap().to_owned();
    let Some(Content::HlsPlayable(event)) = server.next().await.content else { panic!("a broadcast") };
    assert_eq!((event.room_id, event.component_id), (room.clone(), id.clone()));
    let _second = cluster.gateway("g2", 1).await;
    drop(first);
    let goes_on = |component: &Value| component["gateway"] == "g2" && component["state"] == "live";
    let shown = cluster.until_shown(&format!("{base}/{id}"), goes_on).await;
    assert_eq!(shown["properties"]["playable"], true);
    cluster.delete(&cluster.api(&format!("/room/{room}"))).await;
    assert_eq!(server.words(1).await, ["room_deleted"]);
}

#[tokio::test]
async fn nothing_of_a_broadcast_that_is_removed_goes_on_in_the_next() {
    let cluster = Cluster::start().await;
    let _gateway = cluster.gateway("g1", 1).await;
    let room = cluster.create_room().await;
    let base = cluster.api(&format!("/room/{room}/component"));
    let add = async || {
        let added = cluster.post(&base, json!({"type": "hls"})).await;
        added.json["data"]["id"].as_str().unwrap_or_else(|| panic!("{}", added.text)).to_owned()
    };
    let id = add().await;
    let stream = key::stream(&RoomId::parse(&room).unwrap(), &ComponentId::parse(&id).unwrap());
    let job = Job { gateway: GatewayId::parse("g1").unwrap(), incarnation: Incarnation(1) };
    let record = StreamRecord { job, generation: Generation(1), state: Bytes::from_static(b"state") };
    let package = async || cluster.store.put(&stream, encode(&record).into(), Expect::Any, None).await.unwrap();
    package().await;
    cluster.post(&base, json!({"type": "hls"})).await;
    assert!(cluster.store.get(&stream).await.unwrap().is_some(), "one too many takes nothing away");
    cluster.delete(&format!("{base}/{id}")).await;
    assert!(cluster.store.get(&stream).await.unwrap().is_none());
    package().await;
    assert_eq!(add().await, id, "a room's broadcast has one id");
    assert!(cluster.store.get(&stream).await.unwrap().is_none(), "what a gateway wrote late");
    package().await;
    cluster.delete(&cluster.api(&format!("/room/{room}"))).await;
    let gone = async {
        while cluster.store.get(&stream).await.unwrap().is_some() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, gone).await.expect("gone in time");
}

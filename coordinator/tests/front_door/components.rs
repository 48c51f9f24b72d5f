//! Components over both generations of the API, with scripted gateways that do them.

use serde_json::{Value, json};
use velella_model::component::{ComponentRecord, ComponentSpec};
use velella_model::record::Sealed;
use velella_model::wire::decode;
use velella_model::{ComponentId, RoomId, key};
use velella_ops::Seal;
use velella_proto::fishjam::server_message::Content;
use velella_proto::fishjam::server_message::track_event::EndpointInfo;
use velella_store::Store;

use crate::client::PATIENCE;
use crate::cluster::{Cluster, SECRET};
use crate::gateway::Gateway;
use crate::subscriber::Subscriber;

const CAMERA: &str = "rtsp://admin:s3cret@camera.example.com:554/live?token=hidden";
const SHOWN: &str = "rtsp://camera.example.com:554/live";

#[tokio::test]
async fn a_camera_lives_in_the_older_shapes() {
    let cluster = Cluster::start().await;
    let _gateway = cluster.gateway("g1", 1).await;
    cluster.post("/room", json!({"roomId": "r", "videoCodec": "h264"})).await;
    let options = json!({"sourceUri": CAMERA, "rtpPort": null, "reconnectDelay": 500});
    let added = cluster.post("/room/r/component", json!({"type": "rtsp", "options": options})).await;
    assert_eq!(added.status, 201, "{}", added.text);
    let id = added.json["data"]["id"].as_str().unwrap().to_owned();
    let properties = json!({
        "sourceUri": SHOWN, "rtpPort": 20000, "reconnectDelay": 500, "keepAliveInterval": 15000, "pierceNat": true,
    });
    let fresh = json!({"id": id, "type": "rtsp", "properties": properties, "tracks": []});
    assert_eq!(added.json, json!({"data": fresh}));
    let track = json!({"id": format!("{id}:v"), "type": "video", "metadata": {"type": "camera"}});
    let live = json!({"id": id, "type": "rtsp", "properties": properties, "tracks": [track]});
    cluster.until_shown("/room/r", |room| room["components"] == json!([live])).await;
    let path = format!("/room/r/component/{id}");
    let errors = "Subscribe mode is supported only for HLS and Recording components";
    assert_eq!(cluster.post(&format!("{path}/subscribe"), json!({"origins": []})).await.json["errors"], errors);
    let errors = format!("Component {id} is not a SIP component");
    assert_eq!(cluster.post(&format!("/sip/r/{id}/call"), json!({})).await.json["errors"], errors.as_str());
    assert_eq!(cluster.delete(&path).await.status, 204);
    assert_eq!(cluster.delete(&path).await.status, 404);
    assert_eq!(cluster.get("/room/r").await.json["data"]["components"], json!([]));
}

#[tokio::test]
async fn the_current_api_tells_more() {
    let cluster = Cluster::start().await;
    let gateway = cluster.gateway("g1", 1).await;
    let room = cluster.create_room().await;
    let options = json!({"sourceUri": CAMERA, "onDemand": true, "metadata": {"name": "Door"}});
    let base = cluster.api(&format!("/room/{room}"));
    let added = cluster.post(&format!("{base}/component"), json!({"type": "rtsp", "options": options})).await;
    assert_eq!(added.status, 201, "{}", added.text);
    let component = &added.json["data"];
    assert_eq!((&component["state"], &component["gateway"]), (&json!("connecting"), &json!("g1")));
    assert_eq!((&component["metadata"], &component["trouble"]), (&json!({"name": "Door"}), &Value::Null));
    assert_eq!(component["properties"]["onDemand"], true);
    let path = format!("{base}/component/{}", component["id"].as_str().unwrap());
    let live = cluster.until_shown(&path, |component| component["flow"] != Value::Null).await;
    assert_eq!(live["state"], "live");
    let flow = json!({"bitrate": 4_000_000, "frameRate": 29.97, "keyFrameInterval": 5.0, "packetsLost": 3});
    assert_eq!((&live["flow"], &live["warnings"]), (&flow, &json!(["key_frames_far_apart"])));
    let sentence = "The camera cannot be reached.";
    let past = json!({"code": "unreachable", "sentence": sentence, "atMs": 1_790_000_000_000_u64});
    assert_eq!((&live["trouble"], &live["lastTrouble"]), (&Value::Null, &past));
    let gateways = cluster.get("/cluster/gateways").await.json;
    let ingest = json!({
        "room": room, "component": component["id"], "type": "rtsp", "state": "live", "flow": flow,
        "warnings": ["key_frames_far_apart"], "lastTrouble": past,
    });
    assert_eq!(gateways["gateways"][0]["ingests"], json!([ingest]));
    assert_eq!(cluster.get(&base).await.json["data"]["components"], json!([live]));
    assert_eq!(gateway.given.lock().unwrap().len(), 1);
    assert_eq!(cluster.get(&format!("{base}/component/x")).await.json["code"], "component_not_found");
    assert_eq!(cluster.delete(&path).await.status, 204);
    assert_eq!(cluster.get(&path).await.status, 404);
}

#[tokio::test]
async fn no_secret_of_a_camera_is_told_or_stands_in_the_store() {
    let cluster = Cluster::start().await;
    let _gateway = cluster.gateway("g1", 1).await;
    let room = cluster.create_room().await;
    let path = cluster.api(&format!("/room/{room}/component"));
    let options = json!({"sourceUri": CAMERA, "subSourceUri": CAMERA});
    let added = cluster.post(&path, json!({"type": "rtsp", "options": options})).await;
    let wrong = json!({"type": "rtsp", "options": {"sourceUri": "rtsp://admin:s3cret@/live"}});
    let refused = cluster.post(&path, wrong).await;
    let wrong = json!({"type": "rtsp", "options": {"sourceUri": CAMERA, "subSourceUri": "rtsp://admin:s3cret@/"}});
    let sub_refused = cluster.post(&path, wrong).await;
    let id = added.json["data"]["id"].as_str().unwrap();
    assert_eq!(added.json["data"]["properties"]["subSourceUri"], SHOWN);
    let shown = cluster.get(&cluster.api(&format!("/room/{room}"))).await;
    for text in [&added.text, &refused.text, &sub_refused.text, &shown.text] {
        assert!(!text.contains("s3cret") && !text.contains("hidden"), "{text}");
    }
    let key = key::component(&RoomId::parse(&room).unwrap(), &ComponentId::parse(id).unwrap());
    let stored = cluster.store.get(&key).await.unwrap().unwrap().value;
    assert!(!stored.windows(6).any(|part| part == b"s3cret" || part == b"hidden"));
    let ComponentSpec::Rtsp(spec) = decode::<ComponentRecord>(&stored).unwrap().spec else { panic!("a camera") };
    assert_eq!(opened(&key, &spec.source), CAMERA);
    assert_eq!(opened(&key, &spec.sub.unwrap().source), CAMERA);
}

#[tokio::test]
async fn an_encoder_is_told_once_where_to_go_and_what_to_show() {
    let cluster = Cluster::start().await;
    let _gateway = cluster.gateway("g1", 1).await;
    let room = cluster.create_room().await;
    let path = cluster.api(&format!("/room/{room}/component"));
    let added = cluster.post(&path, json!({"type": "rtmp", "options": {"takeover": true}})).await;
    assert_eq!(added.status, 201, "{}", added.text);
    let component = &added.json["data"];
    let properties = &component["properties"];
    let key = properties["streamKey"].as_str().unwrap();
    assert_eq!((&properties["urls"], key.len()), (&json!(["rtmp://g1:1935/live"]), 32));
    assert_eq!((&component["state"], &component["gateway"]), (&json!("waiting"), &Value::Null));
    let id = component["id"].as_str().unwrap();
    let shown = cluster.get(&format!("{path}/{id}")).await;
    assert_eq!(shown.json["data"]["properties"], json!({"takeover": true}));
    let store_key = key::component(&RoomId::parse(&room).unwrap(), &ComponentId::parse(id).unwrap());
    let stored = cluster.store.get(&store_key).await.unwrap().unwrap().value;
    assert!(!stored.windows(key.len()).any(|part| part == key.as_bytes()));
    let nobody = cluster.post(&path, json!({"type": "srt"})).await;
    let errors = "No gateway can take a component of type srt: 1 without this kind";
    assert_eq!((nobody.status, nobody.json["errors"].as_str()), (503, Some(errors)));
}

#[tokio::test]
async fn what_shall_be_transcoded_is_refused_where_nobody_can() {
    let cluster = Cluster::start().await;
    let _gateway = cluster.gateway("g1", 1).await;
    let room = cluster.create_room().await;
    let body = json!({"type": "file", "options": {"filePath": "a.h264", "transcode": true}});
    for path in [cluster.api(&format!("/room/{room}/component")), format!("/room/{room}/component")] {
        let refused = cluster.post(&path, body.clone()).await;
        assert_eq!((refused.status, refused.json["code"].as_str()), (400, Some("no_transcoder")), "{}", refused.text);
    }
}

#[tokio::test]
async fn without_a_gateway_there_is_a_clear_refusal() {
    let cluster = Cluster::start().await;
    let room = cluster.create_room().await;
    let path = cluster.api(&format!("/room/{room}/component"));
    let refused = cluster.post(&path, json!({"type": "file", "options": {"filePath": "a.h264"}})).await;
    assert_eq!((refused.status, refused.json["code"].as_str()), (503, Some("no_gateway")), "{}", refused.text);
    assert_eq!(refused.headers["retry-after"], "2");
    assert_eq!(cluster.post(&path, json!({"type": "hls"})).await.json["code"], "no_gateway");
    let options = json!({"filePath": "a.h264"});
    let older = cluster.post(&format!("/room/{room}/component"), json!({"type": "file", "options": options})).await;
    let errors = "No gateway can take a component of type file: none is known";
    assert_eq!((older.status, older.json["errors"].as_str()), (400, Some(errors)), "older SDKs read no 503 here");
}

#[tokio::test]
async fn a_camera_moves_when_its_gateway_dies_and_when_it_drains() {
    let cluster = Cluster::start().await;
    let first = cluster.gateway("g1", 1).await;
    let room = cluster.create_room().await;
    let base = cluster.api(&format!("/room/{room}/component"));
    let options = json!({"filePath": "a.h264"});
    let added = cluster.post(&base, json!({"type": "file", "options": options})).await;
    let path = format!("{base}/{}", added.json["data"]["id"].as_str().unwrap());
    let is_at = |id: &'static str| move |component: &Value| component["gateway"] == id && component["state"] == "live";
    cluster.until_shown(&path, is_at("g1")).await;
    let second = cluster.gateway("g2", 1).await;
    drop(first);
    cluster.until_shown(&path, is_at("g2")).await;
    cluster.until_counted("velella_coordinator_gateways_declared_dead_total", 1.0).await;
    let _third = cluster.gateway("g3", 1).await;
    second.drain();
    cluster.until_shown(&path, is_at("g3")).await;
}

#[tokio::test]
async fn any_replica_shows_a_component_at_once_and_one_of_them_moves_it() {
    let cluster = Cluster::start().await;
    let replica = cluster.replica().await;
    let first = cluster.gateway("g1", 1).await;
    let room = cluster.create_room().await;
    let base = cluster.api(&format!("/room/{room}/component"));
    let added = cluster.post(&base, json!({"type": "file", "options": {"filePath": "a.ogg"}})).await;
    let path = format!("{base}/{}", added.json["data"]["id"].as_str().unwrap());
    let shown = replica.get(&path).await;
    assert_eq!((shown.status, shown.json["data"]["gateway"].as_str()), (200, Some("g1")), "{}", shown.text);
    let _second = cluster.gateway("g2", 1).await;
    drop(first);
    replica.until_shown(&path, |component| component["gateway"] == "g2" && component["state"] == "live").await;
    let moved = |of: &Cluster| of.count("velella_coordinator_jobs_total", "moved");
    let counted = async {
        while moved(&cluster) + moved(&replica) < 1.0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, counted).await.expect("counted in time");
    assert_eq!(moved(&cluster) + moved(&replica), 1.0);
}

#[tokio::test]
async fn servers_are_told_of_the_tracks_of_a_component_and_of_its_end() {
    let cluster = Cluster::start().await;
    let _gateway = cluster.gateway("g1", 1).await;
    let room = cluster.create_room().await;
    let mut server = Subscriber::subscribed(&cluster).await;
    let path = cluster.api(&format!("/room/{room}/component"));
    let add = async |name: &str| {
        let options = json!({"sourceUri": CAMERA, "metadata": {"name": name}});
        let added = cluster.post(&path, json!({"type": "rtsp", "options": options})).await;
        added.json["data"]["id"].as_str().unwrap().to_owned()
    };
    let live = add("live").await;
    let Some(Content::TrackAdded(event)) = server.next().await.content else { panic!("a track") };
    assert_eq!(event.endpoint_info, Some(EndpointInfo::ComponentId(live.clone())));
    assert_eq!(event.track.unwrap().id, format!("{live}:v"));
    let stopped = add("stopped").await;
    let Some(Content::ComponentCrashed(event)) = server.next().await.content else { panic!("a crash") };
    assert_eq!((event.room_id, event.component_id), (room.clone(), stopped.clone()));
    assert_eq!((event.trouble_code.as_str(), event.trouble_sentence.is_empty()), ("login_refused", false));
    let shown = cluster.get(&format!("{path}/{stopped}")).await.json["data"].take();
    assert_eq!((&shown["state"], &shown["trouble"]["code"]), (&json!("stopped"), &json!("login_refused")));
    cluster.delete(&format!("{path}/{live}")).await;
    assert_eq!(server.words(1).await, ["track_removed"]);
    cluster.delete(&cluster.api(&format!("/room/{room}"))).await;
    assert_eq!(server.words(1).await, ["room_deleted"]);
}

#[tokio::test]
async fn a_peer_can_subscribe_to_a_component_and_to_its_tracks() {
    let cluster = Cluster::start().await;
    let _gateway = cluster.gateway("g1", 1).await;
    let room = cluster.create_room().await;
    let base = cluster.api(&format!("/room/{room}"));
    let options = json!({"sourceUri": CAMERA});
    let added = cluster.post(&format!("{base}/component"), json!({"type": "rtsp", "options": options})).await;
    let id = added.json["data"]["id"].as_str().unwrap().to_owned();
    cluster.until_shown(&format!("{base}/component/{id}"), |component| component["state"] == "live").await;
    let manual = json!({"type": "webrtc", "options": {"subscribeMode": "manual"}});
    let peer = cluster.post(&format!("{base}/peer"), manual).await.json["data"]["peer"]["id"].take();
    let path = format!("{base}/peer/{}", peer.as_str().unwrap());
    let tracks = json!({"track_ids": [format!("{id}:v")]});
    let subscribed = cluster.post(&format!("{path}/subscribe_tracks"), tracks).await;
    assert!(subscribed.status < 300, "{}", subscribed.text);
    let subscribed = cluster.post(&format!("{path}/subscribe_peer?peer_id={id}"), json!({})).await;
    assert!(subscribed.status < 300, "{}", subscribed.text);
}

#[tokio::test]
async fn gateways_are_listed_and_counted() {
    let cluster = Cluster::start().await;
    let _gateway = cluster.gateway("g1", 7).await;
    let room = cluster.create_room().await;
    let options = json!({"sourceUri": CAMERA});
    let path = cluster.api(&format!("/room/{room}/component"));
    cluster.post(&path, json!({"type": "rtsp", "options": options})).await;
    let listed = cluster.get("/cluster/gateways").await.json["gateways"].take();
    let gateway = &listed.as_array().unwrap()[0];
    assert_eq!((&gateway["gateway"], &gateway["incarnation"]), (&json!("g1"), &json!("7")));
    assert_eq!((&gateway["state"], &gateway["alive"]), (&json!("ready"), &json!(true)));
    assert_eq!((&gateway["offers"]["rtsp"], &gateway["jobs_given"]), (&json!(50), &json!(1)));
    assert_eq!(gateway["effective_load_permille"], 50);
    assert_eq!(gateway["serves"], json!({"public": "https://g1.example.com", "inner": "http://g1:9580"}));
    cluster.until_counted("velella_coordinator_components", 1.0).await;
    cluster.until_counted("velella_coordinator_gateways_ready", 1.0).await;
}

impl Cluster {
    /// Starts a scripted gateway and waits until it takes jobs.
    pub(crate) async fn gateway(&self, id: &'static str, incarnation: u64) -> Gateway {
        let gateway = Gateway::start(&self.bus, &self.store, id, incarnation).await;
        let known = |gateways: &Value| {
            let lives = |g: &Value| g["gateway"] == id && g["alive"] == true && g["suspect"] == false;
            gateways.as_array().unwrap().iter().any(lives)
        };
        let ready = async {
            while !known(&self.get("/cluster/gateways").await.json["gateways"]) {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, ready).await.expect("a gateway in time");
        gateway
    }

    /// Waits until all values of a metric together are this.
    async fn until_counted(&self, name: &str, value: f64) {
        let counted = async {
            while self.metric(name) != value {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, counted).await.expect("counted in time");
    }

    /// Waits until what stands at a path is as wished.
    pub(crate) async fn until_shown(&self, path: &str, holds: impl Fn(&Value) -> bool) -> Value {
        let shown = async {
            loop {
                let data = self.get(path).await.json["data"].take();
                if holds(&data) {
                    return data;
                }
            }
        };
        tokio::time::timeout(PATIENCE, shown).await.expect("shown in time")
    }
}

fn opened(key: &str, source: &Sealed) -> String {
    let opened = Seal::new(&SECRET.parse().unwrap()).open(key, source).unwrap();
    String::from_utf8(opened).unwrap()
}

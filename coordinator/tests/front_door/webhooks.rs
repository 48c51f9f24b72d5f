//! Webhooks to a real receiver that does not always answer well.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use serde_json::json;
use tokio::sync::mpsc;
use velella_bus::memory::MemoryBus;
use velella_model::{Id, key};
use velella_proto::Message;
use velella_proto::fishjam::ServerMessage;
use velella_proto::fishjam::server_message::Content;
use velella_store::memory::MemoryStore;
use velella_store::{Expect, Store, WATCH_CHANGES_MAX};

use crate::client::PATIENCE;
use crate::cluster::Cluster;
use crate::subscriber::{Subscriber, word};

#[tokio::test]
async fn a_webhook_tells_what_the_socket_does_signed_and_numbered() {
    let mut receiver = Receiver::start(&[]).await;
    let cluster = start(&["--webhook-secret", "Jefe"]).await;
    let mut server = Subscriber::subscribed(&cluster).await;
    let room = receiver.room(&cluster, json!({})).await;
    cluster.delete(&cluster.api(&format!("/room/{room}"))).await;
    for expected in ["room_created", "room_deleted"] {
        let (socket, hook) = (server.next().await, receiver.next().await);
        let told = hook.message();
        assert_eq!((word(&socket), &socket.content, socket.sequence), (expected, &told.content, told.sequence));
        let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, b"Jefe");
        let tag = hook.header("x-fishjam-signature-256").strip_prefix("sha256=").unwrap().to_owned();
        let hex = |n: usize| u8::from_str_radix(&tag[n..n + 2], 16).unwrap();
        let tag: Vec<u8> = (0..tag.len()).step_by(2).map(hex).collect();
        aws_lc_rs::hmac::verify(&key, &hook.body, &tag).unwrap();
        assert_eq!(hook.header("content-type"), "application/x-protobuf");
        assert_eq!(hook.header("velella-sequence"), socket.sequence.to_string());
        assert_eq!(hook.header("velella-attempt"), "1");
    }
}

#[tokio::test]
async fn a_webhook_tells_of_a_component_that_is_given_up() {
    let mut receiver = Receiver::start(&[]).await;
    let cluster = start(&[]).await;
    let _gateway = cluster.gateway("g1", 1).await;
    let room = receiver.room(&cluster, json!({})).await;
    let options = json!({"sourceUri": "rtsp://camera/", "metadata": {"name": "stopped"}});
    let path = cluster.api(&format!("/room/{room}/component"));
    let added = cluster.post(&path, json!({"type": "rtsp", "options": options})).await;
    assert_eq!(word(&receiver.next().await.message()), "room_created");
    let Some(Content::ComponentCrashed(told)) = receiver.next().await.message().content else { panic!("a crash") };
    assert_eq!((told.room_id, added.json["data"]["id"].as_str()), (room, Some(told.component_id.as_str())));
    assert_eq!(told.trouble_code, "login_refused");
}

#[tokio::test]
async fn a_receiver_that_answers_500_twice_gets_everything_once_and_in_order() {
    let mut receiver = Receiver::start(&[500, 302]).await;
    let cluster = start(&[]).await;
    let room = receiver.room(&cluster, json!({})).await;
    cluster.add_peer(&room).await;
    let mut seen = Vec::new();
    for _ in 0..4 {
        let hook = receiver.next().await;
        assert!(hook.headers.get("x-fishjam-signature-256").is_none(), "no secret, no signature");
        seen.push((word(&hook.message()), hook.header("velella-attempt").to_owned()));
    }
    let expected = [("room_created", "1"), ("room_created", "2"), ("room_created", "3"), ("peer_added", "1")];
    assert_eq!(seen, expected.map(|(word, attempt)| (word, attempt.to_owned())));
}

#[tokio::test]
async fn receivers_that_hang_or_are_gone_delay_nobody_else() {
    let (hanging, mut works) = (Receiver::start(&[HANGS; 100]).await, Receiver::start(&[]).await);
    let cluster = start(&[]).await;
    let gone = Receiver { addr: "127.0.0.1:9".parse().unwrap(), ..Receiver::start(&[]).await };
    for _ in 0..5 {
        hanging.room(&cluster, json!({})).await;
        gone.room(&cluster, json!({})).await;
    }
    works.room(&cluster, json!({})).await;
    assert_eq!(word(&works.next().await.message()), "room_created");
    assert_eq!(cluster.get(&cluster.api("/validate")).await.status, 200);
}

#[tokio::test]
async fn a_batch_holds_what_happened_in_order() {
    let mut receiver = Receiver::start(&[500]).await;
    let cluster = start(&[]).await;
    let room = receiver.room(&cluster, json!({"batchWebhookNotifications": true})).await;
    cluster.add_peer(&room).await;
    cluster.delete(&cluster.api(&format!("/room/{room}"))).await;
    let mut words = Vec::new();
    let _refused = receiver.next().await;
    while words.last() != Some(&"room_deleted") {
        let Some(Content::NotificationBatch(batch)) = receiver.next().await.message().content else {
            panic!("no batch")
        };
        words.extend(batch.notifications.iter().map(word));
    }
    assert_eq!(words, ["room_created", "peer_added", "peer_deleted", "room_deleted"]);
}

#[tokio::test]
async fn rooms_without_a_webhook_use_the_default_one() {
    let mut receiver = Receiver::start(&[]).await;
    let cluster = start(&["--webhook-url", &receiver.url("default")]).await;
    cluster.create_room().await;
    assert_eq!(receiver.next().await.path, "default");
    receiver.room(&cluster, json!({})).await;
    assert_eq!(receiver.next().await.path, "own");
}

#[tokio::test]
async fn what_happens_while_there_is_no_coordinator_is_delivered_by_the_next() {
    let mut receiver = Receiver::start(&[]).await;
    let (bus, store, room) = ended(&mut receiver).await;
    store.delete(&key::room(&Id::parse(&room).unwrap()), Expect::Any).await.unwrap();
    let _cluster = Cluster::join(bus, store, &[]).await;
    assert_eq!(word(&receiver.next().await.message()), "room_deleted", "and what was delivered is not");
}

#[tokio::test]
async fn when_the_store_has_forgotten_the_gap_is_counted_and_delivery_goes_on() {
    let mut receiver = Receiver::start(&[]).await;
    let (bus, store, room) = ended(&mut receiver).await;
    store.delete(&key::room(&Id::parse(&room).unwrap()), Expect::Any).await.unwrap();
    for _ in 0..=WATCH_CHANGES_MAX {
        store.put(key::WORKERS, Bytes::new(), Expect::Any, None).await.unwrap();
    }
    let cluster = Cluster::join(bus, store, &[]).await;
    while cluster.metric("velella_coordinator_webhook_gaps_total") < 1.0 {
        tokio::task::yield_now().await;
    }
    let _worker = cluster.worker("w2", 1).await;
    let room = receiver.room(&cluster, json!({})).await;
    let Some(Content::RoomCreated(created)) = receiver.next().await.message().content else { panic!("another") };
    assert_eq!(created.room_id, room);
    assert_eq!(cluster.metric("velella_coordinator_webhook_gaps_total"), 1.0);
}

/// What a coordinator leaves behind that has made a room and delivered its webhook.
async fn ended(receiver: &mut Receiver) -> (MemoryBus, MemoryStore, String) {
    let cluster = start(&[]).await;
    let room = receiver.room(&cluster, json!({})).await;
    assert_eq!(word(&receiver.next().await.message()), "room_created");
    let (bus, store) = (cluster.bus.clone(), cluster.store.clone());
    drop(cluster);
    while store.get(key::LEADER).await.unwrap().is_some() {
        tokio::task::yield_now().await;
    }
    (bus, store, room)
}

/// With one worker that stays for as long as the test.
async fn start(args: &[&str]) -> Cluster {
    let cluster = Cluster::start_with(args).await;
    std::mem::forget(cluster.worker("w1", 1).await);
    cluster
}

/// Not an answer: the receiver keeps the connection and says nothing.
const HANGS: u16 = 0;

struct Receiver {
    addr: SocketAddr,
    hooks: mpsc::Receiver<Hook>,
}

struct Hook {
    path: String,
    headers: HeaderMap,
    body: Bytes,
}

#[derive(Clone)]
struct Script {
    statuses: Arc<Mutex<VecDeque<u16>>>,
    hooks: mpsc::Sender<Hook>,
}

impl Receiver {
    /// Answers with these statuses first, then with 200.
    async fn start(statuses: &[u16]) -> Self {
        let (sender, hooks) = mpsc::channel(1000);
        let script = Script { statuses: Arc::new(Mutex::new(statuses.iter().copied().collect())), hooks: sender };
        let router = Router::new().route("/{path}", post(received)).with_state(script);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { addr, hooks }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}/{path}", self.addr)
    }

    /// Makes a room with this webhook.
    async fn room(&self, cluster: &Cluster, mut config: serde_json::Value) -> String {
        config["webhookUrl"] = self.url("own").into();
        let answer = cluster.post(&cluster.api("/room"), config).await;
        assert_eq!(answer.status, 201, "{}", answer.json);
        answer.json["data"]["room"]["id"].as_str().unwrap().to_owned()
    }

    async fn next(&mut self) -> Hook {
        tokio::time::timeout(PATIENCE, self.hooks.recv()).await.expect("a webhook in time").unwrap()
    }
}

impl Hook {
    fn message(&self) -> ServerMessage {
        ServerMessage::decode(self.body.clone()).unwrap()
    }

    fn header(&self, name: &str) -> &str {
        self.headers[name].to_str().unwrap()
    }
}

async fn received(
    State(script): State<Script>,
    Path(path): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> (StatusCode, [(&'static str, &'static str); 1]) {
    let status = script.statuses.lock().unwrap().pop_front().unwrap_or(200);
    script.hooks.send(Hook { path, headers, body }).await.unwrap();
    if status == HANGS {
        std::future::pending::<()>().await;
    }
    // A redirect that would be a success, if it were followed.
    (StatusCode::from_u16(status).unwrap(), [("location", "/elsewhere")])
}

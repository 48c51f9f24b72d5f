//! Server sockets: who may listen, and what is told in which order.

use std::time::Duration;

use velella_bus::Bus;
use velella_model::record::{Connection, CoordinatorRecord, PeerRecord};
use velella_model::wire::signal::{Voice, VoiceChanged};
use velella_model::wire::{decode, encode};
use velella_model::{Id, Json, key, subject};
use velella_proto::fishjam::media_events::peer::media_event as said;
use velella_proto::fishjam::server_message::{Authenticated, Content, SubscribeRequest, vad_notification};
use velella_store::{Expect, Store};

use crate::client::Peer;
use crate::cluster::{Cluster, TOKEN};
use crate::subscriber::{Subscriber, auth, word};

const LIFE: [&str; 10] = [
    "room_created",
    "peer_added",
    "peer_connected",
    "peer_metadata_updated",
    "track_added",
    "track_metadata_updated",
    "track_removed",
    "peer_disconnected",
    "peer_deleted",
    "room_deleted",
];

#[tokio::test]
async fn a_server_subscribes_step_by_step_or_back_to_back_on_both_paths() {
    let cluster = Cluster::start().await;
    for base in ["/api/v1/connect/app", "/api/v1/connect/app/", "", "/"] {
        let mut server = Subscriber::connect(&cluster, base).await;
        server.send(auth(TOKEN)).await;
        server.send(Content::SubscribeRequest(notifications())).await;
        assert!(matches!(server.next().await.content, Some(Content::Authenticated(_))));
        let Some(Content::SubscribeResponse(response)) = server.next().await.content else { panic!("no response") };
        assert_eq!(response.event_type, 1);
    }
    let mut server = Subscriber::subscribed(&cluster).await;
    cluster.create_room().await;
    assert_eq!(server.words(1).await, ["room_created"]);
}

#[tokio::test]
async fn strangers_and_odd_requests_are_told_so_in_the_words_that_servers_know() {
    let cluster = Cluster::start().await;
    let (_, peer_token) = cluster.add_peer(&cluster.create_room().await).await;
    let first = [
        (auth("wrong"), "invalid token"),
        (auth(""), "invalid token"),
        (auth(&peer_token), "invalid token"),
        (Content::SubscribeRequest(notifications()), "invalid auth request"),
    ];
    for (content, reason) in first {
        let mut stranger = Subscriber::connect(&cluster, &cluster.api("")).await;
        stranger.send(content).await;
        assert_eq!(stranger.closed().await, (1000, reason.to_owned()));
    }
    let nothing = SubscribeRequest::default();
    let later = [auth(TOKEN), Content::Authenticated(Authenticated::default()), Content::SubscribeRequest(nothing)];
    for content in later {
        let mut server = Subscriber::authenticated(&cluster).await;
        server.send(content).await;
        assert_eq!(server.closed().await, (1003, "operation not allowed".to_owned()));
    }
    let mut silent = Subscriber::connect(&cluster, &cluster.api("")).await;
    assert_eq!(silent.closed().await, (1000, "unauthenticated".to_owned()));
}

#[tokio::test]
async fn the_whole_life_of_a_room_is_told_in_order_and_numbered() {
    let cluster = Cluster::start().await;
    let mut server = Subscriber::subscribed(&cluster).await;
    let room = live(&cluster).await;
    let mut before = 0;
    for expected in LIFE {
        let message = server.next().await;
        assert_eq!(word(&message), expected);
        assert!(message.sequence > before && message.noticed_at_ms > 0, "{message:?}");
        before = message.sequence;
        if let Some(Content::PeerMetadataUpdated(update)) = message.content {
            assert_eq!((update.room_id, update.peer_type), (room.clone(), 1));
            let metadata: serde_json::Value = serde_json::from_str(&update.metadata).unwrap();
            assert_eq!(metadata, serde_json::json!({"peer": {"n": 1}, "server": {"s": 2}}));
        }
    }
}

#[tokio::test]
async fn every_replica_tells_the_same_under_the_same_numbers() {
    let cluster = Cluster::start().await;
    let replica = replica(&cluster).await;
    let (mut here, mut there) = (Subscriber::subscribed(&cluster).await, Subscriber::subscribed(&replica).await);
    live(&cluster).await;
    for expected in LIFE {
        let (told, also) = (here.next().await, there.next().await);
        assert_eq!((word(&told), &told.content, told.sequence), (expected, &also.content, also.sequence));
    }
}

#[tokio::test]
async fn a_server_may_ask_for_some_rooms_and_go_on_where_it_was_at_any_replica() {
    let cluster = Cluster::start().await;
    let replica = replica(&cluster).await;
    let (mut here, mut there) = (Subscriber::subscribed(&cluster).await, Subscriber::subscribed(&replica).await);
    let (first, second) = (cluster.create_room().await, cluster.create_room().await);
    assert_eq!((here.words(2).await, there.words(2).await), (vec!["room_created"; 2], vec!["room_created"; 2]));
    let mut server = Subscriber::authenticated(&cluster).await;
    let of_second = SubscribeRequest { room_ids: vec![second.clone()], ..notifications() };
    let response = server.subscribe(of_second.clone()).await;
    assert!(!response.resumed);
    cluster.add_peer(&first).await;
    cluster.add_peer(&second).await;
    assert_eq!((here.words(2).await, there.words(2).await), (vec!["peer_added"; 2], vec!["peer_added"; 2]));
    let last = server.next().await;
    assert!(word(&last) == "peer_added" && last.sequence > response.sequence);

    drop(server);
    cluster.add_peer(&second).await;
    let missed = here.next().await.sequence;
    assert_eq!(there.next().await.sequence, missed);
    for coordinator in [&cluster, &replica] {
        let mut server = Subscriber::authenticated(coordinator).await;
        let resume = SubscribeRequest { resume_after: last.sequence, ..of_second.clone() };
        assert!(server.subscribe(resume.clone()).await.resumed);
        assert_eq!(server.next().await.sequence, missed);
        let (past, future) = (1, missed + 1);
        for resume_after in [past, future] {
            let response = server.subscribe(SubscribeRequest { resume_after, ..resume.clone() }).await;
            assert_eq!((response.sequence, response.resumed), (missed, false));
        }
    }
}

#[tokio::test]
async fn a_voice_is_told_of_a_known_track() {
    let cluster = Cluster::start().await;
    let mut server = Subscriber::subscribed(&cluster).await;
    let room = cluster.create_room().await;
    let (id, token) = cluster.add_peer(&room).await;
    assert_eq!(server.words(2).await, ["room_created", "peer_added"]);
    let mut peer = Peer::join(&cluster.socket_url(), &token).await;
    peer.say(track("t")).await;
    assert_eq!(server.words(3).await, ["peer_connected", "peer_metadata_updated", "track_added"]);
    for track in ["unknown", "t"] {
        let (room, peer, track) = (Id::parse(&room).unwrap(), Id::parse(&id).unwrap(), Id::parse(track).unwrap());
        let voice = VoiceChanged { room, peer, track, voice: Voice::Speech };
        cluster.bus.publish(subject::VOICES, encode(&voice).into()).await.unwrap();
    }
    let Some(Content::VadNotification(vad)) = server.next().await.content else { panic!("no voice") };
    assert_eq!((vad.track_id.as_str(), vad.status()), ("t", vad_notification::Status::Speech));
}

#[tokio::test]
async fn metrics_come_each_second_as_json() {
    let cluster = Cluster::start().await;
    cluster.create_room().await;
    let mut server = Subscriber::authenticated(&cluster).await;
    let request = SubscribeRequest { event_type: 2, ..SubscribeRequest::default() };
    assert_eq!(server.subscribe(request).await.event_type, 2);
    for _ in 0..2 {
        let Some(Content::MetricsReport(report)) = server.next().await.content else { panic!("no report") };
        let report: serde_json::Value = serde_json::from_str(&report.metrics).unwrap();
        assert_eq!(report["rooms"], 1);
        assert_eq!(report["workers"]["w1"]["bits_out_per_s"], 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_subscriber_that_never_reads_is_closed_and_nobody_else_notices() {
    let cluster = Cluster::start().await;
    let mut talk = Talk::start(&cluster).await;
    let deaf = Subscriber::subscribed(&cluster).await;
    let mut server = Subscriber::subscribed(&cluster).await;
    let mut before = None;
    let mut pace = tokio::time::interval(Duration::from_millis(50));
    for n in 0.. {
        // Fast until every buffer in between is full, then slow until patience ends.
        if n > FLOOD {
            pace.tick().await;
        }
        talk.on(&cluster).await;
        if n == 0 {
            assert_eq!(word(&server.next().await), "peer_connected");
        }
        let Some(Content::PeerMetadataUpdated(told)) = server.next().await.content else { panic!("no metadata") };
        let (metadata, before) = (told.metadata.clone(), before.replace(told.metadata));
        assert_ne!(Some(metadata), before, "one after the other, without a loss");
        if cluster.metric("velella_coordinator_notifications_lost_total") > 0.0 {
            break;
        }
    }
    assert_eq!(cluster.metric("velella_coordinator_server_sockets"), 1.0);
    drop(deaf);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_subscriber_that_falls_behind_is_told_how_much_it_lost() {
    let cluster = Cluster::start().await;
    let mut talk = Talk::start(&cluster).await;
    let mut slow = Subscriber::subscribed(&cluster).await;
    let mut server = Subscriber::subscribed(&cluster).await;
    for _ in 0..FLOOD {
        talk.on(&cluster).await;
        server.next().await;
    }
    let (code, reason) = slow.closed().await;
    let lost = reason.strip_prefix("reads too slowly: ").and_then(|text| text.strip_suffix(" notifications lost"));
    assert!(lost.is_some_and(|lost| lost.parse::<u64>().unwrap() > 0), "{code} {reason}");
    assert_eq!(code, 1013);
}

/// A second coordinator, once it has read the store: that first listing is silent.
async fn replica(cluster: &Cluster) -> Cluster {
    let replica = cluster.replica().await;
    cluster.create_room().await;
    while replica.get("/cluster/totals").await.json["rooms"] != 1 {}
    replica
}

/// More large notifications than the log and the buffers of a connection hold together.
const FLOOD: usize = 700;

/// A connected peer whose metadata changes as often as a test likes; no socket could be so quick.
struct Talk {
    key: String,
    record: PeerRecord,
}

impl Talk {
    async fn start(cluster: &Cluster) -> Self {
        let mut server = Subscriber::subscribed(cluster).await;
        let room = cluster.create_room().await;
        let (peer, _) = cluster.add_peer(&room).await;
        assert_eq!(server.words(2).await, ["room_created", "peer_added"]);
        let key = key::peer(&Id::parse(&room).unwrap(), &Id::parse(&peer).unwrap());
        let stored = cluster.store.get(&key).await.unwrap().unwrap();
        let mut record: PeerRecord = decode(&stored.value).unwrap();
        let (coordinator, session) = (Id::parse("elsewhere").unwrap(), Id::parse("s").unwrap());
        // Or else the leader would clear the connection away.
        let alive = encode(&CoordinatorRecord {}).into();
        cluster.store.put(&key::coordinator(&coordinator), alive, Expect::Any, None).await.unwrap();
        record.connection = Some(Connection { coordinator, session, joined: true, offered: false });
        Self { key, record }
    }

    async fn on(&mut self, cluster: &Cluster) {
        let flip = if self.record.peer_metadata.as_str().starts_with("\"a") { "b" } else { "a" };
        self.record.peer_metadata = Json::parse(&format!("\"{}\"", flip.repeat(60_000))).unwrap();
        let value = encode(&self.record).into();
        cluster.store.put(&self.key, value, Expect::Any, None).await.unwrap();
    }
}

/// A room with a peer that publishes, changes a track and is removed with the room.
async fn live(cluster: &Cluster) -> String {
    let room = cluster.create_room().await;
    let (_, token) = cluster.add_peer(&room).await;
    let mut peer = Peer::join(&cluster.socket_url(), &token).await;
    for text in ["1", "2"] {
        let (track_id, metadata_json) = ("t".into(), text.into());
        peer.say(said::Content::UpdateTrackMetadata(said::UpdateTrackMetadata { track_id, metadata_json })).await;
        let shown = |metadata: &serde_json::Value| metadata["data"]["peers"][0]["tracks"][0]["metadata"].to_string();
        while shown(&cluster.get(&cluster.api(&format!("/room/{room}"))).await.json) != text {}
    }
    cluster.delete(&cluster.api(&format!("/room/{room}"))).await;
    room
}

fn track(id: &str) -> said::Content {
    let (track_id, metadata_json) = (id.into(), "1".into());
    said::Content::UpdateTrackMetadata(said::UpdateTrackMetadata { track_id, metadata_json })
}

fn notifications() -> SubscribeRequest {
    SubscribeRequest { event_type: 1, ..SubscribeRequest::default() }
}

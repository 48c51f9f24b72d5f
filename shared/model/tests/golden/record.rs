//! Records of the store. Those of a running cluster are older than the build that reads them.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use velella_model::record::{
    AgentOutput, AnswerRecord, Candidate, Connection, CoordinatorRecord, Cordon, OnceRecord, PeerKind, PeerRecord,
    Placement, RoomRecord, RoomSpec, Scopes, Sealed, Subscriptions, TrackRecord, Verdict, WebhookCursor, WorkerRecord,
};
use velella_model::wire::command::{Rights, SubscribeMode};
use velella_model::{
    CoordinatorId, Generation, Incarnation, Json, MediaKind, PeerId, RoomId, RoomType, SessionId, TrackId, VideoCodec,
    WorkerId,
};

#[test]
fn rooms_keep_their_form() {
    let placement = Placement {
        worker: worker("w1"),
        incarnation: Incarnation(1),
        generation: Generation(7),
        endpoints: vec!["192.0.2.1:10000".parse().unwrap()],
        candidates: vec![
            Candidate {
                worker: worker("w1"),
                verdict: Verdict::Scored { region_miss: false, load_permille: 120, rooms: 3 },
            },
            Candidate { worker: worker("w2"), verdict: Verdict::Excluded { reason: "draining".into() } },
        ],
    };
    let plain = RoomRecord { spec: RoomSpec::default(), placement: placement.clone(), streaming: None };
    let spec = RoomSpec {
        peers_max: Some(25),
        room_type: RoomType::Livestream,
        video_codec: VideoCodec::Vp8,
        video_codec_by_default: true,
        public: true,
        webhook_url: Some("https://example.com/hook".into()),
        batch_webhook_notifications: true,
        peerless_purge_s: Some(60),
        peer_purge_s: Some(30),
    };
    let full = RoomRecord { spec, placement, streaming: None };
    let streamed = RoomRecord { streaming: Some(SessionId::parse("s1").unwrap()), ..full.clone() };
    crate::holds("room_record", &[("plain", plain), ("with everything", full), ("streamed into", streamed)]);
}

#[test]
fn peers_keep_their_form() {
    let kinds = [PeerKind::Webrtc, PeerKind::Agent, PeerKind::Streamer, PeerKind::Viewer];
    let new = kinds.map(|kind| (name(kind), PeerRecord::new(kind, Json::null(), SubscribeMode::Auto)));
    let passing = PeerRecord { passing: true, ..PeerRecord::new(PeerKind::Viewer, Json::null(), SubscribeMode::Auto) };
    let mut offered = with_everything();
    offered.connection.iter_mut().for_each(|connection| connection.offered = true);
    let more = [("with everything", with_everything()), ("passing viewer", passing), ("with an offer", offered)];
    let examples: Vec<_> = new.into_iter().chain(more).collect();
    crate::holds("peer_record", &examples);
}

#[test]
fn processes_keep_their_form() {
    crate::holds("worker_record", &[("alive", WorkerRecord { incarnation: Incarnation(u64::MAX) })]);
    crate::holds("coordinator_record", &[("alive", CoordinatorRecord {})]);
    crate::holds("cordon", &[("cordon", Cordon { drain: false }), ("drain", Cordon { drain: true })]);
}

#[test]
fn what_coordinators_share_keeps_its_form() {
    let (by, through) = (CoordinatorId::parse("c1").unwrap(), 70);
    let all = WebhookCursor { by: by.clone(), through, behind: BTreeMap::new() };
    let behind = BTreeMap::from([(RoomId::parse("r1").unwrap(), 42)]);
    let cursors = [("everything", all), ("but for a room", WebhookCursor { by, through, behind })];
    crate::holds("webhook_cursor", &cursors);

    let sealed = Sealed { nonce: Bytes::from_static(&[1, 2]), sealed: Bytes::from_static(&[0xff]) };
    let once = |answer| OnceRecord { fingerprint: "ab".into(), answer };
    crate::holds("once_record", &[("being done", once(None)), ("done", once(Some(sealed)))]);

    let headers = vec![("content-type".into(), Bytes::from_static(b"application/json"))];
    let answer = AnswerRecord { status: 201, headers, body: Bytes::from_static(b"{}") };
    crate::holds("answer_record", &[("created", answer)]);
}

/// A new kind fails to compile here: it needs an example too.
fn name(kind: PeerKind) -> &'static str {
    match kind {
        PeerKind::Webrtc => "new browser",
        PeerKind::Agent => "new agent",
        PeerKind::Streamer => "new streamer",
        PeerKind::Viewer => "new viewer",
    }
}

fn with_everything() -> PeerRecord {
    PeerRecord {
        kind: PeerKind::Webrtc,
        server_metadata: Json::parse(r#"{"role":"host"}"#).unwrap(),
        peer_metadata: Json::parse(r#"{"name":"Ada"}"#).unwrap(),
        subscribe_mode: SubscribeMode::Manual,
        connection: Some(Connection {
            coordinator: CoordinatorId::parse("c1").unwrap(),
            session: SessionId::parse("s1").unwrap(),
            joined: true,
            offered: false,
        }),
        tracks: BTreeMap::from([(
            TrackId::parse("p1:t1").unwrap(),
            TrackRecord { kind: MediaKind::Video, metadata: Json::parse(r#"{"type":"camera"}"#).unwrap() },
        )]),
        channels: BTreeSet::from(["chat".to_owned()]),
        subscriptions: Subscriptions {
            peers: BTreeSet::from([PeerId::parse("p2").unwrap()]),
            tracks: BTreeSet::from([TrackId::parse("p3:t1").unwrap()]),
        },
        agent_output: Some(AgentOutput { sample_rate_hz: 24_000 }),
        scopes: Scopes { rights: Rights { publish: false, subscribe: true }, admin: true },
        token_series: 2,
        kicked: Some("spam".into()),
        crashed: Some("a bug".into()),
        passing: false,
    }
}

fn worker(id: &str) -> WorkerId {
    WorkerId::parse(id).unwrap()
}

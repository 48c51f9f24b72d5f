//! Components as the store keeps them, and what gateways say of themselves.

use std::collections::BTreeMap;

use bytes::Bytes;
use velella_model::component::{
    ComponentRecord, ComponentSpec, FileSpec, GatewayRecord, HlsSpec, IngestRecord, IngestState, Job, JobKind,
    PublishSpec, RtspSpec, StreamRecord, SubStream, Trouble,
};
use velella_model::record::{Sealed, Subscriptions, TrackRecord};
use velella_model::wire::announce::{GatewayAnnounce, GatewayState, Serves, Transcoder};
use velella_model::{GatewayId, Generation, Incarnation, Json, MediaKind, PeerId, TrackId};

#[test]
fn components_keep_their_form() {
    let publish = PublishSpec { key_digest: "ab".into(), takeover: true };
    let specs = [
        ComponentSpec::Rtsp(camera()),
        ComponentSpec::File(FileSpec { path: "a/b.h264".into(), framerate: Some(30) }),
        ComponentSpec::Rtmp(publish.clone()),
        ComponentSpec::Srt(publish),
        ComponentSpec::Hls(stream(None)),
    ];
    let metadata = || Json::parse(r#"{"name":"door"}"#).unwrap();
    let record = |spec: ComponentSpec| {
        (
            spec.kind().name(),
            ComponentRecord { spec, metadata: metadata(), transcode: false, subscriptions: None, job: Some(job()) },
        )
    };
    let mut examples: Vec<_> = specs.into_iter().map(record).collect();
    let (_, transcoded) = record(ComponentSpec::Rtsp(camera()));
    examples.push(("rtsp, transcoded", ComponentRecord { transcode: true, ..transcoded }));
    let camera = RtspSpec { sub: Some(SubStream { shown: camera().shown, source: camera().source }), ..camera() };
    examples.push(("rtsp_with_sub_stream", record(ComponentSpec::Rtsp(camera)).1));
    let (_, chosen) = record(ComponentSpec::Hls(stream(Some(60))));
    let subscriptions = Subscriptions { peers: [PeerId::parse("p1").unwrap()].into(), tracks: [].into() };
    examples.push(("hls, of some", ComponentRecord { subscriptions: Some(subscriptions), ..chosen }));
    crate::holds("component_record", &examples);
}

#[test]
fn streams_keep_their_form() {
    let record =
        StreamRecord { job: job(), generation: Generation(70), state: Bytes::from_static(&[0x93, 1, 2, 0xff]) };
    crate::holds("stream_record", &[("a_stream", record)]);
}

fn stream(window_s: Option<u32>) -> HlsSpec {
    HlsSpec { low_latency: true, target_duration_s: 4, part_target_ms: 500, window_s, persistent: window_s.is_none() }
}

#[test]
fn ingests_keep_their_form() {
    let states =
        [IngestState::Waiting, IngestState::Connecting, IngestState::Live, IngestState::Retrying, IngestState::Stopped];
    crate::holds("ingest_record", &states.map(|state| (name(state), ingest(state))));
}

#[test]
fn gateways_keep_their_form() {
    crate::holds("gateway_record", &[("alive", GatewayRecord { incarnation: Incarnation(u64::MAX) })]);
    let states = [GatewayState::Ready, GatewayState::Draining, GatewayState::Fenced];
    crate::holds("gateway_announce", &states.map(|state| (state_name(state), announce(state))));
}

/// A new state fails to compile here: it needs an example too.
fn name(state: IngestState) -> &'static str {
    match state {
        IngestState::Waiting => "waiting",
        IngestState::Connecting => "connecting",
        IngestState::Live => "live",
        IngestState::Retrying => "retrying",
        IngestState::Stopped => "stopped",
    }
}

/// A new state fails to compile here: it needs an example too.
fn state_name(state: GatewayState) -> &'static str {
    match state {
        GatewayState::Ready => "ready",
        GatewayState::Draining => "draining",
        GatewayState::Fenced => "fenced",
    }
}

fn job() -> Job {
    Job { gateway: GatewayId::parse("g1").unwrap(), incarnation: Incarnation(3) }
}

fn camera() -> RtspSpec {
    RtspSpec {
        shown: "rtsp://192.0.2.7:554/stream1".into(),
        source: Sealed { nonce: Bytes::from_static(&[1, 2]), sealed: Bytes::from_static(&[0xff]) },
        sub: None,
        reconnect_delay_ms: 15_000,
        keep_alive_interval_ms: 15_000,
        rtp_port: 20_000,
        pierce_nat: true,
        on_demand: true,
    }
}

fn ingest(state: IngestState) -> IngestRecord {
    let track = TrackRecord { kind: MediaKind::Video, metadata: Json::parse(r#"{"type":"camera"}"#).unwrap() };
    IngestRecord {
        job: job(),
        generation: Generation(70),
        state,
        trouble: Some(Trouble { code: "login_refused".into(), sentence: "The camera refused the login.".into() }),
        tracks: BTreeMap::from([(TrackId::parse("c1:video").unwrap(), track)]),
    }
}

fn announce(state: GatewayState) -> GatewayAnnounce {
    GatewayAnnounce {
        gateway: GatewayId::parse("g1").unwrap(),
        incarnation: Incarnation(3),
        seq: 4,
        state,
        region: "eu".into(),
        version: "0.1.0".into(),
        probe: Some("192.0.2.1:9568".parse().unwrap()),
        offers: BTreeMap::from([(JobKind::Rtsp, 30), (JobKind::File, 30), (JobKind::Rtmp, 40), (JobKind::Srt, 50)]),
        listens: BTreeMap::from([(JobKind::Rtmp, "rtmp://media.example.com:1935/live".into())]),
        transcoder: Some(Transcoder { version: "5.1.9-0+deb12u1".into(), cost_permille: 600 }),
        listens_encrypted: BTreeMap::from([(JobKind::Rtmp, "rtmps://media.example.com:1936/live".into())]),
        serves: Some(Serves { public: "https://live.example.com".into(), inner: "http://192.0.2.1:9580".into() }),
        capacity_permille: 1_600,
        load_permille: 200,
        jobs: 7,
    }
}

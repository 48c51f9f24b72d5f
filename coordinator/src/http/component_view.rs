//! Components as the API shows them: with exactly the keys of Fishjam 0.6, and with what is beyond.

use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;
use velella_coordinator_core::ComponentView;
use velella_model::component::{ComponentRecord, ComponentSpec, FileSpec, HlsSpec, PublishSpec, RtspSpec};
use velella_model::wire::ingest;
use velella_model::{PeerId, RoomId};

use crate::http::components::Publishing;
use crate::http::view::{self, Track};

/// A component, as Fishjam 0.6 shows it.
#[derive(Serialize, ToSchema)]
pub(crate) struct OlderComponent<'a> {
    id: &'a str,
    /// `rtsp`, `file`, `rtmp`, `srt` or `hls`.
    r#type: &'static str,
    properties: Properties<'a>,
    tracks: Vec<Track<'a>>,
}

/// A component of a room.
#[derive(Serialize, ToSchema)]
pub(crate) struct Component<'a> {
    #[serde(flatten)]
    #[schema(inline)]
    known: OlderComponent<'a>,
    #[schema(value_type = Object)]
    metadata: &'a RawValue,
    /// `waiting` for its publisher or the first participant, `connecting`, `live`, `retrying` or `stopped`.
    state: &'static str,
    /// What went wrong last.
    trouble: Option<Trouble<'a>>,
    /// What comes through; null while it is not live.
    flow: Option<Flow>,
    /// What is not well about that: `key_frames_far_apart` when they are more than 4 s apart, so that whoever joins
    /// waits that long for a picture.
    warnings: Vec<&'static str>,
    /// What went wrong last, whether or not it goes well since: also why a publisher was sent away.
    #[serde(rename = "lastTrouble")]
    last_trouble: Option<PastTrouble<'a>>,
    /// The gateway that does it.
    gateway: Option<&'a str>,
}

/// What went wrong.
#[derive(Serialize, ToSchema)]
pub(crate) struct Trouble<'a> {
    /// For programs; it stays when the sentence changes.
    code: &'a str,
    /// One sentence for people.
    sentence: &'a str,
}

/// What comes through of a component, as its gateway measured it in the last two seconds.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Flow {
    /// Pictures and sound, in bits per second.
    bitrate: u64,
    /// Pictures per second.
    frame_rate: f64,
    /// Seconds between the last two key frames, or since the last one if that is more.
    key_frame_interval: Option<f64>,
    /// Packets that did not reach the gateway, since it began.
    packets_lost: u64,
}

/// What went wrong at some time.
#[derive(Serialize, ToSchema)]
pub(crate) struct PastTrouble<'a> {
    #[serde(flatten)]
    #[schema(inline)]
    trouble: Trouble<'a>,
    /// When, in milliseconds since 1970.
    #[serde(rename = "atMs")]
    at_ms: u64,
}

/// What is known of a component besides its tracks.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub(crate) enum Properties<'a> {
    Rtsp(Rtsp<'a>),
    File(File<'a>),
    Publish(Publish<'a>),
    Broadcast(Broadcast<'a>),
}

/// Of a camera.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Rtsp<'a> {
    /// Without user, password and query.
    source_uri: &'a str,
    /// Of its second stream, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    sub_source_uri: Option<&'a str>,
    rtp_port: u16,
    /// Milliseconds.
    reconnect_delay: u32,
    /// Milliseconds.
    keep_alive_interval: u32,
    pierce_nat: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    on_demand: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    transcode: Option<bool>,
}

/// Of a file.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct File<'a> {
    file_path: &'a str,
    framerate: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    transcode: Option<bool>,
}

/// Of an encoder that comes.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Publish<'a> {
    takeover: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    transcode: Option<bool>,
    /// Where it can go; only in the answer to its creation.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    urls: Option<&'a [String]>,
    /// What it has to show there; only in the answer to its creation.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    stream_key: Option<&'a str>,
}

/// Of a broadcast.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Broadcast<'a> {
    /// Whether it could be watched already.
    playable: bool,
    low_latency: bool,
    persistent: bool,
    /// Seconds.
    target_window_duration: Option<u32>,
    /// `auto` or `manual`.
    subscribe_mode: &'static str,
    /// Always null.
    s3: Option<()>,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    #[schema(inline)]
    beyond: Option<BeyondBroadcast<'a>>,
}

/// Of a broadcast, beyond Fishjam 0.6.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BeyondBroadcast<'a> {
    /// Seconds of a segment.
    target_duration: u8,
    /// Seconds of a part.
    part_duration: f64,
    /// Peers and components that it is subscribed to; null in the mode `auto`.
    origins: Option<Vec<&'a str>>,
    /// Its playlist, below the address of this server.
    url: String,
}

/// With the keys of Fishjam 0.6, and `onDemand` and `transcode` where they were asked for. `publishing` right after its creation.
pub(crate) fn older<'a>(view: &'a ComponentView, publishing: Option<&'a Publishing>) -> OlderComponent<'a> {
    let mut component = known(view, publishing);
    if let Properties::Rtsp(rtsp) = &mut component.properties {
        rtsp.on_demand = rtsp.on_demand.filter(|on_demand| *on_demand);
    }
    component
}

/// The same with what is beyond.
fn newer<'a>(room: &RoomId, view: &'a ComponentView, publishing: Option<&'a Publishing>) -> OlderComponent<'a> {
    let mut component = known(view, publishing);
    if let (Properties::Broadcast(broadcast), ComponentSpec::Hls(spec)) = (&mut component.properties, &view.record.spec)
    {
        let origins = view.record.subscriptions.as_ref();
        broadcast.beyond = Some(BeyondBroadcast {
            target_duration: spec.target_duration_s,
            part_duration: f64::from(spec.part_target_ms) / 1000.0,
            origins: origins.map(|origins| origins.peers.iter().map(PeerId::as_str).collect()),
            url: format!("/hls/{room}/index.m3u8"),
        });
    }
    component
}

/// With everything.
pub(crate) fn component<'a>(
    room: &RoomId,
    view: &'a ComponentView,
    publishing: Option<&'a Publishing>,
) -> Component<'a> {
    let told = view.ingest.as_ref().and_then(|ingest| ingest.trouble.as_ref());
    let nobody = Trouble { code: "no_gateway", sentence: "No gateway can take it at the moment." };
    Component {
        known: newer(room, view, publishing),
        metadata: view::raw(&view.record.metadata),
        state: view.state().name(),
        trouble: match told {
            Some(trouble) => Some(Trouble { code: &trouble.code, sentence: &trouble.sentence }),
            None => view.lacks_gateway().then_some(nobody),
        },
        flow: view.flow.as_ref().map(flow),
        warnings: warnings(view),
        last_trouble: view.last_trouble.as_ref().map(past),
        gateway: view.gateway().map(velella_model::GatewayId::as_str),
    }
}

pub(crate) fn flow(flow: &ingest::Flow) -> Flow {
    let ingest::Flow { bitrate_bps, pictures_per_1000_s, key_frame_interval_ms, packets_lost } = *flow;
    Flow {
        bitrate: bitrate_bps,
        frame_rate: f64::from(pictures_per_1000_s) / 1000.0,
        key_frame_interval: key_frame_interval_ms.map(|ms| f64::from(ms) / 1000.0),
        packets_lost,
    }
}

pub(crate) fn warnings(view: &ComponentView) -> Vec<&'static str> {
    view.flow.iter().flat_map(ingest::Flow::warnings).collect()
}

pub(crate) fn past(past: &ingest::PastTrouble) -> PastTrouble<'_> {
    let velella_model::component::Trouble { code, sentence } = &past.trouble;
    PastTrouble { trouble: Trouble { code, sentence }, at_ms: past.at_ms }
}

fn known<'a>(view: &'a ComponentView, publishing: Option<&'a Publishing>) -> OlderComponent<'a> {
    OlderComponent {
        id: view.component.as_str(),
        r#type: view.record.spec.kind().name(),
        properties: properties(view, publishing),
        tracks: view.ingest.as_ref().map(|ingest| view::tracks(&ingest.tracks)).unwrap_or_default(),
    }
}

fn properties<'a>(view: &'a ComponentView, publishing: Option<&'a Publishing>) -> Properties<'a> {
    let record: &ComponentRecord = &view.record;
    let transcode = record.transcode.then_some(true);
    match &record.spec {
        ComponentSpec::Rtsp(RtspSpec {
            shown,
            sub,
            reconnect_delay_ms,
            keep_alive_interval_ms,
            rtp_port,
            pierce_nat,
            on_demand,
            ..
        }) => Properties::Rtsp(Rtsp {
            source_uri: shown,
            sub_source_uri: sub.as_ref().map(|sub| sub.shown.as_str()),
            rtp_port: *rtp_port,
            reconnect_delay: *reconnect_delay_ms,
            keep_alive_interval: *keep_alive_interval_ms,
            pierce_nat: *pierce_nat,
            on_demand: Some(*on_demand),
            transcode,
        }),
        ComponentSpec::File(FileSpec { path, framerate }) => {
            Properties::File(File { file_path: path, framerate: *framerate, transcode })
        }
        ComponentSpec::Hls(HlsSpec { low_latency, window_s, persistent, .. }) => Properties::Broadcast(Broadcast {
            playable: view.has_been_live,
            low_latency: *low_latency,
            persistent: *persistent,
            target_window_duration: *window_s,
            subscribe_mode: if record.subscriptions.is_some() { "manual" } else { "auto" },
            s3: None,
            beyond: None,
        }),
        ComponentSpec::Rtmp(PublishSpec { takeover, .. }) | ComponentSpec::Srt(PublishSpec { takeover, .. }) => {
            Properties::Publish(Publish {
                takeover: *takeover,
                transcode,
                urls: publishing.map(|publishing| publishing.urls.as_slice()),
                stream_key: publishing.map(|publishing| publishing.key.as_str()),
            })
        }
    }
}

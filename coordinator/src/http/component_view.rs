//! Components as the API shows them: with exactly the keys of Fishjam 0.6, and with what is beyond.

use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;
use velella_coordinator_core::ComponentView;
use velella_model::component::{ComponentSpec, FileSpec, PublishSpec, RtspSpec};

use crate::http::components::Publishing;
use crate::http::view::{self, Track};

/// A component, as Fishjam 0.6 shows it.
#[derive(Serialize, ToSchema)]
pub(crate) struct OlderComponent<'a> {
    id: &'a str,
    /// `rtsp`, `file`, `rtmp` or `srt`.
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

/// What is known of a component besides its tracks.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub(crate) enum Properties<'a> {
    Rtsp(Rtsp<'a>),
    File(File<'a>),
    Publish(Publish<'a>),
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
}

/// Of a file.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct File<'a> {
    file_path: &'a str,
    framerate: Option<u32>,
}

/// Of an encoder that comes.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Publish<'a> {
    takeover: bool,
    /// Where it can go; only in the answer to its creation.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    urls: Option<&'a [String]>,
    /// What it has to show there; only in the answer to its creation.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    stream_key: Option<&'a str>,
}

/// With the keys of Fishjam 0.6, and `onDemand` where it was asked for. `publishing` right after its creation.
pub(crate) fn older<'a>(view: &'a ComponentView, publishing: Option<&'a Publishing>) -> OlderComponent<'a> {
    let mut component = known(view, publishing);
    if let Properties::Rtsp(rtsp) = &mut component.properties {
        rtsp.on_demand = rtsp.on_demand.filter(|on_demand| *on_demand);
    }
    component
}

/// With everything.
pub(crate) fn component<'a>(view: &'a ComponentView, publishing: Option<&'a Publishing>) -> Component<'a> {
    let told = view.ingest.as_ref().and_then(|ingest| ingest.trouble.as_ref());
    let nobody = Trouble { code: "no_gateway", sentence: "No gateway can take it at the moment." };
    Component {
        known: known(view, publishing),
        metadata: view::raw(&view.record.metadata),
        state: view.state().name(),
        trouble: match told {
            Some(trouble) => Some(Trouble { code: &trouble.code, sentence: &trouble.sentence }),
            None => view.lacks_gateway().then_some(nobody),
        },
        gateway: view.gateway().map(velella_model::GatewayId::as_str),
    }
}

fn known<'a>(view: &'a ComponentView, publishing: Option<&'a Publishing>) -> OlderComponent<'a> {
    OlderComponent {
        id: view.component.as_str(),
        r#type: view.record.spec.kind().name(),
        properties: properties(&view.record.spec, publishing),
        tracks: view.ingest.as_ref().map(|ingest| view::tracks(&ingest.tracks)).unwrap_or_default(),
    }
}

fn properties<'a>(spec: &'a ComponentSpec, publishing: Option<&'a Publishing>) -> Properties<'a> {
    match spec {
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
        }),
        ComponentSpec::File(FileSpec { path, framerate }) => {
            Properties::File(File { file_path: path, framerate: *framerate })
        }
        ComponentSpec::Rtmp(PublishSpec { takeover, .. }) | ComponentSpec::Srt(PublishSpec { takeover, .. }) => {
            Properties::Publish(Publish {
                takeover: *takeover,
                urls: publishing.map(|publishing| publishing.urls.as_slice()),
                stream_key: publishing.map(|publishing| publishing.key.as_str()),
            })
        }
    }
}

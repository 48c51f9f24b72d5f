//! Components: what a room holds besides peers, as the store keeps it.
//!
//! Two records each. The [`ComponentRecord`] is what was asked for and who shall do it; coordinators
//! write it. The [`IngestRecord`] is how far the one who does it has come; that gateway writes it under its
//! own lease, so that it is gone when the gateway is.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::record::{Sealed, Subscriptions, TrackRecord};
use crate::wire::Message;
use crate::{GatewayId, Generation, Incarnation, Json, TrackId};

/// A component: what was asked for, and who does it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ComponentRecord {
    /// As asked for.
    pub spec: ComponentSpec,
    /// What the server attached to it, for other participants to see.
    pub metadata: Json,
    /// Make what browsers cannot show (H.265, B-frames) into what they can; otherwise it is refused.
    #[serde(default)]
    pub transcode: bool,
    /// Whom it receives of, for what is made of a room; everybody if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subscriptions: Option<Subscriptions>,
    /// Who shall do it; nobody while no gateway fits, and for what is published: whoever the publisher
    /// connects to does it.
    pub job: Option<Job>,
}

/// Who shall do it. Its generation is the revision of the record, so whoever reads an older one knows less.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Job {
    /// The gateway.
    pub gateway: GatewayId,
    /// Its boot.
    pub incarnation: Incarnation,
}

/// What a component does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ComponentSpec {
    /// A camera that is asked for its stream.
    Rtsp(RtspSpec),
    /// A file that is played.
    File(FileSpec),
    /// An encoder that publishes over RTMP.
    Rtmp(PublishSpec),
    /// An encoder that publishes over SRT.
    Srt(PublishSpec),
    /// The room as a stream over HTTP.
    Hls(HlsSpec),
}

/// Kind of job, as gateways offer it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobKind {
    /// [`ComponentSpec::Rtsp`].
    Rtsp,
    /// [`ComponentSpec::File`].
    File,
    /// [`ComponentSpec::Rtmp`].
    Rtmp,
    /// [`ComponentSpec::Srt`].
    Srt,
    /// [`ComponentSpec::Hls`].
    Hls,
}

impl ComponentSpec {
    /// What a gateway must offer to do it.
    #[must_use]
    pub fn kind(&self) -> JobKind {
        match self {
            Self::Rtsp(_) => JobKind::Rtsp,
            Self::File(_) => JobKind::File,
            Self::Rtmp(_) => JobKind::Rtmp,
            Self::Srt(_) => JobKind::Srt,
            Self::Hls(_) => JobKind::Hls,
        }
    }
}

impl JobKind {
    /// All.
    pub const ALL: [Self; 5] = [Self::Rtsp, Self::File, Self::Rtmp, Self::Srt, Self::Hls];

    /// Whether a gateway is chosen for it; otherwise a publisher comes to one.
    #[must_use]
    pub fn is_pulled(self) -> bool {
        match self {
            Self::Rtsp | Self::File | Self::Hls => true,
            Self::Rtmp | Self::Srt => false,
        }
    }

    /// As the API and metrics call it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Rtsp => "rtsp",
            Self::File => "file",
            Self::Rtmp => "rtmp",
            Self::Srt => "srt",
            Self::Hls => "hls",
        }
    }
}

/// A camera.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RtspSpec {
    /// Where it is, without user, password and query: those are secrets.
    pub shown: String,
    /// The whole URL, sealed under the key of the record.
    pub source: Sealed,
    /// Its second, smaller stream, that viewers may choose instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sub: Option<SubStream>,
    /// First wait before it is tried again, in milliseconds; later ones are longer.
    pub reconnect_delay_ms: u32,
    /// Between signs of life, in milliseconds.
    pub keep_alive_interval_ms: u32,
    /// UDP port that media may come to; 0 leaves the choice to the gateway.
    pub rtp_port: u16,
    /// Send packets out first, so that a NAT lets media in.
    pub pierce_nat: bool,
    /// Only while somebody is in the room.
    pub on_demand: bool,
}

/// The second stream of a camera.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubStream {
    /// Where it is, without user, password and query.
    pub shown: String,
    /// The whole URL, sealed under the key of the record.
    pub source: Sealed,
}

/// A file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileSpec {
    /// Below the directory that gateways play from.
    pub path: String,
    /// Pictures per second, where the file does not say it.
    pub framerate: Option<u32>,
}

/// An encoder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublishSpec {
    /// SHA-256 of the stream key, in hex: who reads the store cannot publish.
    pub key_digest: String,
    /// A second publisher takes the place of the first; otherwise it is refused.
    pub takeover: bool,
}

/// A room as a stream over HTTP.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HlsSpec {
    /// Show parts, so that viewers are some two seconds behind.
    pub low_latency: bool,
    /// Seconds of a segment, rounded, at most.
    pub target_duration_s: u8,
    /// Milliseconds of a part, at most.
    pub part_target_ms: u16,
    /// Seconds of the past that viewers may go back to; the least that is legal if absent.
    pub window_s: Option<u32>,
    /// Keep all of it, also when the room is over.
    pub persistent: bool,
}

/// How far a stream has come, for the gateway that goes on with it when the first one dies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamRecord {
    /// Who wrote it.
    pub job: Job,
    /// Revision of the component's record that it does.
    pub generation: Generation,
    /// The state of its packager.
    pub state: Bytes,
}

/// How far the gateway that does it has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IngestRecord {
    /// Who does it.
    pub job: Job,
    /// Revision of the component's record that it does.
    pub generation: Generation,
    /// How it goes.
    pub state: IngestState,
    /// What went wrong last.
    pub trouble: Option<Trouble>,
    /// What it publishes in the room.
    pub tracks: BTreeMap<TrackId, TrackRecord>,
}

/// How an ingest goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IngestState {
    /// For its publisher, or for the first participant.
    Waiting,
    /// It is on its way.
    Connecting,
    /// Media flows.
    Live,
    /// It failed and is tried again.
    Retrying,
    /// It failed in a way that another attempt would not change.
    Stopped,
}

impl IngestState {
    /// All.
    pub const ALL: [Self; 5] = [Self::Waiting, Self::Connecting, Self::Live, Self::Retrying, Self::Stopped];

    /// As the API and metrics call it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Connecting => "connecting",
            Self::Live => "live",
            Self::Retrying => "retrying",
            Self::Stopped => "stopped",
        }
    }
}

/// What went wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trouble {
    /// Stable, for machines: `login_refused`.
    pub code: String,
    /// One sentence for people. Holds no secret.
    pub sentence: String,
}

/// A gateway that lives, under its lease.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GatewayRecord {
    /// Its boot.
    pub incarnation: Incarnation,
}

impl Message for ComponentRecord {}
impl Message for IngestRecord {}
impl Message for GatewayRecord {}
impl Message for StreamRecord {}

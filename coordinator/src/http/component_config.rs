//! A `ComponentConfig`, of every generation of the API: what kind of component, and its options.

use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;
use velella_model::Json;
use velella_model::component::FileSpec;

use crate::http::body::{boolean, expected, positive, said, unexpected};
use crate::http::broadcast_config::{self, BroadcastWish};
use crate::http::failure::Failure;
use crate::http::peer_config;
use crate::http::source_uri::SourceUri;

/// As the older API had them.
const RTP_PORT_DEFAULT: u16 = 20_000;
const RECONNECT_DELAY_MS_DEFAULT: u32 = 15_000;
const KEEP_ALIVE_INTERVAL_MS_DEFAULT: u32 = 15_000;
const FRAMERATE_DEFAULT: u32 = 30;

/// Longer than any path of a test source.
const FILE_PATH_BYTES_MAX: usize = 1024;

/// Faster than any camera.
const FRAMERATE_MAX: u32 = 240;

/// What a component shall be.
#[derive(Deserialize, ToSchema)]
#[expect(dead_code, reason = "bodies are read by hand, in the words that clients know; this is their description")]
pub(crate) struct ComponentConfigBody {
    /// `rtsp`, `file`, `rtmp`, `srt` or `hls`.
    r#type: String,
    options: Option<ComponentOptionsBody>,
}

/// Its options, each for the kind that it names.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "see above")]
pub(crate) struct ComponentOptionsBody {
    /// What the server attaches to it; others see it.
    #[schema(value_type = Option<Object>)]
    metadata: Option<Value>,
    /// `rtsp`, which must have it: where the camera is, `rtsp://user:password@host/path`.
    source_uri: Option<String>,
    /// `rtsp`: where its second, smaller stream is, likewise; viewers may choose it as encoding `l`.
    sub_source_uri: Option<String>,
    /// `rtsp`: UDP port that media may come to, 20000 if absent; 0 leaves the choice to the gateway.
    rtp_port: Option<u16>,
    /// `rtsp`: first wait before it is tried again, in milliseconds; 15000 if absent.
    reconnect_delay: Option<u32>,
    /// `rtsp`: between signs of life, in milliseconds; 15000 if absent.
    keep_alive_interval: Option<u32>,
    /// `rtsp`: send packets out first, so that a NAT lets media in; true if absent.
    pierce_nat: Option<bool>,
    /// `rtsp`: only while somebody is in the room.
    on_demand: Option<bool>,
    /// `file`, which must have it: below the directory that gateways play from.
    file_path: Option<String>,
    /// `file`: pictures per second of a `.h264` file, 30 if absent.
    framerate: Option<u32>,
    /// `rtmp`, `srt`: a second publisher takes the place of the first; otherwise it is refused.
    takeover: Option<bool>,
    /// `hls`: show parts of segments, so that viewers are some two seconds behind; otherwise some ten.
    low_latency: Option<bool>,
    /// `hls`: seconds that viewers may go back; as few as is legal if absent.
    target_window_duration: Option<u32>,
    /// `hls`: keep all of it. It is noted; recordings are not served yet.
    persistent: Option<bool>,
    /// `hls`: whom it shows: `auto`, everybody, or `manual`, those that it is subscribed to.
    subscribe_mode: Option<String>,
    /// `hls`: seconds of a segment, 1 to 60; 4 if absent.
    target_duration: Option<u8>,
    /// `hls`: seconds of a part, 0.1 to half the `targetDuration`; 0.5 if absent.
    part_duration: Option<f64>,
    /// `hls`: where it is uploaded; nothing but null is taken yet.
    #[schema(value_type = Option<Object>)]
    s3: Option<Value>,
    /// Make what browsers cannot show (H.265, B-frames) into what they can; otherwise it is refused. Costs a good part of
    /// a core where it is needed.
    transcode: Option<bool>,
}

/// Kinds of component that clients know of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Hls,
    Rtsp,
    File,
    Sip,
    Recording,
    Rtmp,
    Srt,
}

impl Kind {
    fn parse(name: &str) -> Option<Self> {
        let all = [Self::Hls, Self::Rtsp, Self::File, Self::Sip, Self::Recording, Self::Rtmp, Self::Srt];
        all.into_iter().find(|kind| kind.name() == name)
    }

    fn name(self) -> &'static str {
        match self {
            Self::Hls => "hls",
            Self::Rtsp => "rtsp",
            Self::File => "file",
            Self::Sip => "sip",
            Self::Recording => "recording",
            Self::Rtmp => "rtmp",
            Self::Srt => "srt",
        }
    }

    /// What every one of its kind must say.
    fn required(self) -> Option<&'static str> {
        match self {
            Self::Rtsp => Some("sourceUri"),
            Self::File => Some("filePath"),
            Self::Sip => Some("registrarCredentials"),
            Self::Hls | Self::Recording | Self::Rtmp | Self::Srt => None,
        }
    }

    /// Those that do not take any video.
    fn is_particular(self) -> bool {
        match self {
            Self::Hls | Self::Rtsp | Self::Recording | Self::Rtmp | Self::Srt => true,
            Self::File | Self::Sip => false,
        }
    }
}

/// A body whose kind is known.
pub(crate) struct Asked<'a> {
    kind: Kind,
    options: Option<&'a Map<String, Value>>,
}

/// A component as it is asked for.
pub(crate) struct ComponentWish {
    pub(crate) source: Source,
    pub(crate) metadata: Json,
    pub(crate) transcode: bool,
}

/// Where its media come from.
pub(crate) enum Source {
    Camera(Camera),
    File(FileSpec),
    Rtmp { takeover: bool },
    Srt { takeover: bool },
    Room(BroadcastWish),
}

/// How to ask a camera.
pub(crate) struct Camera {
    pub(crate) uri: SourceUri,
    pub(crate) sub_uri: Option<SourceUri>,
    pub(crate) rtp_port: u16,
    pub(crate) reconnect_delay_ms: u32,
    pub(crate) keep_alive_interval_ms: u32,
    pub(crate) pierce_nat: bool,
    pub(crate) on_demand: bool,
}

impl<'a> Asked<'a> {
    pub(crate) fn read(body: &'a Map<String, Value>) -> Result<Self, Failure> {
        let kind = body.get("type").and_then(Value::as_str).ok_or(Failure::BAD_BODY)?;
        let kind = Kind::parse(kind).ok_or_else(|| Failure::bad_request("Invalid component type".into()))?;
        let options = match body.get("options") {
            None | Some(Value::Null) => None,
            Some(options) => Some(options.as_object().ok_or(Failure::BAD_BODY)?),
        };
        Ok(Self { kind, options })
    }

    /// Reads the options, for a room whose codec `suits` a kind or does not. A kind that is not built answers, after
    /// its options were looked at, as one that the operator switched off.
    pub(crate) fn wish(&self, room: &str, suits: impl Fn(Kind) -> bool) -> Result<ComponentWish, Failure> {
        if let Some(field) = self.kind.required().filter(|field| self.option(field).is_none()) {
            return Err(Failure::bad_request(format!("Required field \"{field}\" missing")));
        }
        if self.kind.is_particular() && !suits(self.kind) {
            return Err(Failure::bad_request(format!("Incompatible video codec enforced in room {room}")));
        }
        let source = match self.kind {
            Kind::Rtsp => Source::Camera(self.camera()?),
            Kind::File => Source::File(self.file()?),
            Kind::Rtmp => Source::Rtmp { takeover: self.takeover()? },
            Kind::Srt => Source::Srt { takeover: self.takeover()? },
            Kind::Hls if self.option("transcode").is_some_and(|value| *value != false) => {
                let errors = "Broadcasts are not transcoded by this server: leave transcode out";
                return Err(Failure::component_disabled(errors.into()));
            }
            Kind::Hls => Source::Room(broadcast_config::read(self.own())?),
            Kind::Recording if self.option("credentials").is_none() => {
                let errors = "S3 credentials has to be passed either by request or at application startup as envs";
                return Err(Failure::bad_request(errors.into()));
            }
            Kind::Sip | Kind::Recording => {
                let errors = format!("Components of type {} are disabled on this Fishjam", self.kind.name());
                return Err(Failure::component_disabled(errors));
            }
        };
        let metadata = peer_config::metadata(self.option("metadata"))?;
        let transcode = self.option("transcode").map_or(Ok(false), |value| boolean("transcode", value))?;
        Ok(ComponentWish { source, metadata, transcode })
    }

    fn option(&self, key: &str) -> Option<&'a Value> {
        self.options?.get(key).filter(|value| !value.is_null())
    }

    /// The options that say something, but for those of every kind.
    fn own(&self) -> impl Iterator<Item = (&'a str, &'a Value)> {
        self.options.into_iter().flat_map(said).filter(|(key, _)| !matches!(*key, "metadata" | "transcode"))
    }

    fn camera(&self) -> Result<Camera, Failure> {
        let uri = self.option("sourceUri").and_then(Value::as_str).unwrap_or_default();
        let mut camera = Camera {
            uri: SourceUri::parse("sourceUri", uri)?,
            sub_uri: None,
            rtp_port: RTP_PORT_DEFAULT,
            reconnect_delay_ms: RECONNECT_DELAY_MS_DEFAULT,
            keep_alive_interval_ms: KEEP_ALIVE_INTERVAL_MS_DEFAULT,
            pierce_nat: true,
            on_demand: false,
        };
        for (key, value) in self.own() {
            match key {
                "sourceUri" => {}
                "subSourceUri" => {
                    camera.sub_uri = Some(SourceUri::parse("subSourceUri", value.as_str().unwrap_or_default())?);
                }
                "rtpPort" => {
                    let port = value.as_u64().and_then(|port| u16::try_from(port).ok());
                    camera.rtp_port = port.ok_or_else(|| expected("rtpPort to be a port", value))?;
                }
                "reconnectDelay" => camera.reconnect_delay_ms = positive(key, value)?,
                "keepAliveInterval" => camera.keep_alive_interval_ms = positive(key, value)?,
                "pierceNat" => camera.pierce_nat = boolean(key, value)?,
                "onDemand" => camera.on_demand = boolean(key, value)?,
                _ => return Err(unexpected(key)),
            }
        }
        Ok(camera)
    }

    fn file(&self) -> Result<FileSpec, Failure> {
        let bad = |errors: &str| Err(Failure::bad_request(errors.into()));
        if let Some((key, _)) = self.own().find(|(key, _)| !matches!(*key, "filePath" | "framerate")) {
            return Err(unexpected(key));
        }
        let Some(path) = self.option("filePath").and_then(Value::as_str) else { return bad("Invalid file path") };
        let is_plain = path.len() <= FILE_PATH_BYTES_MAX && !path.contains(char::is_control);
        if !is_plain || path.starts_with('/') || path.split('/').any(|part| part == "..") {
            return bad("Invalid file path");
        }
        let framerate = self.option("framerate");
        let framerate = match path.rsplit_once('.').map(|(_, extension)| extension) {
            Some("ogg") if framerate.is_some() => {
                return bad("Attempted to set framerate for audio component which is not supported.");
            }
            Some("mp4") if framerate.is_some() => return bad("Invalid framerate passed"),
            Some("ogg" | "mp4") => None,
            Some("h264") => match framerate.map(|rate| positive("framerate", rate)) {
                None => Some(FRAMERATE_DEFAULT),
                Some(Ok(rate)) if rate <= FRAMERATE_MAX => Some(rate),
                Some(Ok(_) | Err(_)) => return bad("Invalid framerate passed"),
            },
            Some(_) | None => return bad("Unsupported file type"),
        };
        Ok(FileSpec { path: path.to_owned(), framerate })
    }

    fn takeover(&self) -> Result<bool, Failure> {
        if let Some((key, _)) = self.own().find(|(key, _)| *key != "takeover") {
            return Err(unexpected(key));
        }
        self.option("takeover").map_or(Ok(false), |value| boolean("takeover", value))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use utoipa::PartialSchema;

    use super::*;

    #[test]
    fn wrong_options_are_told_in_the_servers_known_words() {
        let s3 = "S3 credentials has to be passed either by request or at application startup as envs";
        let audio = "Attempted to set framerate for audio component which is not supported.";
        let table = [
            ("rtsp", json!({}), "Required field \"sourceUri\" missing"),
            ("rtsp", json!({"sourceUri": 7}), "Expected sourceUri to be a URL of rtsp or rtsps"),
            (
                "rtsp",
                json!({"sourceUri": "rtsp://c", "subSourceUri": "http://admin:s3cret@c"}),
                "Expected subSourceUri to be a URL of rtsp or rtsps",
            ),
            ("rtsp", json!({"sourceUri": "rtsp://c", "rtpPort": 65536}), "Expected rtpPort to be a port, got: 65536"),
            ("rtsp", json!({"sourceUri": "rtsp://c", "color": 1}), "Unexpected field: color"),
            ("rtsp", json!({"sourceUri": "rtsp://c", "metadata": 1}), "Expected metadata to be an object"),
            ("sip", json!({}), "Required field \"registrarCredentials\" missing"),
            ("file", json!({"filePath": null}), "Required field \"filePath\" missing"),
            ("file", json!({"filePath": "../a.h264"}), "Invalid file path"),
            ("file", json!({"filePath": "x".repeat(2000)}), "Invalid file path"),
            ("file", json!({"filePath": "a\n.h264"}), "Invalid file path"),
            ("file", json!({"filePath": "a.h264", "framerate": 241}), "Invalid framerate passed"),
            ("file", json!({"filePath": "a.avi"}), "Unsupported file type"),
            ("file", json!({"filePath": "a.mp4", "framerate": 30}), "Invalid framerate passed"),
            ("file", json!({"filePath": "a.h264", "framerate": -1}), "Invalid framerate passed"),
            ("file", json!({"filePath": "a.ogg", "framerate": 30}), audio),
            ("recording", json!({}), s3),
            ("rtmp", json!({"takeover": "x"}), "Expected takeover to be a boolean, got: x"),
            ("srt", json!({"streamKey": "mine"}), "Unexpected field: streamKey"),
            ("file", json!({"filePath": "a.h264", "transcode": 1}), "Expected transcode to be a boolean, got: 1"),
        ];
        for (kind, options, errors) in table {
            assert_eq!(wrong(kind, &options, true), Failure::bad_request(errors.into()), "{kind}");
        }
        let disabled = Failure::component_disabled("Components of type sip are disabled on this Fishjam".into());
        assert_eq!(wrong("sip", &json!({"registrarCredentials": {}}), true), disabled);
        assert!(wrong("hls", &json!({"transcode": true}), true).is("component_disabled"));
    }

    #[test]
    fn what_repackages_h264_wants_a_room_of_it() {
        let errors = Failure::bad_request("Incompatible video codec enforced in room r".into());
        for kind in ["hls", "rtmp", "srt"] {
            assert_eq!(wrong(kind, &json!({}), false), errors, "{kind}");
        }
        assert!(wish("file", &json!({"filePath": "a.ogg"}), false).is_ok());
    }

    #[test]
    fn options_have_the_defaults_of_the_older_api() {
        let Source::Camera(camera) = wish("rtsp", &json!({"sourceUri": "rtsp://c"}), true).ok().unwrap().source else {
            panic!("a camera")
        };
        let Camera { rtp_port, reconnect_delay_ms, keep_alive_interval_ms, pierce_nat, on_demand, .. } = camera;
        assert_eq!((rtp_port, reconnect_delay_ms, keep_alive_interval_ms), (20_000, 15_000, 15_000));
        assert_eq!((pierce_nat, on_demand), (true, false));
        for (path, framerate) in [("a.h264", Some(30)), ("b/a.ogg", None), ("a.mp4", None)] {
            let Source::File(file) = wish("file", &json!({"filePath": path}), true).ok().unwrap().source else {
                panic!("a file")
            };
            assert_eq!(file, FileSpec { path: path.into(), framerate });
        }
    }

    #[test]
    fn every_source_may_be_transcoded() {
        for (kind, options) in [
            ("rtsp", json!({"sourceUri": "rtsp://c", "transcode": true})),
            ("file", json!({"filePath": "a.h264", "transcode": true})),
            ("rtmp", json!({"transcode": true})),
            ("srt", json!({"transcode": true})),
        ] {
            assert!(wish(kind, &options, true).ok().unwrap().transcode, "{kind}");
        }
        assert!(!wish("rtmp", &json!({}), true).ok().unwrap().transcode);
    }

    #[test]
    fn every_documented_option_is_read() {
        let schema = serde_json::to_value(ComponentOptionsBody::schema()).unwrap();
        let takes = |kind: &str, key: &str| {
            let options = json!({"sourceUri": "rtsp://c", "filePath": "a.h264"});
            let mut options = options.as_object().unwrap().clone();
            match kind {
                "rtsp" => drop(options.remove("filePath")),
                "file" => drop(options.remove("sourceUri")),
                _ => options.retain(|of, _| of == key),
            }
            options.insert(key.into(), json!([]));
            wrong(kind, &options.into(), true) != unexpected(key)
        };
        for key in schema["properties"].as_object().unwrap().keys() {
            assert!(["rtsp", "file", "rtmp", "hls"].iter().any(|kind| takes(kind, key)), "{key}");
        }
    }

    fn wish(kind: &str, options: &Value, h264: bool) -> Result<ComponentWish, Failure> {
        Asked::read(json!({"type": kind, "options": options}).as_object().unwrap()).unwrap().wish("r", |_| h264)
    }

    fn wrong(kind: &str, options: &Value, h264: bool) -> Failure {
        wish(kind, options, h264).err().unwrap()
    }
}

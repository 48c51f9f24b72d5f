//! `/room/{room}/component` and `/sip`. No kind of component is built yet, so after its options
//! were looked at each kind answers as one that the operator switched off.

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, State};
use serde::Deserialize;
use serde_json::{Map, Value};
use velella_model::VideoCodec;
use velella_model::record::RoomSpec;

use crate::http::Api;
use crate::http::body::{echo, object};
use crate::http::failure::{Failure, Failures};
use crate::http::rooms::{RoomPath, room_id};

/// The room and component of a path.
#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct ComponentPath {
    /// The room's id.
    room: String,
    /// The component's id.
    component: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Hls,
    Rtsp,
    File,
    Sip,
    Recording,
}

impl Kind {
    fn parse(name: &str) -> Option<Self> {
        let all = [Self::Hls, Self::Rtsp, Self::File, Self::Sip, Self::Recording];
        all.into_iter().find(|kind| kind.name() == name)
    }

    fn name(self) -> &'static str {
        match self {
            Self::Hls => "hls",
            Self::Rtsp => "rtsp",
            Self::File => "file",
            Self::Sip => "sip",
            Self::Recording => "recording",
        }
    }

    /// What every one of its kind must say.
    fn required(self) -> Option<&'static str> {
        match self {
            Self::Rtsp => Some("sourceUri"),
            Self::File => Some("filePath"),
            Self::Sip => Some("registrarCredentials"),
            Self::Hls | Self::Recording => None,
        }
    }

    /// Those that repackage H.264.
    fn wants_h264(self) -> bool {
        match self {
            Self::Hls | Self::Rtsp | Self::Recording => true,
            Self::File | Self::Sip => false,
        }
    }
}

/// Add a component: none is offered yet
#[utoipa::path(
    post,
    path = "/room/{room}/component",
    tag = "Fishjam 0.6",
    operation_id = "older_add_component",
    params(RoomPath),
    responses(Failures)
)]
pub(crate) async fn add(
    State(api): State<Api>,
    Path(path): Path<RoomPath>,
    body: Result<Bytes, BytesRejection>,
) -> Result<(), Failure> {
    let body = object(body)?;
    let kind = body.get("type").and_then(Value::as_str).ok_or(Failure::BAD_BODY)?;
    let kind = Kind::parse(kind).ok_or_else(|| Failure::bad_request("Invalid component type".into()))?;
    let none = Map::new();
    let options = match body.get("options") {
        None | Some(Value::Null) => &none,
        Some(options) => options.as_object().ok_or(Failure::BAD_BODY)?,
    };
    let room = api.show_room(path.id()?).await?;
    check(kind, options, &room.record.spec, room.room.as_str())?;
    let errors = format!("Components of type {} are disabled on this Fishjam", kind.name());
    Err(Failure::component_disabled(errors))
}

fn check(kind: Kind, options: &Map<String, Value>, spec: &RoomSpec, room: &str) -> Result<(), Failure> {
    if let Some(field) = kind.required().filter(|field| options.get(*field).is_none_or(Value::is_null)) {
        return Err(Failure::bad_request(format!("Required field \"{field}\" missing")));
    }
    let h264 = spec.video_codec == VideoCodec::H264 && !spec.video_codec_by_default;
    if kind.wants_h264() && !h264 {
        return Err(Failure::bad_request(format!("Incompatible video codec enforced in room {room}")));
    }
    match kind {
        Kind::File => check_file(options),
        Kind::Recording if options.get("credentials").is_none_or(Value::is_null) => {
            let errors = "S3 credentials has to be passed either by request or at application startup as envs";
            Err(Failure::bad_request(errors.into()))
        }
        Kind::Hls | Kind::Rtsp | Kind::Sip | Kind::Recording => Ok(()),
    }
}

fn check_file(options: &Map<String, Value>) -> Result<(), Failure> {
    let bad = |errors: &str| Err(Failure::bad_request(errors.into()));
    let Some(path) = options.get("filePath").and_then(Value::as_str) else { return bad("Invalid file path") };
    if path.starts_with('/') || path.split('/').any(|part| part == "..") {
        return bad("Invalid file path");
    }
    let framerate = options.get("framerate").filter(|framerate| !framerate.is_null());
    match path.rsplit_once('.').map(|(_, extension)| extension) {
        Some("ogg") if framerate.is_some() => {
            bad("Attempted to set framerate for audio component which is not supported.")
        }
        Some("ogg") => Ok(()),
        Some("h264") if framerate.is_some_and(|rate| rate.as_u64().is_none_or(|rate| rate == 0)) => {
            bad("Invalid framerate passed")
        }
        Some("h264") => Ok(()),
        Some(_) | None => bad("Unsupported file type"),
    }
}

/// Remove a component: there is none
#[utoipa::path(
    delete,
    path = "/room/{room}/component/{component}",
    tag = "Fishjam 0.6",
    operation_id = "older_remove_component",
    params(ComponentPath),
    responses(Failures)
)]
pub(crate) async fn remove(State(api): State<Api>, Path(path): Path<ComponentPath>) -> Result<(), Failure> {
    api.show_room(room_id(&path.room)?).await?;
    Err(Failure::not_found("component_not_found", no_component(&path)))
}

/// Subscribe a component to peers: there is none
#[utoipa::path(
    post,
    path = "/room/{room}/component/{component}/subscribe",
    tag = "Fishjam 0.6",
    operation_id = "older_subscribe_component",
    params(ComponentPath),
    responses(Failures)
)]
pub(crate) async fn subscribe(State(api): State<Api>, Path(path): Path<ComponentPath>) -> Result<(), Failure> {
    api.no_such_component(&path).await
}

/// Call a phone number: there is no SIP component
#[utoipa::path(
    post,
    path = "/sip/{room}/{component}/call",
    tag = "Fishjam 0.6",
    operation_id = "older_call",
    params(ComponentPath),
    responses(Failures)
)]
pub(crate) async fn call(State(api): State<Api>, Path(path): Path<ComponentPath>) -> Result<(), Failure> {
    api.no_such_component(&path).await
}

/// Hang up: there is no SIP component
#[utoipa::path(
    delete,
    path = "/sip/{room}/{component}/call",
    tag = "Fishjam 0.6",
    operation_id = "older_hang_up",
    params(ComponentPath),
    responses(Failures)
)]
pub(crate) async fn hang_up(State(api): State<Api>, Path(path): Path<ComponentPath>) -> Result<(), Failure> {
    api.no_such_component(&path).await
}

impl Api {
    /// A bad request, where a removal says that it is not found: as the server of these SDKs did.
    async fn no_such_component(&self, path: &ComponentPath) -> Result<(), Failure> {
        self.show_room(room_id(&path.room)?).await?;
        Err(Failure::bad_request(no_component(path)))
    }
}

fn no_component(path: &ComponentPath) -> String {
    format!("Component {} does not exist", echo(&path.component))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn wrong_options_are_told_in_the_servers_known_words() {
        let s3 = "S3 credentials has to be passed either by request or at application startup as envs";
        let audio = "Attempted to set framerate for audio component which is not supported.";
        let table = [
            ("rtsp", json!({}), "Required field \"sourceUri\" missing"),
            ("sip", json!({}), "Required field \"registrarCredentials\" missing"),
            ("file", json!({"filePath": null}), "Required field \"filePath\" missing"),
            ("file", json!({"filePath": "../a.h264"}), "Invalid file path"),
            ("file", json!({"filePath": "a.mp4"}), "Unsupported file type"),
            ("file", json!({"filePath": "a.h264", "framerate": -1}), "Invalid framerate passed"),
            ("file", json!({"filePath": "a.ogg", "framerate": 30}), audio),
            ("recording", json!({}), s3),
        ];
        for (kind, options, errors) in table {
            let checked = check(Kind::parse(kind).unwrap(), options.as_object().unwrap(), &RoomSpec::default(), "r");
            assert_eq!(checked, Err(Failure::bad_request(errors.into())), "{kind}");
        }
    }

    #[test]
    fn only_rooms_that_asked_for_h264_can_be_repackaged() {
        let unasked = RoomSpec { video_codec_by_default: true, ..RoomSpec::default() };
        let vp8 = RoomSpec { video_codec: VideoCodec::Vp8, ..RoomSpec::default() };
        let errors = Failure::bad_request("Incompatible video codec enforced in room r".into());
        for spec in [unasked, vp8] {
            assert_eq!(check(Kind::Hls, &Map::new(), &spec, "r"), Err(errors.clone()));
        }
        assert_eq!(check(Kind::Hls, &Map::new(), &RoomSpec::default(), "r"), Ok(()));
    }
}

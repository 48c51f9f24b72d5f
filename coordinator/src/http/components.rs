//! `…/component` of the current generation, beyond its published API: cameras, files, encoders.

use std::collections::BTreeSet;

use aws_lc_rs::digest;
use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;
use uuid::Uuid;
use velella_coordinator_core::{ComponentView, Reply, Request, RoomView, SUBSCRIPTIONS_MAX};
use velella_model::component::{ComponentSpec, PublishSpec, RtspSpec, SubStream};
use velella_model::record::RoomSpec;
use velella_model::{ComponentId, PeerId, RoomId, VideoCodec, key};

use crate::http::Api;
use crate::http::body::{echo, object, unexpected};
use crate::http::component_config::{Asked, Camera, ComponentConfigBody, Kind, Source};
use crate::http::component_view::{Component, component};
use crate::http::failure::{Failure, Failures};
use crate::http::peers::peer_id;
use crate::http::rooms::{RoomPath, room_id};
use crate::http::source_uri::SourceUri;
use crate::http::stream_key::StreamKey;
use crate::http::view::Data;

/// The room and component of a path.
#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct ComponentPath {
    /// The room's id.
    room: String,
    /// The component's id.
    component: String,
}

impl ComponentPath {
    pub(crate) fn room_id(&self) -> Result<RoomId, Failure> {
        room_id(&self.room)
    }

    pub(crate) fn not_found(&self) -> Failure {
        Failure::not_found("component_not_found", format!("Component {} does not exist", echo(&self.component)))
    }

    /// The component of a room.
    pub(crate) fn find<'a>(&self, room: &'a RoomView) -> Option<&'a ComponentView> {
        room.components.iter().find(|view| view.component.as_str() == self.component)
    }
}

/// What the publisher of a new component needs. It has no `Debug`: it holds a secret.
pub(crate) struct Publishing {
    pub(crate) urls: Vec<String>,
    pub(crate) key: StreamKey,
}

/// A component that was added.
pub(crate) struct Added {
    pub(crate) view: ComponentView,
    pub(crate) publishing: Option<Publishing>,
}

/// Add a component: a camera, a file, an encoder that will come, or a broadcast of the room
///
/// A room has one broadcast at most. An encoder publishes to one of the `urls` with the `streamKey`; both are told this once.
#[utoipa::path(post, path = "/room/{room}/component", tag = "components", operation_id = "add_component",
    params(RoomPath), request_body = inline(ComponentConfigBody),
    responses((status = 201, body = Data<Component<'_>>), Failures))]
pub(crate) async fn add(
    State(api): State<Api>,
    Path(path): Path<RoomPath>,
    body: Result<Bytes, BytesRejection>,
) -> Result<(StatusCode, Json<Value>), Failure> {
    let room = path.id()?;
    let Added { view, publishing } = api.add_component(room.clone(), &object(body)?, suits).await?;
    Ok((StatusCode::CREATED, Json(json!({ "data": component(&room, &view, publishing.as_ref()) }))))
}

/// What comes in is H.264; what goes out by HLS may be anything but VP8, which no player takes there.
fn suits(kind: Kind, spec: &RoomSpec) -> bool {
    match kind {
        Kind::Hls => spec.video_codec != VideoCodec::Vp8,
        Kind::Rtsp | Kind::File | Kind::Sip | Kind::Recording | Kind::Rtmp | Kind::Srt => {
            spec.video_codec == VideoCodec::H264
        }
    }
}

/// Show a component
#[utoipa::path(get, path = "/room/{room}/component/{component}", tag = "components", operation_id = "show_component",
    params(ComponentPath), responses((status = 200, body = Data<Component<'_>>), Failures))]
pub(crate) async fn show(State(api): State<Api>, Path(path): Path<ComponentPath>) -> Result<Json<Value>, Failure> {
    let (room, id) = api.ids(&path).await?;
    let ask = Request::ShowComponent { room: room.clone(), component: id };
    let Reply::Component { view, .. } = api.ask(ask).await? else { return Err(Failure::INTERNAL) };
    Ok(Json(json!({ "data": component(&room, &view, None) })))
}

/// Show somebody in a broadcast
///
/// For components of type `hls` whose `subscribeMode` is `manual`: peers and other components, with all their tracks,
/// present and future.
#[utoipa::path(post, path = "/room/{room}/component/{component}/subscribe", tag = "components",
    operation_id = "subscribe_component", params(ComponentPath), request_body = inline(OriginsBody),
    responses((status = 201, body = String), Failures))]
pub(crate) async fn subscribe(
    State(api): State<Api>,
    Path(path): Path<ComponentPath>,
    body: Result<Bytes, BytesRejection>,
) -> Result<(StatusCode, &'static str), Failure> {
    api.subscribe_component(&path, body).await
}

/// Whom a broadcast shows as well.
#[derive(Deserialize, ToSchema)]
#[expect(dead_code, reason = "bodies are read by hand; this is their description")]
pub(crate) struct OriginsBody {
    /// Ids of peers and components.
    origins: Vec<String>,
}

fn origins(body: &Map<String, Value>) -> Result<BTreeSet<PeerId>, Failure> {
    if let Some(key) = body.keys().find(|key| *key != "origins") {
        return Err(unexpected(key));
    }
    let list = body.get("origins").and_then(Value::as_array).ok_or(Failure::BAD_BODY)?;
    if list.len() > SUBSCRIPTIONS_MAX {
        return Err(Failure::subscriptions_limit());
    }
    list.iter().map(|id| peer_id(id.as_str().ok_or(Failure::BAD_BODY)?)).collect()
}

/// Remove a component
#[utoipa::path(delete, path = "/room/{room}/component/{component}", tag = "components",
    operation_id = "remove_component", params(ComponentPath), responses((status = 204), Failures))]
pub(crate) async fn remove(State(api): State<Api>, Path(path): Path<ComponentPath>) -> Result<StatusCode, Failure> {
    api.remove_component(&path).await
}

impl Api {
    /// Adds what a body asks for, if the codec of the room `suits` it.
    pub(crate) async fn add_component(
        &self,
        room: RoomId,
        body: &Map<String, Value>,
        suits: fn(Kind, &RoomSpec) -> bool,
    ) -> Result<Added, Failure> {
        let asked = Asked::read(body)?;
        let RoomView { room, record, .. } = self.show_room(room).await?;
        let wish = asked.wish(room.as_str(), |kind| suits(kind, &record.spec))?;
        let (mut component, mut subscriptions) = (component_id(Uuid::new_v4()), None);
        let (spec, stream_key) = match wish.source {
            Source::Camera(camera) => (self.camera(&key::component(&room, &component), camera)?, None),
            Source::File(file) => (ComponentSpec::File(file), None),
            Source::Room(broadcast) => {
                (component, subscriptions) = (broadcast_id(&room), broadcast.subscriptions);
                (ComponentSpec::Hls(broadcast.spec), None)
            }
            Source::Rtmp { takeover } => published(ComponentSpec::Rtmp, takeover)?,
            Source::Srt { takeover } => published(ComponentSpec::Srt, takeover)?,
        };
        let (metadata, transcode) = (wish.metadata, wish.transcode);
        let spec = Box::new(spec);
        let request = Request::AddComponent { room, component, spec, metadata, transcode, subscriptions };
        let Reply::Component { view, listens } = self.ask(request).await? else { return Err(Failure::INTERNAL) };
        Ok(Added { view, publishing: stream_key.map(|key| Publishing { urls: listens, key }) })
    }

    fn camera(&self, key: &str, camera: Camera) -> Result<ComponentSpec, Failure> {
        let Camera { uri, sub_uri, rtp_port, reconnect_delay_ms, keep_alive_interval_ms, pierce_nat, on_demand } =
            camera;
        let seal = |uri: SourceUri| {
            let shown = uri.shown().to_owned();
            Ok::<_, Failure>((shown, self.0.seal.close(key, uri.into_secret()).ok_or(Failure::INTERNAL)?))
        };
        let (shown, source) = seal(uri)?;
        let sub = sub_uri.map(seal).transpose()?.map(|(shown, source)| SubStream { shown, source });
        Ok(ComponentSpec::Rtsp(RtspSpec {
            shown,
            source,
            sub,
            reconnect_delay_ms,
            keep_alive_interval_ms,
            rtp_port,
            pierce_nat,
            on_demand,
        }))
    }

    pub(crate) async fn subscribe_component(
        &self,
        path: &ComponentPath,
        body: Result<Bytes, BytesRejection>,
    ) -> Result<(StatusCode, &'static str), Failure> {
        let origins = origins(&object(body)?)?;
        let (room, component) = self.ids(path).await?;
        self.ask(Request::SubscribeComponent { room, component, origins }).await?;
        Ok((StatusCode::CREATED, "Successfully subscribed for tracks"))
    }

    pub(crate) async fn remove_component(&self, path: &ComponentPath) -> Result<StatusCode, Failure> {
        let (room, component) = self.ids(path).await?;
        self.ask(Request::DeleteComponent { room, component }).await?;
        Ok(StatusCode::NO_CONTENT)
    }

    /// A room that is not there comes before a component whose id cannot be one.
    async fn ids(&self, path: &ComponentPath) -> Result<(RoomId, ComponentId), Failure> {
        let room = path.room_id()?;
        match ComponentId::parse(&path.component) {
            Ok(component) => Ok((room, component)),
            Err(_) => {
                self.show_room(room).await?;
                Err(path.not_found())
            }
        }
    }
}

fn component_id(uuid: Uuid) -> ComponentId {
    ComponentId::parse(&uuid.to_string()).expect("a uuid is an id")
}

/// The only one that a broadcast of this room can have: so the store takes one and no second.
fn broadcast_id(room: &RoomId) -> ComponentId {
    let digest = digest::digest(&digest::SHA256, format!("velella broadcast of {room}").as_bytes());
    let bytes = std::array::from_fn(|n| digest.as_ref().get(n).copied().unwrap_or_default());
    component_id(uuid::Builder::from_custom_bytes(bytes).into_uuid())
}

fn published(
    spec: fn(PublishSpec) -> ComponentSpec,
    takeover: bool,
) -> Result<(ComponentSpec, Option<StreamKey>), Failure> {
    let key = StreamKey::random()?;
    Ok((spec(PublishSpec { key_digest: key.digest(), takeover }), Some(key)))
}

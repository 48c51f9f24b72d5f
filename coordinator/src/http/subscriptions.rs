//! What a peer in manual mode receives: `subscribe_peer`, `subscribe_tracks` and back.

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;
use velella_coordinator_core::{PeerEdit, SUBSCRIPTIONS_MAX};
use velella_model::TrackId;
use velella_model::record::Subscriptions;

use crate::http::body::{echo, expected, object, unexpected};
use crate::http::failure::{Failure, Failures};
use crate::http::peers::{PeerPath, peer_id};
use crate::http::{Api, view};

/// Whose tracks.
#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct OtherPeer {
    /// The peer that publishes.
    peer_id: Option<String>,
}

impl OtherPeer {
    fn read(query: Result<Query<Self>, QueryRejection>) -> Result<Subscriptions, Failure> {
        let Query(Self { peer_id: text }) = query.map_err(|rejection| Failure::bad_request(rejection.body_text()))?;
        let text = text.ok_or_else(|| Failure::bad_request("Required parameter \"peer_id\" missing".into()))?;
        Ok(Subscriptions { peers: [peer_id(&text)?].into(), ..Subscriptions::default() })
    }
}

/// Which tracks.
#[derive(Deserialize, ToSchema)]
#[expect(dead_code, reason = "bodies are read by hand; this is their description")]
pub(crate) struct TracksBody {
    track_ids: Vec<String>,
}

fn tracks(body: Result<Bytes, BytesRejection>) -> Result<Subscriptions, Failure> {
    let body = object(body)?;
    if let Some(key) = body.keys().find(|key| *key != "track_ids") {
        return Err(unexpected(key));
    }
    let ids = body.get("track_ids").ok_or(Failure::BAD_BODY)?;
    let list = ids.as_array().ok_or_else(|| expected("track_ids to be a list", ids))?;
    if list.len() > SUBSCRIPTIONS_MAX {
        return Err(Failure::subscriptions_limit());
    }
    let track = |id: &Value| {
        let text = id.as_str().ok_or_else(|| expected("track_ids to be a list of texts", id))?;
        TrackId::parse(text).map_err(|_| Failure::bad_request(format!("Invalid track ID: {}", echo(text))))
    };
    let tracks = list.iter().map(track).collect::<Result<_, Failure>>()?;
    Ok(Subscriptions { tracks, ..Subscriptions::default() })
}

/// Receive all tracks of another peer
///
/// For peers whose `subscribeMode` is `manual`.
#[utoipa::path(post, path = "/room/{room}/peer/{peer}/subscribe_peer", tag = "subscriptions",
    operation_id = "subscribe_peer", params(PeerPath, OtherPeer),
    responses((status = 200, body = view::Data<view::Peer<'_>>), Failures))]
pub(crate) async fn subscribe_peer(
    State(api): State<Api>,
    Path(path): Path<PeerPath>,
    other: Result<Query<OtherPeer>, QueryRejection>,
) -> Result<Json<Value>, Failure> {
    api.subscribe(&path, PeerEdit::Subscribe(OtherPeer::read(other)?)).await
}

/// No longer receive all tracks of another peer
#[utoipa::path(post, path = "/room/{room}/peer/{peer}/unsubscribe_peer", tag = "subscriptions",
    operation_id = "unsubscribe_peer", params(PeerPath, OtherPeer),
    responses((status = 200, body = view::Data<view::Peer<'_>>), Failures))]
pub(crate) async fn unsubscribe_peer(
    State(api): State<Api>,
    Path(path): Path<PeerPath>,
    other: Result<Query<OtherPeer>, QueryRejection>,
) -> Result<Json<Value>, Failure> {
    api.subscribe(&path, PeerEdit::Unsubscribe(OtherPeer::read(other)?)).await
}

/// Receive these tracks
///
/// For peers whose `subscribeMode` is `manual`.
#[utoipa::path(post, path = "/room/{room}/peer/{peer}/subscribe_tracks", tag = "subscriptions",
    operation_id = "subscribe_tracks", params(PeerPath), request_body = inline(TracksBody),
    responses((status = 200, body = view::Data<view::Peer<'_>>), Failures))]
pub(crate) async fn subscribe_tracks(
    State(api): State<Api>,
    Path(path): Path<PeerPath>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<Value>, Failure> {
    api.subscribe(&path, PeerEdit::Subscribe(tracks(body)?)).await
}

/// No longer receive these tracks
#[utoipa::path(post, path = "/room/{room}/peer/{peer}/unsubscribe_tracks", tag = "subscriptions",
    operation_id = "unsubscribe_tracks", params(PeerPath), request_body = inline(TracksBody),
    responses((status = 200, body = view::Data<view::Peer<'_>>), Failures))]
pub(crate) async fn unsubscribe_tracks(
    State(api): State<Api>,
    Path(path): Path<PeerPath>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<Value>, Failure> {
    api.subscribe(&path, PeerEdit::Unsubscribe(tracks(body)?)).await
}

impl Api {
    async fn subscribe(&self, path: &PeerPath, edit: PeerEdit) -> Result<Json<Value>, Failure> {
        let ids = path.ids()?;
        if matches!(&edit, PeerEdit::Subscribe(Subscriptions { peers, .. }) if peers.contains(&ids.1)) {
            return Err(Failure::bad_request("A peer cannot subscribe to itself".into()));
        }
        let (peer, record) = self.edit_peer(ids, edit).await?;
        Ok(Json(json!({ "data": view::peer(&peer, &record) })))
    }
}

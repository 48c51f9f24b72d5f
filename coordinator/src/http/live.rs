//! Streaming in and watching over plain HTTP: WHIP (RFC 9725) and WHEP (draft-ietf-wish-whep), below the
//! origin, where published clients look for them. The token says which room.
//!
//! The address of a resource is a secret: who has it may end the session.

use std::sync::PoisonError;
use std::time::{Duration, Instant, SystemTime};

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::{AppendHeaders, IntoResponse, Response};
use serde::Deserialize;
use utoipa::IntoResponses;
use uuid::Uuid;
use velella_bus::BusError;
use velella_coordinator_core::{Reply, Request};
use velella_model::record::PeerKind;
use velella_model::wire::resource::{Deed, Errand, ErrandReply};
use velella_model::wire::{decode, encode};
use velella_model::{CoordinatorId, PeerId, RoomId, SessionId, subject};

use crate::http::Api;
use crate::http::auth::bearer;
use crate::http::failure::{Error, Failure, Failures};
use crate::http::livestreams::scopes;
use crate::http::rooms::{RoomPath, room_id};
use crate::rate::Rate;
use crate::resources::{ERRAND_PATIENCE, Opened, Refused};
use crate::sdp::{self, Way};
use crate::tokens::{Grant, Handle};

/// Below the origin.
pub(crate) const BASE: &str = "/api/v1/live/api";

const SDP: &str = "application/sdp";
const FRAGMENT: &str = "application/trickle-ice-sdpfrag";
const ACCEPT_PATCH: HeaderName = HeaderName::from_static("accept-patch");

/// Largest offer; that of a browser has about 6 KiB. It is kept for as long as the session lasts.
const OFFER_BYTES_MAX: usize = 64 * 1024;

/// Viewers without a token at once, and how soon one more: each costs a session and a write.
const STRANGERS_BURST: u32 = 200;
const STRANGER_REFILL: Duration = Duration::from_millis(10);

pub(crate) fn rate(now: Instant) -> Rate {
    Rate::new(STRANGERS_BURST, STRANGER_REFILL, now)
}

/// A path as it may be logged.
pub(crate) fn without_secret(path: &str) -> &str {
    let secret = path.strip_prefix(BASE).and_then(|rest| rest.strip_prefix("/resource/"));
    secret.and_then(|secret| path.strip_suffix(secret)).unwrap_or(path)
}

/// The failures of every offer, for its description.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "describes what `IntoResponse` writes")]
pub(crate) enum Refusals {
    /// The token does not allow it
    #[response(status = 403)]
    NotAllowed(#[to_schema] Error),
    /// There is no codec in common
    #[response(status = 406)]
    NothingInCommon(#[to_schema] Error),
    /// This is no SDP
    #[response(status = 415)]
    MediaType(#[to_schema] Error),
    /// The worker does not answer
    #[response(status = 504)]
    WorkerSilent(#[to_schema] Error),
}

/// The resource of a path.
#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct ResourcePath {
    /// As in `Location`.
    resource: String,
}

/// Stream into a room (WHIP)
///
/// With the token of a streamer, or of a peer that may publish. The answer is whole: no candidate follows.
#[utoipa::path(post, path = "/whip", tag = "live", operation_id = "whip",
    request_body(content = String, content_type = "application/sdp", description = "The offer"),
    responses((status = 201, body = String, content_type = "application/sdp", description = "The answer",
        headers(("location" = String, description = "The resource"), ("etag" = String),
            ("link" = String, description = "An ICE server; there may be several"))), Refusals, Failures))]
pub(crate) async fn whip(
    State(api): State<Api>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Failure> {
    api.open(api.grant(&headers)?, Way::Up, &headers, body).await
}

/// Watch a room (WHEP)
///
/// With the token of a viewer, or of a peer that may subscribe. A stream that has not begun is answered too:
/// what was offered carries it as soon as it comes, and when it comes back.
#[utoipa::path(post, path = "/whep", tag = "live", operation_id = "whep",
    request_body(content = String, content_type = "application/sdp", description = "The offer"),
    responses((status = 201, body = String, content_type = "application/sdp", description = "The answer",
        headers(("location" = String, description = "The resource"), ("etag" = String),
            ("link" = String, description = "An ICE server; there may be several"))), Refusals, Failures))]
pub(crate) async fn whep(
    State(api): State<Api>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Failure> {
    api.open(api.grant(&headers)?, Way::Down, &headers, body).await
}

/// Watch a public livestream (WHEP)
///
/// Without a token; with one, it has to be of this room.
#[utoipa::path(post, path = "/whep/{room}", tag = "live", operation_id = "whep_public", params(RoomPath),
    request_body(content = String, content_type = "application/sdp", description = "The offer"),
    responses((status = 201, body = String, content_type = "application/sdp", description = "The answer",
        headers(("location" = String, description = "The resource"), ("etag" = String),
            ("link" = String, description = "An ICE server; there may be several"))),
        (status = 429, body = Error, description = "Too many come at once"), Refusals, Failures))]
pub(crate) async fn whep_public(
    State(api): State<Api>,
    Path(room): Path<String>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Failure> {
    let room = room_id(&room)?;
    let grant = match bearer(&headers) {
        Some(_) => api.grant(&headers).and_then(|grant| of_room(grant, &room))?,
        None => api.stranger(room).await?,
    };
    api.open(grant, Way::Down, &headers, body).await
}

/// Change a session (WHIP, WHEP)
///
/// More candidates, or other credentials when ICE begins anew (`If-Match: *`).
#[utoipa::path(patch, path = "/resource/{resource}", tag = "live", operation_id = "patch_resource",
    params(ResourcePath),
    request_body(content = String, content_type = "application/trickle-ice-sdpfrag", description = "SDP fragment"),
    responses((status = 200, body = String, content_type = "application/trickle-ice-sdpfrag",
        description = "ICE begins anew; this is our side", headers(("etag" = String))),
        (status = 204, description = "Done"),
        (status = 412, body = Error, description = "It is meant for an earlier ICE session"),
        (status = 415, body = Error, description = "This is no SDP fragment"),
        (status = 504, body = Error, description = "The holder or the worker does not answer"), Failures))]
pub(crate) async fn patch(
    State(api): State<Api>,
    Path(path): Path<ResourcePath>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Failure> {
    let handle = api.handle(&path)?;
    let text = text_of(FRAGMENT, &headers, body)?;
    let if_match = headers.get(header::IF_MATCH).map(|value| value.to_str().unwrap_or_default().trim().to_owned());
    let fragment = sdp::read_fragment(&text);
    if fragment.ufrag.is_none() && fragment.candidates.is_empty() && !text.contains("a=end-of-candidates") {
        return Err(Failure::BAD_FRAGMENT);
    }
    match api.errand(handle, Deed::Patch { if_match, fragment }).await? {
        ErrandReply::Done => Ok(StatusCode::NO_CONTENT.into_response()),
        ErrandReply::Restarted { etag, fragment } => {
            Ok(([(header::CONTENT_TYPE, FRAGMENT), (header::ETAG, &etag)], sdp::write_fragment(&fragment))
                .into_response())
        }
        ErrandReply::Gone => Err(Failure::RESOURCE_NOT_FOUND),
        ErrandReply::Stale => Err(Failure::STALE_ICE),
        ErrandReply::TimedOut => Err(Failure::WORKER_SILENT),
    }
}

/// End a session (WHIP, WHEP)
#[utoipa::path(delete, path = "/resource/{resource}", tag = "live", operation_id = "end_resource",
    params(ResourcePath), responses((status = 200, description = "It has ended"),
        (status = 504, body = Error, description = "The holder does not answer"), Failures))]
pub(crate) async fn end(State(api): State<Api>, Path(path): Path<ResourcePath>) -> Result<StatusCode, Failure> {
    match api.errand(api.handle(&path)?, Deed::End).await? {
        ErrandReply::Gone => Err(Failure::RESOURCE_NOT_FOUND),
        ErrandReply::Done | ErrandReply::Restarted { .. } | ErrandReply::Stale | ErrandReply::TimedOut => {
            // RFC 9725 section 4.2 asks for 200.
            Ok(StatusCode::OK)
        }
    }
}

/// Whether a token of this kind is for this way at all.
fn takes(way: Way, kind: PeerKind) -> bool {
    match (way, kind) {
        (Way::Up, PeerKind::Streamer) | (Way::Down, PeerKind::Viewer) | (_, PeerKind::Webrtc) => true,
        (Way::Up | Way::Down, PeerKind::Agent | PeerKind::Streamer | PeerKind::Viewer) => false,
    }
}

fn of_room(grant: Grant, room: &RoomId) -> Result<Grant, Failure> {
    if grant.room == *room { Ok(grant) } else { Err(Failure::INVALID_TOKEN) }
}

/// A body of this kind.
fn text_of(kind: &'static str, headers: &HeaderMap, body: Result<Bytes, BytesRejection>) -> Result<String, Failure> {
    let said = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let said = said.split(';').next().unwrap_or_default().trim();
    if !said.eq_ignore_ascii_case(kind) {
        return Err(Failure::media_type(kind));
    }
    let body = body.map_err(|_| Failure::too_large())?;
    String::from_utf8(body.into()).map_err(|_| Failure::BAD_OFFER)
}

impl Api {
    /// What the token of a request grants, whomever it is for.
    fn grant(&self, headers: &HeaderMap) -> Result<Grant, Failure> {
        let token = bearer(headers).ok_or(Failure::MISSING_TOKEN)?;
        self.0.sockets.tokens.check_any(token).map_err(|_| Failure::INVALID_TOKEN)
    }

    /// What somebody without a token may do.
    async fn stranger(&self, room: RoomId) -> Result<Grant, Failure> {
        // Before the room is looked for: one that is not known here is asked of the store.
        if !self.0.strangers.lock().unwrap_or_else(PoisonError::into_inner).allows(Instant::now()) {
            return Err(Failure::TOO_MANY);
        }
        let spec = &self.show_room(room.clone()).await?.record.spec;
        if !spec.public || !spec.room_type.is_livestream() {
            return Err(Failure::MISSING_TOKEN);
        }
        let peer = PeerId::parse(&Uuid::new_v4().to_string()).expect("a uuid is an id");
        Ok(Grant { kind: PeerKind::Viewer, room, peer, scopes: scopes(PeerKind::Viewer), series: 0, newcomer: true })
    }

    /// Opens a session that goes one way, whatever else the token allows.
    async fn open(
        &self,
        mut grant: Grant,
        way: Way,
        headers: &HeaderMap,
        body: Result<Bytes, BytesRejection>,
    ) -> Result<Response, Failure> {
        if !takes(way, grant.kind) {
            return Err(Failure::INVALID_TOKEN);
        }
        let rights = &mut grant.scopes.rights;
        (rights.publish, rights.subscribe) = (rights.publish && way == Way::Up, rights.subscribe && way == Way::Down);
        if !rights.publish && !rights.subscribe {
            return Err(Failure::NOT_ALLOWED);
        }
        let offer = text_of(SDP, headers, body)?;
        if offer.len() > OFFER_BYTES_MAX {
            return Err(Failure::too_large());
        }
        if !sdp::is_offer(&offer) {
            return Err(Failure::BAD_OFFER);
        }
        let (room, kind, peer) = (grant.room.clone(), grant.kind, grant.peer.clone());
        let opened = self.0.resources.open(&self.0.sockets, kind, grant, sdp::one_way(&offer, way)).await;
        let Opened { session, holder, answer, etag } =
            opened.map_err(|refused: Refused| Failure::refused(&refused, &room))?;
        let ice_servers = self.0.sockets.ice_servers.of_client(peer.as_str(), SystemTime::now());
        let links = AppendHeaders(ice_servers.into_iter().map(|server| (header::LINK, server.link())));
        let handle = self.0.sockets.tokens.sign_handle(&Handle { session, holder, room, peer });
        let handle = handle.map_err(|error| {
            tracing::error!(%error, "the address of a resource cannot be signed");
            Failure::INTERNAL
        })?;
        let headers = [
            (header::CONTENT_TYPE, SDP.to_owned()),
            (header::LOCATION, format!("{BASE}/resource/{handle}")),
            (header::ETAG, etag),
            (ACCEPT_PATCH, FRAGMENT.to_owned()),
        ];
        Ok((StatusCode::CREATED, headers, links, answer).into_response())
    }

    fn handle(&self, path: &ResourcePath) -> Result<Handle, Failure> {
        self.0.sockets.tokens.check_handle(&path.resource).ok_or(Failure::RESOURCE_NOT_FOUND)
    }

    /// Asks whoever holds a resource: this process or another, or this one from now on if that is gone.
    async fn errand(&self, handle: Handle, deed: Deed) -> Result<ErrandReply, Failure> {
        let Handle { session, holder, room, peer } = handle;
        let errand = encode(&Errand { session: session.clone(), deed });
        if let Some(reply) = self.ask_holder(&holder, errand.clone()).await? {
            return Ok(reply);
        }
        // Whoever held it when it was opened is gone, or another speaks for it by now, or it has ended.
        let Some(present) = self.holder_of(&session, (&room, &peer)).await? else { return Ok(ErrandReply::Gone) };
        if present != holder
            && let Some(reply) = self.ask_holder(&present, errand.clone()).await?
        {
            return Ok(reply);
        }
        self.0.sockets.mailbox.ask(Request::AdoptPeer { room, peer }).await?;
        let reply = self.ask_holder(self.0.resources.holder(), errand).await?;
        Ok(reply.unwrap_or(ErrandReply::Gone))
    }

    /// Who speaks for a session by the record of its peer; `None` when it has ended.
    async fn holder_of(
        &self,
        session: &SessionId,
        (room, peer): (&RoomId, &PeerId),
    ) -> Result<Option<CoordinatorId>, Failure> {
        let show = Request::ShowPeer { room: room.clone(), peer: peer.clone() };
        let Reply::Peer(_, record) = self.0.sockets.mailbox.ask(show).await? else { return Ok(None) };
        let present = record.connection.filter(|connection| connection.session == *session);
        Ok(present.map(|connection| connection.coordinator))
    }

    /// `None` when nobody is there, or it is not there.
    async fn ask_holder(&self, holder: &CoordinatorId, errand: Vec<u8>) -> Result<Option<ErrandReply>, Failure> {
        let subject = subject::coordinator_resources(holder);
        let answer = self.0.sockets.bus.request(&subject, errand.into(), ERRAND_PATIENCE).await;
        match answer.map(|bytes| decode::<ErrandReply>(&bytes)) {
            Ok(Ok(ErrandReply::Gone)) | Err(BusError::NoResponders { .. }) => Ok(None),
            Ok(Ok(reply)) => Ok(Some(reply)),
            Ok(Err(error)) => {
                tracing::warn!(%error, "the answer to an errand cannot be read");
                Err(Failure::INTERNAL)
            }
            Err(BusError::TimedOut { .. }) => Err(Failure::HOLDER_SILENT),
            Err(BusError::TooLarge { .. }) => Err(Failure::too_large()),
            Err(BusError::Down(_)) => Err(Failure::BUS_DOWN),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_log_shows_the_address_of_a_resource() {
        assert_eq!(without_secret("/api/v1/live/api/resource/abc.def"), "/api/v1/live/api/resource/");
        for path in ["/api/v1/live/api/whep/room", "/room/resource/x", "/api/v1/live/api/resource/"] {
            assert_eq!(without_secret(path), path);
        }
    }
}

//! What goes wrong, in the words and statuses of the API: `{"errors":"…","code":"…"}`.
//!
//! `errors` is what the published SDKs read; `code` is ours, for programs.

use axum::Json;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;
use utoipa::{IntoResponses, ToSchema};
use velella_coordinator_core::{COMPONENTS_MAX, Close, Denial, Request, SUBSCRIPTIONS_MAX};
use velella_model::RoomId;
use velella_model::component::JobKind;
use velella_model::record::{Candidate, Verdict};
use velella_model::wire::signal::CloseReason;

use crate::driver::DriverGone;
use crate::resources::Refused;

/// When a client should ask again: by then an announcement or two have come.
const RETRY_AFTER_S: u32 = 2;

/// A request that is not granted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    status: StatusCode,
    code: &'static str,
    errors: std::borrow::Cow<'static, str>,
}

/// The nouns of a request, for its error messages.
#[derive(Default)]
pub(crate) struct Subject {
    room: String,
    peer: String,
    component: String,
    worker: String,
}

impl Subject {
    pub(crate) fn of(request: &Request) -> Self {
        let room = |room: &RoomId| Self { room: room.to_string(), ..Self::default() };
        match request {
            Request::ListRooms { .. }
            | Request::ListWorkers
            | Request::ListGateways
            | Request::ShowTotals
            | Request::ShowHistory { .. } => Self::default(),
            Request::CordonWorker { worker, .. } => Self { worker: worker.to_string(), ..Self::default() },
            Request::MoveRoom { room: id, to } => {
                Self { worker: to.as_ref().map(ToString::to_string).unwrap_or_default(), ..room(id) }
            }
            Request::CreateRoom { room: id, .. }
            | Request::EditRoom { room: id, .. }
            | Request::DeleteRoom { room: id }
            | Request::FindBroadcast { room: id }
            | Request::ShowRoom { room: id } => room(id),
            Request::AddPeer { room: id, peer, .. }
            | Request::ShowPeer { room: id, peer }
            | Request::AdoptPeer { room: id, peer }
            | Request::EditPeer { room: id, peer, .. }
            | Request::DeletePeer { room: id, peer, .. } => Self { peer: peer.to_string(), ..room(id) },
            Request::AddComponent { room: id, component, .. }
            | Request::ShowComponent { room: id, component }
            | Request::SubscribeComponent { room: id, component, .. }
            | Request::DeleteComponent { room: id, component } => Self { component: component.to_string(), ..room(id) },
        }
    }
}

impl Failure {
    pub(crate) const NOT_FOUND: Self = Self::fixed(StatusCode::NOT_FOUND, "not_found", "Not Found");
    pub(crate) const METHOD_NOT_ALLOWED: Self =
        Self::fixed(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "Method Not Allowed");
    pub(crate) const MISSING_TOKEN: Self = Self::fixed(StatusCode::UNAUTHORIZED, "missing_token", "Missing token");
    pub(crate) const INVALID_TOKEN: Self = Self::fixed(StatusCode::UNAUTHORIZED, "invalid_token", "Invalid token");
    pub(crate) const FORBIDDEN: Self =
        Self::fixed(StatusCode::FORBIDDEN, "forbidden", "A moderator may see its room and remove peers from it");
    pub(crate) const UNKNOWN_CREDENTIALS: Self =
        Self::fixed(StatusCode::NOT_FOUND, "unknown_credentials", "No such credentials");
    pub(crate) const FOREIGN_ORIGIN: Self =
        Self::fixed(StatusCode::FORBIDDEN, "foreign_origin", "Pages of this origin may not open sockets here");
    pub(crate) const BAD_BODY: Self =
        Self::fixed(StatusCode::BAD_REQUEST, "bad_request", "Invalid request body structure");
    pub(crate) const IDEMPOTENCY_BUSY: Self =
        Self::fixed(StatusCode::CONFLICT, "idempotency_busy", "A request with this Idempotency-Key is being served");
    pub(crate) const IDEMPOTENCY_OTHER: Self = Self::fixed(
        StatusCode::UNPROCESSABLE_ENTITY,
        "idempotency_misused",
        "This Idempotency-Key was used for another request",
    );
    pub(crate) const TOO_MANY: Self =
        Self::fixed(StatusCode::TOO_MANY_REQUESTS, "too_many_requests", "Too many requests, try again later");
    pub(crate) const TOO_SLOW: Self = Self::fixed(StatusCode::REQUEST_TIMEOUT, "timeout", "The request took too long");
    pub(crate) const STORE_DOWN: Self = Self::fixed(
        StatusCode::SERVICE_UNAVAILABLE,
        "store_down",
        "The state of the cluster cannot be written at the moment",
    );
    pub(crate) const BUS_DOWN: Self = Self::fixed(
        StatusCode::SERVICE_UNAVAILABLE,
        "bus_down",
        "The other parts of the cluster cannot be reached at the moment",
    );
    pub(crate) const NOT_ALLOWED: Self =
        Self::fixed(StatusCode::FORBIDDEN, "not_allowed", "The token does not allow this");
    pub(crate) const BAD_OFFER: Self = Self::fixed(StatusCode::BAD_REQUEST, "bad_offer", "The offer cannot be used");
    pub(crate) const BAD_FRAGMENT: Self =
        Self::fixed(StatusCode::BAD_REQUEST, "bad_fragment", "The SDP fragment says nothing about ICE");
    pub(crate) const NOTHING_IN_COMMON: Self =
        Self::fixed(StatusCode::NOT_ACCEPTABLE, "nothing_in_common", "The offer has no codec in common with the room");
    pub(crate) const STALE_ICE: Self =
        Self::fixed(StatusCode::PRECONDITION_FAILED, "stale_ice", "This was meant for an earlier ICE session");
    pub(crate) const RESOURCE_NOT_FOUND: Self =
        Self::fixed(StatusCode::NOT_FOUND, "resource_not_found", "There is no such session (any more)");
    pub(crate) const WORKER_SILENT: Self =
        Self::fixed(StatusCode::GATEWAY_TIMEOUT, "worker_silent", "The worker did not answer in time");
    pub(crate) const HOLDER_SILENT: Self =
        Self::fixed(StatusCode::GATEWAY_TIMEOUT, "holder_silent", "Who holds the session did not answer in time");
    pub(crate) const NO_TRANSCODER: Self = Self::fixed(
        StatusCode::BAD_REQUEST,
        "no_transcoder",
        "No gateway can transcode: install ffmpeg 5.1 or newer with libx264 beside one, or name it with --transcoder",
    );
    pub(crate) const FILE_NOT_FOUND: Self = Self::fixed(StatusCode::NOT_FOUND, "file_not_found", "File not found");
    pub(crate) const NOBODY_SERVES: Self =
        Self::fixed(StatusCode::SERVICE_UNAVAILABLE, "no_gateway", "No gateway serves broadcasts at the moment");
    pub(crate) const NOT_SUBSCRIBING: Self = Self::fixed(
        StatusCode::BAD_REQUEST,
        "not_subscribing",
        "Subscribe mode is supported only for HLS and Recording components",
    );
    pub(crate) const INTERNAL: Self =
        Self::fixed(StatusCode::INTERNAL_SERVER_ERROR, "internal", "Internal server error");

    const fn fixed(status: StatusCode, code: &'static str, errors: &'static str) -> Self {
        Self { status, code, errors: std::borrow::Cow::Borrowed(errors) }
    }

    fn new(status: StatusCode, code: &'static str, errors: String) -> Self {
        Self { status, code, errors: errors.into() }
    }

    pub(crate) fn bad_request(errors: String) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad_request", errors)
    }

    pub(crate) fn not_found(code: &'static str, errors: String) -> Self {
        Self::new(StatusCode::NOT_FOUND, code, errors)
    }

    /// A setting that a room keeps for life.
    pub(crate) fn immutable(key: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "immutable", format!("{key} of a room cannot be changed"))
    }

    pub(crate) fn subscriptions_limit() -> Self {
        let errors = format!("A peer or component may have {SUBSCRIPTIONS_MAX} subscriptions");
        Self::new(StatusCode::BAD_REQUEST, "subscriptions_limit", errors)
    }

    /// A kind of component that is not built yet.
    pub(crate) fn component_disabled(errors: String) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "component_disabled", errors)
    }

    pub(crate) fn with_status(self, status: StatusCode) -> Self {
        Self { status, ..self }
    }

    pub(crate) fn with_errors(self, errors: std::borrow::Cow<'static, str>) -> Self {
        Self { errors, ..self }
    }

    pub(crate) fn media_type(wanted: &str) -> Self {
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "media_type", format!("The body has to be {wanted}"))
    }

    /// Why an offer was not answered, in the statuses that published clients tell apart.
    pub(crate) fn refused(refused: &Refused, room: &RoomId) -> Self {
        let close = match refused {
            Refused::Closed(close) => close,
            Refused::NothingInCommon => return Self::NOTHING_IN_COMMON,
            Refused::TimedOut => return Self::WORKER_SILENT,
            Refused::ShuttingDown => return Self::from(DriverGone),
        };
        let unavailable = |code| Self::new(StatusCode::SERVICE_UNAVAILABLE, code, close.reason().into());
        match close {
            Close::RoomNotFound | Close::RoomStopped => {
                Self::not_found("room_not_found", format!("Room {room} does not exist"))
            }
            Close::PeerNotFound | Close::PeerRemoved(_) | Close::WrongSocket | Close::TokenRevoked => {
                Self::INVALID_TOKEN
            }
            Close::StreamTaken => {
                let errors = format!("Somebody else streams into room {room}");
                Self::new(StatusCode::CONFLICT, "stream_taken", errors)
            }
            Close::PeersLimit => {
                Self::new(StatusCode::CONFLICT, "peers_limit", format!("Reached peers limit in room {room}"))
            }
            Close::TakenOver => {
                Self::new(StatusCode::CONFLICT, "taken_over", "The same token came again meanwhile".into())
            }
            Close::SessionEnded(CloseReason::BadSignal) => Self::BAD_OFFER,
            Close::StoreDown => Self::STORE_DOWN,
            Close::NoWorker => unavailable("no_worker"),
            Close::Left | Close::SignalLost | Close::WorkerRestarted | Close::SessionEnded(_) | Close::TooMuchHeld => {
                unavailable("session_lost")
            }
        }
    }

    /// Whether this is its code.
    pub(crate) fn is(&self, code: &str) -> bool {
        self.code == code
    }

    pub(crate) fn too_large() -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", "The request body is too large".into())
    }

    pub(crate) fn not_supported(what: &str) -> Self {
        Self::new(StatusCode::NOT_IMPLEMENTED, "not_supported", format!("{what} are not supported by this server"))
    }

    pub(crate) fn worker_not_found(worker: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "worker_not_found", format!("Worker {worker} does not exist"))
    }

    /// What the core denies.
    pub(crate) fn denied(denial: &Denial, subject: &Subject) -> Self {
        let Subject { room, peer, component, worker } = subject;
        match denial {
            Denial::RoomNotFound => {
                Self::new(StatusCode::NOT_FOUND, "room_not_found", format!("Room {room} does not exist"))
            }
            Denial::PeerNotFound => {
                Self::new(StatusCode::NOT_FOUND, "peer_not_found", format!("Peer {peer} does not exist"))
            }
            Denial::OtherPeerNotFound(other) => {
                Self::new(StatusCode::NOT_FOUND, "peer_not_found", format!("Peer {other} does not exist"))
            }
            Denial::TrackNotFound(track) => {
                Self::new(StatusCode::NOT_FOUND, "track_not_found", format!("Track {track} does not exist"))
            }
            Denial::NotManual if peer.is_empty() => {
                let errors = format!("Component {component} option `subscribe_mode` is set to :auto");
                Self::new(StatusCode::BAD_REQUEST, "not_manual", errors)
            }
            Denial::NotManual => {
                let errors = format!("Peer {peer} does not have the subscribe mode 'manual'");
                Self::new(StatusCode::BAD_REQUEST, "not_manual", errors)
            }
            Denial::SubscriptionsLimit => Self::subscriptions_limit(),
            Denial::WorkerNotFound => Self::worker_not_found(worker),
            Denial::RoomMoving => {
                let errors = format!("Room {room} is on its way to another worker; ask again in a moment");
                Self::new(StatusCode::CONFLICT, "room_moving", errors)
            }
            Denial::RoomExists => {
                let errors = format!("Cannot add room with id \"{room}\" - room already exists");
                Self::new(StatusCode::CONFLICT, "room_exists", errors)
            }
            Denial::PeersLimit => {
                Self::new(StatusCode::CONFLICT, "peers_limit", format!("Reached peers limit in room {room}"))
            }
            Denial::NoWorker(candidates) => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "no_worker", no_worker(candidates))
            }
            Denial::ComponentNotFound => {
                Self::not_found("component_not_found", format!("Component {component} does not exist"))
            }
            Denial::ComponentsLimit => {
                let errors = format!("A room may have {COMPONENTS_MAX} components");
                Self::new(StatusCode::BAD_REQUEST, "components_limit", errors)
            }
            Denial::BroadcastsLimit => {
                let errors = format!("Reached hls components limit in room {room}");
                Self::new(StatusCode::BAD_REQUEST, "components_limit", errors)
            }
            Denial::BroadcastNotFound => Self::FILE_NOT_FOUND,
            Denial::NobodyServes => Self::NOBODY_SERVES,
            Denial::NotSubscribing => Self::NOT_SUBSCRIBING,
            Denial::NoGateway(kind, reasons) => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "no_gateway", no_gateway(*kind, reasons))
            }
            Denial::NoTranscoder => Self::NO_TRANSCODER,
            Denial::StoreDown => Self::STORE_DOWN,
        }
    }
}

/// How many workers are left out for which reason; names are the operator's and stay inside.
fn no_worker(candidates: &[Candidate]) -> String {
    let reasons = candidates.iter().filter_map(|candidate| match &candidate.verdict {
        Verdict::Excluded { reason } => Some(reason.as_str()),
        Verdict::Scored { .. } => None,
    });
    format!("No worker can take the room: {}", counted(reasons))
}

fn no_gateway(kind: JobKind, reasons: &[&str]) -> String {
    format!("No gateway can take a component of type {}: {}", kind.name(), counted(reasons.iter().copied()))
}

fn counted<'a>(reasons: impl Iterator<Item = &'a str>) -> String {
    let mut counts = std::collections::BTreeMap::<&str, usize>::new();
    for reason in reasons {
        *counts.entry(reason).or_default() += 1;
    }
    if counts.is_empty() {
        return "none is known".into();
    }
    let counts: Vec<String> = counts.into_iter().map(|(reason, count)| format!("{count} {reason}")).collect();
    counts.join(", ")
}

impl From<DriverGone> for Failure {
    fn from(gone: DriverGone) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "shutting_down", gone.to_string())
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let body = Json(json!({ "errors": self.errors, "code": self.code }));
        match self.status {
            StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS => {
                (self.status, [(header::RETRY_AFTER, RETRY_AFTER_S.to_string())], body).into_response()
            }
            _ => (self.status, body).into_response(),
        }
    }
}

/// What is wrong.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what `IntoResponse` writes")]
pub(crate) struct Error {
    /// One sentence for people.
    errors: String,
    /// For programs; it stays when the sentence changes.
    code: String,
}

/// The failures of every operation, for its description.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "describes what `IntoResponse` writes")]
pub(crate) enum Failures {
    /// The request cannot be understood.
    #[response(status = 400)]
    BadRequest(#[to_schema] Error),
    /// The token is missing or wrong.
    #[response(status = 401)]
    Unauthorized(#[to_schema] Error),
    /// What it names does not exist.
    #[response(status = 404)]
    NotFound(#[to_schema] Error),
    /// It contradicts what is there, or a limit is reached.
    #[response(status = 409)]
    Conflict(#[to_schema] Error),
    /// Not now; `Retry-After` says when to ask again.
    #[response(status = 503)]
    Unavailable(#[to_schema] Error),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_fits_says_why_without_naming_workers() {
        let excluded = |worker: &str, reason: &str| Candidate {
            worker: velella_model::WorkerId::parse(worker).unwrap(),
            verdict: Verdict::Excluded { reason: reason.into() },
        };
        let candidates = [excluded("a", "draining"), excluded("b", "silent"), excluded("c", "silent")];
        assert_eq!(no_worker(&candidates), "No worker can take the room: 1 draining, 2 silent");
        assert_eq!(no_worker(&[]), "No worker can take the room: none is known");
        let reasons = no_gateway(JobKind::Rtsp, &["full", "silent", "full"]);
        assert_eq!(reasons, "No gateway can take a component of type rtsp: 2 full, 1 silent");
    }

    #[test]
    fn an_unavailable_cluster_says_when_to_ask_again() {
        let subject = Subject { room: "r".into(), ..Subject::default() };
        let response = Failure::denied(&Denial::NoWorker(Vec::new()), &subject).into_response();
        assert_eq!(response.status(), 503);
        assert_eq!(response.headers()[header::RETRY_AFTER], "2");
    }
}

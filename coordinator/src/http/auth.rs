//! Who may ask: servers with the management token, and moderators with their peer token.
//!
//! A moderator (a peer whose token has the scope `admin`) may see its own room and remove peers
//! from it, nothing else.

use axum::extract::{MatchedPath, RawPathParams, Request, State};
use axum::http::{HeaderMap, Method, header};
use axum::middleware::Next;
use axum::response::Response;
use velella_coordinator_core::Request as Ask;

use crate::http::Api;
use crate::http::failure::{Failure, Failures};
use crate::http::peers::peer_of;
use crate::tokens::Grant;

/// What a moderator may do in its own room.
const FOR_MODERATORS: [(Method, &str); 2] =
    [(Method::GET, "/room/{room}"), (Method::DELETE, "/room/{room}/peer/{peer}")];

/// Lets a request through that brings `Authorization: Bearer <management token>`.
pub(crate) async fn require_management_token(
    State(api): State<Api>,
    request: Request,
    next: Next,
) -> Result<Response, Failure> {
    let token = bearer(request.headers()).ok_or(Failure::MISSING_TOKEN)?;
    if !api.0.management_token.matches(token) {
        return Err(Failure::INVALID_TOKEN);
    }
    Ok(next.run(request).await)
}

/// The same, and what moderators may do.
pub(crate) async fn require_management_token_or_moderator(
    State(api): State<Api>,
    path: MatchedPath,
    params: RawPathParams,
    request: Request,
    next: Next,
) -> Result<Response, Failure> {
    let token = bearer(request.headers()).ok_or(Failure::MISSING_TOKEN)?;
    if !api.0.management_token.matches(token) {
        let grant = api.moderator(token).await?;
        let own_room = params.iter().any(|(name, value)| name == "room" && value == grant.room.as_str());
        let allowed = |(method, end): &(Method, &str)| request.method() == method && path.as_str().ends_with(end);
        if !own_room || !FOR_MODERATORS.iter().any(allowed) {
            return Err(Failure::FORBIDDEN);
        }
    }
    Ok(next.run(request).await)
}

impl Api {
    /// The grant of a peer that is there, whose token was not revoked and has the scope.
    async fn moderator(&self, token: &str) -> Result<Grant, Failure> {
        let grant = self.0.sockets.tokens.check(token).map_err(|_| Failure::INVALID_TOKEN)?;
        let ask = Ask::ShowPeer { room: grant.room.clone(), peer: grant.peer.clone() };
        let (_, record) = match self.ask(ask).await {
            Err(failure) if failure.is("room_not_found") || failure.is("peer_not_found") => {
                return Err(Failure::INVALID_TOKEN);
            }
            reply => peer_of(reply?)?,
        };
        if grant.series < record.token_series || record.kicked.is_some() {
            return Err(Failure::INVALID_TOKEN);
        }
        if grant.scopes.admin { Ok(grant) } else { Err(Failure::INVALID_TOKEN) }
    }
}

/// Check the management token
///
/// Tells whether a management token is right. A wrong one is not found rather than not allowed: the published SDKs
/// take only that for a no.
#[utoipa::path(get, path = "/validate", tag = "rooms", operation_id = "validate",
    responses((status = 200, body = Object), Failures))]
pub(crate) async fn validate(State(api): State<Api>, headers: HeaderMap) -> Result<&'static str, Failure> {
    let right = bearer(&headers).is_some_and(|token| api.0.management_token.matches(token));
    if right { Ok("{}") } else { Err(Failure::UNKNOWN_CREDENTIALS) }
}

/// The token of a `Bearer` header; `None` without the header, empty for another scheme.
pub(crate) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().unwrap_or_default();
    let (scheme, token) = value.split_once(' ').unwrap_or_default();
    Some(if scheme.eq_ignore_ascii_case("bearer") { token.trim() } else { "" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_bearer_tokens_count() {
        let table = [("Bearer x", Some("x")), ("bearer  x ", Some("x")), ("Basic x", Some("")), ("x", Some(""))];
        for (value, token) in table {
            let headers = HeaderMap::from_iter([(header::AUTHORIZATION, value.parse().unwrap())]);
            assert_eq!(bearer(&headers), token, "{value}");
        }
        assert_eq!(bearer(&HeaderMap::new()), None);
    }
}

//! The management token.

use axum::extract::{Request, State};
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::Response;

use crate::http::Api;
use crate::http::failure::Failure;

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

/// Tells whether a management token is right. A wrong one is not found rather than not allowed: the published SDKs
/// take only that for a no.
pub(crate) async fn validate(State(api): State<Api>, headers: HeaderMap) -> Result<&'static str, Failure> {
    let right = bearer(&headers).is_some_and(|token| api.0.management_token.matches(token));
    if right { Ok("{}") } else { Err(Failure::UNKNOWN_CREDENTIALS) }
}

/// The token of a `Bearer` header; `None` without the header, empty for another scheme.
fn bearer(headers: &HeaderMap) -> Option<&str> {
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

//! Which pages may open sockets. Tokens are shown inside a socket and never sent by a browser on its
//! own, so any page may by default; an operator can narrow that down.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header;
use axum::middleware::Next;
use axum::response::Response;

use crate::http::failure::Failure;

/// Refuses sockets of pages that are not on the list. Who sends no origin is no browser.
pub(crate) async fn check(
    State(allowed): State<Arc<[String]>>,
    request: Request,
    next: Next,
) -> Result<Response, Failure> {
    let is_socket = request.headers().contains_key(header::SEC_WEBSOCKET_KEY);
    let origin = request.headers().get(header::ORIGIN);
    if is_socket && origin.is_some_and(|origin| !is_allowed(origin.as_bytes(), &allowed)) {
        return Err(Failure::FOREIGN_ORIGIN);
    }
    Ok(next.run(request).await)
}

fn is_allowed(origin: &[u8], allowed: &[String]) -> bool {
    allowed.is_empty() || allowed.iter().any(|one| one.as_bytes().eq_ignore_ascii_case(origin))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_list_allows_everybody_and_any_other_itself() {
        let list = ["https://meet.example.com".to_owned()];
        assert!(is_allowed(b"https://elsewhere.example", &[]));
        assert!(is_allowed(b"https://MEET.example.com", &list));
        for origin in ["https://elsewhere.example", "http://meet.example.com", "https://meet.example.com.evil", "null"]
        {
            assert!(!is_allowed(origin.as_bytes(), &list), "{origin}");
        }
    }
}

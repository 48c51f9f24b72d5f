//! What browsers let our pages do: nothing but what comes from here, and talk to this cluster.
//!
//! Every page gets it, unless it brings a policy of its own.

use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::Response;

use crate::http::Api;

/// Scripts, styles and pictures are files of ours; nothing is inline, no page may stand in a stranger's frame.
const FILES: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; \
                     base-uri 'none'; form-action 'self'; frame-ancestors 'self'";

/// Whoever asks for a camera is us.
const DEVICES: &str = "camera=(self), microphone=(self), display-capture=(self), geolocation=()";

pub(crate) async fn apply(State(api): State<Api>, mut response: Response) -> Response {
    let headers = response.headers_mut();
    if is_page(headers) && !headers.contains_key(header::CONTENT_SECURITY_POLICY) {
        headers.insert(header::CONTENT_SECURITY_POLICY, content_policy(api.0.public_url.as_deref()));
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
        headers.insert(HeaderName::from_static("permissions-policy"), HeaderValue::from_static(DEVICES));
    }
    response
}

fn is_page(headers: &HeaderMap) -> bool {
    headers.get(header::CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"))
}

/// The page may be opened under another name than the one that tickets carry: then it talks to both.
fn content_policy(public_url: Option<&str>) -> HeaderValue {
    let elsewhere = public_url.map(str::trim).unwrap_or_default().trim_end_matches('/');
    let sockets = elsewhere.replacen("http", "ws", 1);
    let text = format!("{FILES}; connect-src {}", ["'self'", elsewhere, &sockets].join(" ").trim_end());
    HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static(FILES))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_talks_to_where_it_came_from() {
        assert!(content_policy(None).to_str().unwrap().ends_with("connect-src 'self'"));
    }

    #[test]
    fn and_to_where_tickets_lead() {
        let policy = content_policy(Some("https://meet.example.com/"));
        let end = "connect-src 'self' https://meet.example.com wss://meet.example.com";
        assert!(policy.to_str().unwrap().ends_with(end), "{policy:?}");
    }

    #[test]
    fn a_name_that_no_header_can_hold_leaves_the_strictest_policy() {
        assert_eq!(content_policy(Some("https://a\nb")), FILES);
    }
}

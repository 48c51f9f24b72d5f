//! How clients reach this cluster from outside.

use axum::http::{HeaderMap, header};

use crate::http::Api;

/// The WebSocket base URL that a client SDK is given: `ws://host/api/v1/connect/{app}`.
pub(crate) fn socket_base(api: &Api, headers: &HeaderMap, app: &str) -> Option<String> {
    let origin = match &api.0.public_url {
        Some(url) => url.trim_end_matches('/').replacen("http", "ws", 1),
        None => origin(headers)?,
    };
    Some(format!("{origin}/api/v1/connect/{app}"))
}

/// `host:port`, the way older server SDKs address a server.
pub(crate) fn address(api: &Api, headers: &HeaderMap) -> String {
    let origin = match &api.0.public_url {
        Some(url) => url.clone(),
        None => origin(headers).unwrap_or_default(),
    };
    let authority = origin.split_once("://").map_or("", |(_, rest)| rest);
    authority.split('/').next().unwrap_or_default().to_owned()
}

/// As the client wrote it, or as the proxy in front of us says that it did.
fn origin(headers: &HeaderMap) -> Option<String> {
    let text = |name: &str| headers.get(name)?.to_str().ok();
    let host = text("x-forwarded-host").or_else(|| text(header::HOST.as_str()))?;
    let scheme = if text("x-forwarded-proto") == Some("https") { "wss" } else { "ws" };
    Some(format!("{scheme}://{host}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_that_ends_tls_is_believed() {
        let mut headers = HeaderMap::new();
        headers.insert("host", "inside:5002".parse().unwrap());
        assert_eq!(origin(&headers).as_deref(), Some("ws://inside:5002"));
        headers.insert("x-forwarded-proto", "https".parse().unwrap());
        headers.insert("x-forwarded-host", "meet.example.com".parse().unwrap());
        assert_eq!(origin(&headers).as_deref(), Some("wss://meet.example.com"));
    }
}

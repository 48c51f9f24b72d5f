//! One webhook call: signed, without redirects, and over in time.

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::hmac;
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::{Request, StatusCode, header};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use velella_coordinator_core::chronicle::Sequence;
use velella_ops::Secret;

/// Time for a whole call: name, connection, TLS, request, answer.
const CALL_PATIENCE: Duration = Duration::from_secs(10);

/// Time for a connection to be made.
const CONNECT_PATIENCE: Duration = Duration::from_secs(5);

/// How long a connection is kept for the next call, and how many for each receiver.
const IDLE: Duration = Duration::from_secs(30);
const IDLE_PER_HOST_MAX: usize = 4;

/// How much of an answer is read, so that its connection can be used again.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// Signature of the body, as published SDKs check it.
const SIGNATURE: &str = "x-fishjam-signature-256";
/// Our own: the number of the notification, `first-last` for a batch; the same whoever delivers it.
const SEQUENCE: &str = "velella-sequence";
/// Our own: 1, 2, …
const ATTEMPT: &str = "velella-attempt";

/// Makes calls; cloning shares its connections.
#[derive(Clone)]
pub(super) struct Client {
    http: legacy::Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    key: Option<Arc<hmac::Key>>,
}

/// Why a call does not count as delivered.
#[derive(Debug, thiserror::Error)]
pub(super) enum CallError {
    #[error("the URL or a header cannot be sent")]
    Unsendable(#[from] hyper::http::Error),
    #[error("the receiver cannot be reached: {0}")]
    Unreachable(#[from] legacy::Error),
    #[error("the receiver answered {0}")]
    Refused(StatusCode),
    #[error("no answer within {CALL_PATIENCE:?}")]
    TooSlow,
}

impl Client {
    pub(super) fn new(secret: Option<&Secret>) -> Self {
        let http = legacy::Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(IDLE_PER_HOST_MAX)
            .build(connector());
        let key = secret.map(|secret| Arc::new(hmac::Key::new(hmac::HMAC_SHA256, secret.expose().as_bytes())));
        Self { http, key }
    }

    /// Posts a body and waits for a status of 200 to 299.
    pub(super) async fn post(
        &self,
        url: &str,
        body: Bytes,
        (first, last): (Option<Sequence>, Option<Sequence>),
        attempt: u32,
    ) -> Result<(), CallError> {
        let mut request =
            Request::post(url).header(header::CONTENT_TYPE, "application/x-protobuf").header(ATTEMPT, attempt);
        if let (Some(Sequence(first)), Some(Sequence(last))) = (first, last) {
            let numbers = if first == last { first.to_string() } else { format!("{first}-{last}") };
            request = request.header(SEQUENCE, numbers);
        }
        if let Some(key) = &self.key {
            request = request.header(SIGNATURE, signature(key, &body));
        }
        let call = self.call(request.body(Full::new(body))?);
        tokio::time::timeout(CALL_PATIENCE, call).await.map_err(|_| CallError::TooSlow)?
    }

    async fn call(&self, request: Request<Full<Bytes>>) -> Result<(), CallError> {
        let answer = self.http.request(request).await?;
        let status = answer.status();
        // What it says does not matter, and an answer that breaks off has still been given.
        let _ = Limited::new(answer.into_body(), ANSWER_BYTES_MAX).collect().await;
        if status.is_success() { Ok(()) } else { Err(CallError::Refused(status)) }
    }
}

fn connector() -> HttpsConnector<HttpConnector> {
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_connect_timeout(Some(CONNECT_PATIENCE));
    tcp.set_nodelay(true);
    HttpsConnectorBuilder::new()
        .with_tls_config(velella_ops::tls_client("webhooks to https://"))
        .https_or_http()
        .enable_http1()
        .wrap_connector(tcp)
}

fn signature(key: &hmac::Key, body: &[u8]) -> String {
    let tag = hmac::sign(key, body);
    let mut text = String::from("sha256=");
    for byte in tag.as_ref() {
        text.push_str(&format!("{byte:02x}"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_is_the_published_test_vector() {
        // RFC 4231, test case 2.
        let key = hmac::Key::new(hmac::HMAC_SHA256, b"Jefe");
        let expected = "sha256=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        assert_eq!(signature(&key, b"what do ya want for nothing?"), expected);
    }
}

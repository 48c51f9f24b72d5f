//! `Idempotency-Key` on `POST`: the same key with the same request gets the same answer, without
//! anything being done again; with another request it is refused.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::PoisonError;
use std::time::Instant;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::http::auth::bearer;
use crate::http::failure::Failure;
use crate::http::{Api, BODY_BYTES_MAX};
use crate::ledger::{ANSWER_BYTES_MAX, Answer, Entry};

pub(crate) const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// Marks an answer that was given before.
pub(crate) const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

const KEY_BYTES_MAX: usize = 200;

/// Runs a request unless its key says that it was run before.
pub(crate) async fn once(State(api): State<Api>, request: Request, next: Next) -> Result<Response, Failure> {
    let Some(key) = request.headers().get(IDEMPOTENCY_KEY).filter(|_| *request.method() == Method::POST) else {
        return Ok(next.run(request).await);
    };
    let key = key.to_str().ok().filter(|key| !key.is_empty() && key.len() <= KEY_BYTES_MAX);
    let key = key.ok_or_else(|| {
        Failure::bad_request(format!("An Idempotency-Key has 1 to {KEY_BYTES_MAX} printable characters"))
    })?;
    let key = key.to_owned();
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, BODY_BYTES_MAX).await.map_err(|_| Failure::too_large())?;
    let fingerprint = fingerprint(parts.uri.to_string().as_str(), bearer(&parts.headers), &body);
    match api.enter(&key, fingerprint) {
        Entry::Done(answer) => Ok(replay(answer)),
        Entry::Busy => Err(Failure::IDEMPOTENCY_BUSY),
        Entry::Other => Err(Failure::IDEMPOTENCY_OTHER),
        Entry::New { .. } => {
            let request = Request::from_parts(parts, Body::from(body));
            // Of its own: what was begun is finished and written down also when the client is gone.
            let (worker, name) = (api.clone(), key.clone());
            let done = tokio::spawn(async move { worker.finish(&name, next.run(request).await).await });
            done.await.unwrap_or_else(|panicked| {
                tracing::error!(%panicked, "a request with a key ended in a panic");
                api.forget(&key);
                Err(Failure::INTERNAL)
            })
        }
    }
}

fn fingerprint(uri: &str, token: Option<&str>, body: &Bytes) -> u64 {
    let mut hasher = DefaultHasher::new();
    (uri, token, body).hash(&mut hasher);
    hasher.finish()
}

fn replay(answer: Answer) -> Response {
    let mut response = (answer.status, answer.headers, answer.body).into_response();
    response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    response
}

impl Api {
    fn enter(&self, key: &str, fingerprint: u64) -> Entry {
        let entry =
            self.0.ledger.lock().unwrap_or_else(PoisonError::into_inner).enter(key, fingerprint, Instant::now());
        let outcome = match entry {
            Entry::New { evicted: false } => "new",
            Entry::New { evicted: true } => "evicting",
            Entry::Done(_) => "replayed",
            Entry::Busy => "busy",
            Entry::Other => "misused",
        };
        self.0.sockets.metrics.idempotency.with_label_values(&[outcome]).inc();
        entry
    }

    fn forget(&self, key: &str) {
        self.0.ledger.lock().unwrap_or_else(PoisonError::into_inner).finish(key, None);
    }

    /// Keeps an answer that another try would not change.
    async fn finish(&self, key: &str, response: Response) -> Result<Response, Failure> {
        let finish = |answer| self.0.ledger.lock().unwrap_or_else(PoisonError::into_inner).finish(key, answer);
        if response.status().is_server_error() {
            finish(None);
            return Ok(response);
        }
        let (mut parts, body) = response.into_parts();
        let Ok(body) = to_bytes(body, ANSWER_BYTES_MAX).await else {
            finish(None);
            return Err(Failure::INTERNAL);
        };
        parts.headers.remove(header::CONTENT_LENGTH);
        finish(Some(Answer { status: parts.status, headers: parts.headers.clone(), body: body.clone() }));
        Ok(Response::from_parts(parts, Body::from(body)))
    }
}

//! `Idempotency-Key` on `POST`: the same key with the same request gets the same answer from any
//! coordinator, without anything being done again; with another request it is refused.

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::http::auth::bearer;
use crate::http::failure::Failure;
use crate::http::{Api, BODY_BYTES_MAX};
use crate::ledger::{ANSWER_BYTES_MAX, Answer, Claim, Entry};

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
    let credential = bearer(&parts.headers).unwrap_or_default();
    match api.enter(credential, &key, &[parts.uri.to_string().as_bytes(), &body]).await? {
        Entry::Done(answer) => Ok(replay(answer)),
        Entry::Busy => Err(Failure::IDEMPOTENCY_BUSY),
        Entry::Other => Err(Failure::IDEMPOTENCY_OTHER),
        Entry::New(claim) => {
            let request = Request::from_parts(parts, Body::from(body));
            // Of its own: what was begun is finished and written down also when the client is gone.
            let (worker, claimed) = (api.clone(), claim.clone());
            let done = tokio::spawn(async move { worker.finish(&claimed, next.run(request).await).await });
            match done.await {
                Ok(done) => done,
                Err(panicked) => {
                    tracing::error!(%panicked, "a request with a key ended in a panic");
                    api.forget(&claim).await;
                    Err(Failure::INTERNAL)
                }
            }
        }
    }
}

fn replay(answer: Answer) -> Response {
    let mut response = (answer.status, answer.headers, answer.body).into_response();
    response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    response
}

impl Api {
    async fn enter(&self, credential: &str, key: &str, asked: &[&[u8]]) -> Result<Entry, Failure> {
        let entry = self.0.ledger.enter(credential, key, asked).await;
        self.count_once(match &entry {
            Ok(Entry::New(_)) => "new",
            Ok(Entry::Done(_)) => "replayed",
            Ok(Entry::Busy) => "busy",
            Ok(Entry::Other) => "misused",
            Err(_) => "unavailable",
        });
        entry.map_err(|error| {
            tracing::warn!(%error, "a key cannot be looked up");
            Failure::STORE_DOWN
        })
    }

    /// Keeps an answer that another try would not change.
    async fn finish(&self, claim: &Claim, response: Response) -> Result<Response, Failure> {
        if response.status().is_server_error() {
            self.forget(claim).await;
            return Ok(response);
        }
        let (mut parts, body) = response.into_parts();
        let Ok(body) = to_bytes(body, ANSWER_BYTES_MAX).await else {
            self.forget(claim).await;
            return Err(Failure::INTERNAL);
        };
        parts.headers.remove(header::CONTENT_LENGTH);
        let answer = Answer { status: parts.status, headers: parts.headers.clone(), body: body.clone() };
        self.keep(claim, &answer).await;
        Ok(Response::from_parts(parts, Body::from(body)))
    }

    /// What was done is answered, also when the store cannot keep the answer.
    async fn keep(&self, claim: &Claim, answer: &Answer) {
        match self.0.ledger.keep(claim, answer).await {
            Ok(false) => {}
            Ok(true) => self.count_once("evicting"),
            Err(error) => {
                tracing::warn!(%error, "an answer is not kept: its key stays claimed, and is then forgotten");
                self.count_once("unkept");
            }
        }
    }

    async fn forget(&self, claim: &Claim) {
        if let Err(error) = self.0.ledger.forget(claim).await {
            tracing::warn!(%error, "a key stays claimed until its lease runs out");
        }
    }

    fn count_once(&self, outcome: &str) {
        self.0.sockets.metrics.idempotency.with_label_values(&[outcome]).inc();
    }
}

//! What a handler leaves of a request's body is read before the answer goes out.
//!
//! Who is refused by a header, or asks for what is not offered, is answered without a look at the
//! body. A connection whose body was not read cannot be used again, and clients that had begun the
//! next request on it would get no answer.

use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use http_body_util::BodyExt;
use hyper::body::{Frame, SizeHint};
use tokio::sync::oneshot;

/// What is read at most; after more than that the connection ends with the answer.
const LEFTOVER_BYTES_MAX: usize = super::BODY_BYTES_MAX;

pub(crate) async fn read(request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    if body.is_end_stream() {
        return next.run(Request::from_parts(parts, body)).await;
    }
    let (back, mut leftover) = oneshot::channel();
    let lent = Lent { body, back: Some(back) };
    let response = next.run(Request::from_parts(parts, Body::new(lent))).await;
    if let Ok(body) = leftover.try_recv() {
        discard(body).await;
    }
    response
}

async fn discard(mut body: Body) {
    let mut left = LEFTOVER_BYTES_MAX;
    while let Some(Ok(frame)) = body.frame().await {
        let Some(less) = left.checked_sub(frame.data_ref().map_or(0, Bytes::len)) else { return };
        left = less;
    }
}

/// A body that comes back when it is dropped before its end.
struct Lent {
    body: Body,
    back: Option<oneshot::Sender<Body>>,
}

impl HttpBody for Lent {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let Some(back) = self.back.take().filter(|_| !self.body.is_end_stream()) {
            // Nobody takes it when the client is gone.
            let _ = back.send(std::mem::take(&mut self.body));
        }
    }
}

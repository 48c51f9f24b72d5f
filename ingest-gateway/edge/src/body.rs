//! Bytes on their way to a client.

use std::convert::Infallible;
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};

use crate::held::Held;
use crate::object::Content;
use crate::pace::Delivery;

/// What is handed to the socket at once. Small enough that a slow client shows whether it takes anything at all.
const CHUNK_BYTES: usize = 64 << 10;

/// The body of an answer. Media stays where it is held and is not copied.
#[derive(Debug, Default)]
pub(crate) struct Outgoing {
    current: Bytes,
    /// The object that `current` is of, and the index of the piece behind it.
    following: Option<(Arc<Held>, usize)>,
    left: usize,
    delivery: Option<Delivery>,
}

impl Outgoing {
    /// A text.
    pub(crate) fn text(text: Bytes) -> Self {
        Self { left: text.len(), current: text, ..Self::default() }
    }

    /// These bytes of an object as it is.
    pub(crate) fn object(held: &Arc<Held>, range: Range<usize>) -> Self {
        let mut body = Self { following: Some((Arc::clone(held), 0)), left: held.length, ..Self::default() };
        body.skip(range.start);
        body.left = range.len();
        body
    }

    /// Who is told of what was taken.
    pub(crate) fn watched(self, delivery: Delivery) -> Self {
        Self { delivery: Some(delivery), ..self }
    }

    pub(crate) fn len(&self) -> usize {
        self.left
    }

    fn skip(&mut self, mut bytes: usize) {
        while bytes > 0 && self.advance() {
            let skipped = bytes.min(self.current.len());
            let _ = self.current.split_to(skipped);
            bytes -= skipped;
        }
    }

    /// Whether there is something in `current`.
    fn advance(&mut self) -> bool {
        while self.current.is_empty() {
            let Some((held, next)) = &mut self.following else { return false };
            let Some(piece) = held.object.content.piece(*next) else { return false };
            self.current = piece;
            *next += 1;
        }
        true
    }

    fn chunk(&mut self) -> Option<Bytes> {
        if self.left == 0 || !self.advance() {
            return None;
        }
        let chunk = self.current.split_to(self.current.len().min(self.left).min(CHUNK_BYTES));
        self.left -= chunk.len();
        Some(chunk)
    }
}

impl Content {
    fn piece(&self, index: usize) -> Option<Bytes> {
        match self {
            Self::Playlist(text) => (index == 0).then(|| text.clone()),
            Self::Media(pieces) => pieces.get(index).cloned(),
            Self::Refused(reason) => (index == 0).then(|| reason.json().into()),
        }
    }
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let chunk = self.chunk();
        if let (Some(delivery), Some(chunk)) = (&self.delivery, &chunk) {
            delivery.taken(chunk.len());
        }
        Poll::Ready(chunk.map(|chunk| Ok(Frame::data(chunk))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left as u64)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::object::Object;

    fn sent(mut body: Outgoing) -> Vec<u8> {
        std::iter::from_fn(|| body.chunk()).flatten().collect()
    }

    #[test]
    fn pieces_follow_each_other_from_any_byte_to_any_byte() {
        let pieces = [&b"abc"[..], b"", b"defg", b"h"].map(Bytes::from_static).to_vec();
        let object = Object { content: Content::Media(pieces), max_age: Duration::ZERO, urgency: 3 };
        let held = Arc::new(Held::new(object, Duration::ZERO, Duration::ZERO));
        for start in 0..8 {
            for end in start..=8 {
                assert_eq!(sent(Outgoing::object(&held, start..end)), b"abcdefgh"[start..end], "{start}..{end}");
            }
        }
    }

    #[test]
    fn long_pieces_are_taken_in_steps() {
        let mut body = Outgoing::text(Bytes::from(vec![7; CHUNK_BYTES + 1]));
        let steps: Vec<_> = std::iter::from_fn(|| body.chunk()).map(|chunk| chunk.len()).collect();
        assert_eq!(steps, [CHUNK_BYTES, 1]);
    }
}

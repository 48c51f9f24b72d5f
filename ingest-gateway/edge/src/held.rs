//! An object as an edge holds it: with what follows from it once and is the same for everybody.

use std::io::Write;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use hyper::header::HeaderValue;

use crate::object::{Content, Object};
use crate::reason::Reason;

/// How hard playlists are zipped: they repeat themselves, so that more work hardly makes them smaller.
const COMPRESSION: Compression = Compression::new(4);

/// An object, and since when it exists.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) object: Object,
    /// Of the content, as it is.
    pub(crate) length: usize,
    pub(crate) cache_control: HeaderValue,
    pub(crate) priority: HeaderValue,
    /// When whoever made it gave it away.
    born: Instant,
    /// How long it may be given to others.
    pub(crate) lifetime: Duration,
    zipped: OnceLock<Bytes>,
}

impl Held {
    /// An object that was `age` on its way, and may be held for `lifetime` from now on.
    pub(crate) fn new(object: Object, age: Duration, lifetime: Duration) -> Self {
        let now = Instant::now();
        Self {
            length: object.content.len(),
            cache_control: cache_control(object.max_age),
            priority: priority(object.urgency),
            born: now.checked_sub(age).unwrap_or(now),
            lifetime,
            zipped: OnceLock::new(),
            object,
        }
    }

    /// A refusal that holds for this moment alone, whatever `max_age` tells others.
    pub(crate) fn refused(reason: Reason, max_age: Duration) -> Self {
        Self::new(Object::refused(reason, max_age), Duration::ZERO, Duration::ZERO)
    }

    /// How old it is.
    pub(crate) fn age(&self) -> Duration {
        self.born.elapsed()
    }

    /// A playlist in gzip; made once, by the first who wants it. `None` when it is no playlist.
    pub(crate) fn zipped(&self) -> Option<&Bytes> {
        match &self.object.content {
            Content::Playlist(text) => Some(self.zipped.get_or_init(|| zip(text))),
            Content::Media(_) | Content::Refused(_) => None,
        }
    }
}

impl Content {
    fn len(&self) -> usize {
        match self {
            Self::Playlist(text) => text.len(),
            Self::Media(pieces) => pieces.iter().map(Bytes::len).sum(),
            Self::Refused(reason) => reason.json().len(),
        }
    }
}

fn zip(text: &Bytes) -> Bytes {
    let mut encoder = GzEncoder::new(Vec::new(), COMPRESSION);
    let written = encoder.write_all(text).and_then(|()| encoder.finish());
    written.expect("memory takes every byte").into()
}

/// Less than a second is told as a second: zero would be nothing to keep.
fn cache_control(max_age: Duration) -> HeaderValue {
    if max_age.is_zero() {
        return HeaderValue::from_static("no-store");
    }
    let text = format!("public, max-age={}", max_age.as_secs().max(1));
    HeaderValue::from_maybe_shared(Bytes::from(text)).expect("digits and letters are a header")
}

fn priority(urgency: u8) -> HeaderValue {
    const LEVELS: [&str; 8] = ["u=0", "u=1", "u=2", "u=3", "u=4", "u=5", "u=6", "u=7"];
    HeaderValue::from_static(LEVELS.get(usize::from(urgency)).unwrap_or(&"u=7"))
}

//! What a request gets, before it is HTTP.

use std::time::Duration;

use bytes::Bytes;

use crate::reason::Reason;

/// What a request gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// What it is.
    pub content: Content,
    /// `Cache-Control: max-age`; zero: `no-store`.
    pub max_age: Duration,
    /// `priority: u=` (RFC 9218), 0 to 7.
    pub urgency: u8,
}

/// What an object is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// A playlist, in UTF-8.
    Playlist(Bytes),
    /// A segment, a part or an init segment, as pieces that follow each other.
    Media(Vec<Bytes>),
    /// Nothing.
    Refused(Reason),
}

impl Object {
    /// No.
    #[must_use]
    pub fn refused(reason: Reason, max_age: Duration) -> Self {
        Self { content: Content::Refused(reason), max_age, urgency: URGENCY_REFUSED }
    }
}

/// A player that is refused something has to know before it gets more media.
const URGENCY_REFUSED: u8 = 1;

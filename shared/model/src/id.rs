//! Ids: one generic newtype per noun, parsed at the edge, then trusted.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Longest accepted id in bytes. Track ids are `endpoint:uuid`, at most twice a uuid plus a colon
/// with the published clients; the bound leaves room for rooms named by people.
pub const ID_BYTES_MAX: usize = 200;

/// A name of one noun. Two kinds of id never mix: `Id<kind::Room>` is not `Id<kind::Peer>`. Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String", bound = "K: Clone")]
pub struct Id<K>(Arc<str>, PhantomData<K>);

/// The nouns that have ids.
pub mod kind {
    use serde::{Deserialize, Serialize};

    /// Marker of [`super::RoomId`].
    #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
    pub struct Room;
    /// Marker of [`super::PeerId`].
    #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
    pub struct Peer;
    /// Marker of [`super::TrackId`].
    #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
    pub struct Track;
    /// Marker of [`super::WorkerId`].
    #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
    pub struct Worker;
    /// Marker of [`super::CoordinatorId`].
    #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
    pub struct Coordinator;
    /// Marker of [`super::GatewayId`].
    #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
    pub struct Gateway;
    /// Marker of [`super::ComponentId`].
    #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
    pub struct Component;
    /// Marker of [`super::SessionId`].
    #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
    pub struct Session;
}

/// An isolation boundary: media and messages never leave it.
pub type RoomId = Id<kind::Room>;
/// One participant of a room.
pub type PeerId = Id<kind::Peer>;
/// One published track; made by the client as `endpoint:uuid` and kept verbatim.
pub type TrackId = Id<kind::Track>;
/// One SFU process, stable over restarts.
pub type WorkerId = Id<kind::Worker>;
/// One coordinator process.
pub type CoordinatorId = Id<kind::Coordinator>;
/// One ingest gateway, stable over restarts.
pub type GatewayId = Id<kind::Gateway>;
/// Something in a room that is no peer: a camera, an encoder, an HLS stream, a recording.
pub type ComponentId = Id<kind::Component>;
/// One transport connection of a peer; new on every reconnect.
pub type SessionId = Id<kind::Session>;

impl<K> Id<K> {
    /// Accepts 1 to [`ID_BYTES_MAX`] characters of `A–Z a–z 0–9 - _ : .`
    ///
    /// Track ids come from clients and hold colons; the set is safe in URLs, logs and store keys.
    /// Subjects never hold raw ids of clients (see [`crate::subject`]).
    pub fn parse(text: &str) -> Result<Self, IdError> {
        if text.is_empty() || text.len() > ID_BYTES_MAX {
            return Err(IdError::Length { bytes: text.len() });
        }
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | ':' | '.');
        match text.chars().find(|c| !allowed(*c)) {
            Some(character) => Err(IdError::Character { character }),
            None => Ok(Self(text.into(), PhantomData)),
        }
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<K> TryFrom<String> for Id<K> {
    type Error = IdError;

    fn try_from(text: String) -> Result<Self, IdError> {
        Self::parse(&text)
    }
}

impl<K> std::str::FromStr for Id<K> {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        Self::parse(text)
    }
}

impl<K> From<Id<K>> for String {
    fn from(id: Id<K>) -> Self {
        id.0.as_ref().into()
    }
}

impl<K> fmt::Display for Id<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<K> fmt::Debug for Id<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// Fencing number of a room's placement: the store's revision at which it was written. So it grows with
/// every move, also over a deletion of the room, and never returns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Generation(pub u64);

/// One boot of a worker: two boots of the same [`WorkerId`] never share it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Incarnation(pub u64);

/// Why a text is no id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// Empty or too long.
    #[error("an id has 1 to {ID_BYTES_MAX} characters, this one has {bytes}")]
    Length {
        /// Its length.
        bytes: usize,
    },
    /// A character outside the allowed set.
    #[error("an id holds letters, digits, '-', '_', ':' and '.', not {character:?}")]
    Character {
        /// The first such character.
        character: char,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_track_id_of_the_published_client_is_kept_verbatim() {
        let text = "f929aa3d-ef45-4bc4-8f27-e3f080eb65d8:0b6c";
        assert_eq!(TrackId::parse(text).unwrap().as_str(), text);
    }

    #[test]
    fn ids_that_could_reach_into_subjects_or_keys_are_refused() {
        for text in ["", "a b", "a/b", "a*", "a>", "ä", "a\n"] {
            assert!(RoomId::parse(text).is_err(), "{text:?}");
        }
        assert_eq!(RoomId::parse(&"x".repeat(201)), Err(IdError::Length { bytes: 201 }));
    }
}
